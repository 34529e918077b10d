"""The Expensify simulator as `flowctl sandbox` and `flowctl demo` use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from connectors.expensify.simulator import (
    Category,
    Chart,
    ExpensifySimulator,
    Mix,
    Options,
    Tag,
    app,
    seed_business,
    transport,
)
from connectors.expensify.simulator.amounts import Counts, total_told
from connectors.expensify.simulator.script import Books, Story, act, contents, tell
from connectors.expensify.simulator.wire import FORM, PATH, ApiError, parse_job
from engine.clock import Clock
from engine.contract import HttpCall, Json
from engine.dataclass import dataclass
from engine.errors import UnknownName

if TYPE_CHECKING:
    import httpx
    from starlette.applications import Starlette


@dataclass(frozen=True, slots=True)
class ExpensifySandbox:
    """A made-up Expensify account."""

    simulator: ExpensifySimulator
    chart: Books = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    # What a report counts in the total; by a policy's name in the case where that differs.
    counts: Mapping[str, Counts] = field(default_factory=dict)

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        """How to connect to it."""
        options = self.simulator.world.options
        settings = {
            "base_url": base_url,
            "partner_user_id": options.partner_user_id,
            "amount_unit": options.amounts,
        }
        return settings, {"partner_user_secret": options.partner_user_secret}

    def total(self) -> Decimal:
        """The sum of all reports that a job has marked as exported: what their employees are owed.

        One that owes nothing counts as what was spent; with `counts: spent` every report does, as it is in the books when
        it is posted as a journal entry. `counts: {us: spent}` says so of one policy.
        """
        self.simulator.world.settle()
        story = self._story()
        by_policy = {story.id_of("policy", name): counts for name, counts in self.counts.items() if name}
        return total_told(self.simulator.world, by_policy, self.counts.get("", "owed"))

    def save(self) -> str:
        """Seed and account cannot be told apart from a fresh one; an Expensify sandbox starts anew each time."""
        return json.dumps({"seed": self.simulator.seed})

    def app(self) -> Starlette:
        """The endpoint over HTTP."""
        return app(self.simulator)

    def transport(self) -> httpx.BaseTransport:
        """The endpoint without a socket."""
        return transport(self.simulator)

    def told(self, body: bytes) -> Json | None:
        """The job of a form post that marks reports, without its credentials; None for one that only reads."""
        try:
            job = parse_job(HttpCall("POST", PATH, "", {"content-type": FORM}, body))
        except ApiError:
            return None
        return {name: part for name, part in job.body.items() if name != "credentials"} if job.kind == "mark" else None

    def act(self, action: str, value: Any) -> None:
        """Something happens in Expensify, as a step of a golden case says; see `simulator.script`."""
        act(self._story(), action, value)

    def contents(self) -> list[str]:
        """Reports with their state and labels."""
        return contents(self._story())

    def unused(self) -> list[str]:
        """Faults that were planned and never happened."""
        struck = self.simulator.faults.counts
        return [f"fault {fault.name}" for fault in self.simulator.faults.faults if not struck[fault.name]]

    def _story(self) -> Story:
        return Story(self.simulator, self.chart, self.names)


def make(seed: int, clock: Clock, options: Json) -> ExpensifySandbox:
    """An account as a golden case gives it, or of so many reports (`bills`) and people (`vendors`), coded to `chart`."""
    chart: Books = options.get("chart", {})
    if "given" in options:
        given = dict(options["given"])
        made = ExpensifySandbox(ExpensifySimulator(seed, clock), chart, counts=_counts(given.pop("counts", "owed")))
        tell(Story(made.simulator, chart, made.names), given)
        return made
    # Files are ready at once: 20 calls a minute are few for somebody who watches.
    simulator = ExpensifySimulator(seed, clock, options=Options(ready_after_polls=0))
    seed_business(
        simulator,
        reports=int(options.get("bills", 20)),
        people=int(options.get("vendors", 8)),
        chart=coded(chart, options.get("gaps", ())),
        mix=Mix(**options.get("mix", {})),
    )
    return ExpensifySandbox(simulator, counts=_counts(options.get("counts", "owed")))


def _counts(given: Any) -> Mapping[str, Counts]:
    """What counts, by the name of a policy; for all others under the empty name."""
    named: dict[str, Counts] = given if isinstance(given, dict) else {"": given}
    for value in named.values():
        if value not in get_args(Counts):
            raise UnknownName("kind of `counts`", str(value), get_args(Counts))
    return named


def coded(chart: Books, gaps: Sequence[Mapping[str, Any]] = ()) -> Chart:
    """QuickBooks' lists in Expensify's words: accounts are categories, classes and customers:jobs tags, vendors people."""

    def tags(name: str) -> list[Tag]:
        return [Tag(str(item["name"]), str(item.get("code") or "")) for item in chart.get(name, ())]

    return Chart(
        categories=[Category(tag.name, tag.gl_code) for tag in tags("accounts")],
        classes=tags("classes"),
        customers=tags("customers"),
        people=[tag.name for tag in tags("vendors")],
        gaps=[Category(str(gap["name"])) for gap in gaps],
    )
