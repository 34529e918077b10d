"""A stream filters by what its connector cannot filter by; the source would ignore it.

To do: Write one of the filters that the hint lists, or sort the records out with `select`.

Fails at streams.bills.fetch:
    {from: ramp, stream: bills, with: {sync_redy: true}}
Passes:
    {from: ramp, stream: bills, with: {sync_ready: true}}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F024"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare the keys of `fetch.with` with the filters of the connector's stream."""
    for stream in flow.streams:
        spec = env.stream_spec(stream)
        if spec is None:
            continue
        known = [f.name for f in spec.filters]
        for name in stream.fetch.filters:
            if name not in known:
                steps = ("streams", stream.name, "fetch", "with", name)
                message = f"`{spec.name}` cannot be filtered by `{name}`"
                free = [other for other in known if other not in stream.fetch.filters]
                if known:
                    yield env.misspelt(ID, steps, message, name, free or known, key=True)
                else:
                    yield env.problem(ID, steps, message, f"`{spec.name}` takes no filters: remove `with`", key=True)
