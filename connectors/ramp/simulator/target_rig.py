"""Ramp in a campaign as a target that we write to: faults on the way, people there, and what our calls made."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from connectors.ramp.sandbox import WEBHOOK_SECRET, RampSandbox
from connectors.ramp.simulator import build
from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.faults import Fault, FaultName, FaultPlan
from connectors.ramp.simulator.records import Account, Bill, Line, Money, Options, Profile, Transaction, Vendor
from connectors.ramp.simulator.serve import transport
from connectors.ramp.simulator.world import World
from engine.clock import Clock
from engine.contract import Json
from engine.money import from_minor
from engine.rigs import CallWatch, Made

if TYPE_CHECKING:
    import httpx

# Faults of the target, beside those of a source that have the same names.
FAULTS: tuple[str, ...] = (*(f"target_{name}" for name in get_args(FaultName)), "late_write")
# What people do in Ramp, each with its usual rate between two runs.
DEEDS: Mapping[str, float] = {
    "person_archives": 0.08, "person_pays": 0.1, "person_edits": 0.15, "person_notes": 0.15, "person_adds_vendor": 0.1,
    "person_adds_bill": 0.12, "person_codes": 0.15, "person_spends": 0.15,
}  # fmt: skip
_ACCOUNTS = (("Office Supplies", "6020"), ("Travel", "6030"), ("Meals", "6040"), ("Software", "6050"))
_NAMES = ("Acme Supply", "Harbor Light Electric", "Müller & Söhne GmbH", "東京オフィス用品", "O'Malley <&> Sons")
_MERCHANTS = ("Blue Bottle Coffee", "Acme Supply", "Hôtel Lutetia")
_MOST_BILLS = 12
# A write of which no answer came shows so many seconds later, at most: less than the connector waits for it.
_LATEST_S = 100.0
_WRITES = frozenset({"POST", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class _Late:
    """A write that was given up and is carried out all the same."""

    due_s: float
    key: str
    request: httpx.Request


@dataclass(slots=True)
class RampTargetRig:
    """The business, and everything that calls of ours made of it."""

    sandbox: RampSandbox
    clock: Clock
    chance: random.Random
    deeds: Mapping[str, float]
    # How often a write to `/bills` or `/vendors` shows late.
    late: float = 0.0
    total: Counter[str] = field(default_factory=Counter)
    _made: dict[str, Made] = field(default_factory=dict)
    _edited: dict[str, set[str]] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)
    _pending: list[_Late] = field(default_factory=list)
    _inner: httpx.BaseTransport | None = None

    @property
    def world(self) -> World:
        """What the business holds."""
        return self.sandbox.simulator.world

    def settings(self) -> Mapping[str, str | int | bool]:
        """Ramp wants an owner, a country and an address of every vendor."""
        owner = next(iter(self.world.users.values()))
        return {"vendor_owner": owner.id, "vendor_country": "US", "vendor_email": "bills@example.com"}

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """The general ledger accounts."""
        accounts = (row.account for row in self.world.accounts.values())
        return {"accounts": [{"external_id": a.external_id, "name": a.name, "code": a.code} for a in accounts]}

    def spent(self, amounts: Sequence[Decimal]) -> None:
        """Card transactions of some of these amounts: of none, one or two for each."""
        for amount in amounts:
            for _ in range(self.chance.choice((0, 0, 0, 1, 1, 2))):
                settled = Money(int(amount * 100))
                build.add_transaction(self.world, settled, merchant=self.chance.choice(_MERCHANTS))

    # --- the way ---

    def transport(self, watch: CallWatch) -> httpx.BaseTransport:
        """The API without a socket, and the faults that happen on the way to it."""
        import httpx

        self._inner = inner = transport(self.sandbox.simulator)

        def answer(request: httpx.Request) -> httpx.Response:
            self._arrive()
            if request.method not in _WRITES or request.url.path.endswith(("/token", "/token/revoke")):
                return inner.handle_request(request)
            request.read()
            key = self._key_of(request)
            watch.writing(key)
            if request.method == "POST" and key and self.chance.random() < self.late:
                self.total["late_write"] += 1
                self._pending.append(_Late(self.clock.monotonic() + self.chance.uniform(1, _LATEST_S), key, request))
                watch.wrote(key, (), answered=False)
                return httpx.Response(504, json={"error_v2": {"error_code": "DEVELOPER_7504"}}, request=request)
            try:
                response = inner.handle_request(request)
            except httpx.TransportError:
                watch.wrote(key, self._take(key), answered=False)
                raise
            watch.wrote(key, self._take(key), answered=_says(response))
            return response

        return httpx.MockTransport(answer)

    def _arrive(self) -> None:
        """Carry out what was given up and is due by now."""
        due = [late for late in self._pending if late.due_s <= self.clock.monotonic()]
        for late in due:
            self._pending.remove(late)
            assert self._inner is not None
            self._quietly(late.request)
            self._take(late.key)

    def _quietly(self, request: httpx.Request) -> None:
        """What was accepted once meets no fault any more."""
        simulator = self.sandbox.simulator
        planned, simulator.faults = simulator.faults, FaultPlan(0)
        assert self._inner is not None
        self._inner.handle_request(request)
        simulator.faults = planned

    def _key_of(self, request: httpx.Request) -> str:
        """What a call is about, as `key` says it of an operation."""
        tail = request.url.path.partition("/v1/")[2]
        parts = tail.split("/")
        if parts[0] == "bills" and request.method == "POST":
            return f"bill:{_body(request).get('remote_id')}"
        if parts[0] == "vendors" and request.method == "POST":
            return f"vendor:{plain(_body(request).get('name'))}"
        if parts[0] in ("bills", "vendors"):
            return f"at:{parts[-1]}"
        if tail == "accounting/codings":
            return f"transaction:{_body(request).get('object_id')}"
        return f"transaction:{parts[1]}" if parts[0] == "memos" else ""

    def key(self, request: str, body: Json, target_id: str) -> str:
        """A bill's remote id, a vendor's name, a transaction's id, or what is changed."""
        if request == "TransactionCode":
            return f"transaction:{target_id or body.get('transaction_id')}"
        if target_id:
            return f"at:{target_id}"
        if request == "BillCreate":
            return f"bill:{body.get('remote_id')}"
        return f"vendor:{plain(body.get('name'))}" if request == "VendorCreate" else ""

    def _take(self, key: str) -> list[Made]:
        """What is new since the last call; and what a person changed and our call has set again is no edit any more."""
        new = [made for made in self._by_api() if made.id not in self._made]
        for made in new:
            self._made[made.id] = made
        if key.startswith("at:"):
            self._edited.pop(key.removeprefix("at:"), None)
        return new

    def _by_api(self) -> Iterator[Made]:
        """Everything that calls made, as it is now."""
        world = self.world
        for bill in world.bills.values():
            if bill.by_api:
                yield Made(bill.id, "bill", f"bill:{bill.remote_id}", from_minor(bill.minor, bill.currency))
        for vendor in world.vendors.values():
            if vendor.by_api:
                yield Made(vendor.id, "vendor", f"vendor:{plain(vendor.name)}", None)

    # --- people ---

    def befall(self) -> list[str]:
        """What people do in Ramp before our next run."""
        self._arrive()
        done = []
        for name, rate in self.deeds.items():
            if self.chance.random() < rate:
                what = _DOINGS[name](self)
                if what:
                    done.append(f"ramp: {name} {what}")
                    self.total[name] += 1
        return done

    def calm(self) -> None:
        """No more faults, and nobody changes anything."""
        simulator = self.sandbox.simulator
        self.total += Counter({f"target_{name}": count for name, count in simulator.faults.counts.items()})
        simulator.faults = FaultPlan(0)
        self.deeds, self.late = {}, 0.0
        for late in self._pending:
            self._quietly(late.request)
            self._take(late.key)
        self._pending.clear()

    def bill(self, fits: Callable[[Bill], bool]) -> Bill | None:
        """Some bill of ours that fits."""
        found = [bill for bill in self.world.bills.values() if bill.by_api and fits(bill)]
        return self.chance.choice(found) if found else None

    def edit(self, object_id: str, name: str) -> str:
        """Note that a person changed something."""
        self._edited.setdefault(object_id, set()).add(name)
        return object_id

    def remove(self, object_id: str) -> str:
        """Note that a person took something away."""
        self._removed.add(object_id)
        return object_id

    def lines(self) -> tuple[Line, ...]:
        """One line, coded."""
        account = self.chance.choice([row.account for row in self.world.accounts.values()])
        return (Line(self.chance.randrange(1, 100_000), build.coded(account)),)

    # --- the truth ---

    def made(self) -> Sequence[Made]:
        """What calls of ours made, archived or not."""
        self._arrive()
        return list(self._made.values())

    def live(self) -> Sequence[Made]:
        """What calls of ours made, and is not archived."""
        return [made for made in self.made() if not self.archived(made.id)]

    def has(self, object_id: str) -> bool:
        """Whether a bill, vendor or transaction is there, archived or not."""
        world = self.world
        return object_id in world.bills or object_id in world.vendors or object_id in world.transactions

    def annotated(self, object_id: str) -> bool:
        """A card transaction is coded, and never made."""
        return object_id in self.world.transactions

    def archived(self, object_id: str) -> bool:
        """Whether a bill is archived."""
        bill = self.world.bills.get(object_id)
        return bill is not None and bill.archived_at is not None

    def amount(self, object_id: str) -> Decimal | None:
        """What a bill or transaction amounts to now."""
        bill, row = self.world.bills.get(object_id), self.world.transactions.get(object_id)
        if bill is not None:
            return from_minor(bill.minor, bill.currency)
        return None if row is None else from_minor(abs(row.settled.minor), row.settled.currency)

    def edited(self, object_id: str) -> frozenset[str]:
        """What a person changed, and no call of ours since."""
        return frozenset(self._edited.get(object_id, ()))

    def removed(self) -> frozenset[str]:
        """The bills of ours that a person archived."""
        return frozenset(self._removed)

    def doubtful(self, key: str) -> bool:
        """Whether there are several active vendors of a name, so that none can be taken for the one."""
        kind, _, name = key.partition(":")
        vendors = self.world.vendors.values()
        return kind == "vendor" and sum(row.is_active and plain(row.name) == name for row in vendors) > 1

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        counts = self.sandbox.simulator.faults.counts
        return self.total + Counter({f"target_{name}": count for name, count in counts.items()})


def plain(name: object) -> str:
    """A name without regard to case and to the number of blanks."""
    return " ".join(str(name).split()).casefold()


def _body(request: httpx.Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _says(response: httpx.Response) -> bool:
    """Whether an answer says what became of the call: a page of a proxy does not, nor half a document."""
    if response.status_code >= 500:
        return False
    try:
        return not response.content or isinstance(json.loads(response.content), dict)
    except ValueError:
        return False


# --- deeds ------------------------------------------------------------------------------------------------------------


def _open(bill: Bill) -> bool:
    return bill.status == "OPEN" and bill.archived_at is None


def _archives(rig: RampTargetRig) -> str:
    bill = rig.bill(_open)
    return rig.remove(build.archive(rig.world, bill.id).id) if bill else ""


def _pays(rig: RampTargetRig) -> str:
    bill = rig.bill(_open)
    return build.pay_bill(rig.world, bill.id).id if bill else ""


def _edits(rig: RampTargetRig) -> str:
    bill = rig.bill(_open)
    if bill is None:
        return ""
    return rig.edit(build.edit_bill(rig.world, bill.id, lines=rig.lines()).id, "amount")


def _notes(rig: RampTargetRig) -> str:
    bill = rig.bill(_open)
    return build.edit_bill(rig.world, bill.id, memo="seen").id if bill else ""


def _adds_vendor(rig: RampTargetRig) -> str:
    name = rig.chance.choice(_NAMES)
    return build.add_vendor(rig.world, name).id


def _adds_bill(rig: RampTargetRig) -> str:
    """A bill of a vendor, with the number of one of ours or one that ours may have yet; perhaps the same bill by hand."""
    world, chance = rig.world, rig.chance
    if not world.vendors or len(world.bills) >= _MOST_BILLS:
        return ""
    ours = rig.bill(lambda _bill: True)
    vendor: Vendor = chance.choice(list(world.vendors.values()))
    number, vendor_id, day = f"INV-{chance.randrange(3)}", vendor.id, world.now.date() - timedelta(days=20)
    lines = rig.lines()
    if ours is not None and chance.random() < 0.5:
        number, vendor_id, day = ours.invoice_number, ours.vendor_id, ours.issued_on
        lines = chance.choice((lines, ours.lines))
    return build.add_bill(world, lines, vendor_id=vendor_id, invoice_number=number, issued_on=day).id


def _codes(rig: RampTargetRig) -> str:
    world = rig.world
    if not world.transactions:
        return ""
    row: Transaction = rig.chance.choice(list(world.transactions.values()))
    account = rig.chance.choice([item.account for item in world.accounts.values()])
    lines = tuple(replace(line, selections=build.coded(account)) for line in row.lines)
    return build.edit_transaction(world, row.id, lines=lines).id


def _spends(rig: RampTargetRig) -> str:
    settled = Money(rig.chance.randrange(1, 90_000))
    return build.add_transaction(rig.world, settled, merchant=rig.chance.choice(_MERCHANTS)).id


_DOINGS: Mapping[str, Callable[[RampTargetRig], str]] = {
    "person_archives": _archives,
    "person_pays": _pays,
    "person_edits": _edits,
    "person_notes": _notes,
    "person_adds_vendor": _adds_vendor,
    "person_adds_bill": _adds_bill,
    "person_codes": _codes,
    "person_spends": _spends,
}


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
    faults = [
        Fault(name, probability=rate, path=chance.choice(("", "/bills", "/vendors")), seconds=5.0)
        for name, rate in rates.items()
        if rate
    ]
    simulator = RampSimulator(
        seed, clock, profile=profile, options=Options(webhook_secret=WEBHOOK_SECRET), faults=faults
    )
    for number, (name, code) in enumerate(_ACCOUNTS, start=1):
        add_account(simulator.world, Account(str(number), name, code))
    deeds = {name: rate for name, usual in DEEDS.items() if (rate := drawn(name, usual))}
    rig = RampTargetRig(RampSandbox(simulator), clock, chance, deeds, drawn("late_write", 0.15, 0.3))
    for name in chance.sample(_NAMES, 0 if focus else chance.choice((0, 0, 1, 2))):
        build.add_vendor(simulator.world, name)
    return rig
