"""Whether a vendor's errors become ours: each known way of failing, at the first call of a read and at the last."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import httpx

from engine.conformance.bench import Bench, Subject, bench, leaked, said
from engine.conformance.reading import MANY, readable
from engine.conformance.telling import examples, mark_of
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import AuthExpired, AuthRefused, BadAnswer, RateLimited, RunError, Transient
from engine.spec import StreamSpec

_RETRY_AFTER_S = 7
_CHUNK = 1 << 20
# More than a connector may ever take in; whoever reads this far has no cap.
_FLOOD = 96
_HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"

Answering = Callable[[httpx.Request, httpx.BaseTransport, str], httpx.Response]


@dataclass(frozen=True, slots=True)
class Fault:
    """A way of failing, and what it must come to: one of `wanted`. `answer` is given the secrets, to echo them."""

    name: str
    says: str
    answer: Answering
    wanted: tuple[type[RunError], ...]


def _status(status: int, headers: dict[str, str] | None = None) -> Answering:
    """An answer with this status that quotes the credentials it was given, as some vendors' do."""

    def answer(_request: httpx.Request, _inner: httpx.BaseTransport, secrets: str) -> httpx.Response:
        body = json.dumps({"error": "failed", "message": f"not with {secrets}", "error_description": secrets}).encode()
        kinds = {"content-type": "application/json", **(headers or {})}
        return httpx.Response(status, headers=kinds, content=body)

    return answer


def _body(body: bytes, kind: str = "application/json", status: int = 200) -> Answering:
    def answer(_request: httpx.Request, _inner: httpx.BaseTransport, _secrets: str) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": kind}, content=body)

    return answer


def _raises(error: Callable[[str], Exception]) -> Answering:
    def answer(_request: httpx.Request, _inner: httpx.BaseTransport, secrets: str) -> httpx.Response:
        raise error(f"the other side said: {secrets}")

    return answer


def _cut(request: httpx.Request, inner: httpx.BaseTransport, _secrets: str) -> httpx.Response:
    """The first half of the real answer."""
    whole = inner.handle_request(request)
    body = whole.read()
    return httpx.Response(
        whole.status_code, headers={"content-type": "application/json"}, content=body[: len(body) // 2]
    )


class _Flood(httpx.SyncByteStream):
    """A body that goes on and on."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"data": "'
        for _ in range(_FLOOD):
            yield b"x" * _CHUNK
        raise Flooded


class Flooded(Exception):
    """The whole flood was read."""


def _huge(_request: httpx.Request, _inner: httpx.BaseTransport, _secrets: str) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, stream=_Flood())


# What no call gets through, whatever it is.
_SILENT = frozenset({"401", "403", "429", "500", "503", "no_connection", "connect_timeout", "read_timeout", "reset"})
_UNTRUSTED = (BadAnswer, Transient)
FAULTS = (
    Fault("401", "credentials that are no longer accepted", _status(401), (AuthExpired, AuthRefused)),
    Fault("403", "a permission that is missing", _status(403), (AuthRefused, AuthExpired)),
    Fault("404", "an address that is not there: never an empty list", _status(404), (RunError,)),
    Fault("409", "a conflict", _status(409), (RunError,)),
    Fault("429", "too many requests", _status(429, {"retry-after": str(_RETRY_AFTER_S)}), (RateLimited,)),
    Fault("500", "a server that fails", _status(500), (Transient,)),
    Fault("503", "a server that is away", _status(503), (Transient,)),
    Fault("no_connection", "nobody there", _raises(httpx.ConnectError), (Transient,)),
    Fault("connect_timeout", "nobody answers the call", _raises(httpx.ConnectTimeout), (Transient,)),
    Fault("read_timeout", "no answer in time", _raises(httpx.ReadTimeout), (Transient,)),
    Fault("reset", "a connection that breaks", _raises(httpx.RemoteProtocolError), (Transient,)),
    Fault("cut_answer", "half an answer", _cut, _UNTRUSTED),
    Fault("empty_answer", "an answer without a body", _body(b""), _UNTRUSTED),
    Fault("no_json", "an answer that is no JSON", _body(b"{'single': quotes}"), _UNTRUSTED),
    Fault("wrong_type", "plain text in the place of JSON", _body(b"OK", "text/plain"), _UNTRUSTED),
    Fault("html_page", "an HTML page with status 200", _body(_HTML, "text/html"), _UNTRUSTED),
    Fault("html_error", "an HTML page with status 502", _body(_HTML, "text/html", 502), (Transient,)),
    Fault("null", "`null`", _body(b"null"), (RunError,)),
    Fault("empty_object", "an object without anything in it: never an empty list", _body(b"{}"), (RunError,)),
    Fault("other_shape", "a list of numbers", _body(b"[1, 2, 3]"), (RunError,)),
    Fault("nested", "JSON nested without end", _body(b"[" * 50_000 + b"]" * 50_000), _UNTRUSTED),
    Fault("huge", f"an answer of {_FLOOD} MB", _huge, _UNTRUSTED),
)


class _Failing(httpx.BaseTransport):
    """Fails from the call of that number on."""

    def __init__(self, inner: httpx.BaseTransport, fault: Fault, first: int) -> None:
        self.inner, self.fault, self.first = inner, fault, first
        self.number = 0
        self.secrets: Callable[[], str] = str

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        number, self.number = self.number, self.number + 1
        if number < self.first:
            return self.inner.handle_request(request)
        response = self.fault.answer(request, self.inner, self.secrets())
        response.request = request
        return response


def fails(subject: Subject, fault: Fault) -> Iterator[str]:
    """One way of failing: an error of ours of the right kind, that quotes no secret."""
    streams = readable(subject)
    for stream in streams[:1] if fault.name == "huge" else streams:
        with bench(subject, MANY) as it:
            clean = [page.records for page in it.read(stream.name)]
            count = len(it.watched.calls) if it.watched else 0
        for first in sorted({0, count - 1}):
            yield from _once(subject, fault, _Try(stream.name, first, first == count - 1, _keys(stream, clean)))
    if fault.name != "huge":
        yield from _others(subject, fault)


def _others(subject: Subject, fault: Fault) -> Iterator[str]:
    """The same while one record is got, and while a mark is told."""
    made: list[_Failing] = []

    def failing(inner: httpx.BaseTransport) -> _Failing:
        made.append(_Failing(inner, fault, sys.maxsize))
        return made[-1]

    for mark, stream, options in islice(examples(subject), 1):
        with bench(subject, options, transport=failing) as it:
            call = mark_of(it, mark, stream)
            it.clock.advance("+5m")
            yield from _during(it, fault, made[-1], f"{mark.name}, {fault.name}", partial(it.opened.mark, call))
    for spec in readable(subject)[:1]:
        with bench(subject, MANY, transport=failing) as it:
            key = next((str(record.get(spec.key)) for page in it.read(spec.name) for record in page.records), "")
            it.clock.advance("+5m")
            at = f"{spec.name} by `get`, {fault.name}"
            yield from _during(it, fault, made[-1], at, partial(it.opened.get, spec.name, key))


def _during(it: Bench, fault: Fault, failing: _Failing, at: str, act: Callable[[], object]) -> Iterator[str]:
    failing.secrets = lambda: " ".join(it.secrets)
    failing.first = failing.number
    try:
        act()
    except RunError as error:
        for name in leaked(it, said(error)):
            yield f"{at}: the error shows the secret `{name}`"
    except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
        yield f"{at}: is a {type(error).__name__}, not a `RunError`: {str(error)[:80]}"
    else:
        # Some calls need no answer, and an object that is gone is none; but a vendor that is away has said nothing.
        if failing.number > failing.first and fault.name in _SILENT:
            yield f"{at}: {fault.says}, and it ends as if nothing were wrong"


@dataclass(frozen=True, slots=True)
class _Try:
    """A read that fails from its call of number `first` on; `keys` are those of its records when nothing fails."""

    stream: str
    first: int
    is_last: bool
    keys: Sequence[str]


def _keys(stream: StreamSpec, pages: Sequence[Sequence[Json]]) -> list[str]:
    return [str(record.get(stream.key)) for records in pages for record in records]


def _once(subject: Subject, fault: Fault, trial: _Try) -> Iterator[str]:
    made: list[_Failing] = []

    def failing(inner: httpx.BaseTransport) -> _Failing:
        made.append(_Failing(inner, fault, trial.first))
        return made[-1]

    stream = subject.spec.stream(trial.stream)
    assert stream is not None
    with bench(subject, MANY, transport=failing) as it:
        made[0].secrets = lambda: " ".join(it.secrets)
        at = f"{stream.name}, {fault.name} at call {trial.first + 1}"
        try:
            found = [page.records for page in it.read(stream.name)]
        except RunError as error:
            yield from _judge(it, fault, error, at, is_data=trial.is_last)
        except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
            yield f"{at}: is a {type(error).__name__}, not a `RunError`: {str(error)[:80]}"
        else:
            # A call for a detail may fail without harm, as long as no record is missing for it.
            if trial.first == 0 or _keys(stream, found) != trial.keys:
                yield f"{at}: {fault.says}, and the read ends as if nothing were wrong"


def _judge(it: Bench, fault: Fault, error: RunError, at: str, *, is_data: bool) -> Iterator[str]:
    if is_data and not isinstance(error, fault.wanted):
        wanted = " or ".join(kind.__name__ for kind in fault.wanted)
        yield f"{at}: {fault.says} must be {wanted}, and is {type(error).__name__}: {str(error)[:120]}"
    if is_data and fault.name == "429" and (getattr(error, "retry_after_s", None) or 0) < _RETRY_AFTER_S:
        yield f"{at}: the vendor says how long to wait (`Retry-After`), and the error does not"
    for name in leaked(it, said(error)):
        yield f"{at}: the error shows the secret `{name}`"


def redirects(subject: Subject) -> Iterator[str]:
    """A redirect to another host is never followed: the credentials would go there."""
    away = Fault("redirect", "a redirect", _status(302, {"location": "https://elsewhere.example/steal"}), (RunError,))
    for stream in readable(subject)[:1]:
        made: list[_Failing] = []

        def failing(inner: httpx.BaseTransport, made: list[_Failing] = made) -> _Failing:
            made.append(_Failing(inner, away, 0))
            return made[-1]

        with bench(subject, MANY, transport=failing) as it:
            try:
                it.read(stream.name)
            except RunError:
                pass
            else:
                yield f"{stream.name}: a redirect, and the read ends as if nothing were wrong"
            hosts = it.watched.hosts if it.watched else set()
            if len(hosts) > 1:
                yield f"{stream.name}: a redirect was followed to {', '.join(sorted(hosts))}"
