"""Calls counted by the clock: the vendor's limits, and the figures that a benchmark prints."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence


class Traffic:
    """Every call of one credential, in sliding windows."""

    def __init__(self, limits: Sequence[tuple[int, float]], *, refused_count: bool) -> None:
        self.by_kind: Counter[str] = Counter()
        self.refused = 0
        # Seconds of a window -> the most calls that ever arrived within one, refused ones included.
        self.highest: dict[float, int] = {window_s: 0 for _, window_s in limits}
        self._limits = tuple(limits)
        self._refused_count = refused_count
        self._arrived: deque[float] = deque()
        self._counted: deque[float] = deque()

    def admit(self, kind: str, now: float) -> bool:
        """Count a call that arrives now; False when it is one too many. `now` is in seconds and never goes back."""
        longest = max((window_s for _, window_s in self._limits), default=0.0)
        for seen in (self._arrived, self._counted):
            while seen and now - seen[0] >= longest:
                seen.popleft()
        self.by_kind[kind] += 1
        self._arrived.append(now)
        for window_s in self.highest:
            self.highest[window_s] = max(self.highest[window_s], _within(self._arrived, now, window_s))
        is_free = all(_within(self._counted, now, window_s) < calls for calls, window_s in self._limits)
        if is_free or self._refused_count:
            self._counted.append(now)
        self.refused += not is_free
        return is_free


def _within(moments: Sequence[float], now: float, window_s: float) -> int:
    return sum(now - moment < window_s for moment in moments)
