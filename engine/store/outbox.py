"""The outbox: operations with frozen bytes, and the message sets in which they travel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from engine.clock import from_iso
from engine.contract import MessageSet, Operation
from engine.dataclass import dataclass
from engine.errors import Bug
from engine.jsontext import plain
from engine.store import places
from engine.store.base import Row, Tx, take_number

_EVERY = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation before it is kept; `mapped` and `follow_up` are JSON text.

    A modify has the `target_id` of the object it changes, and `base_id`, the operation that wrote the object last.
    """

    id: str
    connection: str
    record_id: int
    request: str
    body: bytes
    guid: str
    mapped: str
    follow_up: str
    target_id: str = ""
    base_id: str = ""


def add(tx: Tx, company: str, at: str, operations: Sequence[NewOperation]) -> None:
    """Freeze operations, in the order in which they are to be sent, for what their connection leads to now."""
    if not operations:
        return
    first = take_number(tx, "operation", len(operations))
    meant = places.meant(tx, company, [(op.connection, op.follow_up) for op in operations])
    tx.many(
        "operation_insert",
        [
            (
                op.id, number, company, op.connection, op.record_id, op.request, op.body, sha256(op.body).hexdigest(), op.guid,
                op.mapped, op.follow_up, op.target_id, op.base_id, meant_for, at,
            )
            for number, (op, meant_for) in enumerate(zip(operations, meant, strict=True), first)
        ],
    )  # fmt: skip


def ready(
    tx: Tx,
    company: str,
    at: str,
    limit: int,
    connection: str = "",
    *,
    without: Sequence[str] = (),
    later: Sequence[str] = (),
) -> list[Row]:
    """The operations to send next; empty while a message set is unsettled. Requests `without` and ids `later` stay."""
    if tx.one("set_unsettled", {"company": company}):
        return []
    scope = {"company": company, "at": at, "limit": limit, "connection": connection}
    scope |= {"without": plain(without) if without else "[]", "later": plain(later) if later else "[]"}
    return _with_base(tx, tx.rows("operations_next", scope))


def backlog(tx: Tx, company: str, at: str, connection: str = "", limit: int = _EVERY) -> int:
    """How many operations could be sent now, over one connection or over all; no further than `limit`."""
    row = tx.one("operations_backlog", {"company": company, "at": at, "connection": connection, "limit": limit})
    return int(row["count"]) if row else 0


def most(tx: Tx, company: str) -> int:
    """How many operations wait at most, without a look at each."""
    row = tx.one("operations_span", {"company": company})
    return int(row["last"]) - int(row["first"]) + 1 if row is not None and row["last"] is not None else 0


def unsettled(tx: Tx, company: str) -> MessageSet | None:
    """The set whose outcome is not committed, with its operations."""
    row = tx.one("set_unsettled", {"company": company})
    if row is None:
        return None
    members = _with_base(tx, tx.rows("operations_of_set", {"set_id": row["id"]}))
    operations = tuple(operation_of(item) for item in members)
    return MessageSet(
        id=row["id"],
        body=bytes(row["body"]),
        sha256=row["sha256"],
        operations=operations,
        state=row["state"],
        ticket_hash=row["ticket_hash"],
        attempts=row["attempts"],
        sent_at=from_iso(row["sent_at"]),
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
    rows = tx.rows("operations_whole", {"ids": plain([operation.id for operation in message_set.operations])})
    for name in sorted(places.strangers(tx, rows)):
        raise Bug(f"message set {message_set.id} carries operation {name}, which was frozen for other books")
    for operation in message_set.operations:
        if operation.body not in message_set.body:
            raise Bug(f"message set {message_set.id} does not carry the frozen bytes of operation {operation.id}")
        put(tx, operation.id, "sent", set_id=message_set.id)


def put(tx: Tx, operation_id: str, state: str, *, set_id: str | None = None, not_before: str = "") -> None:
    """Move an operation."""
    tx.run("operation_state", {"id": operation_id, "state": state, "message_set_id": set_id, "not_before": not_before})


def put_all(tx: Tx, operation_ids: Sequence[str], state: str, *, not_before: str = "") -> None:
    """Move many operations alike."""
    if operation_ids:
        tx.run("operations_state", {"ids": plain(list(operation_ids)), "state": state, "not_before": not_before})


def amend(tx: Tx, operation_id: str, body: bytes) -> None:
    """Give an operation that waits the bytes that will be sent. What it was first frozen as stays known: `whole`.

    Raises:
        Bug: when the operation does not wait, and so may have been sent as it is.
    """
    row = tx.one("operation_get", {"id": operation_id})
    follow_up = json.loads(row["follow_up"]) if row else {}
    if row is not None:
        follow_up.setdefault("whole", bytes(row["body"]).decode())
    scope = {"id": operation_id, "body": body, "sha256": sha256(body).hexdigest(), "follow_up": plain(follow_up)}
    if tx.run("operation_amend", scope) != 1:
        raise Bug(f"operation {operation_id} does not wait, and cannot be given other bytes")


def whole(row: Row) -> bytes:
    """Everything that an operation is to write, also where only a part of it had to be sent."""
    kept = json.loads(row["follow_up"]).get("whole") if row["target_id"] else None
    return bytes(row["body"]) if kept is None else str(kept).encode()


def undoes(row: Row) -> bool:
    """Whether an operation undoes what another has written."""
    return bool(json.loads(row["follow_up"]).get("undo"))


def undoes_gone(row: Row) -> bool:
    """Whether an operation undoes what another has written because the source no longer has the record."""
    return bool(json.loads(row["follow_up"]).get("gone"))


def base_of(tx: Tx, row: Row) -> bytes:
    """The bytes that wrote the object of a modify last; empty when they are not known."""
    base = tx.one("operation_get", {"id": row["base_id"]}) if row["base_id"] else None
    return b"" if base is None else whole(base)


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
    """An operation as connectors see it; a modify has its base when its row comes from `ready` or `unsettled`."""
    sent_before = row["state"] == "waiting" and row["message_set_id"] is not None
    created_at = from_iso(row["created_at"])
    made = Operation(row["id"], row["request"], bytes(row["body"]), row["sha256"], row["guid"], created_at, sent_before)
    if not row["target_id"]:
        return made
    return replace(made, target_id=row["target_id"], base=dict(row).get("base", b""), whole=whole(row))


def _with_base(tx: Tx, rows: list[Row]) -> list[Row]:
    """Modifies with what they change; everything else as it is."""
    return [{**dict(row), "base": base_of(tx, row)} if row["target_id"] else row for row in rows]


def held(tx: Tx, record_id: int) -> Row | None:
    """The operation of a record that waits for a person's word, or None."""
    record = tx.one("record_get", {"id": record_id})
    operation = tx.one("operation_get", {"id": record["operation_id"]}) if record and record["operation_id"] else None
    return operation if operation is not None and operation["state"] == "held" else None
