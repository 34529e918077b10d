"""A lookup searches a list that its connector does not have.

To do: Write one of the lists that the hint names.

Fails at lookups.vendor:
    {target: books.Vendors, match: [mapped]}
Passes:
    {target: books.Vendor, match: [mapped]}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F026"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare lookup targets with the lists of their connectors."""
    for lookup in flow.lookups:
        spec = env.specs.get(lookup.connection)
        if spec is not None and spec.list(lookup.list) is None:
            message = f"`{spec.name}` has no list `{lookup.list}`"
            known = [entry.name for entry in spec.lists]
            yield env.misspelt(ID, ("lookups", lookup.name, "target"), message, lookup.list, known)
