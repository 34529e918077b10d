"""A connection that no stream and no lookup uses; it would still have to be set up.

To do: Use it, or remove it.

Fails at connections.spare:
    {connector: ramp}
Passes:
    null
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F053"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the connections with what is read, written, told and searched."""
    used = {lookup.connection for lookup in flow.lookups} | {setting.connection for setting in flow.settings}
    for stream in flow.streams:
        used |= {stream.fetch.connection, stream.target}
        if stream.mark_synced:
            used.add(stream.mark_synced.connection)
    for connection in flow.connections if env.complete else ():
        if connection.name not in used:
            message = f"the connection `{connection.name}` is never used"
            steps = ("connections", connection.name)
            yield env.problem(
                ID,
                steps,
                message,
                f"use it, for example as `from: {connection.name}`, or remove it",
                key=True,
                level="warning",
            )
