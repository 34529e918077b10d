"""A part of the flow names a connection that the flow does not declare.

To do: Declare the connection under `connections`, or write the name of one that is there.

Fails at streams.bills.fetch:
    {from: rampp, stream: bills}
Passes:
    {from: ramp, stream: bills}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.flowlang.structure import Steps
from engine.lints.env import Env
from engine.model import Flow

ID = "F021"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare every use of a connection with the declared ones."""
    known = env.declared("connections")
    # Without any connection, that is what was reported.
    for steps, name in _uses(flow) if known else ():
        if name not in known:
            yield env.misspelt(ID, steps, f"there is no connection `{name}`", name, known)


def _uses(flow: Flow) -> Iterator[tuple[Steps, str]]:
    for setting in flow.settings:
        if setting.told:
            yield ("settings", setting.name, "told_by"), setting.connection
    for lookup in flow.lookups:
        yield ("lookups", lookup.name, "target"), lookup.connection
    for stream in flow.streams:
        yield ("streams", stream.name, "fetch", "from"), stream.fetch.connection
        if stream.write is not None:
            yield ("streams", stream.name, "write", "to"), stream.write.connection
        if stream.mark_synced is not None:
            yield ("streams", stream.name, "mark_synced", "in"), stream.mark_synced.connection
