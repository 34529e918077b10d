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
    """Compare the keys of `fetch.with` and `fetch.withdrawn` with the filters of the connector's stream."""
    for stream in flow.streams:
        spec = env.stream_spec(stream)
        if spec is None:
            continue
        known = [f.name for f in spec.filters]
        for under, given in stream.fetch.given:
            for name in given:
                if name in known:
                    continue
                steps = ("streams", stream.name, "fetch", under, name)
                message = f"`{spec.name}` cannot be filtered by `{name}`"
                free = [other for other in known if other not in given]
                if known:
                    yield env.misspelt(ID, steps, message, name, free or known, key=True)
                else:
                    yield env.problem(ID, steps, message, f"`{spec.name}` takes no filters: remove `{under}`", key=True)
