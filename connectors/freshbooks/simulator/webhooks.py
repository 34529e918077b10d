"""Webhook callbacks: the handshake with a verifier, and deliveries that carry ids only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from connectors.freshbooks.simulator import lists
from connectors.freshbooks.simulator.records import Callback, Delivery
from connectors.freshbooks.simulator.wire import ApiError, JsonObject, Request, result, utc
from connectors.freshbooks.simulator.world import World
from engine.contract import HttpReply
from engine.dataclass import dataclass

KINDS = (
    "bill", "bill_vendor", "category", "client", "credit_note", "estimate", "expense", "invoice", "item", "payment",
    "project", "recurring", "service", "tax", "time_entry",
)  # fmt: skip
CATALOG = frozenset(
    {*KINDS, *(f"{kind}.{verb}" for kind in KINDS for verb in ("create", "update", "delete"))}
    | {"estimate.sendByEmail", "invoice.sendByEmail"}
)
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# Sends one webhook and returns a status; raises OSError when no answer came.
Sender = Callable[[Delivery], int]


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt: the status that came back, or None when the endpoint could not be reached."""

    delivery: Delivery
    status: int | None
    at: datetime


def list_callbacks(world: World, request: Request) -> HttpReply:
    """GET callbacks."""
    return lists.answer(world, request, "callbacks", list(world.callbacks.values()), show)


def post_callback(world: World, request: Request) -> HttpReply:
    """POST a callback: it is sent its verifier, and nothing else before it was confirmed."""
    event, uri = _given(request.given("callback"))
    verifier = world.options.verifier or world.names.text("verifier", 32)
    made = Callback(world.new_id(), event, uri, verifier, world.now)
    world.callbacks[made.id] = made
    _greet(world, made)
    return result({"callback": show(world, made)})


def get_callback(world: World, request: Request) -> HttpReply:
    """GET one callback."""
    return result({"callback": show(world, _find(world, request))})


def put_callback(world: World, request: Request) -> HttpReply:
    """PUT a callback: confirm its verifier, have it sent again, or change what it hears of and where."""
    found, given = _find(world, request), request.given("callback")
    if "verifier" in given:
        if not hmac.compare_digest(str(given["verifier"]).encode(), found.verifier.encode()):
            # ASSUMED: the answer to a wrong verifier.
            raise ApiError(422, "422", "verifier: does not match.", family="events")
        found = replace(found, verified=True, enabled=True, updated=world.now)
    elif given.get("resend") is True:
        _greet(world, found)
    else:
        event, uri = _given({"event": found.event, "uri": found.uri, **given})
        found = replace(found, event=event, uri=uri, verified=found.verified and uri == found.uri, updated=world.now)
    world.callbacks[found.id] = found
    return result({"callback": show(world, found)})


def delete_callback(world: World, request: Request) -> HttpReply:
    """DELETE a callback."""
    found = _find(world, request)
    del world.callbacks[found.id]
    world.deliveries = [item for item in world.deliveries if item.callback_id != found.id]
    return result({})


def show(_world: World, callback: Callback) -> JsonObject:
    """A callback; never its verifier."""
    return {
        "callbackid": callback.id,
        "event": callback.event,
        "uri": callback.uri,
        "verified": callback.verified,
        "updated_at": utc(callback.updated),
    }


def _given(given: JsonObject) -> tuple[str, str]:
    event, uri = str(given.get("event")), str(given.get("uri"))
    if event not in CATALOG:
        raise ApiError(422, "422", "event: Value error, Unrecognized event.", family="events")
    parts = urlsplit(uri)
    # Loopback over http is let through so that a sandbox works on one machine.
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise ApiError(422, "422", "uri: must be an https address.", family="events")
    return event, uri


def _find(world: World, request: Request) -> Callback:
    key = int(request.record_id) if request.record_id.isascii() and request.record_id.isdigit() else -1
    found = world.callbacks.get(key)
    if found is None:
        raise ApiError(404, "404", "Callback not found.", family="events")
    return found


# --- deliveries -------------------------------------------------------------------------------------------------------


def _greet(world: World, callback: Callback) -> None:
    """The verification. ASSUMED: its name; that it carries the verifier and the callback's id is documented."""
    body = _form(world, "callback.verify", callback.id, verifier=callback.verifier)
    world.deliveries.append(Delivery(callback.id, "", callback.uri, body, world.now))


def queue_events(world: World, chance: random.Random) -> None:
    """Turn what happened into deliveries; in an outage it is lost for good, so that only reading can heal."""
    happened, world.events = world.events, []
    if world.outage:
        return
    for one in happened:
        for callback in world.callbacks.values():
            heard = callback.event in (one.event, one.event.partition(".")[0])
            if not (heard and callback.verified and callback.enabled):
                continue
            made = Delivery(callback.id, one.event, callback.uri, _form(world, one.event, one.object_id), world.now)
            copies = 2 if chance.random() < world.options.webhook_duplicates else 1
            world.deliveries.extend([made] * copies)


def take_due(world: World, chance: random.Random) -> list[Delivery]:
    """Remove from the queue what is due now; order is not promised."""
    due = [item for item in world.deliveries if item.due_at <= world.now]
    world.deliveries = [item for item in world.deliveries if item.due_at > world.now]
    if world.options.webhook_shuffle:
        chance.shuffle(due)
    return due


def signed(world: World, delivery: Delivery) -> Delivery:
    """The delivery with its headers; a verification has no signature, since nobody knows the verifier yet."""
    headers = [("content-type", "application/x-www-form-urlencoded")]
    callback = world.callbacks.get(delivery.callback_id)
    if delivery.event and callback is not None:
        headers.append(("x-freshbooks-hmac-sha256", signature(callback.verifier, delivery.body)))
    return replace(delivery, headers=tuple(headers))


def settle(world: World, sent: Sequence[Sent]) -> None:
    """What failed is sent again later; when that was the last time, the callback is switched off."""
    options = world.options
    for item in sent:
        callback = world.callbacks.get(item.delivery.callback_id)
        if callback is None or (item.status is not None and 200 <= item.status < 300):
            continue
        if item.delivery.attempt >= options.webhook_resends:
            if options.webhook_disables and item.delivery.event:
                world.callbacks[callback.id] = replace(callback, enabled=False)
            continue
        wait = timedelta(seconds=options.webhook_backoff_s * 2**item.delivery.attempt)
        world.deliveries.append(replace(item.delivery, attempt=item.delivery.attempt + 1, due_at=item.at + wait))


def signature(verifier: str, body: bytes) -> str:
    """The value of `X-FreshBooks-Hmac-SHA256`."""
    fields = {key: str(value) for key, value in parse_qsl(body.decode("ascii"), keep_blank_values=True)}
    made = hmac.new(verifier.encode(), json.dumps(fields).encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode("ascii")


def _form(world: World, name: str, object_id: int, **more: str) -> bytes:
    fields = {
        "name": name,
        "object_id": object_id,
        "account_id": world.account_id,
        "business_id": world.business_id,
        "identity_id": 1234,
        "user_id": 1,
        **more,
    }
    return urlencode(fields).encode("ascii")
