"""How far a read is: the checkpoint of a page, and the watermark that is left when all pages are read.

Both are JSON that only the connector understands: `of` is the question, so that a checkpoint is never used for another one;
`since` is a watermark; `page`, with `seen` and `begun`, is a cursor in a read that began at `since`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.clock import from_iso, iso
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One read of a stream. `since` is the watermark it began with, `seen` the newest change so far, both in UTC."""

    of: str
    begun: datetime
    since: datetime | None = None
    seen: datetime | None = None
    page: str | None = None

    def after(self, rows: Iterable[Mapping[str, Any]], following: str | None) -> Progress:
        """The same read, one page later."""
        times = [self.seen, *(moment(row.get("updatedTime")) for row in rows)]
        return replace(self, seen=max((time for time in times if time is not None), default=None), page=following)

    def restart(self) -> str:
        """A checkpoint that begins this read again."""
        return replace(self, seen=None, page=None).checkpoint()

    def filters(self, overlap: timedelta) -> dict[str, str]:
        """The query parameters that leave out what has not changed since the watermark."""
        if self.since is None:
            return {}
        try:
            start = self.since - overlap
        except OverflowError:  # a watermark in the year 1
            return {}
        return {"filters": changed_since(start)}

    def checkpoint(self) -> str:
        """Where to go on: at the next page, or, behind the last one, at the watermark.

        The watermark is the newest change seen, but never later than the moment the read began: what changed afterwards
        may have been missed. Where nothing came, it stays.
        """
        if self.page is not None:
            return _print(
                {"of": self.of, "since": self.since, "seen": self.seen, "begun": self.begun, "page": self.page}
            )
        newest = min(self.seen, self.begun) if self.seen is not None else None
        marks = [mark for mark in (self.since, newest) if mark is not None]
        return _print({"of": self.of, "since": max(marks, default=None)})


def changed_since(start: datetime) -> str:
    """The filter of what has changed at a moment, in UTC, or later."""
    return f'updatedTime:gte:"{start.isoformat("T", "milliseconds")[:23]}Z"'


def resume(checkpoint: str | None, of: str, now: datetime) -> Progress:
    """The read that a checkpoint belongs to; one from the start when it is of another question or cannot be read."""
    fresh = Progress(of, now)
    try:
        saved = json.loads(checkpoint or "")
        if saved["of"] != of:
            return fresh
        since = _saved(saved["since"])
        if "page" not in saved:
            return replace(fresh, since=since)
        return Progress(of, from_iso(saved["begun"]), since, _saved(saved["seen"]), str(saved["page"]))
    except (ValueError, KeyError, TypeError):
        return fresh


def _saved(text: str | None) -> datetime | None:
    return from_iso(text) if text is not None else None


def _print(parts: Mapping[str, str | datetime | None]) -> str:
    plain = {name: iso(part) if isinstance(part, datetime) else part for name, part in parts.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def moment(value: object) -> datetime | None:
    """A time as BILL writes it; one without an offset is UTC, and one that cannot be read says nothing."""
    if not isinstance(value, str):
        return None
    try:
        given = datetime.fromisoformat(value)
        return given.astimezone(UTC) if given.tzinfo is not None else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
