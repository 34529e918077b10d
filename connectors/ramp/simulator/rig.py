"""A Ramp business in a campaign: small, with a random selection of faults, and people who change their minds."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from connectors.ramp.sandbox import WEBHOOK_SECRET, RampSandbox
from connectors.ramp.simulator import build, syncs
from connectors.ramp.simulator.chartscript import subscribe
from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.faults import Fault, FaultName, FaultPlan
from connectors.ramp.simulator.records import (
    Account,
    Bill,
    Delivery,
    Line,
    Money,
    Options,
    Profile,
    Selection,
    Transaction,
    Vendor,
)
from connectors.ramp.simulator.serve import transport
from connectors.ramp.simulator.world import bill_ready
from engine.clock import Clock
from engine.contract import Json
from engine.dataclass import dataclass
from engine.money import from_minor
from engine.rigs import Hears, Posts, Standing, Told, Wanted

if TYPE_CHECKING:
    import httpx

_FAULTS: tuple[FaultName, ...] = get_args(FaultName)
_NAMES = (
    *(
        "Acme Supply",
        "Granite Peak Supply Co.",
        "Müller & Söhne GmbH",
        "東京オフィス用品",
        "Smith Ltd",
        "O'Malley <&> Sons",
    ),
    "International Society for Long Vendor Names and Their Truncation, Inc.",
)
_MERCHANTS = ("Blue Bottle Coffee", "Acme Supply", "Hôtel Lutetia")
_PHASES: Mapping[str, tuple[str, str]] = {
    "BILL_SYNC": ("bills", "post"),
    "BILL_PAYMENT_SYNC": ("bills", "payment"),
    "TRANSACTION_SYNC": ("transactions", "post"),
    "REIMBURSEMENT_SYNC": ("reimbursements", "post"),
    "TRANSFER_SYNC": ("transfers", "post"),
    "STATEMENT_CREDIT_SYNC": ("cashbacks", "post"),
}
# The accounting connection is ours.
OURS: Mapping[str, str] = {"provider_name": "flowctl"}
# What people do in Ramp, each with its usual rate between two runs.
_DEEDS: Mapping[str, float] = {
    "pay": 0.25, "edit_amount": 0.25, "edit_memo": 0.25, "edit_coding": 0.15, "archive": 0.06, "export": 0.06, "late_bill": 0.2,
    "late_transaction": 0.2, "clear": 0.3, "vendor_off": 0.05, "delete": 0.03, "approve": 0.3,
    "twin_bill": 0.05, "twin_transaction": 0.05,
}  # fmt: skip
# What happens to webhooks on their way, each with its usual rate for a delivery.
_ON_THE_WAY: Mapping[str, float] = {
    "hook_dropped": 0.3, "hook_again": 0.3, "hook_forged": 0.3, "hook_late": 0.2, "hook_shuffled": 0.5, "hook_doubled": 0.3,
}  # fmt: skip
# What keeps a bill from being changed any more.
_LOSES = frozenset({"pay", "archive", "delete", "export", "vendor_off", "late_bill", "late_transaction"})
_MOST_BILLS = 5
# One bill of so many is paid by each of the other means, or has an approval that Ramp does not tell; chosen by its id.
_SELDOM = 12
_OTHER_MEANS = ("CARD", None, "AUTOMATIC_CARD_PAYMENT")


@dataclass(slots=True)
class RampRig:
    """The business, and what every record of it was ever shown as."""

    sandbox: RampSandbox
    chance: random.Random
    accounts: Sequence[Account]
    deeds: Mapping[str, float]
    shown: dict[tuple[str, str], set[Decimal]] = field(default_factory=dict)
    by_hand: set[tuple[str, str, str]] = field(default_factory=set)
    total: Counter[str] = field(default_factory=Counter)
    hooks: dict[str, float] = field(default_factory=dict)
    # Whether every bill can be posted at once, and nobody pays one.
    is_plain: bool = False
    # Every webhook that was ever sent, to be sent once more.
    posted: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    @property
    def _simulator(self) -> RampSimulator:
        return self.sandbox.simulator

    def transport(self, hears: Hears) -> httpx.BaseTransport:
        """The API without a socket."""
        import httpx

        inner = transport(self._simulator)

        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and request.url.path.endswith("/accounting/syncs"):
                hears(*_heard(json.loads(request.read())))
            return inner.handle_request(request)

        return httpx.MockTransport(answer)

    def befall(self) -> list[str]:
        """What people do in Ramp before our next run."""
        done = []
        for name, rate in self.deeds.items():
            if self.chance.random() < rate:
                what = _DOINGS[name](self)
                if what:
                    done.append(f"ramp: {name} {what}")
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

    def _hits(self, name: str) -> bool:
        rate = self.hooks.get(name, 0.0)
        happens = rate > 0 and self.chance.random() < rate
        self.total[name] += happens
        return happens

    def _forged(self) -> tuple[Mapping[str, str], bytes]:
        """A webhook that nobody signed with the secret: made up, or a true one with a bit turned."""
        if self.posted and self.chance.random() < 0.5:
            headers, body = self.chance.choice(self.posted)
            at = self.chance.randrange(len(body))
            return headers, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        about = next(iter(self._simulator.world.bills), "none")
        event = {"id": f"forged-{self.total['hook_forged']}", "type": "bills.approved", "object": {"id": about}}
        return {"x-ramp-webhook-signature": "0" * 64}, json.dumps(event).encode()

    def look(self) -> None:
        """Note the amounts that are shown now."""
        world = self._simulator.world
        for bill in world.bills.values():
            self._show("post", bill.id, bill.minor, bill.currency)
            if bill.payment is not None:
                # What did not leave the bank, or may not have, is never a check: any amount of one is wrong.
                minor = bill.payment.minor if bill.payment.method == "ACH" else 0
                self._show("payment", bill.id, minor, bill.currency)
        for row in world.transactions.values():
            self._show("post", row.id, abs(row.settled.minor), row.settled.currency)

    def wanted(self) -> Sequence[Wanted]:
        """Every vendor, bill, payment and transaction."""
        world = self._simulator.world
        told = {(mark.kind, mark.object_id) for mark in world.marks}
        found = [Wanted("vendors", "post", v.id, "off", frozenset()) for v in world.vendors.values()]
        for bill in world.bills.values():
            found.append(self._wanted("BILL_SYNC", bill.id, self._bill_stands(bill, told)))
            if bill.status == "PAID":
                found.append(self._wanted("BILL_PAYMENT_SYNC", bill.id, self._payment_stands(bill, told)))
        found += [
            self._wanted("TRANSACTION_SYNC", row.id, self._transaction_stands(row, told))
            for row in world.transactions.values()
        ]
        return found

    def told(self) -> Sequence[Told]:
        """Every mark that was taken."""
        marks = self._simulator.world.marks
        return [Told(*_PHASES[mark.kind], mark.object_id, mark.reference) for mark in marks]

    def counts(self) -> Mapping[str, int]:
        """How often each fault happened."""
        return self.total + self._simulator.faults.counts

    def _show(self, phase: str, key: str, minor: int, currency: str) -> None:
        self.shown.setdefault((phase, key), set()).add(from_minor(minor, currency))

    def _wanted(self, kind: str, key: str, standing: Standing) -> Wanted:
        stream, phase = _PHASES[kind]
        return Wanted(stream, phase, key, standing, frozenset(self.shown.get((phase, key), ())))

    def _bill_stands(self, bill: Bill, told: set[tuple[str, str]]) -> Standing:
        if ("BILL_SYNC", bill.id) in told:
            return "told" if bill.archived_at is None else "taken_back"
        if bill.sync_status != "NOT_SYNCED":
            return "by_hand"
        return "due" if bill_ready(self._simulator.world, bill) else "off"

    def _payment_stands(self, bill: Bill, told: set[tuple[str, str]]) -> Standing:
        if ("BILL_PAYMENT_SYNC", bill.id) in told:
            return "told"
        if bill.sync_status == "BILL_AND_PAYMENT_SYNCED":
            return "by_hand"
        return "due" if bill_ready(self._simulator.world, bill) else "off"

    def _transaction_stands(self, row: Transaction, told: set[tuple[str, str]]) -> Standing:
        if ("TRANSACTION_SYNC", row.id) in told:
            return "told"
        if row.sync_status == "SYNCED":
            return "by_hand"
        return "due" if row.sync_status == "SYNC_READY" and row.state in build.SETTLED_STATES else "off"

    # --- making and changing ---

    def lines(self) -> tuple[Line, ...]:
        """One to three lines."""
        return tuple(
            Line(self.chance.randrange(1, 100_000), self.coding(), None)
            for _ in range(self.chance.choice((1, 1, 2, 3)))
        )

    def coding(self) -> tuple[Selection, ...]:
        """An account of the books, or sometimes one that they do not have."""
        return build.coded(self.chance.choice(self.accounts))

    def add_bill(self) -> Bill:
        """A bill, perhaps paid, perhaps not approved."""
        world, chance = self._simulator.world, self.chance
        vendor = chance.choice([v for v in world.vendors.values() if v.is_active] or list(world.vendors.values()))
        issued = world.now.date() - timedelta(days=chance.randrange(1, 60))
        number = chance.choice((f"INV-{len(world.bills)}", "INV-1", f"№ {len(world.bills)}"))
        made = build.add_bill(
            world,
            self.lines(),
            vendor_id=vendor.id,
            issued_on=issued,
            invoice_number=number,
            memo=chance.choice((None, "Per contract §4")),
            approval="PENDING" if chance.random() < 0.1 and not self.is_plain else "APPROVED",
        )
        if made.approval == "APPROVED" and not self.is_plain and int(made.id[:8], 16) % _SELDOM == 0:
            made = build.edit_bill(world, made.id, approval=None)
        if self.is_plain:
            return made
        if made.approval == "APPROVED" and chance.random() < 0.4:
            self.pay(made)
        return made

    def pay(self, bill: Bill) -> None:
        """Pay all or a part; a few are paid by a card, or Ramp does not say how."""
        world = self._simulator.world
        part = bill.minor * 2 // 3 if bill.minor > 2 and self.chance.random() < 0.2 else None
        chosen = int(bill.id[-8:], 16) % _SELDOM
        method = _OTHER_MEANS[chosen] if chosen < len(_OTHER_MEANS) else "ACH"
        charges = tuple(world.transactions)[:1] if method in (None, "CARD") else ()
        build.pay_bill(world, bill.id, minor=part, method=method, charges=charges)

    def add_transaction(self) -> Transaction:
        """A card transaction or a refund, settled or pending."""
        chance = self.chance
        settled = Money(self.chance.randrange(1, 90_000) * (-1 if chance.random() < 0.2 else 1))
        state = "PENDING" if chance.random() < 0.15 else "CLEARED"
        line = build.card_line(settled, self.coding())
        return build.add_transaction(
            self._simulator.world, settled, lines=[line], merchant=chance.choice(_MERCHANTS), state=state
        )


def _heard(body: Mapping[str, Any]) -> tuple[str, list[Told], list[str]]:
    """The key of a call, and what it tells."""
    stream, phase = _PHASES[body["sync_type"]]
    told = [Told(stream, phase, item["id"], item["reference_id"]) for item in body.get("successful_syncs", ())]
    failed = [f"{phase} {item['id']}: {item['error']}" for item in body.get("failed_syncs", ())]
    return body["idempotency_key"], told, failed


# --- deeds ---


def _some_bill(rig: RampRig, fits: Callable[[Bill], bool]) -> Bill | None:
    """Some bill that fits."""
    found = [bill for bill in rig.sandbox.simulator.world.bills.values() if fits(bill)]
    return rig.chance.choice(found) if found else None


def _pay(rig: RampRig) -> str:
    bill = _some_bill(rig, lambda b: b.status == "OPEN" and b.approval == "APPROVED")
    if bill is None:
        return ""
    rig.pay(bill)
    return bill.id


def _edit(rig: RampRig, **fields: Any) -> str:
    bill = _some_bill(rig, lambda b: b.archived_at is None)
    if bill is None:
        return ""
    build.edit_bill(rig.sandbox.simulator.world, bill.id, **fields)
    return bill.id


def _edit_amount(rig: RampRig) -> str:
    # A bill that was paid is not edited any more.
    bill = _some_bill(rig, lambda b: b.status == "OPEN" and b.archived_at is None)
    if bill is None:
        return ""
    build.edit_bill(rig.sandbox.simulator.world, bill.id, lines=rig.lines())
    return bill.id


def _edit_coding(rig: RampRig) -> str:
    bill = _some_bill(rig, lambda b: b.archived_at is None)
    if bill is None:
        return ""
    lines = tuple(replace(line, selections=rig.coding()) for line in bill.lines)
    build.edit_bill(rig.sandbox.simulator.world, bill.id, lines=lines)
    return bill.id


def _archive(rig: RampRig) -> str:
    bill = _some_bill(rig, lambda b: b.archived_at is None)
    if bill is None:
        return ""
    build.archive(rig.sandbox.simulator.world, bill.id)
    return bill.id


def _export(rig: RampRig) -> str:
    world = rig.sandbox.simulator.world
    ready = [b.id for b in world.bills.values() if bill_ready(world, b)]
    ready += [t.id for t in world.transactions.values() if t.sync_status == "SYNC_READY"]
    if not ready:
        return ""
    chosen = rig.chance.choice(ready)
    syncs.export_button(world, (chosen,))
    return chosen


def _late_bill(rig: RampRig) -> str:
    return rig.add_bill().id if len(rig.sandbox.simulator.world.bills) < _MOST_BILLS else ""


def _twin_bill(rig: RampRig) -> str:
    """A vendor sends the same bill every month, or every hour: nothing but Ramp's own id tells the two apart."""
    world = rig.sandbox.simulator.world
    bill = _some_bill(rig, lambda b: b.archived_at is None)
    if bill is None or len(world.bills) >= _MOST_BILLS:
        return ""
    number = rig.chance.choice((bill.invoice_number, None))
    if number is None:
        build.edit_bill(world, bill.id, invoice_number=None)
    fields = {"invoice_number": number, "memo": bill.memo, "approval": "APPROVED"}
    return build.add_bill(world, bill.lines, vendor_id=bill.vendor_id, issued_on=bill.issued_on, **fields).id


def _twin_transaction(rig: RampRig) -> str:
    world = rig.sandbox.simulator.world
    if not world.transactions:
        return ""
    row = rig.chance.choice(list(world.transactions.values()))
    return build.add_transaction(
        world, row.settled, lines=row.lines, merchant=row.merchant_name, state="CLEARED", happened_at=row.happened_at
    ).id


def _clear(rig: RampRig) -> str:
    world = rig.sandbox.simulator.world
    waiting = [row for row in world.transactions.values() if row.state == "PENDING"]
    if not waiting:
        return ""
    row = rig.chance.choice(waiting)
    build.edit_transaction(world, row.id, state="CLEARED", sync_status="SYNC_READY", settled_at=world.now)
    return row.id


def _approve(rig: RampRig) -> str:
    bill = _some_bill(rig, lambda b: b.approval in ("PENDING", None))
    if bill is None:
        return ""
    build.edit_bill(rig.sandbox.simulator.world, bill.id, approval="APPROVED")
    return bill.id


def _vendor_off(rig: RampRig) -> str:
    vendors = rig.sandbox.simulator.world.vendors
    chosen = rig.chance.choice(list(vendors))
    vendors[chosen] = replace(vendors[chosen], is_active=not vendors[chosen].is_active)
    return chosen


def _delete(rig: RampRig) -> str:
    bill = _some_bill(rig, lambda b: b.sync_status == "NOT_SYNCED")
    if bill is None:
        return ""
    del rig.sandbox.simulator.world.bills[bill.id]
    return bill.id


_DOINGS: Mapping[str, Callable[[RampRig], str]] = {
    "pay": _pay,
    "edit_amount": _edit_amount,
    "edit_memo": lambda rig: _edit(rig, memo=rig.chance.choice(("changed", None))),
    "edit_coding": _edit_coding,
    "archive": _archive,
    "export": _export,
    "late_bill": _late_bill,
    "late_transaction": lambda rig: rig.add_transaction().id,
    "clear": _clear,
    "vendor_off": _vendor_off,
    "delete": _delete,
    "approve": _approve,
    "twin_bill": _twin_bill,
    "twin_transaction": _twin_transaction,
}


def make_rig(seed: int, clock: Clock, options: Json) -> RampRig:
    """One to four vendors, one to five bills, up to three card transactions, and what goes wrong."""
    chance = random.Random(f"{seed}:source")  # noqa: S311 - a simulation must repeat
    without, focus = frozenset(options.get("without", ())), frozenset(options.get("focus", ()))
    profile: Profile = "2025-08" if chance.random() < 0.5 else "2026-08"
    simulator = RampSimulator(
        seed, clock, profile=profile, options=_options(chance), faults=_plan(chance, without, focus)
    )
    chart: Mapping[str, Sequence[Json]] = options.get("chart", {})
    accounts = [Account(str(a["external_id"]), str(a["name"]), str(a.get("code") or "")) for a in chart["accounts"]]
    often: Mapping[str, float] = options.get("often", {})
    # A world in which nothing keeps a bill from being posted at once, and nobody pays it: it may still be changed.
    plain = "plain" in often
    if not plain and "gap" not in without and (not focus or "gap" in focus) and chance.random() < 0.4:
        accounts.append(Account("ramp-only-1", "Client Gifts", ""))
    deeds = {
        name: rate * chance.uniform(0.5, 1.5)
        for name, rate in _DEEDS.items()
        if name not in without and (name in focus if focus else chance.random() < 0.5)
    }
    deeds |= {name: max(often[name], deeds.get(name, 0.0)) for name in _DEEDS if name in often and name not in without}
    rig = RampRig(RampSandbox(simulator, settings=OURS), chance, accounts, deeds)
    subscribe(simulator.world)
    rig.hooks = {
        name: rate * chance.uniform(0.5, 1.5)
        for name, rate in _ON_THE_WAY.items()
        if name not in without and (name in focus if focus else chance.random() < 0.5)
    }
    _spread(simulator, rig)
    names = ["Acme Supply"] if plain else chance.sample(_NAMES, chance.randrange(1, 4))
    if plain:
        rig.deeds = {name: rate for name, rate in deeds.items() if name not in _LOSES}
        rig.is_plain = True
    for name in names:
        _vendor(rig, name)
    for _ in range(chance.randrange(1, 2 if plain else 4)):
        rig.add_bill()
    for _ in range(0 if plain else chance.randrange(3)):
        rig.add_transaction()
    rig.look()
    return rig


def _spread(simulator: RampSimulator, rig: RampRig) -> None:
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


def _vendor(rig: RampRig, name: str) -> Vendor:
    return build.add_vendor(rig.sandbox.simulator.world, name)


def _options(chance: random.Random) -> Options:
    """Every switch for what is not known, thrown."""

    def either() -> bool:
        return chance.random() < 0.5

    return Options(
        sync_all_or_nothing=either(),
        refuse_resync=either(),
        refuse_key_reuse=either(),
        payment_needs_bill=either(),
        webhook_secret=WEBHOOK_SECRET,
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
            path=chance.choice(("", "", "/accounting/syncs")),
            seconds=5.0,
        )
        for name in chosen
    ]
