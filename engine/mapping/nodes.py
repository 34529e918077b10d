"""Trees to source text: the code of every kind of node but calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from engine.mapping.source import Emit, Opening, Place, Read, Val
from engine.mapping.syntax import Node

_ORDER: Mapping[str, str] = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_PURE = frozenset(
    {"comparator", "field", "subexpression", "literal", "current", "or_expression", "and_expression", "not_expression"}
)


def _current(_node: Node, at: Place) -> Val:
    return Val(at.current)


def _literal(node: Node, at: Place) -> Val:
    value = node.value
    if value is None or isinstance(value, bool | int | str):
        return Val(ascii(value), "literal")
    return Val(at.unit.constant(value), "amount" if isinstance(value, Decimal) else "")


def _field(node: Node, at: Place) -> Val:
    name = ascii(node.value)
    key = ("field", name, at.current)
    if key not in at.known:
        target = at.unit.new()
        at.lines.append(Read(at.indent, target, at.current, name))
        at.known[key] = Val(target)
    return at.known[key]


def _sequence(node: Node, at: Place) -> Val:
    first, *rest = node.children
    if node.kind == "pipe" and _is_first_match(first, rest):
        return _first_match(first, at)
    value = at.emit(first)
    for child in rest:
        value = at.over(at.name(value)).emit(child)
    return value


def _pure(node: Node) -> bool:
    return node.kind in _PURE and all(_pure(child) for child in node.children)


def _is_first_match(first: Node, rest: list[Node]) -> bool:
    """Whether it is `list[?condition] | [0]`, where the condition cannot fail."""
    if first.kind != "filter_projection" or first.children[1].kind != "identity" or len(rest) != 1:
        return False
    index = rest[0]
    return (
        index.kind == "index_expression"
        and [child.kind for child in index.children] == ["identity", "index"]
        and index.children[1].value == 0
        and _pure(first.children[2])
    )


def _first_match(node: Node, at: Place) -> Val:
    """Stop at the first match."""
    items = at.bound(node.children[0])
    found = at.assign("None")
    inside, item = _loop(items, at, f"type({items}) is list", items)
    inside.line(f"if {inside.truth(inside.emit(node.children[2]))} and {item} is not None:")
    inside.line(f" {found} = {item}")
    inside.line(" break")
    return Val(found)


def _loop(_base: str, at: Place, condition: str, over: str) -> tuple[Place, str]:
    """A loop over a value, where a condition holds; the place within it, and the name of the item."""
    item = at.unit.new("i")
    at.line(f"if {condition}:")
    at.line(f" for {item} in {over}:")
    inside = at.block()
    inside = replace(inside, indent=at.indent + 2, loops=at.loops + 1, inner=True, current=item, present=False)
    inside.lines.append(Opening(inside.indent, item))
    return inside, item


def _index(node: Node, at: Place) -> Val:
    value, position = at.current, node.value
    return Val(
        f"({value}[{position}] if type({value}) is list and -len({value}) <= {position} < len({value}) else None)"
    )


def _slice(node: Node, at: Place) -> Val:
    start, stop, step = ("" if part is None else str(part) for part in node.value)
    return Val(f"({at.current}[{start}:{stop}:{step}] if type({at.current}) is list else None)", "list")


def _projection(node: Node, at: Place) -> Val:
    items = at.bound(node.children[0])
    return _collected(node.children[1], at, f"type({items}) is list", items)


def _value_projection(node: Node, at: Place) -> Val:
    items = at.bound(node.children[0])
    at.unit.names["Mapping"] = Mapping
    return _collected(node.children[1], at, f"isinstance({items}, Mapping)", f"{items}.values()")


def _filter(node: Node, at: Place) -> Val:
    items = at.bound(node.children[0])
    return _collected(node.children[1], at, f"type({items}) is list", items, node.children[2])


def _collected(each: Node, at: Place, condition: str, over: str, holds: Node | None = None) -> Val:
    """The list of what is not null among the values for each item."""
    found = at.assign("None")
    at.line(f"if {condition}: {found} = []")
    inside, item = _loop(over, at, f"{found} is not None", over)
    if holds is not None:
        inside.line(f"if {inside.truth(inside.emit(holds))}:")
        inside = inside.block()
    if each.kind in ("multi_select_dict", "multi_select_list"):  # null for null, which is left out
        inside.line(f"if {item} is not None:")
        inside = replace(inside.block(), present=True)
        inside.line(f"{found}.append({inside.emit(each).code})")
        return Val(found, "list")
    value = inside.bound(each)
    inside.line(f"if {value} is not None: {found}.append({value})")
    return Val(found, "list")


def _flatten(node: Node, at: Place) -> Val:
    items = at.bound(node.children[0])
    return Val(at.assign(f"flat({items}) if type({items}) is list else None"), "list")


def _hash(node: Node, at: Place) -> Val:
    names = [ascii(child.value) for child in node.children]
    return _made([child.children[0] for child in node.children], at, names)


def _list(node: Node, at: Place) -> Val:
    return _made(list(node.children), at)


def _made(nodes: list[Node], at: Place, names: list[str] | None = None) -> Val:
    """An object with names, or a list without; null for null."""
    made = at.unit.new()
    place = at
    if not at.present:
        at.line(f"{made} = None")
        at.line(f"if {at.current} is not None:")
        place = replace(at.block(), present=True)
    values = [place.emit(child).code for child in nodes]
    if names is None:
        place.line(f"{made} = [{', '.join(values)}]")
        return Val(made, "list")
    place.line(f"{made} = {{{', '.join(f'{name}: {value}' for name, value in zip(names, values, strict=True))}}}")
    return Val(made, "found")


def _or(node: Node, at: Place) -> Val:
    return _chosen(node, at, "if not ({}):")


def _and(node: Node, at: Place) -> Val:
    return _chosen(node, at, "if {}:")


def _chosen(node: Node, at: Place, condition: str) -> Val:
    """The left value, or the right one where the condition holds for the left; only then is the right one computed."""
    left = at.emit(node.children[0])
    result = Val(at.assign(left.code), left.kind)
    at.line(condition.format(at.truth(result)))
    block = at.block()
    right = block.emit(node.children[1])
    block.line(f"{result.code} = {right.code}")
    _watched(node, at, block)
    return Val(result.code, left.kind if left.kind == right.kind != "literal" else "")


def _watched(node: Node, at: Place, block: Place) -> None:
    """Tell which side was taken; of `a || b || c`, each of the three once."""
    watch, expr = at.unit.scope.watch, at.unit.expr
    if watch is None or expr is None:
        return
    left, right = node.children
    block.line(f"hit({watch.branch(expr, f'{node.kind} right', right.start)})")
    if left.kind != node.kind:
        at.line(f"else: hit({watch.branch(expr, f'{node.kind} left', left.start)})")


def _not(node: Node, at: Place) -> Val:
    return Val(f"(not ({at.truth(at.emit(node.children[0]))}))", "boolean")


def _comparator(node: Node, at: Place) -> Val:
    left, right = at.emit(node.children[0]), at.emit(node.children[1])
    if node.value in _ORDER:
        return _ordering(at.name(left), at.name(right), node, at)
    a, constant = at.name(left), node.children[1]
    negated = node.value == "ne"
    if constant.kind == "literal" and isinstance(constant.value, str):
        return Val(f"({a} {'!=' if negated else '=='} {right.code})", "boolean")
    if constant.kind == "literal" and (constant.value is None or isinstance(constant.value, bool)):
        return Val(f"({a} {'is not' if negated else 'is'} {right.code})", "boolean")
    b = at.name(right)
    if "amount" in (left.kind, right.kind):  # a Decimal, which equals true and false when it is one or zero
        other = b if left.kind == "amount" else a
        return Val(f"({'not ' if negated else ''}(type({other}) is not bool and {a} == {b}))", "boolean")
    return Val(f"({'not ' if negated else ''}equal({a}, {b}))", "boolean")


def _ordering(a: str, b: str, node: Node, at: Place) -> Val:
    constant = node.children[1]
    number = constant.kind == "literal" and type(constant.value) in (int, Decimal)
    condition = f"type({a}) in NUMERIC" if number else f"ordered({a}, {b})"
    return Val(at.assign(f"{a} {_ORDER[node.value]} {b} if {condition} else None"), "boolean")


NODES: Mapping[str, Emit] = {
    "current": _current,
    "identity": _current,
    "literal": _literal,
    "field": _field,
    "subexpression": _sequence,
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
