"""What surrounds a run: its span, its figures and its id in the log; and which streams are read together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from engine.clock import Clock
from engine.contract import Page
from engine.dataclass import dataclass
from engine.program import FlowProgram, StreamProgram
from engine.telemetry import meter, meters, trace
from engine.telemetry.correlation import correlated, of_run


@dataclass(slots=True)
class Ended:
    """How a run has ended."""

    outcome: str = "failed"


@contextmanager
def measured(clock: Clock, company: str, flow: str, number: int) -> Iterator[Ended]:
    """Inside is the run; whoever runs it says at the end what it came to."""
    ended, began_s = Ended(), clock.monotonic()
    try:
        with correlated(of_run(number)), trace.span("run", {"company": company, "flow": flow, "run": number}):
            yield ended
    finally:
        meter.add(meters.RUNS, flow, ended.outcome)
        meter.observe(meters.RUN_SECONDS, clock.monotonic() - began_s, flow)


def fetched(pages: Iterable[Page], connection: str, stream: str) -> Iterator[Page]:
    """The pages as they come, each with a span over the time that the source took."""
    if not trace.is_on():
        yield from pages
        return
    following = iter(pages)
    while True:
        with trace.span("fetch", {"connection": connection, "stream": stream}):
            page = next(following, None)
        if page is None:
            return
        yield page


def sweep_s(group: Sequence[StreamProgram]) -> int | None:
    """How often streams that are read together list everything; None when each time."""
    sweeps = [stream.stream.fetch.sweep_s for stream in group]
    return min((sweep for sweep in sweeps if sweep is not None), default=None) if None not in sweeps else None


def read_along(program: FlowProgram, streams: Sequence[str] | None) -> list[str]:
    """The streams that are read when these are: they, and those that fetch the same."""
    every = [compiled.stream for compiled in program.streams]
    wanted = {s.fetch.identity for s in every if streams is None or s.name in streams}
    return [s.name for s in every if s.fetch.identity in wanted]
