"""Reads the body of an operation, strictly: what it must have, dates, coding, and amounts without any rounding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date
from typing import Any

from connectors._http import parse_json
from engine.contract import Operation
from engine.dataclass import dataclass
from engine.errors import ExpressionError, Rejected
from engine.money import EXACT, exponent, from_minor, parse_money

Body = Mapping[str, Any]
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """One coding: an option for a field, both by their ids in the accounting system."""

    field_id: str
    option_id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operation asks for. `where` names the connection and the request, for errors."""

    where: str
    body: Body = field(repr=False)

    def text(self, name: str, most: int | None = None) -> str | None:
        """A text without blanks around it; None when it is missing or empty.

        Raises:
            Rejected: when it is no text, or longer than Ramp takes.
        """
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise Rejected(f"{self.where}: `{name}` is no text", hint=f"map `{name}`")
        text = value.strip()
        if most is not None and len(text) > most:
            raise Rejected(
                f"{self.where}: `{name}` has {len(text):,} characters, and Ramp takes {most:,}",
                hint=f"shorten it in the flow: `limit(..., `{most}`)`",
                code="too_long",
            )
        return text or None

    def must(self, name: str, most: int | None = None) -> str:
        """A text that must be there."""
        text = self.text(name, most)
        if text is None:
            raise Rejected(f"{self.where}: without `{name}`", hint=f"map `{name}`")
        return text

    def day(self, name: str) -> str | None:
        """A date as YYYY-MM-DD; the time of a date-time is left out, and never shifted to another zone."""
        text = self.text(name)
        return None if text is None else day_of(self.where, name, text)

    def part(self, name: str) -> Asked | None:
        """An object of the body; None when it is missing."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Rejected(f"{self.where}: `{name}` is no object", hint=f"map `{name}`")
        return Asked(f"{self.where}: `{name}`", value)

    def parts(self, name: str) -> tuple[Asked, ...]:
        """A list of objects; empty when it is missing."""
        value = self.body.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise Rejected(f"{self.where}: `{name}` is no list of objects", hint=f"map `{name}`")
        if len(value) > _MOST_LINES:
            raise Rejected(f"{self.where}: `{name}` has {len(value):,} entries, and {_MOST_LINES:,} are the most")
        return tuple(Asked(f"{self.where}: `{name}[{index}]`", item) for index, item in enumerate(value))

    def coding(self) -> tuple[Selection, ...]:
        """The selections under `coding`.

        Raises:
            Rejected: when a field is coded twice.
        """
        found = tuple(Selection(item.must("field_id"), item.must("option_id")) for item in self.parts("coding"))
        if len({item.field_id for item in found}) != len(found):
            raise Rejected(f"{self.where}: a field is coded twice", hint="give one option for each field")
        return found

    def minor(self, name: str, currency: str) -> int:
        """An amount in minor units of the currency, exactly.

        Raises:
            Rejected: when it is no amount, is negative, or has more decimals than the currency.
        """
        value = self.body.get(name)
        if value is None:
            raise Rejected(f"{self.where}: without `{name}`", hint=f"map `{name}`")
        try:
            amount = parse_money(value)
        except ExpressionError as error:
            raise Rejected(f"{self.where}: `{name}`: {error}", hint=error.hint) from error
        if amount < 0:
            raise Rejected(
                f"{self.where}: `{name}` is negative, and Ramp takes no such line",
                hint="enter what lowers the bill in Ramp as a vendor credit, or take it off another line",
                code="negative",
            )
        places = exponent(currency)
        scaled = EXACT.scaleb(amount, places)
        if scaled != scaled.to_integral_value():
            raise Rejected(
                f"{self.where}: `{name}` {amount} has more than the {places} decimals of {currency}",
                hint="round it in the flow, or correct the currency",
                code="decimals",
            )
        return int(scaled)

    def currency(self, name: str) -> str:
        """An ISO 4217 code that must be there."""
        code = self.must(name).upper()
        if not _CURRENCY.fullmatch(code):
            raise Rejected(f"{self.where}: `{name}` is no currency code", hint="a currency code looks like USD")
        return code


def read(where: str, operation: Operation) -> Asked:
    """The body of an operation; one without a body asks for nothing but what its `target_id` says.

    Raises:
        Rejected: when it is no JSON object.
    """
    named = f"{where}: {operation.request}"
    return Asked(named, _object(named, operation.body))


def before(where: str, operation: Operation) -> Asked:
    """What wrote the object last, as far as that is known: empty when it is not."""
    named = f"{where}: {operation.request}"
    try:
        return Asked(named, _object(named, operation.base))
    except Rejected:
        return Asked(named, {})


def target(asked: Asked, operation: Operation, name: str) -> str:
    """The id of what an operation changes: the one that the engine knows, else the body's own."""
    return operation.target_id or asked.must(name)


def day_of(where: str, name: str, text: str) -> str:
    """The date part of a date or date-time."""
    try:
        # `fromisoformat` alone would read `20260331` and week dates as well.
        day = date.fromisoformat(text[:10]) if _DAY.match(text) else None
    except ValueError:
        day = None
    if day is None:
        raise Rejected(f"{where}: `{name}` is no date", hint="a date looks like 2026-03-31")
    return day.isoformat()


def major(minor: int, currency: str) -> str:
    """Minor units as Ramp's requests want them: a decimal text in major units, with the currency's own places."""
    return format(from_minor(minor, currency), "f")


def selections(coding: Iterable[Selection]) -> list[dict[str, str]]:
    """Coding as the body of a bill has it."""
    return [{"field_external_id": item.field_id, "field_option_external_id": item.option_id} for item in coding]


def _object(where: str, content: bytes) -> dict[str, Any]:
    if not content.strip():
        return {}
    try:
        value = parse_json(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Rejected(f"{where}: its body is no JSON object", hint="the flow's map must give an object")
    return value
