"""When a message may go out: digests, quiet hours over midnight, and clocks that are set forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.alerting.timing import HoursUnfit, Plan, due_at, quiet_hours, wait_after, zone_of

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def due(plan: Plan, now: str, *, urgent: bool = False, sent: str = "") -> str:
    found = due_at(plan, at(now), at(now), at(sent) if sent else None, urgent=urgent)
    return f"{found.astimezone(UTC):%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("plan", "now", "expected"),
    [
        (Plan(), "03-02 14:10", "03-02 14:10"),
        (Plan("hourly"), "03-02 14:10", "03-02 15:00"),
        (Plan("hourly"), "03-02 14:00", "03-02 15:00"),
        (Plan("daily", 8, zone=BERLIN), "03-02 06:59", "03-02 07:00"),
        (Plan("daily", 8, zone=BERLIN), "03-02 07:00", "03-03 07:00"),
        (Plan("daily", 8, zone=BERLIN), "03-28 08:00", "03-29 06:00"),  # summer time begins
        (Plan("daily", 2, zone=BERLIN), "03-28 12:00", "03-29 01:00"),  # there is no two o'clock
        (Plan("daily", 8, zone=BERLIN), "10-24 08:00", "10-25 07:00"),  # and ends
        (Plan(quiet="22:00-07:00", zone=BERLIN), "03-02 20:59", "03-02 20:59"),
        (Plan(quiet="22:00-07:00", zone=BERLIN), "03-02 21:00", "03-03 06:00"),
        (Plan(quiet="22:00-07:00", zone=BERLIN), "03-02 05:59", "03-02 06:00"),
        (Plan(quiet="22:00-07:00", zone=BERLIN), "03-02 06:00", "03-02 06:00"),
        (Plan(quiet="12:00-13:00"), "03-02 12:30", "03-02 13:00"),
        (Plan("daily", 5, "22:00-07:00"), "03-02 14:00", "03-03 07:00"),
    ],
)  # fmt: skip
def test_due(plan: Plan, now: str, expected: str) -> None:
    assert due(plan, now) == expected


def test_urgent_passes_quiet_hours_and_digests() -> None:
    assert due(Plan("daily", 8, "00:00-23:59"), "03-02 14:00", urgent=True) == "03-02 14:00"


def test_messages_are_apart() -> None:
    assert due(Plan(), "03-02 14:02", sent="03-02 14:00") == "03-02 14:05"
    assert due(Plan(), "03-02 14:02", sent="03-02 14:00", urgent=True) == "03-02 14:05"
    assert due(Plan(quiet="14:03-15:00"), "03-02 14:02", sent="03-02 14:00") == "03-02 15:00"


def test_the_wait_has_an_end() -> None:
    assert wait_after(1) == timedelta(seconds=30)
    assert wait_after(10**9) == timedelta(hours=1)


@pytest.mark.parametrize(
    "text", ["22-07", "22:00", "24:00-07:00", "22:00-22:00", "x-y", "22:00-07:60", "\u0662\u0662:00-07:00"]
)
def test_what_are_no_quiet_hours(text: str) -> None:
    with pytest.raises(HoursUnfit):
        quiet_hours(text)


def test_quiet_hours_are_kept_as_they_are_read() -> None:
    assert (quiet_hours(" 22:00 - 07:00 "), quiet_hours("  ")) == ("22:00-07:00", "")
    assert zone_of("Nowhere/Land") is UTC
