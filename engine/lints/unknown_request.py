"""A stream writes a request that its target does not offer.

To do: Write one of the requests that the hint lists.

Fails at streams.bills.write:
    {to: books, request: BilAdd, template: bill_add.xml.j2}
Passes:
    {to: books, request: BillAdd, template: bill_add.xml.j2}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env, documents
from engine.model import Flow

ID = "F031"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare each `request` with those of the connector."""
    for stream in flow.streams:
        spec = env.specs.get(stream.target)
        for written in documents(stream, env) if spec else ():
            if spec is not None and spec.request(written.request) is None:
                message = f"`{spec.name}` has no request `{written.request}`"
                known = [r.name for r in spec.requests]
                at = (*written.steps, "request")
                if known:
                    yield env.misspelt(ID, at, message, written.request, known)
                else:
                    able = [name for name, other in env.specs.items() if other.request(written.request) is not None]
                    hint = (
                        f"`{able[0]}` has it: write `to: {able[0]}`"
                        if able
                        else f"`{spec.name}` takes no writes at all"
                    )
                    yield env.problem(ID, at, message, hint)
