"""The body of a request that is written as JSON: the fields that the request takes, each of its declared type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.errors import ExpressionError, RenderError
from engine.jsontext import canonical
from engine.money import parse_money
from engine.spec import FieldSpec, FieldType

_WORDS: Mapping[FieldType, str] = {
    "text": "a text",
    "id": "a text",
    "money": "an amount",
    "decimal": "a decimal number",
    "integer": "a whole number",
    "boolean": "true or false",
    "date": "a date, YYYY-MM-DD",
    "datetime": "a date and time, ISO 8601",
    "object": "an object",
    "list": "a list",
    "any": "a value",
}


def body_of(request: str, fields: Sequence[FieldSpec], mapped: Mapping[str, Any]) -> bytes:
    """Canonical JSON of a mapped record: sorted keys, amounts as decimal text, null left out.

    Only the request's fields are in it; what else the map gives is for checks. A request that declares none takes all.

    Raises:
        RenderError: naming the field that is missing or is not of its type.
    """
    if not fields:
        return canonical(mapped).encode()
    return canonical(_object(request, fields, mapped, "")).encode()


def _object(request: str, fields: Sequence[FieldSpec], given: Mapping[str, Any], path: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field in fields:
        where = f"{path}{field.name}"
        value = given.get(field.name)
        if value is None or (field.required and value == ""):
            if field.required:
                raise RenderError(request, None, f"`{where}` is empty, and the request needs it")
            continue
        made[field.name] = _value(request, field, value, where)
    return made


def _value(request: str, field: FieldSpec, value: Any, where: str) -> Any:
    if field.type == "object":
        if not isinstance(value, Mapping):
            raise _wrong(request, where, field.type)
        return _object(request, field.fields, value, f"{where}.") if field.fields else value
    if field.type == "list":
        if not isinstance(value, list | tuple):
            raise _wrong(request, where, field.type)
        return [_item(request, field, item, f"{where}[{number}]") for number, item in enumerate(value)]
    return _scalar(request, field, field.type, value, where)


def _item(request: str, field: FieldSpec, item: Any, where: str) -> Any:
    if not field.fields:
        return _scalar(request, field, field.of, item, where)
    if not isinstance(item, Mapping):
        raise _wrong(request, where, "object")
    return _object(request, field.fields, item, f"{where}.")


def _scalar(request: str, field: FieldSpec, kind: FieldType, value: Any, where: str) -> Any:
    if kind in ("money", "decimal"):
        amount = _amount(value)
        if amount is None:
            raise _wrong(request, where, kind)
        return f"{amount:f}"
    fits = {
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "date": _parses(date.fromisoformat, value) and len(value) == len("2026-03-02"),
        "datetime": _parses(datetime.fromisoformat, value),
        "text": isinstance(value, str),
        "id": isinstance(value, str),
    }
    if not fits.get(kind, True):
        raise _wrong(request, where, kind)
    if field.choices and value not in field.choices:
        raise RenderError(request, None, f"`{where}` is none of: {', '.join(field.choices)}")
    return value


def _amount(value: Any) -> Decimal | None:
    """An exact number; never from a float."""
    try:
        return parse_money(value)
    except ExpressionError:
        return None


def _parses(parse: Any, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _wrong(request: str, where: str, kind: FieldType) -> RenderError:
    return RenderError(request, None, f"`{where}` is not {_WORDS[kind]}", hint="correct `map` in the flow")
