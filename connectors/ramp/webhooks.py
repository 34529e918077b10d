"""Tells a genuine Ramp webhook from a forged one, and answers the verification request."""

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

# The name changed between Ramp's documents of 2025 and 2026; independent clients meet either (FACTS.md section 7).
SIGNATURE_HEADERS = ("x-ramp-signature", "x-ramp-webhook-signature")
ID_HEADER = "x-ramp-webhook-id"
VERIFICATION = "webhooks.verification"
MAX_BODY = 1024 * 1024
# Rows of a sync request that nobody has answered by then are failed by Ramp itself (FACTS.md section 6).
ANSWER_S = 300
_MAX_CHALLENGE_BODY = 16 * 1024
_CHALLENGE = re.compile(r"[\w.~+/=-]{1,256}", re.ASCII)
_NAME = re.compile(r"[\w.:-]{1,200}", re.ASCII)


def verify(binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
    """Check the signature over the raw bytes, then read what the hint says.

    Raises:
        ForgedWebhook: for a signature that does not match, or a body that is no Ramp event.
        SettingMissing: when there is no secret; only a verification request is answered without one.
    """
    where = f"{binding.company}/{binding.connection}"
    if len(body) > MAX_BODY:
        raise ForgedWebhook(f"{where}: a webhook of more than {MAX_BODY:,} bytes")
    secrets = [s for s in (binding.secrets.get("webhook_secret"), binding.secrets.get("webhook_secret_previous")) if s]
    if not (secrets and _signed(secrets, headers, body)):
        # ASSUMED: the challenge may come unsigned, and before we were told the secret. An echo harms nobody.
        challenge = _challenge(_payload(body)) if len(body) <= _MAX_CHALLENGE_BODY else None
        if challenge is not None:
            return Handshake(challenge, {"challenge": challenge}, confirm=True)
        if not secrets:
            raise SettingMissing(binding.company, binding.connection, ("webhook_secret",))
        raise ForgedWebhook(f"{where}: the webhook's signature does not match its body")
    payload = _payload(body)
    if (challenge := _challenge(payload)) is not None:
        return Handshake(challenge, {"challenge": challenge}, confirm=True)
    return _event(payload, headers, where, answers=binding.settings.get("sync_button") is True)


def sign(secret: str, body: bytes) -> str:
    """The signature Ramp sends: the HMAC-SHA256 of the raw body in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _signed(secrets: list[str], headers: Mapping[str, str], body: bytes) -> bool:
    """Compare every given signature with every expected one, all of them, so that time tells nothing."""
    given = [headers[name] for name in SIGNATURE_HEADERS if name in headers]
    match = False
    for secret in secrets:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
        # ASSUMED: documents of 2025 show hexadecimal digits; where they are silent, one client meets base64.
        for expected in (digest.hex().encode(), base64.b64encode(digest)):
            for value in given:
                candidate = value.strip().removeprefix("sha256=").encode("utf-8", "surrogateescape")
                match |= hmac.compare_digest(candidate, expected)
    return match


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        payload = parse_json(body)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _challenge(payload: Mapping[str, Any]) -> str | None:
    """The challenge of a verification request: at the top or inside `object`, since sources differ."""
    if payload.get("type") != VERIFICATION:
        return None
    inner = payload.get("object")
    for value in (payload.get("challenge"), inner.get("challenge") if isinstance(inner, dict) else None):
        if isinstance(value, str) and _CHALLENGE.fullmatch(value):
            return value
    return None


def _event(payload: Mapping[str, Any], headers: Mapping[str, str], where: str, *, answers: bool) -> Event:
    event_id, kind, about = payload.get("id"), payload.get("type"), payload.get("object")
    if not (
        isinstance(event_id, str) and _NAME.fullmatch(event_id) and isinstance(kind, str) and _NAME.fullmatch(kind)
    ):
        raise ForgedWebhook(f"{where}: a signed body that is no Ramp event: no plain `id` and `type`")
    if headers.get(ID_HEADER, event_id).strip() != event_id:
        raise ForgedWebhook(f"{where}: the header {ID_HEADER} names another event than the body")
    object_id = about.get("id") if isinstance(about, dict) else None
    if not (isinstance(object_id, str) and _NAME.fullmatch(object_id)):
        object_id = None
    asked = about.get("sync_request_id") if isinstance(about, dict) else None
    if answers and kind.endswith(".sync_requested") and isinstance(asked, str) and _NAME.fullmatch(asked):
        return Event(event_id, kind, object_id, asked, ANSWER_S)
    return Event(event_id, kind, object_id)
