"""Keeps the finished report of a comparison, so that a look at it reads a few rows, whatever was ever posted.

A report is true of one moment. What people decide about its differences afterwards is written beside them at once; what is
posted, and what changes in the source, stands in the next report. It is made anew from time to time, and when it is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.jsontext import own, plain
from engine.program import FlowProgram
from engine.reconcile.asking import bound
from engine.reconcile.report import TABLES, Difference, Line, Report, Unposted, known, report
from engine.store import reports, spans
from engine.store.base import Row, Tx
from engine.store.holdings import Accepted
from engine.world import World

TOTALS = "total"
_AMOUNTS = frozenset({"source", "journal", "books"})
# One that is out of date is made anew after ten minutes, and later where that takes long: a twentieth of the time at most.
_ANEW_AFTER_S, _AT_MOST = 600.0, 20
# What takes no longer is made anew for somebody who waits.
_QUICK_MS = 2000
_EVERYTHING = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a comparison without its rows.

    `differences` and `notes` count what was found, `decided` the differences about which somebody has decided since.
    `is_current` says whether nothing at all has happened in the company since it was made, at `made_at` (UTC text).
    """

    span: int
    made_at: str
    took_ms: int
    compared: int
    others: int
    since: int
    differences: int
    notes: int
    decided: int
    later: int
    is_current: bool
    unposted: tuple[Unposted, ...]

    @property
    def open(self) -> int:
        """How many differences nobody has decided about."""
        return self.differences - self.decided


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a kept report. `state_now` is the state of its record, `moved` whether it has changed since."""

    place: int
    difference: Difference
    state_now: str
    moved: bool


def kept(tx: Tx, company: str, span: int) -> Kept | None:
    """What is kept of a comparison; None while its report is not made."""
    row = reports.get(tx, company, span)
    if row is None:
        return None
    seq, held_seq = reports.heads(tx, company)
    decided, _ = reports.decided(tx, span)
    unposted = tuple(
        Unposted(**{**line, "money": {name: Decimal(text) for name, text in line["money"].items()}})
        for line in own(row["unposted"])
    )
    later = reports.posted_since(tx, company, row["held_seq"]) if held_seq > row["held_seq"] else 0
    counts = {name: int(row[name]) for name in ("took_ms", "compared", "others", "since", "differences", "notes")}
    return Kept(
        span=span,
        made_at=row["made_at"],
        decided=decided,
        later=later,
        is_current=row["journal_seq"] == seq,
        unposted=unposted,
        **counts,
    )


def found(tx: Tx, of: Kept, after: int, limit: int) -> list[Found]:
    """What differs, in order, from behind the place `after`."""
    rows = reports.findings(tx, of.span, after, limit)
    return [
        Found(
            row["place"],
            _difference(row),
            str(row["state_now"] or ""),
            bool(row["updated_at"]) and row["updated_at"] > of.made_at,
        )
        for row in rows
    ]


def lines(tx: Tx, span: int, part: str, window: tuple[int, int], *, everything: bool) -> list[tuple[int, Line]]:
    """Lines of a table with their places, from behind the first number of `window`, as many as its second says."""
    rows = reports.sums(tx, (span, part), *window, everything=everything)
    return [(row["place"], _line(own(row["line"]))) for row in rows]


def still_open(tx: Tx, span: int) -> list[Difference]:
    """The differences that nobody has decided about."""
    return [_difference(row) for row in reports.still_open(tx, span)]


def shown(tx: Tx, company: str, record: int) -> Mapping[int, Accepted] | None:
    """What the newest answer shows of one record that was edited there; None while no report of it is kept."""
    row = spans.newest(tx, company)
    if row is None or reports.get(tx, company, row["id"]) is None:
        return None
    text = reports.shown(tx, company, row["id"], record)
    return {record: _accepted(text)} if text else {}


def whole(tx: Tx, company: str, span: int | None = None) -> Report:
    """The kept report with all its rows and what was decided since; without one, what is known without it.

    Raises:
        UnknownName: when there is no such company.
    """
    base, row = known(tx, company, span)
    of = kept(tx, company, row["id"]) if row is not None else None
    if row is None or of is None:
        return base
    rows = reports.findings(tx, of.span, 0, _EVERYTHING)
    tables = {name: _all_lines(tx, of.span, name) for name in TABLES}
    return replace(
        base,
        span=spans.span_of(row),
        read_at=row["answered_at"],
        differences=tuple(_difference(each) for each in rows),
        tables=tables,
        totals=_all_lines(tx, of.span, TOTALS),
        unposted=of.unposted,
        compared=of.compared,
        others=of.others,
        since=of.since,
        shown={each["record_id"]: _accepted(each["shown"]) for each in rows if each["shown"] and not each["decision"]},
        made_at=of.made_at,
        later=of.later,
        is_current=of.is_current,
    )  # fmt: skip


# --- making -----------------------------------------------------------------------------------------------------------


def make(world: World, company: str, programs: Mapping[str, FlowProgram], span: int) -> bool:
    """Compare, and keep what it came to; false when there is nothing to keep. The store is locked for the writing alone.

    Raises:
        FlowctlError: when the company, or the store, is not there any more.
    """
    begun, made_at = world.clock.monotonic(), world.at()
    with world.store.read(company) as tx:
        made = report(tx, company, programs, span)
        seq, held_seq = reports.heads(tx, company)
    if made.span is None:
        return False
    took_ms = int((world.clock.monotonic() - begun) * 1000)
    notes = sum(item.is_note for item in made.differences)
    head = {
        "span": span, "company": company, "made_at": made_at, "journal_seq": seq, "held_seq": held_seq, "took_ms": took_ms,
        "compared": made.compared, "others": made.others, "since": made.since, "notes": notes,
        "differences": len(made.differences) - notes, "unposted": plain([_unposted(line) for line in made.unposted]),
    }  # fmt: skip
    with world.store.write(company) as tx:
        return reports.put(tx, head, list(_findings(made)), _sums(made))


def current(world: World, company: str, programs: Mapping[str, FlowProgram]) -> None:
    """See that the newest answer has a report: made when there is none, and anew when it is old and soon made.

    Raises:
        UnknownName: when there is no such company.
    """
    with world.store.read(company) as tx:
        _, row = known(tx, company)
        of = kept(tx, company, row["id"]) if row is not None else None
    if row is not None and (of is None or (not of.is_current and of.took_ms <= _QUICK_MS)):
        make(world, company, programs, row["id"])


def at_first_look(world: World, company: str, programs: Mapping[str, FlowProgram], span: int) -> None:
    """Make the report of an answer that has none, where that is soon done; else it is made beside."""
    with world.store.read(company) as tx:
        is_due = reports.get(tx, company, span) is None and reports.is_small(tx, company)
        connected = bound(tx, company, programs) if is_due else {}
    if is_due:
        make(world, company, connected, span)


def due(tx: Tx, now: datetime) -> Iterator[tuple[str, int]]:
    """Companies and comparisons whose report is to be made now."""
    for row in reports.due(tx):
        if row["made_at"] is None or row["journal_seq"] < 0:
            yield row["company"], row["span"]
            continue
        wait = timedelta(seconds=max(_ANEW_AFTER_S, _AT_MOST * row["took_ms"] / 1000))
        if from_iso(row["made_at"]) + wait <= now:
            yield row["company"], row["span"]


# --- rows and what they say --------------------------------------------------------------------------------------------


def _findings(made: Report) -> Iterator[reports.Finding]:
    for item in made.differences:
        data = {each.name: getattr(item, each.name) for each in fields(item) if each.name not in ("code", "decided")}
        text = plain({name: f"{v:f}" if isinstance(v, Decimal) else v for name, v in data.items()})
        seen = made.shown.get(item.record) if item.record is not None and item.code == "edited" else None
        there = ""
        if seen is not None:
            there = plain({"differences": list(seen.differences), "there": dict(seen.there), "figures": seen.figures})
        yield reports.Finding(item.record, item.code, item.is_note, text, there)


def _sums(made: Report) -> Iterator[reports.Sum]:
    for part, table in (*made.tables.items(), (TOTALS, made.totals)):
        for line in table:
            amounts = [f"{amount:f}" for amount in (line.source, line.journal, line.books)]
            yield reports.Sum(part, line.differs, plain([line.name, line.currency, *amounts]))


def _unposted(line: Unposted) -> dict[str, Any]:
    told = {name: getattr(line, name) for name in ("flow", "stream", "state", "records")}
    return {**told, "money": {name: f"{amount:f}" for name, amount in line.money.items()}}


def _difference(row: Row) -> Difference:
    data: dict[str, Any] = json.loads(row["finding"])
    amounts: dict[str, Any] = {
        name: Decimal(data.pop(name)) if data[name] is not None else data.pop(name) for name in _AMOUNTS
    }
    decided = f"{row['decision']}, by {row['decided_by']}" if row["decision"] else ""
    return Difference(row["code"], **data, **amounts, decided=decided)


def _accepted(text: str) -> Accepted:
    data = own(text)
    return Accepted(tuple(data["differences"]), data["there"], data["figures"])


def _line(data: Sequence[str]) -> Line:
    name, currency, *amounts = data
    return Line(name, currency, *(Decimal(text) for text in amounts))


def _all_lines(tx: Tx, span: int, part: str) -> tuple[Line, ...]:
    return tuple(line for _, line in lines(tx, span, part, (0, _EVERYTHING), everything=True))
