"""The immutable marker of a record: what its object carries in the target, and under which its spans are found."""

from __future__ import annotations

import uuid
from hashlib import sha1

_NAMESPACE = uuid.UUID("6f1d6c1e-5d0b-5c8e-9c39-6a3a52f0f3a1").bytes


def guid_of(company: str, flow: str, stream: str, source_id: str, phase: str) -> str:
    """The immutable marker of a record in the target: the same for every attempt and every version, `{XXXXXXXX-...}`."""
    name = f"{company}\0{flow}\0{stream}\0{source_id}\0{phase}"
    # A version 5 UUID (RFC 9562), spelt out because uuid.uuid5 takes three times as long and every record needs one.
    text = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()[:32].upper()
    variant = "89AB"[int(text[16], 16) & 3]
    return f"{{{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:]}}}"
