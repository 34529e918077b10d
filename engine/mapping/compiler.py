"""Programs: an expression is compiled once, when the flow is loaded, and then only called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from engine.errors import ExpressionError
from engine.mapping.calls import CALLS
from engine.mapping.checks import check_expression
from engine.mapping.closures import NODES, Build, Frame, Run, compile_node
from engine.mapping.functions import MAX_LIST, MAX_TEXT, TooLargeError
from engine.mapping.scope import EvalContext, Scope
from engine.mapping.syntax import BadSyntax, Node, parse
from engine.model import Expr

SHORT = 80
_KINDS: Mapping[str, Callable[[Node, Build], Run]] = {**NODES, **CALLS}


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


class FloatFoundError(ExpressionError):
    """A float reached an expression; money and numbers are read as text, int or Decimal."""


class EvaluationError(ExpressionError):
    """An expression failed on a record."""

    def __init__(self, text: str, reason: str, hint: str | None) -> None:
        super().__init__(f"`{shortened(text)}`: {reason}", hint=hint)


def shortened(text: str) -> str:
    """An expression on one line, cut to a readable length."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHORT else flat[: SHORT - 3] + "..."


def compile_expression(expr: Expr, scope: Scope) -> Program:
    """Compile one expression.

    Raises:
        ExpressionError: when `check_expression` would report an error.
    """
    build = Build(scope, _KINDS)
    run = _compile(expr, build)
    text, slots = expr.text, build.slots

    def program(data: object, context: EvalContext) -> object:
        return _evaluate(run, text, data, Frame(context, slots) if slots else context)

    return program


def compile_map(entries: Sequence[tuple[str, Expr]], scope: Scope) -> MapProgram:
    """Compile a whole `map`, so that its entries share what their defines have computed.

    Raises:
        ExpressionError: as `compile_expression`.
    """
    build = Build(scope, _KINDS)
    runs = tuple((name, expr.text, _compile(expr, build)) for name, expr in entries)
    slots = build.slots

    def program(data: object, context: EvalContext) -> dict[str, object]:
        frame = Frame(context, slots) if slots else context
        return {name: _evaluate(run, text, data, frame) for name, text, run in runs}

    return program


def _compile(expr: Expr, build: Build) -> Run:
    # A runner must be safe with a flow that nobody validated: what could grow without end is never compiled.
    for problem in check_expression(expr, build.scope):
        raise EvaluationError(expr.text, problem.message, problem.hint)
    try:
        return compile_node(parse(expr.text), build)
    except BadSyntax as error:
        raise EvaluationError(expr.text, error.message, error.hint) from error


def _evaluate(run: Run, text: str, data: object, frame: Any) -> object:
    try:
        result: object = run(data, frame)
    except ExpressionError as error:
        raise EvaluationError(text, str(error), error.hint) from error
    except (ArithmeticError, RecursionError, TypeError) as error:
        raise EvaluationError(text, f"a value of the wrong kind ({type(error).__name__})", None) from error
    if isinstance(result, str | list):
        if len(result) > (MAX_TEXT if isinstance(result, str) else MAX_LIST):
            raise EvaluationError(text, str(TooLargeError()), None)
    elif isinstance(result, float):
        raise EvaluationError(text, str(FloatFoundError()), None)
    return result
