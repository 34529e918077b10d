"""Counts of what happened to records by day, kept with each step, so that charts never look at the records themselves."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.store.base import Row, Tx

_MIN, _H, _D = 60, 3600, 86400
# How long something took is kept as the first of these spans, in seconds, that it fits in.
WITHIN_S = (
    1, 2, 3, 5, 10, 15, 20, 30, 45, _MIN, 2 * _MIN, 3 * _MIN, 5 * _MIN, 10 * _MIN, 15 * _MIN, 20 * _MIN, 30 * _MIN,
    45 * _MIN, _H, 2 * _H, 3 * _H, 4 * _H, 6 * _H, 8 * _H, 12 * _H, 18 * _H, _D, 2 * _D, 3 * _D, 4 * _D, 5 * _D, 7 * _D,
    10 * _D, 14 * _D, 21 * _D, 30 * _D, 45 * _D, 60 * _D, 90 * _D, 180 * _D, 365 * _D, 3650 * _D,
)  # fmt: skip
# What a record comes to that is counted.
COUNTED = frozenset({"posted", "deferred", "failed", "skipped"})
# How many, by what it was, seconds, flow and stream.
_Found = Counter[tuple[str, int, str, str]]
# The same with how many were posted of each run, by company and time.
_Sums = dict[tuple[str, str], tuple[_Found, Counter[int]]]
_together: ContextVar[_Sums | None] = ContextVar("flowctl_tallies", default=None)
_FROM_ELSEWHERE = frozenset({"posted", "closed", "vanished"})


@dataclass(frozen=True, slots=True)
class Step:
    """A record, where it was (empty when it was not there yet), where it is now, and whether a person only said so."""

    record: Row
    came_from: str
    to: str
    is_said: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """How many records took a step on a day, or in a month. Of what was posted `within_s` says how long that took."""

    day: str
    what: str
    within_s: int
    number: int


def came(tx: Tx, company: str, at: str, place: tuple[str, str, str], states: Iterable[str]) -> None:
    """Count records that were read for the first time; `place` is their flow, stream and phase."""
    flow, stream, phase = place
    if phase == "watch":
        return  # is only compared
    found: _Found = Counter()
    for state in states:
        found["read", 0, flow, stream] += 1
        if state in COUNTED:
            found[state, 0, flow, stream] += 1
    _add(tx, company, at, found)


def went(tx: Tx, company: str, at: str, steps: Iterable[Step]) -> None:
    """Count what records came to. One that was woken and stays where it was is not counted twice."""
    found: _Found = Counter()
    runs: Counter[int] = Counter()
    for step in steps:
        if step.to == "posted" and step.came_from not in _FROM_ELSEWHERE:
            record = _whole(tx, step.record)
            found["posted", within_s(record["created_at"], at), record["flow"], record["stream"]] += 1
            runs[record["first_run"]] += 1
        elif _is_news(tx, step):
            found[step.to, 0, step.record["flow"], step.record["stream"]] += 1
    together = _together.get()
    if together is not None:
        steps_of, runs_of = together.setdefault((company, at), (Counter(), Counter()))
        steps_of.update(found)
        runs_of.update(runs)
    else:
        _write(tx, company, at, found, runs)


@contextmanager
def together(tx: Tx) -> Iterator[None]:
    """Write what records come to inside once, at the end: the same rows, whatever the number of the steps.

    Nothing is written after an error; the transaction is taken back then.
    """
    if _together.get() is not None:
        yield
        return
    sums: _Sums = {}
    token = _together.set(sums)
    try:
        yield
    finally:
        _together.reset(token)
    for (company, at), (found, runs) in sums.items():
        _write(tx, company, at, found, runs)


def of(tx: Tx, company: str, flow: str, days: tuple[str, str], *, by_month: bool = False) -> list[Count]:
    """What happened from one day to another, in the order of days; without a flow that of all.

    By month, the day is one such as `2026-03`.
    """
    scope = {
        "company": company,
        "flow": flow,
        "first_on": days[0],
        "last_on": days[1],
        "letters": 7 if by_month else 10,
    }
    return [Count(row["day"], row["what"], row["within_s"], row["number"]) for row in tx.rows("tallies_of", scope)]


def begin_on(tx: Tx, company: str) -> str:
    """The first day that anything was counted on; empty when nothing was."""
    row = tx.one("tallies_begin", {"company": company})
    return str(row["day"]) if row is not None and row["day"] else ""


def within_s(since: str, until: str) -> int:
    """The first span that fits, in seconds; both are UTC text. A clock that was set back took no time."""
    seconds = (from_iso(until) - from_iso(since)).total_seconds()
    return WITHIN_S[min(bisect_left(WITHIN_S, seconds), len(WITHIN_S) - 1)]


@lru_cache(maxsize=1024)
def _day_of_minute(minute: str, zone: str) -> str:
    try:
        return from_iso(f"{minute}:00.000000Z").astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return minute[:10]  # this machine does not know the zone


def day_in(at: str, zone: str) -> str:
    """The day of a moment, UTC text, in a zone; in UTC where this machine does not know it."""
    return at[:10] if zone == "UTC" else _day_of_minute(at[:16], zone)


def _write(tx: Tx, company: str, at: str, found: _Found, runs: Counter[int]) -> None:
    if found:
        _add(tx, company, at, found)
    if runs:
        tx.many("tally_run", [(number, run) for run, number in sorted(runs.items())])


def _add(tx: Tx, company: str, at: str, found: _Found) -> None:
    row = tx.one("tally_zone", {"company": company})
    day = day_in(at, row["time_zone"] if row is not None else "UTC")
    # Always in one order, as two transactions that meet must lock.
    tx.many("tally_add", [(company, day, *key, number) for key, number in sorted(found.items())])


def _is_news(tx: Tx, step: Step) -> bool:
    """Whether it is there for the first time since somebody did something: a pending record keeps the reasons it had."""
    if step.to == "posted" or step.is_said or step.record["phase"] == "watch":
        return False
    if step.to == "failed" or step.came_from != "pending" or step.record["reasons"] == "[]":
        return True
    # It was looked at again: one that waited and is now left out, or the other way round, is not where it was.
    row = tx.one("tally_waited_as", {"record_id": step.record["id"]})
    return row is None or row["state_from"] != step.to


def _whole(tx: Tx, record: Row) -> Row:
    """The record with what never changes of it; a caller may have read a part."""
    try:
        record["first_run"], record["created_at"]
    except (IndexError, KeyError):
        pass
    else:
        return record
    found = tx.one("record_get", {"id": record["id"]})
    return record if found is None else found
