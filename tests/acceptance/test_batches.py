"""Bills on a virtual clock: as many requests travel together as QuickBooks answers in good time."""

from __future__ import annotations

import pytest

from benchmarks.batches import TIMEOUT_S, TRIP_S, simulate, slow_midway

pytestmark = pytest.mark.acceptance

# `python -m benchmarks batches` does the same with a thousand.
BILLS = 400


def test_many_bills_in_a_quarter_of_the_time() -> None:
    alone, adaptive = simulate(BILLS, 1), simulate(BILLS, 0)
    assert alone.posted == adaptive.posted == BILLS
    assert (len(alone.sizes), alone.sessions) == (BILLS, 1)
    assert adaptive.seconds / alone.seconds <= 0.25
    assert adaptive.longest <= 30.0
    assert adaptive.timeouts == 0


def test_no_more_than_the_setting_says() -> None:
    outcome = simulate(60, 7)
    assert outcome.posted == 60
    assert max(outcome.sizes) == 7


def test_quickbooks_becomes_slow_midway() -> None:
    outcome = simulate(BILLS, 0, slow_midway(200))
    assert outcome.posted == BILLS
    # The set that meets the change takes as long as it takes; those after it fit the time again.
    assert outcome.longest > 30.0
    assert sum(size * 5.0 + TRIP_S > 30.0 for size in outcome.sizes[outcome.slow_from + 1 :]) == 0


def test_answers_that_nobody_waited_for_are_found_and_smaller_sets_follow() -> None:
    outcome = simulate(BILLS, 0, slow_midway(200, TIMEOUT_S))
    assert outcome.posted == BILLS
    assert outcome.timeouts == 1
    # A lost answer says nothing of how slow QuickBooks is: the next set, a quarter or less, may still find it out.
    assert sum(size * 5.0 + TRIP_S > 30.0 for size in outcome.sizes[outcome.slow_from + 1 :]) <= 1
