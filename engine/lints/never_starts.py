"""Nothing ever starts a stream: it has no trigger, and no stream with one reads the same thing.

To do: Give the stream a `trigger`, or leave it when only `flowctl run` is to start it.

Fails at streams.vendors.trigger:
    null
Passes:
    {every: 6h}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F038"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """A stream without a trigger shares the reading of another, or it is only ever run by hand."""
    started = {s.fetch.identity for s in flow.streams if s.trigger.starts}
    for stream in flow.streams if env.complete else ():
        if stream.fetch.identity not in started:
            message = f"nothing starts the stream `{stream.name}`"
            hint = "give it a `trigger`, for example `trigger: {every: 1h}`"
            yield env.problem(ID, ("streams", stream.name), message, hint, key=True, level="warning")
