"""When to try again: after a passing fault, later each time, never sooner than the other side asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Ambiguous, AuthExpired, AuthRefused, BadAnswer, RateLimited, Rejected, RunError, Transient
from engine.retry import Backoff, later_s


@pytest.mark.parametrize("error", [Ambiguous(), AuthExpired(), AuthRefused(), BadAnswer(), Rejected(), RunError()])
def test_only_a_passing_fault_is_tried_again(error: RunError) -> None:
    assert Backoff().wait_s(1, error, 0.5) is None


@pytest.mark.parametrize(
    ("attempt", "low", "high"), [(1, 0.5, 1.0), (2, 1.0, 2.0), (3, 2.0, 4.0), (4, 4.0, 8.0)]
)  # fmt: skip
def test_each_wait_is_twice_the_one_before(attempt: int, low: float, high: float) -> None:
    for error in (Transient(), RateLimited()):
        assert Backoff().wait_s(attempt, error, 0.0) == low
        assert Backoff().wait_s(attempt, error, 1.0) == high


def test_it_gives_up_after_the_last_attempt() -> None:
    assert Backoff().wait_s(5, Transient(), 0.0) is None
    assert Backoff(attempts=1).wait_s(1, Transient(), 0.0) is None
    assert Backoff(attempts=9).wait_s(8, Transient(), 1.0) == 30.0


def test_the_other_side_s_own_wait_is_kept() -> None:
    assert Backoff().wait_s(1, RateLimited(retry_after_s=57), 0.0) == 57
    assert Backoff().wait_s(4, RateLimited(retry_after_s=1), 1.0) == 8.0


def test_what_would_take_long_is_left_to_a_later_run() -> None:
    assert Backoff().wait_s(1, RateLimited(retry_after_s=60), 0.0) == 60
    assert Backoff().wait_s(1, RateLimited(retry_after_s=60.5), 0.0) is None
    assert Backoff(patience_s=3600).wait_s(1, RateLimited(retry_after_s=3600), 0.0) == 3600


@given(attempts=st.integers(0, 5000), fraction=st.floats(0, 1))
def test_later_is_never_sooner_than_half_and_never_over_the_cap(attempts: int, fraction: float) -> None:
    wait = later_s(attempts, fraction)
    assert 15.0 <= wait <= 3600.0
    assert later_s(attempts + 1, fraction) >= wait


def test_later_grows() -> None:
    assert [later_s(n, 1.0) for n in range(9)] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert later_s(0, 0.0) == 15
