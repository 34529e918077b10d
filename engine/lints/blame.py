"""Which entry of a map is to blame for a document that is not valid: the one with which another value would do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from engine.diagnostics import clearly_meant
from engine.mapping.types import ResultType

Path = tuple[str, ...]
# What the problems of a document with these values are, each as its message.
Problems = Callable[[Mapping[str, object]], list[str]]

_MISSING = re.compile(r"`(\w+)` is not among the fields of this object")
# Another value of each kind, and how a map makes one.
_OTHERS: tuple[tuple[object, str], ...] = (
    ("x", "give a text: of an object, one of its fields"),
    ("2026-01-15", "make a date of it with date(...)"),
    (Decimal("10.00"), "make an amount of it with money(...)"),
    ({"list_id": "80000001-1234567890"}, "give an object that is found: lookup('name', key, label)"),
    (True, "give true or false: a comparison, or `true` in backticks"),
    ([], "give a list: put [ ] around one, or [] after what is walked"),
)
_LINE = re.compile(r"[\w.]+:([0-9]+): ")


def blamed(message: str, values: Mapping[str, object], problems: Problems) -> tuple[Path, str]:
    """The value without which there would be no such problem, and how to make one that will do; nothing if there is none."""
    before = problems(values)
    for path in _paths(values):
        for other, how in _OTHERS:
            after = problems(_with(values, path, other))
            if message not in after and all(one in before or _line(one) > _line(message) > 0 for one in after):
                return path, how
    return (), ""


def _line(message: str) -> int:
    """The line of the template at which a value could not be printed; nothing below it was looked at."""
    found = _LINE.match(message)
    return int(found[1]) if found else 0


def missing_field(message: str, mapped: ResultType) -> tuple[Path, str, str]:
    """Where an object of the map lacks a field that a template reads: its path, the field, and what it was misspelt as.

    Nothing when the message speaks of something else, or when it could be several objects.
    """
    found = _MISSING.search(message)
    name = found[1] if found else ""
    lacking = [(path, kind) for path, kind in _objects(mapped, ()) if kind.field(name) is None] if name else []
    for path, kind in lacking:
        meant = [given for given in kind.names if clearly_meant(given, (name,))]
        if len(meant) == 1:
            return path, name, meant[0]
    return (lacking[0][0], name, "") if len(lacking) == 1 else ((), "", "")


def _objects(kind: ResultType, path: Path) -> Iterator[tuple[Path, ResultType]]:
    """The objects that the map itself makes, below its top: what a lookup finds has what the target has."""
    if kind.kind == "list" and kind.item is not None and path:
        yield from _objects(kind.item, (*path[:-1], f"{path[-1]}[]"))
    elif kind.kind == "object" and not kind.open and kind.field("list_id") is None:
        if path:
            yield path, kind
        for name, inner in kind.fields:
            yield from _objects(inner, (*path, name))


def _paths(values: Mapping[str, object]) -> Iterator[Path]:
    """The paths of all single values and objects; of a list, those of its first item."""
    for name, value in values.items():
        yield from ((name, *rest) for rest in _within(value))


def _within(value: object) -> Iterator[Path]:
    if isinstance(value, list):
        yield from _within(value[0]) if value else ()
        return
    if isinstance(value, Mapping) and "list_id" not in value:
        yield from _paths(value)
    yield ()


def _with(value: object, path: Path, other: object) -> dict[str, object]:
    """The same values with another one at a path, in every item of a list."""
    changed = _changed(value, path, other)
    assert isinstance(changed, dict)  # the values of a template
    return changed


def _changed(value: object, path: Path, other: object) -> object:
    if isinstance(value, list):
        return [_changed(item, path, other) for item in value]
    if not path:
        return other
    assert isinstance(value, Mapping)  # the path was made of it
    return {**value, path[0]: _changed(value[path[0]], path[1:], other)}
