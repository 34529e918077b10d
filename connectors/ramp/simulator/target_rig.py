"""Ramp in a campaign as a target that we write to: faults on the way, people there, and what our calls made."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, get_args

from connectors.ramp.sandbox import WEBHOOK_SECRET, RampSandbox
from connectors.ramp.simulator import build
from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.faults import Fault, FaultName, FaultPlan
from connectors.ramp.simulator.records import Account, Money, Options, Profile
from connectors.ramp.simulator.target_people import DEEDS, MERCHANTS, NAMES, People
from connectors.ramp.simulator.target_way import Way, plain
from connectors.ramp.simulator.world import World
from engine.clock import Clock
from engine.contract import Json
from engine.money import from_minor
from engine.rigs import CallWatch, Made, Stands

if TYPE_CHECKING:
    import httpx

# Faults of the target, beside those of a source that have the same names.
FAULTS: tuple[str, ...] = (*(f"target_{name}" for name in get_args(FaultName)), "late_write")
_ACCOUNTS = (("Office Supplies", "6020"), ("Travel", "6030"), ("Meals", "6040"), ("Software", "6050"))


@dataclass(slots=True)
class RampTargetRig:
    """The business, and everything that calls of ours made of it."""

    sandbox: RampSandbox
    people: People
    late: InitVar[float]
    way: Way = field(init=False)
    total: Counter[str] = field(default_factory=Counter)
    _made: dict[str, Made] = field(default_factory=dict)

    def __post_init__(self, late: float) -> None:
        """Build the way."""
        self.way = Way(self.sandbox.simulator, self.people.chance, self._take, late)

    @property
    def _world(self) -> World:
        return self.sandbox.simulator.world

    def settings(self) -> Mapping[str, str | int | bool]:
        """Ramp wants an owner, a country and an address of every vendor."""
        owner = next(iter(self._world.users.values()))
        return {"vendor_owner": owner.id, "vendor_country": "US", "vendor_email": "bills@example.com"}

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """The general ledger accounts."""
        accounts = (row.account for row in self._world.accounts.values())
        return {"accounts": [{"external_id": a.external_id, "name": a.name, "code": a.code} for a in accounts]}

    def spent(self, amounts: Sequence[Decimal]) -> None:
        """Card transactions of some of these amounts: of none, one or two for each."""
        chance = self.people.chance
        for amount in amounts:
            for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
                build.add_transaction(self._world, Money(int(amount * 100)), merchant=chance.choice(MERCHANTS))

    def transport(self, watch: CallWatch) -> httpx.BaseTransport:
        """The way to it."""
        return self.way.transport(watch)

    def befall(self) -> list[str]:
        """What people do in Ramp before our next run."""
        self.way.arrive()
        return self.people.act()

    def calm(self) -> None:
        """No more faults, nothing under way any more, and nobody changes anything."""
        simulator = self.sandbox.simulator
        self.total += Counter({f"target_{name}": count for name, count in simulator.faults.counts.items()})
        simulator.faults = FaultPlan(0)
        self.people.rates, self.way.late = {}, 0.0
        self.way.arrive(everything=True)

    def key(self, request: str, body: Json, target_id: str) -> str:
        """As `target_way.key_of` says it of a call."""
        if request.startswith("TransactionCode"):
            return f"transaction:{target_id or body.get('transaction_id')}"
        if target_id:
            return f"at:{target_id}"
        if request == "BillCreate":
            return f"bill:{body.get('remote_id')}"
        return f"vendor:{plain(body.get('name'))}" if request == "VendorCreate" else ""

    # --- the truth ---

    def made(self) -> Sequence[Made]:
        """The bills and vendors that calls of ours made, archived or not. A card transaction is coded, and never made."""
        self.way.arrive()
        return list(self._made.values())

    def has(self, object_id: str) -> bool:
        """Whether a bill, vendor or transaction is there, archived or not."""
        return bool(self.stands(object_id))

    def stands(self, object_id: str) -> Stands:
        """What there is of a bill, a vendor or a transaction."""
        world, bill = self._world, self._world.bills.get(object_id)
        if bill is not None:
            return "there" if bill.archived_at is None else "archived"
        if object_id in world.transactions:
            return "lent"
        return "there" if object_id in world.vendors else ""

    def amount(self, object_id: str) -> Decimal | None:
        """What a bill or transaction amounts to now."""
        bill, row = self._world.bills.get(object_id), self._world.transactions.get(object_id)
        if bill is not None:
            return from_minor(bill.minor, bill.currency)
        return None if row is None else from_minor(abs(row.settled.minor), row.settled.currency)

    def edited(self, object_id: str) -> frozenset[str]:
        """What a person changed, and no call of ours since."""
        return frozenset(self.people.edited.get(object_id, ()))

    def removed(self) -> frozenset[str]:
        """The bills of ours that a person archived."""
        return frozenset(self.people.removed)

    def doubtful(self, key: str) -> bool:
        """Whether there are several active vendors of a name, so that none can be taken for the one."""
        kind, _, name = key.partition(":")
        vendors = self._world.vendors.values()
        return kind == "vendor" and sum(row.is_active and plain(row.name) == name for row in vendors) > 1

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        struck = Counter({f"target_{name}": count for name, count in self.sandbox.simulator.faults.counts.items()})
        return self.total + self.people.counts + struck + Counter(late_write=self.way.count)

    def _take(self, key: str) -> list[Made]:
        """What is new since the last call; and what a person changed and our call has set again is no edit any more."""
        new = [made for made in self._by_api() if made.id not in self._made]
        self._made |= {made.id: made for made in new}
        if key.startswith("at:"):
            self.people.edited.pop(key.removeprefix("at:"), None)
        return new

    def _by_api(self) -> Iterator[Made]:
        """Everything that calls made, as it is now."""
        for bill in self._world.bills.values():
            if bill.by_api:
                yield Made(bill.id, "bill", f"bill:{bill.remote_id}", from_minor(bill.minor, bill.currency))
        for vendor in self._world.vendors.values():
            if vendor.by_api:
                yield Made(vendor.id, "vendor", f"vendor:{plain(vendor.name)}", None)


# --- the beginning ----------------------------------------------------------------------------------------------------


def make_target(seed: int, clock: Clock, options: Json) -> RampTargetRig:
    """A business of either profile with its accounts, perhaps a vendor or two, and what goes wrong."""
    chance = random.Random(f"{seed}:target")  # noqa: S311 - a simulation must repeat
    without, focus = frozenset(options.get("without", ())), frozenset(options.get("focus", ()))
    often: Mapping[str, float] = options.get("often", {})

    def drawn(name: str, rate: float, share: float = 0.5) -> float:
        """How often something happens in this schedule."""
        if name in without:
            return 0.0
        chosen = name in focus if focus else chance.random() < share
        return max(often.get(name, 0.0), rate * chance.uniform(0.5, 1.5) if chosen else 0.0)

    profile: Profile = "2025-08" if chance.random() < 0.5 else "2026-08"
    names: list[FaultName] = list(get_args(FaultName))
    rates = {name: drawn(f"target_{name}", chance.choice((0.02, 0.05, 0.1)), 0.3) for name in names}
    faults = [_fault(chance, name, rate) for name, rate in rates.items() if rate]
    simulator = RampSimulator(
        seed, clock, profile=profile, options=Options(webhook_secret=WEBHOOK_SECRET), faults=faults
    )
    for number, (name, code) in enumerate(_ACCOUNTS, start=1):
        add_account(simulator.world, Account(str(number), name, code))
    deeds = {name: rate for name, usual in DEEDS.items() if (rate := drawn(name, usual))}
    rig = RampTargetRig(RampSandbox(simulator), People(simulator.world, chance, deeds), drawn("late_write", 0.15, 0.3))
    for name in chance.sample(NAMES, 0 if focus else chance.choice((0, 0, 1, 2))):
        build.add_vendor(simulator.world, name)
    return rig


def _fault(chance: random.Random, name: FaultName, rate: float) -> Fault:
    """A fault of all calls or of those of one kind; it often keeps to those that write."""
    path = chance.choice(("", "/bills", "/vendors"))
    if name == "page_shift" or chance.random() < 0.5:
        return Fault(name, probability=rate, path=path, seconds=5.0)
    return Fault(name, probability=min(0.5, 4 * rate), method="POST", path=path, seconds=5.0)
