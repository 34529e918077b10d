"""What generated code calls: the rare cases of reading a value, and every error."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from engine.errors import ExpressionError
from engine.mapping.functions import MAX_LIST, MAX_TEXT, TooLargeError, WrongValueError

SHORT = 80
NUMERIC = frozenset({int, Decimal})
# The types of values that are neither too large nor a float.
PLAIN = frozenset({type(None), bool, int, Decimal, dict})
CAUGHT = (ExpressionError, ArithmeticError, RecursionError, TypeError)
UNSET = object()
_EMPTY: Mapping[str, object] = {}


class CallError(ExpressionError):
    """A function could not work with its arguments."""

    def __init__(self, name: str, cause: ExpressionError) -> None:
        super().__init__(f"{name}(): {cause}", hint=cause.hint)


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


def read(value: Any, name: str) -> Any:
    """A key of anything that has keys, else null."""
    return value.get(name) if value is not None and isinstance(value, Mapping) else None


def keyed(value: Any) -> Any:
    """What to read several keys of: the value, or nothing when it has no keys."""
    return value if isinstance(value, Mapping) else _EMPTY


def flat(items: list[Any]) -> list[Any]:
    """The items of the lists within a list, and what is no list as it is."""
    for item in items:
        if type(item) is list:
            break
    else:
        return items
    merged: list[Any] = []
    for item in items:
        if type(item) is list:
            merged += item
            if len(merged) > MAX_LIST:
                raise TooLargeError
        else:
            merged.append(item)
    return merged


def equal(left: object, right: object) -> bool:
    """JMESPath equality: true is not 1; Decimal equals int; a number never equals a text."""
    if type(left) is bool or type(right) is bool:
        return left is right
    return left == right


def truthy(value: object) -> bool:
    """JMESPath's own idea of false: null, false, empty text, empty list, empty object. Zero is true."""
    return value is not None and value is not False and value not in ("", [], {})


def ordered(left: object, right: object) -> bool:
    """Whether two values can be put in order: two numbers, or two texts."""
    return (type(left) in NUMERIC and type(right) in NUMERIC) or (isinstance(left, str) and isinstance(right, str))


def key_text(name: str, value: object) -> str:
    """A key or label of a lookup that is no plain text already: a whole number as text."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    error = WrongValueError("a text or a whole number", value)
    raise CallError(name, error) from error


def call_failed(name: str, error: ExpressionError) -> NoReturn:
    """Say in which function a call failed, the innermost one."""
    if isinstance(error, CallError):
        raise error
    raise CallError(name, error) from error


def failed(text: str, error: Exception) -> NoReturn:
    """Say in which expression an evaluation failed."""
    if isinstance(error, ExpressionError):
        raise EvaluationError(text, str(error), error.hint) from error
    raise EvaluationError(text, f"a value of the wrong kind ({type(error).__name__})", None) from error


def measure(text: str, result: object) -> None:
    """Refuse a result that no record may hold."""
    if isinstance(result, str | list):
        if len(result) > (MAX_TEXT if isinstance(result, str) else MAX_LIST):
            raise EvaluationError(text, str(TooLargeError()), None)
    elif isinstance(result, float):
        raise EvaluationError(text, str(FloatFoundError()), None)
