"""Runs many schedules, on several processors, and adds up what they came to."""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from multiprocessing import get_context
from typing import TextIO

from engine.campaign.play import Plan, Result, play
from engine.dataclass import dataclass

MOST_SEEDS = 20
_CHUNK = 20
_BAR = 30


@dataclass(slots=True)
class Summary:
    """Sums over all schedules so far."""

    first_seed: int = 0
    flow: str = ""
    schedules: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    broken: Counter[int] = field(default_factory=Counter)
    failing_seeds: list[int] = field(default_factory=list)
    failing: int = 0
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        """Add one schedule."""
        verdict = result.verdict
        self.schedules += 1
        self.faults.update(result.faults)
        for name in (
            "lost",
            "duplicated",
            "wrong_file",
            "cents_off",
            "stuck",
            "posted",
            "changed",
            "parked",
            "unclaimed",
        ):
            self.counts[name] += getattr(verdict, name)
        self.broken.update({number for number, _ in result.broken})
        if result.failed:
            self.failing += 1
            self.failing_seeds.append(result.seed)

    def as_json(self) -> dict[str, object]:
        """The last line of a campaign."""
        return {
            "flow": self.flow,
            "schedules": self.schedules,
            "faults": sum(self.faults.values()),
            **{name: self.counts[name] for name in ("lost", "duplicated", "wrong_file", "cents_off", "stuck")},
            "invariants_broken": {str(number): count for number, count in sorted(self.broken.items())},
            "failing": self.failing,
            "failing_seeds": sorted(self.failing_seeds)[:MOST_SEEDS],
            "first_seed": self.first_seed,
            "posted": self.counts["posted"],
            "changed": self.counts["changed"],
            "parked": self.counts["parked"],
            "unclaimed": self.counts["unclaimed"],
            "faults_by_name": dict(sorted(self.faults.items())),
            "seconds": round(self.seconds, 1),
        }


def campaign(plan: Plan, seeds: range, jobs: int, shows: TextIO | None = None, most_s: float = float("inf")) -> Summary:
    """Play every seed, in order; those that are not reached within `most_s` seconds are left out.

    `shows` is a terminal for a progress bar.
    """
    plan = replace(plan, keeps=False)
    summary, started = Summary(seeds.start, plan.program.flow.name), time.monotonic()
    results: Iterable[list[Result]] = _alone(plan, seeds) if jobs <= 1 else _shared(plan, seeds, jobs)
    for batch in results:
        if summary.seconds > most_s:
            break
        for result in batch:
            summary.add(result)
            if result.failed:
                _name(result)
        summary.seconds = time.monotonic() - started
        if shows is not None:
            _bar(shows, summary, len(seeds))
    if shows is not None:
        shows.write("\n")
    return summary


def _alone(plan: Plan, seeds: Sequence[int]) -> Iterator[list[Result]]:
    was_enabled = gc.isenabled()
    try:
        for start in range(0, len(seeds), _CHUNK):
            yield _played(plan, seeds[start : start + _CHUNK])
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def _shared(plan: Plan, seeds: range, jobs: int) -> Iterator[list[Result]]:
    """Processes that were forked after the flow was compiled, so that none compiles it again."""
    global _plan  # noqa: PLW0603 - what a forked process inherits
    _plan = plan
    chunks = [range(start, min(start + _CHUNK, seeds.stop)) for start in range(seeds.start, seeds.stop, _CHUNK)]
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_chunk, chunks)


_plan: Plan | None = None


def _chunk(seeds: range) -> list[Result]:
    assert _plan is not None
    return _played(_plan, seeds)


def _played(plan: Plan, seeds: Sequence[int]) -> list[Result]:
    """A chunk of schedules; what they leave behind is collected once, which is a tenth faster than along the way.

    What the first chunk leaves, all modules among it, stays: it is never looked through again. What a later one leaves
    is mostly its last schedule, which the next one lets go.
    """
    gc.disable()
    results = [_short(play(plan, seed)) for seed in seeds]
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()
    return results


def _short(result: Result) -> Result:
    """Without what only a person reads: a hundred thousand timelines are not kept."""
    result.timeline.clear()
    return result


def _name(result: Result) -> None:
    """A person who waits an hour for the sums learns of a failure at once."""
    first = next((text for _, text in result.broken), None) or next(iter(result.verdict.texts), "")
    sys.stderr.write(f"\nseed {result.seed} failed: {first}\n")
    sys.stderr.flush()


def _bar(out: TextIO, summary: Summary, total: int) -> None:
    done = _BAR * summary.schedules // max(1, total)
    pace = summary.seconds / max(1, summary.schedules)
    left = int(pace * (total - summary.schedules))
    bar = f"[{'#' * done}{'.' * (_BAR - done)}] {summary.schedules}/{total}"
    bad = f", {summary.failing} failing" if summary.failing else ""
    out.write(f"\r{bar}, {1000 * pace:.0f} ms each, {left // 60}:{left % 60:02d} left{bad} ")
    out.flush()


def report(result: Result) -> str:
    """One schedule for a person: its timeline, and what was wrong."""
    faults = ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items()))
    wrong = [*(f"invariant {number}: {text}" for number, text in result.broken), *result.verdict.texts]
    lines = [f"seed {result.seed}: {faults or 'no faults'}", *result.timeline, *wrong]
    return "\n".join([*lines, "FAILED" if result.failed else "nothing was wrong"])


def terminal() -> TextIO | None:
    """Standard error when a person looks at it."""
    return sys.stderr if sys.stderr.isatty() else None
