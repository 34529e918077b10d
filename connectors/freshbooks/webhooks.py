"""Tells a genuine FreshBooks webhook from a forged one, and reads the verifier that a new callback is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import parse_qsl

from connectors.freshbooks.settings import verifiers
from engine.contract import Binding, Event, Handshake
from engine.dataclass import dataclass
from engine.errors import ForgedWebhook, SettingMissing

SIGNATURE_HEADER = "x-freshbooks-hmac-sha256"
MAX_BODY = 64 * 1024
_MOST_FIELDS = 100
_NAME = re.compile(r"[a-z_]{1,40}\.[A-Za-z]{1,40}", re.ASCII)
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_VERIFIER = re.compile(r"[!-~]{8,200}")


@dataclass(frozen=True, slots=True)
class Verification:
    """What FreshBooks posts to a new callback. It comes unsigned: it is genuine when FreshBooks takes it back."""

    callback_id: str
    verifier: str = field(repr=False)


def verify(binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
    """Check the signature over the fields of the form, then read what the hint says.

    A delivery has no id and no time, and the same bytes come for every change of the same bill: the event's id is made up,
    so that none is taken for a repetition. What a repetition can do is have the record read once more.

    Raises:
        ForgedWebhook: for a signature that does not match, or a body that is no FreshBooks event.
        SettingMissing: when there is no verifier; only a verification is answered without one.
    """
    where = f"{binding.company}/{binding.connection}"
    if len(body) > MAX_BODY:
        raise ForgedWebhook(f"{where}: a webhook of more than {MAX_BODY:,} bytes")
    fields = _fields(body)
    known = verifiers(binding)
    if not _signed(known, headers.get(SIGNATURE_HEADER, ""), fields):
        found = verification(body)
        if found is not None:
            return _handshake(found)
        if not known:
            raise SettingMissing(binding.company, binding.connection, ("webhook_verifiers",))
        raise ForgedWebhook(f"{where}: the webhook's signature does not match its body")
    found = verification(body)
    if found is not None:
        return _handshake(found)
    kind, about = fields.get("name", ""), fields.get("object_id", "")
    if not _NAME.fullmatch(kind):
        raise ForgedWebhook(f"{where}: a signed body that is no FreshBooks event: no plain `name`")
    made_up = f"{hashlib.sha256(body).hexdigest()[:16]}-{secrets.token_hex(8)}"
    return Event(made_up, kind, about if _ID.fullmatch(about) else None)


def _handshake(found: Verification) -> Handshake:
    """FreshBooks sends nothing before it was told the verifier in a call of ours (FACTS.md, Webhooks)."""
    return Handshake(found.verifier, {"status": "received"}, found.callback_id, confirm=True)


def verification(body: bytes) -> Verification | None:
    """The verifier of a callback, if this is what the body is."""
    fields = _fields(body) if len(body) <= MAX_BODY else {}
    verifier, callback_id = fields.get("verifier", ""), fields.get("object_id", "")
    if not _VERIFIER.fullmatch(verifier) or not _ID.fullmatch(callback_id):
        return None
    return Verification(callback_id, verifier)


def sign(verifier: str, body: bytes) -> str:
    """The signature FreshBooks sends: base64 of the HMAC-SHA256 over the form as Python prints it in JSON.

    The fields come in the order of the body, each value as text, with `, ` and `: ` between, and anything that is not ASCII
    escaped (FACTS.md, Webhooks; webhook_signature_vector.json).
    """
    return _sign(verifier, _fields(body))


def _sign(verifier: str, fields: Mapping[str, str]) -> str:
    text = json.dumps(dict(fields))
    digest = hmac.new(verifier.encode("utf-8", "surrogateescape"), text.encode("ascii"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode("ascii")


def _signed(known: tuple[str, ...], given: str, fields: Mapping[str, str]) -> bool:
    """Compare with the signature of every verifier, all of them, so that time tells nothing."""
    candidate = given.strip().encode("utf-8", "surrogateescape")
    match = False
    for verifier in known:
        match |= hmac.compare_digest(candidate, _sign(verifier, fields).encode("ascii"))
    return match


def _fields(body: bytes) -> dict[str, str]:
    """The form's fields in their order; empty for a body that is no form."""
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="surrogateescape"))
    except ValueError:
        return {}
