"""How the two sides of a condition that does not hold differ, in words: amounts and currencies, nothing else.

A person who reads that a bill's lines do not add up wants both sums. Any other text may be what nobody but the source
should show (an account number, a name), so only decimal numbers and codes of three capital letters are ever told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from engine.errors import ExpressionError
from engine.mapping.compiler import SidesProgram, compile_sides
from engine.mapping.scope import EvalContext, Scope
from engine.mapping.syntax import Node, parse
from engine.model import Expr

_CODE = re.compile(r"[A-Z]{3}")
# What does not hold, of a comparison that was expected to.
_WORDS: Mapping[str, str] = {
    "eq": "is not",
    "lt": "is not less than",
    "lte": "is more than",
    "gt": "is not more than",
    "gte": "is less than",
}


class Sides:
    """The comparisons of a list of conditions; each is compiled when its condition first fails."""

    __slots__ = ("_compiled", "_conditions", "_scope")

    def __init__(self, conditions: Sequence[Expr], scope: Scope) -> None:
        self._conditions = tuple(conditions)
        self._scope = scope
        self._compiled: dict[int, tuple[tuple[Node, SidesProgram], ...]] = {}

    def apart(self, position: int, data: object, context: EvalContext) -> str:
        """How the sides of the condition at `position` differ: `CAD is not USD`; empty where it is not told.

        For a condition that does not hold for this data. Raises nothing: what cannot be computed alone is not told.
        """
        compiled = self._compiled.get(position)
        if compiled is None:
            expr = self._conditions[position]
            compiled = tuple((node, compile_sides(node, expr, self._scope)) for node in _comparisons(parse(expr.text)))
            self._compiled[position] = compiled
        for node, sides in compiled:
            try:
                holds, left, right = sides(data, context)
            except ExpressionError:
                continue
            if not holds and (words := _apart(node, left, right)):
                return words
        return ""


def _comparisons(node: Node) -> Iterator[Node]:
    """The comparisons of which one must hold, or all; not those that something else decides about."""
    if node.kind in ("and_expression", "or_expression"):
        for child in node.children:
            yield from _comparisons(child)
    elif node.kind == "comparator" and node.value in _WORDS:
        yield node


def _apart(node: Node, left: object, right: object) -> str:
    """The words for one comparison; empty when a side is not to be told."""
    (first, second) = node.children
    told, beside = _told(left, first), _told(right, second)
    if not told or not beside:
        return ""
    if second.kind == "literal":
        named = first.children[0] if first.kind == "function_expression" and len(first.children) == 1 else first
        return f"`{named.value}` is {told}" if named.kind == "field" else ""
    return f"{told} {_WORDS[node.value]} {beside}"


def _told(value: object, node: Node) -> str:
    # Amounts are decimal numbers; a whole one is a count or an id, unless the flow itself says it.
    if isinstance(value, Decimal) or (type(value) is int and node.kind == "literal"):
        # A rate has more places than an amount, and keeps them.
        return max(f"{Decimal(value):f}", f"{Decimal(value):.2f}", key=len)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
