"""A clock, a token store and a scripted transport for tests of connectors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from engine.clock import SystemIds
from engine.contract import Json, Rate, Tools

Handler = Callable[[httpx.Request], httpx.Response]


class ManualClock:
    """A clock that moves when somebody sleeps, or by hand."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 9, 0, tzinfo=UTC) + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed_s += seconds


class MemoryTokens:
    """A token store that remembers what was saved, and when it was locked."""

    def __init__(self) -> None:
        self.saved: list[Json] = []
        self._lock = threading.Lock()

    def load(self) -> Json | None:
        return self.saved[-1] if self.saved else None

    def save(self, token: Json) -> None:
        assert self._lock.locked(), "a token is saved only by whoever holds the lock"
        # What a real store does: only plain JSON survives.
        self.saved.append(json.loads(json.dumps(token)))

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            yield


@dataclass
class NotedLimits:
    """Limits that never make anybody wait, and remember who asked for what."""

    asked: list[tuple[str, tuple[Rate, ...], int]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    @contextmanager
    def call(self, name: str, rates: Sequence[Rate], at_once: int = 0) -> Iterator[None]:
        self.asked.append((name, tuple(rates), at_once))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            yield
        finally:
            self.under_way -= 1


@dataclass
class Script:
    """Answers requests by a function, and keeps them."""

    answer: Handler
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    def paths(self) -> list[str]:
        return [f"{r.method} {r.url.path}" for r in self.requests]


def tools(
    script: Handler | None,
    clock: ManualClock | None = None,
    tokens: MemoryTokens | None = None,
    limits: NotedLimits | None = None,
) -> Tools:
    transport = httpx.MockTransport(script) if script else None
    return Tools(clock or ManualClock(), SystemIds(), tokens or MemoryTokens(), limits or NotedLimits(), transport)


def reply(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json=body, headers={"x-trace-id": "trace-1", **(headers or {})})


class Stream(httpx.SyncByteStream):
    """A body that is sent in pieces, as from a socket."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.sent += len(piece)
            yield piece


def everything_said(error: BaseException) -> str:
    """All texts an exception can show: itself, its repr, its notes, hints, attributes, causes and contexts."""
    texts: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        shown: dict[str, Any] = vars(current) if hasattr(current, "__dict__") else {}
        texts += [str(current), repr(current), repr(current.args), *(f"{k}={v!r}" for k, v in shown.items())]
        waiting += [current.__cause__, None if current.__suppress_context__ else current.__context__]
    return "\n".join(texts)
