"""One-time codes of a second factor, as authenticator apps show them: RFC 6238 over RFC 4226, SHA-1, six digits, 30 s."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from datetime import datetime
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
# A phone's clock may be one step off in either direction (RFC 6238 section 5.2).
_WINDOW = 1
_SECRET = re.compile(r"[A-Z2-7]{32}", re.ASCII)
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


def new_secret() -> bytes:
    """A random secret of 160 bits, as RFC 4226 section 4 asks for."""
    return secrets.token_bytes(20)


def code(secret: bytes, step: int, *, digits: int = DIGITS, digest: str = "sha1") -> str:
    """The code of a time step (RFC 4226 section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), digest)
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_at(now: datetime) -> int:
    """The time step of a moment."""
    return int(now.timestamp()) // STEP_S


def used_step(secret: bytes, given: str, now: datetime, last_step: int) -> int | None:
    """The time step whose code was given, or None. One that is not after `last_step` was used before (section 5.2)."""
    text = given.replace(" ", "")
    if not _CODE.fullmatch(text):
        return None
    around = step_at(now)
    steps = range(around - _WINDOW, around + _WINDOW + 1)
    fitting = [step for step in steps if hmac.compare_digest(code(secret, step), text)]
    return next((step for step in fitting if step > last_step), None)


def secret_text(secret: bytes) -> str:
    """The secret as people type it: base 32 without padding."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def from_text(text: str) -> bytes:
    """The secret that `secret_text` wrote."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def read_text(text: str) -> bytes | None:
    """The secret that `secret_text` wrote; None for what it cannot have written."""
    return from_text(text) if _SECRET.fullmatch(text) else None


def uri(secret: bytes, user: str) -> str:
    """The address that authenticator apps read, as text or from a QR code."""
    return f"otpauth://totp/flowctl:{quote(user, safe='')}?secret={secret_text(secret)}&issuer=flowctl"
