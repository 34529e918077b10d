"""Money as Decimal: read from text or minor units, rounded never by accident, printed with two places."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import lru_cache

from engine.errors import ExpressionError

# ISO 4217 currencies whose minor unit is not 1/100.
_EXPONENTS = {
    **dict.fromkeys(
        {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"}
        | {"XAF", "XOF", "XPF"},
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
CENT = Decimal("0.01")
ZERO = Decimal(0)
# QBXML's AMTTYPE holds 13 digits before the point; nothing larger can be posted anywhere we write to.
LIMIT = Decimal(10) ** 13
# Python's own context rounds to 28 digits without a word; this one holds any sum of amounts, or says that it cannot.
EXACT = Context(prec=120, rounding=ROUND_HALF_UP, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
# `Decimal` alone would also read `1e3`, `1_000`, `NaN` and digits of other scripts.
_SMALL = re.compile(r"-?[0-9]{1,13}(?:\.[0-9]{1,10})?")
_PLAIN = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})")


def exponent(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency.upper(), 2)


@lru_cache(maxsize=64)
def _scale(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def from_minor(amount: int, currency: str) -> Decimal:
    """Major units from an integer count of minor units: `from_minor(1050, "USD")` is 10.50."""
    if abs(amount) >= 10**40:
        raise ExpressionError("an amount must be finite and below 10,000,000,000,000")
    return EXACT.multiply(Decimal(amount), _scale(exponent(currency)))


def parse_money(value: object) -> Decimal:
    """Read an amount in major units from text, int or Decimal.

    Raises:
        ExpressionError: for a float, a boolean, a text that is no plain decimal number, or an amount of 10^13 or more.
    """
    if isinstance(value, Decimal):
        amount = value
    elif isinstance(value, str):
        if _SMALL.fullmatch(value):
            return Decimal(value)
        text = value.strip()
        if not _PLAIN.fullmatch(text):
            raise ExpressionError(f"`{value[:40]}` is not an amount", hint="an amount looks like 1050.00")
        amount = Decimal(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = Decimal(value) if -LIMIT < value < LIMIT else LIMIT
    else:
        raise ExpressionError(f"an amount was expected, but this is {_name(value)}")
    if not amount.is_finite() or not -LIMIT < amount < LIMIT:
        raise ExpressionError("an amount must be finite and below 10,000,000,000,000")
    return amount


def percent_as_fraction(percent: object) -> str | None:
    """A percentage as an exact fraction: `8.25` is `0.0825`. None for what is no plain number of less than 10^13."""
    try:
        found = EXACT.multiply(parse_money(percent), CENT)
    except ExpressionError:
        return None
    return f"{EXACT.normalize(found):f}" if found else "0"


def to_cents(amount: Decimal) -> int:
    """Hundredths as an integer.

    Raises:
        ExpressionError: when the amount has a fraction of a cent, which QuickBooks cannot hold.
    """
    cents = EXACT.scaleb(amount, 2) if amount.is_finite() and abs(amount.adjusted()) < 60 else amount
    if not cents.is_finite() or cents != cents.to_integral_value():
        raise ExpressionError(
            f"{amount} has a fraction of a cent", hint="round it with `round_money(...)` if that is what you mean"
        )
    return int(cents)


def format_money(amount: Decimal) -> str:
    """Print with two places and no grouping, as QBXML wants it: `-1050.00`.

    Raises:
        ExpressionError: when two places cannot hold the amount.
    """
    cents = to_cents(amount)
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def round_cents(amount: Decimal) -> Decimal:
    """Round to hundredths, a half away from zero: 0.005 is 0.01 and -0.005 is -0.01."""
    return amount.quantize(CENT, ROUND_HALF_UP, Context(prec=120))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0 for none."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def _name(value: object) -> str:
    names = {float: "a float", bool: "true or false", type(None): "missing", dict: "an object", list: "a list"}
    return names.get(type(value), type(value).__name__)
