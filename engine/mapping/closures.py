"""Trees to closures: one closure for every node, each taking the current value and the frame."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.mapping.functions import MAX_LIST, TooLargeError
from engine.mapping.scope import EvalContext, Scope
from engine.mapping.syntax import Node

NUMERIC = frozenset({int, Decimal})

# Closures take the current value and the frame. `Any` is the JSON edge: what a record holds shows when it is read.
Run = Callable[[Any, Any], Any]


class Frame:
    """One evaluation: the world, and the values of defines that were already computed in it.

    A program that has no use for `memo` is run with the plain `EvalContext` in its place.
    """

    __slots__ = ("find", "lookup", "lookup_if", "memo", "posted", "root", "setting")

    def __init__(self, context: EvalContext, slots: int) -> None:
        self.root = context.root
        self.lookup = context.lookup
        self.lookup_if = context.lookup_if
        self.find = context.find
        self.setting = context.setting
        self.posted = context.posted
        self.memo: list[tuple[object, object] | None] = [None] * slots


@dataclass
class Build:
    """What is shared while one program is compiled: `kinds` holds the compiler of each kind of node."""

    scope: Scope
    kinds: Mapping[str, Callable[[Node, Build], Run]]
    defines: dict[str, tuple[int, list[Run]]] = field(default_factory=dict)
    slots: int = 0
    inner: int = 0

    def slot(self) -> int:
        """A new place in the frame's memo."""
        self.slots += 1
        return self.slots - 1


def compile_node(node: Node, build: Build) -> Run:
    """The closure of one node."""
    run = build.kinds[node.kind](node, build)
    if build.inner and node.children and not _depends(node, build.scope) and _has_root(node):
        return _once(run, build.slot())
    return run


def _once(run: Run, slot: int) -> Run:
    """Compute what depends only on the whole record once for each record."""

    def once(v: Any, c: Any) -> Any:
        entry = c.memo[slot]
        if entry is None:
            entry = c.memo[slot] = (None, run(v, c))
        return entry[1]

    return once


def _depends(node: Node, scope: Scope) -> bool:
    """Whether the value depends on the current value, not only on the record, its settings and lookups."""
    kind = node.kind
    if kind in ("literal", "expref") or (kind == "function_expression" and not node.children):
        return False
    if kind in _ANY_OF or kind == "function_expression":
        return any(_depends(child, scope) for child in node.children)
    if kind in _FIRST_OF:
        return _depends(node.children[0], scope)
    return True


_ANY_OF = frozenset({"or_expression", "and_expression", "not_expression", "comparator"})
_FIRST_OF = frozenset(
    {"subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection", "flatten"}
)


def _has_root(node: Node) -> bool:
    if node.kind == "function_expression" and node.value == "root":
        return True
    return any(_has_root(child) for child in node.children)


def compile_inner(node: Node, build: Build) -> Run:
    """The closure of a node that is run for every item of a list, or from a define."""
    build.inner += 1
    run = compile_node(node, build)
    build.inner -= 1
    return run


def _current(_node: Node, _build: Build) -> Run:
    return lambda v, _c: v


def _literal(node: Node, _build: Build) -> Run:
    value = node.value
    return lambda _v, _c: value


def _read(value: Any, name: str) -> Any:
    """A key of anything that has keys, else null."""
    return value.get(name) if value is not None and isinstance(value, Mapping) else None


def _field(node: Node, _build: Build) -> Run:
    name = node.value
    return lambda v, _c: v.get(name) if type(v) is dict else _read(v, name)


def _subexpression(node: Node, build: Build) -> Run:
    first, *rest = node.children
    if first.kind == "field" and len(rest) == 1 and rest[0].kind == "field":
        outer, inner = first.value, rest[0].value

        def path(v: Any, _c: Any) -> Any:
            v = v.get(outer) if type(v) is dict else _read(v, outer)
            return v.get(inner) if type(v) is dict else _read(v, inner)

        return path
    run = compile_node(first, build)
    for child in rest:
        run = _field_of(run, child.value) if child.kind == "field" else _chain(run, compile_node(child, build))
    return run


def _field_of(run: Run, name: str) -> Run:
    def field_of(v: Any, c: Any) -> Any:
        v = run(v, c)
        return v.get(name) if type(v) is dict else _read(v, name)

    return field_of


def _chain(first: Run, second: Run) -> Run:
    return lambda v, c: second(first(v, c), c)


def _sequence(node: Node, build: Build) -> Run:
    first, *rest = node.children
    if node.kind == "pipe" and (match := _first_match(first, rest, build)) is not None:
        return match
    run = compile_node(first, build)
    for child in rest:
        run = _chain(run, compile_node(child, build))
    return run


_PURE = frozenset(
    {"comparator", "field", "subexpression", "literal", "current", "or_expression", "and_expression", "not_expression"}
)


def _pure(node: Node) -> bool:
    return node.kind in _PURE and all(_pure(child) for child in node.children)


def _first_match(first: Node, rest: list[Node], build: Build) -> Run | None:
    """`list[?condition] | [0]`, stopping at the first match; only where the condition cannot fail."""
    if first.kind != "filter_projection" or first.children[1].kind != "identity" or len(rest) != 1:
        return None
    index = rest[0]
    if index.kind != "index_expression" or [c.kind for c in index.children] != ["identity", "index"]:
        return None
    if index.children[1].value != 0 or not _pure(first.children[2]):
        return None
    base, holds = compile_node(first.children[0], build), compile_inner(first.children[2], build)

    def first_match(v: Any, c: Any) -> Any:
        items = base(v, c)
        if type(items) is list:
            for item in items:
                if item is not None:
                    held = holds(item, c)
                    if held or type(held) in NUMERIC:
                        return item
        return None

    return first_match


def _index(node: Node, _build: Build) -> Run:
    position = node.value

    def index(v: Any, _c: Any) -> Any:
        if type(v) is not list:
            return None
        return v[position] if -len(v) <= position < len(v) else None

    return index


def _slice(node: Node, _build: Build) -> Run:
    part = slice(*node.value)
    return lambda v, _c: v[part] if type(v) is list else None


def _projection(node: Node, build: Build) -> Run:
    base, each = compile_node(node.children[0], build), compile_inner(node.children[1], build)
    if node.children[1].kind == "identity":

        def kept(v: Any, c: Any) -> Any:
            items = base(v, c)
            return [i for i in items if i is not None] if type(items) is list else None

        return kept

    def projection(v: Any, c: Any) -> Any:
        items = base(v, c)
        if type(items) is not list:
            return None
        return [found for i in items if (found := each(i, c)) is not None]

    return projection


def _value_projection(node: Node, build: Build) -> Run:
    base, each = compile_node(node.children[0], build), compile_inner(node.children[1], build)

    def projection(v: Any, c: Any) -> Any:
        items = base(v, c)
        if not isinstance(items, Mapping):
            return None
        return [found for i in items.values() if (found := each(i, c)) is not None]

    return projection


def _filter(node: Node, build: Build) -> Run:
    base = compile_node(node.children[0], build)
    each, holds = compile_inner(node.children[1], build), compile_inner(node.children[2], build)

    def projection(v: Any, c: Any) -> Any:
        items = base(v, c)
        if type(items) is not list:
            return None
        result = []
        for item in items:
            held = holds(item, c)
            if (held or type(held) in NUMERIC) and (found := each(item, c)) is not None:
                result.append(found)
        return result

    return projection


def _flatten(node: Node, build: Build) -> Run:
    base = compile_node(node.children[0], build)

    def flatten(v: Any, c: Any) -> Any:
        items = base(v, c)
        if type(items) is not list:
            return None
        merged: list[Any] = []
        for item in items:
            if type(item) is list:
                merged += item
                if len(merged) > MAX_LIST:
                    raise TooLargeError
            else:
                merged.append(item)
        return merged

    return flatten


def _hash(node: Node, build: Build) -> Run:
    pairs = tuple((child.value, compile_node(child.children[0], build)) for child in node.children)
    return lambda v, c: None if v is None else {name: run(v, c) for name, run in pairs}


def _list(node: Node, build: Build) -> Run:
    runs = tuple(compile_node(child, build) for child in node.children)
    return lambda v, c: None if v is None else [run(v, c) for run in runs]


def _or(node: Node, build: Build) -> Run:
    left, right = (compile_node(child, build) for child in node.children)

    def either(v: Any, c: Any) -> Any:
        found = left(v, c)
        return found if found or type(found) in NUMERIC else right(v, c)

    return either


def _and(node: Node, build: Build) -> Run:
    left, right = (compile_node(child, build) for child in node.children)

    def both(v: Any, c: Any) -> Any:
        found = left(v, c)
        return right(v, c) if found or type(found) in NUMERIC else found

    return both


def _not(node: Node, build: Build) -> Run:
    run = compile_node(node.children[0], build)

    def negated(v: Any, c: Any) -> bool:
        found = run(v, c)
        return not found and type(found) not in NUMERIC

    return negated


def equal(left: object, right: object) -> bool:
    """JMESPath equality: true is not 1; Decimal equals int; a number never equals a text."""
    if type(left) is bool or type(right) is bool:
        return left is right
    return left == right


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def _comparator(node: Node, build: Build) -> Run:
    left, right = (compile_node(child, build) for child in node.children)
    constant = node.children[1]
    if node.value in _ORDER:
        return _ordering(left, right, _ORDER[node.value])
    if constant.kind == "literal" and isinstance(constant.value, str):
        text = constant.value
        if node.value == "eq":
            return lambda v, c: left(v, c) == text
        return lambda v, c: left(v, c) != text
    if node.value == "eq":
        return lambda v, c: equal(left(v, c), right(v, c))
    return lambda v, c: not equal(left(v, c), right(v, c))


def _ordering(left: Run, right: Run, compare: Callable[[Any, Any], bool]) -> Run:
    def ordering(v: Any, c: Any) -> bool | None:
        a, b = left(v, c), right(v, c)
        if (type(a) in NUMERIC and type(b) in NUMERIC) or (isinstance(a, str) and isinstance(b, str)):
            return compare(a, b)
        return None

    return ordering


NODES: Mapping[str, Callable[[Node, Build], Run]] = {
    "current": _current,
    "identity": _current,
    "literal": _literal,
    "field": _field,
    "subexpression": _subexpression,
    "index_expression": _sequence,
    "pipe": _sequence,
    "index": _index,
    "slice": _slice,
    "projection": _projection,
    "value_projection": _value_projection,
    "filter_projection": _filter,
    "flatten": _flatten,
    "multi_select_dict": _hash,
    "multi_select_list": _list,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _comparator,
}
