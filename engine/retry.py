"""Whether and when to try again: a pure decision from the attempt, the error and a random fraction."""

from __future__ import annotations

from engine.dataclass import dataclass
from engine.errors import RunError, Transient


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter above half: the n-th wait lies between half and all of base * 2^n, up to cap.

    Nobody waits longer than `patience_s`, however long the other side asks for: whoever runs has other work, and a later
    run goes on where this one ended.
    """

    attempts: int = 5
    base_s: float = 1.0
    cap_s: float = 30.0
    patience_s: float = 60.0

    def wait_s(self, attempt: int, error: RunError, fraction: float) -> float | None:
        """Seconds to wait before attempt number `attempt` + 1 (counted from 1), or None to give up."""
        if not isinstance(error, Transient) or attempt >= self.attempts:
            return None
        wait = min(self.cap_s, self.base_s * float(2 ** (attempt - 1))) * (0.5 + fraction / 2)
        wait = max(wait, error.retry_after_s or 0.0)
        return wait if wait <= self.patience_s else None


def later_s(attempts: int, fraction: float, *, base_s: float = 30.0, cap_s: float = 3600.0) -> float:
    """Seconds until work that failed `attempts` times is tried again by a later run."""
    return float(min(cap_s, base_s * 2 ** min(attempts, 10)) * (0.5 + fraction / 2))
