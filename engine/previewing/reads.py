"""Which fields an expression reads, told from its text: paths such as `vendor.id` and `line_items[].amount`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field

from engine.dataclass import dataclass
from engine.mapping.syntax import BadSyntax, Node, parse
from engine.model import Expr

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Functions that give back what they are given, or some of it.
_PASSING = frozenset({"not_null", "unique", "sort_by", "max_by", "min_by", "reverse", "to_array"})
# Marks the groups of `group_by`, whose items are those of the list that was grouped.
_GROUPED = "\0"
# Ends the path of a list that a pipe hands on as a whole: an index takes one of its items, not one of a field's.
_WHOLE = "\1"

# Where a value may stand in the record; "" is the whole of it, and no path at all means that it was computed.
Paths = tuple[str, ...]


# Stands before what is read of the whole source record by an expression that reads something else.
ROOT = "root()."


def fields_read(expr: Expr, define: Mapping[str, Expr], *, apart: bool = False) -> tuple[str, ...]:
    """The paths that an expression reads, in the order in which they stand there; a define is followed to what it reads.

    With `apart`, `root()` is another record than the one that the expression is over: its paths begin with `root().`.
    """
    state = _State(define, root=ROOT[:-1] if apart else "")
    try:
        state.note(_walk(parse(expr.text), ("",), state))
    except BadSyntax:
        return ()
    return tuple(state.found)


@dataclass(slots=True)
class _State:
    define: Mapping[str, Expr]
    root: str
    found: dict[str, None] = field(default_factory=dict)
    # The definitions that are being followed.
    above: tuple[str, ...] = ()

    def note(self, paths: Paths) -> None:
        """These values are used."""
        self.found.update((path.removeprefix(_GROUPED), None) for path in _unmarked(paths) if path)


def _walk(node: Node, current: Paths, state: _State) -> Paths:
    """Where the value of a node stands; what is used on the way is noted."""
    handler = _KINDS.get(node.kind)
    if handler is not None:
        return handler(node, current, state)
    # What computes something new of its parts: comparisons, lists, objects, conditions.
    for child in node.children:
        state.note(_walk(child, current, state))
    return ()


def _none(_node: Node, _current: Paths, _state: _State) -> Paths:
    return ()


def _same(_node: Node, current: Paths, _state: _State) -> Paths:
    return current


def _field(node: Node, current: Paths, _state: _State) -> Paths:
    name = str(node.value)
    shown = name if _PLAIN.fullmatch(name) else f'"{name}"'
    return tuple(found for path in _unmarked(current) for found in _member(path, name, shown))


def _member(path: str, name: str, shown: str) -> Paths:
    if path.startswith(_GROUPED):
        return (path.removeprefix(_GROUPED),) if name == "items" else ()
    return (f"{path}.{shown}" if path else shown,)


def _chain(node: Node, current: Paths, state: _State) -> Paths:
    for child in node.children:
        current = _walk(child, current, state)
    return current


def _pipe(node: Node, current: Paths, state: _State) -> Paths:
    left, right = node.children
    handed = (f"{path}{_WHOLE}" if "[]" in path else path for path in _walk(left, current, state))
    return _unmarked(_walk(right, tuple(handed), state))


def _unmarked(paths: Paths) -> Paths:
    return tuple(path.removesuffix(_WHOLE) for path in paths)


def _index(node: Node, current: Paths, _state: _State) -> Paths:
    # The first of what a filter leaves is some item of the list, and which one depends on the record.
    return tuple(path if path.endswith(("[]", _WHOLE)) else f"{path}[{node.value}]" for path in current)


def _items(paths: Paths) -> Paths:
    plain = _unmarked(paths)
    return tuple(path if path.endswith("[]") or path.startswith(_GROUPED) else f"{path}[]" for path in plain)


def _projection(node: Node, current: Paths, state: _State) -> Paths:
    return _walk(node.children[1], _items(_walk(node.children[0], current, state)), state)


def _filter(node: Node, current: Paths, state: _State) -> Paths:
    items = _items(_walk(node.children[0], current, state))
    state.note(_walk(node.children[2], items, state))
    return _walk(node.children[1], items, state)


def _flatten(node: Node, current: Paths, state: _State) -> Paths:
    return _items(_walk(node.children[0], current, state))


def _either(node: Node, current: Paths, state: _State) -> Paths:
    return tuple(dict.fromkeys(path for child in node.children for path in _walk(child, current, state)))


def _call(node: Node, current: Paths, state: _State) -> Paths:
    name = str(node.value)
    if name == "root":
        return (state.root,)
    if name in state.define:
        return _defined(name, node, current, state)
    hands_on = name in _PASSING or name in ("map", "group_by")
    plain: list[Paths] = []
    for child in node.children:
        if child.kind == "expref":
            continue
        plain.append(_walk(child, current, state))
        if not hands_on:
            state.note(plain[-1])
    items = _items(plain[0]) if plain else ()
    for child in node.children:
        if child.kind == "expref":
            each = _walk(child.children[0], items, state)
            if name == "map":
                return each
            state.note(each)
    if name == "group_by":
        return tuple(f"{_GROUPED}{path}" for path in items)
    return tuple(dict.fromkeys(path for paths in plain for path in paths)) if hands_on else ()


def _defined(name: str, node: Node, current: Paths, state: _State) -> Paths:
    given = _walk(node.children[0], current, state) if node.children else ()
    if name in state.above:
        return ()
    inner = _State(state.define, state.root, state.found, (*state.above, name))
    return _walk(parse(state.define[name].text), given, inner)


_KINDS: Mapping[str, Callable[[Node, Paths, _State], Paths]] = {
    "literal": _none,
    "current": _same,
    "identity": _same,
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _pipe,
    "index": _index,
    "slice": _same,
    "projection": _projection,
    "value_projection": _projection,
    "filter_projection": _filter,
    "flatten": _flatten,
    "or_expression": _either,
    "function_expression": _call,
}
