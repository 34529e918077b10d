"""A request that is written as QBXML has no template, or one that is not has one.

To do: Give a QBXML request a template; remove the template of any other.

Fails at streams.bills.write:
    {to: books, request: BillAdd}
Passes:
    {to: books, request: BillAdd, template: bill_add.xml.j2}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env, documents
from engine.model import Flow

ID = "F032"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the presence of `template` with what the request's body is."""
    for stream in flow.streams:
        for written in documents(stream, env):
            spec = env.request_spec(stream, written.request)
            if spec is None:
                continue
            if spec.documents == "qbxml" and written.template is None:
                hint = "add `template:` with the name of a file that renders it"
                yield env.problem(ID, (*written.steps, "request"), f"the request `{spec.name}` needs a template", hint)
            elif spec.documents == "json" and written.template is not None:
                hint = "remove it: the map itself is sent"
                yield env.problem(
                    ID, (*written.steps, "template"), f"the request `{spec.name}` takes no template", hint
                )
