"""Rows that the contract tests put into a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256

import psycopg

from engine.contract import MessageSet
from engine.errors import Bug
from engine.store import marks, outbox, records
from engine.store.base import Row, Tx
from engine.store.records import Intake, NewRecord, Place, Reason

AT = "2026-03-02T14:00:00.000000Z"
LATER = "2026-03-02T15:00:00.000000Z"
COMPANY = "acme"
PLACE = Place(COMPANY, "flow", "bills", "post")
# What a backend raises when a constraint refuses a row.
REFUSED = (Bug, sqlite3.IntegrityError, psycopg.IntegrityError)


def intake(source_id: str = "b-1", payload: str = '{"id":"b-1"}') -> Intake:
    return Intake(
        source_id,
        payload,
        sha256(payload.encode()).hexdigest(),
        "10.00",
        "EUR",
        "Party",
        f"N-{source_id}",
        "2026-03-01",
    )


def add(
    tx: Tx,
    source_id: str = "b-1",
    state: records.State = "pending",
    *,
    reasons: tuple[Reason, ...] = (),
    place: Place = PLACE,
) -> Row:
    """A record in a state."""
    (number,) = records.insert(tx, place, 1, AT, "test", [NewRecord(intake(source_id), state, reasons)])
    return get(tx, number)


def get(tx: Tx, number: int) -> Row:
    row = tx.one("record_get", {"id": number})
    assert row is not None
    return row


def operation(record: Row, name: str = "op-1", body: bytes = b"<BillAddRq/>") -> outbox.NewOperation:
    return outbox.NewOperation(name, "books", record["id"], "BillAdd", body, "{GUID}", '{"a":1}', "{}")


def message_set(tx: Tx, name: str = "set-1", company: str = COMPANY, body: bytes | None = None) -> MessageSet:
    """A set of everything that is ready."""
    operations = tuple(outbox.operation_of(row) for row in outbox.ready(tx, company, AT, 100))
    whole = b"<S>" + b"".join(op.body for op in operations) + b"</S>" if body is None else body
    return MessageSet(name, whole, sha256(whole).hexdigest(), operations, ticket_hash="t-1")


def calls_due(tx: Tx, company: str, flow: str, at: str, streams: Sequence[str] = ()) -> list[Row]:
    """The calls to make now, of all that are open."""
    calls = tx.rows("mark_calls_open", {"company": company, "flow": flow})
    told = {call["id"]: tx.rows("mark_subjects", {"call_id": call["id"]}) for call in calls}
    return marks.ready(calls, told, at, streams)
