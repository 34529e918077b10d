"""Runs many points on several stages at once, and adds up what they came to."""

from __future__ import annotations

import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tests.crash.play import Counted, Result, count, play
from tests.crash.points import Point, plan
from tests.crash.stage import Mode, Stage, stage

_BAR = 30
MODES: tuple[Mode, ...] = ("persist", "wal")
# Of the points of the mode that is not the one of this machine's SQLite.
_OTHER_SHARE = 0.2


@dataclass(slots=True)
class Summary:
    """Sums over all points so far."""

    planned: int = 0
    points: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    failing: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Add one point."""
        self.points += 1
        if not result.struck.happened:
            self.counts["unreached"] += 1
        else:
            fault = result.point.fault
            name = {"kill": "killed", "full": "enospc", "broken": "eio"}.get(fault, fault)
            self.counts[name] += 1
            self.calls[result.point.group.mode, _kind(result.struck.file), result.struck.call] += 1
        if result.wrong:
            self.failing.append(result)

    def as_json(self) -> dict[str, object]:
        """The last line of a campaign."""
        return {
            "points": self.points,
            **{name: self.counts[name] for name in ("killed", "eio", "enospc", "unreached")},
            "bad": len(self.failing),
            "failing": [str(result.point) for result in self.failing],
            "seconds": round(self.seconds, 1),
        }


def _kind(file: str) -> str:
    if file.startswith("flowctl.db"):
        return {"": "store", "-journal": "journal", "-wal": "write-ahead log"}.get(
            file[len("flowctl.db") :], "shared memory"
        )
    if file.startswith("checkpoints"):
        return "checkpoints"
    return {"serve.log": "log", "flowctl.lock": "lock"}.get(file, "folder")


@dataclass(slots=True)
class Crew:
    """Stages, one for each job."""

    stages: Sequence[Stage]

    def count(self, modes: Sequence[Mode]) -> dict[Mode, Counted]:
        """Dry runs."""
        with ThreadPoolExecutor(len(self.stages)) as pool:
            jobs = [(mode, pool.submit(count, self.stages[n % len(self.stages)], mode)) for n, mode in enumerate(modes)]
            return {mode: job.result() for mode, job in jobs}

    def play(self, points: Sequence[Point]) -> Iterator[Result]:
        """Play every point, in the order in which they end."""
        free: queue.SimpleQueue[Stage] = queue.SimpleQueue()
        for item in self.stages:
            free.put(item)

        def one(point: Point) -> Result:
            mine = free.get()
            try:
                return play(mine, point)
            finally:
                free.put(mine)

        with ThreadPoolExecutor(len(self.stages)) as pool:
            for job in as_completed([pool.submit(one, point) for point in points]):
                yield job.result()


@contextmanager
def crew(jobs: int, folder: Path) -> Iterator[Crew]:
    """So many stages in a folder."""
    with ExitStack() as opened:
        yield Crew([opened.enter_context(stage(folder / f"job-{n}")) for n in range(jobs)])


def points_of(counted: dict[Mode, Counted], count: int, seed: int, usual: Mode) -> list[Point]:
    """So many points: most in the journal mode of this machine's SQLite, the others in the other one."""
    found: list[Point] = []
    for mode, dry in counted.items():
        others = round(count * _OTHER_SHARE) if len(counted) > 1 else 0
        wanted = count - others if mode == usual else others
        found += plan(dry.calls, dry.answers, wanted, seed)
    return found


def campaign(crew_: Crew, points: Sequence[Point], shows: TextIO | None = None) -> Summary:
    """Play every point; `shows` is a terminal for a progress bar."""
    summary, started = Summary(len(points)), time.monotonic()
    for result in crew_.play(points):
        summary.add(result)
        summary.seconds = time.monotonic() - started
        if shows is not None:
            _bar(shows, summary)
    if shows is not None:
        shows.write("\n")
    return summary


def _bar(out: TextIO, summary: Summary) -> None:
    done = _BAR * summary.points // max(1, summary.planned)
    pace = summary.seconds / max(1, summary.points)
    left = int(pace * (summary.planned - summary.points))
    bar = f"[{'#' * done}{'.' * (_BAR - done)}] {summary.points}/{summary.planned}"
    bad = f", {len(summary.failing)} bad" if summary.failing else ""
    out.write(f"\r{bar}, {pace:.1f} s each, {left // 60}:{left % 60:02d} left{bad} ")
    out.flush()


def report(result: Result) -> str:
    """One point for a person."""
    where = f"{result.struck.call} of {result.struck.file or 'a folder'}" if result.struck.happened else "not reached"
    ends = "the process was gone" if result.died else "the process lived on"
    lines = [f"{result.point}: {where}; {ends}; {result.seconds:.1f} s", *(f"  {text}" for text in result.wrong)]
    return "\n".join(lines)


def terminal() -> TextIO | None:
    """Standard error when a person looks at it."""
    return sys.stderr if sys.stderr.isatty() else None
