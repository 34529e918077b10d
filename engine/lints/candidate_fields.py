"""`candidates` compares objects by fields that the lookup's list does not have.

To do: Search a list whose objects have the fields `amount`, `currency` and `date`; the hint names those that have.

Fails at streams.bills.map.memo:
    candidates('vendor', amount, currency, issued_at, `3`)[0].full_name
Passes:
    invoice_number
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.flowlang.structure import dotted
from engine.lints.env import Env
from engine.mapping.matching import COMPARED
from engine.mapping.syntax import Node, parts
from engine.model import Expr, Flow

ID = "F046"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the lists of the lookups that are asked for candidates with what is compared."""
    for use in env.uses():
        for first in _asked(use.expr):
            lookup = flow.lookup(str(first.value))
            listed = env.list_spec(lookup) if lookup is not None else None
            if lookup is None or listed is None:
                continue
            known = {field.name for field in listed.fields}
            lacking = [f"`{name}`" for name in COMPARED if name not in known]
            if lacking:
                offered = env.specs[lookup.connection].lists
                fitting = [
                    entry.name for entry in offered if {field.name for field in entry.fields}.issuperset(COMPARED)
                ]
                message = (
                    f"the objects of {lookup.connection}.{lookup.list} have no {', '.join(lacking)} to be compared"
                )
                hint = f"it has them in: {', '.join(fitting)}" if fitting else "none of its lists has all three"
                yield Diagnostic(env.place(use.expr, first.start), ID, dotted(use.steps), message, hint)


def _asked(expr: Expr) -> Iterator[Node]:
    """The first argument of each call of `candidates` that is a text."""
    for node in parts(expr.text) if "candidates" in expr.text else ():
        first = node.children[0] if node.kind == "function_expression" and node.children else None
        if node.value == "candidates" and first is not None and first.kind == "literal":
            yield first
