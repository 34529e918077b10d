"""Whether a called target finds what it wrote, so that a lost answer never becomes a second object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx

from engine.conformance.bench import Bench, Subject, bench
from engine.conformance.telling import Losing
from engine.contract import Json, Operation
from engine.errors import Ambiguous, RunError
from engine.simulated import Called, ShowsWrites

_EMPTY: Json = {"given": {}}
_GUID = "{0f8fad5b-d9cb-469f-a165-70867728950e}"


def _bodies(subject: Subject) -> Iterator[tuple[str, bytes]]:
    shows: object = subject.connector
    if isinstance(shows, ShowsWrites):
        for request in subject.spec.requests:
            if (body := shows.example_body(request.name)) is not None:
                yield request.name, body


def shows_writes(subject: Subject) -> bool:
    """Whether there is a body to try."""
    return next(_bodies(subject), None) is not None


def _operation(it: Bench, request: str, body: bytes) -> Operation:
    digest = hashlib.sha256(body).hexdigest()
    return Operation("conformance-1", request, body, digest, _GUID, it.clock.now())


def finds(subject: Subject) -> Iterator[str]:
    """Nothing is found before the write, and the same object afterwards, also by a connection that was opened anew."""
    for request, body in _bodies(subject):
        with bench(subject, _EMPTY) as it:
            operation = _operation(it, request, body)
            if it.opened.find(operation) is not None:
                yield f"{request}: it is found before it was written"
                continue
            receipt = it.opened.write(operation)
            if not receipt.ids.get("id"):
                yield f"{request}: the receipt has no `id`"
            it.clock.advance("+1m")
            found = it.opened.find(operation)
            if found is None:
                yield f"{request}: what was written is not found again"
            elif found.ids.get("id") != receipt.ids.get("id"):
                yield f"{request}: another object is found than was written"


def finds_lost(subject: Subject) -> Iterator[str]:
    """The answer to a write is lost: `Ambiguous`, and then the object is found."""
    for request, body in _bodies(subject):
        made: list[Losing] = []

        def losing(inner: httpx.BaseTransport, made: list[Losing] = made) -> Losing:
            made.append(Losing(inner))
            return made[-1]

        with bench(subject, _EMPTY, transport=losing) as it:
            if not isinstance(it.sandbox, Called):
                return  # nothing lies between us and the target
            operation = _operation(it, request, body)
            it.opened.find(operation)
            made[0].armed = True
            try:
                it.opened.write(operation)
            except Ambiguous:
                it.clock.advance("+2m")
                if it.opened.find(operation) is None:
                    yield f"{request}: its answer was lost, and it is not found: it would be written twice"
            except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
                yield f"{request}: a lost answer must be `Ambiguous`, and is {type(error).__name__}: {str(error)[:100]}"
            else:
                yield f"{request}: its answer was lost, and the write counts as done"


def refuses(subject: Subject) -> Iterator[str]:
    """A request that does not exist, and a body that is none, are refused with an error of ours."""
    with bench(subject, _EMPTY) as it:
        known = next((request.name for request in subject.spec.requests), "")
        for request, body in (("NoSuchAdd", b"{}"), (known, b"\xff not a body"), (known, b"")):
            operation = _operation(it, request, body)
            for way in (it.opened.find, it.opened.write):
                try:
                    way(operation)
                except RunError:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
                    yield f"`{way.__name__}` of {request or 'nothing'} is a {type(error).__name__}, not a `RunError`"
