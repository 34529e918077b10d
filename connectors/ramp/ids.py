"""Ramp's ids as parts of paths."""

from __future__ import annotations

from engine.errors import Rejected


def object_id(where: str, record_id: str) -> str:
    """An id that is safe as part of a path.

    Raises:
        Rejected: when it is none.

    """
    if not record_id or len(record_id) > 64 or not record_id.isascii() or not record_id.replace("-", "").isalnum():
        raise Rejected(f"{where}: an id that Ramp cannot have given", hint="Ramp's ids are UUIDs")
    return record_id
