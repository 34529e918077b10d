"""Shipped test tools: a clock and ids that repeat, and a world in memory; for golden cases and for users' own tests."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine.clock import drawn
from engine.errors import UsageError
from engine.store.sqlite import SqliteStore
from engine.vault import Vault
from engine.world import World

if TYPE_CHECKING:
    import sqlite3

    import httpx

    from engine.store.base import Store

EPOCH = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
KEY = bytes(range(32))
_SPAN = re.compile(r"\+(?:(\d+)d)? ?(?:(\d+)h)? ?(?:(\d+)m)? ?(?:(\d+)s)?")


class FakeClock:
    """A clock that moves only when it is told to; waiting takes no time."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._elapsed = timedelta()

    def now(self) -> datetime:
        """The time it was set to, plus what was slept."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self._elapsed += timedelta(seconds=seconds)

    def advance(self, span: str) -> None:
        """Move on by a span such as `+1d`, `+4h30m` or `+90s`.

        Raises:
            UsageError: for any other text.
        """
        found = _SPAN.fullmatch(span)
        if found is None or not any(found.groups()):
            raise UsageError(f"`{span}` is no span of time", hint="write it like +1d, +4h30m or +90s")
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        self._elapsed += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


class SeededIds:
    """Ids and fractions from a seed. Each length draws from its own stream, so that one more jitter moves no id."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[int, random.Random] = {}

    def base62(self, length: int) -> str:
        """The next text of this length."""
        return drawn(self._stream(length), length)

    def fraction(self) -> float:
        """The next fraction."""
        return self._stream(0).random()

    def _stream(self, length: int) -> random.Random:
        if length not in self._streams:
            self._streams[length] = random.Random(f"{self._seed}:{length}")  # noqa: S311 - it must repeat
        return self._streams[length]


class _Making:
    """Who makes the stores of worlds; nobody but SQLite unless a test run asks for another backend."""

    make: Callable[[], Store] | None = None


def make_stores_with(make: Callable[[], Store] | None) -> None:
    """Give worlds from now on a store from here, empty; None for SQLite's in memory."""
    _Making.make = make


def memory_world(
    seed: int = 1,
    clock: FakeClock | None = None,
    transports: Mapping[str, httpx.BaseTransport] | None = None,
    idle: list[sqlite3.Connection] | None = None,
) -> World:
    """A world with an empty store in memory, a fixed key, and time and ids that repeat. Close its store when done.

    Worlds that come one after the other are made faster with one list of `idle` connections (see `SqliteStore`).
    """
    store = _Making.make() if _Making.make is not None else SqliteStore(None, idle=idle)
    return World(store, Vault(KEY), clock or FakeClock(), SeededIds(seed), transports or {})
