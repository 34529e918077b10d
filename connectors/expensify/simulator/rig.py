"""An Expensify account in a campaign: small, with a random selection of faults, and people who change their minds."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from connectors import _simulated
from connectors.expensify.sandbox import ExpensifySandbox, coded
from connectors.expensify.simulator import build
from connectors.expensify.simulator.amounts import Counts, amount_of
from connectors.expensify.simulator.core import ExpensifySimulator
from connectors.expensify.simulator.faults import Fault, FaultName, FaultPlan
from connectors.expensify.simulator.records import (
    APPROVED_STATES,
    Category,
    Employee,
    Expense,
    Options,
    Policy,
    Report,
    State,
    Tag,
)
from connectors.expensify.simulator.script import LABEL
from connectors.expensify.simulator.seed import Chart, email_of
from connectors.expensify.simulator.wire import ApiError, Job, parse_job
from engine.clock import Clock
from engine.contract import HttpCall, HttpReply, Json
from engine.dataclass import dataclass
from engine.rigs import Hears, Posts, Standing, Told, Wanted

if TYPE_CHECKING:
    import httpx

# Refusals that a person has to look into are for golden cases: no campaign has the person.
_FAULTS: tuple[FaultName, ...] = tuple(name for name in get_args(FaultName) if name not in ("forbidden", "not_found"))
_NAMES = (
    "Acme Supply", "Ana López", "Jun Takahashi", "東海林 葵", "O'Malley <&> Sons",
    "Maximiliana Featherstonehaugh-Cholmondeley of the Northern Territories",
)  # fmt: skip
# What people do in Expensify, each with its usual rate between two runs.
_DEEDS: Mapping[str, float] = {
    "late_report": 0.25, "approve": 0.3, "edit_amount": 0.2, "edit_memo": 0.2, "edit_coding": 0.15, "reopen": 0.08,
    "reimburse": 0.25, "close": 0.1, "export": 0.06, "delete": 0.03, "twin_report": 0.05, "new_category": 0.05,
}  # fmt: skip
# The campaign's names for what leads to more records, which come from a source that has bills.
_ALSO = {"late_report": "late_bill", "twin_report": "twin_bill"}
# What keeps a report from being posted.
_LOSES = frozenset({"reopen", "export", "delete", "late_report"})
_MOST_REPORTS = 5


@dataclass(slots=True)
class ExpensifyRig:
    """The account, and what every report of it was ever shown as.

    A mark of Expensify's carries no reference, so `Told.reference` is always None, and one report is told at most once,
    whatever number of jobs marked it. Its key is made of the ids and the label: the job has none of its own.
    """

    sandbox: ExpensifySandbox
    chance: random.Random
    chart: Chart
    deeds: Mapping[str, float]
    shown: dict[str, set[Decimal]] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    # Whether every report can be posted at once, and nobody takes one away.
    is_plain: bool = False

    @property
    def simulator(self) -> ExpensifySimulator:
        """The simulator below the sandbox."""
        return self.sandbox.simulator

    def transport(self, hears: Hears) -> httpx.BaseTransport:
        """The endpoint without a socket."""

        def handle(call: HttpCall) -> HttpReply:
            heard = _heard(call)
            if heard is not None:
                hears(*heard)
            try:
                return self.simulator.handle(call)
            finally:
                self.look()

        return _simulated.transport(handle)

    def befall(self) -> list[str]:
        """What people do in Expensify before our next run."""
        done = []
        for name, rate in self.deeds.items():
            if self.chance.random() < rate:
                what = _DOINGS[name](self)
                if what:
                    done.append(f"expensify: {name} {what}")
                    self.total[name] += 1
        self.look()
        return done

    def calm(self) -> None:
        """No more faults, and what a job promises is done at once."""
        self.total += self.simulator.faults.counts
        self.simulator.faults = FaultPlan(0)
        self.simulator.world.options = replace(self.simulator.world.options, marks_after_s=0.0)
        self.deeds = {}

    def deliver(self, posts: Posts) -> list[str]:  # noqa: ARG002 - the rig's own protocol
        """Expensify sends no webhooks."""
        return []

    def look(self) -> None:
        """Note the amounts that are there now."""
        for report in self.simulator.world.reports.values():
            amounts = {abs(amount_of(report, counts)) for counts in get_args(Counts)}
            self.shown.setdefault(report.id, set()).update(amounts - {Decimal(0)})

    def wanted(self) -> Sequence[Wanted]:
        """Every report; its amounts are what it comes to as a bill and as a journal entry."""
        world = self.simulator.world
        world.settle()
        return [
            Wanted("reports", "post", report.id, self._stands(report), frozenset(self.shown.get(report.id, ())))
            for report in world.reports.values()
        ]

    def told(self) -> Sequence[Told]:
        """Every report that a job marked."""
        world = self.simulator.world
        world.settle()
        marked = dict.fromkeys(mark.report_id for mark in world.marks if mark.by == "job")
        return [Told("reports", "post", report_id, None) for report_id in marked]

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + self.simulator.faults.counts

    def _stands(self, report: Report) -> Standing:
        labels = self.simulator.world.labels.get(report.id, {})
        if "job" in labels.values():
            return "told"
        if labels:
            return "by_hand"
        return "due" if report.state in APPROVED_STATES else "off"

    # --- making and changing ---

    def expense(self, policy: Policy) -> Expense:
        """An expense, perhaps foreign, changed, on a company card, or a small refund."""
        chance, world = self.chance, self.simulator.world
        minor, currency, converted = chance.randrange(200, 90_000), policy.currency, None
        if chance.random() < 0.2:
            currency, converted = chance.choice(("EUR", "JPY", "KWD")), chance.randrange(200, 90_000)
        elif chance.random() < 0.1:
            minor = -chance.randrange(1, 60)
        card = chance.random() < 0.3
        return build.expense(
            world,
            minor,
            (world.now - timedelta(days=chance.randrange(1, 30))).date(),
            currency=currency,
            converted=converted,
            modified_minor=minor + 50 if converted is None and minor > 0 and chance.random() < 0.15 else None,
            category=chance.choice(self.chart.categories),
            tags=self.tags(policy),
            reimbursable=not card and chance.random() < 0.9,
            bank="Visa" if card else "",
            card="4111XXXXXXXX1111" if card else "",
            billable=chance.random() < 0.1,
        )

    def tags(self, policy: Policy) -> tuple[Tag, ...]:
        """One for each level, or none."""
        if not policy.levels or self.chance.random() < 0.3:
            return ()
        return tuple(self.chance.choice(level.tags) for level in policy.levels)

    def expenses(self, policy: Policy) -> tuple[Expense, ...]:
        """One to four expenses whose sum is positive."""
        made = [self.expense(policy) for _ in range(self.chance.choice((1, 1, 2, 3, 4)))]
        while sum(expense.counts for expense in made) <= 0:
            made.append(self.expense(policy))
        return tuple(made)

    def add_report(self, state: State | None = None) -> Report:
        """A report of somebody's."""
        world, chance = self.simulator.world, self.chance
        policy = chance.choice(list(world.policies.values()))
        people = [email for email in policy.members if email != policy.owner]
        begun = world.now - timedelta(days=chance.randrange(1, 40))
        drawn: State = "SUBMITTED" if chance.random() < 0.15 and not self.is_plain else "APPROVED"
        return build.add_report(
            world,
            self.expenses(policy),
            policy_id=policy.id,
            email=chance.choice(people),
            state=state or drawn,
            name=chance.choice(("March", "Trip", 'Offsite "A"')),
            created=begun,
            submitted=begun,
        )

    def report(self, fits: Callable[[Report], bool]) -> Report | None:
        """Some report that fits."""
        found = [report for report in self.simulator.world.reports.values() if fits(report)]
        return self.chance.choice(found) if found else None


def _heard(call: HttpCall) -> tuple[str, list[Told], list[str]] | None:
    """What a job tells Expensify, if it tells anything."""
    try:
        job: Job = parse_job(call)
        listed = job.settings["filters"]["reportIDList"] if job.kind == "mark" else ""
    except (ApiError, KeyError, TypeError):
        return None
    if not listed or job.body.get("test") == "true":
        return None
    ids = sorted(str(listed).split(","))
    key = hashlib.sha256("\n".join((str(job.body["onFinish"]), *ids)).encode()).hexdigest()[:32]
    return key, [Told("reports", "post", report_id, None) for report_id in ids], []


# --- deeds ---


def _is_final(report: Report) -> bool:
    return report.state in APPROVED_STATES


def _on_one(fits: Callable[[Report], bool], change: Callable[[ExpensifyRig, Report], object]) -> Callable[..., str]:
    """A deed on some report that fits; it returns the report's id."""

    def deed(rig: ExpensifyRig) -> str:
        report = rig.report(fits)
        if report is None:
            return ""
        change(rig, report)
        return report.id

    return deed


def _edit_amount(rig: ExpensifyRig, report: Report) -> None:
    world = rig.simulator.world
    build.reapprove(world, report.id, expenses=rig.expenses(world.policies[report.policy_id]))


def _edit_memo(rig: ExpensifyRig, report: Report) -> None:
    first, *others = report.expenses
    changed = replace(first, comment=rig.chance.choice(("changed", "")))
    name = rig.chance.choice((report.name, "Renamed"))
    build.reapprove(rig.simulator.world, report.id, name=name, expenses=(changed, *others))


def _edit_coding(rig: ExpensifyRig, report: Report) -> None:
    changed = tuple(replace(item, category=rig.chance.choice(rig.chart.categories)) for item in report.expenses)
    build.reapprove(rig.simulator.world, report.id, expenses=changed)


def _late_report(rig: ExpensifyRig) -> str:
    return rig.add_report().id if len(rig.simulator.world.reports) < _MOST_REPORTS else ""


def _twin_report(rig: ExpensifyRig) -> str:
    """The same person has the same expenses every month: nothing but Expensify's own id tells the two apart."""
    world = rig.simulator.world
    report = rig.report(_is_final)
    if report is None or len(world.reports) >= _MOST_REPORTS:
        return ""
    twins = [replace(item, id=world.names.transaction()) for item in report.expenses]
    same: dict[str, Any] = {"name": report.name, "created": report.created, "submitted": report.submitted}
    return build.add_report(world, twins, policy_id=report.policy_id, email=report.email, **same).id


def _new_category(rig: ExpensifyRig) -> str:
    world = rig.simulator.world
    name = f"New category {rig.total['new_category']}"
    build.add_category(world, next(iter(world.policies)), Category(name))
    return name


_DOINGS: Mapping[str, Callable[[ExpensifyRig], str]] = {
    "late_report": _late_report,
    "approve": _on_one(lambda r: not _is_final(r), lambda rig, r: build.approve(rig.simulator.world, r.id)),
    "edit_amount": _on_one(_is_final, _edit_amount),
    "edit_memo": _on_one(_is_final, _edit_memo),
    "edit_coding": _on_one(_is_final, _edit_coding),
    "reopen": _on_one(_is_final, lambda rig, r: build.reopen(rig.simulator.world, r.id)),
    "reimburse": _on_one(lambda r: r.state == "APPROVED", lambda rig, r: build.reimburse(rig.simulator.world, r.id)),
    "close": _on_one(lambda r: r.state == "APPROVED", lambda rig, r: build.close(rig.simulator.world, r.id)),
    "export": _on_one(_is_final, lambda rig, r: rig.simulator.world.mark(r.id, LABEL, "hand")),
    "delete": _on_one(lambda r: not _is_final(r), lambda rig, r: rig.simulator.world.reports.pop(r.id)),
    "twin_report": _twin_report,
    "new_category": _new_category,
}


def make_rig(seed: int, clock: Clock, options: Json) -> ExpensifyRig:
    """One or two policies, one to three people, one to four reports, and what goes wrong."""
    chance = random.Random(f"{seed}:source")  # noqa: S311 - a simulation must repeat
    without, focus = frozenset(options.get("without", ())), frozenset(options.get("focus", ()))
    often: Mapping[str, float] = options.get("often", {})
    plain = "plain" in often
    simulator = ExpensifySimulator(seed, clock, options=_options(chance), faults=_plan(chance, without, focus))
    gap = not plain and "gap" not in without and (not focus or "gap" in focus) and chance.random() < 0.4
    chart = coded(options.get("chart", {}))
    if gap or not chart.categories:
        chart = replace(chart, categories=(*chart.categories, Category("Client Gifts")))
    rig = ExpensifyRig(ExpensifySandbox(simulator), chance, chart, _deeds(chance, without, focus, often))
    if plain:
        rig.deeds = {name: rate for name, rate in rig.deeds.items() if name not in _LOSES}
        rig.is_plain = True
    _found(rig)
    for _ in range(chance.randrange(1, 2 if plain else 4)):
        rig.add_report()
    rig.look()
    return rig


def _deeds(
    chance: random.Random, without: frozenset[str], focus: frozenset[str], often: Mapping[str, float]
) -> dict[str, float]:
    deeds = {
        name: rate * chance.uniform(0.5, 1.5)
        for name, rate in _DEEDS.items()
        if name not in without and (name in focus if focus else chance.random() < 0.5)
    }
    for name in _DEEDS:
        wanted = max(often.get(name, 0.0), often.get(_ALSO.get(name, ""), 0.0))
        if wanted and name not in without:
            deeds[name] = max(wanted, deeds.get(name, 0.0))
    return deeds


def _found(rig: ExpensifyRig) -> None:
    """Policies and people."""
    world, chance = rig.simulator.world, rig.chance
    people = rig.chart.people
    names = [chance.choice(people)] if rig.is_plain and people else chance.sample(_NAMES, chance.randrange(1, 4))
    for number in range(1 if rig.is_plain else chance.randrange(1, 3)):
        policy = build.add_policy(
            world,
            f"Policy {number + 1}",
            tag_shape=chance.choice(("flat", "levels")),
            categories=tuple(rig.chart.categories),
        )
        for level, tags in (("Class", rig.chart.classes), ("Customer", rig.chart.customers)):
            for tag in tags if policy.tag_shape == "levels" or level == "Class" else ():
                build.add_tag(world, policy.id, level, tag)
    for number, name in enumerate(names):
        person = Employee(email_of(name, number), name, user_id=name, payroll_id=f"E-{number}")
        build.add_employee(world, person, list(world.policies))


def _options(chance: random.Random) -> Options:
    """Switches for what is not known, thrown; a label that is set stays, since a campaign's marks are final."""
    return Options(
        ready_after_polls=chance.choice((0, 0, 1, 2)),
        ready_after_s=chance.choice((0.0, 0.0, 3.0)),
        marks_after_s=chance.choice((0.0, 0.0, 20.0)),
        approved_after_inclusive=chance.random() < 0.5,
        newest_first=chance.random() < 0.5,
        absent=chance.choice(("missing", "empty", "zero", "mixed")),
        flags=chance.choice(("boolean", "text")),
        amounts=chance.choice(("minor", "hundredths")),
    )


def _plan(chance: random.Random, without: frozenset[str], focus: frozenset[str]) -> list[Fault]:
    level = chance.choice((0.3, 1.0, 2.0))
    chosen = [name for name in _FAULTS if name not in without and chance.random() < 0.3]
    if focus:
        chosen, level = [name for name in _FAULTS if name in focus], 2.0
    return [
        Fault(
            name,
            probability=level * chance.uniform(0.02, 0.08),
            job=chance.choice(("", "", "mark", "file", "download")),
            seconds=5.0,
        )
        for name in chosen
    ]
