"""What taking in records and changing posted ones share: the batch they work in, and the steps a record takes there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from engine import pipeline
from engine.contract import Json
from engine.dataclass import dataclass
from engine.differences import Difference, differences, told
from engine.errors import Bug, ExpressionError
from engine.follow import Hand
from engine.jsontext import plain
from engine.pipeline import Desk, Frozen, Parked
from engine.program import StreamProgram
from engine.store import claims, journal, outbox, records, work
from engine.store.base import Row, Tx
from engine.store.records import Move, Reason
from engine.titles import called

# What may still change without anybody having been told.
OPEN = frozenset({"pending", "deferred", "failed", "skipped"})
# Names of fields in one line of the journal.
MOST_FIELDS = 20


@dataclass(slots=True)
class Batch:
    """Where a page is taken in, and what came of it so far."""

    tx: Tx
    hand: Hand
    desk: Desk
    run: int
    counts: Counter[str] = field(default_factory=Counter)


def move(batch: Batch, step: Move) -> None:
    """One step of one record."""
    records.move(batch.tx, batch.hand.company, batch.hand.at, batch.hand.actor, [step])


def withdraw(batch: Batch, row: Row) -> bool:
    """Take back an operation that waits; the record is pending again. False when it is under way, perhaps in the target.

    One that was sent before and waits again did certainly not run, so it may be taken back like any other.
    """
    operation = batch.tx.one("operation_get", {"id": row["operation_id"]})
    if operation is None or operation["state"] != "waiting":
        return False
    outbox.put(batch.tx, operation["id"], "cancelled")
    move(batch, Move(row, "pending", "changed", detail={"cancelled": operation["id"]}))
    return True


def as_pending(batch: Batch, row: Row) -> Row:
    """The record, pending; moved there when it is parked."""
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if full["state"] == "pending":
        return full
    if full["state"] not in OPEN:  # it has an operation, and a second one would be posted as well
        raise Bug(f"record {full['id']} is {full['state']} and cannot begin anew")
    operation = batch.tx.one("operation_get", {"id": full["operation_id"]}) if full["operation_id"] else None
    if operation is not None and operation["state"] == "held":
        outbox.put(batch.tx, operation["id"], "cancelled")
    move(batch, Move(full, "pending", "changed", records.load_reasons(full)))
    moved = batch.tx.one("record_get", {"id": row["id"]})
    assert moved is not None
    return moved


def current(batch: Batch, stream: StreamProgram, row: Row) -> Row:
    """The source changed after the record was sent, and then the target refused it: what people see is read anew as well."""
    try:
        intake = pipeline.take_in(stream, batch.desk, json.loads(row["newest"] or row["payload"]))
    except ExpressionError:  # it is reported when it is prepared
        return row
    records.refresh(batch.tx, row["id"], row["seen_run"], batch.hand.at, intake)
    settled_drift(batch, row)
    fresh = batch.tx.one("record_get", {"id": row["id"]})
    assert fresh is not None
    return fresh


def drifted(
    batch: Batch,
    row: Row,
    kept: Mapping[str, Any],
    reference: str | None,
    *,
    alert: bool = True,
    news: tuple[str, str] | None = None,
) -> None:
    """The source is not what was sent, and nothing makes the target agree by itself: never a second Add.

    `kept` is what the source says now, as it is remembered. With `alert`, a person is told what differs: `news` is what
    happened and what to do, where that is more than a change. The journal names the fields alone.
    """
    hand, state = batch.hand, row["state"]
    batch.tx.run("record_drift", {**kept, "at": hand.at})
    flow, name = row["flow"], row["stream"]
    differs = _differs(batch, row, json.loads(kept["payload"]))
    detail = {
        "payload": kept["payload_sha256"],
        "was": row["payload_sha256"],
        "state": state,
        "fields": [each.field for each in differs[:MOST_FIELDS]],
    }
    entry = journal.Entry("drifted", flow, name, row["id"], row["source_id"], state, state, detail)
    journal.append(batch.tx, hand.company, hand.at, hand.actor, [entry])
    batch.counts["drifted"] += 1
    if alert:
        text = f"{flow}/{name}/{reference or called(row)}"
        what, do = news or (
            f"the source record changed after it was {state}{': ' if differs else ''}{told(differs)}",
            "compare both sides and correct the posted entry by hand",
        )
        alarm = work.Alert("drifted", f"{flow}/{name}/{row['source_id']}", f"{text}: {what}", do)
        work.raise_alert(batch.tx, hand.company, alarm, hand.at)


def _differs(batch: Batch, row: Row, data: Json) -> list[Difference]:
    """What would be written otherwise than it was; when it would be written as before, what the source says otherwise."""
    operation = batch.tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    stream = next((s for s in batch.desk.program.streams if s.stream.name == row["stream"]), None)
    found = _mapped(batch, stream, data) if stream is not None else None
    if operation is not None and found is not None:
        written = json.loads(operation["mapped"])
        now = json.loads(plain(found[0]))
        # What a newer version of the flow maps beside it was not written then.
        differs = list(differences(written, {name: now.get(name) for name in written}))
        if differs:
            return differs
    return list(differences(json.loads(row["payload"]), data))


def settled_drift(batch: Batch, row: Row) -> None:
    """The source and what was sent agree again, or will: whoever was told need not look any more."""
    subject = f"{row['flow']}/{row['stream']}/{row['source_id']}"
    work.resolve_alert(batch.tx, batch.hand.company, "drifted", subject, batch.hand.at)


def same(batch: Batch, stream: StreamProgram, row: Row, data: Json) -> bool:
    """Whether the record would be written as it was.

    An object of the target counts by its id: that it was renamed there, or is gone, is no news of the source. One that
    is missing is gone there when what was written misses it now as well.
    """
    if row["mapped_sha256"] is not None and pipeline.map_digest(stream, batch.desk, data) == row["mapped_sha256"]:
        return True
    operation = batch.tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    if operation is None:
        return False
    found = _mapped(batch, stream, data)
    if found is None:
        return False
    mapped, missing = found
    lenient = False
    if missing and row["state"] != "intended":
        before = _mapped(batch, stream, json.loads(row["payload"]))
        lenient = before is not None and all(reason in before[1] for reason in missing)
    return alike(json.loads(operation["mapped"]), json.loads(plain(mapped)), lenient=lenient)


def _mapped(batch: Batch, stream: StreamProgram, data: Json) -> tuple[Mapping[str, Any], list[Reason]] | None:
    """What a record is mapped to now and what it misses, or None when it cannot be mapped."""
    context = pipeline.context_of(stream, batch.desk, data)
    try:
        return stream.map(data, context), context.missing
    except ExpressionError:
        return None


def alike(old: Any, new: Any, *, lenient: bool = False) -> bool:
    """Whether two mapped values would be written alike; objects of the target are compared by their ids.

    With `lenient`, one that is missing now counts as the one there was.
    """
    if isinstance(old, dict) and isinstance(old.get("list_id"), str):
        return (isinstance(new, dict) and new.get("list_id") == old["list_id"]) or (lenient and new is None)
    if isinstance(old, dict) and isinstance(new, dict):
        # What a newer version of the flow maps beside it was not written then.
        return all(name in new and alike(old[name], new[name], lenient=lenient) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(alike(a, b, lenient=lenient) for a, b in zip(old, new, strict=True))
    return bool(old == new)


def intend(batch: Batch, connection: str, record_id: int, prepared: Frozen) -> None:
    """Keep what is ready to be written, and what it was matched with."""
    outbox.add(batch.tx, batch.hand.company, batch.hand.at, [new_operation(connection, record_id, prepared)])
    keep_claims(batch, record_id, prepared)


def keep_claims(batch: Batch, record_id: int, prepared: Frozen) -> None:
    """What a record was matched with is its own from now on."""
    if prepared.claims:
        record = batch.tx.one("record_get", {"id": record_id})
        assert record is not None
        for claim in prepared.claims:
            claims.put(batch.tx, record, claim)


def intended(prepared: Frozen) -> dict[str, Any]:
    """What the journal says of a record that is ready to be written."""
    found: dict[str, Any] = {"operation": prepared.operation_id, "request": prepared.request}
    found["mapped"] = prepared.mapped_sha256
    if prepared.claims:
        found["matched"] = {claim.lookup: claim.list_id for claim in prepared.claims}
    return found


def new_operation(connection: str, record_id: int, prepared: Frozen) -> outbox.NewOperation:
    """What is ready to be written, as the outbox takes it."""
    return outbox.NewOperation(
        prepared.operation_id,
        connection,
        record_id,
        prepared.request,
        prepared.body,
        prepared.guid,
        prepared.mapped,
        prepared.follow_up,
        prepared.target_id,
        prepared.base_id,
    )


def state_of(parked: Parked) -> records.State:
    """The state of a record that is not written now."""
    states: Mapping[str, records.State] = {"deferred": "deferred", "failed": "failed"}
    return states.get(parked.state, "skipped")
