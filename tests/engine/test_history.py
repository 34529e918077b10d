"""Periods, their figures, and the spans within which so many of a hundred were posted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest

from engine import history
from engine.history import By, Period
from engine.store.base import Store
from tests import stores

WEDNESDAY = date(2026, 3, 4)


@pytest.fixture
def store() -> Iterator[Store]:
    made = stores.empty()
    yield made
    made.close()


def test_periods() -> None:
    def found(by: By, most: int) -> list[tuple[str, str, bool]]:
        return [(p.first.isoformat(), p.last.isoformat(), p.is_open) for p in history.periods(by, WEDNESDAY, most)]

    assert found("day", 2) == [("2026-03-03", "2026-03-03", False), ("2026-03-04", "2026-03-04", True)]
    assert found("week", 2) == [("2026-02-23", "2026-03-01", False), ("2026-03-02", "2026-03-08", True)]
    assert found("month", 3) == [
        ("2026-01-01", "2026-01-31", False),
        ("2026-02-01", "2026-02-28", False),
        ("2026-03-01", "2026-03-31", True),
    ]
    assert {by: len(history.periods(by, WEDNESDAY)) for by in history.MOST} == history.MOST
    assert history.periods("month", date(2026, 1, 31), 2)[0].last == date(2025, 12, 31)


def test_within() -> None:
    spans = Counter({60: 90, 600: 5, 86400: 5})
    period = Period(WEDNESDAY, WEDNESDAY, spans=spans)
    assert {p: period.within_s(p) for p in (1, 50, 90, 91, 95, 96, 100)} == {
        1: 60,
        50: 60,
        90: 60,
        91: 600,
        95: 600,
        96: 86400,
        100: 86400,
    }
    assert Period(WEDNESDAY, WEDNESDAY).within_s(50) is None


def test_figures_of_each_period_and_of_all(store: Store) -> None:
    rows = [
        ("acme", "2026-02-28", "read", 0, "one", "bills", 7),
        ("acme", "2026-03-02", "read", 0, "one", "bills", 3),
        ("acme", "2026-03-02", "read", 0, "two", "bills", 1),
        ("acme", "2026-03-03", "posted", 60, "one", "bills", 2),
        ("acme", "2026-03-04", "posted", 300, "one", "bills", 1),
        ("acme", "2026-03-09", "read", 0, "one", "bills", 50),
        ("other", "2026-03-03", "read", 0, "one", "bills", 99),
    ]
    with store.write() as tx:
        tx.many("tally_add", rows)
    with store.read() as tx:
        weeks = history.look(tx, "acme", "", history.periods("week", WEDNESDAY, 2))
        months = history.look(tx, "acme", "", history.periods("month", WEDNESDAY, 2))
        one = history.look(tx, "acme", "one", history.periods("day", WEDNESDAY, 3))
    assert [(dict(week.counts), dict(week.spans)) for week in weeks] == [
        ({"read": 7}, {}),
        ({"read": 4, "posted": 3}, {60: 2, 300: 1}),
    ]
    assert [(dict(month.counts), dict(month.spans)) for month in months] == [
        ({"read": 7}, {}),
        ({"read": 54, "posted": 3}, {60: 2, 300: 1}),
    ]
    assert [dict(day.counts) for day in one] == [{"read": 3}, {"posted": 2}, {"posted": 1}]
    assert history.total(weeks) == Period(
        date(2026, 2, 23), date(2026, 3, 8), True, Counter(read=11, posted=3), Counter({60: 2, 300: 1})
    )
