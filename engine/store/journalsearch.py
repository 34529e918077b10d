"""Finds lines of a company's journal, the newest first, without an index of everything: it looks through so many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.dataclass import dataclass
from engine.store.base import Row, Tx

# So many lines are looked through for one page.
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
    floor = _first_after(tx, company, wanted.first_on, top, is_in=True) if wanted.first_on else 1
    if wanted.last_on:
        top = _first_after(tx, company, wanted.last_on, top)
    at = min(top, before) if before is not None else top
    # Numbers have no gaps: so many of them are so many lines.
    least = max(floor, at - _MOST)
    found: list[Row] = []
    while True:
        rows = tx.rows(
            "journal_look", {**_scope(wanted), "company": company, "before": at, "least": least, "limit": size}
        )
        for row in rows:
            at = row["seq"]
            if wanted.fits(row):
                found.append(row)
                if len(found) == size:
                    return Found(found, at if at > 1 else None, is_whole=True)
        if len(rows) < size:
            return Found(found, None, is_whole=True) if least <= floor else Found(found, least, is_whole=False)


def _scope(wanted: Wanted) -> dict[str, object]:
    """What the store can look for itself, as no fewer lines than are wanted; which of them are is seen afterwards."""
    return {
        "event": wanted.event,
        "flow": wanted.flow,
        "record_id": wanted.record_id,
        "by_people": int(wanted.by_people),
        "actor": _pattern(wanted.actor),
        "text": _pattern(wanted.text),
    }


def _pattern(text: str) -> str:
    """For `LIKE`; empty where the store does not compare letters as people do."""
    if not text or not text.isascii():
        return ""
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def _first_after(tx: Tx, company: str, day: str, top: int, *, is_in: bool = False) -> int:
    """The number of the first line after a day, or in it or after it; `top` when there is none."""
    low, high = 1, top
    while low < high:
        middle = (low + high) // 2
        row = tx.one("journal_line", {"company": company, "seq": middle})
        if row is None or row["at"][:10] > day or (is_in and row["at"][:10] == day):
            high = middle
        else:
            low = middle + 1
    return low
