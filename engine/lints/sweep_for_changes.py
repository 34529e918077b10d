"""A stream asks for changes only, but its source lists everything each time, or another stream reads along without it.

To do: Remove `sweep` where the source lists everything, and write the same one where streams read the same.

Fails at streams.bills.fetch:
    {from: ramp, stream: bills, sweep: 6h}
Passes:
    {from: ramp, stream: bills}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F040"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """`fetch.sweep` is for streams with a watermark; those that read the same thing are read at once, and agree on it."""
    first: dict[str, str] = {}
    for stream in flow.streams:
        fetch, steps = stream.fetch, ("streams", stream.name, "fetch")
        spec = env.stream_spec(stream)
        if fetch.sweep_s is not None and spec is not None and spec.changes != "since":
            message = f"`{fetch.connection}` cannot be asked for the changes of `{spec.name}`: every read lists all"
            yield env.problem(ID, (*steps, "sweep"), message, "remove `sweep`", key=True)
            continue
        other = flow.stream(first.setdefault(fetch.identity, stream.name))
        if other is not None and other.fetch.sweep_s != fetch.sweep_s:
            message = f"the stream `{other.name}` reads the same with another `sweep`"
            shown = env.text(("streams", other.name, "fetch", "sweep"))
            hint = f"write `sweep: {shown}` here too" if shown else f"write it under `{other.name}` too, or remove it"
            yield env.problem(ID, (*steps, "sweep") if env.has((*steps, "sweep")) else steps, message, hint, key=True)
