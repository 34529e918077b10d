"""The one id that every log line of a Web Connector session, run, webhook delivery or panel request carries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

_current: ContextVar[str] = ContextVar("flowctl_correlation", default="")


def current() -> str:
    """The id of what is being done here; empty outside of all."""
    return _current.get()


@contextmanager
def correlated(name: str) -> Iterator[None]:
    """What is done inside belongs to `name`, threads included that take over the context."""
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


def of_run(number: int) -> str:
    """The id of a run."""
    return f"run-{number}"


def of_session(ticket_hash: str) -> str:
    """The id of a Web Connector session; it tells nothing of the ticket, nor of the digest by which the store knows it."""
    return f"session-{sha256(f'log {ticket_hash}'.encode()).hexdigest()[:16]}"
