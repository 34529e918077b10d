"""Time and chance, handed in: production reads the machine, a simulation decides both."""

from __future__ import annotations

import base64
import os
import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import random

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Clock(Protocol):
    """Wall time, elapsed time and waiting."""

    def now(self) -> datetime:
        """The time now, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Ids(Protocol):
    """Unguessable names."""

    def base62(self, length: int) -> str:
        """A random text of `length` base-62 characters."""
        ...

    def fraction(self) -> float:
        """A random number in [0, 1), for jitter."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time now in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot or thereabouts."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


class HurriedClock:
    """The machine's own clock, moved on by whoever would wait: nobody waits for the limits of a simulated vendor."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time now in UTC, and all that was waited for."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead_s)

    def monotonic(self) -> float:
        """Seconds since boot or thereabouts, and all that was waited for."""
        return time.monotonic() + self._ahead_s

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        with self._lock:
            self._ahead_s += seconds


class SystemIds:
    """The operating system's randomness, taken in blocks: a system call for each record's id costs more than the id."""

    def __init__(self) -> None:
        self._pool = ""
        self._at = 0
        self._lock = threading.Lock()

    def base62(self, length: int) -> str:
        """A text with `length` * 5.95 bits of entropy."""
        with self._lock:
            if self._at + length > len(self._pool):
                # Base 64 without its two signs leaves base 62, every character equally likely.
                drawn = base64.b64encode(os.urandom(3072 + length)).translate(None, b"+/=")
                self._pool, self._at = drawn.decode("ascii"), 0
            self._at += length
            return self._pool[self._at - length : self._at]

    def fraction(self) -> float:
        """A random number in [0, 1)."""
        return (int.from_bytes(os.urandom(7)) >> 3) / (1 << 53)


def drawn(stream: random.Random, length: int) -> str:
    """The base-62 text that `choice` would draw letter by letter, in a third of the time."""
    bits, letters = stream.getrandbits, ""
    while len(letters) < length:
        at = bits(6)
        if at < 62:
            letters += BASE62[at]
    return letters


def iso(moment: datetime) -> str:
    """An aware moment as UTC text that sorts by time: `2026-03-02T09:00:00.000000Z`."""
    known, text = _Written.last
    if moment is known:
        return text
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    text = f"{utc.isoformat('T', 'microseconds')[:26]}Z"
    _Written.last = moment, text
    return text


class _Written:
    """The moment that was written last: where a clock stands still it is the next one too, and writing takes long."""

    last: tuple[datetime | None, str] = None, ""


def from_iso(text: str) -> datetime:
    """The aware UTC moment that `iso` wrote."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def is_day(text: str) -> bool:
    """Whether this is a day as `2026-03-01`, and written in no other way."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
