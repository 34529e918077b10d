"""Makes records from FreshBooks' JSON: the fields that the spec describes, ids as text, money as the text FreshBooks wrote.

Anything else that FreshBooks sends is dropped, so that stored payloads stay small and hold little about people. A described
field that is absent or of a wrong type is null, a list that is absent is empty. Where a part of a record has a wrong shape,
so that lines could be missing, its amounts become texts that `money()` refuses: that record fails alone, aloud.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from connectors.freshbooks.spec import SPEC
from connectors.freshbooks.times import moment
from engine.money import LIMIT
from engine.spec import FieldSpec

Record = dict[str, Any]
# Reads a value; names of parts that have a wrong shape go into the list.
Reader = Callable[[Any, list[str]], Any]
_MOST_DIGITS = 60
_PLAIN = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# What a record's worth is read from.
_TOTALS = ("amount", "total_amount")


def unreadable(reason: str) -> str:
    """A text in place of an amount that cannot be trusted; `money()` refuses it."""
    return f"unreadable: {reason}"


def normalise(stream: str, row: Record) -> Record:
    """The record of one row of FreshBooks' answer."""
    damaged: list[str] = []
    record: Record = _reader_of(stream)(row, damaged)
    if damaged:
        for name in _TOTALS:
            if name in record:
                code = record[name]["code"] if isinstance(record[name], dict) else None
                record[name] = {"amount": unreadable(f"`{damaged[0]}` has a wrong shape"), "code": code}
    return record


@cache
def _reader_of(stream: str) -> Reader:
    """The reader of a stream's rows; made once a process, since a connection is opened many times."""
    spec = SPEC.stream(stream)
    assert spec is not None
    return _object_reader(stream, "record", spec.fields)


def _object_reader(stream: str, name: str, fields: Sequence[FieldSpec]) -> Reader:
    readers = tuple((f.name, _reader(stream, f)) for f in fields)

    def read(value: Any, damaged: list[str]) -> Record | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            damaged.append(name)
            return None
        return {key: reader(value.get(key), damaged) for key, reader in readers}

    return read


def _list_reader(stream: str, name: str, fields: Sequence[FieldSpec]) -> Reader:
    item = _object_reader(stream, name, fields)

    def read(value: Any, damaged: list[str]) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list) or None in value:
            damaged.append(name)
            return []
        return [made for entry in value if (made := item(entry, damaged)) is not None]

    return read


def _reader(stream: str, field: FieldSpec) -> Reader:
    if field.type == "object":
        return _object_reader(stream, field.name, field.fields)
    if field.type == "list":
        return _list_reader(stream, field.name, field.fields)
    if field.type == "datetime":
        return _time_reader(stream)
    plain: dict[str, Reader] = {
        "boolean": _boolean,
        "money": _number,
        "decimal": _number,
        "integer": _integer,
        "date": _date,
        "id": _id,
    }
    return plain.get(field.type, _text)


def _time_reader(stream: str) -> Reader:
    def read(value: Any, _: list[str]) -> str | None:
        when = moment(stream, value)
        return when.isoformat("T", "seconds").replace("+00:00", "Z") if when is not None else None

    return read


def _boolean(value: Any, _: list[str]) -> bool | None:
    return value if isinstance(value, bool) else None


def _integer(value: Any, _: list[str]) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LIMIT else None


def _number(value: Any, _: list[str]) -> str | None:
    """A number as plain decimal text, every digit kept; FreshBooks sends texts for money, and numbers for quantities."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else unreadable("not a number")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return unreadable("not a number")
    number = Decimal(value) if isinstance(value, Decimal) or -LIMIT < value < LIMIT else LIMIT
    if abs(number) >= LIMIT or len(number.as_tuple().digits) > _MOST_DIGITS or number.adjusted() < -_MOST_DIGITS:
        return "0" if number == 0 else unreadable("too large, or too many digits")
    return f"{number:f}" if number else "0"


def _date(value: Any, damaged: list[str]) -> str | None:
    text = _text(value, damaged)
    found = _DATE.match(text) if text is not None else None
    return found[0] if found and text is not None and text[10:11] in ("", "T", " ") else text


def _id(value: Any, damaged: list[str]) -> str | None:
    """An id as text: FreshBooks sends numbers, and in some places texts (FACTS.md, Objects)."""
    text = _text(value, damaged)
    return text or None


def _text(value: Any, _: list[str]) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        plain = isinstance(value, Decimal) and abs(value.adjusted()) < _MOST_DIGITS
        return f"{value:f}" if plain else str(value)
    return None
