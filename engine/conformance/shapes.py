"""Whether a record has the shape that its stream declares: types, needed fields, money as decimal text, real dates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.clock import is_day
from engine.spec import FieldSpec

_MONEY = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MOST = 80


def problems(record: object, fields: tuple[FieldSpec, ...], at: str) -> Iterator[str]:
    """What does not fit, a text each; values are never shown."""
    if not isinstance(record, Mapping):
        yield f"{at}: is {_kind(record)}, not an object"
        return
    yield from floats(record, at)
    yield from _object(record, fields, at)


def floats(value: object, at: str) -> Iterator[str]:
    """Every float inside a value: it has lost cents already."""
    if isinstance(value, float):
        yield f"{at}: is a float; read JSON with `parse_json`, and keep money as text"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from floats(inner, f"{at}.{name}"[:_MOST])
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from floats(inner, f"{at}[]"[:_MOST])


def _object(record: Mapping[str, Any], fields: tuple[FieldSpec, ...], at: str) -> Iterator[str]:
    for field in fields:
        value = record.get(field.name)
        where = f"{at}.{field.name}"
        if value is None:
            if field.required:
                yield f"{where}: is missing, and the spec says that it is always there"
        else:
            yield from _value(value, field, where)


def _value(value: object, field: FieldSpec, at: str) -> Iterator[str]:
    if field.type == "list":
        if not isinstance(value, (list, tuple)):
            yield f"{at}: is {_kind(value)}, not a list"
            return
        item = FieldSpec(field.name, "object" if field.fields else field.of, field.help, fields=field.fields)
        for each in value:
            yield from _value(each, item, f"{at}[]") if each is not None else ()
    elif field.type == "object":
        if not isinstance(value, Mapping):
            yield f"{at}: is {_kind(value)}, not an object"
        else:
            yield from _object(value, field.fields, at)
    elif not _FITS[field.type](value):
        yield f"{at}: is {_kind(value)} that is no {field.type}"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_money(value: object) -> bool:
    return isinstance(value, str) and _MONEY.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return _MONEY.fullmatch(value) is not None
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_moment(value: object) -> bool:
    """ISO 8601, with a zone: a time without one is anybody's guess."""
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_FITS: Mapping[str, Callable[[object], bool]] = {
    "text": _is_text,
    "id": _is_text,
    "money": _is_money,
    "decimal": _is_number,
    "integer": _is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, str) and is_day(value),
    "datetime": _is_moment,
    "any": lambda _: True,
}


def _kind(value: object) -> str:
    names = {str: "a text", bool: "a boolean", int: "a whole number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
