"""A stream fetches what its connector does not offer.

To do: Write one of the streams that the hint lists; `flowctl connectors NAME` describes them.

Fails at streams.bills.fetch:
    {from: ramp, stream: bilss}
Passes:
    {from: ramp, stream: bills}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.listspec import stream_of, streams_of
from engine.model import Flow

ID = "F023"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare `fetch.stream` with the connector's streams."""
    for stream in flow.streams:
        spec = env.specs.get(stream.fetch.connection)
        if spec is not None and stream_of(spec, stream.fetch.stream) is None:
            steps = ("streams", stream.name, "fetch", "stream")
            message = f"`{spec.name}` has no stream `{stream.fetch.stream}`"
            yield env.misspelt(ID, steps, message, stream.fetch.stream, streams_of(spec))
