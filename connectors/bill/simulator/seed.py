"""A made-up organization from a seed: vendors, bills, credits and payments with the oddities that real ones have."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from connectors.bill.simulator import build
from connectors.bill.simulator.core import BillSimulator
from connectors.bill.simulator.records import Approval, Bill, Coding, Entry, Line, ListName, Payment, Vendor
from connectors.bill.simulator.world import World
from engine.dataclass import dataclass

Item = TypeVar("Item")
Chart = Mapping[str, Sequence[Mapping[str, Any]]]

# Which list of the books becomes which list of BILL.
FROM_BOOKS: Mapping[str, ListName] = {"accounts": "chart-of-accounts", "classes": "accounting-classes"}
_CHART = (
    ("Office Supplies", "6100"),
    ("Travel Expense", "6200"),
    ("Computer and Internet Expenses", "6400"),
    ("Professional Fees", "6500"),
    ("Repairs and Maintenance", "6600"),
    ("Utilities", "6700"),
)
_VENDORS = (
    "Harbor Light Electric", "Müller & Söhne GmbH", "Northwind Paper", "O'Malley Plumbing", "Señor Tech, S.A. de C.V.",
    "Smith <Design> & Partners", "東京オフィス用品", "Pinecrest Legal LLP", "Redwood Freight", "Café Zürich",
    "Association for the Study of Very Long Vendor Names and How They End, Inc.", "Łódź Logistics",
)  # fmt: skip
_MEMOS = (
    "Monthly service",
    "Client visit — Genève",
    'Replacement of 3/4" valve',
    "Per contract §4",
    None,
    None,
    "Rush order",
)
_METHODS = ("ACH", "CHECK", "CHECK")


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the oddities, each between 0 and 1."""

    paid: float = 0.4
    unapproved: float = 0.1
    archived: float = 0.04
    discounts: float = 0.05
    tagged: float = 0.5


class _Maker:
    """The seed's random choices over one organization."""

    def __init__(self, world: World, mix: Mix) -> None:
        self.world = world
        self.mix = mix
        self.chance = random.Random(f"{world.names.seed}:organization")  # noqa: S311 - a simulation must repeat
        self.today = world.now.date()

    def happens(self, share: float) -> bool:
        return self.chance.random() < share

    def some(self, kind: ListName, share: float) -> str:
        """The id of an entry, or none."""
        entries = list(self.world.lists[kind].values())
        chosen = self.chance.random() < share
        return self.chance.choice(entries).id if chosen and entries else ""

    def coding(self) -> Coding:
        return Coding(
            self.some("chart-of-accounts", 1),
            self.some("accounting-classes", self.mix.tagged),
            self.some("departments", 0.2),
            self.some("locations", 0.2),
        )

    def lines(self) -> tuple[Line, ...]:
        count = self.chance.choice((1, 1, 1, 2, 2, 3, 5))
        made = [Line(self.cents(100, 250_000), self.coding(), self.chance.choice(_MEMOS)) for _ in range(count)]
        whole = sum((line.amount for line in made), Decimal(0))
        if self.happens(self.mix.discounts):
            # What the vendor takes off the bill stands in it as a line below zero.
            made.append(Line(-(whole / 10).quantize(Decimal("0.01")), self.coding(), "Discount"))
        return tuple(made)

    def cents(self, low: int, high: int) -> Decimal:
        return Decimal(self.chance.randrange(low, high)).scaleb(-2)

    def vendor(self, number: int) -> Vendor:
        name = _VENDORS[number % len(_VENDORS)]
        if number >= len(_VENDORS):
            name = f"{name[:34]} {number // len(_VENDORS) + 1}"
        since = _moment(self.today - timedelta(days=200 + number))
        return build.add_vendor(
            self.world,
            name,
            created=since,
            updated=since,
            account_type="PERSON" if number % 7 == 6 else "BUSINESS",
            account_number=f"C-{4000 + number}" if number % 3 == 0 else None,
            email=f"billing{number}@example.com" if number % 4 else None,
            address=(("line1", f"{100 + number} Main Street"), ("city", "San Jose"), ("country", "US")),
        )

    def bill(self, number: int, vendors: Sequence[Vendor]) -> Bill:
        issued = self.today - timedelta(days=self.chance.randrange(1, 60))
        approval: Approval = (
            self.chance.choice(("ASSIGNED", "DENIED")) if self.happens(self.mix.unapproved) else "APPROVED"
        )
        return build.add_bill(
            self.world,
            self.lines(),
            vendor_id=self.chance.choice(vendors).id,
            invoice_number=self.chance.choice((f"INV-{10_000 + number}", f"{issued.year}/{number:04d}", f"№ {number}")),
            invoiced_on=issued,
            due_on=issued + timedelta(days=self.chance.choice((0, 15, 30, 45))),
            created=_moment(issued),
            updated=_moment(issued),
            description=self.chance.choice(_MEMOS),
            approval=approval,
            archived=self.happens(self.mix.archived),
        )

    # --- payments ---

    def pay(self, amounts: Mapping[str, Decimal], used: Mapping[str, Mapping[str, Decimal]] | None = None) -> Payment:
        """A payment in the days between its bills and today."""
        issued = max(self.world.bills[bill_id].invoiced_on or self.today for bill_id in amounts)
        on = min(issued + timedelta(days=self.chance.randrange(1, 20)), self.today)
        method = self.chance.choice(_METHODS)
        number = 5000 + len(self.world.payments) if method == "CHECK" else None
        made = _moment(on)
        return build.pay(
            self.world, amounts, used, on=on, method=method, check_number=number, created=made, updated=made
        )

    def open_bills(self) -> dict[str, list[Bill]]:
        """By vendor, the approved bills that nothing covers yet."""
        found: defaultdict[str, list[Bill]] = defaultdict(list)
        for bill in self.world.bills.values():
            if (
                bill.approval == "APPROVED"
                and not bill.archived
                and bill.id not in self.world.paid_by
                and bill.amount > 3
            ):
                found[bill.vendor_id].append(bill)
        return found

    def one_open(self) -> Bill | None:
        found = [bill for bills in self.open_bills().values() for bill in bills]
        return found[0] if found else None

    def payments(self) -> None:
        """One of each kind as far as the bills suffice, then some more of the plain kind."""
        self.several()
        if (bill := self.one_open()) is not None:
            self.pay({bill.id: (bill.amount / 3).quantize(Decimal("0.01"))})
        self.net_of_credit()
        if (bill := self.one_open()) is not None:
            build.set_payment(self.world, self.pay({bill.id: bill.amount}).id, "VOID")
        if (bill := self.one_open()) is not None:
            build.pay(self.world, {bill.id: bill.amount}, on=self.today + timedelta(days=7), status="SCHEDULED")
        for bill in [bill for bills in self.open_bills().values() for bill in bills]:
            if self.happens(self.mix.paid):
                self.pay({bill.id: bill.amount})

    def several(self) -> None:
        """One payment of two or three bills of a vendor."""
        for bills in self.open_bills().values():
            if len(bills) > 1:
                self.pay({bill.id: bill.amount for bill in bills[:3]})
                return

    def net_of_credit(self) -> None:
        """A credit of which a payment uses a part, and one that nothing uses."""
        bill = self.one_open()
        if bill is None:
            return
        amount = (bill.amount / 4).quantize(Decimal("0.01"))
        given = bill.invoiced_on or self.today
        fields = {"given_on": given, "created": _moment(given), "updated": _moment(given)}
        spare = Line(amount + Decimal("12.34"), self.coding(), "Returned goods")
        used = build.add_credit(self.world, bill.vendor_id, [spare], description="Returned goods", **fields)
        build.add_credit(self.world, bill.vendor_id, [Line(self.cents(100, 9_000), self.coding())], **fields)
        self.pay({bill.id: bill.amount - amount}, {bill.id: {used.id: amount}})


def _snake(kind: str) -> str:
    """`CostOfGoodsSold` as BILL writes it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).upper()


def seed_lists(world: World, chart: Chart, gaps: Sequence[Mapping[str, Any]] = ()) -> None:
    """BILL's lists as the books have them, with accounts that the books lack; a small chart when there are no books."""
    for plural, kind in FROM_BOOKS.items():
        for item in chart.get(plural, ()):
            name = str(item["name"])
            typed: dict[str, Any] = {"type": _snake(str(item["type"]))} if item.get("type") else {}
            known = build.entry_of(world, kind, name)
            if known is None:
                build.add_path(world, kind, name, str(item.get("code") or ""), **typed)
            else:  # made for what is below it
                world.lists[kind][known.id] = replace(known, number=str(item.get("code") or ""), **typed)
    for gap in gaps:
        build.add_entry(world, "chart-of-accounts", str(gap["name"]))
    if not world.lists["chart-of-accounts"]:
        for name, number in _CHART:
            build.add_entry(world, "chart-of-accounts", name, number)


def seed_organization(
    simulator: BillSimulator,
    *,
    bills: int = 20,
    vendors: int = 8,
    chart: Chart | None = None,
    gaps: Sequence[Mapping[str, Any]] = (),
    mix: Mix | None = None,
) -> None:
    """Fill the simulator's organization from its seed. Nothing of it is announced by webhook: it was there before."""
    with simulator.changing() as world:
        seed_lists(world, chart or {}, gaps)
        entries: list[Entry] = [build.add_entry(world, "departments", name) for name in ("Kitchen", "Front of House")]
        entries += [build.add_entry(world, "locations", name) for name in ("Oakland", "San José")]
        maker = _Maker(world, mix or Mix())
        made = [maker.vendor(number) for number in range(max(vendors, 1 if bills else 0))]
        for number in range(bills):
            maker.bill(number, made)
        maker.payments()
        if made:
            # Nobody pays this one any more; it has no bill.
            build.edit_vendor(world, maker.vendor(len(made)).id, archived=True)
        world.events.clear()


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(9, 30), UTC)
