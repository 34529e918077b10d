"""The simulated account: everything it holds, and how people change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors._simulated import Names
from connectors.freshbooks.simulator.records import (
    DELETED,
    Account,
    Bill,
    Callback,
    Category,
    Delivery,
    Expense,
    Line,
    Options,
    Payment,
    Vendor,
)
from engine.clock import Clock
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened to an object."""

    event: str
    object_id: int


@dataclass(slots=True)
class World:
    """All state of one account. Objects are frozen and exchanged whole; the simulator's lock guards every change."""

    names: Names
    clock: Clock
    options: Options
    account_id: str
    business_id: int = 6543
    categories: dict[int, Category] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    vendors: dict[int, Vendor] = field(default_factory=dict)
    bills: dict[int, Bill] = field(default_factory=dict)
    expenses: dict[int, Expense] = field(default_factory=dict)
    callbacks: dict[int, Callback] = field(default_factory=dict)
    events: list[Happened] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    outage: bool = False
    last_id: int = 1000
    # What is in the accounts that the user has left, by their id.
    left: dict[str, list[dict[int, Any]]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The simulated time, in whole seconds as FreshBooks prints it."""
        return self.clock.now().replace(microsecond=0)

    def new_id(self) -> int:
        """The next id."""
        self.last_id += 1
        return self.last_id

    def add_category(self, name: str, **fields: Any) -> Category:
        """A category; the one of that name when it is there."""
        for category in self.categories.values():
            if category.name == name:
                return category
        made = Category(self.new_id(), name, **fields)
        self.categories[made.id] = made
        return made

    def add_account(self, name: str, number: str, **fields: Any) -> Account:
        """An account."""
        made = Account(self.new_id(), name, number, **fields)
        self.accounts[made.id] = made
        return made

    def add_vendor(self, name: str, **fields: Any) -> Vendor:
        """A vendor."""
        now = self.now
        made = Vendor(**{"id": self.new_id(), "name": name, "created": now, "updated": now, **fields})
        self.vendors[made.id] = made
        self.events.append(Happened("bill_vendor.create", made.id))
        return made

    def add_bill(self, vendor_id: int, lines: Sequence[Line], **fields: Any) -> Bill:
        """A bill, due in 30 days unless told otherwise."""
        now = self.now
        given = {"number": None, "issued_on": now.date(), "offset_days": 30, "created": now, "updated": now, **fields}
        made = Bill(id=self.new_id(), vendor_id=vendor_id, lines=tuple(lines), **given)
        self.bills[made.id] = made
        self.events.append(Happened("bill.create", made.id))
        return made

    def add_expense(self, amount: Decimal, category_id: int, **fields: Any) -> Expense:
        """An expense of today unless told otherwise."""
        given = {"on": self.now.date(), "updated": self.now, **fields}
        made = Expense(id=self.new_id(), amount=amount, category_id=category_id, **given)
        self.expenses[made.id] = made
        self.events.append(Happened("expense.create", made.id))
        return made

    def edit_vendor(self, vendor_id: int, **changes: Any) -> Vendor:
        """Change a vendor; its bills show it at once."""
        made = self.vendors[vendor_id] = replace(self.vendors[vendor_id], **{"updated": self.now, **changes})
        self.events.append(Happened(_verb("bill_vendor", changes), vendor_id))
        return made

    def edit_bill(self, bill_id: int, **changes: Any) -> Bill:
        """Change a bill, or delete it with `vis_state`."""
        made = self.bills[bill_id] = replace(self.bills[bill_id], **{"updated": self.now, **changes})
        self.events.append(Happened(_verb("bill", changes), bill_id))
        return made

    def edit_expense(self, expense_id: int, **changes: Any) -> Expense:
        """Change an expense, or delete it with `vis_state`."""
        made = self.expenses[expense_id] = replace(self.expenses[expense_id], **{"updated": self.now, **changes})
        self.events.append(Happened(_verb("expense", changes), expense_id))
        return made

    def pay_bill(self, bill_id: int, amount: Decimal, on: date | None = None, type_: str = "Check") -> Payment:
        """Record that a bill was paid, wholly or in part."""
        bill = self.bills[bill_id]
        made = Payment(self.new_id(), amount, on or self.now.date(), type_)
        self.edit_bill(bill_id, payments=(*bill.payments, made))
        return made

    def move_user(self, account_id: str) -> None:
        """The user leaves the only business that he has for another one: the same token leads to that one from now on."""
        objects: tuple[dict[int, Any], ...] = (self.vendors, self.bills, self.expenses)
        self.left[self.account_id] = [dict(each) for each in objects]
        self.account_id = account_id
        for each, known in zip(objects, self.left.get(account_id, ({}, {}, {})), strict=True):
            each.clear()
            each.update(known)

    def total(self) -> Decimal:
        """What all bills and expenses come to; archived ones count, deleted ones and bills paid in part do not."""
        counted = [b for b in self.bills.values() if b.vis_state != DELETED and not b.is_partly_paid]
        bills = sum((bill.total for bill in counted), Decimal(0))
        spent = sum((expense.amount for expense in self.expenses.values() if expense.vis_state != DELETED), Decimal(0))
        return bills + spent


def founded(seed: int, clock: Clock, options: Options) -> World:
    """An account that holds nothing."""
    names = Names(seed)
    return World(names, clock, options, names.fixed_text("account", "only", 6))


def status_of(world: World, bill: Bill) -> str:
    """How much of a bill is paid; what an overdue one that is paid in part is called is a switch."""
    is_overdue = bill.due_on < world.now.date()
    if bill.total > 0 and bill.paid >= bill.total:
        return "paid"
    if bill.paid > 0:
        return world.options.overdue_and_partly_paid if is_overdue else "partial"
    return "overdue" if is_overdue else "unpaid"


def days_ago(world: World, days: int) -> datetime:
    """So many days before now."""
    return world.now - timedelta(days=days)


def _verb(kind: str, changes: dict[str, Any]) -> str:
    return f"{kind}.{'delete' if changes.get('vis_state') == DELETED else 'update'}"
