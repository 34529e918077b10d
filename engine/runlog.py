"""What a run leaves behind for people: when each of its steps ended, and what kept it from finishing its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.dataclass import dataclass
from engine.errors import (
    AuthExpired,
    AuthRefused,
    BadAnswer,
    BeingRead,
    FlowctlError,
    NotAsSent,
    Rejected,
    StoreError,
    Transient,
    UsageError,
)
from engine.holders import drop_name, take_counted_name
from engine.runreport import RunReport, StreamReport
from engine.store import work
from engine.store.base import Tx
from engine.world import World

# Nobody reads more of one run, and a row stays small.
_MOST, _LONGEST = 20, 500
# The kinds of trouble that a person tells apart: the first class that fits.
_KINDS: tuple[tuple[type[FlowctlError], str], ...] = (
    (BeingRead, "busy"),
    (Transient, "unreached"),
    (AuthExpired, "sign_in"),
    (NotAsSent, "not_as_sent"),
    (AuthRefused, "sign_in"),
    (Rejected, "refused"),
    (BadAnswer, "answer"),
    (StoreError, "store"),
    (UsageError, "set_up"),
)
# What ended it when it was none of the streams' own troubles.
_BROKEN = {"kind": "broken", "stream": "", "message": "", "hint": ""}


@dataclass(slots=True)
class RunLog:
    """The run `number` of this process, written down as it goes on and kept with its end."""

    world: World
    number: int
    process: str
    _steps: list[Mapping[str, str]] = field(default_factory=list)

    def step(self, what: str, stream: str = "") -> None:
        """A step has ended now: `lists`, `read` (of a stream), `write`, `tell`."""
        self._steps.append({"what": what, "stream": stream, "at": self.world.at()})

    def let_go(self) -> None:
        """The run is over, whether or not the store can be told: nobody is to believe that it goes on."""
        drop_name(self.process)

    def end(self, tx: Tx, reports: list[StreamReport], report: RunReport | None) -> None:
        """Keep how the run ended; without a report it broke off, and what it has read by then is all."""
        found = _problems(report) if report is not None else [_BROKEN]
        counts = {stream.stream: dict(stream.counts) for stream in reports}
        outcome = "failed" if found else "done"
        told = work.Told(tuple(found[:_MOST]), tuple(self._steps))
        work.finish_run(tx, self.number, outcome, counts, self.world.at(), told)


def begun(world: World, tx: Tx, company: str, flow: str) -> RunLog:
    """Begin a run; whoever does has it let go at its end."""
    process = take_counted_name()
    return RunLog(world, work.begin_run(tx, company, flow, world.at(), process), process)


def _problems(report: RunReport) -> list[Mapping[str, str]]:
    """In the order of `RunReport.errors`."""
    found = [_problem(error) for error in report.list_errors]
    found += [_problem(stream.error, stream.stream) for stream in report.streams if stream.error is not None]
    return found + [_problem(error) for error in (*report.push_errors, *report.mark_errors)]


def _problem(error: FlowctlError, stream: str = "") -> Mapping[str, str]:
    kind = next((kind for known, kind in _KINDS if isinstance(error, known)), "other")
    hint = error.hint or ""
    return {"kind": kind, "stream": stream, "message": str(error)[:_LONGEST], "hint": hint[:_LONGEST]}
