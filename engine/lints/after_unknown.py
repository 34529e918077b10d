"""A stream comes after a stream that the flow does not have.

To do: Write the name of a stream of this flow.

Fails at streams.bills.after:
    [vendor]
Passes:
    [vendors]
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F027"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare `after` with the declared streams."""
    known = env.declared("streams")
    for stream in flow.streams:
        for index, name in enumerate(stream.after):
            if name not in known:
                steps = ("streams", stream.name, "after", index)
                others = [other for other in known if other != stream.name]
                yield env.misspelt(ID, steps, f"there is no stream `{name}` in this flow", name, others)
