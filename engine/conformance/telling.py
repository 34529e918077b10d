"""Whether marks can be told twice, survive a lost answer, and are refused when they cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from engine.conformance.bench import Bench, Subject, bench, leaked, one_of, said
from engine.contract import MarkCall, Marked
from engine.errors import RunError, Transient
from engine.simulated import Directed
from engine.spec import FieldSpec, MarkSpec

_KEY = "conformance-mark-1"
_TRIES = 5
_REFERENCE = "1A2B-1772460000"
_UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Losing(httpx.BaseTransport):
    """Carries every call; once it is armed, the answer to the next one that changes something is lost."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner
        self.armed = False
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call, and perhaps lose what it says."""
        response = self.inner.handle_request(request)
        if self.armed and request.method != "GET":
            self.armed = False
            self.lost += 1
            response.read()
            raise httpx.ReadTimeout("no answer in time", request=request)
        return response


def examples(subject: Subject) -> Iterator[tuple[MarkSpec, str, Any]]:
    """Each mark with a stream that has an example, and the options of its simulator."""
    for mark in subject.spec.marks:
        for stream in mark.streams:
            options = one_of(subject, mark.name) or one_of(subject, stream)
            if options is not None:
                yield mark, stream, options
                break


def mark_of(it: Bench, mark: MarkSpec, stream: str) -> MarkCall:
    """The mark of the stream's first record, once those are told that come before it in the spec."""
    spec = it.subject.spec.stream(stream)
    assert spec is not None
    (record, *_) = [record for page in it.read(stream) for record in page.records]
    calls = []
    for each in it.subject.spec.marks:
        if stream in each.streams:
            details = tuple((field.name, _detail(field)) for field in each.fields)
            key = f"conformance-{each.name}"
            calls.append(MarkCall(each.name, key, posted=(Marked(str(record[spec.key]), _REFERENCE, details),)))
        if each.name == mark.name:
            break
    for earlier in calls[:-1]:
        _tell(it, earlier)
    return calls[-1]


def _tell(it: Bench, call: MarkCall) -> None:
    """Tell it as the engine does, which comes again when the vendor asks for time."""
    for _ in range(_TRIES - 1):
        it.clock.advance("+5m")
        try:
            it.opened.mark(call)
        except Transient:
            continue
        return
    it.opened.mark(call)


def _calls(it: Bench, call: MarkCall) -> list[tuple[str, str, bytes, str]]:
    """What is sent to tell a mark, by the try that goes through."""
    for attempt in range(_TRIES):
        it.clock.advance("+5m")
        if it.watched is not None:
            it.watched.told.clear()
        try:
            it.opened.mark(call)
            break
        except Transient:
            if attempt == _TRIES - 1:
                raise
    return [*it.watched.told] if it.watched is not None else []


def _detail(field: FieldSpec) -> str:
    return field.choices[0] if field.choices else str(field.default or "conformance")


def twice(subject: Subject) -> Iterator[str]:
    """A mark that is told again with the same key changes nothing more, and is no error."""
    for mark, stream, options in examples(subject):
        with bench(subject, options) as it:
            call = mark_of(it, mark, stream)
            before = _contents(it)
            try:
                # Some vendors are read by calls that are no GET.
                asked = {url for _, url, *_ in it.watched.told} if it.watched is not None else set()
                first = _calls(it, call)
                changing = [(method, url, body) for method, url, body, _ in first if url not in asked]
                if len({*changing}) != len(changing):
                    yield f"{mark.name}: the same call is made twice for one mark"
                once = _contents(it)
                if before is not None and once == before:
                    yield f"{mark.name}: the simulator looks the same after the mark: let `contents` show it"
                if {key for *_, key in _calls(it, call)} != {key for *_, key in first}:
                    yield f"{mark.name}: told again, it is sent with another idempotency key"
            except RunError as error:
                yield f"{mark.name}: is not taken: {type(error).__name__}: {error}"
            else:
                if _contents(it) != once:
                    yield f"{mark.name}: a second mark with the same key changes something"


def lost(subject: Subject) -> Iterator[str]:
    """The answer to a mark is lost: an error that says so, and the same mark again goes through."""
    for mark, stream, options in examples(subject):
        made: list[Losing] = []

        def losing(inner: httpx.BaseTransport, made: list[Losing] = made) -> Losing:
            made.append(Losing(inner))
            return made[-1]

        with bench(subject, options, transport=losing) as it:
            call, before = mark_of(it, mark, stream), _contents(it)
            it.clock.advance("+5m")
            made[0].armed = True
            try:
                it.opened.mark(call)
            except RunError as error:
                yield from _shown(it, error, mark.name)
                if error.unsent:
                    yield f"{mark.name}: the answer was lost, and the error says that nothing was sent"
            except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
                yield f"{mark.name}: a lost answer is a {type(error).__name__}, not a `RunError`"
            else:
                # It may have looked, and have seen the mark.
                if before is None or _contents(it) == before:
                    yield f"{mark.name}: the answer was lost, and the mark counts as told"
            try:
                _tell(it, call)
            except RunError as error:
                yield f"{mark.name}: told again after a lost answer it is refused: {type(error).__name__}: {error}"


def refused(subject: Subject) -> Iterator[str]:
    """A mark that the connector does not have is refused with an error of ours."""
    _, stream, options = next(examples(subject), (None, "", {"given": {}}))
    with bench(subject, options) as it:
        known = subject.spec.stream(stream)
        found = [str(record[known.key]) for page in it.read(stream) for record in page.records] if known else []
        call = MarkCall("NO_SUCH_MARK", _KEY, posted=(Marked((found or [_UNKNOWN])[0], _REFERENCE),))
        try:
            it.opened.mark(call)
        except RunError as error:
            yield from _shown(it, error, "an unknown mark")
        except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
            yield f"an unknown mark is a {type(error).__name__}, not a `RunError` such as `Rejected`"
        else:
            yield "an unknown mark counts as told"


def _shown(it: Bench, error: RunError, at: str) -> Iterator[str]:
    yield from (f"{at}: the error shows the secret `{name}`" for name in leaked(it, said(error)))


def _contents(it: Bench) -> list[str] | None:
    sandbox: object = it.sandbox
    return sandbox.contents() if isinstance(sandbox, Directed) else None
