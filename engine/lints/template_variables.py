"""A template uses a value that the map does not give.

Fails at streams.bills.map:
    {vendor: vendor.name}
Passes:
    {vendor: "lookup('vendor', vendor.id, vendor.name)", amount: money(amount)}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic, suggestion
from engine.errors import RenderError
from engine.lints.env import ENGINE_VARIABLES, Env, variants
from engine.model import Flow

ID = "F034"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the free variables of each template with the names in `map`."""
    for stream in flow.streams:
        names = env.names(("streams", stream.name, "map"))
        given = ENGINE_VARIABLES.union(names)
        for steps, variant in variants(stream, env) if names else ():
            if variant.template is None:
                continue
            try:
                used = env.templates().get(variant.template).variables
            except RenderError:
                continue
            for name in sorted(used - given):
                message = f"the template uses `{name}`, and `map` does not give it"
                yield env.problem(ID, (*steps, "template"), message, suggestion(name, given))
