"""Vendors' limits, kept together by all processes on one store: calls in a window of time, and calls at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from engine.clock import Clock, Ids
from engine.contract import Rate
from engine.errors import RateLimited
from engine.holders import drop_name, ended, take_name
from engine.store.base import Store, Tx

# A call that waits longer than this gives its worker back.
PATIENCE_S = 60.0
# Longer than any call may take (connectors give up after 300 s): a place held longer is held by nobody.
_PLACE_S = 330.0
_POLL_S = 0.1
# Calls are counted together in this part of the shortest window: 20,000 calls an hour are 64 numbers.
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
                self._leave(name, holder)

    def _enter(self, name: str, rates: Sequence[Rate], at_once: int, holder: str) -> None:
        waited_s = 0.0
        while True:
            with self.store.write() as tx:
                wait_s = _wait_s(_load(tx, name), rates, at_once, self.clock.now().timestamp())
                if wait_s <= 0:
                    _count(tx, name, rates, holder if at_once else "", self.clock.now().timestamp())
                    return
            if waited_s + wait_s > PATIENCE_S:
                raise RateLimited(
                    f"{name}: as many calls as the vendor allows were made; the next may go in {wait_s:.0f} s",
                    retry_after_s=wait_s,
                )
            self.clock.sleep(wait_s)
            waited_s += wait_s

    def _leave(self, name: str, holder: str) -> None:
        with self.store.write() as tx:
            calls, under_way = _load(tx, name)
            if under_way.pop(holder, None) is not None:
                _keep(tx, name, calls, under_way)


_Calls = list[tuple[float, int]]
_Kept = tuple[_Calls, dict[str, float]]


def _load(tx: Tx, name: str) -> _Kept:
    row = tx.one("limit_get", {"name": name})
    if row is None:
        return [], {}
    return [(float(until), int(count)) for until, count in json.loads(row["calls"])], json.loads(row["under_way"])


def _keep(tx: Tx, name: str, calls: _Calls, under_way: dict[str, float]) -> None:
    row = {"name": name, "calls": json.dumps(calls), "under_way": json.dumps(under_way, sort_keys=True)}
    tx.run("limit_put", row)


def _wait_s(kept: _Kept, rates: Sequence[Rate], at_once: int, now: float) -> float:
    """Seconds until it is worth looking again; 0 when a call may go now."""
    calls, under_way = kept
    if at_once and len(_held(under_way, now)) >= at_once:
        return _POLL_S
    wait_s = 0.0
    for rate in rates:
        within = [(min(until, now + rate.window_s), count) for until, count in calls if until > now - rate.window_s]
        over = sum(count for _, count in within) + 1 - rate.requests
        for until, count in within:  # the oldest leave first
            if over <= 0:
                break
            wait_s = max(wait_s, until + rate.window_s - now)
            over -= count
    return wait_s


def _held(under_way: dict[str, float], now: float) -> dict[str, float]:
    """The places that somebody still holds; one far ahead was taken by a clock that was ahead."""
    return {name: until for name, until in under_way.items() if now < until <= now + _PLACE_S and not ended(name)}


def _count(tx: Tx, name: str, rates: Sequence[Rate], holder: str, now: float) -> None:
    calls, under_way = _load(tx, name)
    held = _held(under_way, now)
    if holder:
        held[holder] = now + _PLACE_S
    longest = max((rate.window_s for rate in rates), default=0.0)
    grain = min((rate.window_s for rate in rates), default=0.0) / _GRAINS
    # A call counts until the end of its grain; times ahead of the clock are of a clock that was ahead.
    kept = [(min(until, now + grain), count) for until, count in calls if until > now - longest]
    if rates:
        if kept and kept[-1][0] > now:
            kept[-1] = (kept[-1][0], kept[-1][1] + 1)
        else:
            kept.append((now + grain, 1))
    _keep(tx, name, kept, held)
