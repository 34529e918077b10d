"""What a person reads of a check that fails: both amounts, both currencies, and never any other text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from engine.diagnostics import Location
from engine.mapping import Scope
from engine.mapping.apart import Sides
from engine.model import Expr
from tests.engine.test_mapping import World

FOREIGN = "currency == setting('home_currency') && (!rate || to_number(rate) == `1`)"
SUMS = "sum_money(lines[].amount) == amount"


def apart(text: str, data: Mapping[str, object]) -> str:
    """How the sides of one condition differ for a record."""
    scope = Scope(settings={"home_currency": "text"}, lookups=frozenset({"vendor"}))
    return Sides([Expr(text, Location("flow.yaml", 7, 10))], scope).apart(0, data, World(root=data))


@pytest.mark.parametrize(
    ("text", "data", "words"),
    [
        (FOREIGN, {"currency": "CAD"}, "CAD is not USD"),
        (FOREIGN, {"currency": "USD", "rate": "1.35"}, "`rate` is 1.35"),
        (SUMS, {"amount": Decimal("100.00"), "lines": [{"amount": Decimal("99.99")}]}, "99.99 is not 100.00"),
        ("amount > `0`", {"amount": Decimal("-5.00")}, "`amount` is -5.00"),
        ("amount <= most", {"amount": Decimal(5), "most": Decimal("4.00")}, "5.00 is more than 4.00"),
        ("amount < most", {"amount": Decimal(5), "most": Decimal(5)}, "5.00 is not less than 5.00"),
        ("amount > least", {"amount": Decimal(5), "least": Decimal(5)}, "5.00 is not more than 5.00"),
        ("amount >= least", {"amount": Decimal(5), "least": Decimal("5.01")}, "5.00 is less than 5.01"),
        ("paid || currency == 'EUR'", {"paid": None, "currency": "CAD"}, "`currency` is CAD"),
    ],
)
def test_both_sides_are_told(text: str, data: Mapping[str, object], words: str) -> None:
    """The first comparison that does not hold, in the words of its operator."""
    assert apart(text, data) == words


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("name == other", {"name": "Jane Doe", "other": "John Doe"}),
        ("account == number", {"account": 123456789, "number": 987654321}),
        ("lower(name) == 'card'", {"name": "GmbH"}),
        ("currency == setting('home_currency')", {"currency": None}),
        ("!(amount == `5`)", {"amount": Decimal(5)}),
        ("is_settled", {"is_settled": False}),
        ("sum_money(lines[].amount) == `1`", {"lines": [{"amount": Decimal(2)}]}),
        ("means != 'CAD'", {"means": "CAD"}),
    ],
)
def test_nothing_else_is_told(text: str, data: Mapping[str, object]) -> None:
    """Names, ids, and comparisons that something else decides about."""
    assert apart(text, data) == ""


def test_what_cannot_be_computed_is_passed_over() -> None:
    """A side that fails by itself hides neither the failure of the check nor the comparison after it."""
    assert apart("to_number(lines) == `1` || amount == `2`", {"lines": {}, "amount": Decimal(3)}) == "`amount` is 3.00"
