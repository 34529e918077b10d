"""A defined expression that no other expression calls.

To do: Call it as `name(@)`, or remove it.

Fails at define.spare:
    name
Passes:
    null
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.lints.names import functions
from engine.model import Flow

ID = "F052"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare `define` with the functions that are called."""
    used = functions(env)
    for name, _ in flow.define if env.complete else ():
        if name not in used:
            hint = f"call it as `{name}(@)`, or remove it"
            steps = ("define", name)
            yield env.problem(ID, steps, f"the definition `{name}` is never used", hint, key=True, level="warning")
