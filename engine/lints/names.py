"""Which functions the expressions of a flow call, and with which names as their first argument."""

from __future__ import annotations

from functools import lru_cache

from engine.lints.env import Env
from engine.mapping.syntax import Node, parts
from engine.model import Expr


def calls(expr: Expr) -> tuple[tuple[str, str | None], ...]:
    """Each call in an expression: the function, and its first argument when that is a text."""
    return _calls(expr.text)


@lru_cache(maxsize=2048)
def _calls(text: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((str(node.value), _first(node)) for node in parts(text) if node.kind == "function_expression")


def called(env: Env, *functions: str) -> set[str]:
    """The names that any of these functions is called with."""
    return {name for use in env.uses() for function, name in calls(use.expr) if name and function in functions}


def functions(env: Env) -> set[str]:
    """The functions that are called anywhere in the flow."""
    return {function for use in env.uses() for function, _ in calls(use.expr)}


def _first(node: Node) -> str | None:
    first = node.children[0] if node.children else None
    return first.value if first is not None and first.kind == "literal" and isinstance(first.value, str) else None
