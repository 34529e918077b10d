"""Turns Ramp's three ways of writing money into decimal text in major units."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

from engine.money import LIMIT, exponent

# ASSUMED: `minor_unit_conversion_rate` (2026) is how many minor units make a major one; it then outranks ISO 4217.
_PLACES = {1: 0, 10: 1, 100: 2, 1000: 3, 10000: 4}
# `Transaction.amount` went through binary floats at Ramp: 12.340000000000002 is 12.34, but 12.345 USD is no amount.
_FLOAT_NOISE = Decimal("0.000001")
_LARGEST_MINOR = 10**17

Amount = tuple[str | None, str | None]


def unreadable(reason: str) -> str:
    """A text in place of an amount that cannot be trusted: `money()` refuses it, so this record fails and no other."""
    return f"unreadable: {reason}"


def from_object(value: Any) -> Amount:
    """Amount and currency of `{amount, currency_code}` or, since 2026, `{value, currency}`, both in minor units."""
    if value is None:
        return None, None
    if type(value) is dict and len(value) == 2 and type(minor := value.get("amount")) is int:
        # The shape of nearly every amount; what follows comes to the same, in more steps.
        code = value.get("currency_code")
        if code == "USD" and 100 <= minor < _LARGEST_MINOR:
            digits = str(minor)
            return f"{digits[:-2]}.{digits[-2:]}", "USD"
    if not isinstance(value, dict):
        return unreadable("no currency"), None
    currency = _currency(value.get("currency_code", value.get("currency")))
    minor = value.get("amount", value.get("value"))
    if currency is None:
        return unreadable("no currency"), None
    if (
        isinstance(minor, Decimal)
        and minor.is_finite()
        and abs(minor) < _LARGEST_MINOR
        and minor == minor.to_integral_value()
    ):
        minor = int(minor)
    if not isinstance(minor, int) or isinstance(minor, bool):
        return unreadable("not in whole minor units"), currency
    if abs(minor) >= _LARGEST_MINOR:
        return unreadable("too large"), currency
    places = _PLACES.get(rate) if isinstance(rate := value.get("minor_unit_conversion_rate"), int) else None
    return _print(minor, exponent(currency) if places is None else places), currency


def from_number(value: Any, currency: Any) -> Amount:
    """Amount and currency of a plain number in major units: the deprecated `Transaction.amount`."""
    code = _currency(currency)
    if value is None:
        return None, code
    if code is None:
        return unreadable("no currency"), None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return unreadable("not a number"), code
    amount = Decimal(value)
    if not amount.is_finite() or abs(amount) >= LIMIT:
        return unreadable("too large"), code
    places = exponent(code)
    rounded = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    if abs(amount - rounded) > _FLOAT_NOISE:
        return unreadable(f"more than {places} decimals"), code
    return _print(int(rounded.scaleb(places)), places), code


def _print(minor: int, places: int) -> str:
    if places == 0:
        return str(minor)
    digits = str(abs(minor)).zfill(places + 1)
    return f"{'-' if minor < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _currency(value: Any) -> str | None:
    return _code(value) if type(value) is str else None


@lru_cache(maxsize=256)
def _code(text: str) -> str | None:
    return text.upper() if len(text) == 3 and text.isascii() and text.isalpha() else None
