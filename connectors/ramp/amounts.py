"""Turns Ramp's three ways of writing money into decimal text in major units."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from engine.money import LIMIT, exponent

# ASSUMED: `minor_unit_conversion_rate` (2026) is how many minor units make a major one; it then outranks ISO 4217.
_PLACES = {1: 0, 10: 1, 100: 2, 1000: 3, 10000: 4}
# `Transaction.amount` went through binary floats at Ramp: 12.340000000000002 is 12.34, but 12.345 USD is no amount.
_FLOAT_NOISE = Decimal("0.000001")
_LARGEST_MINOR = 10**17
_CENTS = frozenset({"USD", "CAD", "EUR", "GBP"})

Amount = tuple[str | None, str | None]


def unreadable(reason: str) -> str:
    """A text in place of an amount that cannot be trusted: `money()` refuses it, so this record fails and no other."""
    return f"unreadable: {reason}"


def from_object(value: Any) -> Amount:
    """Amount and currency of `{amount, currency_code}` or, since 2026, `{value, currency}`, both in minor units."""
    if type(value) is dict and type(minor := value.get("amount")) is int and 100 <= minor < _LARGEST_MINOR:
        code = value.get("currency_code")
        if type(code) is str and code in _CENTS and (len(value) == 2 or value.get("minor_unit_conversion_rate") == 100):
            digits = str(minor)
            return f"{digits[:-2]}.{digits[-2:]}", code
    return _any_object(value)


def _any_object(value: Any) -> Amount:
    """What `from_object` answers, for every value; it has a shorter way for nearly every amount."""
    if value is None:
        return None, None
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


def header_amount(entity: Amount, settled: Amount, *, legacy: bool) -> Amount:
    """The entity's amount (2026) or the settled one (2025); when both are in one currency they must agree.

    Reading the number in major units as cents has posted a hundredth of the truth elsewhere: a difference is refused.
    """
    first, second = (settled, entity) if legacy else (entity, settled)
    if first[0] is None or second[0] is None:
        return first if first[0] is not None else second
    if first[1] == second[1] and first[0].lstrip("-") != second[0].lstrip("-"):
        return unreadable("two amounts that differ"), first[1]
    # Refunds are negative, and it is the entity's amount that is documented to carry the sign.
    return entity if first[1] == second[1] else first


def line_amount(
    choices: Iterable[tuple[Amount, str]], header: Amount, *, alone: bool
) -> tuple[str | None, str | None, str]:
    """A split's amount in the header's currency, that currency, and where the amount comes from.

    `choices` are what Ramp gives, each with its name, the best first: the amount may be in the merchant's currency.
    """
    given: Amount = (None, None)
    for given, source in choices:
        if given[0] is not None and given[1] == header[1]:
            return *given, source
    if alone and header[0] is not None:  # one split is the whole, whatever currency it is written in
        return *header, "transaction"
    return unreadable(f"split in {given[1] or 'no currency'}"), given[1], "none"


def _print(minor: int, places: int) -> str:
    sign, digits = "-" if minor < 0 else "", abs(minor)
    if places == 0:
        return f"{sign}{digits}"
    major, rest = divmod(digits, 10**places)
    return f"{sign}{major}.{rest:0{places}d}"


def _currency(value: Any) -> str | None:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha():
        return value.upper()
    return None
