"""What was found out about sound expressions, for every flow that this process reads.

The flows of a house are alike: the same expression over the same fields, with the same meaning of the names in it, has
the same type wherever it stands. Only what has no problem is kept here, since a problem has a place of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import cast

from engine.identity import MOST, by_identity
from engine.mapping.catalogue import FUNCTIONS
from engine.mapping.scope import Scope
from engine.mapping.syntax import parts
from engine.mapping.types import ResultType, object_type, record_type

# Which names of a scope the first argument of a function is one of; of other functions that take a name, its lookups.
NAMED = {"setting": "settings", "posted": "streams"}

# A number is never given twice, so what is forgotten is merely found out again. Whatever is known by its identity is
# kept beside it, so that no other object can come to have that.
_numbers = count(1)
_meanings: dict[tuple[object, ...], tuple[int, object]] = {}
_sound: set[int] = set()
_types: dict[tuple[int, int, int], tuple[ResultType, object, object]] = {}
_records: dict[tuple[object, ...], tuple[ResultType, object]] = {}

fields_type = by_identity(record_type)


def meaning(text: str, scope: Scope) -> int:
    """A number for all that decides what is wrong with an expression, its data apart; 0 when it is not to be shared.

    It stands for the text, and for what each define, setting, lookup and stream is that is named in it, by itself or
    through defines.
    """
    known = scope.known.meanings
    if text not in known:
        known[text] = 0  # until it is known: a define that calls itself is shared with none
        with suppress(RecursionError):  # a thousand defines, each calling the next
            known[text] = _meaning(text, scope)
    return known[text]


def _meaning(text: str, scope: Scope) -> int:
    found: list[object] = [text]
    kept: list[object] = []
    for kind, name in _named(text):
        if kind == "settings":
            found.append(scope.settings.get(name))
        elif kind == "define":
            expr = scope.define.get(name)
            inner = 0 if expr is None else meaning(expr.text, scope)
            if not inner:
                return 0
            found.append(inner)
        elif kind == "function":
            if name in scope.define:
                return 0
        else:
            known, fields = (
                (scope.streams, scope.receipts) if kind == "streams" else (scope.lookups, scope.lookup_fields)
            )
            kept.append(fields.get(name, ()))
            found.append(name in known and id(kept[-1]))
    key = tuple(found)
    if key not in _meanings:
        _make_room()
        _meanings[key] = (next(_numbers), kept)
    return _meanings[key][0]


@lru_cache(maxsize=2048)
def _named(text: str) -> tuple[tuple[str, str], ...]:
    """What an expression names: functions, defines, and settings, streams and lookups."""
    found: dict[tuple[str, str], None] = {}
    for node in parts(text):
        if node.kind != "function_expression":
            continue
        name = str(node.value)
        spec = FUNCTIONS.get(name)
        found["define" if spec is None else "function", name] = None
        if spec is not None and spec.parameters and spec.parameters[0].type == "name" and node.children:
            found[NAMED.get(name, "lookups"), str(node.children[0].value)] = None
    return tuple(found)


def is_sound(number: int) -> bool:
    """Whether the expression of this meaning is known to have no problem, whatever it reads."""
    return number in _sound


def found_sound(number: int) -> None:
    """The expression of this meaning has no problem, whatever it reads."""
    if number:
        _sound.add(number)


def known_type(number: int, data: object, root: object) -> ResultType | None:
    """The type of the value over such data, when the expression is known to have no problem there."""
    found = _types.get((number, id(data), id(root)))
    return None if found is None else found[0]


def found_type(number: int, data: object, root: object, result: ResultType) -> None:
    """The expression has no problem over such data, and its value is of this type."""
    if number:
        _make_room()
        _types[number, id(data), id(root)] = (result, data, root)


def map_type(members: Iterable[tuple[str, ResultType]]) -> ResultType:
    """The type of a record with exactly these keys; one and the same for the very same types."""
    given = tuple(members)
    key = tuple((name, id(result)) for name, result in given)
    if key not in _records:
        _make_room()
        _records[key] = (object_type(given), given)
    return _records[key][0]


def _make_room() -> None:
    for kept in (_meanings, _types, _records):
        if len(kept) >= MOST:
            cast("dict[object, object]", kept).clear()
    if len(_sound) >= MOST:
        _sound.clear()
