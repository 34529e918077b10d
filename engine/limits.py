"""Vendors' limits, kept together by all processes on one store: calls in a window of time, and calls at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from engine.clock import Clock, Ids
from engine.contract import Rate
from engine.dataclass import dataclass
from engine.errors import RateLimited, StoreBusy
from engine.holders import drop_name, ended, take_name
from engine.store.base import Store, Tx, limit_of

# A call that waits longer than this gives its worker back.
PATIENCE_S = 60.0
# Longer than any call may take (connectors give up after 300 s): a place held longer is held by nobody.
PLACE_S = 330.0
# The clocks of two machines may differ, and one clock may be set back a little.
_SKEW_S = 60.0
_POLL_S = 0.1
# The clocks of some systems do not see less.
_LEAST_S = 0.001
# Calls are counted together in this part of their window: 20,000 calls an hour are 65 numbers.
_GRAINS = 64


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Limits in the store; the clock is the wall clock, which processes share."""

    store: Store
    clock: Clock
    ids: Ids

    @contextmanager
    def call(self, name: str, rates: Sequence[Rate], at_once: int = 0) -> Iterator[None]:
        """Wait until one more call is within the limits, count it, and hold a place while it is under way.

        Raises:
            RateLimited: when the wait would be longer than a minute.
        """
        holder = take_name(self.ids)
        try:
            self._enter(name, rates, at_once, holder)
            yield
        finally:
            drop_name(holder)
            if at_once:
                # A call that was answered is not lost because its place could not be given back: that ends by itself.
                with suppress(StoreBusy):
                    self._leave(name, holder)

    def _enter(self, name: str, rates: Sequence[Rate], at_once: int, holder: str) -> None:
        waited_s = 0.0
        while True:
            wait_s, why = self._try(name, rates, at_once, holder)
            if wait_s <= 0:
                return
            if waited_s + wait_s > PATIENCE_S:
                raise RateLimited(f"{name}: {why}", retry_after_s=wait_s)
            self.clock.sleep(max(wait_s, _LEAST_S))
            waited_s += wait_s

    def _try(self, name: str, rates: Sequence[Rate], at_once: int, holder: str) -> tuple[float, str]:
        """Count the call if it may go now; else how many seconds to wait before it is worth asking again, and why."""
        with self.store.write(limit_of(name)) as tx:
            before, under_way = _load(tx, name)
            now = self.clock.now().timestamp()
            calls = {rate: _current(before.get(_key(rate), []), rate, now) for rate in rates}
            held = _held(under_way, now)
            wait_s = max((_wait_s(calls[rate], rate, now) for rate in rates), default=0.0)
            why = f"as many calls as the vendor allows were made; the next may go in {wait_s:.0f} s"
            if wait_s <= 0 and at_once and len(held) >= at_once:
                wait_s, why = _POLL_S, "as many calls as the vendor allows at once have been under way for a minute"
            if wait_s <= 0:
                calls = {rate: _with_one_more(calls[rate], rate, now) for rate in rates}
                if at_once:
                    held[holder] = now + PLACE_S
            after = {_key(rate): counted for rate, counted in calls.items()}
            # Also when it has to wait: times of a clock that was ahead were brought back, and must run out from now on.
            if wait_s <= 0 or any(_latest(after[key]) < _latest(before.get(key, [])) for key in after):
                _keep(tx, name, after, held)
            return wait_s, why

    def _leave(self, name: str, holder: str) -> None:
        with self.store.write(limit_of(name)) as tx:
            calls, under_way = _load(tx, name)
            if under_way.pop(holder, None) is not None:
                _keep(tx, name, calls, under_way)


# How many calls were made in each grain of a window, and when that ended, in seconds since 1970; oldest first.
_Calls = list[tuple[float, int]]


def _load(tx: Tx, name: str) -> tuple[dict[str, _Calls], dict[str, float]]:
    row = tx.one("limit_get", {"name": name})
    if row is None:
        return {}, {}
    calls = {
        key: [(float(until), int(count)) for until, count in kept] for key, kept in json.loads(row["calls"]).items()
    }
    return calls, json.loads(row["under_way"])


def _keep(tx: Tx, name: str, calls: Mapping[str, _Calls], under_way: Mapping[str, float]) -> None:
    row = {"name": name, "calls": json.dumps(calls, sort_keys=True), "under_way": json.dumps(under_way, sort_keys=True)}
    tx.run("limit_put", row)


def _key(rate: Rate) -> str:
    return f"{rate.window_s:g}"


def _latest(calls: _Calls) -> float:
    return calls[-1][0] if calls else 0.0


def _current(calls: _Calls, rate: Rate, now: float) -> _Calls:
    """What still counts. A grain that ends later than one that begins now is of a clock that was ahead."""
    ahead = now + rate.window_s / _GRAINS
    return [(min(until, ahead), count) for until, count in calls if until > now - rate.window_s]


def _wait_s(calls: _Calls, rate: Rate, now: float) -> float:
    """Seconds until one more call is within the rate: a grain counts as a whole until its end has left the window."""
    over = sum(count for _, count in calls) + 1 - rate.requests
    for until, count in calls:
        if over <= 0:
            break
        over -= count
        if over <= 0:
            return until + rate.window_s - now
    return 0.0


def _with_one_more(calls: _Calls, rate: Rate, now: float) -> _Calls:
    if calls and calls[-1][0] > now:
        until, count = calls[-1]
        return [*calls[:-1], (until, count + 1)]
    return [*calls, (now + rate.window_s / _GRAINS, 1)]


def _held(under_way: Mapping[str, float], now: float) -> dict[str, float]:
    """The places that somebody still holds; one far ahead was taken by a clock that was ahead."""
    latest = now + PLACE_S + _SKEW_S
    return {name: until for name, until in under_way.items() if now < until <= latest and not ended(name)}
