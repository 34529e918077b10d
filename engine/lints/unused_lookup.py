"""A lookup that no expression asks and no stream provides for.

To do: Ask it with `lookup('name', ...)`, or remove it.

Fails at lookups.terms:
    {target: books.Terms, match: [mapped]}
Passes:
    null
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.lints.names import called
from engine.model import Flow

ID = "F051"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the lookups with the calls that ask one."""
    used = called(env, "lookup", "lookup_if", "find", "linked", "candidates", "match", "waited", "wanted")
    used = used.union(stream.provide.lookup for stream in flow.streams if stream.provide)
    for lookup in flow.lookups if env.complete else ():
        if lookup.name not in used:
            message = f"the lookup `{lookup.name}` is never used"
            hint = f"ask it with `lookup('{lookup.name}', ...)`, or remove it"
            yield env.problem(ID, ("lookups", lookup.name), message, hint, key=True, level="warning")
