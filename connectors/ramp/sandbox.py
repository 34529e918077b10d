"""The Ramp simulator as `flowctl sandbox` and `flowctl demo` use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.ramp.simulator import (
    DEFAULT_CHART,
    Account,
    Mix,
    Options,
    Others,
    RampSimulator,
    Tags,
    app,
    seed_business,
    seed_others,
    transport,
)
from connectors.ramp.simulator.chartscript import deliver
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.ledger import credited, written
from connectors.ramp.simulator.records import Transaction
from connectors.ramp.simulator.script import act, contents, tell
from connectors.ramp.simulator.story import Story, option
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.money import from_minor

if TYPE_CHECKING:
    import httpx
    from starlette.applications import Starlette

# What an app that is to make vendors is set up with: not every source has an address of all of them.
_MAKES_VENDORS = {"vendor_country": "US", "vendor_email": "bills@example.com"}
WEBHOOK_SECRET = "ramp_sec_sandbox"  # noqa: S105 - of a simulated business only


@dataclass(frozen=True, slots=True)
class RampSandbox:
    """A made-up Ramp business."""

    simulator: RampSimulator
    chart: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    # Without books beside it, Ramp is what is written to.
    is_target: bool = False
    # More settings of the connection: those that a golden case gives, or the name of ours in Ramp.
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)
    # Ramp cannot be told that a vendor credit is posted; a flow that posts them counts all that are there.
    counts_credits: bool = False

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        """How to connect to it."""
        options = self.simulator.world.options
        settings: dict[str, str | int | bool] = {
            "base_url": base_url,
            "client_id": options.client_id,
            "api_profile": self.simulator.world.profile,
        }
        if self.is_target:
            settings["vendor_owner"] = next(iter(self.simulator.world.users.values())).email
        settings |= self.settings
        return settings, {"client_secret": options.client_secret, "webhook_secret": WEBHOOK_SECRET}

    def total(self) -> Decimal:
        """What Ramp believes to be synced: bills, bill payments, card transactions and all else that it marks.

        Where Ramp is only written to, that is nothing, and what was entered over the API counts instead.
        """
        totals = self.simulator.totals()
        others = (totals.reimbursements, totals.transfers, totals.cashbacks)
        kinds = (totals.bills, totals.bill_payments, totals.transactions, *others)
        known = sum((amount for sums in kinds for amount in sums.values()), written(self.simulator.world))
        return known - (credited(self.simulator.world) if self.counts_credits else 0)

    def offers(self) -> Json:
        """The accounts that bills can be coded to, and what was bought with cards and is not in the books yet."""
        world = self.simulator.world
        accounts = [
            {"external_id": item.account.external_id, "name": item.account.name, "code": item.account.code}
            for item in world.accounts.values()
            if item.is_active
        ]
        purchases = [
            {
                "merchant": row.merchant_name,
                "amount": format(from_minor(row.settled.minor, row.settled.currency), "f"),
                "currency": row.settled.currency,
                "date": row.happened_at.date().isoformat(),
            }
            for row in world.transactions.values()
            if _is_open(row)
        ]
        return {"chart": {"accounts": accounts}, "purchases": purchases}

    def save(self) -> str:
        """Seed and business cannot be told apart from a fresh one; a Ramp sandbox starts anew each time."""
        return json.dumps({"seed": self.simulator.seed})

    def app(self) -> Starlette:
        """The API over HTTP."""
        return app(self.simulator, deliver_webhooks=True)

    def transport(self) -> httpx.BaseTransport:
        """The API without a socket."""
        return transport(self.simulator)

    def act(self, action: str, value: Any) -> None:
        """Something happens in Ramp, as a step of a golden case says."""
        act(self._story(), action, value)

    def contents(self) -> list[str]:
        """All that is marked, with its sync status, and what was entered over the API."""
        return contents(self._story())

    def deliver(self, send: Callable[[Mapping[str, str], bytes], int], how: str) -> list[str]:
        """Webhooks arrive, as a step of a golden case says."""
        return deliver(self.simulator, send, how)

    def unused(self) -> list[str]:
        """Faults that were planned and never happened."""
        struck = self.simulator.faults.counts
        return [f"fault {fault.name}" for fault in self.simulator.faults.faults if not struck[fault.name]]

    def _story(self) -> Story:
        return Story(self.simulator, self.chart, self.names)


def make(seed: int, clock: Clock, options: Json) -> RampSandbox:
    """A business as a golden case gives it, or of so many `bills`, `transactions` and `vendors`, coded to `chart`.

    There are no `reimbursements`, `transfers` and `cashbacks` unless so many are asked for; `entity_accounts` names the
    account of the chart that the main entity uses for each purpose. With `written_only`, card transactions are not coded
    yet: whoever writes to it does that.
    """
    simulator = RampSimulator(
        seed,
        clock,
        profile=options.get("given", options).get("profile", "2025-08"),
        options=Options(
            webhook_secret=WEBHOOK_SECRET, sync_all_or_nothing=options.get("given", {}).get("syncs") != "in part"
        ),
    )
    chart: Mapping[str, Sequence[Mapping[str, Any]]] = options.get("chart", {})
    if "given" in options:
        return _given(simulator, chart, options["given"])

    def accounts(name: str) -> list[Account]:
        return [Account(item["external_id"], item["name"], item.get("code") or "") for item in chart.get(name, ())]

    story = Story(simulator, chart)
    uses = [(usage, option(story, "accounts", value)) for usage, value in options.get("entity_accounts", {}).items()]
    tags = Tags(accounts("classes"), accounts("customers"), accounts("vendors"), uses)
    # An account that the books do not have: one line somewhere will wait for a person's mapping.
    gaps = [Account(str(g["external_id"]), str(g["name"]), "") for g in options.get("gaps", ())]
    mix = Mix(**options.get("mix", {}))
    coded = {"chart": accounts("accounts") + gaps} if chart else {}
    seed_business(
        simulator,
        bills=int(options.get("bills", 20)),
        transactions=int(options.get("transactions", 30)),
        vendors=int(options.get("vendors", 8)),
        tags=tags,
        mix=mix,
        **coded,
    )
    others = Others(*(int(options.get(name, 0)) for name in ("reimbursements", "transfers", "cashbacks")))
    seed_others(simulator, others, tags=tags, mix=mix, **coded)
    if not chart:  # no books bring their accounts: those that Ramp has from somewhere else
        for account in DEFAULT_CHART:
            add_account(simulator.world, account)
    if options.get("written_only"):
        for row in [row for row in simulator.world.transactions.values() if _is_open(row)]:
            uncoded = tuple(replace(line, selections=()) for line in row.lines)
            simulator.world.change_transaction(row.id, lines=uncoded, selections=())
    given = {"provider_name": simulator.world.options.provider or ""} if chart else dict(_MAKES_VENDORS)
    return RampSandbox(simulator, is_target=not chart, settings=given)


def _is_open(row: Transaction) -> bool:
    """Whether a call can code it; splits are coded by people only."""
    return row.state == "CLEARED" and row.sync_status != "SYNCED" and len(row.lines) == 1


def _given(simulator: RampSimulator, chart: Mapping[str, Sequence[Mapping[str, Any]]], given: Json) -> RampSandbox:
    """A business that holds what a golden case gives it."""
    made = RampSandbox(
        simulator,
        chart,
        is_target=not chart,
        settings=given.get("settings", {}),
        counts_credits="vendor_credits" in given.get("counted", ()),
    )
    tell(Story(simulator, chart, made.names), given)
    simulator.world.events.clear()
    return made
