"""The outbox: operations with frozen bytes, and the message sets in which they travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from engine.clock import from_iso
from engine.contract import MessageSet, Operation
from engine.errors import Bug
from engine.store.base import Row, Tx, take_number


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation before it is kept; `mapped` and `follow_up` are JSON text."""

    id: str
    connection: str
    record_id: int
    request: str
    body: bytes
    guid: str
    mapped: str
    follow_up: str


def add(tx: Tx, company: str, at: str, operations: Sequence[NewOperation]) -> None:
    """Freeze operations, in the order in which they are to be sent."""
    if not operations:
        return
    first = take_number(tx, "operation", len(operations))
    tx.many(
        "operation_insert",
        [
            (
                op.id, number, company, op.connection, op.record_id, op.request, op.body, sha256(op.body).hexdigest(), op.guid,
                op.mapped, op.follow_up, at,
            )
            for number, op in enumerate(operations, first)
        ],
    )  # fmt: skip


def ready(tx: Tx, company: str, at: str, limit: int, connection: str = "") -> list[Row]:
    """The operations to send next; empty while a message set is unsettled."""
    if tx.one("set_unsettled", {"company": company}):
        return []
    return tx.rows("operations_next", {"company": company, "at": at, "limit": limit, "connection": connection})


def backlog(tx: Tx, company: str, at: str, connection: str = "") -> int:
    """How many operations could be sent now, over one connection or over all."""
    row = tx.one("operations_backlog", {"company": company, "at": at, "connection": connection})
    return int(row["count"]) if row else 0


def unsettled(tx: Tx, company: str) -> MessageSet | None:
    """The set whose outcome is not committed, with its operations."""
    row = tx.one("set_unsettled", {"company": company})
    if row is None:
        return None
    operations = tuple(operation_of(item) for item in tx.rows("operations_of_set", {"set_id": row["id"]}))
    return MessageSet(
        row["id"], bytes(row["body"]), row["sha256"], operations, row["state"], row["ticket_hash"], row["attempts"]
    )


def freeze_set(tx: Tx, company: str, at: str, message_set: MessageSet) -> None:
    """Make a set durable; the store itself refuses a second unsettled one."""
    if sha256(message_set.body).hexdigest() != message_set.sha256:
        raise Bug(f"message set {message_set.id} does not have the bytes it claims")
    tx.run(
        "set_insert",
        {
            "id": message_set.id,
            "company": company,
            "body": message_set.body,
            "sha256": message_set.sha256,
            "ticket_hash": message_set.ticket_hash,
            "at": at,
        },
    )
    for operation in message_set.operations:
        if operation.body not in message_set.body:
            raise Bug(f"message set {message_set.id} does not carry the frozen bytes of operation {operation.id}")
        put(tx, operation.id, "sent", set_id=message_set.id)


def put(tx: Tx, operation_id: str, state: str, *, set_id: str | None = None, not_before: str = "") -> None:
    """Move an operation."""
    tx.run("operation_state", {"id": operation_id, "state": state, "message_set_id": set_id, "not_before": not_before})


def settle_set(tx: Tx, company: str, at: str, set_id: str, answer: bytes) -> None:
    """Close a set for good."""
    number = take_number(tx, f"settled:{company}")
    if tx.run("set_settle", {"id": set_id, "company": company, "at": at, "settled_no": number, "answer": answer}) != 1:
        raise Bug(f"message set {set_id} is settled already, or is not of this company")


def uncleared(tx: Tx, company: str) -> str | None:
    """The newest settled set, whose saved answer the next set clears."""
    row = tx.one("set_uncleared", {"company": company})
    return row["id"] if row else None


def operation_of(row: Row) -> Operation:
    """An operation as connectors see it."""
    sent_before = row["state"] == "waiting" and row["message_set_id"] is not None
    created_at = from_iso(row["created_at"])
    return Operation(row["id"], row["request"], bytes(row["body"]), row["sha256"], row["guid"], created_at, sent_before)
