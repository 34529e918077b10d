"""Webhook subscriptions, and the queue of signed deliveries: resent with back-off, switched off when nothing helps."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.bill.simulator import bills, payments, vendors
from connectors.bill.simulator.records import Delivery, Subscription
from connectors.bill.simulator.wire import JsonObject, Request, dumps, invalid, not_found, reply, text_of, text_time
from connectors.bill.simulator.world import Event, World
from engine.contract import HttpReply
from engine.dataclass import dataclass

CATALOG = (
    *(f"{kind}.{verb}" for kind in ("bill", "vendor") for verb in ("created", "updated", "archived", "restored")),
    "payment.updated",
    "payment.failed",
    "bank-account.created",
    "bank-account.updated",
    "autopay.failed",
    "risk-verification.updated",
)
VERSION = "1"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KEPT_HOURS = 24
# A webhook carries a part of the object; of a bill neither lines nor approval. ASSUMED: which part of the others.
_BILL = (
    "id",
    "vendorId",
    "invoice",
    "amount",
    "createdTime",
    "updatedTime",
    "archived",
    "description",
    "dueDate",
    "paymentStatus",
)
_VENDOR = ("id", "name", "shortName", "archived", "accountType", "billCurrency", "createdTime", "updatedTime")
_PAYMENT = ("id", "vendorId", "processDate", "amount", "status", "singleStatus", "createdTime", "updatedTime")

# Sends one webhook and returns a status; raises OSError when no answer came.
Sender = Callable[[Delivery], int]


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt: the status that came back, or None when the endpoint could not be reached."""

    delivery: Delivery
    status: int | None
    at: datetime


def get_catalog(world: World, _request: Request) -> HttpReply:
    """GET /events/catalog."""
    return reply(world.options, [{"type": kind, "versions": [VERSION]} for kind in CATALOG])


def post_subscription(world: World, request: Request) -> HttpReply:
    """POST /subscriptions: the key shows in this answer only, which is kept for a day under its X-Idempotent-Key."""
    options, key = world.options, request.headers.get("x-idempotent-key", "")
    if not _is_uuid4(key):
        raise invalid(options, "X-Idempotent-Key", "must be a UUID of version 4")
    now = world.now
    kept = world.answered.get(key)
    if kept is not None and now - kept[0] < timedelta(hours=_KEPT_HOURS):
        return HttpReply(200, {"content-type": "application/json"}, kept[1].encode())
    body = request.json()
    fields = _given(world, body)
    if len(world.subscriptions) >= options.subscriptions_most:
        # ASSUMED: no source has the answer to the eleventh.
        raise invalid(options, "subscriptions", f"an organization has at most {options.subscriptions_most}")
    made = Subscription(
        world.names.uuid("subscription"),
        *fields,
        created=now,
        updated=now,
        key=options.webhook_key or world.names.text("security-key", 44),
        enabled=_is_enabled(body),
    )
    world.subscriptions[made.id] = made
    answer = dumps(options, {**_show(world, made), "securityKey": made.key})
    world.answered[key] = (now, answer)
    return HttpReply(200, {"content-type": "application/json"}, answer.encode())


def list_subscriptions(world: World, _request: Request) -> HttpReply:
    """GET /subscriptions. ASSUMED: in the shape of other lists, on one page."""
    return reply(world.options, {"results": [_show(world, item) for item in world.subscriptions.values()]})


def get_subscription(world: World, request: Request) -> HttpReply:
    """GET /subscriptions/{id}."""
    return reply(world.options, _show(world, _find(world, request)))


def patch_subscription(world: World, request: Request) -> HttpReply:
    """PATCH /subscriptions/{id}: enable it again, or change what it is told. ASSUMED: the method and its body."""
    found, body = _find(world, request), request.json()
    name, url, events = _given(
        world,
        {
            "name": found.name,
            "notificationUrl": found.url,
            "events": [{"type": kind, "version": version} for kind, version in found.events],
            **body,
        },
    )
    enabled = _is_enabled(body) if "status" in body else found.enabled
    made = replace(found, name=name, url=url, events=events, enabled=enabled, updated=world.now)
    world.subscriptions[found.id] = made
    return reply(world.options, _show(world, made))


def delete_subscription(world: World, request: Request) -> HttpReply:
    """DELETE /subscriptions/{id}: nothing that waits for it is sent. ASSUMED: the answer is the subscription."""
    found = _find(world, request)
    del world.subscriptions[found.id]
    world.deliveries = [item for item in world.deliveries if item.subscription_id != found.id]
    return reply(world.options, _show(world, found))


def rotate_key(world: World, request: Request) -> HttpReply:
    """POST /subscriptions/{id}/security-key, or /security_key: sources differ, so both are taken."""
    found = _find(world, request)
    made = replace(found, key=world.names.text("security-key", 44), updated=world.now)
    world.subscriptions[found.id] = made
    return reply(world.options, {"securityKey": made.key})


def _show(world: World, subscription: Subscription) -> JsonObject:
    """A subscription without its key."""
    options = world.options
    return {
        "id": subscription.id,
        "name": subscription.name,
        "organizationId": world.organization_id,
        "status": {"enabled": subscription.enabled},
        "events": [{"type": kind, "version": version} for kind, version in subscription.events],
        "notificationUrl": subscription.url,
        "createdTime": text_time(options, subscription.created),
        "updatedTime": text_time(options, subscription.updated),
    }


def _given(world: World, body: JsonObject) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Name, address and events of a body."""
    options = world.options
    name = text_of(options, body, "name", needed=True) or ""
    url = text_of(options, body, "notificationUrl", needed=True) or ""
    if not _url_fits(url):
        raise invalid(options, "notificationUrl", "must begin with https://")
    items = body.get("events")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise invalid(options, "events", "must not be empty")
    events = tuple((str(item.get("type")), str(item.get("version"))) for item in items)
    if any(kind not in CATALOG or version != VERSION for kind, version in events):
        raise invalid(options, "events", "must be of the catalog")
    return name, url, events


def _is_enabled(body: JsonObject) -> bool:
    status = body.get("status")
    return not isinstance(status, dict) or status.get("enabled") is not False


def _find(world: World, request: Request) -> Subscription:
    found = world.subscriptions.get(request.params[0])
    if found is None:
        raise not_found()
    return found


def _is_uuid4(value: str) -> bool:
    try:
        return uuid.UUID(value).version == 4
    except ValueError:
        return False


def _url_fits(url: str) -> bool:
    """BILL wants https; loopback over http is let through so that a sandbox works on one machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


# --- deliveries -------------------------------------------------------------------------------------------------------


def queue_events(world: World, chance: random.Random) -> None:
    """Turn new events into deliveries; in an outage they are lost for good, so that only reading can heal."""
    events, world.events = world.events, []
    if world.outage:
        return
    for event in events:
        for subscription in world.subscriptions.values():
            if not subscription.enabled or event.type not in {kind for kind, _ in subscription.events}:
                continue
            body = _body(world, _payload(world, event, subscription))
            made = Delivery(subscription.id, event.id, event.type, subscription.url, body, world.now)
            copies = 2 if chance.random() < world.options.webhook_duplicates else 1
            world.deliveries.extend([made] * copies)


def take_due(world: World, chance: random.Random) -> list[Delivery]:
    """Remove from the queue what is due now; order is not promised."""
    due = [item for item in world.deliveries if item.due_at <= world.now]
    world.deliveries = [item for item in world.deliveries if item.due_at > world.now]
    if world.options.webhook_shuffle:
        chance.shuffle(due)
    return due


def settle(world: World, sent: Sequence[Sent]) -> None:
    """Only 200 is success. What failed is sent again later; when that was the last time, the subscription is off."""
    options = world.options
    for item in sent:
        delivery = item.delivery
        subscription = world.subscriptions.get(delivery.subscription_id)
        if item.status == 200 or subscription is None or not subscription.enabled:
            continue
        if delivery.attempt >= options.webhook_resends:
            world.subscriptions[subscription.id] = replace(subscription, enabled=False, updated=world.now)
            world.deliveries = [one for one in world.deliveries if one.subscription_id != subscription.id]
            continue
        wait = timedelta(seconds=options.webhook_backoff_s * 2**delivery.attempt)
        world.deliveries.append(replace(delivery, attempt=delivery.attempt + 1, due_at=item.at + wait))


def signed(world: World, delivery: Delivery) -> Delivery:
    """The delivery with its headers: base64 of the HMAC-SHA256 over the body, with the subscription's key of now."""
    subscription = world.subscriptions.get(delivery.subscription_id)
    key = subscription.key if subscription is not None else ""
    body = delivery.body
    if world.options.webhook_escaped and world.options.webhook_signs == "inner":
        body = str(json.loads(body)).encode()
    headers = (("content-type", "application/json"), ("x-bill-sha-signature", signature(key, body)))
    return replace(delivery, headers=headers)


def signature(key: str, body: bytes) -> str:
    """The value of `x-bill-sha-signature`."""
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def _body(world: World, payload: JsonObject) -> bytes:
    text = dumps(world.options, payload)
    return (json.dumps(text) if world.options.webhook_escaped else text).encode()


def _payload(world: World, event: Event, subscription: Subscription) -> JsonObject:
    kind = event.type.partition(".")[0]
    metadata = {
        "eventId": event.id,
        "subscriptionId": subscription.id,
        "organizationId": world.organization_id,
        "eventType": event.type,
        "version": VERSION,
    }
    return {"metadata": metadata, kind: _part(world, kind, event.object_id)}


def _part(world: World, kind: str, object_id: str) -> JsonObject:
    """The object as it is now, but only the part of it that webhooks carry."""
    if kind == "bill":
        shown = bills.show(world, world.bills[object_id])
        if "invoiceDate" in shown["invoice"]:
            shown["invoice"] = {**shown["invoice"], "invoiceDate": f"{shown['invoice']['invoiceDate']}T00:00:00.000Z"}
        return {name: shown[name] for name in _BILL if name in shown}
    if kind == "vendor":
        shown = vendors.show(world, world.vendors[object_id])
        return {name: shown[name] for name in _VENDOR if name in shown}
    shown = payments.show(world, world.payments[object_id])
    return {name: shown[name] for name in _PAYMENT if name in shown}
