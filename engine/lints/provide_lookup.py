"""A stream provides for a lookup that does not exist, or that searches another connection.

To do: Name a lookup of the connection that this stream writes to.

Fails at streams.vendors.provide:
    {lookup: vendr, key: id}
Passes:
    {lookup: vendor, key: id}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow, Lookup, Stream

ID = "F036"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare `provide.lookup` with the declared lookups and with where the stream writes."""
    known = env.declared("lookups")
    for stream in flow.streams:
        if stream.provide is None or stream.write is None:
            continue
        steps = ("streams", stream.name, "provide", "lookup")
        name = stream.provide.lookup
        lookup = flow.lookup(name)
        if name not in known:
            yield env.misspelt(ID, steps, f"there is no lookup `{name}`", name, known)
        elif lookup is not None and lookup.connection != stream.target and _declared(flow, lookup, stream):
            message = f"`{name}` searches `{lookup.connection}`, and this stream writes to `{stream.target}`"
            fitting = [other.name for other in flow.lookups if other.connection == stream.target]
            named = f": {', '.join(fitting)}" if fitting else f", with `target: {stream.target}.List`"
            yield env.problem(ID, steps, message, f"provide for a lookup of `{stream.target}`{named}")


def _declared(flow: Flow, lookup: Lookup, stream: Stream) -> bool:
    return flow.connection(lookup.connection) is not None and flow.connection(stream.target) is not None
