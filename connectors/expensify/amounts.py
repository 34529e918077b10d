"""Turns Expensify's whole numbers of cents into decimal text in major units."""

from __future__ import annotations

import re

from connectors.expensify.settings import AmountUnit
from engine.money import exponent

# Our template prints numbers without grouping; a comma in one would mean that the file is not our template's.
_WHOLE = re.compile(r"-?[0-9]{1,17}(?:\.0+)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)


def unreadable(reason: str) -> str:
    """A text in place of an amount that cannot be trusted: `money()` refuses it, so this record fails and no other."""
    return f"unreadable: {reason}"


def currency(value: object) -> str | None:
    """A currency code in capitals, or None for anything else."""
    return value.strip().upper() if isinstance(value, str) and _CURRENCY.fullmatch(value.strip()) else None


def given(value: object) -> bool:
    """Whether an amount is there: a field that nobody set is missing, empty or 0, and peers meet all three (FACTS.md)."""
    return isinstance(value, str) and value.strip() != "" and not re.fullmatch(r"-?0+(?:\.0+)?", value.strip())


def major(value: object, code: str | None, unit: AmountUnit) -> str | None:
    """Cents as major units of a currency; None for an amount that is missing or empty.

    ASSUMED: "cents" are hundredths of every currency, yen included, as Expensify's own app takes them; the setting
    `amount_unit` says otherwise. Currencies with two places are the same in both.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not _WHOLE.fullmatch(value.strip()):
        return unreadable("not a whole number of cents")
    if code is None:
        return unreadable("no currency")
    cents = int(value.strip().partition(".")[0])
    places = 2 if unit == "hundredths" else exponent(code)
    sign, digits = "-" if cents < 0 else "", str(abs(cents)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
