"""The shipped test tools: a clock and ids that repeat, a world in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import UsageError
from engine.store import companies
from engine.testing import EPOCH, FakeClock, SeededIds, memory_world


def test_the_clock_moves_only_when_told() -> None:
    clock = FakeClock()
    assert (clock.now(), clock.monotonic()) == (EPOCH, 0.0)
    clock.sleep(1.5)
    clock.advance("+1d2h")
    assert clock.now() == EPOCH + timedelta(days=1, hours=2, seconds=1.5)
    assert clock.monotonic() == 93_601.5


@pytest.mark.parametrize(
    ("span", "seconds"), [("+1d", 86_400), ("+4h30m", 16_200), ("+90s", 90), ("+1d 1h 1m 1s", 90_061)]
)
def test_spans_of_time(span: str, seconds: int) -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(span)
    assert clock.monotonic() == seconds


@pytest.mark.parametrize("span", ["", "+", "1d", "+1w", "-1d", "+1h1d"])
def test_other_texts_are_no_spans(span: str) -> None:
    with pytest.raises(UsageError, match="is no span of time"):
        FakeClock().advance(span)


def test_ids_repeat_and_do_not_disturb_each_other() -> None:
    one, other = SeededIds(7), SeededIds(7)
    other.fraction()
    other.base62(16)
    assert [one.base62(22), one.base62(22)] == [other.base62(22), other.base62(22)]
    assert one.base62(22) != SeededIds(8).base62(22)


def test_a_world_in_memory_works_and_leaves_nothing() -> None:
    world = memory_world()
    with world.store.write() as tx:
        companies.add(tx, "one", "One", world.at())
    with world.store.read() as tx:
        assert companies.names(tx) == ("one",)
    world.store.close()
    fresh = memory_world()
    with fresh.store.read() as tx:
        assert companies.names(tx) == ()
    fresh.store.close()
