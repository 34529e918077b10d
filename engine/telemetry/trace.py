"""Spans over what the process does and over each record's way: a seam that costs a comparison until somebody listens.

A record's way crosses processes and hours. Its spans find each other by a trace id that is derived from its marker
(`engine.marker`), which stands in its operations and in the target, and can be worked out from its key anywhere. What a
process does at one go, such as a run or a call of the Web Connector, has a trace of its own, and the spans of records
are linked with it.

Attributes are names and numbers of ours: company, flow, stream, record, request, state, method. No payload, no amount, no
token and no text of a vendor ever becomes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from engine.dataclass import dataclass

Attributes = Mapping[str, str | int]
_NOTHING = nullcontext()


class Tracer(Protocol):
    """Whoever listens."""

    def span(self, name: str, about: Attributes) -> AbstractContextManager[None]:
        """Something that this process does, inside what it is doing here already."""
        ...

    def step(self, name: str, guid: str, about: Attributes) -> AbstractContextManager[None]:
        """A step of the record with this marker, linked with what is being done here."""
        ...

    def mark(self, name: str, guid: str, about: Attributes) -> None:
        """A step of the record that takes no time of its own."""
        ...


@dataclass(slots=True)
class _Listening:
    tracer: Tracer | None = None


_listening = _Listening()


def use(tracer: Tracer | None) -> None:
    """Tell this tracer from now on; None for nobody."""
    _listening.tracer = tracer


def is_on() -> bool:
    """Whether anybody listens."""
    return _listening.tracer is not None


def span(name: str, about: Attributes) -> AbstractContextManager[None]:
    """Something that this process does."""
    tracer = _listening.tracer
    return _NOTHING if tracer is None else tracer.span(name, about)


def step(name: str, guid: str, about: Attributes) -> AbstractContextManager[None]:
    """A step of a record."""
    tracer = _listening.tracer
    return _NOTHING if tracer is None else tracer.step(name, guid, about)


def mark(name: str, guid: str, about: Attributes) -> None:
    """A step of a record that takes no time of its own, such as a move that was committed."""
    if _listening.tracer is not None:
        _listening.tracer.mark(name, guid, about)
