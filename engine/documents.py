"""Documents such as receipts: what a source hands out, and how a target that is called comes by one.

A request names a document by connection, stream and record, and nothing else: its frozen bytes stay small and stay the same.
The target fetches what is named while it writes, through `Tools.documents`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Protocol, runtime_checkable

from engine.dataclass import dataclass

# In bytes; FreshBooks and Ramp take receipts of less than that.
MOST = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A file as its vendor keeps it; `media_type` as `application/pdf`, `name` without a path."""

    content: bytes = field(repr=False)
    media_type: str
    name: str


@runtime_checkable
class HasDocuments(Protocol):
    """An open connection some of whose records have a document."""

    def document(self, stream: str, record_id: str) -> Document | None:
        """The document of a record; None when there is no such record, or it has none.

        Raises:
            Rejected: for a stream without documents, or a document of more than `MOST` bytes.
        """
        ...


class Documents(Protocol):
    """The documents of all connections of one company."""

    def fetch(self, connection: str, stream: str, record_id: str) -> Document | None:
        """The document of a record of another connection; None when there is none.

        Raises:
            Rejected: when the connection hands out no documents, or the document is too large.
            RunError: whatever else the source met; nothing was written then.
        """
        ...
