"""What is told to the outside only once a transaction is durable: counts and spans of moves that a rollback would undo."""

from __future__ import annotations

import threading
from collections.abc import Callable

_pending = threading.local()


def after(tell: Callable[[], None]) -> None:
    """Call this when the transaction of this thread has committed; never when it is rolled back."""
    waiting: list[Callable[[], None]] | None = getattr(_pending, "calls", None)
    if waiting is None:
        _pending.calls = [tell]
    else:
        waiting.append(tell)


def held() -> int:
    """How much waits for the commit in this thread."""
    return len(getattr(_pending, "calls", None) or ())


def forget(since: int) -> None:
    """What came after that much was undone alone."""
    waiting: list[Callable[[], None]] | None = getattr(_pending, "calls", None)
    if waiting is not None:
        del waiting[since:]


def settle(*, keep: bool) -> None:
    """The outermost transaction of this thread has ended."""
    waiting: list[Callable[[], None]] | None = getattr(_pending, "calls", None)
    if not waiting:
        return
    _pending.calls = None
    for tell in waiting if keep else ():
        tell()
