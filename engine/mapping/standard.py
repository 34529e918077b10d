"""The standard functions of JMESPath, with exact numbers: no float goes in, none comes out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeGuard

from engine import money
from engine.mapping.functions import (
    MAX_LIST,
    MAX_TEXT,
    FunctionSpec,
    Parameter,
    TooLargeError,
    WrongValueError,
    joined,
    list_of,
    text_of,
)

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?")
Key = Callable[[object], object]


def is_number(value: object) -> TypeGuard[int | Decimal]:
    """An int or a Decimal; never a boolean or a float."""
    kind = type(value)
    return kind is int or kind is Decimal


def _number(value: object) -> int | Decimal:
    if is_number(value) and (isinstance(value, int) or value.is_finite()):
        return value
    raise WrongValueError("a number", value)


def _numbers(value: object) -> list[int | Decimal]:
    return [_number(v) for v in list_of(value)]


def _orderable(value: object) -> list[Any]:
    """A list of numbers or a list of texts."""
    items = list_of(value)
    if items and isinstance(items[0], str):
        return [text_of(v) for v in items]
    return _numbers(items)


def _object(value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    raise WrongValueError("an object", value)


def absolute(value: object) -> int | Decimal:
    """Without the sign."""
    number = _number(value)
    return abs(number) if isinstance(number, int) else number.copy_abs()


def average(values: object) -> int | Decimal | None:
    """The mean, to 28 digits when it does not end."""
    numbers = _numbers(values)
    return Decimal(total(numbers)) / len(numbers) if numbers else None


def total(values: object) -> int | Decimal:
    """The exact sum."""
    numbers = _numbers(values)
    if all(type(n) is int for n in numbers):
        return sum(numbers)
    return money.total(Decimal(n) for n in numbers)


def _whole(value: object, rounding: Callable[[Any], int]) -> int:
    number = _number(value)
    if isinstance(number, Decimal) and number.adjusted() > 60:
        raise WrongValueError("a number of at most 60 digits", value)
    return rounding(number)


def ceil(value: object) -> int:
    """Up to a whole number."""
    return _whole(value, math.ceil)


def floor(value: object) -> int:
    """Down to a whole number."""
    return _whole(value, math.floor)


def contains(subject: object, search: object) -> bool:
    """Whether a list holds a value, or a text a text."""
    if isinstance(subject, list):
        return search in subject
    if isinstance(subject, str):
        return text_of(search) in subject
    raise WrongValueError("a list or a text", subject)


def length(value: object) -> int:
    """How many characters, items or keys."""
    if isinstance(value, str | list | Mapping):
        return len(value)
    raise WrongValueError("a text, a list or an object", value)


def ends_with(value: object, end: object) -> bool:
    """Whether a text ends so."""
    return text_of(value).endswith(text_of(end))


def starts_with(value: object, start: object) -> bool:
    """Whether a text starts so."""
    return text_of(value).startswith(text_of(start))


def join(separator: object, pieces: object) -> str:
    """One text of a list of texts."""
    return joined(text_of(separator), [text_of(p) for p in list_of(pieces)])


def keys(value: object) -> list[str]:
    """The keys of an object."""
    return list(_object(value))


def values(value: object) -> list[object]:
    """The values of an object."""
    return list(_object(value).values())


def map_each(expression: Key, items: object) -> list[object]:
    """The expression's value for every item, nulls kept."""
    return [expression(item) for item in list_of(items)]


def merge(*objects: object) -> dict[str, object]:
    """One object of several; the last of equal keys wins."""
    merged: dict[str, object] = {}
    for entry in objects:
        merged.update(_object(entry))
    if len(merged) > MAX_LIST:
        raise TooLargeError
    return merged


def largest(items: object) -> object:
    """The largest number or text; null of an empty list."""
    return max(_orderable(items), default=None)


def smallest(items: object) -> object:
    """The smallest number or text; null of an empty list."""
    return min(_orderable(items), default=None)


def sort(items: object) -> list[object]:
    """In ascending order."""
    return sorted(_orderable(items))


def _keyed(items: object, expression: Key) -> list[tuple[Any, object]]:
    members = list_of(items)
    return list(zip(_orderable([expression(m) for m in members]), members, strict=True))


def sort_by(items: object, expression: Key) -> list[object]:
    """In ascending order of the expression's value."""
    return [member for _, member in sorted(_keyed(items, expression), key=lambda pair: pair[0])]


def max_by(items: object, expression: Key) -> object:
    """The item with the largest value; null of an empty list."""
    keyed = _keyed(items, expression)
    return max(keyed, key=lambda pair: pair[0])[1] if keyed else None


def min_by(items: object, expression: Key) -> object:
    """The item with the smallest value; null of an empty list."""
    keyed = _keyed(items, expression)
    return min(keyed, key=lambda pair: pair[0])[1] if keyed else None


def not_null(*candidates: object) -> object:
    """The first value that is not null."""
    return next((c for c in candidates if c is not None), None)


def reverse(value: object) -> object:
    """The other way round."""
    if isinstance(value, str):
        return value[::-1]
    return list_of(value)[::-1]


def to_array(value: object) -> list[object]:
    """A list as it is; anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def to_number(value: object) -> int | Decimal | None:
    """A number, or the number that a text holds; else null."""
    if is_number(value):
        return value
    if not isinstance(value, str) or not _JSON_NUMBER.fullmatch(value):
        return None
    return int(value) if value.lstrip("-").isdigit() else Decimal(value)


def to_string(value: object) -> str:
    """A text as it is; anything else as JSON, with numbers written as they are."""
    if isinstance(value, str):
        return value
    parts: list[str] = []
    _write(value, parts, [MAX_TEXT], 0)
    return "".join(parts)


def _write(value: object, parts: list[str], room: list[int], depth: int) -> None:
    if depth > 100:
        raise TooLargeError
    if isinstance(value, Mapping):
        _emit("{", parts, room)
        for position, (key, item) in enumerate(value.items()):
            _emit(("," if position else "") + json.dumps(key) + ":", parts, room)
            _write(item, parts, room, depth + 1)
        _emit("}", parts, room)
    elif isinstance(value, list):
        _emit("[", parts, room)
        for position, item in enumerate(value):
            if position:
                _emit(",", parts, room)
            _write(item, parts, room, depth + 1)
        _emit("]", parts, room)
    elif is_number(value):
        _emit(format(value, "f" if isinstance(value, Decimal) and abs(value.adjusted()) < 60 else ""), parts, room)
    elif value is None or isinstance(value, bool | str):
        _emit(json.dumps(value), parts, room)
    else:
        raise WrongValueError("a JSON value", value)


def _emit(text: str, parts: list[str], room: list[int]) -> None:
    room[0] -= len(text)
    if room[0] < 0:
        raise TooLargeError
    parts.append(text)


def type_of(value: object) -> str:
    """The JMESPath name of a value's type."""
    if value is None:
        return "null"
    for kind, name in ((str, "string"), (bool, "boolean"), (list, "array"), (Mapping, "object")):
        if isinstance(value, kind):
            return name
    return "number"


_ANY, _TEXT, _NUM = Parameter("value", "any"), Parameter("text", "text"), Parameter("number", "number")
_LIST, _EXPR, _OBJ = Parameter("list", "list"), Parameter("expression", "expression"), Parameter("object", "object")
_PEOPLE = '`[{"n": 2}, {"n": 1}]`'

STANDARD: tuple[FunctionSpec, ...] = (
    FunctionSpec("abs", (_NUM,), "number", "a number without its sign", "abs(`-1.5`)", Decimal("1.5"), absolute),
    FunctionSpec("avg", (_LIST,), "number", "the mean of numbers", "avg(`[1, 2]`)", Decimal("1.5"), average),
    FunctionSpec("ceil", (_NUM,), "integer", "up to a whole number", "ceil(`1.2`)", 2, ceil),
    FunctionSpec(
        "contains",
        (Parameter("subject", "countable"), _ANY),
        "boolean",
        "whether a list holds a value, or a text a text",
        "contains('abc', 'b')",
        True,
        contains,
    ),
    FunctionSpec(
        "ends_with",
        (_TEXT, Parameter("end", "text")),
        "boolean",
        "whether a text ends so",
        "ends_with('abc', 'c')",
        True,
        ends_with,
    ),
    FunctionSpec("floor", (_NUM,), "integer", "down to a whole number", "floor(`1.8`)", 1, floor),
    FunctionSpec(
        "join",
        (Parameter("separator", "text"), Parameter("list", "texts")),
        "text",
        "one text of a list of texts",
        "join(', ', ['a', 'b'])",
        "a, b",
        join,
    ),
    FunctionSpec("keys", (_OBJ,), "list", "the keys of an object", 'keys(`{"a": 1}`)', ["a"], keys),
    FunctionSpec(
        "length",
        (Parameter("value", "countable"),),
        "integer",
        "how many characters, items or keys",
        "length('abc')",
        3,
        length,
    ),
    FunctionSpec(
        "map", (_EXPR, _LIST), "list", "the expression's value for every item", f"map(&n, {_PEOPLE})", [2, 1], map_each
    ),
    FunctionSpec("max", (_LIST,), "item", "the largest number or text", "max(`[1, 3, 2]`)", 3, largest),
    FunctionSpec(
        "max_by", (_LIST, _EXPR), "item", "the item with the largest value", f"max_by({_PEOPLE}, &n)", {"n": 2}, max_by
    ),
    FunctionSpec(
        "merge",
        (_OBJ,),
        "object",
        "one object of several; the last of equal keys wins",
        'merge(`{"a": 1}`, `{"a": 2}`)',
        {"a": 2},
        merge,
        variadic=True,
    ),
    FunctionSpec("min", (_LIST,), "item", "the smallest number or text", "min(`[1, 3, 2]`)", 1, smallest),
    FunctionSpec(
        "min_by", (_LIST, _EXPR), "item", "the item with the smallest value", f"min_by({_PEOPLE}, &n)", {"n": 1}, min_by
    ),
    FunctionSpec(
        "not_null",
        (_ANY,),
        "any",
        "the first value that is not null",
        "not_null(`null`, 'a')",
        "a",
        not_null,
        variadic=True,
    ),
    FunctionSpec(
        "reverse",
        (Parameter("value", "countable"),),
        "same",
        "the other way round",
        "reverse(`[1, 2]`)",
        [2, 1],
        reverse,
    ),
    FunctionSpec("sort", (_LIST,), "same", "in ascending order", "sort(['b', 'a'])", ["a", "b"], sort),
    FunctionSpec(
        "sort_by",
        (_LIST, _EXPR),
        "same",
        "in ascending order of a value",
        f"sort_by({_PEOPLE}, &n)",
        [{"n": 1}, {"n": 2}],
        sort_by,
    ),
    FunctionSpec(
        "starts_with",
        (_TEXT, Parameter("start", "text")),
        "boolean",
        "whether a text starts so",
        "starts_with('abc', 'a')",
        True,
        starts_with,
    ),
    FunctionSpec("sum", (_LIST,), "number", "the exact sum of numbers", "sum(`[0.1, 0.2]`)", Decimal("0.3"), total),
    FunctionSpec(
        "to_array", (_ANY,), "list", "a list as it is; anything else as a list of one", "to_array('a')", ["a"], to_array
    ),
    FunctionSpec(
        "to_number",
        (_ANY,),
        "number",
        "the number that a text holds; else null",
        "to_number('1.50')",
        Decimal("1.50"),
        to_number,
    ),
    FunctionSpec(
        "to_string",
        (_ANY,),
        "text",
        "a text as it is; anything else as JSON",
        "to_string(`[1.50, true]`)",
        "[1.50,true]",
        to_string,
    ),
    FunctionSpec("type", (_ANY,), "text", "the JMESPath name of a value's type", "type(`1.5`)", "number", type_of),
    FunctionSpec("values", (_OBJ,), "list", "the values of an object", 'values(`{"a": 1}`)', [1], values),
)
