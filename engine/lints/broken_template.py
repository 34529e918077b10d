"""A template does not exist, or cannot be used.

To do: Correct the template where the message says, or name one that is there.

Fails at streams.bills.write:
    {to: books, request: BillAdd, template: bill_ad.xml.j2}
Passes:
    {to: books, request: BillAdd, template: bill_add.xml.j2}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.errors import RenderError
from engine.flowlang.language import TEMPLATE
from engine.lints.env import Env, documents
from engine.model import Flow

ID = "F033"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Load every template that the flow names."""
    for stream in flow.streams:
        for written in documents(stream, env):
            name = written.template
            if name is not None and name not in env.facts.variables and re.fullmatch(TEMPLATE.pattern, name):
                try:
                    env.templates().get(name)
                except RenderError as error:
                    message = str(error).removeprefix(f"{name}: ")
                    found = env.problem(
                        ID, (*written.steps, "template"), message, error.hint or "correct the template there"
                    )
                    known = env.templates().names()
                    if name not in known:
                        found = env.misspelt(ID, (*written.steps, "template"), message, name, known)
                    yield found
