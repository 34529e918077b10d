"""A Ramp business in a campaign that a flow reads, writes its chart of accounts to, and tells what was posted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from connectors.ramp.sandbox import RampSandbox
from connectors.ramp.simulator import both_people, both_spend, outbuild
from connectors.ramp.simulator.both_people import Office
from connectors.ramp.simulator.both_spend import Spend
from connectors.ramp.simulator.faults import Fault, FaultName, FaultPlan
from connectors.ramp.simulator.records import Account
from connectors.ramp.simulator.rig import RampRig, make_rig
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.rigs import Hears, Posts, Told, Wanted

if TYPE_CHECKING:
    import httpx

DEEDS: Mapping[str, float] = {**both_spend.DEEDS, **both_people.DEEDS}
# Faults of calls that upload or change the chart, beside those of all calls.
CHART_FAULTS: tuple[FaultName, ...] = (
    *("timeout_before", "timeout_after", "reset_before", "reset_after", "truncated", "server_error", "rate_limited"),
)
_WRITES = frozenset({"POST", "PATCH", "DELETE"})
# Which account of the books an entity may use for a purpose.
_USES = {
    "CARD_LIABILITY_ACCOUNT": "Ramp Card",
    "BILL_PAY_ACCOUNTS_PAYABLE_ACCOUNT": "Accounts Payable",
    "TRANSFER_BANK_ACCOUNT": "Checking",
    "REIMBURSEMENT_ACCOUNTS_PAYABLE_ACCOUNT": "Accounts Payable",
    "CASHBACK_ACCOUNT": "Office Supplies",
}
_SWITCHES = (
    *("transaction_sync_button_enabled", "reimbursement_sync_button_enabled", "vendor_credits_enabled"),
    "entity_selection_enabled",
)
_RULE = "transaction_accounting_vendor_creation_on_sync_enabled"


@dataclass(slots=True)
class RampAccountingRig:
    """The business of bills and cards, everything else that goes to the books, and the chart."""

    inner: RampRig
    chance: random.Random
    spend: Spend
    office: Office
    deeds: Mapping[str, float]
    flow: Mapping[str, str | int | bool]
    total: Counter[str] = field(default_factory=Counter)
    trespasses: list[str] = field(default_factory=list)

    @property
    def sandbox(self) -> RampSandbox:
        """The simulated business."""
        return self.inner.sandbox

    def transport(self, hears: Hears) -> httpx.BaseTransport:
        """The API without a socket; no call of ours may write while the accounting seat is not ours."""
        import httpx

        inner = self.inner.transport(hears)

        def answer(request: httpx.Request) -> httpx.Response:
            is_write = request.method in _WRITES and not request.url.path.endswith(("/token", "/token/revoke"))
            if is_write and not self.office.has_seat:
                self.trespasses.append(f"{request.method} {request.url.path} while the accounting seat is not ours")
            return inner.handle_request(request)

        return httpx.MockTransport(answer)

    def befall(self) -> list[str]:
        """What people do in Ramp before our next run."""
        done = self.inner.befall()
        for name, rate in self.deeds.items():
            if self.chance.random() < rate:
                what = (self.spend if name in both_spend.DEEDS else self.office).act(name)
                if what:
                    done.append(f"ramp: {name} {what}")
                    self.total[name] += 1
        self.spend.look()
        return done

    def calm(self) -> None:
        """No more faults, the seat is ours, and every name may be used."""
        self.inner.calm()
        self.office.calm()
        self.deeds = {}

    def deliver(self, posts: Posts) -> list[str]:
        """Send the webhooks that are due; see `RampRig.deliver`."""
        return self.inner.deliver(posts)

    def wanted(self) -> Sequence[Wanted]:
        """Everything that goes to the books."""
        return [*self.inner.wanted(), *self.spend.wanted()]

    def told(self) -> Sequence[Told]:
        """Every mark that was taken."""
        return self.inner.told()

    def settings(self) -> Mapping[str, str | int | bool]:
        """How the flow is set for this business."""
        return self.flow

    def keeps(self, object_id: str) -> bool:
        """Whether there is such an entry of the chart, or such a vendor."""
        return self.office.keeps(object_id)

    def shows(self, object_id: str) -> str | None:
        """The name of an entry of the chart that nobody but we changed."""
        return self.office.shows(object_id)

    def codes(self, object_id: str) -> bool:
        """Whether something that is told is coded to an entry of the chart."""
        return self.office.codes(object_id)

    def doubled(self) -> Sequence[str]:
        """What is in the chart more than once."""
        return self.office.doubled()

    def spoiled(self) -> Sequence[str]:
        """What calls of ours did that they must not."""
        return [*self.trespasses, *self.office.spoiled()]

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + Counter(self.inner.counts())


def make_both(seed: int, clock: Clock, options: Json) -> RampAccountingRig:
    """The business of `make_rig`, with what else goes to the books, people who look after the chart, and its faults."""
    inner = make_rig(seed, clock, options)
    chance = random.Random(f"{seed}:both")  # noqa: S311 - a simulation must repeat
    world, without = inner.sandbox.simulator.world, frozenset(options.get("without", ()))
    focus, chart = frozenset(options.get("focus", ())), options.get("chart", {})

    def listed(name: str) -> list[Account]:
        return [Account(str(a["external_id"]), str(a["name"]), str(a.get("code") or "")) for a in chart.get(name, ())]

    def happens(name: str, share: float = 0.5) -> bool:
        drawn = chance.random() < share
        return name not in without and (name in focus if focus else drawn)

    often: Mapping[str, float] = options.get("often", {})
    deeds = {name: rate * chance.uniform(0.5, 1.5) for name, rate in DEEDS.items() if happens(name)}
    if "seat_lost" in deeds or "seat_taken" in deeds:
        deeds["seat_back"] = 0.6
    deeds |= {name: max(often[name], deeds.get(name, 0.0)) for name in DEEDS if name in often and name not in without}
    _add_faults(inner, chance, [name for name in CHART_FAULTS if happens(name, 0.3)])
    accounts = [*listed("accounts"), *listed("balances")]
    flow = _settings(chance, has_credits=world.profile == "2026-08" and chance.random() < 0.8)
    has_credits = bool(flow["vendor_credits_from"])
    spend = Spend(world, chance, inner.accounts, listed("classes"), listed("customers"), has_credits)
    known = {"class": listed("classes"), "customer": listed("customers"), "vendors": listed("vendors")}
    office = Office(world, chance, {**known, "accounts": accounts})
    rig = RampAccountingRig(inner, chance, spend, office, deeds, flow)
    _switch(rig, accounts, rule=happens("vendor_rule", 0.4))
    if not inner.is_plain:
        spend.begin()
    return rig


def _switch(rig: RampAccountingRig, accounts: Sequence[Account], *, rule: bool) -> None:
    """The switches of our connection, and the accounts that the entity uses."""
    world, chance = rig.office.world, rig.chance
    if world.profile == "2026-08":
        outbuild.switch(world, **dict.fromkeys(_SWITCHES, True), **{_RULE: rule})
        rig.total["vendor_rule"] += rule
    by_name = {account.name: account for account in accounts}
    uses = [(use, by_name[name]) for use, name in _USES.items() if name in by_name and chance.random() < 0.6]
    outbuild.edit_entity(world, world.primary_entity().id, accounts=tuple(uses))


def _settings(chance: random.Random, *, has_credits: bool) -> dict[str, str | int | bool]:
    """How the flow is set: every account that it names is in the books, or a person maps it."""
    return {
        "vendor_credits_from": "2020-01-01" if has_credits else "",
        "reimbursement_account": chance.choice(("Accounts Payable", "Ramp Card", "Employee Reimbursements")),
        "cashback_account": chance.choice(("Office Supplies", "Office Supplies", "Cashback Income")),
        "create_vendors": chance.random() < 0.85,
        "link_vendors": chance.random() < 0.8,
        "push_classes": chance.random() < 0.8,
        "push_customers": chance.random() < 0.8,
        "billable_jobs": chance.random() < 0.3,
    }


def _add_faults(inner: RampRig, chance: random.Random, names: Sequence[FaultName]) -> None:
    """Faults that strike writes to the chart, and little else."""
    simulator = inner.sandbox.simulator
    level = chance.choice((0.05, 0.15, 0.5))
    paths = ("/accounting/", "/accounting/accounts", "/accounting/vendors", "/accounting/field-options", "/vendors/")
    made = [
        Fault(
            name,
            probability=level * chance.uniform(0.5, 1.0),
            method=chance.choice(("POST", "POST", "PATCH", "DELETE")),
            path=chance.choice(paths),
        )
        for name in names
    ]
    simulator.faults = FaultPlan(simulator.seed, [*made, *simulator.faults.faults])
