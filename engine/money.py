"""Money as Decimal: read from text or minor units, rounded never by accident, printed with two places."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache

from engine.errors import ExpressionError

# ISO 4217 currencies whose minor unit is not 1/100.
_EXPONENTS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
CENT = Decimal("0.01")
ZERO = Decimal(0)
# QBXML's AMTTYPE holds 13 digits before the point; nothing larger can be posted anywhere we write to.
LIMIT = Decimal(10) ** 13


def exponent(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency.upper(), 2)


@lru_cache(maxsize=64)
def _scale(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def from_minor(amount: int, currency: str) -> Decimal:
    """Major units from an integer count of minor units: `from_minor(1050, "USD")` is 10.50."""
    return amount * _scale(exponent(currency))


def parse_money(value: object) -> Decimal:
    """Read an amount in major units from text, int or Decimal.

    Raises:
        ExpressionError: for a float, a boolean, a text that is no plain decimal number, or an amount of 10^13 or more.
    """
    if isinstance(value, Decimal):
        amount = value
    elif isinstance(value, str):
        try:
            amount = Decimal(value.strip())
        except InvalidOperation as error:
            raise ExpressionError(f"`{value[:40]}` is not an amount", hint="an amount looks like 1050.00") from error
    elif isinstance(value, int) and not isinstance(value, bool):
        amount = Decimal(value)
    else:
        raise ExpressionError(f"an amount was expected, but this is {_name(value)}")
    if not amount.is_finite() or abs(amount) >= LIMIT:
        raise ExpressionError("an amount must be finite and below 10,000,000,000,000")
    return amount


def to_cents(amount: Decimal) -> int:
    """Hundredths as an integer.

    Raises:
        ExpressionError: when the amount has a fraction of a cent, which QuickBooks cannot hold.
    """
    cents = amount.scaleb(2)
    if cents != cents.to_integral_value():
        raise ExpressionError(f"{amount} has a fraction of a cent", hint="round it with `round_money(...)` if that is what you mean")
    return int(cents)


def format_money(amount: Decimal) -> str:
    """Print with two places and no grouping, as QBXML wants it: `-1050.00`.

    Raises:
        ExpressionError: when two places cannot hold the amount.
    """
    cents = to_cents(amount)
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _name(value: object) -> str:
    names = {float: "a float", bool: "true or false", type(None): "missing", dict: "an object", list: "a list"}
    return names.get(type(value), type(value).__name__)
