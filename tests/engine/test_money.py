"""Money never becomes a float, is never rounded by accident, and prints as QBXML wants it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.money import (
    LIMIT,
    exponent,
    format_money,
    from_minor,
    parse_money,
    percent_as_fraction,
    round_cents,
    to_cents,
    total,
)

CENTS = st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1)


@given(CENTS)
def test_printed_money_reads_back_as_the_same_amount(cents: int) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert parse_money(format_money(amount)) == amount
    assert to_cents(amount) == cents


@given(st.lists(CENTS, max_size=200))
def test_a_total_is_exact(cents: list[int]) -> None:
    assert to_cents(total(Decimal(c).scaleb(-2) for c in cents)) == sum(cents)


@given(CENTS, st.sampled_from(["USD", "JPY", "KWD", "CLF", "usd"]))
def test_minor_units_are_divided_by_the_currency_s_own_power_of_ten(count: int, currency: str) -> None:
    amount = from_minor(count, currency)
    assert amount * 10 ** exponent(currency) == count


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6))
def test_rounding_to_cents_moves_by_half_a_cent_at_most_and_never_changes_the_sign(amount: Decimal) -> None:
    rounded = round_cents(amount)
    assert abs(rounded - amount) <= Decimal("0.005")
    assert rounded == -round_cents(-amount)
    assert to_cents(rounded) == rounded * 100


@pytest.mark.parametrize(
    ("text", "printed"),
    [("1050", "1050.00"), ("-0.5", "-0.50"), ("-0.00", "0.00"), (" 7.10 ", "7.10"), ("+3.", "3.00"), (".5", "0.50")],
)
def test_amounts_as_vendors_write_them(text: str, printed: str) -> None:
    assert format_money(parse_money(text)) == printed


@pytest.mark.parametrize(
    "text", ["", "1e3", "1_000", "1,000.00", "NaN", "Infinity", "-sNaN", "\uff11\uff12", "0x10", "1.2.3", "--1"]
)
def test_a_text_that_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_money(text)
    assert str(caught.value) == f"`{text}` is not an amount"
    assert caught.value.hint == "an amount looks like 1050.00"


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1.5, "a float"), (True, "true or false"), (None, "missing"), ({}, "an object"), ([], "a list")],
)
def test_what_is_no_amount_is_refused_by_kind(value: object, kind: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_money(value)
    assert str(caught.value) == f"an amount was expected, but this is {kind}"


@pytest.mark.parametrize("value", [LIMIT, -LIMIT, 10**13, 10**400, "9" * 14, Decimal("Infinity"), Decimal("NaN")])
def test_an_amount_that_no_target_can_hold_is_refused(value: object) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_money(value)
    assert str(caught.value) == "an amount must be finite and below 10,000,000,000,000"


@pytest.mark.parametrize("amount", ["0.001", "1." + "0" * 28 + "1", "99999999999999999999.999", "1E-100"])
def test_a_fraction_of_a_cent_is_refused_however_small(amount: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        format_money(Decimal(amount))
    assert str(caught.value) == f"{Decimal(amount)} has a fraction of a cent"


@pytest.mark.parametrize(
    ("amount", "rounded"), [("2.675", "2.68"), ("-2.675", "-2.68"), ("0.004", "0.00"), ("0.005", "0.01")]
)
def test_a_half_cent_is_rounded_away_from_zero(amount: str, rounded: str) -> None:
    assert str(round_cents(Decimal(amount))) == rounded


def test_the_total_of_nothing_is_zero() -> None:
    assert total([]) == 0


def test_a_count_of_minor_units_beyond_any_currency_is_refused() -> None:
    with pytest.raises(ExpressionError):
        from_minor(10**41, "USD")


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_a_percentage_becomes_an_exact_fraction(hundred_thousandths: int) -> None:
    percent = Decimal(hundred_thousandths).scaleb(-5)
    assert Decimal(percent_as_fraction(f"{percent:f}") or "NaN") * 100 == percent


@pytest.mark.parametrize(
    ("percent", "fraction"),
    [
        ("8.25", "0.0825"),
        ("8.25000", "0.0825"),
        ("100", "1"),
        ("2000", "20"),
        ("0.0", "0"),
        ("-0", "0"),
        ("-1.5", "-0.015"),
        (" 7 ", "0.07"),
        ("0.00001", "0.0000001"),
        ("8.25%", None),
        ("1e2", None),
        ("NaN", None),
        ("", None),
        (None, None),
        (8.25, None),
    ],
)
def test_percentages_as_people_write_them(percent: object, fraction: str | None) -> None:
    assert percent_as_fraction(percent) == fraction
