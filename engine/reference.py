"""What a source is told of a posted record: the flow's expression over the receipt."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from engine.diagnostics import Location
from engine.mapping import Program, Scope, compile_expression
from engine.model import Expr


def reference_of(expression: str, receipt: Mapping[str, str]) -> object:
    """The reference of a mark.

    Raises:
        ExpressionError: when the receipt is not what the expression expects.
    """
    return _reference(expression)({"receipt": receipt}, _NOTHING)


class _Nothing:
    """What an expression over a receipt may reach beside it: nothing."""

    root: object = None

    def lookup(self, _name: str, _key: object, _label: object, _number: object) -> None:
        return None

    lookup_if = find = lookup

    def setting(self, _name: str, _scope: object = None) -> None:
        return None

    def linked(self, _name: str, _list_id: object) -> bool:
        return False

    def posted(self, _stream: str, _key: str) -> None:
        return None

    def candidates(self, _name: str, _amount: Decimal, _currency: str, _date: str, _days: int) -> list[Any]:
        return []

    def match(self, _name: str, _key: str, _found: object) -> None:
        return None

    def waited(self, _name: str, _date: str, _days: int) -> bool:
        return True

    def wanted(self, _name: str, _key: str) -> bool:
        return False


_NOTHING = _Nothing()


@lru_cache(maxsize=256)
def _reference(text: str) -> Program:
    return compile_expression(Expr(text, Location("mark_synced")), Scope())
