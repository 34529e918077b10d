"""Figures of the whole store for machines that watch it: bounded counts, a page of companies at a time, kept for some seconds.

A look at ten thousand companies takes part of a second, of which no transaction takes more than some milliseconds; so
that looking never takes more than a fiftieth of the time, the next look waits fifty times as long as this one took.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field

from engine import standing
from engine.clock import Clock, from_iso, iso
from engine.dataclass import dataclass
from engine.errors import StoreError
from engine.operator import resting
from engine.store import browse, work
from engine.store.base import HOUSE, Row, Store, Tx
from engine.store.browse import COUNTED

# States that are not final: what is in one of them waits for something, or for somebody.
OPEN = ("pending", "intended", "sent", "deferred", "unknown", "failed", "vanished")
# By how long ago the Web Connector called, in seconds.
AGES = (("5m", 300.0), ("1h", 3600.0), ("1d", 86400.0), ("7d", 604800.0))
KEPT_S = 10.0
_SPARING = 50.0
# Whoever asks does not wait for a look that takes longer.
_LONG_S = 1.0
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class CompanyFigures:
    """One company; times as UTC text, empty for never."""

    company: str
    seen_at: str
    oldest_at: str
    backlog: int
    records: Mapping[str, int]
    alerts: int


@dataclass(slots=True)
class Figures:
    """All companies together, and the first so many of them one by one."""

    companies: int = 0
    paused: int = 0
    halted: int = 0
    backlog: int = 0
    untold: int = 0
    taken: int = 0
    oldest_at: str = ""
    tasks: Counter[str] = field(default_factory=lambda: Counter(waiting=0, running=0))
    oldest_task_at: str = ""
    records: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OPEN, 0)))
    alerts: Counter[str] = field(default_factory=Counter[str])
    polled: Counter[str] = field(default_factory=Counter[str])
    each: list[CompanyFigures] = field(default_factory=list)
    read_at: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Gauges:
    """Looks when it is asked and the last look is old; `most_each` is how many companies it remembers one by one."""

    store: Store
    clock: Clock
    most_each: int
    _kept: Figures | None = None
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def figures(self) -> Figures:
        """The figures as they are, or were some seconds ago; where a look takes long, nobody but the first waits for it."""
        kept = self._kept
        if kept is not None and self.clock.monotonic() < self._until:
            return kept
        if kept is not None and kept.seconds > _LONG_S:
            if not self._lock.locked():
                threading.Thread(target=self._again, name="flowctl-gauges", daemon=True).start()
            return kept
        return self._look()

    def _look(self) -> Figures:
        with self._lock:
            if self._kept is None or self.clock.monotonic() >= self._until:
                began = self.clock.monotonic()
                found = look(self.store, self.clock, self.most_each)
                found.seconds = self.clock.monotonic() - began
                self._until = self.clock.monotonic() + max(KEPT_S, _SPARING * found.seconds)
                self._kept = found
            return self._kept

    def _again(self) -> None:
        # The figures say themselves how old they are, and the log of whoever needs the store why it is not there.
        with suppress(StoreError):
            self._look()


def look(store: Store, clock: Clock, most_each: int) -> Figures:
    """Read the figures of every company."""
    found, after = Figures(read_at=iso(clock.now())), ""
    with store.read(HOUSE) as tx:
        taken = tx.one("counter_get", {"name": "record"})
        found.taken = int(taken["value"]) if taken is not None else 0
        for row in work.alerts(tx, ""):  # of user names that nobody has, and the like
            found.alerts[row["kind"]] += 1
    with store.read() as tx:  # of all companies
        for row in tx.rows("turns_open_count", {}):
            found.tasks[row["state"]] = row["count"]
            found.oldest_task_at = row["first_at"] if row["state"] == "waiting" else found.oldest_task_at
    while True:
        with store.read() as tx:
            rows = tx.rows("gauges_companies", {"after": after, "limit": COUNTED, "companies": _AT_ONCE})
            if rows:
                _page(tx, found, rows, after, most_each)
        if len(rows) < _AT_ONCE:
            return found
        after = rows[-1]["company"]


def _page(tx: Tx, found: Figures, rows: list[Row], after: str, most_each: int) -> None:
    scope = {"after": after, "upto": rows[-1]["company"]}
    records: dict[str, dict[str, int]] = {}
    for row in tx.rows("gauges_records", {**scope, "limit": COUNTED}):
        records.setdefault(row["company"], {})[row["state"]] = row["count"]
    awake = {
        row["company"]: places
        for row in tx.rows("gauges_switched", scope)
        if (places := _awake(tx, row["company"])) is not None
    }
    alerts: Counter[str] = Counter()
    for row in tx.rows("gauges_alerts", scope):
        alerts[row["company"]] += row["count"]
        found.alerts[row["kind"]] += row["count"]
    for row in rows:
        name, counts = row["company"], records.get(row["company"], {})
        oldest_at = row["oldest_at"] or ""
        if name in awake:  # what rests since its flow is off waits for nobody
            counts |= {state: _counted(tx, name, state, awake[name]) for state in resting.STATES}
            oldest_at = standing.oldest(tx, name, awake[name])
        elif counts.get("deferred", 0) >= COUNTED:  # there are more than were looked at
            oldest_at = standing.oldest(tx, name, browse.places(tx, name))
        found.companies += 1
        found.paused += bool(row["paused"])
        found.halted += bool(row["halted"])
        found.backlog += row["backlog"]
        found.untold += row["unasked"] + row["calling"]
        found.oldest_at = min(filter(None, (found.oldest_at, oldest_at)), default="")
        found.records.update(counts)
        found.polled[_age(row["seen_at"], found.read_at)] += 1
        if len(found.each) < most_each:
            seen_at = row["seen_at"] or ""
            found.each.append(CompanyFigures(name, seen_at, oldest_at, row["backlog"], counts, alerts[name]))


def _awake(tx: Tx, company: str) -> list[tuple[str, str]] | None:
    """The flows and streams that are not off; None where none is."""
    off = resting.off(tx, company)
    return [place for place in browse.places(tx, company) if place[0] not in off] if off else None


def _counted(tx: Tx, company: str, state: str, places: list[tuple[str, str]]) -> int:
    return min(COUNTED, sum(browse.count(tx, company, state, flow, stream) for flow, stream in places))


def _age(seen_at: str | None, now_at: str) -> str:
    if not seen_at:
        return "never"
    age_s = (from_iso(now_at) - from_iso(seen_at)).total_seconds()
    return next((word for word, limit in AGES if age_s <= limit), "older")
