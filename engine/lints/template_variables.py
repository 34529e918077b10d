"""A template uses a value that the map does not give.

To do: Add the value to `map`, or rename the entry that was meant.

Fails at streams.vendors.map:
    {title: name}
Passes:
    {name: "limit(name, `41`)"}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic, suggestion
from engine.errors import RenderError
from engine.lints.env import Env, documents
from engine.model import Flow

ID = "F034"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the free variables of each template with the names in `map`."""
    for stream in flow.streams:
        names = env.names(("streams", stream.name, "map"))
        for written in documents(stream, env) if names else ():
            if written.template is None:
                continue
            given = written.given if written.undoes else written.given.union(names)
            source = "an undo" if written.undoes else "`map`"
            for name in sorted(variables_of(written.template, env) - given):
                message = f"the template uses `{name}`, and {source} does not give it"
                yield env.problem(ID, (*written.steps, "template"), message, suggestion(name, given))


def variables_of(template: str, env: Env) -> frozenset[str]:
    """The values that a template uses; none of one that cannot be read."""
    if template in env.facts.variables:
        return env.facts.variables[template]
    try:
        return env.templates().get(template).variables
    except RenderError:
        return frozenset()  # another rule has said so
