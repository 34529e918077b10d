"""Who can wait: where a store is written by one at a time, work in the background lets whoever answers a call go first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_patient: ContextVar[bool] = ContextVar("flowctl_patient", default=False)


@contextmanager
def patient() -> Iterator[None]:
    """Nobody waits for what is done inside: its transactions let calls of others pass, for a while each."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)


def is_patient() -> bool:
    """Whether what is done here can wait."""
    return _patient.get()
