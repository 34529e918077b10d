"""FreshBooks' times have no zone in them: which one is meant depends on the object (FACTS.md, Objects)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)
# Streams whose times are UTC; of bill vendors two official clients disagree, and nothing of ours depends on it.
_IN_UTC = frozenset({"bills", "bill_vendors"})


@cache
def eastern() -> ZoneInfo:
    """The zone of the accounting API; it is read from the disk, so not before it is needed."""
    return ZoneInfo("America/New_York")


def moment(stream: str, text: object) -> datetime | None:
    """When that was, in UTC; a text that is no time says nothing.

    An hour that comes twice in autumn is taken for the earlier one: reading begins early rather than late.
    """
    if not isinstance(text, str) or not _NAIVE.fullmatch(text):
        return None
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is None:
            given = given.replace(tzinfo=UTC if stream in _IN_UTC else eastern())
        return given.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day_before(when: datetime, overlap: timedelta) -> date | None:
    """The day, as FreshBooks counts days, that lies so long before a moment; None before there were days."""
    try:
        return (when - overlap).astimezone(eastern()).date()
    except OverflowError:
        return None
