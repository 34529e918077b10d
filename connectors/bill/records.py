"""Makes records from BILL's JSON: exactly the fields the spec describes, ids as text, money as the decimal text BILL wrote.

Anything else that BILL sends is dropped, so that stored payloads stay small and hold little about people. A described
field that is absent or of a wrong type is null, a list that is absent is empty. Where a part of a record has a wrong
shape, so that lines could be missing, `amount` becomes a text that `money()` refuses: that record fails alone, aloud.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from connectors.bill.spec import SPEC
from engine.money import LIMIT
from engine.spec import FieldSpec

Record = dict[str, Any]
# Reads a value; names of parts that have a wrong shape go into the list.
Reader = Callable[[Any, list[str]], Any]
# A number with more digits than this is no amount, and its text would fill the store.
_MOST_DIGITS = 60
_PLAIN = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# What the connector adds: nothing of that name is taken from BILL.
ADDED = frozenset(
    {"chartOfAccount", "accountingClass", "department", "location", "fullName", "currency", "creditsIncluded"}
)


def unreadable(reason: str) -> str:
    """A text in place of an amount that cannot be trusted; `money()` refuses it."""
    return f"unreadable: {reason}"


def normalise(stream: str, row: Record) -> Record:
    """The record of one row of BILL's answer, without the names of its coding."""
    damaged: list[str] = []
    record: Record = _reader_of(stream)(row, damaged)
    if stream == "payments" and not record["billPayments"] and record["billId"] is not None:
        record["billPayments"] = [_only_bill(record)]
    if damaged and "amount" in record:
        record["amount"] = unreadable(f"`{damaged[0]}` has a wrong shape")
    return record


def _only_bill(payment: Record) -> Record:
    """A payment of one bill, as BILL sent it before one could pay many (FACTS.md, Objects)."""
    return {"id": None, "billId": payment["billId"], "amount": payment["amount"], "vendorCredits": []}


@cache
def _reader_of(stream: str) -> Reader:
    """The reader of a stream's rows; made once a process, since a connection is opened many times."""
    spec = SPEC.stream(stream)
    assert spec is not None
    return _object_reader("record", spec.fields)


def _object_reader(name: str, fields: tuple[FieldSpec, ...]) -> Reader:
    readers = tuple((f.name, _reader(f)) for f in fields)

    def read(value: Any, damaged: list[str]) -> Record | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            damaged.append(name)
            return None
        return {key: reader(value.get(key), damaged) for key, reader in readers}

    return read


def _list_reader(name: str, fields: tuple[FieldSpec, ...]) -> Reader:
    item = _object_reader(name, fields)

    def read(value: Any, damaged: list[str]) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list) or None in value:
            damaged.append(name)
            return []
        return [made for entry in value if (made := item(entry, damaged)) is not None]

    return read


def _reader(field: FieldSpec) -> Reader:
    if field.name in ADDED:
        return _nothing
    if field.type == "object":
        return _object_reader(field.name, field.fields)
    if field.type == "list":
        return _list_reader(field.name, field.fields)
    return {"boolean": _boolean, "money": _number, "decimal": _number, "date": _date}.get(field.type, _text)


def _nothing(_: Any, __: list[str]) -> None:
    return None


def _boolean(value: Any, _: list[str]) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any, _: list[str]) -> str | None:
    """A number as plain decimal text, every digit kept: BILL sends floats, and `0.1` must stay 0.1.

    Rounding is for the flow: 4970.661902410247 has more digits than cents hold, and stays what it is.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else unreadable("not a number")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return unreadable("not a number")
    number = Decimal(value) if isinstance(value, Decimal) or -LIMIT < value < LIMIT else LIMIT
    if abs(number) >= LIMIT or len(number.as_tuple().digits) > _MOST_DIGITS or number.adjusted() < -_MOST_DIGITS:
        # A zero may be written with any exponent, and is still nothing.
        return "0" if number == 0 else unreadable("too large, or too many digits")
    return f"{number:f}" if number else "0"


def _date(value: Any, damaged: list[str]) -> str | None:
    """The date of a text that begins with one; a time of day behind it means nothing (FACTS.md, Webhooks)."""
    text = _text(value, damaged)
    found = _DATE.match(text) if text is not None else None
    return found[0] if found and text is not None and text[10:11] in ("", "T") else text


def _text(value: Any, _: list[str]) -> str | None:
    """Text as it is; a number, such as that of a check, as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        plain = isinstance(value, Decimal) and abs(value.adjusted()) < _MOST_DIGITS
        return f"{value:f}" if plain else str(value)
    return None
