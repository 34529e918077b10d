"""How companies stand, at a glance: from indexes alone and no further than a limit, so that a million records cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from engine import holdings
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.operator import resting, worklist
from engine.overview import RunLine, SessionLine, run_line, session_of
from engine.store import alerts, browse, companies, work
from engine.store.base import Row, Tx
from engine.store.browse import COUNTED

# What a person must look at.
TROUBLED = ("deferred", "failed", "unknown", "vanished")
# Money is added up where at most so many records of a stream are in a state; of those that nobody must look at, fewer.
_SUMMED, _SUMMED_BESIDE = 500, 100
# A Web Connector that polls comes more often than this.
_SILENT_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Count:
    """How many; `is_more` where the counting stopped."""

    number: int
    is_more: bool = False

    def __add__(self, other: Count) -> Count:
        """Both together."""
        return Count(self.number + other.number, self.is_more or other.is_more)


@dataclass(frozen=True, slots=True)
class Line:
    """The records of a stream in a state; `money` by currency, None where there are too many to add up at once."""

    flow: str
    stream: str
    state: str
    count: Count
    money: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A company at a glance."""

    company: str
    title: str
    time_zone: str
    is_paused: bool
    halted: str
    counts: Mapping[str, Count]
    backlog: Count
    alerts: Count
    session: SessionLine | None
    refused: work.Refusals | None
    # When the oldest record that waits for a person was first read; empty when none waits.
    oldest_at: str = ""
    # How many records of each flow that is off rest: they are not counted as waiting.
    resting: Mapping[str, int] = field(default_factory=dict)

    def count(self, state: str) -> Count:
        """The records in a state."""
        return self.counts.get(state, Count(0))


@dataclass(frozen=True, slots=True)
class Closer:
    """More of one company."""

    lines: tuple[Line, ...]
    runs: tuple[RunLine, ...]
    alerts: tuple[Row, ...] = field(default=())
    # The flows that are off.
    off: frozenset[str] = frozenset()


def standing(tx: Tx, company: Row, *, now_at: str) -> Standing:
    """Look at a company.

    `now_at` is the time now as UTC text.
    """
    name = str(company["company"])
    where = browse.places(tx, name)
    off = resting.off(tx, name)
    awake = [place for place in where if place[0] not in off]
    counts = {state: _count(tx, name, state, awake if state in resting.STATES else where) for state in TROUBLED}
    return Standing(
        name,
        company["title"],
        company["time_zone"],
        bool(company["paused"]),
        holdings.halted(tx, name) or "",
        counts,
        _limited(tx, "browse_backlog", name),
        _limited(tx, "browse_alert_count", name),
        session_of(tx, name),
        work.refusals(tx, name, from_iso(now_at)),
        oldest(tx, name, awake),
        resting.resting(tx, name) if off else {},
    )


def closer(tx: Tx, company: str, states: tuple[str, ...], most_alerts: int) -> Closer:
    """The records of each stream by state, the newest run of each flow, and the newest open alerts."""
    lines = [
        Line(flow, stream, state, found, _money(tx, company, (state, flow, stream), found))
        for flow, stream in browse.places(tx, company)
        for state in states
        if (found := _counted(browse.count(tx, company, state, flow, stream, COUNTED + 1))).number
    ]
    newest = alerts.page(tx, company, alerts.BEYOND, most_alerts, is_over=False)
    return Closer(tuple(lines), tuple(_runs(tx, company)), tuple(newest), resting.off(tx, company))


def page(tx: Tx, after: str, limit: int, now_at: str) -> list[Standing]:
    """The companies behind a name, in the order of their names."""
    rows = tx.rows("browse_companies", {"after": after, "limit": limit})
    return [standing(tx, row, now_at=now_at) for row in rows]


def one(tx: Tx, company: str, now_at: str) -> Standing:
    """One company.

    Raises:
        UnknownName: when there is none of this name.
    """
    return standing(tx, companies.require(tx, company), now_at=now_at)


def health(it: Standing, now_at: str) -> str:
    """How a company is, in a word: what a person must decide comes first."""
    if it.halted:
        return "halted"
    if it.is_paused:
        return "paused"
    if any(it.count(state).number for state in TROUBLED if state != "deferred"):
        return "look"
    if it.count("deferred").number:
        return "waits"
    if it.session is not None and (from_iso(now_at) - from_iso(it.session.seen_at)).total_seconds() > _SILENT_S:
        return "silent"
    return "ok"


def _count(tx: Tx, company: str, state: str, where: list[tuple[str, str]]) -> Count:
    found = Count(0)
    for flow, stream in where:
        found += _counted(browse.count(tx, company, state, flow, stream, COUNTED + 1))
    return found


def _counted(number: int) -> Count:
    return Count(min(number, COUNTED), number > COUNTED)


def _limited(tx: Tx, name: str, company: str) -> Count:
    row = tx.one(name, {"company": company, "limit": COUNTED + 1})
    return _counted(row["count"] if row is not None else 0)


def oldest(tx: Tx, company: str, where: list[tuple[str, str]]) -> str:
    """When the record that was read first of those that wait was read: numbers are given in the order of reading."""
    scope = {"company": company, "state": "deferred"}
    firsts = [tx.one("browse_oldest_in", {**scope, "flow": flow, "stream": stream}) for flow, stream in where]
    numbers = [row["id"] for row in firsts if row is not None and row["id"] is not None]
    row = tx.one("record_get", {"id": min(numbers)}) if numbers else None
    return str(row["created_at"]) if row is not None else ""


def _money(tx: Tx, company: str, where: tuple[str, str, str], found: Count) -> Mapping[str, Decimal] | None:
    state, flow, stream = where
    limit = _SUMMED if state in TROUBLED else _SUMMED_BESIDE
    if found.number > limit:
        return None
    scope = {"company": company, "state": state, "flow": flow, "stream": stream, "limit": limit}
    rows = tx.rows("browse_amounts_in", scope)
    return worklist.sums((row["currency"] or "", Decimal(row["amount"])) for row in rows)


def _runs(tx: Tx, company: str) -> list[RunLine]:
    found, after = [], ""
    while (row := tx.one("browse_run_flow_next", {"company": company, "after": after})) and row["name"] is not None:
        after = str(row["name"])
        newest = tx.one("browse_run_newest", {"company": company, "flow": after})
        if newest is not None:
            found.append(run_line(newest))
    return found
