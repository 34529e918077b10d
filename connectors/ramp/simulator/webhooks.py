"""Webhook subscriptions: creation, the challenge, and the queue of signed deliveries with retries on the clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.ramp.simulator.records import Delivery, Subscription
from connectors.ramp.simulator.wire import (
    ApiError,
    JsonObject,
    Request,
    dumps,
    invalid,
    not_found,
    refused,
    reply,
    text_time,
)
from connectors.ramp.simulator.world import Event, World
from engine.contract import HttpReply
from engine.dataclass import dataclass

VERIFICATION = "webhooks.verification"
OLD_EVENTS = frozenset(
    {
        "bills.approved", "bills.created", "bills.paid", "bills.rejected", "purchase_orders.created",
        "purchase_orders.updated", "reimbursements.ready_for_review", "reimbursements.ready_to_sync",
        "transactions.authorized", "transactions.cleared", "transactions.ready_for_review",
        "transactions.ready_to_sync", "tests.test_event",
        VERIFICATION,
    }
)  # fmt: skip
NEW_EVENTS = OLD_EVENTS | {
    "bills.archived", "bills.ready_to_sync", "bills.updated", "entities.created", "purchase_orders.archived",
    "reimbursements.sync_requested", "transactions.declined", "transactions.receipt_added",
    "reimbursements.batch_payment_reimbursed", "transactions.sync_requested", "users.invite_accepted",
    "transactions.synced", "transactions.all_requirements_met_and_approved_changed", "transactions.body_coding_updated",
    "vendors.activated", "vendors.approved", "vendors.updated",
}  # fmt: skip
RESERVED_HEADERS = ("host", "user-agent", "x-forwarded", "x-real", "x-original")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Sender = Callable[[Delivery], int]


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt: the status that came back, or None when the endpoint could not be reached."""

    delivery: Delivery
    status: int | None
    at: datetime


def post_webhook(world: World, request: Request) -> HttpReply:
    """POST /webhooks: the secret shows only in this answer, and a challenge goes to the endpoint."""
    body = request.json()
    url, types = body.get("endpoint_url"), body.get("event_types")
    errors: dict[str, list[str]] = {}
    if not isinstance(url, str) or not _url_fits(url):
        errors["endpoint_url"] = ["Not a valid https URL."]
    known = OLD_EVENTS if world.profile == "2025-08" else NEW_EVENTS
    if not isinstance(types, list) or not types:
        errors["event_types"] = ["Missing data for required field."]
    elif strange := [str(item) for item in types if item not in known]:
        errors["event_types"] = [f"Must be one of: {', '.join(sorted(known))}. Not: {', '.join(strange)}."]
    headers = body.get("additional_headers") or {}
    if problem := _header_problem(headers):
        errors["additional_headers"] = [problem]
    if errors:
        raise invalid(errors)
    _require_read_scopes(request, [str(item) for item in types or ()])
    now = world.now
    made = Subscription(
        id=world.names.uuid("webhook"),
        url=str(url),
        event_types=tuple(types or ()),
        created_at=now,
        updated_at=now,
        headers=tuple(headers.items()),
        secret=world.options.webhook_secret or f"ramp_sec_{world.names.text('secret', 32)}",
        challenge=f"ramp_challenge_{world.names.uuid('challenge').replace('-', '')}",
    )
    world.subscriptions[made.id] = made
    world.deliveries.append(_challenge(world, made))
    return reply(201, {**show_webhook(world, made), "additional_headers": dict(made.headers), "secret": made.secret})


def list_webhooks(world: World, _request: Request) -> HttpReply:
    """GET /webhooks: a bare list."""
    return reply(200, [show_webhook(world, item) for item in world.subscriptions.values()])


def get_webhook(world: World, request: Request) -> HttpReply:
    """GET /webhooks/{id}."""
    return reply(200, show_webhook(world, _find(world, request)))


def delete_webhook(world: World, request: Request) -> HttpReply:
    """DELETE /webhooks/{id}: nothing that waits for it is sent."""
    found = _find(world, request)
    del world.subscriptions[found.id]
    world.deliveries = [item for item in world.deliveries if item.subscription_id != found.id]
    return reply(204)


def verify_webhook(world: World, request: Request) -> HttpReply:
    """POST /webhooks/{id}/verify with the challenge that went to the endpoint."""
    found = _find(world, request)
    given = request.json().get("challenge")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), found.challenge.encode()):
        raise refused("The challenge does not match.", {"challenge": ["Invalid challenge."]})
    world.subscriptions[found.id] = replace(found, status="active", updated_at=world.now)
    return reply(200, {"success": True})


def mock_event(world: World, request: Request) -> HttpReply:
    """POST /webhooks/mock-webhook-event: a made-up event for testing; the answer is its payload."""
    body = request.json()
    kind, object_id = body.get("event_type"), body.get("object_id")
    known = OLD_EVENTS if world.profile == "2025-08" else NEW_EVENTS
    if kind not in known:
        raise invalid({"event_type": [f"Must be one of: {', '.join(sorted(known))}."]})
    if not isinstance(object_id, str):
        raise invalid({"object_id": ["Missing data for required field."]})
    metadata = body.get("object_metadata") or {}
    detail = tuple((str(key), str(value)) for key, value in metadata.items())
    event = Event(world.names.uuid("event"), str(kind), world.now, object_id, detail)
    world.events.append(event)
    return reply(201, _payload(world, event))


def show_webhook(world: World, subscription: Subscription) -> JsonObject:
    """A subscription without its secret."""
    return {
        "business_id": world.business_id,
        "created_at": text_time(subscription.created_at),
        "endpoint_url": subscription.url,
        "event_types": list(subscription.event_types),
        "id": subscription.id,
        "status": subscription.status,
        "updated_at": text_time(subscription.updated_at),
    }


# --- deliveries ---


def queue_events(world: World, chance: random.Random) -> None:
    """Turn new events into deliveries; in an outage they are lost for good, so that only polling can heal."""
    events, world.events = world.events, []
    if world.outage:
        return
    for event in events:
        for subscription in world.subscriptions.values():
            if subscription.status != "active" or event.type not in subscription.event_types:
                continue
            body = dumps(_payload(world, event)).encode()
            delivery = Delivery(
                subscription.id, event.id, event.type, subscription.url, subscription.headers, body, world.now
            )
            copies = 2 if chance.random() < world.options.webhook_duplicates else 1
            world.deliveries.extend([delivery] * copies)


def take_due(world: World, chance: random.Random) -> list[Delivery]:
    """Remove from the queue what is due now."""
    due = [item for item in world.deliveries if item.due_at <= world.now]
    world.deliveries = [item for item in world.deliveries if item.due_at > world.now]
    if world.options.webhook_shuffle:
        chance.shuffle(due)
    return due


def settle(world: World, sent: Sequence[Sent], chance: random.Random) -> None:
    """Queue the next attempt of what failed for now; 3xx and 4xx other than 429 are never tried again."""
    for item in sent:
        again = item.status is None or item.status == 429 or item.status >= 500
        if not again or item.delivery.attempt >= world.options.webhook_attempts:
            continue
        if item.delivery.subscription_id not in world.subscriptions:
            continue
        # Exponential with full jitter: the first wait is 0 to 2 seconds, none is above 60.
        wait = chance.random() * min(60.0, 2.0**item.delivery.attempt)
        due = item.at + timedelta(seconds=wait)
        world.deliveries.append(replace(item.delivery, attempt=item.delivery.attempt + 1, due_at=due))


def signed_headers(world: World, delivery: Delivery) -> dict[str, str]:
    """The headers of a delivery; the name and encoding of the signature differ between sources."""
    headers = {**dict(delivery.headers), "content-type": "application/json", "user-agent": "Ramp-Webhooks/1.0"}
    subscription = world.subscriptions.get(delivery.subscription_id)
    challenge = delivery.type == VERIFICATION
    if not challenge:
        headers["x-ramp-webhook-id"] = delivery.event_id
    if subscription is not None and (not challenge or world.options.sign_challenge):
        digest = hmac.new(subscription.secret.encode(), delivery.body, hashlib.sha256)
        if world.options.webhook_signature == "ramp-hex":
            headers["x-ramp-signature"] = digest.hexdigest()
        elif world.options.webhook_signature == "webhook-hex":
            headers["x-ramp-webhook-signature"] = digest.hexdigest()
        else:
            headers["x-ramp-webhook-signature"] = base64.b64encode(digest.digest()).decode()
    return headers


def _payload(world: World, event: Event) -> JsonObject:
    return {
        "id": event.id,
        "type": event.type,
        "created_at": text_time(event.at),
        "business_id": world.business_id,
        "object": {"id": event.object_id, **dict(event.detail)},
    }


def _challenge(world: World, subscription: Subscription) -> Delivery:
    """ASSUMED: the body of the verification POST; sources disagree on where the challenge sits, so it sits in both."""
    event_id = world.names.uuid("event")
    body = {
        "id": event_id,
        "type": VERIFICATION,
        "created_at": text_time(world.now),
        "business_id": world.business_id,
        "challenge": subscription.challenge,
        "object": {"challenge": subscription.challenge},
    }
    return Delivery(
        subscription.id, event_id, VERIFICATION, subscription.url, subscription.headers, dumps(body).encode(), world.now
    )


def _find(world: World, request: Request) -> Subscription:
    found = world.subscriptions.get(request.params[0])
    if found is None:
        raise not_found("Webhook subscription")
    return found


def _url_fits(url: str) -> bool:
    """Ramp wants https; loopback over http is let through so that a sandbox works on one machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def _header_problem(headers: object) -> str | None:
    if not isinstance(headers, dict):
        return "Not a valid mapping."
    if len(headers) > 5:
        return "Longer than maximum length 5."
    for name, value in headers.items():
        if not isinstance(value, str) or len(name) > 100 or len(value) > 1000:
            return "Header names have at most 100 characters, values at most 1000."
        if name.lower().startswith(RESERVED_HEADERS):
            return f"{name} is a reserved header."
    return None


def _require_read_scopes(request: Request, types: Sequence[str]) -> None:
    needed = {f"{kind.partition('.')[0]}:read" for kind in types} - {"tests:read", "webhooks:read"}
    if missing := sorted(needed - request.scopes):
        raise ApiError(403, "DEVELOPER_7100", f"These scopes are not allowed for this token: {', '.join(missing)}")
