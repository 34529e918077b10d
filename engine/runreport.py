"""What one run did, as data."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dataclass import dataclass
from engine.errors import FlowctlError


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What one run did with one stream, and the error that ended it early, if any."""

    stream: str
    counts: Mapping[str, int]
    error: FlowctlError | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run did."""

    flow: str
    company: str
    streams: tuple[StreamReport, ...]
    marked: int = 0
    mark_errors: tuple[FlowctlError, ...] = ()
    pushed: int = 0
    push_errors: tuple[FlowctlError, ...] = ()
    refused: int = 0
    unknown: int = 0
    list_errors: tuple[FlowctlError, ...] = ()
    # Records that failed when they were prepared after the read: those that waited, or that a person tried again.
    unprepared: int = 0
    # The run's own; 0 for what was done without one.
    number: int = 0

    def count(self, name: str) -> int:
        """A count over all streams; with what failed after the read."""
        later = self.unprepared if name == "failed" else 0
        return later + sum(stream.counts.get(name, 0) for stream in self.streams)

    @property
    def errors(self) -> tuple[FlowctlError, ...]:
        """Everything that kept the run from finishing its work."""
        read = tuple(s.error for s in self.streams if s.error)
        return self.list_errors + read + self.push_errors + self.mark_errors
