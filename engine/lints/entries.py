"""Where a part of what a map gives was written: the key or the value inside the expression that makes it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnostics import Location
from engine.lints.env import Env
from engine.mapping.syntax import BadSyntax, Node, parse
from engine.model import Stream


def entry_place(stream: Stream, path: Sequence[str], env: Env, *, key: bool = False) -> Location:
    """The place of the value at a path of names, `lines[]`, `memo`; with `key` that of its name."""
    top, *inner = (name.removesuffix("[]") for name in path)
    at = env.at(("streams", stream.name, "map", top), key=key and not inner)
    expr = next((expr for name, expr in stream.map if name == top), None)
    if not inner or expr is None:
        return at
    node = _found(expr.text, inner)
    if node is None:
        return at
    return env.place(expr, node.start if key or not node.children else node.children[0].start)


def _found(text: str, names: Sequence[str]) -> Node | None:
    try:
        return written_at(parse(text), names)
    except BadSyntax:
        return None


def written_at(node: Node, names: Sequence[str]) -> Node | None:
    """The `key: value` that a path of names leads to in what an expression makes; None when it is made elsewhere."""
    if node.kind == "multi_select_dict":
        found = next((pair for pair in node.children if pair.value == names[0]), None)
        if found is None or len(names) == 1:
            return found
        return written_at(found.children[0], names[1:])
    for child in reversed(node.children):
        if (inner := written_at(child, names)) is not None:
            return inner
    return None
