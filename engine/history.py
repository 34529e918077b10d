"""What happened to a company's records by day, week or month, and how long it took: figures for charts, from tallies alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import date, timedelta
from typing import Literal

from engine.dataclass import dataclass
from engine.store import tally
from engine.store.base import Tx

By = Literal["day", "week", "month"]
# How many periods are looked at: a month of days, half a year of weeks, a year of months and the one it began with.
MOST: dict[By, int] = {"day": 31, "week": 26, "month": 13}


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a week from Monday on, or a month: its first and last day. One that is not over yet `is_open`."""

    first: date
    last: date
    is_open: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    # Of what was posted: how many took no longer than so many seconds, and longer than the span before.
    spans: Counter[int] = field(default_factory=Counter)

    @property
    def is_month(self) -> bool:
        """Whether it is a whole month."""
        return self.first.day == 1 and (self.last + timedelta(days=1)).day == 1 and self.first.month == self.last.month

    def days(self) -> Iterator[date]:
        """Each of its days."""
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))

    def within_s(self, percent: int) -> int | None:
        """The seconds within which so many of a hundred were posted, from when they were first read; None when none was."""
        wanted = self.spans.total() * percent
        reached = 0
        for span in sorted(self.spans):
            reached += self.spans[span] * 100
            if reached >= wanted:
                return span
        return None


def periods(by: By, today: date, most: int | None = None) -> tuple[Period, ...]:
    """The newest periods up to the one that `today` is in, the oldest first."""
    found: list[Period] = []
    first = _first(by, today)
    for _ in range(most or MOST[by]):
        last = _next(by, first) - timedelta(days=1)
        found.append(Period(first, last, is_open=last >= today))
        first = _first(by, first - timedelta(days=1))
    return tuple(reversed(found))


def look(tx: Tx, company: str, flow: str, wanted: Sequence[Period]) -> tuple[Period, ...]:
    """Fill periods with what happened in them; without a flow that of all."""
    # Months are added up by the store: a year of days would be as many rows as a million records leave.
    by_month = all(period.is_month for period in wanted)
    named = {str(day)[: 7 if by_month else 10]: period for period in wanted for day in period.days()}
    days = (wanted[0].first.isoformat(), wanted[-1].last.isoformat())
    for one in tally.of(tx, company, flow, days, by_month=by_month):
        period = named[one.day]
        period.counts[one.what] += one.number
        if one.what == "posted":
            period.spans[one.within_s] += one.number
    return tuple(wanted)


def total(found: Sequence[Period]) -> Period:
    """All of them together."""
    counts = sum((period.counts for period in found), Counter[str]())
    spans = sum((period.spans for period in found), Counter[int]())
    return Period(found[0].first, found[-1].last, found[-1].is_open, counts, spans)


def _first(by: By, day: date) -> date:
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


def _next(by: By, first: date) -> date:
    if by == "month":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if by == "week" else 1)
