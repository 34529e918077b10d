"""Finds records among a million: by state, flow, party, amount, date and text, a page at a time, never by a scan.

One filter that few records pass is looked up in its index, and the others are held against what it finds. Whether they are
few is one question, which the index answers by itself. Where every filter lets many pass, the newest records are looked
through, more with every step; whoever asks is told where that ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from engine.dataclass import dataclass
from engine.jsontext import plain
from engine.store.base import Row, Tx

# A filter that at most so many records pass is narrow: all of them are looked at, and the answer is complete.
NARROW = 2000
# So many records are looked through for one page where no filter is narrow, in steps of that many at most.
_LOOKED_THROUGH, _STEP = 2000, 500
# So many numbers of a state and stream are read at once.
_AT_ONCE = 51
# Counts go no further than this.
COUNTED = 10_000
_BEYOND = (1 << 63) - 1
_HIGHEST = chr(0x10FFFF)
# As the store's `lower` does it: letters outside ASCII stay as they are.
_LOWER = str.maketrans({letter: letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})


@dataclass(frozen=True, slots=True)
class Filters:
    """What is looked for; empty text for a filter that is not given.

    `party` is how it begins; `text` how a party, a reference or an id in the source begins, or, where none does, what is
    within one. `least` and `most` are decimal text, `first_on` and `last_on` days. `run` is the run that read them first.
    """

    state: str = ""
    flow: str = ""
    stream: str = ""
    party: str = ""
    least: str = ""
    most: str = ""
    first_on: str = ""
    last_on: str = ""
    text: str = ""
    run: int = 0

    @property
    def look_closer(self) -> bool:
        """Whether more is asked for than where a record is."""
        return bool(self.party or self.least or self.most or self.text or self.is_dated or self.run)

    @property
    def is_dated(self) -> bool:
        """Whether days are asked for; what is found is in the order of days then."""
        return bool(self.first_on or self.last_on)


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which record a page begins: a day, where they are in the order of days, and a number."""

    id: int = _BEYOND
    dated_on: str = "~"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of records, newest first. `following` is where the next one begins, None at the end.

    `is_whole` is False where the page is not full and older records were not looked at yet.
    """

    rows: tuple[Row, ...]
    following: Place | None
    is_whole: bool = True


def lowered(text: str) -> str:
    """Text as the store compares it."""
    return text.translate(_LOWER)


def places(tx: Tx, company: str, flow: str = "") -> list[tuple[str, str]]:
    """The flows and streams of which there are records."""
    return [(name, stream) for name in _flows(tx, company, flow) for stream in _hops(tx, company, name)]


def _flows(tx: Tx, company: str, flow: str) -> Iterator[str]:
    if flow:
        yield flow
        return
    after = ""
    while (row := tx.one("browse_flow_next", {"company": company, "after": after})) and row["name"] is not None:
        yield (after := str(row["name"]))


def _hops(tx: Tx, company: str, flow: str) -> Iterator[str]:
    after = ""
    scope = {"company": company, "flow": flow}
    while (row := tx.one("browse_stream_next", {**scope, "after": after})) and row["name"] is not None:
        yield (after := str(row["name"]))


def page(tx: Tx, company: str, filters: Filters, behind: Place, size: int) -> Found:
    """A page of what the filters let pass, newest first; by day where days are asked for."""
    if filters.run and not _is_of(tx, company, filters.run):
        return Found((), None)
    narrow, within = _narrow(tx, company, filters) if filters.look_closer else (None, "")
    if narrow is None:
        return _walk(tx, company, filters, within, (behind, size))
    rows = [row for row in _rows(tx, filters, narrow, within) if _key(row, filters) < _key_of(behind, filters)]
    return Found(tuple(rows[:size]), _place(rows[size - 1]) if len(rows) > size else None)


def _is_of(tx: Tx, company: str, run: int) -> bool:
    """Whether a run is one of the company's: its records are then, too."""
    row = tx.one("run_get", {"id": run})
    return row is not None and row["company"] == company


def count(tx: Tx, company: str, state: str, flow: str, stream: str, limit: int = COUNTED) -> int:
    """How many records there are, no further than `limit`."""
    scope = {"company": company, "state": state, "flow": flow, "stream": stream}
    row = tx.one("browse_count_in", {**scope, "limit": limit})
    return int(row["count"]) if row is not None else 0


# --- one narrow filter -----------------------------------------------------------------------------------------------


def _narrow(tx: Tx, company: str, filters: Filters) -> tuple[set[int] | None, str]:
    """The records that the narrow filters let pass, None when none is narrow; and the text that is still to be found."""
    begins = _begins(tx, company, filters.text) if filters.text else None
    ways = [begins or None, *_ways(tx, company, filters)]
    within = f"%{_escaped(lowered(filters.text))}%" if filters.text and not begins else ""
    found = [way for way in ways if way is not None]
    return (set.intersection(*found) if found else None), within


def _ways(tx: Tx, company: str, filters: Filters) -> Iterator[set[int] | None]:
    scope = {"company": company}
    if filters.party:
        yield _known(tx, "browse_ids_party", {**scope, **_span(filters.party)})
    if filters.least or filters.most:
        yield _known(
            tx, "browse_ids_amount", {**scope, "least": filters.least or "-1e18", "most": filters.most or "1e18"}
        )
    if filters.is_dated:
        yield _known(tx, "browse_ids_dated", {**scope, **_days(filters), "dated_on": "~", "before": _BEYOND})
    if filters.run:
        yield _known(tx, "browse_ids_run", {"run": filters.run, "before": _BEYOND})
    # Where no state or stream is asked for, this would only count all there are.
    if filters.state or filters.flow or filters.stream:
        yield _listed(tx, company, filters)


def _listed(tx: Tx, company: str, filters: Filters) -> set[int] | None:
    """The records of a state, flow and stream, or None when they are many."""
    found: set[int] = set()
    for name, scope in _lists(tx, company, filters):
        ids = _known(tx, name, {**scope, "before": _BEYOND})
        if ids is None or len(found) + len(ids) > NARROW:
            return None
        found |= ids
    return found


def _begins(tx: Tx, company: str, text: str) -> set[int] | None:
    """The records whose party, reference or source id begins so, or whose number it is; None when they are many."""
    found: set[int] = set()
    for name in ("browse_ids_reference", "browse_ids_source", "browse_ids_party"):
        ids = _known(tx, name, {"company": company, **_span(text)})
        if ids is None:
            return None
        found |= ids
    if text.isascii() and text.isdigit() and len(text) <= 18:
        row = tx.one("record_get", {"id": int(text)})
        found |= {row["id"]} if row is not None and row["company"] == company else set()
    return found


def _known(tx: Tx, name: str, scope: Mapping[str, object]) -> set[int] | None:
    """The ids, or None when they are many: whether there is one beyond is asked first, and none of many is fetched."""
    if tx.rows(name, {**scope, "limit": 1, "skip": NARROW}):
        return None
    return {row["id"] for row in tx.rows(name, {**scope, "limit": NARROW, "skip": 0})}


# --- the newest ones, one after the other ----------------------------------------------------------------------------


def _walk(tx: Tx, company: str, filters: Filters, within: str, part: tuple[Place, int]) -> Found:
    """A page of what is found by looking through the records from its beginning; `part` is that, and the page's size."""
    behind, size = part
    ids = _by_day(tx, company, filters, behind) if filters.is_dated else _by_number(tx, company, filters, behind)
    rows: list[Row] = []
    # What most records pass needs few of them; what hardly any passes is not asked for in many small steps.
    looked, step = 0, min(size + 1, _STEP) if filters.look_closer else size + 1
    while steps := list(islice(ids, min(step, max(1, _LOOKED_THROUGH - looked)))):
        looked += len(steps)
        step = min(2 * step, _STEP) if filters.look_closer else step
        rows += _rows(tx, filters, {place.id for place in steps}, within)
        if len(rows) > size:
            return Found(tuple(rows[:size]), _place(rows[size - 1]))
        if looked >= _LOOKED_THROUGH:
            return Found(tuple(rows), steps[-1], is_whole=False)
    return Found(tuple(rows), None)


def _by_number(tx: Tx, company: str, filters: Filters, behind: Place) -> Iterator[Place]:
    if filters.run:
        return (Place(number) for number in _of_run(tx, filters.run, behind.id))
    return (Place(number) for number in _in_order(tx, company, filters, behind.id))


def _of_run(tx: Tx, run: int, before: int) -> Iterator[int]:
    while rows := tx.rows("browse_ids_run", {"run": run, "before": before, "limit": _STEP, "skip": 0}):
        for row in rows:
            yield (before := row["id"])
        if len(rows) < _STEP:
            return


def _in_order(tx: Tx, company: str, filters: Filters, before: int) -> Iterator[int]:
    """The records of the state, flow and stream that are asked for, newest first: all their lists, merged as they are used."""
    lists = [_list(tx, name, scope, before) for name, scope in _lists(tx, company, filters)]
    return heapq.merge(*lists, reverse=True)


def _lists(tx: Tx, company: str, filters: Filters) -> Iterator[tuple[str, dict[str, object]]]:
    """What lists the records of each stream that is asked for: a statement, and what it is given."""
    name = "browse_ids_in" if filters.state else "browse_ids_of"
    state = {"state": filters.state} if filters.state else {}
    for flow, stream in places(tx, company, filters.flow):
        if filters.stream in ("", stream):
            yield name, {"company": company, "flow": flow, "stream": stream, **state}


def _list(tx: Tx, name: str, scope: Mapping[str, object], before: int) -> Iterator[int]:
    """Of a stream that has most of what is found, more is read with every step; of the others hardly more than is used."""
    limit = _AT_ONCE
    while rows := tx.rows(name, {**scope, "before": before, "limit": limit, "skip": 0}):
        for row in rows:
            yield (before := row["id"])
        if len(rows) < limit:
            return
        limit = min(2 * limit, _STEP)


def _by_day(tx: Tx, company: str, filters: Filters, behind: Place) -> Iterator[Place]:
    scope = {"company": company, **_days(filters), "limit": _STEP, "skip": 0}
    while rows := tx.rows("browse_ids_dated", {**scope, "dated_on": behind.dated_on, "before": behind.id}):
        for row in rows:
            yield (behind := Place(row["id"], row["dated_on"]))


# --- rows ------------------------------------------------------------------------------------------------------------


def _rows(tx: Tx, filters: Filters, ids: Iterable[int], within: str) -> list[Row]:
    scope = {"state": filters.state, "flow": filters.flow, "stream": filters.stream, "party": lowered(filters.party)}
    scope |= {"first_on": filters.first_on, "last_on": filters.last_on, "least": filters.least, "most": filters.most}
    rows = tx.rows("browse_rows", {"ids": plain(sorted(ids)), "text": within, "run": filters.run, **scope})
    return sorted(rows, key=lambda row: _key(row, filters), reverse=True)


def _key(row: Row, filters: Filters) -> tuple[str, int]:
    return (row["dated_on"] or "" if filters.is_dated else "", row["id"])


def _key_of(place: Place, filters: Filters) -> tuple[str, int]:
    return (place.dated_on if filters.is_dated else "", place.id)


def _place(row: Row) -> Place:
    return Place(row["id"], row["dated_on"] or "")


def _days(filters: Filters) -> dict[str, object]:
    return {"first_on": filters.first_on or "0", "last_on": filters.last_on or "9999-12-31"}


def _span(text: str) -> dict[str, object]:
    """The first text that begins so, and the first behind all that do."""
    low = lowered(text)
    return {"low": low, "high": low + _HIGHEST}


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
