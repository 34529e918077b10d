"""The FreshBooks simulator as `flowctl sandbox` and `flowctl demo` use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.freshbooks.simulator import FreshBooksSimulator, app, seed_account, transport
from connectors.freshbooks.simulator.records import DELETED, Callback
from connectors.freshbooks.simulator.script import Story, act, contents, options_of, tell
from connectors.freshbooks.simulator.seed import seed_categories
from connectors.freshbooks.spec import PARENTS
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.money import format_money

if TYPE_CHECKING:
    import httpx
    from starlette.applications import Starlette

VERIFIER = "freshbooks-sandbox-verifier"


@dataclass(slots=True)
class FreshBooksSandbox:
    """A made-up FreshBooks account. Its owner allowed the app: the code in the binding is good once, whenever that is."""

    simulator: FreshBooksSimulator
    names: dict[str, int] = field(default_factory=dict)
    code: str = ""

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        """How to connect to it."""
        options = self.simulator.world.options
        if not self.code:
            self.code = self.simulator.grants.code(lasting=True)
        settings = {
            "base_url": base_url,
            "auth_url": base_url,
            "client_id": options.client_id,
            "redirect_uri": options.redirect_uri,
        }
        secrets = {
            "client_secret": options.client_secret,
            "authorization_code": self.code,
            "webhook_verifiers": VERIFIER,
        }
        return settings, secrets

    def total(self) -> Decimal:
        """What is to be in Ramp: bills and expenses, an expense either as a card transaction there or as a paid bill.

        A bill that is paid in part is not: what becomes of it a person decides.
        """
        with self.simulator.changing() as world:
            return world.total()

    def expenses(self) -> list[Mapping[str, Any]]:
        """The expenses that are there, so that the side that has the card can be lined up with them.

        Those with `on_card` have a transaction there of the same `amount` and `currency`, on the same `date`, at `vendor`.
        """
        with self.simulator.changing() as world:
            return [
                {
                    "id": str(expense.id),
                    "vendor": expense.vendor,
                    "amount": format_money(expense.amount),
                    "currency": expense.currency,
                    "date": expense.on.isoformat(),
                    "notes": expense.notes,
                    "has_receipt": expense.has_receipt,
                    "on_card": expense.on_card,
                }
                for expense in world.expenses.values()
                if expense.vis_state != DELETED
            ]

    def save(self) -> str:
        """A FreshBooks sandbox starts anew each time, from its seed."""
        return json.dumps({"seed": self.simulator.seed})

    def app(self) -> Starlette:
        """The API over HTTP."""
        return app(self.simulator, deliver_webhooks=True)

    def transport(self) -> httpx.BaseTransport:
        """The API without a socket."""
        return transport(self.simulator)

    def act(self, action: str, value: Any) -> None:
        """Something happens in FreshBooks, as a step of a golden case says."""
        act(self._story(), action, value)

    def contents(self) -> list[str]:
        """Bills and expenses with their states."""
        with self.simulator.changing():
            return contents(self._story())

    def unused(self) -> list[str]:
        """Faults that were planned and never happened."""
        struck = self.simulator.faults.counts
        return [f"fault {fault.name}" for fault in self.simulator.faults.faults if not struck[fault.name]]

    def listen(self, url: str) -> None:
        """Callbacks that were registered and confirmed before, one for each kind that the connector knows."""
        with self.simulator.changing() as world:
            for event in PARENTS:
                made = Callback(world.new_id(), event, url, VERIFIER, world.now, verified=True)
                world.callbacks[made.id] = made

    def _story(self) -> Story:
        return Story(self.simulator, self.names)


def make(seed: int, clock: Clock, options: Json) -> FreshBooksSandbox:
    """An account as a golden case gives it, or of so many `bills`, `vendors` and `expenses`, coded to `chart`.

    `chart` holds the target's accounts: `{"accounts": [{external_id, name, code}]}`. `gaps` are categories that it lacks.
    `purchases` are what it knows to be bought with cards, `[{merchant, amount, currency, date}]`; expenses are of some of them.
    `options` are the simulator's switches.
    """
    switches = replace(options_of(options.get("options", {})), verifier=VERIFIER)
    simulator = FreshBooksSimulator(seed, clock, options=switches)
    made = FreshBooksSandbox(simulator)
    chart = options.get("chart", {})
    if "given" in options:
        with simulator.changing() as world:
            seed_categories(world, chart)
            tell(Story(simulator, made.names), options["given"])
            world.events.clear()
        return made
    seed_account(
        simulator,
        bills=int(options.get("bills", 20)),
        vendors=int(options.get("vendors", 6)),
        expenses=int(options.get("expenses", 10)),
        chart=chart,
        gaps=options.get("gaps", ()),
        purchases=options.get("purchases"),
    )
    return made
