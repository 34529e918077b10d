"""What is wrong with a comparison, from the types of its two sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.diagnostics import clearly_meant, nearest
from engine.mapping.syntax import Node
from engine.mapping.types import NUMBERS, TEXTS, ResultType

_ORDERS = frozenset({"lt", "lte", "gt", "gte"})
_KINDS: Mapping[str, str] = {
    "text": "a text",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "object": "an object",
}


class Fault(NamedTuple):
    """A problem of a comparison, at one of its parts."""

    code: str
    at: Node
    message: str
    hint: str | None


def comparison_faults(node: Node, left: ResultType, right: ResultType) -> Iterator[Fault]:
    """Everything that can never be true in a comparison, and amounts that are compared as texts."""
    first, second = node.children
    for text, other, at, beside in ((left, right, first, second), (right, left, second, first)):
        if text.kind != "money" or at.kind == "literal":
            continue
        if other.kind in NUMBERS:
            message = "this amount is still text; a number is never equal to it"
            yield Fault("E114", at, message, "wrap it in money(...)")
            return
        if other.kind == "money":
            written = f"`{other.choices[0]}`" if beside.kind == "literal" and other.choices else "money(...)"
            message = "amounts are compared as texts here: '10' is not '10.00'"
            yield Fault("E114", at, message, f"wrap it in money(...), and compare it with {written}")
            return
    if node.value in ("eq", "ne"):
        for known, at in ((left, second), (right, first)):
            if at.kind == "literal" and isinstance(at.value, str):
                yield from choice_fault(known, at.value, at)
    groups = _group(left), _group(right)
    if groups[0] != groups[1] and "any" not in groups:
        yield _apart(node, left, right, groups)


def choice_fault(known: ResultType, value: str, at: Node) -> Iterator[Fault]:
    """A text that a value never is, when all that it can be are known."""
    if not known.choices or value in known.choices or value == "":
        return
    near = clearly_meant(value, known.choices) or next(iter(nearest(value, known.choices)), "")
    hint = f"did you mean `{near}`? " if near else ""
    yield Fault("E113", at, f"the value is never `{value}`", f"{hint}it is one of: {', '.join(known.choices)}")


def _apart(node: Node, left: ResultType, right: ResultType, groups: tuple[str, str]) -> Fault:
    from engine.mapping.wording import COMPARED  # words are only needed where something is wrong

    end = "neither is larger" if node.value in _ORDERS else "which is never equal"
    message = f"{_KINDS[groups[0]]} is compared with {_KINDS[groups[1]]}, {end}"
    hint = COMPARED.get(frozenset(groups))
    for side, at in ((left, node.children[0]), (right, node.children[1])):
        if set(groups) == {"text", "number"} and at.kind == "literal" and side.kind == "money" and side.choices:
            hint = f"write the number in backticks: `{side.choices[0]}`"
    return Fault("E113", node, message, hint)


def _group(found: ResultType) -> str:
    if found.kind in ("any", "null", "decimal"):
        return "any"
    if found.kind in TEXTS:
        return "text"
    return "number" if found.kind in NUMBERS else found.kind
