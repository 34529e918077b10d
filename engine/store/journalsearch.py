"""Finds lines of a company's journal, the newest first, without an index of everything: it looks through so many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.dataclass import dataclass
from engine.store.base import Row, Tx

_CHUNK = 1000
# So many lines are looked through for one page: a tenth of a second.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a line must fit; what is empty fits everything. Days are UTC days as text, both included."""

    first_on: str = ""
    last_on: str = ""
    event: str = ""
    flow: str = ""
    actor: str = ""
    text: str = ""
    record_id: int | None = None
    by_people: bool = False

    def fits(self, line: Mapping[str, object]) -> bool:
        """Whether a line is wanted; days are not looked at."""
        actor = str(line["actor"])
        return (
            self.event in ("", line["event"])
            and self.flow in ("", line["flow"])
            and (not self.actor or self.actor.casefold() in actor.casefold())
            and self.record_id in (None, line["record_id"])
            and (not self.by_people or actor.startswith(("panel:", "cli:")))
            and (not self.text or self.text.casefold() in f"{line['source_id']} {line['detail']}".casefold())
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A page of lines; `before` is where the next one begins, None at the journal's beginning.

    `is_whole` tells that the page is full or the journal at its end: nothing was left out for want of time.
    """

    lines: Sequence[Row]
    before: int | None
    is_whole: bool


def page(tx: Tx, company: str, wanted: Wanted, before: int | None, size: int) -> Found:
    """The newest lines with a number below `before` that are wanted, at most `size` of them.

    The lines of a journal are in the order of time, so a day is found by halving.
    """
    head = tx.one("journal_head", {"company": company})
    top = (head["seq"] if head is not None else 0) + 1
    if wanted.last_on:
        top = _first_after(tx, company, wanted.last_on, top)
    at = min(top, before) if before is not None else top
    found: list[Row] = []
    for _ in range(_MOST // _CHUNK):
        rows = tx.rows("journal_before", {"company": company, "before": at, "limit": _CHUNK})
        for row in rows:
            if wanted.first_on and row["at"][:10] < wanted.first_on:
                return Found(found, None, is_whole=True)
            at = row["seq"]
            if wanted.fits(row):
                found.append(row)
                if len(found) == size:
                    return Found(found, at if at > 1 else None, is_whole=True)
        if len(rows) < _CHUNK:
            return Found(found, None, is_whole=True)
    return Found(found, at, is_whole=False)


def _first_after(tx: Tx, company: str, day: str, top: int) -> int:
    """The number of the first line after a day; `top` when there is none."""
    low, high = 1, top
    while low < high:
        middle = (low + high) // 2
        row = tx.one("journal_line", {"company": company, "seq": middle})
        if row is None or row["at"][:10] > day:
            high = middle
        else:
            low = middle + 1
    return low
