"""Programs: an expression is compiled once, when the flow is loaded, and then only called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from engine.mapping.calls import CALLS
from engine.mapping.checks import TOO_DEEP, check_expression
from engine.mapping.functions import MAX_LIST, MAX_TEXT
from engine.mapping.nodes import NODES
from engine.mapping.scope import EvalContext, Scope
from engine.mapping.source import Emit, Line, Opening, Place, Unit, Val
from engine.mapping.support import EvaluationError
from engine.mapping.syntax import BadSyntax, Node, parse
from engine.model import Expr

_KINDS: Mapping[str, Emit] = {**NODES, **CALLS}
_FITS = frozenset({"boolean", "text", "amount", "found"})


class Program(Protocol):
    """A compiled expression."""

    def __call__(self, data: object, context: EvalContext) -> object:
        """The expression's value for this data."""
        ...


class MapProgram(Protocol):
    """A compiled `map`: one object of several expressions."""

    def __call__(self, data: object, context: EvalContext) -> dict[str, object]:
        """The mapped record."""
        ...


class SidesProgram(Protocol):
    """A compiled comparison."""

    def __call__(self, data: object, context: EvalContext) -> tuple[bool, object, object]:
        """Whether it holds, and the values of its two sides."""
        ...


class ConditionsProgram(Protocol):
    """A compiled list of conditions."""

    def __call__(self, data: object, context: EvalContext) -> int:
        """The position of the first condition that does not hold; -1 when all hold."""
        ...


def compile_expression(expr: Expr, scope: Scope) -> Program:
    """Compile one expression.

    Raises:
        ExpressionError: when `check_expression` would report an error.
    """
    place = _program(scope)
    place.line(f"return {_entry(expr, place).code}")
    return place.unit.build(place.lines)


def compile_map(entries: Sequence[tuple[str, Expr]], scope: Scope) -> MapProgram:
    """Compile a whole `map`, so that its entries share what they have computed.

    Raises:
        ExpressionError: as `compile_expression`.
    """
    place = _program(scope)
    values = [f"{name!a}: {_entry(expr, place).code}" for name, expr in entries]
    place.line(f"return {{{', '.join(values)}}}")
    return place.unit.build(place.lines)


def compile_conditions(conditions: Sequence[Expr], scope: Scope) -> ConditionsProgram:
    """Compile conditions that must all hold, in JMESPath's own idea of true; none is computed after one that fails.

    Raises:
        ExpressionError: as `compile_expression`.
    """
    place = _program(scope)
    for position, expr in enumerate(conditions):
        place.line(f"if not ({place.truth(_entry(expr, place))}): return {position}")
    place.line("return -1")
    return place.unit.build(place.lines)


def compile_sides(comparison: Node, expr: Expr, scope: Scope) -> SidesProgram:
    """Compile one comparison within an expression that was compiled before; no watch is told of them."""
    place = _program(replace(scope, watch=None))
    place.unit.expr = expr
    text = place.unit.constant(expr.text)
    place.line("try:")
    inside = replace(place, indent=5)
    left, right = (inside.bound(child) for child in comparison.children)
    inside.line(f"return bool({inside.emit(comparison).code}), {left}, {right}")
    place.line(f"except CAUGHT as e: failed({text}, e)")
    return place.unit.build(place.lines)


def _program(scope: Scope) -> Place:
    lines: list[Line] = [Opening(4, "v")]
    return Place(Unit(scope, _KINDS), lines, {})


def _entry(expr: Expr, place: Place) -> Val:
    """Write the code of one expression; its errors name it."""
    # A runner must be safe with a flow that nobody validated: what could grow without end is never compiled.
    for problem in check_expression(expr, place.unit.scope):
        raise EvaluationError(expr.text, problem.message, problem.hint)
    text = place.unit.constant(expr.text)
    place.line("try:")
    inside = Place(place.unit, place.lines, place.known, indent=5)
    place.unit.expr = expr
    try:
        value = inside.emit(parse(expr.text))
    except BadSyntax as error:
        raise EvaluationError(expr.text, error.message, error.hint) from error
    except RecursionError as error:
        raise EvaluationError(expr.text, TOO_DEEP, None) from error
    result = inside.assign(value.code, "r")
    place.line(f"except CAUGHT as e: failed({text}, e)")
    if (watch := place.unit.scope.watch) is not None:
        place.line(f"told({watch.outcome(expr)}, {result})")
    if value.kind == "list":
        place.line(f"if {result} is not None and len({result}) > {MAX_LIST}: measure({text}, {result})")
    elif value.kind not in _FITS:
        place.line(f"if type({result}) is str:")
        place.line(f" if len({result}) > {MAX_TEXT}: measure({text}, {result})")
        place.line(f"elif type({result}) not in PLAIN: measure({text}, {result})")
    return Val(result, "" if value.kind == "literal" else value.kind)
