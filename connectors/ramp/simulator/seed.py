"""A made-up business from a seed: vendors, bills and card transactions with the oddities that real ones have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TypeVar

from connectors.ramp.simulator import build, outbuild
from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.records import Account, Line, Money, Selection, TransactionLine, Vendor
from connectors.ramp.simulator.world import World
from engine.dataclass import dataclass

Item = TypeVar("Item")

DEFAULT_CHART = (
    Account("80000001-1", "Office Supplies", "6100"),
    Account("80000002-1", "Travel Expense", "6200"),
    Account("80000003-1", "Meals and Entertainment", "6300"),
    Account("80000004-1", "Computer and Internet Expenses", "6400"),
    Account("80000005-1", "Professional Fees", "6500"),
    Account("80000006-1", "Repairs and Maintenance", "6600"),
    Account("80000007-1", "Utilities", "6700"),
    Account("80000008-1", "Advertising and Promotion", "6800"),
)
_VENDORS = (
    "Granite Peak Supply Co.", "Café Zürich", "Müller & Söhne GmbH", "Northwind Paper", "O'Malley Plumbing",
    "Señor Tech, S.A. de C.V.",
    "Łódź Logistics", "Bay Area Janitorial", "Smith <Design> & Partners", "東京オフィス用品", "Pinecrest Legal LLP",
    "International Society for Long Vendor Names and Their Truncation, Inc.", "Ångström Labs", "Redwood Freight",
    "Harbor Insurance Brokers", "Curaçao Imports",
)  # fmt: skip
_MERCHANTS = (
    "Blue Bottle Coffee", "Delta Air Lines", "Uber", "Amazon Web Services", "Staples", "GitHub", "Hôtel Lutetia",
    "Shell", "Zoom", "FedEx Office", "Notion Labs", "Trader Joe's",
)  # fmt: skip
_MEMOS = (
    "Monthly service",
    "Q1 supplies",
    "Client visit — Genève",
    'Replacement of 3/4" valve',
    "Per contract §4",
    None,
    None,
    "Rush order",
)


@dataclass(frozen=True, slots=True)
class Tags:
    """What else lines are coded to, and the accounts of the entity: usage type to account."""

    classes: Sequence[Account] = ()
    customers: Sequence[Account] = ()
    vendors: Sequence[Account] = ()
    entity_accounts: Sequence[tuple[str, Account]] = ()


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the oddities, each between 0 and 1; `currencies` are those of foreign bills."""

    paid: float = 0.4
    partly_paid: float = 0.05
    scheduled: float = 0.0
    unapproved: float = 0.05
    refunds: float = 0.08
    split: float = 0.25
    uncoded: float = 0.0
    foreign_card: float = 0.0
    pending: float = 0.06
    declined: float = 0.03
    currencies: tuple[str, ...] = ()
    long_bill_lines: int = 0


@dataclass(frozen=True, slots=True)
class Others:
    """How many of what else goes to the books; a third of the reimbursements is paid back by employees."""

    reimbursements: int = 0
    transfers: int = 0
    cashbacks: int = 0


class _Maker:
    """The seed's random choices over one world."""

    def __init__(self, world: World, chart: Sequence[Account], tags: Tags, mix: Mix) -> None:
        self.world = world
        self.chart = chart
        self.tags = tags
        self.mix = mix
        self.chance = random.Random(f"{world.names.seed}:business")  # noqa: S311 - a simulation must repeat
        self.today = world.now.date()

    def happens(self, share: float) -> bool:
        return self.chance.random() < share

    def some(self, items: Sequence[Item], share: float) -> Item | None:
        """One of the items, or none."""
        chosen = self.chance.random() < share
        return self.chance.choice(items) if chosen and items else None

    def selections(self) -> tuple[Selection, ...]:
        account = self.chance.choice(self.chart)
        return build.coded(account, self.some(self.tags.classes, 0.5), self.some(self.tags.customers, 0.2))

    def day(self, days: int = 60) -> date:
        return self.today - timedelta(days=self.chance.randrange(1, days))

    def minor(self, currency: str, most: int) -> int:
        """An amount with a plausible number of digits: yen have no cents."""
        amount = self.chance.randrange(100, most)
        return amount if currency != "JPY" else amount * 2

    def vendor(self, number: int) -> Vendor:
        name = _VENDORS[number % len(_VENDORS)]
        if number >= len(_VENDORS):
            name = f"{name[:34]} {number // len(_VENDORS) + 1}"
        accounts = self.tags.vendors
        return build.add_vendor(
            self.world,
            name,
            created_at=_moment(self.today - timedelta(days=200 + number)),
            country="US" if number % 5 else "DE",
            kind="INDIVIDUAL" if number % 7 == 6 else "BUSINESS",
            accounting=accounts[number] if number < len(accounts) else None,
        )

    def bill(self, number: int, vendors: Sequence[Vendor]) -> None:
        currency = self.some(self.mix.currencies, 0.2) or self.world.options.currency
        count = self.chance.choice((1, 1, 1, 2, 2, 3, 4, 7))
        if number == 0 and self.mix.long_bill_lines:
            count = self.mix.long_bill_lines
        lines = [
            Line(self.minor(currency, 250_000), self.selections(), self.chance.choice(_MEMOS)) for _ in range(count)
        ]
        issued = self.day()
        made = build.add_bill(
            self.world,
            lines,
            vendor_id=self.chance.choice(vendors).id,
            issued_on=issued,
            created_at=_moment(issued),
            due_on=issued + timedelta(days=self.chance.choice((0, 15, 30, 45))),
            invoice_number=self.invoice_number(number),
            currency=currency,
            memo=self.chance.choice(_MEMOS),
            approval="PENDING" if self.happens(self.mix.unapproved) else "APPROVED",
        )
        if made.approval != "APPROVED":
            return
        fate = self.chance.random()
        after = issued + timedelta(days=self.chance.randrange(1, 30))
        if fate < self.mix.paid:
            build.pay_bill(
                self.world,
                made.id,
                paid_on=min(after, self.today),
                method=self.chance.choice(("ACH", "CHECK", "DOMESTIC_WIRE")),
            )
        elif fate < self.mix.paid + self.mix.partly_paid and made.minor > 2:
            build.pay_bill(self.world, made.id, paid_on=min(after, self.today), minor=made.minor * 2 // 3)
        elif fate < self.mix.paid + self.mix.partly_paid + self.mix.scheduled:
            build.schedule_payment(self.world, made.id, self.today + timedelta(days=7))

    def invoice_number(self, number: int) -> str:
        style = self.chance.randrange(4)
        year = self.today.year
        return (
            f"INV-{10_000 + number}",
            f"{year}/{number:04d}",
            f"№ {number}",
            f"R{year}-{number:06d}-{self.chance.randrange(100):02d}",
        )[style]

    def transaction(self) -> None:
        home = self.world.options.currency
        sign = -1 if self.happens(self.mix.refunds) else 1
        total = sign * self.minor(home, 90_000)
        rate = 0 if not self.happens(self.mix.foreign_card) else 92
        count = self.chance.choice((2, 3)) if self.happens(self.mix.split) and abs(total) > 10 else 1
        lines = [self._card_line(part, rate) for part in _split(total, count, self.chance)]
        if self.happens(self.mix.uncoded):
            lines[-1] = replace(lines[-1], selections=())
        happened = _moment(self.day()) + timedelta(seconds=self.chance.randrange(40_000))
        cleared = happened + timedelta(days=1)
        state = (
            "PENDING"
            if self.happens(self.mix.pending)
            else "DECLINED"
            if self.happens(self.mix.declined)
            else "CLEARED"
        )
        settled = state == "CLEARED"
        build.add_transaction(
            self.world,
            Money(total, home),
            lines=lines,
            merchant=self.chance.choice(_MERCHANTS),
            state=state,
            happened_at=happened,
            updated_at=cleared if settled else happened,
            settled_at=cleared if settled else None,
            memo=self.chance.choice(_MEMOS),
        )

    def _card_line(self, minor: int, rate: int) -> TransactionLine:
        home = self.world.options.currency
        original = Money(minor * rate // 100, "EUR") if rate else None
        return build.card_line(Money(minor, home), self.selections(), original)

    def reimbursement(self, number: int) -> None:
        home = self.world.options.currency
        paid = Money(self.minor(home, 40_000), home)
        count = 2 if self.happens(self.mix.split) and paid.minor > 10 else 1
        lines = [Line(part, self.selections(), None) for part in _split(paid.minor, count, self.chance)]
        back = number % 3 == 2
        spent = self.day()
        outbuild.add_reimbursement(
            self.world,
            paid,
            lines=lines,
            spent_on=spent,
            created_at=_moment(spent),
            updated_at=_moment(spent),
            merchant_name=self.chance.choice(_MERCHANTS),
            direction="USER_TO_BUSINESS" if back else "BUSINESS_TO_USER",
            kind="PAYBACK_PARTIAL" if back else self.chance.choice(("OUT_OF_POCKET", "OUT_OF_POCKET", "PER_DIEM")),
            memo=self.chance.choice(_MEMOS),
        )

    def others(self, wanted: Others) -> None:
        """Reimbursements, transfers and cashbacks."""
        home = self.world.options.currency
        for number in range(wanted.reimbursements):
            self.reimbursement(number)
        for _ in range(wanted.transfers):
            money, created = Money(self.minor(home, 2_000_000), home), _moment(self.day())
            outbuild.add_transfer(self.world, money, created_at=created)
        for _ in range(wanted.cashbacks):
            money, created = Money(self.minor(home, 20_000), home), _moment(self.day())
            outbuild.add_cashback(self.world, money, created_at=created)


def seed_business(
    simulator: RampSimulator,
    *,
    bills: int = 20,
    transactions: int = 30,
    vendors: int = 8,
    chart: Sequence[Account] = DEFAULT_CHART,
    tags: Tags | None = None,
    mix: Mix | None = None,
) -> None:
    """Fill the simulator's business from its seed. Nothing of it is announced by webhook: it was there before."""
    world = simulator.world
    maker = _Maker(world, chart, tags or Tags(), mix or Mix())
    if maker.tags.entity_accounts:
        entity = world.primary_entity()
        world.entities[entity.id] = replace(entity, accounts=tuple(maker.tags.entity_accounts))
    made = [maker.vendor(number) for number in range(max(vendors, 1 if bills else 0))]
    for number in range(bills):
        maker.bill(number, made)
    for _ in range(transactions):
        maker.transaction()
    world.events.clear()


def seed_others(
    simulator: RampSimulator,
    others: Others,
    *,
    chart: Sequence[Account] = DEFAULT_CHART,
    tags: Tags | None = None,
    mix: Mix | None = None,
) -> None:
    """Add what else goes to the books, from the same seed; nothing of it is announced by webhook."""
    maker = _Maker(simulator.world, chart, tags or Tags(), mix or Mix())
    maker.chance = random.Random(f"{simulator.seed}:others")  # noqa: S311 - a simulation must repeat
    maker.others(others)
    simulator.world.events.clear()


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(9, 30), UTC)


def _split(total: int, count: int, chance: random.Random) -> list[int]:
    """Parts that add up to the total, none of them zero, all of its sign."""
    sign, size = (-1 if total < 0 else 1), abs(total)
    cuts = sorted(chance.sample(range(1, size), count - 1)) if count > 1 else []
    edges = [0, *cuts, size]
    return [sign * (high - low) for low, high in pairwise(edges)]
