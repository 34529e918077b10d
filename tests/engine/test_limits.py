"""Vendors' limits that all processes on one store keep together: windows that slide, places, and clocks that step."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import SystemIds
from engine.contract import Rate
from engine.errors import RateLimited, StoreBusy
from engine.limits import StoreLimits
from engine.store.base import Store, Tx
from engine.testing import EPOCH, FakeClock, SeededIds
from tests import stores
from tests.reference import ROOT

NAME = "vendor:0123abcd"


@pytest.fixture
def store() -> Iterator[Store]:
    made = stores.empty()
    yield made
    made.close()


def limits(store: Store, clock: FakeClock | None = None) -> tuple[StoreLimits, FakeClock]:
    clock = clock or FakeClock()
    return StoreLimits(store, clock, SeededIds(1)), clock


def made(shared: StoreLimits, count: int, *rates: Rate, name: str = NAME) -> list[float]:
    """Make calls one after the other; when each was made, in seconds since the start."""
    moments = []
    for _ in range(count):
        with shared.call(name, rates):
            moments.append((shared.clock.now() - EPOCH).total_seconds())
    return moments


def busiest(moments: list[float], window_s: float) -> int:
    """The most calls in any window of this length."""
    most, within = 0, deque[float]()
    for moment in sorted(moments):
        within.append(moment)
        while within[0] <= moment - window_s:
            within.popleft()
        most = max(most, len(within))
    return most


def kept(store: Store, name: str = NAME) -> tuple[dict[str, list[list[float]]], dict[str, float]]:
    with store.read() as tx:
        row = tx.one("limit_get", {"name": name})
    assert row is not None
    return json.loads(row["calls"]), json.loads(row["under_way"])


# --- calls in a window


def test_as_many_as_the_window_holds_go_at_once_and_the_next_waits(store: Store) -> None:
    shared, _ = limits(store)
    moments = made(shared, 11, Rate(5, 10.0))
    assert moments[:5] == [0.0] * 5
    # The calls of one part of the window leave it together, at the end of that part.
    assert moments[5:10] == [pytest.approx(10 + 10 / 64, abs=0.01)] * 5
    assert moments[10] == pytest.approx(20 + 20 / 64, abs=0.02)


def test_the_window_slides(store: Store) -> None:
    shared, clock = limits(store)
    assert made(shared, 1, Rate(2, 10.0)) == [0.0]
    clock.sleep(6)
    assert made(shared, 1, Rate(2, 10.0)) == [6.0]
    assert made(shared, 2, Rate(2, 10.0)) == [
        pytest.approx(10 + 10 / 64, abs=0.01), pytest.approx(16 + 10 / 64, abs=0.01),
    ]  # fmt: skip


def test_every_rate_holds(store: Store) -> None:
    shared, _ = limits(store)
    rates = (Rate(5, 10.0), Rate(20, 60.0))
    moments = made(shared, 60, *rates)
    assert [busiest(moments, rate.window_s) for rate in rates] == [5, 20]
    assert moments[-1] < 155  # no slower than they ask for: five every ten seconds of the third minute


def test_each_name_has_limits_of_its_own(store: Store) -> None:
    shared, clock = limits(store)
    for name in ("a", "b"):
        made(shared, 5, Rate(5, 10.0), name=name)
    assert clock.monotonic() == 0
    assert made(shared, 3, name="c") == [0.0] * 3  # no rate at all


def test_a_wait_of_more_than_a_minute_is_the_caller_s(store: Store) -> None:
    shared, clock = limits(store)
    made(shared, 3, Rate(3, 3600.0))
    with pytest.raises(RateLimited) as caught:
        made(shared, 1, Rate(3, 3600.0))
    assert str(caught.value) == f"{NAME}: as many calls as the vendor allows were made; the next may go in 3656 s"
    assert caught.value.retry_after_s == pytest.approx(3600 + 3600 / 64)
    assert clock.monotonic() == 0  # it did not even begin to wait
    clock.sleep(3600 + 3600 / 64)
    assert len(made(shared, 3, Rate(3, 3600.0))) == 3


def test_twenty_thousand_calls_in_an_hour_stay_small_in_the_store(store: Store) -> None:
    shared, clock = limits(store)
    rates = (Rate(10, 1.0), Rate(20_000, 3600.0))
    moments = []
    for _ in range(20_000):
        moments += made(shared, 1, *rates)
        clock.sleep(0.17)
    calls, _ = kept(store)
    assert (busiest(moments, 1.0), busiest(moments, 3600.0)) == (6, 20_000)
    assert {window: sum(int(count) for _, count in counted) for window, counted in calls.items()}["3600"] == 20_000
    assert max(len(counted) for counted in calls.values()) <= 65
    assert len(json.dumps(calls)) < 3000
    with pytest.raises(RateLimited):
        for _ in range(2500):
            made(shared, 1, *rates)


@settings(max_examples=60, deadline=None)
@given(
    rates=st.lists(st.builds(Rate, st.integers(1, 9), st.sampled_from([0.5, 1.0, 7.0, 30.0])), min_size=1, max_size=3),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.3, 2.0, 40.0]), min_size=1, max_size=60),
)
def test_no_window_ever_holds_more(rates: list[Rate], pauses: list[float]) -> None:
    store = stores.empty()
    try:
        shared, clock = limits(store)
        moments = []
        for pause in pauses:
            clock.sleep(pause)
            try:
                moments += made(shared, 1, *rates)
            except RateLimited as error:
                clock.sleep(error.retry_after_s or 0)
        for rate in rates:
            assert busiest(moments, rate.window_s) <= rate.requests
    finally:
        store.close()


# --- clocks


def test_a_clock_that_is_set_back_blocks_for_one_window_and_no_longer(store: Store) -> None:
    shared, clock = limits(store)
    made(shared, 5, Rate(5, 10.0))
    clock.sleep(-86400)
    (moment,) = made(shared, 1, Rate(5, 10.0))
    assert moment == pytest.approx(-86400 + 10 + 10 / 64, abs=0.01)


def test_a_clock_that_is_set_back_far_beyond_patience_blocks_for_one_window(store: Store) -> None:
    shared, clock = limits(store)
    made(shared, 5, Rate(5, 3600.0))
    clock.sleep(-86400)
    for _ in range(3):  # asking again does not make it later
        with pytest.raises(RateLimited) as caught:
            made(shared, 1, Rate(5, 3600.0))
        clock.sleep(60)
    assert caught.value.retry_after_s == pytest.approx(3600 + 3600 / 64 - 120)
    clock.sleep(3600)
    assert len(made(shared, 5, Rate(5, 3600.0))) == 5


def test_a_clock_that_is_set_forward_frees_what_is_past(store: Store) -> None:
    shared, clock = limits(store)
    made(shared, 5, Rate(5, 10.0))
    clock.sleep(3600)
    assert made(shared, 5, Rate(5, 10.0)) == [3600.0] * 5


def test_a_place_that_was_taken_by_a_clock_that_was_ahead_is_free(store: Store) -> None:
    shared, clock = limits(store)
    with shared.call(NAME, (), 1):
        clock.sleep(-86400)
        with shared.call(NAME, (), 1):
            assert clock.monotonic() == -86400


# --- calls at once


def test_no_more_than_so_many_are_under_way(store: Store) -> None:
    shared, clock = limits(store)
    with shared.call(NAME, (), 2), shared.call(NAME, (), 2):
        assert len(kept(store)[1]) == 2
        with pytest.raises(RateLimited) as caught, shared.call(NAME, (), 2):
            pytest.fail("there is no place")
    assert str(caught.value) == (f"{NAME}: as many calls as the vendor allows at once have been under way for a minute")
    assert 59 < clock.monotonic() <= 60
    assert kept(store)[1] == {}
    with shared.call(NAME, (), 2):
        assert 59 < clock.monotonic() <= 60


def test_a_clock_that_is_a_little_behind_believes_what_the_others_hold(store: Store) -> None:
    shared, clock = limits(store)
    with shared.call(NAME, (), 1):
        clock.sleep(-59)
        with pytest.raises(RateLimited), shared.call(NAME, (), 1):
            pytest.fail("there is no place")


def test_a_call_that_fails_gives_its_place_back(store: Store) -> None:
    shared, clock = limits(store)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), shared.call(NAME, (Rate(9, 10.0),), 1):
            raise ZeroDivisionError
    assert kept(store)[1] == {}
    assert clock.monotonic() == 0


def test_who_waits_for_a_place_is_not_counted_as_a_call(store: Store) -> None:
    shared, _ = limits(store)
    with (
        shared.call(NAME, (Rate(2, 100.0),), 1),
        pytest.raises(RateLimited),
        shared.call(NAME, (Rate(2, 100.0),), 1),
    ):
        pytest.fail("there is no place")
    assert sum(int(count) for _, count in kept(store)[0]["100"]) == 1


class Failing:
    """A store that is busy when it is told to be."""

    def __init__(self, store: Store) -> None:
        self.store, self.busy = store, False
        self.read, self.close = store.read, store.close

    def write(self, *of: str) -> AbstractContextManager[Tx]:
        if self.busy:
            raise StoreBusy("full")
        return self.store.write(*of)


def test_an_answer_is_not_lost_because_the_place_could_not_be_given_back(store: Store) -> None:
    failing = Failing(store)
    shared, clock = limits(failing)
    with shared.call(NAME, (), 1):
        failing.busy = True
    failing.busy = False
    assert len(kept(store)[1]) == 1
    with shared.call(NAME, (), 1):  # this process knows that the call is over
        assert clock.monotonic() == 0


def test_a_place_that_is_held_too_long_is_held_by_nobody(store: Store) -> None:
    shared, clock = limits(store)
    with shared.call(NAME, (), 1):
        clock.sleep(330)
        with shared.call(NAME, (), 1):
            assert clock.monotonic() == 330


_HOLDER = """
import sys
from pathlib import Path
from engine.clock import SystemClock, SystemIds
from engine.limits import StoreLimits
from engine.store import whereabouts

with StoreLimits(whereabouts.opened(Path(sys.argv[1])), SystemClock(), SystemIds()).call("vendor:0123abcd", (), 1):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_the_place_of_a_process_that_was_killed_is_free_again(tmp_path: Path) -> None:
    store = stores.opened(tmp_path)
    clock = FakeClock(datetime.now(UTC))
    shared = StoreLimits(store, clock, SeededIds(1))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        with pytest.raises(RateLimited), shared.call(NAME, (), 1):
            pytest.fail("the other process holds the only place")
        waited = clock.monotonic()
    finally:
        holder.kill()
        holder.communicate()
    with shared.call(NAME, (), 1):
        assert clock.monotonic() == waited  # not a moment longer
    store.close()


# --- many at once


class SharedClock:
    """Virtual time for many threads; each remembers when it looked last, which is when its call was counted."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self._lock = threading.Lock()
        self._turn = threading.Event()
        self.seen = threading.local()

    def now(self) -> datetime:
        with self._lock:
            self.seen.at_s = self._elapsed_s
            return EPOCH + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._elapsed_s += seconds
        self._turn.wait(0.0005)  # let another thread have its turn


@contextmanager
def two_processes(home: Path, clock: SharedClock) -> Iterator[list[StoreLimits]]:
    """Two stores of one home, as two processes have them."""
    pair = [stores.opened(home, busy_s=30), stores.opened(home, busy_s=30)]
    try:
        yield [StoreLimits(store, clock, SystemIds()) for store in pair]
    finally:
        for store in pair:
            store.close()


@pytest.mark.parametrize("rates", [(Rate(5, 10.0), Rate(20, 60.0)), (Rate(40, 2.0),), ()])
def test_threads_of_two_stores_never_exceed_the_limits(tmp_path: Path, rates: tuple[Rate, ...]) -> None:
    clock, at_once, threads, calls = SharedClock(), 3, 4, 15
    counting = threading.Lock()
    moments: list[float] = []
    under_way: list[int] = [0]
    most: list[int] = [0]
    failures: list[BaseException] = []

    def one_call(shared: StoreLimits) -> bool:
        try:
            with shared.call(NAME, rates, at_once):
                with counting:
                    moments.append(clock.seen.at_s)
                    under_way[0] += 1
                    most[0] = max(most[0], under_way[0])
                threading.Event().wait(0.0005)
                with counting:
                    under_way[0] -= 1
        except RateLimited:
            clock.sleep(1)
            return False
        return True

    def hammer(shared: StoreLimits) -> None:
        try:
            done = 0
            while done < calls:
                done += one_call(shared)
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's own thread
            failures.append(error)

    with two_processes(tmp_path, clock) as processes:
        running = [threading.Thread(target=hammer, args=(shared,)) for shared in processes for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(60)
        assert failures == []
        assert kept(processes[0].store)[1] == {}
    assert len(moments) == 2 * threads * calls
    assert most[0] <= at_once
    for rate in rates:
        assert busiest(moments, rate.window_s) <= rate.requests
