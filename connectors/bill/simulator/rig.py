"""A BILL organization in a campaign: small, with a random selection of faults, and people who change their minds."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from connectors.bill.sandbox import WEBHOOK_KEY, BillSandbox
from connectors.bill.simulator import build, webhooks
from connectors.bill.simulator.core import BillSimulator
from connectors.bill.simulator.faults import Fault, FaultName, FaultPlan
from connectors.bill.simulator.ledger import is_due_bill, is_due_credit, is_due_payment
from connectors.bill.simulator.records import (
    LIVE,
    Bill,
    Coding,
    Counted,
    Delivery,
    Line,
    Options,
    Payment,
    Subscription,
)
from connectors.bill.simulator.seed import seed_lists
from connectors.bill.simulator.serve import transport
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.rigs import Hears, Posts, Standing, Told, Wanted

if TYPE_CHECKING:
    import httpx

# A cursor that leads to itself is a server that is broken for good: no reader gets past it, so no campaign has it.
_FAULTS: tuple[FaultName, ...] = tuple(name for name in get_args(FaultName) if name != "cursor_loop")
_NAMES = (
    "Acme Supply",
    "Harbor Light Electric",
    "Müller & Söhne GmbH",
    "東京オフィス用品",
    "O'Malley <&> Sons",
    "Association for the Study of Very Long Vendor Names and How They End, Inc.",
)
# What people do in BILL, each with its usual rate between two runs.
_DEEDS: Mapping[str, float] = {
    "pay": 0.3, "pay_several": 0.2, "pay_part": 0.1, "pay_net": 0.15, "edit_amount": 0.25, "edit_memo": 0.25,
    "edit_coding": 0.15, "archive": 0.06, "restore": 0.1, "late_bill": 0.25, "late_credit": 0.1, "approve": 0.3, "void": 0.2,
    "fail": 0.08, "clear": 0.3, "vendor_off": 0.05, "edit_vendor": 0.05, "twin_bill": 0.05, "sessions_end": 0.1,
}  # fmt: skip
# What happens to webhooks on their way, each with its usual rate for a delivery.
_ON_THE_WAY: Mapping[str, float] = {
    "hook_dropped": 0.3, "hook_again": 0.3, "hook_forged": 0.3, "hook_late": 0.2, "hook_shuffled": 0.5, "hook_doubled": 0.3,
}  # fmt: skip
# What no source establishes, each with its usual chance in one organization.
_SWITCHES: Mapping[str, float] = {
    "approval_unseen": 0.3, "payment_unseen": 0.3, "gross_parts": 0.5, "lone_bill_id": 0.3, "empty_pages": 0.3,
    "trailing_page": 0.3, "other_partial": 0.5, "java_numbers": 0.3, "one_session": 0.3, "offset_cursor": 0.3,
}  # fmt: skip
# What keeps a bill from being posted, or brings more than bills.
_LOSES = frozenset(
    {"archive", "vendor_off", "late_bill", "late_credit", "void", "fail", *(n for n in _DEEDS if "pay" in n)}
)
_MOST_BILLS = 5
_MOST_CREDITS = 2
_CENT = Decimal("0.01")
Item = TypeVar("Item")


@dataclass(slots=True)
class BillRig:
    """The organization, and what every record of it was ever shown as."""

    sandbox: BillSandbox
    chance: random.Random
    deeds: Mapping[str, float]
    shown: dict[tuple[str, str], set[Decimal]] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    hooks: dict[str, float] = field(default_factory=dict)
    # Whether every bill can be posted at once, and nobody pays one.
    is_plain: bool = False
    # Whether the flow creates in BILL the vendors that it lacks; which were there before; which were ever archived.
    is_written: bool = False
    begun: frozenset[str] = frozenset()
    was_off: set[str] = field(default_factory=set)
    # Every webhook that was ever sent, to be sent once more.
    posted: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    @property
    def _simulator(self) -> BillSimulator:
        return self.sandbox.simulator

    def transport(self, hears: Hears) -> httpx.BaseTransport:  # noqa: ARG002 - BILL is told nothing
        """The API without a socket."""
        return transport(self._simulator)

    def befall(self) -> list[str]:
        """What people do in BILL before our next run."""
        done = []
        for name, rate in self.deeds.items():
            if self.chance.random() < rate:
                what = _DOINGS[name](self)
                if what:
                    done.append(f"bill: {name} {what}")
                    self.total[name] += 1
        self.look()
        return done

    def calm(self) -> None:
        """No more faults; an API that is slow stays so no longer."""
        self.total += self._simulator.faults.counts
        self._simulator.faults = FaultPlan(0)
        self.deeds, self.hooks = {}, {}

    def deliver(self, posts: Posts) -> list[str]:
        """Send the webhooks that are due; some are lost, late, doubled, repeated, in another order, or not from here."""
        lines: list[str] = []
        self._simulator.world.outage = self._hits("hook_dropped")

        def send(delivery: Delivery) -> int:
            if self._hits("hook_late"):
                raise OSError("the endpoint cannot be reached")
            headers = dict(delivery.headers)
            kind = "again" if any(body == delivery.body for _, body in self.posted) else "fresh"
            status = posts(headers, delivery.body, kind)
            self.posted.append((headers, delivery.body))
            lines.append(f"webhook {delivery.type}: {status}")
            return status

        self._simulator.deliver(send)
        if self.posted and self._hits("hook_again"):
            lines.append(f"webhook again: {_sent(posts, *self.chance.choice(self.posted), 'again')}")
        if self._hits("hook_forged"):
            lines.append(f"webhook forged: {_sent(posts, *self._forged(), 'forged')}")
        return lines

    def look(self) -> None:
        """Note the amounts that are shown now."""
        world = self._simulator.world
        for bill in world.bills.values():
            self._show("bills", bill.id, bill.amount)
        for credit in world.credits.values():
            self._show("vendor_credits", credit.id, credit.amount)
        for payment in world.payments.values():
            self._show("payments", payment.id, payment.cash)

    def wanted(self) -> Sequence[Wanted]:
        """Every vendor, bill, vendor credit and payment; BILL is never told anything, so nothing is ever `told`."""
        world = self._simulator.world
        found = [Wanted("vendors", "post", key, "off", frozenset()) for key in world.vendors]
        found += [self._wanted("bills", bill.id, is_due=is_due_bill(world, bill)) for bill in world.bills.values()]
        found += [self._wanted("vendor_credits", c.id, is_due=is_due_credit(c)) for c in world.credits.values()]
        found += [
            self._wanted("payments", payment.id, is_due=is_due_payment(world, payment))
            for payment in world.payments.values()
        ]
        return found

    def settings(self) -> Mapping[str, str | int | bool]:
        """How the flow is set for this organization."""
        return {"outside_payments": self._simulator.world.counted.outside, "vendors_to_bill": self.is_written}

    def is_so(self, name: str, value: object) -> bool:
        """Whether the amounts of payments hold the credits as the setting says; by themselves they tell."""
        if name != "credits_in_payments" or value == "tell":
            return True
        return (value == "left_out") == (self._simulator.world.options.part_amounts == "net")

    def keeps(self, object_id: str) -> bool:
        """Whether there is such a vendor."""
        return object_id in self._simulator.world.vendors

    def doubled(self) -> Sequence[str]:
        """Vendors of ours whose name another one has as well; one that was archived meanwhile may have been missed."""
        vendors = [v for v in self._simulator.world.vendors.values() if v.id not in self.was_off]
        times = Counter(vendor.name for vendor in vendors)
        ours = {vendor.name for vendor in vendors if vendor.id not in self.begun}
        return [f"BILL has the vendor {name} {times[name]} times" for name in sorted(ours) if times[name] > 1]

    def told(self) -> Sequence[Told]:
        """Nothing: BILL has no way to be told what was posted."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + self._simulator.faults.counts

    def _show(self, stream: str, key: str, amount: Decimal) -> None:
        self.shown.setdefault((stream, key), set()).add(abs(amount))

    def _wanted(self, stream: str, key: str, *, is_due: bool) -> Wanted:
        standing: Standing = "due" if is_due else "off"
        return Wanted(stream, "post", key, standing, frozenset(self.shown.get((stream, key), ())))

    def _hits(self, name: str) -> bool:
        rate = self.hooks.get(name, 0.0)
        happens = rate > 0 and self.chance.random() < rate
        self.total[name] += happens
        return happens

    def _forged(self) -> tuple[Mapping[str, str], bytes]:
        """A webhook that nobody signed with the key: made up, or a true one with a bit turned."""
        if self.posted and self.chance.random() < 0.5:
            headers, body = self.chance.choice(self.posted)
            at = self.chance.randrange(len(body))
            return headers, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        about = next(iter(self._simulator.world.bills), "none")
        metadata = {"eventId": f"forged-{self.total['hook_forged']}", "eventType": "bill.updated", "version": "1"}
        body = json.dumps({"metadata": metadata, "bill": {"id": about}}, separators=(",", ":")).encode()
        return {"x-bill-sha-signature": webhooks.signature("somebody else's", body)}, body

    # --- making and finding ---

    def coding(self) -> Coding:
        """An account of the books, or sometimes one that they do not have; now and then a class."""
        lists = self._simulator.world.lists
        account = self.chance.choice(list(lists["chart-of-accounts"]))
        tags = list(lists["accounting-classes"])
        return Coding(account, self.chance.choice(tags) if tags and self.chance.random() < 0.3 else "")

    def add_bill(self) -> Bill:
        """A bill, perhaps not approved yet."""
        world, chance = self._simulator.world, self.chance
        vendor = chance.choice([v for v in world.vendors.values() if not v.archived] or list(world.vendors.values()))
        issued = world.now.date() - timedelta(days=chance.randrange(1, 60))
        number = chance.choice((f"INV-{len(world.bills)}", "INV-1", f"№ {len(world.bills)}"))
        waits = chance.random() < 0.2 and not self.is_plain
        return build.add_bill(
            world,
            _lines(self),
            vendor_id=vendor.id,
            invoiced_on=issued,
            due_on=issued + timedelta(days=30),
            invoice_number=number,
            description=chance.choice((None, "Per contract §4")),
            approval="ASSIGNED" if waits else "APPROVED",
        )

    def bill(self, fits: Callable[[Bill], bool]) -> Bill | None:
        """Some bill that fits."""
        return _some(self.chance, [bill for bill in self._simulator.world.bills.values() if fits(bill)])


def _is_open(rig: BillRig, bill: Bill) -> bool:
    """Whether a bill is approved, kept, and not covered by anything."""
    world = rig.sandbox.simulator.world
    return is_due_bill(world, bill) and not world.parts_of(bill.id)


def _lines(rig: BillRig) -> tuple[Line, ...]:
    """One to three lines."""
    return tuple(Line(_cents(rig, 1, 100_000), rig.coding()) for _ in range(rig.chance.choice((1, 1, 2, 3))))


def _cents(rig: BillRig, low: int, high: int) -> Decimal:
    """An amount, its bounds in hundredths."""
    return Decimal(rig.chance.randrange(low, high)).scaleb(-2)


def _payment(rig: BillRig, fits: Callable[[Payment], bool]) -> Payment | None:
    """Some payment that fits."""
    return _some(rig.chance, [payment for payment in rig.sandbox.simulator.world.payments.values() if fits(payment)])


def _some(chance: random.Random, found: Sequence[Item]) -> Item | None:
    return chance.choice(found) if found else None


# --- deeds ------------------------------------------------------------------------------------------------------------


def _pay(rig: BillRig, amounts: Mapping[str, Decimal], used: Mapping[str, Mapping[str, Decimal]] | None = None) -> str:
    """BILL pays, or someone wrote a check elsewhere; the money may not have left yet."""
    chance = rig.chance
    is_online = chance.random() < 0.6
    status = "SCHEDULED" if is_online and chance.random() < 0.3 else "PAID"
    number = None if is_online else 5000 + len(rig.sandbox.simulator.world.payments)
    how: dict[str, Any] = {
        "method": "ACH" if is_online else "CHECK",
        "check_number": number,
        "is_online": is_online,
        "status": status,
    }
    return build.pay(rig.sandbox.simulator.world, amounts, used, **how).id


def _pay_one(rig: BillRig) -> str:
    bill = rig.bill(partial(_is_open, rig))
    return _pay(rig, {bill.id: bill.amount}) if bill else ""


def _pay_several(rig: BillRig) -> str:
    """One payment of all open bills of a vendor."""
    bill = rig.bill(partial(_is_open, rig))
    if bill is None:
        return ""
    world = rig.sandbox.simulator.world
    several = [b for b in world.bills.values() if b.vendor_id == bill.vendor_id and _is_open(rig, b)]
    return _pay(rig, {b.id: b.amount for b in several})


def _pay_part(rig: BillRig) -> str:
    bill = rig.bill(lambda b: _is_open(rig, b) and b.amount > 1)
    return _pay(rig, {bill.id: (bill.amount * 2 / 3).quantize(_CENT)}) if bill else ""


def _pay_net(rig: BillRig) -> str:
    """A payment of what a vendor credit leaves of a bill; some money always remains to be paid."""
    bill = rig.bill(lambda b: _is_open(rig, b) and b.amount > 1)
    if bill is None:
        return ""
    world = rig.sandbox.simulator.world
    for credit in world.credits.values():
        left = world.unused(credit.id)
        if credit.vendor_id == bill.vendor_id and not credit.archived and left > 0:
            amount = min(left, (bill.amount / 2).quantize(_CENT))
            return _pay(rig, {bill.id: bill.amount - amount}, {bill.id: {credit.id: amount}})
    return ""


def _edit(rig: BillRig, fits: Callable[[Bill], bool], change: Callable[[Bill], Mapping[str, Any]]) -> str:
    bill = rig.bill(fits)
    if bill is None:
        return ""
    build.edit_bill(rig.sandbox.simulator.world, bill.id, **change(bill))
    return bill.id


def _edit_amount(rig: BillRig) -> str:
    # A bill that something covers is not edited any more.
    world = rig.sandbox.simulator.world
    return _edit(rig, lambda b: not b.archived and not world.parts_of(b.id), lambda _: {"lines": _lines(rig)})


def _edit_coding(rig: BillRig) -> str:
    def recoded(bill: Bill) -> Mapping[str, Any]:
        return {"lines": tuple(replace(line, coding=rig.coding()) for line in bill.lines)}

    return _edit(rig, lambda b: not b.archived, recoded)


def _edit_memo(rig: BillRig) -> str:
    return _edit(rig, lambda b: not b.archived, lambda _: {"description": rig.chance.choice(("changed", None))})


def _archive(rig: BillRig) -> str:
    world = rig.sandbox.simulator.world
    bill = rig.bill(lambda b: not b.archived and not world.parts_of(b.id))
    return build.archive_bill(world, bill.id).id if bill else ""


def _restore(rig: BillRig) -> str:
    bill = rig.bill(lambda b: b.archived)
    return build.archive_bill(rig.sandbox.simulator.world, bill.id, is_archived=False).id if bill else ""


def _late_bill(rig: BillRig) -> str:
    return rig.add_bill().id if len(rig.sandbox.simulator.world.bills) < _MOST_BILLS else ""


def _twin_bill(rig: BillRig) -> str:
    """A vendor sends the same bill every month, or every hour: nothing but BILL's own id tells the two apart."""
    world = rig.sandbox.simulator.world
    bill = rig.bill(lambda b: not b.archived)
    if bill is None or len(world.bills) >= _MOST_BILLS:
        return ""
    same = {
        name: getattr(bill, name) for name in ("vendor_id", "invoice_number", "invoiced_on", "due_on", "description")
    }
    return build.add_bill(world, [replace(line, id="") for line in bill.lines], **same).id


def _late_credit(rig: BillRig) -> str:
    world = rig.sandbox.simulator.world
    bill = rig.bill(lambda b: not b.archived)
    if bill is None or len(world.credits) >= _MOST_CREDITS:
        return ""
    return build.add_credit(world, bill.vendor_id, [Line(_cents(rig, 1, 20_000), rig.coding(), "Returned goods")]).id


def _approve(rig: BillRig) -> str:
    bill = rig.bill(lambda b: b.approval == "ASSIGNED")
    return build.approve_bill(rig.sandbox.simulator.world, bill.id).id if bill else ""


def _void(rig: BillRig) -> str:
    payment = _payment(rig, lambda p: p.status in LIVE)
    return build.set_payment(rig.sandbox.simulator.world, payment.id, "VOID").id if payment else ""


def _fail(rig: BillRig) -> str:
    """The bank sends the money back, even after the payment had cleared."""
    payment = _payment(rig, lambda p: p.status == "PAID" and p.is_online)
    if payment is None:
        return ""
    failed = "DISBURSEMENT_FAILED_ACTION_NEEDED"
    return build.set_payment(rig.sandbox.simulator.world, payment.id, "PAID", failed).id


def _clear(rig: BillRig) -> str:
    payment = _payment(rig, lambda p: p.status == "SCHEDULED")
    return build.set_payment(rig.sandbox.simulator.world, payment.id, "PAID", "CLEARED").id if payment else ""


def _vendor_off(rig: BillRig) -> str:
    vendors = rig.sandbox.simulator.world.vendors
    chosen = rig.chance.choice(list(vendors.values()))
    rig.was_off.add(chosen.id)
    return build.edit_vendor(rig.sandbox.simulator.world, chosen.id, archived=not chosen.archived).id


def _edit_vendor(rig: BillRig) -> str:
    chosen = rig.chance.choice(list(rig.sandbox.simulator.world.vendors))
    return build.edit_vendor(rig.sandbox.simulator.world, chosen, phone=f"555-{rig.chance.randrange(10_000):04d}").id


def _sessions_end(rig: BillRig) -> str:
    rig.sandbox.simulator.expire_sessions()
    return "all of them"


_DOINGS: Mapping[str, Callable[[BillRig], str]] = {
    "pay": _pay_one,
    "pay_several": _pay_several,
    "pay_part": _pay_part,
    "pay_net": _pay_net,
    "edit_amount": _edit_amount,
    "edit_memo": _edit_memo,
    "edit_coding": _edit_coding,
    "archive": _archive,
    "restore": _restore,
    "late_bill": _late_bill,
    "late_credit": _late_credit,
    "approve": _approve,
    "void": _void,
    "fail": _fail,
    "clear": _clear,
    "vendor_off": _vendor_off,
    "edit_vendor": _edit_vendor,
    "twin_bill": _twin_bill,
    "sessions_end": _sessions_end,
}


# --- the beginning ----------------------------------------------------------------------------------------------------


def make_rig(seed: int, clock: Clock, options: Json) -> BillRig:
    """One to three vendors, one to four bills, perhaps a credit and payments, and what goes wrong."""
    chance = random.Random(f"{seed}:source")  # noqa: S311 - a simulation must repeat
    without, focus = frozenset(options.get("without", ())), frozenset(options.get("focus", ()))
    often: Mapping[str, float] = options.get("often", {})
    # An organization in which nothing keeps a bill from being posted at once, and nobody pays it: it may still change.
    plain = "plain" in often
    simulator = BillSimulator(
        seed, clock, options=_options(chance, without, focus), faults=_plan(chance, without, focus)
    )
    gap = not plain and "gap" not in without and (not focus or "gap" in focus) and chance.random() < 0.4
    seed_lists(simulator.world, options.get("chart", {}), [{"name": "Client Gifts"}] if gap else [])
    deeds = _drawn(chance, _DEEDS, without, focus)
    deeds |= {name: max(often[name], deeds.get(name, 0.0)) for name in _DEEDS if name in often and name not in without}
    rig = BillRig(BillSandbox(simulator), chance, deeds, is_plain=plain)
    if plain:
        rig.deeds = {name: rate for name, rate in deeds.items() if name not in _LOSES}
    simulator.world.counted = Counted(outside=chance.random() < 0.5)
    _subscribe(simulator)
    rig.hooks = _drawn(chance, _ON_THE_WAY, without, focus)
    _spread(simulator, rig)
    for name in ["Acme Supply"] if plain else chance.sample(_NAMES, chance.randrange(1, 4)):
        build.add_vendor(simulator.world, name)
    for _ in range(chance.randrange(1, 2 if plain else 5)):
        rig.add_bill()
    for begin in () if plain else (_late_credit, _pay_net, _pay_several, _pay_one):
        if chance.random() < 0.4:
            begin(rig)
    rig.begun = frozenset(simulator.world.vendors)
    rig.is_written = chance.random() < 0.3
    rig.look()
    return rig


def _drawn(
    chance: random.Random, rates: Mapping[str, float], without: frozenset[str], focus: frozenset[str]
) -> dict[str, float]:
    return {
        name: rate * chance.uniform(0.5, 1.5)
        for name, rate in rates.items()
        if name not in without and (name in focus if focus else chance.random() < 0.5)
    }


def _subscribe(simulator: BillSimulator) -> None:
    """The subscription that an organization makes when it is set up."""
    world = simulator.world
    made = Subscription(
        id=world.names.uuid("subscription"),
        name="flowctl",
        url="https://localhost/webhooks/sim/bill",
        events=tuple((kind, webhooks.VERSION) for kind in webhooks.CATALOG),
        created=world.now,
        updated=world.now,
        key=WEBHOOK_KEY,
    )
    world.subscriptions[made.id] = made


def _spread(simulator: BillSimulator, rig: BillRig) -> None:
    """Doubling and shuffling are the sender's own doing."""
    doubled, shuffled = rig.hooks.pop("hook_doubled", 0.0), rig.hooks.pop("hook_shuffled", 0.0)
    rig.total["hook_doubled"] += doubled > 0
    rig.total["hook_shuffled"] += shuffled > 0
    options = simulator.world.options
    simulator.world.options = replace(options, webhook_duplicates=doubled, webhook_shuffle=shuffled > 0)


def _sent(posts: Posts, headers: Mapping[str, str], body: bytes, kind: str) -> str:
    try:
        return str(posts(headers, body, kind))
    except ConnectionError:
        return "no answer"


def _options(chance: random.Random, without: frozenset[str], focus: frozenset[str]) -> Options:
    """Every switch for what is not known, thrown."""
    thrown = {
        name: (name in focus or (not focus and chance.random() < share)) and name not in without
        for name, share in _SWITCHES.items()
    }
    return Options(
        webhook_key=WEBHOOK_KEY,
        limit_status=chance.choice((400, 403, 422, 429, 503)),
        expired_as=chance.choice(("1109", "1109", "1361", "gateway", "no_code")),
        validation_code=chance.choice((None, "BDC_1000")),
        moments=chance.choice(("offset", "z")),
        webhook_escaped=chance.random() < 0.3,
        approval_touches=not thrown["approval_unseen"],
        payment_touches=not thrown["payment_unseen"],
        part_amounts="gross" if thrown["gross_parts"] else "net",
        lone_bill_id=thrown["lone_bill_id"],
        empty_page_every=2 if thrown["empty_pages"] else 0,
        trailing_page=thrown["trailing_page"],
        partial="PARTIAL" if thrown["other_partial"] else "PARTIALLY_PAID",
        numbers="java" if thrown["java_numbers"] else "float",
        one_session=thrown["one_session"],
        cursor="offset" if thrown["offset_cursor"] else "keyset",
    )


def _plan(chance: random.Random, without: frozenset[str], focus: frozenset[str]) -> list[Fault]:
    level = chance.choice((0.3, 1.0, 2.0))
    chosen = [name for name in _FAULTS if name not in without and chance.random() < 0.4]
    if focus:
        chosen, level = [name for name in _FAULTS if name in focus], 2.0
    return [
        Fault(
            name,
            probability=level * chance.uniform(0.02, 0.08),
            path=chance.choice(("", "", "/bills", "/payments")),
            seconds=5.0,
        )
        for name in chosen
    ]
