"""A made-up business from a seed: categories lined up with somebody's chart, vendors, bills and expenses."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from connectors.freshbooks.simulator.core import FreshBooksSimulator
from connectors.freshbooks.simulator.records import DELETED, Line
from connectors.freshbooks.simulator.world import World, days_ago

Chart = Mapping[str, Sequence[Mapping[str, Any]]]
_CATEGORIES = (
    ("Rent", "6010"),
    ("Office Supplies", "6020"),
    ("Travel", "6030"),
    ("Meals", "6040"),
    ("Software", "6050"),
)
_VENDORS = (
    "Harbor Light Electric", "Müller & Söhne GmbH", "O'Malley <&> Sons", "東京オフィス用品", "Acme Supply", "Fogline Coffee",
    "Paper Crane Press",
)  # fmt: skip
_MEMOS = ("Paper and toner", "Per contract §4", None, "Monthly fee", "Café “Zur Post”")
_TERMS = (0, 15, 30, 45)


def seed_categories(world: World, chart: Chart, gaps: Sequence[Mapping[str, Any]] = ()) -> None:
    """Categories and accounts as the target has its accounts, and some that it lacks; a few when there is no target."""
    given = [(str(item["name"]), str(item.get("code") or "")) for item in chart.get("accounts", ())]
    for name, number in given or _CATEGORIES:
        world.add_category(name)
        world.add_account(name, number)
    for gap in gaps:
        world.add_category(str(gap["name"]))


def seed_account(
    simulator: FreshBooksSimulator,
    *,
    bills: int = 20,
    vendors: int = 6,
    expenses: int = 10,
    chart: Chart | None = None,
    gaps: Sequence[Mapping[str, Any]] = (),
    purchases: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Fill the account from its seed. Nothing of it is announced by webhook: it was there before.

    Where the card's side says what was bought, expenses on a card are of that.
    """
    chance = random.Random(f"{simulator.seed}:account")  # noqa: S311 - a simulation must repeat
    with simulator.changing() as world:
        seed_categories(world, chart or {}, gaps)
        made = [_vendor(world, number) for number in range(max(vendors, 1 if bills else 0))]
        for number in range(bills):
            _bill(world, chance, chance.choice(made), number, partly=purchases is None)
        bought = None if purchases is None else list({item["amount"]: item for item in purchases}.values())
        for number in range(expenses):
            if bought and number % 3 != 2:
                _purchase(world, chance, bought.pop(), number)
            else:
                _expense(world, chance, number, on_card=number % 3 != 2 and bought is None)
        world.events.clear()


def _vendor(world: World, number: int) -> int:
    name = _VENDORS[number % len(_VENDORS)]
    if number >= len(_VENDORS):
        name = f"{name} {number // len(_VENDORS) + 1}"
    since = days_ago(world, 200 + number)
    email = f"billing{number}@example.com" if number % 3 else None
    return world.add_vendor(name, created=since, updated=since, email=email, account_number=f"C-{4000 + number}").id


def _bill(world: World, chance: random.Random, vendor_id: int, number: int, *, partly: bool) -> None:
    since = days_ago(world, chance.randrange(1, 60))
    lines = [
        Line(
            cents(chance, 100, 150_000),
            chance.choice(list(world.categories)),
            chance.choice(_MEMOS),
            Decimal(chance.choice((1, 1, 2, 10))),
            cents(chance, 1, 900) if chance.random() < 0.2 else Decimal(0),
        )
        for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    made = world.add_bill(
        vendor_id,
        lines,
        number=f"INV-{10_000 + number}" if chance.random() < 0.9 else None,
        issued_on=since.date(),
        offset_days=chance.choice(_TERMS),
        created=since,
        updated=since,
    )
    if chance.random() < 0.25:
        # One that is paid in part is a person's: there is none where another side is to agree at once.
        part = made.total if chance.random() < 0.6 or not partly else (made.total / 3).quantize(Decimal("0.01"))
        world.pay_bill(made.id, part, since.date() + timedelta(days=1))
    if chance.random() < 0.05:
        world.edit_bill(made.id, vis_state=DELETED)


def _purchase(world: World, chance: random.Random, bought: Mapping[str, Any], number: int) -> None:
    """An expense of what was bought with a card."""
    on = date.fromisoformat(bought["date"])
    world.add_expense(
        Decimal(bought["amount"]),
        chance.choice(list(world.categories)),
        on=on,
        updated=min(world.now, datetime.combine(on, time(12), UTC)),
        on_card=True,
        vendor=bought["merchant"],
        currency=bought["currency"],
        notes=chance.choice(_MEMOS) or "",
        has_receipt=number % 3 == 0,
    )


def _expense(world: World, chance: random.Random, number: int, *, on_card: bool) -> None:
    # What no card has paid is old enough that nobody waits for its transaction any more.
    since = days_ago(world, chance.randrange(1 if on_card else 15, 60))
    amount, category = cents(chance, 100, 60_000), chance.choice(list(world.categories))
    vendor = chance.choice(_VENDORS[:4])
    world.add_expense(
        amount,
        category,
        on=since.date(),
        updated=since,
        on_card=on_card,
        vendor=vendor,
        notes=chance.choice(_MEMOS) or "",
        has_receipt=number % 3 == 0,
    )


def cents(chance: random.Random, low: int, high: int) -> Decimal:
    """An amount, its bounds in hundredths."""
    return Decimal(chance.randrange(low, high)).scaleb(-2)
