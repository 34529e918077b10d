"""A variant can never be taken, because the one before it has no `when`.

To do: Put the variant without `when` last.

Fails at streams.bills.write.one_of:
    - {request: BillAdd, template: bill_add.xml.j2}
    - {when: "amount > `0`", request: BillAdd, template: bill_add.xml.j2}
Passes:
    - {when: "amount > `0`", request: BillAdd, template: bill_add.xml.j2}
    - {request: BillAdd, template: bill_add.xml.j2}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F037"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Only the last variant may come without a condition."""
    for stream in flow.streams:
        open_at = next((i for i, v in enumerate(stream.variants) if v.when is None), None)
        if open_at is not None and open_at < len(stream.variants) - 1:
            steps = ("streams", stream.name, "write", "one_of", open_at + 1)
            message = "this variant is never taken: the one before it has no `when`"
            yield env.problem(ID, steps, message, "put the variant without `when` last")
