"""The clocks of a schedule: one true time, and machines that each have their own idea of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.dataclass import dataclass
from engine.testing import EPOCH, FakeClock

# Days on which calendars go wrong: a leap day, both turns of the clock in America and in Europe, ends of months and years.
STARTS = (
    EPOCH,
    datetime(2028, 2, 28, 22, 0, tzinfo=UTC),
    datetime(2026, 3, 8, 8, 30, tzinfo=UTC),
    datetime(2026, 3, 28, 23, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 22, 0, tzinfo=UTC),
    datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
    datetime(2026, 12, 31, 21, 0, tzinfo=UTC),
)
# A wait may always take longer than it was asked for: so short ones do not spin in a world where time stands still.
_SHORTEST_S = 10.0


class TrueClock(FakeClock):
    """The time as it is; nobody in a schedule reads it but the source.

    While it stands still, which it does most of the time, every reading is the same object.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        super().__init__(start)
        self._now = start

    def now(self) -> datetime:
        """The time it was set to, plus what was slept."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        super().sleep(seconds if seconds >= 1 else _SHORTEST_S)
        self._now = super().now()

    def advance(self, span: str) -> None:
        """Move on by a span such as `+1d`, `+4h30m` or `+90s`."""
        super().advance(span)
        self._now = super().now()


@dataclass(slots=True)
class HostClock:
    """The clock of one machine: `off` is how far it is ahead of the true time."""

    true: TrueClock
    off: timedelta = timedelta()

    def now(self) -> datetime:
        """What this machine believes."""
        return self.true.now() + self.off if self.off else self.true.now()

    def monotonic(self) -> float:
        """Seconds since the start, which no setting of a clock changes."""
        return self.true.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let the time pass for everybody."""
        self.true.sleep(seconds)
