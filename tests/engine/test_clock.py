"""Times as text that sorts, and names that nobody can guess."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import BASE62, SystemClock, SystemIds, drawn, from_iso, iso

_ZONES = (UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14)))
_MOMENTS = st.builds(
    lambda microseconds, zone: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).astimezone(
        zone
    ),
    st.integers(-2_000_000_000_000_000, 200_000_000_000_000_000),
    st.sampled_from(_ZONES),
)


@given(moment=_MOMENTS)
def test_a_moment_comes_back(moment: datetime) -> None:
    assert from_iso(iso(moment)) == moment
    assert from_iso(iso(moment)).utcoffset() == timedelta()


@given(one=_MOMENTS, two=_MOMENTS)
def test_text_sorts_as_time_does(one: datetime, two: datetime) -> None:
    assert (iso(one) < iso(two)) == (one < two)


def test_how_a_moment_is_written() -> None:
    assert iso(datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=2)))) == "2026-03-02T07:00:00.000000Z"
    assert from_iso("2026-03-02T09:00:00+02:00") == datetime(2026, 3, 2, 7, tzinfo=UTC)


def test_a_moment_is_written_the_same_however_often_and_never_as_another() -> None:
    nine = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert [iso(nine), iso(nine), iso(nine.replace(hour=10)), iso(nine)] == [
        "2026-03-02T09:00:00.000000Z",
        "2026-03-02T09:00:00.000000Z",
        "2026-03-02T10:00:00.000000Z",
        "2026-03-02T09:00:00.000000Z",
    ]


@given(seed=st.integers(0, 1000), length=st.integers(0, 40))
def test_drawn_text_is_what_choice_would_draw(seed: int, length: int) -> None:
    one, other = random.Random(seed), random.Random(seed)
    assert drawn(one, length) == "".join(other.choice(BASE62) for _ in range(length))
    assert one.random() == other.random()


def test_the_machine_s_clock() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() - before >= 0.001
    assert abs(clock.now().timestamp() - time.time()) < 5
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize("length", [0, 1, 2, 7, 22, 43])
def test_ids_are_base_62_and_all_different(length: int) -> None:
    made = [SystemIds().base62(length) for _ in range(200)]
    assert {len(text) for text in made} == {length}
    assert set("".join(made)) <= set(BASE62)
    if length > 6:
        assert len(set(made)) == 200


def test_every_character_of_an_id_is_as_likely_at_every_place() -> None:
    made = [SystemIds().base62(22) for _ in range(3000)]
    for place in (0, 10, 20, 21):
        seen = [text[place] for text in made]
        assert len(set(seen)) == 62
        assert max(seen.count(c) for c in set(seen)) < 130  # 48 expected; 130 is more than ten deviations away


def test_fractions_lie_between_none_and_one() -> None:
    made = [SystemIds().fraction() for _ in range(1000)]
    assert 0 <= min(made) < 0.1
    assert 0.9 < max(made) < 1
