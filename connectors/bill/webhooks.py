"""Tells a genuine BILL webhook from a forged one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from connectors._http import parse_json
from engine.contract import Binding, Event, Handshake
from engine.errors import ForgedWebhook, SettingMissing

SIGNATURE_HEADER = "x-bill-sha-signature"
MAX_BODY = 1024 * 1024
_NAME = re.compile(r"[\w.:-]{1,200}", re.ASCII)


def verify(binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
    """Check the signature over the raw bytes, then read what the hint says; BILL sends no handshake.

    Raises:
        ForgedWebhook: for a signature that does not match, or a body that is no BILL event.
        SettingMissing: when there is no key.
    """
    where = f"{binding.company}/{binding.connection}"
    if len(body) > MAX_BODY:
        raise ForgedWebhook(f"{where}: a webhook of more than {MAX_BODY:,} bytes")
    keys = [key for key in (binding.secrets.get("webhook_key"), binding.secrets.get("webhook_key_previous")) if key]
    if not keys:
        raise SettingMissing(binding.company, binding.connection, ("webhook_key",))
    if not _signed(keys, headers.get(SIGNATURE_HEADER, ""), body):
        raise ForgedWebhook(f"{where}: the webhook's signature does not match its body")
    return _event(_payload(body), where)


def sign(key: str, body: bytes) -> str:
    """The signature BILL sends: the HMAC-SHA256 of the raw body, in base64 (FACTS.md, Webhooks)."""
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode("ascii")


def _signed(keys: list[str], given: str, body: bytes) -> bool:
    """Compare with the signature of every key, all of them, so that time tells nothing."""
    candidate = given.strip().encode("utf-8", "surrogateescape")
    match = False
    for key in keys:
        match |= hmac.compare_digest(candidate, sign(key, body).encode("ascii"))
    return match


def _payload(body: bytes) -> Mapping[str, Any]:
    """The event: an object, or a JSON text that holds one; BILL's documents show both (FACTS.md, Webhooks)."""
    try:
        payload = parse_json(body)
        if isinstance(payload, str):
            payload = parse_json(payload.encode("utf-8", "surrogatepass"))
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _event(payload: Mapping[str, Any], where: str) -> Event:
    metadata = payload.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    event_id, kind = metadata.get("eventId"), metadata.get("eventType")
    if not (
        isinstance(event_id, str) and _NAME.fullmatch(event_id) and isinstance(kind, str) and _NAME.fullmatch(kind)
    ):
        raise ForgedWebhook(f"{where}: a signed body that is no BILL event: no plain `eventId` and `eventType`")
    return Event(event_id, kind, _object_id(payload, kind))


def _object_id(payload: Mapping[str, Any], kind: str) -> str | None:
    """The id of what changed: under the name that the type begins with, or of the only other object there is."""
    about = payload.get(kind.partition(".")[0])
    if not isinstance(about, dict):
        others = [part for name, part in payload.items() if name != "metadata" and isinstance(part, dict)]
        about = others[0] if len(others) == 1 else {}
    given = about.get("id")
    return given if isinstance(given, str) and _NAME.fullmatch(given) else None
