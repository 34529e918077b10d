"""The simulated organization: everything it holds, and what follows from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors._simulated import Names
from connectors.bill.simulator.records import (
    LIVE,
    Bill,
    BillPayment,
    Counted,
    Delivery,
    Entry,
    ListName,
    Options,
    Payment,
    Subscription,
    Vendor,
    VendorCredit,
)
from engine.clock import Clock
from engine.dataclass import dataclass

PREFIX = "/connect/v3"
EVENTS_PREFIX = "/connect-events/v3"
LISTS: tuple[ListName, ...] = ("chart-of-accounts", "accounting-classes", "departments", "locations")
# The letters that ids begin with, as BILL's own descriptions give them; an id has 20 characters.
PREFIXES = {
    "organization": "008", "user": "006", "vendor": "009", "bill": "00n", "line": "bli", "payment": "stp", "bill-payment": "blp",
    "credit": "vcr", "credit-line": "vcl", "chart-of-accounts": "0ca", "accounting-classes": "cls", "departments": "0de",
    "locations": "loc", "bank": "bac", "void": "vdr",
}  # fmt: skip
ID_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object."""

    id: str
    type: str
    at: datetime
    object_id: str


@dataclass(frozen=True, slots=True)
class Covered:
    """What covers a bill: money and credits of payments that are done, and both of those under way."""

    cash: Decimal
    credit: Decimal
    scheduled: Decimal


@dataclass(slots=True)
class World:
    """All state of one organization. Objects are frozen and exchanged whole; the simulator's lock guards every change."""

    names: Names
    clock: Clock
    options: Options
    organization_id: str = ""
    user_id: str = ""
    bank_id: str = ""
    vendors: dict[str, Vendor] = field(default_factory=dict)
    bills: dict[str, Bill] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    credits: dict[str, VendorCredit] = field(default_factory=dict)
    lists: dict[ListName, dict[str, Entry]] = field(default_factory=lambda: {name: {} for name in LISTS})
    events: list[Event] = field(default_factory=list)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    answered: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    outage: bool = False
    counted: Counted = field(default_factory=Counted)
    paid_by: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    used_by: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def now(self) -> datetime:
        """The simulated time, in the milliseconds that BILL keeps."""
        moment = self.clock.now()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def new_id(self, kind: str, key: str | None = None) -> str:
        """The next id of a kind, or the one that belongs to a key for ever."""
        prefix = PREFIXES[kind]
        size = ID_LENGTH - len(prefix)
        made = self.names.text(kind, size) if key is None else self.names.fixed_text(kind, key, size)
        return prefix + made

    def emit(self, kind: str, object_id: str) -> None:
        """Queue an event for the webhook subscriptions."""
        self.events.append(Event(self.names.uuid("event"), kind, self.now, object_id))

    def change_bill(self, bill_id: str, *, touch: bool = True, **changes: Any) -> Bill:
        """Exchange a bill for a changed one, updated now unless this kind of change does not count."""
        now = {"updated": self.now} if touch else {}
        self.bills[bill_id] = replace(self.bills[bill_id], **{**now, **changes})
        return self.bills[bill_id]

    def put_payment(self, payment: Payment) -> None:
        """Keep a new payment, and remember what it pays and which credits it uses."""
        self.payments[payment.id] = payment
        for part in payment.parts:
            self.paid_by[part.bill_id].append(payment.id)
            for use in part.credits:
                if payment.id not in self.used_by[use.credit_id]:
                    self.used_by[use.credit_id].append(payment.id)

    def parts_of(self, bill_id: str) -> list[tuple[Payment, BillPayment]]:
        """The live payments of a bill, each with its part."""
        found = []
        for payment_id in dict.fromkeys(self.paid_by.get(bill_id, ())):
            payment = self.payments[payment_id]
            if payment.status in LIVE:
                found += [(payment, part) for part in payment.parts if part.bill_id == bill_id]
        return found

    def covered(self, bill_id: str) -> Covered:
        """What covers a bill now."""
        cash = credit = scheduled = Decimal(0)
        for payment, part in self.parts_of(bill_id):
            if payment.status == "PAID":
                cash, credit = cash + part.cash, credit + part.credit
            else:
                scheduled += part.cash + part.credit
        return Covered(cash, credit, scheduled)

    def open_amount(self, bill_id: str) -> Decimal:
        """What no payment covers yet, not even one under way."""
        done = self.covered(bill_id)
        return self.bills[bill_id].amount - done.cash - done.credit - done.scheduled

    def uses_of(self, credit_id: str) -> list[tuple[Payment, str, Decimal]]:
        """The live payments that use a credit, each with the bill and how much."""
        return [
            (payment, part.bill_id, use.amount)
            for payment in (self.payments[key] for key in self.used_by.get(credit_id, ()))
            if payment.status in LIVE
            for part in payment.parts
            for use in part.credits
            if use.credit_id == credit_id
        ]

    def unused(self, credit_id: str) -> Decimal:
        """What is left of a credit."""
        used = sum((amount for _, _, amount in self.uses_of(credit_id)), Decimal(0))
        return self.credits[credit_id].amount - used


def founded(seed: int, clock: Clock, options: Options) -> World:
    """An organization with one user and one bank account."""
    world = World(Names(seed), clock, options)
    world.organization_id = world.new_id("organization", "only")
    world.user_id = world.new_id("user", "only")
    world.bank_id = world.new_id("bank", "only")
    return world
