"""A template uses a value that the map does not give.

Fails at streams.vendors.map:
    {title: name}
Passes:
    {name: "limit(name, `41`)"}
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
            for name in sorted(_variables(variant.template, env) - given):
                message = f"the template uses `{name}`, and `map` does not give it"
                yield env.problem(ID, (*steps, "template"), message, suggestion(name, given))


def _variables(template: str, env: Env) -> frozenset[str]:
    if template in env.facts.variables:
        return env.facts.variables[template]
    try:
        return env.templates().get(template).variables
    except RenderError:
        return frozenset()  # another rule has said so
