"""Streams wait for each other in a circle, so none of them could go first.

To do: Remove one `after` of the circle: what others need goes first.

Fails at streams.vendors.after:
    [bills]
Passes:
    []
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F028"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Find each circle once, at the stream of it that is written first."""
    waits = {stream.name: stream.after for stream in flow.streams}
    reported: set[frozenset[str]] = set()
    for stream in flow.streams:
        circle = _circle(stream.name, waits)
        if circle and frozenset(circle) not in reported:
            reported.add(frozenset(circle))
            shown = " after ".join(f"`{name}`" for name in (*circle, circle[0]))
            hint = "take one of these names out of its `after`"
            yield env.problem(ID, ("streams", stream.name, "after"), f"a circle: {shown}", hint)


def _circle(start: str, waits: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """A shortest way from a stream back to itself."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for way in ways:
        for name in waits.get(way[-1], ()):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()
