"""A trigger waits for a visit, but nobody comes: no connection of the flow is one whose agent calls us.

To do: Use `every`; only an agent like the Web Connector visits.

Fails at connections.books:
    {connector: ramp}
Passes:
    {connector: qbwc}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F041"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """`trigger.visit` needs a stream of the flow that reads from, or writes to, a connector that is polled."""
    used = {name for stream in flow.streams for name in (stream.fetch.connection, stream.target)}
    if any(name and (name not in env.specs or env.specs[name].delivery == "pull") for name in used):
        return
    for stream in flow.streams:
        if stream.trigger.visit_s is not None:
            steps = ("streams", stream.name, "trigger", "visit")
            message = "nobody visits: the agent of no connection of this flow calls us"
            yield env.problem(ID, steps, message, "use `every` instead", key=True)
