"""Brings a page of source records, or records that wait in the store, as far as they get: all in the caller's transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine import follow, pipeline
from engine.contract import Json, ListObject
from engine.errors import Bug, ExpressionError
from engine.follow import Hand
from engine.jsontext import plain
from engine.pipeline import Adopted, Desk, Frozen, NotReady, Parked
from engine.program import StreamProgram, follow_up_of
from engine.store import journal, marks, outbox, records, work
from engine.store.base import Row, Tx
from engine.store.records import Intake, Move, NewRecord, Place, Reason

# What may still change without anybody having been told.
_OPEN = frozenset({"pending", "deferred", "failed", "skipped"})


@dataclass(slots=True)
class Batch:
    """Where a page is taken in, and what came of it so far."""

    tx: Tx
    hand: Hand
    desk: Desk
    run: int
    counts: Counter[str] = field(default_factory=Counter)


def take_page(batch: Batch, stream: StreamProgram, page: Sequence[Json]) -> None:
    """Make every record of the page durable, and prepare the new ones."""
    place = _place(batch, stream)
    intakes: dict[str, tuple[Intake, Json]] = {}
    for data in page:
        try:
            intake = pipeline.take_in(stream, batch.desk, data)
        except ExpressionError as error:
            _unreadable(batch, stream, error)
            continue
        before = intakes.get(intake.source_id)
        if before is not None and before[0].payload_sha256 != intake.payload_sha256:
            _ambiguous(batch, stream, intake)
        intakes[intake.source_id] = (intake, data)
    batch.counts["read"] += len(page)
    known = records.known(batch.tx, place, list(intakes))
    new: list[tuple[Intake, Json]] = []
    seen: list[tuple[int, int]] = []
    for source_id, (intake, data) in intakes.items():
        row = known.get(source_id)
        if row is None:
            new.append((intake, data))
        elif row["payload_sha256"] == intake.payload_sha256:
            seen.append((batch.run, row["id"]))
        else:
            _changed(batch, stream, row, intake, data)
    if seen:
        batch.tx.many("records_seen", seen)
    prepared = pipeline.prepare_all(stream, batch.desk, [(intake.source_id, data) for intake, data in new])
    _insert(batch, stream, place, [(*item, result) for item, result in zip(new, prepared, strict=True)])


def prepare_pending(batch: Batch, stream: StreamProgram, limit: int, *, page: int = 500) -> int:
    """Prepare records that wait for nothing any more; returns how many were looked at."""
    done, after = 0, 0
    while done < limit:
        scope = {
            "company": batch.hand.company,
            "flow": batch.desk.program.flow.name,
            "stream": stream.stream.name,
            "state": "pending",
            "after": after,
            "limit": min(page, limit - done),
        }
        rows = batch.tx.rows("records_in_state", scope)
        if not rows:
            return done
        rows = [_current(batch, stream, row) if row["drifted"] else row for row in rows]
        items = [(row["source_id"], json.loads(row["payload"])) for row in rows]
        for row, prepared in zip(rows, pipeline.prepare_all(stream, batch.desk, items), strict=True):
            _advance(batch, stream, row, prepared)
        done += len(rows)
        after = rows[-1]["id"]
    return done


def recheck(batch: Batch, stream: StreamProgram, row: Row, data: Json | None) -> None:
    """A record that was not in the newest complete listing was read by itself: take what the source says of it now."""
    # While the source was asked, the record may have been prepared, sent, or posted by another thread or process.
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if full["state"] not in _OPEN and full["state"] != "intended":
        return
    if data is None:
        _gone(batch, full)
        return
    try:
        intake = pipeline.take_in(stream, batch.desk, data)
    except ExpressionError as error:
        _unreadable(batch, stream, error)
        return
    if intake.source_id != full["source_id"]:
        text = f"`{full['source_id']}` was asked for and `{intake.source_id[:64]}` came"
        _unreadable(
            batch, stream, ExpressionError(text, hint="the flow's `key` must be the id of the stream's records")
        )
    elif intake.payload_sha256 != full["payload_sha256"]:
        _changed(batch, stream, full, intake, data)
    else:
        batch.tx.many("records_seen", [(batch.run, full["id"])])


def _gone(batch: Batch, full: Row) -> None:
    """The source no longer has the record: skip it, unless it is under way to the target."""
    if full["state"] == "intended" and not _withdraw(batch, full):
        return
    gone = Reason("gone", "the source no longer has it")
    _move(batch, Move(_as_pending(batch, full), "skipped", "skipped", (gone,)))
    # Should it come back, it is news even when it looks as before.
    batch.tx.run("record_forget_seen", {"id": full["id"]})
    follow.quiet(batch.tx, batch.hand, full)
    _tell_dependents(batch, full)
    batch.counts["skipped"] += 1


def _tell_dependents(batch: Batch, row: Row) -> None:
    """What waited for this record to be posted must look again: it will not be."""
    hand = batch.hand
    records.wake(batch.tx, hand.company, hand.at, hand.actor, f"posted:{row['stream']}:{row['source_id']}")


def _current(batch: Batch, stream: StreamProgram, row: Row) -> Row:
    """The source changed after the record was sent, and then the target refused it: what people see is read anew as well."""
    try:
        intake = pipeline.take_in(stream, batch.desk, json.loads(row["payload"]))
    except ExpressionError:  # it is reported when it is prepared
        return row
    records.refresh(batch.tx, row["id"], row["seen_run"], batch.hand.at, intake)
    _settled_drift(batch, row)
    fresh = batch.tx.one("record_get", {"id": row["id"]})
    assert fresh is not None
    return fresh


def _settled_drift(batch: Batch, row: Row) -> None:
    subject = f"{row['flow']}/{row['stream']}/{row['source_id']}"
    work.resolve_alert(batch.tx, batch.hand.company, "drifted", subject, batch.hand.at)


def _insert(
    batch: Batch, stream: StreamProgram, place: Place, fresh: Sequence[tuple[Intake, Json, pipeline.Prepared]]
) -> None:
    """Add new records in the state they reached, their operations, and what follows from those that are parked."""
    new = [_new_record(intake, prepared) for intake, _, prepared in fresh]
    ids = records.insert(batch.tx, place, batch.run, batch.hand.at, batch.hand.actor, new)
    connection = stream.stream.write.connection
    outbox.add(
        batch.tx,
        batch.hand.company,
        batch.hand.at,
        [
            _operation(connection, record_id, prepared)
            for record_id, (_, _, prepared) in zip(ids, fresh, strict=True)
            if isinstance(prepared, Frozen)
        ],
    )
    for record_id, record, (_, data, prepared) in zip(ids, new, fresh, strict=True):
        batch.counts[record.state] += 1
        if record.state == "skipped":
            skipped = {"stream": place.stream, "source_id": record.intake.source_id}
            _tell_dependents(batch, skipped)
        elif isinstance(prepared, (Parked, Adopted)):
            row = batch.tx.one("record_get", {"id": record_id})
            assert row is not None
            follow.report(batch.tx, batch.hand, row, record.state, record.reasons, follow_up_of(stream.stream))
        if isinstance(prepared, Adopted):
            row = batch.tx.one("record_get", {"id": record_id})
            assert row is not None
            _link_adopted(batch, stream, row, data, prepared)


def _new_record(intake: Intake, prepared: pipeline.Prepared) -> NewRecord:
    if isinstance(prepared, Frozen):
        detail = {"operation": prepared.operation_id, "request": prepared.request, "mapped": prepared.mapped_sha256}
        return NewRecord(intake, "intended", (), prepared.mapped_sha256, prepared.operation_id, detail)
    if isinstance(prepared, Parked):
        return NewRecord(intake, _state(prepared), prepared.reasons)
    if isinstance(prepared, Adopted):
        return NewRecord(intake, "skipped", (_adopted_reason(prepared),))
    return NewRecord(intake, "pending")


def _advance(batch: Batch, stream: StreamProgram, row: Row, prepared: pipeline.Prepared) -> None:
    """Move a pending record to where it gets."""
    if isinstance(prepared, NotReady):
        batch.counts["pending"] += 1
        return
    if isinstance(prepared, Frozen):
        detail = {"operation": prepared.operation_id, "request": prepared.request, "mapped": prepared.mapped_sha256}
        moved = Move(row, "intended", "intended", (), prepared.mapped_sha256, prepared.operation_id, detail=detail)
        _move(batch, moved)
        connection = stream.stream.write.connection
        outbox.add(batch.tx, batch.hand.company, batch.hand.at, [_operation(connection, row["id"], prepared)])
        follow.quiet(batch.tx, batch.hand, row)
        batch.counts["intended"] += 1
        return
    if isinstance(prepared, Adopted):
        _move(batch, Move(row, "skipped", "skipped", (_adopted_reason(prepared),)))
        follow.quiet(batch.tx, batch.hand, row)
        _link_adopted(batch, stream, row, json.loads(row["payload"]), prepared)
        batch.counts["skipped"] += 1
        return
    state = _state(prepared)
    _move(batch, Move(row, state, state, prepared.reasons))
    batch.counts[state] += 1
    follow.quiet(batch.tx, batch.hand, row, still=() if state == "skipped" else prepared.reasons)
    if state == "skipped":
        _tell_dependents(batch, row)
    else:
        follow.report(batch.tx, batch.hand, row, state, prepared.reasons, follow_up_of(stream.stream))


def _changed(batch: Batch, stream: StreamProgram, row: Row, intake: Intake, data: Json) -> None:
    """The source record is not what it was when it was last read."""
    state = row["state"]
    if state in _OPEN:
        pending = _as_pending(batch, row)
        records.refresh(batch.tx, row["id"], batch.run, batch.hand.at, intake)
        fresh = batch.tx.one("record_get", {"id": pending["id"]})
        assert fresh is not None
        if pending["drifted"]:
            _settled_drift(batch, pending)
        _advance(batch, stream, fresh, pipeline.prepare(stream, batch.desk, intake.source_id, data))
        return
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    kept = {
        "id": row["id"], "payload": intake.payload, "payload_sha256": intake.payload_sha256, "seen_run": batch.run,
    }  # fmt: skip
    # Nothing that is written changed; but what waits must not be sent for a record that is no longer wanted.
    if _same(batch, stream, full, data) and (state != "intended" or pipeline.selected(stream, batch.desk, data)):
        # Should the target refuse it, what the source says now decides whether it is tried again.
        unwanted = state in ("sent", "unknown") and not pipeline.selected(stream, batch.desk, data)
        batch.tx.run("record_drift" if unwanted else "record_same", {**kept, "at": batch.hand.at})
        if state == "posted":
            marks.tell_again(batch.tx, row["id"])
        if full["drifted"] and state not in ("sent", "unknown"):
            _settled_drift(batch, full)
        return
    if state == "intended" and _withdraw(batch, full):
        records.refresh(batch.tx, row["id"], batch.run, batch.hand.at, intake)
        reread = batch.tx.one("record_get", {"id": row["id"]})
        assert reread is not None
        if full["drifted"]:
            _settled_drift(batch, full)
        _advance(batch, stream, reread, pipeline.prepare(stream, batch.desk, intake.source_id, data))
        return
    # It was sent, perhaps posted: never a second Add. A person is told what differs.
    at = batch.hand.at
    batch.tx.run("record_drift", {**kept, "at": at})
    flow, name = batch.desk.program.flow.name, stream.stream.name
    detail = {"payload": intake.payload_sha256, "was": row["payload_sha256"], "state": state}
    entry = journal.Entry("drifted", flow, name, row["id"], intake.source_id, state, state, detail)
    journal.append(batch.tx, batch.hand.company, at, batch.hand.actor, [entry])
    alert = work.Alert(
        "drifted",
        f"{flow}/{name}/{intake.source_id}",
        f"{flow}/{name}/{intake.reference or intake.source_id}: the source record changed after it was {state}",
        "compare both sides and correct the posted entry by hand",
    )
    work.raise_alert(batch.tx, batch.hand.company, alert, at)
    batch.counts["drifted"] += 1


def _same(batch: Batch, stream: StreamProgram, row: Row, data: Json) -> bool:
    """Whether the record would be written as it was.

    An object of the target counts by its id: that it was renamed there, or is gone, is no news of the source.
    """
    if row["mapped_sha256"] is not None and pipeline.map_digest(stream, batch.desk, data) == row["mapped_sha256"]:
        return True
    operation = batch.tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    if operation is None:
        return False
    context = pipeline.RecordContext(batch.desk.resolver, batch.desk.settings, data)
    try:
        mapped = json.loads(plain(stream.map(data, context)))
    except ExpressionError:
        return False
    lenient = bool(context.missing) and row["state"] != "intended"
    return _alike(json.loads(operation["mapped"]), mapped, lenient=lenient)


def _alike(old: Any, new: Any, *, lenient: bool) -> bool:
    if isinstance(old, dict) and isinstance(old.get("list_id"), str):
        return (isinstance(new, dict) and new.get("list_id") == old["list_id"]) or (lenient and new is None)
    if isinstance(old, dict) and isinstance(new, dict):
        # What a newer version of the flow maps beside it was not written then.
        return all(name in new and _alike(old[name], new[name], lenient=lenient) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(_alike(a, b, lenient=lenient) for a, b in zip(old, new, strict=True))
    return bool(old == new)


def _withdraw(batch: Batch, row: Row) -> bool:
    """Take back an operation that waits; the record is pending again. False when it is under way, perhaps in the target.

    One that was sent before and waits again did certainly not run, so it may be taken back like any other.
    """
    operation = batch.tx.one("operation_get", {"id": row["operation_id"]})
    if operation is None or operation["state"] != "waiting":
        return False
    outbox.put(batch.tx, operation["id"], "cancelled")
    _move(batch, Move(row, "pending", "changed", detail={"cancelled": operation["id"]}))
    return True


def _as_pending(batch: Batch, row: Row) -> Row:
    """The record, pending; moved there when it is parked."""
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if full["state"] == "pending":
        return full
    if full["state"] not in _OPEN:  # it has an operation, and a second one would be posted as well
        raise Bug(f"record {full['id']} is {full['state']} and cannot begin anew")
    operation = batch.tx.one("operation_get", {"id": full["operation_id"]}) if full["operation_id"] else None
    if operation is not None and operation["state"] == "held":
        outbox.put(batch.tx, operation["id"], "cancelled")
    _move(batch, Move(full, "pending", "changed", records.load_reasons(full)))
    moved = batch.tx.one("record_get", {"id": row["id"]})
    assert moved is not None
    return moved


def _unreadable(batch: Batch, stream: StreamProgram, error: ExpressionError) -> None:
    """A record without an id cannot have a row; it is journalled, a person is told, and the next record goes on."""
    flow, name = batch.desk.program.flow.name, stream.stream.name
    entry = journal.Entry("unreadable", flow, name, detail={"message": str(error)})
    journal.append(batch.tx, batch.hand.company, batch.hand.at, batch.hand.actor, [entry])
    alert = work.Alert(
        "failed", f"{flow}/{name}", f"{flow}/{name}: a record was not taken in: {error}", error.hint or ""
    )
    work.raise_alert(batch.tx, batch.hand.company, alert, batch.hand.at)
    batch.counts["failed"] += 1
    batch.counts["unreadable"] += 1


def _ambiguous(batch: Batch, stream: StreamProgram, intake: Intake) -> None:
    """Two different records under one key: the later one is taken, and a person must see that nothing is lost."""
    where = f"{batch.desk.program.flow.name}/{stream.stream.name}/{intake.source_id}"
    alert = work.Alert(
        "ambiguous",
        where,
        f"{where}: the source listed two different records under this key; the later one was taken",
        "look at both in the source; `key` in the flow must be an id that no two records share",
    )
    work.raise_alert(batch.tx, batch.hand.company, alert, batch.hand.at)


def _link_adopted(batch: Batch, stream: StreamProgram, row: Row, data: Json, adopted: Adopted) -> None:
    """The target has it already: remember which object it is."""
    provide = stream.stream.provide
    if provide is None or stream.provide_key is None:
        return
    key = stream.provide_key(data, pipeline.RecordContext(batch.desk.resolver, batch.desk.settings, data))
    found = ListObject(str(adopted.object.get("list_id", "")), str(adopted.object.get("full_name", "")))
    follow.link(batch.tx, batch.hand, row, provide.lookup, str(key), found, "adopted")


def _adopted_reason(adopted: Adopted) -> Reason:
    return Reason("adopted", f"`{adopted.object.get('full_name', '')}` is there already")


def _operation(connection: str, record_id: int, prepared: Frozen) -> outbox.NewOperation:
    return outbox.NewOperation(
        prepared.operation_id,
        connection,
        record_id,
        prepared.request,
        prepared.body,
        prepared.guid,
        prepared.mapped,
        prepared.follow_up,
    )


def _state(parked: Parked) -> records.State:
    states: Mapping[str, records.State] = {"deferred": "deferred", "failed": "failed"}
    return states.get(parked.state, "skipped")


def _move(batch: Batch, step: Move) -> None:
    records.move(batch.tx, batch.hand.company, batch.hand.at, batch.hand.actor, [step])


def _place(batch: Batch, stream: StreamProgram) -> Place:
    return Place(batch.hand.company, batch.desk.program.flow.name, stream.stream.name, stream.stream.phase)
