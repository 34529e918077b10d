"""When a message may go out: at once, hourly, or daily at an hour; never in quiet hours unless it is urgent."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.dataclass import dataclass
from engine.errors import UsageError

Digest = Literal["now", "hourly", "daily"]
DIGESTS: tuple[Digest, ...] = ("now", "hourly", "daily")
# A channel gets no more than one message in so long, whatever happens: what comes meanwhile goes into the next one.
APART = timedelta(minutes=5)
# After a message that was not taken: this long, each time twice as long, and never longer than an hour.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class HoursUnfit(UsageError):
    """Quiet hours are written like 22:00-07:00."""

    hint = "from when to when, in the zone of the channel; they may go over midnight"


@dataclass(frozen=True, slots=True)
class Plan:
    """When a channel takes messages. `quiet` are hours like 22:00-07:00 in `zone`, empty for none; `hour` is of the digest."""

    digest: Digest = "now"
    hour: int = 8
    quiet: str = ""
    zone: tzinfo = UTC


def quiet_hours(text: str) -> str:
    """Quiet hours as a person wrote them; empty for none.

    Raises:
        HoursUnfit: when they are not written so.
    """
    begins, dash, ends = (part.strip() for part in text.partition("-"))
    if not text.strip():
        return ""
    if not dash or not _CLOCK.fullmatch(begins) or not _CLOCK.fullmatch(ends) or begins == ends:
        raise HoursUnfit
    return f"{begins}-{ends}"


def zone_of(name: str) -> tzinfo:
    """A time zone by its name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def due_at(plan: Plan, oldest: datetime, now: datetime, sent_at: datetime | None, *, urgent: bool) -> datetime:
    """When what waits since `oldest` may be sent: `now` when it may be sent at once, later otherwise."""
    if urgent or plan.digest == "now":
        at = max(oldest, sent_at + APART) if sent_at is not None else oldest
    elif plan.digest == "hourly":
        at = oldest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    else:
        at = _next(oldest, time(plan.hour), plan.zone)
    at = max(at, now)
    return at if urgent else _after_quiet(plan, at)


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many messages in a row that were not taken."""
    return min(_FIRST_WAIT * (1 << min(max(failures - 1, 0), 20)), _LONGEST_WAIT)


def _after_quiet(plan: Plan, at: datetime) -> datetime:
    if not plan.quiet:
        return at
    begins, ends = (time.fromisoformat(part) for part in plan.quiet.split("-"))
    local = at.astimezone(plan.zone).time()
    is_quiet = begins <= local < ends if begins < ends else local >= begins or local < ends
    return _next(at, ends, plan.zone) if is_quiet else at


def _next(after: datetime, moment: time, zone: tzinfo) -> datetime:
    """The next time that clocks in the zone show this, strictly after; one that is skipped in spring is an hour later."""
    day = after.astimezone(zone).date()
    for more in range(3):
        local = datetime.combine(day + timedelta(days=more), moment, zone)
        at = local.astimezone(UTC)
        if at > after:
            return at
    return after + timedelta(days=1)
