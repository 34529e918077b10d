"""Whether webhooks are verified: genuine ones are taken, and everything else is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.conformance.bench import Subject, bench, leaked, said
from engine.conformance.reading import MANY
from engine.contract import Event, Handshake, Webhooks
from engine.errors import ForgedWebhook, RunError, SettingMissing
from engine.simulated import ShowsWebhooks

_REFUSED = (ForgedWebhook, SettingMissing, RunError)
_FORGED: tuple[tuple[Mapping[str, str], bytes], ...] = (
    ({}, b""),
    ({}, b"{}"),
    ({"content-type": "application/json"}, b'{"event": "paid", "id": "1"}'),
    ({"content-type": "application/json", "x-signature": "0" * 64}, b'{"event": "paid", "id": "1"}'),
    ({}, b"\xff\xfe not utf-8"),
    ({}, b"[" * 100_000),
)


def verifies(subject: Subject) -> Iterator[str]:
    """What the vendor sends is taken; changed by one byte, or without its headers or our secret, it is refused."""
    hooks: object = subject.connector
    assert isinstance(hooks, Webhooks)
    with bench(subject, MANY) as it:
        sent = [hooks.example_webhook()] if isinstance(hooks, ShowsWebhooks) else []
        if not sent:
            yield "no genuine webhook is shown: give the connector a method `example_webhook`"
        for given, body in sent:
            headers = {name.lower(): value for name, value in given.items()}
            try:
                found = hooks.verify(it.binding, headers, body)
            except _REFUSED as error:
                yield f"a genuine webhook is refused: {type(error).__name__}: {error}"
                continue
            if isinstance(found, Event) and found.type not in subject.spec.webhooks:
                yield f"the event `{found.type}` is none of the connector's `webhooks`"
            if isinstance(found, Handshake):
                continue
            changed = [
                ("its last byte changed", headers, body[:-1] + bytes([body[-1] ^ 1])),
                ("its headers left out", {}, body),
            ]
            for what, heads, content in changed:
                try:
                    hooks.verify(it.binding, heads, content)
                except _REFUSED:
                    continue
                yield f"a webhook with {what} is taken"
            bare = replace(it.binding, secrets={})
            try:
                hooks.verify(bare, headers, body)
            except _REFUSED:
                continue
            yield "a webhook is taken although no secret is known"


def forged(subject: Subject) -> Iterator[str]:
    """Whatever else is posted to the address is refused, without a traceback and without the secret in the text."""
    hooks: object = subject.connector
    assert isinstance(hooks, Webhooks)
    with bench(subject, MANY) as it:
        for number, (headers, body) in enumerate(_FORGED, 1):
            try:
                found = hooks.verify(it.binding, headers, body)
            except _REFUSED as error:
                for name in leaked(it, said(error)):
                    yield f"forged webhook {number}: the error shows the secret `{name}`"
            except Exception as error:  # noqa: BLE001 - whatever else it is, is the finding
                yield f"forged webhook {number}: is a {type(error).__name__}, not a `ForgedWebhook`"
            else:
                if isinstance(found, Event):
                    yield f"forged webhook {number}: is taken as an event"
