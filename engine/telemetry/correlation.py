"""The one id that every log line of a Web Connector session, run, webhook delivery or panel request carries."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from hashlib import sha256

_current: ContextVar[str] = ContextVar("flowctl_correlation", default="")


def current() -> str:
    """The id of what is being done here; empty outside of all."""
    return _current.get()


class _Correlated:
    """A class: a generator takes three times as long, and each answer of an agent's call is in three of them."""

    __slots__ = ("_name", "_token")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._token = _current.set(self._name)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def correlated(name: str) -> AbstractContextManager[None]:
    """What is done inside belongs to `name`, threads included that take over the context."""
    return _Correlated(name)


def of_run(number: int) -> str:
    """The id of a run."""
    return f"run-{number}"


def of_session(ticket_hash: str) -> str:
    """The id of a Web Connector session; it tells nothing of the ticket, nor of the digest by which the store knows it."""
    return f"session-{sha256(f'log {ticket_hash}'.encode()).hexdigest()[:16]}"
