"""The document around requests: prolog, version, error policy and the message-set ids of error recovery."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from engine.qbxml.errors import BadMessageSetId

# QuickBooks answers 9004 to a longer id (Intuit's SDK sample InvoiceAdd.cs).
ID_LIMIT = 24
VERSION = "13.0"
CLEAR_ALL = "CLR-ALL-MSG-SETS"

_PRINTABLE = re.compile(r"[!#-%'-;=?-~]+")
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")

OnError = Literal["stopOnError", "continueOnError"]


def envelope(
    requests: Sequence[bytes],
    *,
    version: str = VERSION,
    on_error: OnError = "stopOnError",
    new_id: str | None = None,
    old_id: str | None = None,
) -> bytes:
    """The whole document to send, as ASCII bytes; equal arguments give equal bytes.

    With `new_id` QuickBooks keeps its answer under that id; with `old_id` it forgets the answer kept under that one;
    with both equal and no request it tells the kept answer and runs nothing (SDK samples ErrRecovery1-3.xml).

    Raises:
        BadMessageSetId: an id that QuickBooks would refuse.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(version)
    attributes = "".join(
        f' {name}="{checked_id(name, value)}"'
        for name, value in (("newMessageSetID", new_id), ("oldMessageSetID", old_id))
        if value is not None
    )
    head = (
        f'<?xml version="1.0" encoding="utf-8"?><?qbxml version="{version}"?>'
        f'<QBXML><QBXMLMsgsRq{attributes} onError="{on_error}">'
    )
    return b"".join((head.encode("ascii"), *requests, b"</QBXMLMsgsRq></QBXML>"))


def status_check(set_id: str, *, version: str = VERSION) -> bytes:
    """Ask for the kept answer of a set: both ids equal and no request, so that nothing runs and nothing is cleared."""
    return envelope((), version=version, new_id=set_id, old_id=set_id)


def clear_state(set_id: str, *, version: str = VERSION) -> bytes:
    """Let QuickBooks forget the kept answer of a settled message set."""
    return envelope((), version=version, old_id=set_id)


def checked_id(attribute: str, value: str) -> str:
    """The id itself, when it is one that QuickBooks takes."""
    if len(value) > ID_LIMIT or not _PRINTABLE.fullmatch(value):
        raise BadMessageSetId(attribute, value, ID_LIMIT)
    return value
