"""A connector on the bench: its simulated vendor, an open connection, and everything that it might give away."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from engine.contract import Binding, Connector, Json, Page, Rate, Tools
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.simulated import Called, Sandbox, ShowsRecords, Simulated
from engine.spec import ConnectorSpec
from engine.testing import FakeClock, SeededIds

SERVER = "http://localhost"
COMPANY = "conformance"
# Cases begin here: long after the dates of the examples, so that nothing is in the future.
_START = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
# What examples are coded to, as the books of a target would give it.
_CHART: Json = {
    "accounts": [
        {"external_id": "64900", "name": "Office Supplies", "code": "64900"},
        {"external_id": "68420", "name": "Meals", "code": "68420"},
    ]
}
# Shorter ones stand in any text by chance.
_TELLING = 6
# Tokens have none, and notes that are kept beside them do.
_SPACE = re.compile(r"\s")
_KEY = re.compile(rb'"idempotency_?key"\s*:\s*"([^"]*)"', re.IGNORECASE)
# A connector that goes on for ever is stopped here.
MOST_PAGES = 500


class NoSimulator(UsageError):
    """A connector that cannot be tried, since it brings no simulated vendor."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the connector `{name}` brings no simulated vendor",
            hint="give it a method `sandbox`, as `flowctl new connector` writes it",
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """The connector that is tried; `vendor` is what its simulator is made with beside what a check asks for."""

    connector: Connector
    vendor: Json = field(default_factory=dict)

    @property
    def spec(self) -> ConnectorSpec:
        """What it says of itself."""
        return self.connector.spec

    def options(self, asked: Json) -> Json:
        """Options of its simulator."""
        if "given" in asked:
            return {**asked, "given": {**self.vendor, **asked["given"]}}
        return {**self.vendor, **asked}


@dataclass(slots=True)
class Memory:
    """A token store that lives as long as its connection."""

    saved: list[Json] = field(default_factory=list)

    def load(self) -> Json | None:
        """The token as last saved."""
        return self.saved[-1] if self.saved else None

    def save(self, token: Json) -> None:
        """Keep what a real store keeps: plain JSON."""
        self.saved.append(json.loads(json.dumps(token)))

    def lock(self) -> AbstractContextManager[None]:
        """Nobody else is there."""
        return nullcontext()


class Unlimited:
    """Nobody has to wait."""

    @contextmanager
    def call(self, _name: str, _rates: Sequence[Rate], _at_once: int = 0) -> Iterator[None]:
        """Let the call go."""
        yield


@dataclass(slots=True)
class Watched(httpx.BaseTransport):
    """Passes calls on, and keeps their methods, hosts and paths."""

    inner: httpx.BaseTransport
    calls: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    # What changes something: method, address and body, and the idempotency key in its headers or its body.
    told: list[tuple[str, str, bytes, str]] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call."""
        self.calls.append(f"{request.method} {request.url.path}")
        self.hosts.add(request.url.host)
        if request.method != "GET":
            body = request.read()
            written = _KEY.search(body)
            key = request.headers.get("idempotency-key") or (written[1].decode("utf-8", "replace") if written else "")
            self.told.append((request.method, str(request.url), body, key))
        return self.inner.handle_request(request)


@dataclass(slots=True)
class Bench:
    """One simulated vendor, and one connection to it."""

    subject: Subject
    sandbox: Sandbox
    clock: FakeClock
    binding: Binding
    tokens: Memory
    watched: Watched | None
    opened: Any = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret and every part of a token that is long enough to tell."""
        texts = [*self.binding.secrets.values(), *_leaves(self.tokens.saved)]
        public = _public(self.binding)
        return tuple({t for t in texts if len(t) >= _TELLING and not _SPACE.search(t) and t not in public})

    def read(self, stream: str, checkpoint: str | None = None) -> list[Page]:
        """All pages of a stream.

        Raises:
            AssertionError: when it does not end.
        """
        # Vendors count calls by the minute; nobody waits here.
        self.clock.advance("+2m")
        pages: list[Page] = []
        for page in self.opened.read(stream, {}, checkpoint):
            pages.append(page)
            assert len(pages) < MOST_PAGES, f"{stream}: {MOST_PAGES} pages and no end"
        return pages


@contextmanager
def bench(
    subject: Subject,
    options: Json,
    *,
    settings: Mapping[str, str | int | bool] | None = None,
    transport: Any = None,
    seed: int = 1,
) -> Iterator[Bench]:
    """A fresh simulated vendor with these options and an open connection; `transport` wraps the way to it.

    Raises:
        NoSimulator: when the connector brings none.
    """
    simulated: object = subject.connector
    if not isinstance(simulated, Simulated):
        raise NoSimulator(subject.spec.name)
    clock = FakeClock(_START)
    sandbox: object = simulated.sandbox(seed, clock, subject.options(options))
    assert isinstance(sandbox, Sandbox)
    inner = sandbox.transport() if isinstance(sandbox, Called) else None
    watched = Watched(transport(inner) if transport else inner) if inner is not None else None
    known, secrets = sandbox.binding(SERVER)
    given = {**known, **(settings or {})}
    binding = Binding(COMPANY, subject.spec.name, given, secrets)
    tokens = Memory()
    tools = Tools(clock, SeededIds(seed), tokens, Unlimited(), watched)
    made = Bench(subject, sandbox, clock, binding, tokens, watched)
    try:
        made.opened = subject.connector.open(binding, tools)
        yield made
    finally:
        close = getattr(made.opened, "close", None)
        if callable(close):
            close()


def small_pages(subject: Subject) -> Mapping[str, str | int | bool]:
    """Settings that make pages small, where the connector has the setting `page_size`."""
    names = {setting.name for setting in subject.spec.settings if setting.type == "integer"}
    return {"page_size": 3} if "page_size" in names else {}


def one_of(subject: Subject, stream: str) -> Json | None:
    """Options of a simulated vendor that holds a record of the stream; None when the connector shows none."""
    shows: object = subject.connector
    given = shows.example(stream) if isinstance(shows, ShowsRecords) else {}
    return {"given": given, "chart": _CHART} if given else None


def leaked(bench_: Bench, text: str) -> list[str]:
    """Names of what a text gives away."""
    named = {value: name for name, value in bench_.binding.secrets.items()}
    return sorted(
        {named.get(secret, "a token") for secret in bench_.secrets if any(form in text for form in _forms(secret))}
    )


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may stand in a text: plain, in an address, and as base64, also behind a user's name."""
    yield from (secret, quote(secret), quote(secret, safe=""))
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        data = b"\0" * shift + secret.encode()
        # The first and last characters hold bits of what stands beside it.
        for coded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            whole = coded.decode()[first : len(data) * 8 // 6]
            if len(whole) >= _TELLING:
                yield whole


def said(error: BaseException) -> str:
    """All texts an exception can show: itself, its repr, its hint and attributes, and what it comes from."""
    texts: list[str] = []
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        texts += [str(current), repr(current), repr(current.args), repr(vars(current))]
        waiting += [current.__cause__, None if current.__suppress_context__ else current.__context__]
    return "\n".join(texts)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)


def _public(binding: Binding) -> str:
    """What is shown on purpose, so that a token's `scope` or an organization's id is no secret."""
    return " ".join(str(value) for value in binding.settings.values()) + " Bearer bearer"
