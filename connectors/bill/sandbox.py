"""The BILL simulator as `flowctl sandbox` and `flowctl demo` use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors._http import parse_json
from connectors.bill.simulator import BillSimulator, Mix, app, seed_organization, totals, transport
from connectors.bill.simulator.script import Story, act, contents, options_of, tell
from connectors.bill.simulator.seed import seed_lists
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass

if TYPE_CHECKING:
    import httpx
    from starlette.applications import Starlette

WEBHOOK_KEY = "bill-sandbox-security-key"


@dataclass(frozen=True, slots=True)
class BillSandbox:
    """A made-up BILL organization."""

    simulator: BillSimulator
    names: dict[str, str] = field(default_factory=dict)

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        """How to connect to it."""
        world, options = self.simulator.world, self.simulator.world.options
        settings = {
            "base_url": base_url,
            "environment": "sandbox",
            "username": options.username,
            "organization_id": world.organization_id,
        }
        return settings, {"password": options.password, "dev_key": options.dev_key, "webhook_key": WEBHOOK_KEY}

    def total(self) -> Decimal:
        """What is to be in the books: approved bills and payments made, less vendor credits, as the books sum them."""
        with self.simulator.changing() as world:
            found = totals(world)
        return found.bills + found.payments - found.credits

    def save(self) -> str:
        """Seed and organization cannot be told apart from a fresh one; a BILL sandbox starts anew each time."""
        return json.dumps({"seed": self.simulator.seed})

    def app(self) -> Starlette:
        """The API over HTTP."""
        return app(self.simulator, deliver_webhooks=True)

    def transport(self) -> httpx.BaseTransport:
        """The API without a socket."""
        return transport(self.simulator)

    def told(self, body: bytes) -> Json | None:
        """What a call tells BILL; nothing when it only asks, or signs in."""
        given = parse_json(body) if body else None
        return given if isinstance(given, dict) and "devKey" not in given else None

    def act(self, action: str, value: Any) -> None:
        """Something happens in BILL, as a step of a golden case says."""
        act(self._story(), action, value)

    def contents(self) -> list[str]:
        """Bills, credits and payments with their states."""
        with self.simulator.changing():
            return contents(self._story())

    def unused(self) -> list[str]:
        """Faults that were planned and never happened."""
        struck = self.simulator.faults.counts
        return [f"fault {fault.name}" for fault in self.simulator.faults.faults if not struck[fault.name]]

    def _story(self) -> Story:
        return Story(self.simulator, self.names)


def make(seed: int, clock: Clock, options: Json) -> BillSandbox:
    """An organization as a golden case gives it, or of so many `bills` and `vendors`, coded to `chart`.

    `chart` holds the lists of the books: `{"accounts": [{external_id, name, code}], "classes": ...}`. `gaps` are accounts
    that the books lack. `options` are the simulator's switches.
    """
    switches = replace(options_of(options.get("options", {})), webhook_key=WEBHOOK_KEY)
    simulator = BillSimulator(seed, clock, options=switches)
    made = BillSandbox(simulator)
    chart = options.get("chart", {})
    if "given" in options:
        with simulator.changing() as world:
            seed_lists(world, chart)
            tell(Story(simulator, made.names), options["given"])
            world.events.clear()
        return made
    seed_organization(
        simulator,
        bills=int(options.get("bills", 20)),
        vendors=int(options.get("vendors", 8)),
        chart=chart,
        # An account that the books do not have: one line somewhere will wait for a person's mapping.
        gaps=options.get("gaps", ()),
        mix=Mix(**options.get("mix", {})),
    )
    return made
