"""How far a read is: the checkpoint of a page, and the watermark that is left when all pages are read.

Both are JSON that only the connector understands: `of` is the question, so that a checkpoint is never used for another one;
`since` is a watermark; `page`, with `total`, `seen`, `begun` and `deleted`, is a place in a read that began at `since`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.freshbooks.times import day_before, moment
from engine.clock import from_iso, iso
from engine.dataclass import dataclass

# Pages are numbers, and mean less the longer ago they were counted: an older read begins again.
_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """One read of a stream. `since` is the watermark it began with, `seen` the newest change so far, both in UTC.

    `deleted` says that it has come to the list of deleted records, which FreshBooks gives apart.
    """

    of: str
    begun: datetime
    since: datetime | None = None
    seen: datetime | None = None
    page: int | None = None
    total: int | None = None
    deleted: bool = False

    def then_deleted(self) -> Progress:
        """The same read, before the first page of what was deleted."""
        return replace(self, page=1, total=None, deleted=True)

    def after(self, rows: Iterable[Mapping[str, Any]], following: int | None, total: int) -> Progress:
        """The same read, one page of expenses later."""
        times = [self.seen, *(moment("expenses", row.get("updated")) for row in rows)]
        seen = max((time for time in times if time is not None), default=None)
        return replace(self, seen=seen, page=following, total=total)

    def filters(self, overlap: timedelta) -> dict[str, str]:
        """The query parameters that leave out what has not changed since the watermark: whole days, as FreshBooks has it."""
        day = day_before(self.since, overlap) if self.since is not None else None
        return {"search[updated_min]": day.isoformat()} if day is not None else {}

    def checkpoint(self) -> str:
        """Where to go on: at the next page, or, behind the last one, at the watermark.

        The watermark is the newest change seen, but never later than the moment the read began: what changed afterwards
        may have been missed. Where nothing came, it stays.
        """
        if self.page is not None:
            parts = {"of": self.of, "since": _time(self.since), "seen": _time(self.seen), "begun": _time(self.begun)}
            return _print({**parts, "page": self.page, "total": self.total, "deleted": self.deleted})
        newest = min(self.seen, self.begun) if self.seen is not None else None
        marks = [mark for mark in (self.since, newest) if mark is not None]
        return _print({"of": self.of, "since": _time(max(marks, default=None))})


def resume(checkpoint: str | None, of: str, now: datetime) -> Progress:
    """The read that a checkpoint belongs to; one from the start when it is of another question or cannot be read."""
    fresh = Progress(of, now)
    try:
        saved = json.loads(checkpoint or "")
        if saved["of"] != of:
            return fresh
        fresh = replace(fresh, since=_saved(saved["since"]))
        if "page" not in saved:
            return fresh
        begun, page, deleted = from_iso(saved["begun"]), int(saved["page"]), bool(saved["deleted"])
        total = int(saved["total"]) if saved["total"] is not None else None
        if page < 1 or not begun - _PATIENCE < now < begun + _PATIENCE:
            return fresh
        return replace(fresh, begun=begun, seen=_saved(saved["seen"]), page=page, total=total, deleted=deleted)
    except (ValueError, KeyError, TypeError):
        return fresh


def _time(when: datetime | None) -> str | None:
    return iso(when) if when is not None else None


def _saved(text: str | None) -> datetime | None:
    return from_iso(text) if text is not None else None


def _print(parts: Mapping[str, str | int | None]) -> str:
    return json.dumps(parts, sort_keys=True, separators=(",", ":"))
