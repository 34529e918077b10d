"""A budget of requests in a sliding window, shared by everything in this process that calls the same host."""

from __future__ import annotations

import threading
from collections import deque

from engine.clock import Clock, SystemClock
from engine.contract import Rate


class Budget:
    """Counts requests and makes the caller wait until one more is within the limit."""

    def __init__(self, limit: Rate, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=limit.requests)
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until a request may be sent, and count it."""
        while (wait_s := self._reserve()) > 0:
            self._clock.sleep(wait_s)

    def _reserve(self) -> float:
        """Count a request now and return 0, or return how long to wait first."""
        with self._lock:
            now = self._clock.monotonic()
            if len(self._sent) == self._limit.requests:
                wait_s = self._sent[0] + self._limit.window_s - now
                if wait_s > 0:
                    return wait_s
            self._sent.append(now)  # the oldest falls out: it has left the window
            return 0.0


_shared: dict[tuple[str, Rate], Budget] = {}
_shared_lock = threading.Lock()


def budget(host: str, limit: Rate, clock: Clock) -> Budget:
    """The process-wide budget of a host: vendors count by source address. A simulated clock gets one of its own."""
    if not isinstance(clock, SystemClock):
        return Budget(limit, clock)
    with _shared_lock:
        return _shared.setdefault((host, limit), Budget(limit, clock))
