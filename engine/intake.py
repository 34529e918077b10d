"""Brings a page of source records, or records that wait in the store, as far as they get: all in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine import changes, follow, otheraccount, pipeline, watch
from engine.batch import (
    OPEN,
    Batch,
    as_pending,
    current,
    drifted,
    intend,
    intended,
    keep_claims,
    move,
    new_operation,
    same,
    settled_drift,
    state_of,
    withdraw,
)
from engine.contract import Json, ListObject
from engine.errors import ExpressionError
from engine.pipeline import Adopted, Frozen, NotReady, Parked
from engine.program import StreamProgram, follow_up_of
from engine.store import journal, outbox, records, work
from engine.store.base import Row, Store, Tx, Wanted
from engine.store.records import Intake, Move, NewRecord, Place, Reason
from engine.undo import says_undone

# So many records are read, or prepared, in one transaction: whoever has a call to answer waits for no more of them.
AT_ONCE = 50
# And so many where somebody waits: of what they take, more than half is then the commit.
FEW = 15


def most(store: Store) -> int:
    """How many records are to be read, or prepared, in the next transaction."""
    return FEW if isinstance(store, Wanted) and store.is_wanted() else AT_ONCE


def at_once(batch: Batch, stream: StreamProgram, page: Sequence[Json], limit: int = AT_ONCE) -> int:
    """How many records of a page are taken in by one transaction, `limit` as a rule.

    One that stands there more than once is taken as it stands last. Between two transactions it could be sent as it stood
    first, and so such a page is taken whole.
    """
    if len(page) <= limit:
        return limit
    keys = [key for data in page if (key := pipeline.key_of(stream, batch.desk, data)) is not None]
    return limit if len(set(keys)) == len(keys) else len(page)


def take_page(batch: Batch, stream: StreamProgram, page: Sequence[Json]) -> None:
    """Make every record of the page, or of a part of it, durable, and prepare the new ones."""
    place = _place(batch, stream)
    intakes, twice = _taken_in(batch, stream, page)
    batch.counts["read"] += len(page)
    known = records.known(batch.tx, place, list(intakes))
    new: list[tuple[Intake, Json]] = []
    seen: list[tuple[int, int]] = []
    again: list[tuple[Row, Json]] = []
    posted: list[str] = []
    ids = [row["id"] for row in known.values()]
    strange = otheraccount.strangers(batch.tx, place.company, stream.stream.fetch.connection, ids)
    here: list[str] = []
    own = {source_id: row for source_id, row in known.items() if row["id"] not in strange.ids}
    for source_id, (intake, data) in _all_as_told(batch, stream, own, intakes).items():
        row = known.get(source_id)
        if row is None:
            new.append((intake, data))
            continue
        if row["id"] in strange.ids and row["payload_sha256"] != intake.payload_sha256:
            otheraccount.hold(batch, stream, row, intake)
            continue
        here.append(f"{place.flow}/{place.stream}/{source_id}")
        if row["payload_sha256"] == intake.payload_sha256:
            seen.append((batch.run, row["id"]))
            if watch.is_watched(stream):
                again.append((row, data))
            if row["state"] in ("posted", "closed"):
                posted.append(source_id)
        else:
            _changed(batch, stream, row, intake, data)
    if strange.is_moved:
        otheraccount.settled(batch.tx, place.company, batch.hand.at, here)
    if seen:
        batch.tx.many("records_seen", seen)
    if posted:
        records.changes_seen(batch.tx, place, posted, batch.run)
    for row, found in watch.news(stream, batch.desk, again) if again else ():
        _advance(batch, stream, as_pending(batch, row), found)
    prepared = pipeline.prepare_all(stream, batch.desk, [(intake.source_id, data) for intake, data in new])
    _insert(batch, stream, place, [(*item, result) for item, result in zip(new, prepared, strict=True)])
    if twice:
        _seen_twice(batch, place, twice)


def _taken_in(
    batch: Batch, stream: StreamProgram, page: Sequence[Json]
) -> tuple[dict[str, tuple[Intake, Json]], list[str]]:
    """The records of a page by their key, and the keys that stand there more than once with the same data."""
    intakes: dict[str, tuple[Intake, Json]] = {}
    twice: dict[str, None] = {}
    for data in page:
        try:
            intake = pipeline.take_in(stream, batch.desk, data)
        except ExpressionError as error:
            _unreadable(batch, stream, error)
            continue
        before = intakes.get(intake.source_id)
        if before is not None and before[0].payload_sha256 != intake.payload_sha256:
            _ambiguous(batch, stream, intake)
        elif before is not None:
            twice[intake.source_id] = None
        intakes[intake.source_id] = (intake, data)
    return intakes, list(twice)


def is_pending(tx: Tx, company: str, flow: str, stream: StreamProgram) -> bool:
    """Whether a stream has a record that `prepare_pending` would look at: a small question, asked before a batch is made."""
    scope = {"company": company, "flow": flow, "stream": stream.stream.name}
    return tx.one("pending_of_stream", scope) is not None


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
        first = [row for row in rows if not records.is_change(row)]
        first = [
            current(batch, stream, row) if row["drifted"] or _undone_since(batch, stream, row) else row for row in first
        ]
        items = [(row["source_id"], json.loads(row["payload"])) for row in first]
        chosen = {row["source_id"] for row in first if records.was_posted(row)}
        made = pipeline.prepare_all(stream, batch.desk, items, chosen=chosen)
        for row, prepared in zip(first, made, strict=True):
            _advance(batch, stream, row, prepared)
        for row in rows:
            if records.is_change(row):
                changes.prepare(batch, stream, row)
        done += len(rows)
        after = rows[-1]["id"]
    return done


def _undone_since(batch: Batch, stream: StreamProgram, row: Row) -> bool:
    """Whether the source has undone what was posted of a record, before that was gone from the target."""
    desk = batch.desk
    return row["newest"] is not None and says_undone(desk.resolver, desk.settings, stream, json.loads(row["newest"]))


def recheck(batch: Batch, stream: StreamProgram, row: Row, data: Json | None) -> None:
    """A record that was not in the newest complete listing was read by itself: take what the source says of it now."""
    # While the source was asked, the record may have been prepared, sent, or posted by another thread or process.
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if full["state"] not in OPEN and full["state"] != "intended":
        return
    if _is_strange(batch, stream, full):
        return
    is_change = records.is_change(full)
    record = records.changed_by(batch.tx, full) if is_change else full
    if data is None:
        if is_change:
            changes.gone(batch, stream, record, full)
        else:
            _gone(batch, full)
        return
    intake = _asked_for(batch, stream, full, data)
    if intake is None:
        return
    intake, data = _as_told(batch, stream, record, intake, data)
    if intake.payload_sha256 != record["payload_sha256"]:
        _changed(batch, stream, record, intake, data)
    if is_change or intake.payload_sha256 == record["payload_sha256"]:
        batch.tx.many("records_seen", [(batch.run, full["id"])])


def recheck_posted(batch: Batch, stream: StreamProgram, row: Row, data: Json | None) -> None:
    """A posted record that was not in the newest complete listing was read by itself: take what the source says now."""
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if _is_strange(batch, stream, full):
        return
    # Its turn is over, whatever comes of it: others are asked for next.
    batch.tx.many("records_seen", [(batch.run, full["id"])])
    if full["state"] not in ("posted", "closed") or records.is_voided(full):
        return
    if data is None:
        changes.gone(batch, stream, full, records.newest_change(batch.tx, full))
        return
    intake = _asked_for(batch, stream, full, data)
    if intake is None:
        return
    intake, data = _as_told(batch, stream, full, intake, data)
    if intake.payload_sha256 != full["payload_sha256"]:
        _changed(batch, stream, full, intake, data)


def _is_strange(batch: Batch, stream: StreamProgram, full: Row) -> bool:
    """Whether the record was read from another account: what the one that is connected now has, or lacks, is not said of it."""
    connection = stream.stream.fetch.connection
    return bool(otheraccount.strangers(batch.tx, batch.hand.company, connection, [full["id"]]).ids)


def _as_told(batch: Batch, stream: StreamProgram, row: Row, intake: Intake, data: Json) -> tuple[Intake, Json]:
    """The record with what the source has told of it before, and cannot tell any more, though what it told it of is the same."""
    silent = [(name, others) for name, others in stream.staying if data.get(name) is None]
    full = batch.tx.one("record_get", {"id": row["id"]}) if silent else None
    if full is None:
        return intake, data
    before = [json.loads(full[name]) for name in ("newest", "payload") if full[name]]
    kept: dict[str, object] = {}
    for name, others in silent:
        told = next((known for known in before if known.get(name) is not None), None)
        if told is not None and all(told.get(other) == data.get(other) for other in others):
            kept[name] = told[name]
    if not kept:
        return intake, data
    data = {**data, **kept}
    return pipeline.take_in(stream, batch.desk, data), data


def _all_as_told(
    batch: Batch, stream: StreamProgram, known: Mapping[str, Row], intakes: Mapping[str, tuple[Intake, Json]]
) -> Mapping[str, tuple[Intake, Json]]:
    """The same for the records of a page, those of them that are known and look otherwise than before."""
    if not stream.staying:
        return intakes
    found = dict(intakes)
    for source_id, row in known.items():
        intake, data = intakes[source_id]
        if row["payload_sha256"] != intake.payload_sha256:
            found[source_id] = _as_told(batch, stream, row, intake, data)
    return found


def _asked_for(batch: Batch, stream: StreamProgram, full: Row, data: Json) -> Intake | None:
    """What the source says of a record that was asked for by its id; None, once that is told, when it is another one."""
    try:
        intake = pipeline.take_in(stream, batch.desk, data)
        if intake.source_id != full["source_id"]:
            text = f"`{full['source_id']}` was asked for and `{intake.source_id[:64]}` came"
            _unreadable(
                batch, stream, ExpressionError(text, hint="the flow's `key` must be the id of the stream's records")
            )
            return None
    except ExpressionError as error:
        _unreadable(batch, stream, error)
        return None
    return intake


def _gone(batch: Batch, full: Row) -> None:
    """The source no longer has the record: skip it, unless it is under way to the target."""
    if full["state"] == "intended" and not withdraw(batch, full):
        return
    gone = Reason("gone", "the source no longer has it")
    move(batch, Move(as_pending(batch, full), "skipped", "skipped", (gone,)))
    # Should it come back, it is news even when it looks as before.
    batch.tx.run("record_forget_seen", {"id": full["id"]})
    follow.quiet(batch.tx, batch.hand, full)
    _tell_dependents(batch, full)
    batch.counts["skipped"] += 1


def _tell_dependents(batch: Batch, row: Row) -> None:
    """What waited for this record to be posted must look again: it will not be."""
    hand = batch.hand
    records.wake(batch.tx, hand.company, hand.at, hand.actor, f"posted:{row['stream']}:{row['source_id']}")


def _tell_who_wants(batch: Batch, stream: StreamProgram, row: Row) -> None:
    """Who waits for what this record was to provide must look again: it is not being created now."""
    provide = stream.stream.provide
    if provide is None or stream.provide_key is None:
        return
    data = json.loads(row["payload"])
    try:
        key = stream.provide_key(data, pipeline.context_of(stream, batch.desk, data))
    except ExpressionError:
        return
    hand = batch.hand
    waited = f"mapping:{provide.lookup}:{key}"
    records.wake(batch.tx, hand.company, hand.at, hand.actor, waited, code="not_posted")


def _insert(
    batch: Batch, stream: StreamProgram, place: Place, fresh: Sequence[tuple[Intake, Json, pipeline.Prepared]]
) -> None:
    """Add new records in the state they reached, their operations, and what follows from those that are parked."""
    new = [_new_record(intake, prepared) for intake, _, prepared in fresh]
    ids = records.insert(batch.tx, place, batch.run, batch.hand.at, batch.hand.actor, new)
    connection = stream.stream.target
    outbox.add(
        batch.tx,
        batch.hand.company,
        batch.hand.at,
        [
            new_operation(connection, record_id, prepared)
            for record_id, (_, _, prepared) in zip(ids, fresh, strict=True)
            if isinstance(prepared, Frozen)
        ],
    )
    for record_id, record, (_, data, prepared) in zip(ids, new, fresh, strict=True):
        batch.counts[record.state] += 1
        if isinstance(prepared, Frozen):
            keep_claims(batch, record_id, prepared)
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
        return NewRecord(intake, "intended", (), prepared.mapped_sha256, prepared.operation_id, intended(prepared))
    if isinstance(prepared, Parked):
        return NewRecord(intake, state_of(prepared), prepared.reasons)
    if isinstance(prepared, Adopted):
        return NewRecord(intake, "skipped", (_adopted_reason(prepared),))
    return NewRecord(intake, "pending")


def _advance(batch: Batch, stream: StreamProgram, row: Row, prepared: pipeline.Prepared) -> None:
    """Move a pending record to where it gets."""
    if isinstance(prepared, NotReady):
        batch.counts["pending"] += 1
        return
    if isinstance(prepared, Frozen):
        detail = intended(prepared)
        moved = Move(row, "intended", "intended", (), prepared.mapped_sha256, prepared.operation_id, detail=detail)
        move(batch, moved)
        connection = stream.stream.target
        intend(batch, connection, row["id"], prepared)
        follow.quiet(batch.tx, batch.hand, row)
        batch.counts["intended"] += 1
        return
    if isinstance(prepared, Adopted):
        move(batch, Move(row, "skipped", "skipped", (_adopted_reason(prepared),)))
        follow.quiet(batch.tx, batch.hand, row)
        _link_adopted(batch, stream, row, json.loads(row["payload"]), prepared)
        batch.counts["skipped"] += 1
        return
    state = state_of(prepared)
    if stream.wants:
        _tell_who_wants(batch, stream, row)
    move(batch, Move(row, state, state, prepared.reasons))
    batch.counts[state] += 1
    follow.quiet(batch.tx, batch.hand, row, still=() if state == "skipped" else prepared.reasons)
    if state == "skipped":
        _tell_dependents(batch, row)
    else:
        follow.report(batch.tx, batch.hand, row, state, prepared.reasons, follow_up_of(stream.stream))


def _changed(batch: Batch, stream: StreamProgram, row: Row, intake: Intake, data: Json) -> None:
    """The source record is not what it was when it was last read."""
    state = row["state"]
    if state in OPEN:
        if state == "skipped" and _left_out(batch, row, intake):
            return
        pending = as_pending(batch, row)
        records.refresh(batch.tx, row["id"], batch.run, batch.hand.at, intake)
        fresh = batch.tx.one("record_get", {"id": pending["id"]})
        assert fresh is not None
        if pending["drifted"]:
            settled_drift(batch, pending)
        chosen = records.was_posted(fresh)
        _advance(batch, stream, fresh, pipeline.prepare(stream, batch.desk, intake.source_id, data, chosen=chosen))
        return
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if state in ("posted", "closed"):
        changes.source_changed(batch, stream, full, intake, data)
        return
    kept = {
        "id": row["id"], "payload": intake.payload, "payload_sha256": intake.payload_sha256, "seen_run": batch.run,
    }  # fmt: skip
    # Nothing that is written changed; but what waits must not be sent for a record that is no longer wanted.
    taken_back = stream.stream.fetch.withdrawn and pipeline.unwanted(stream, batch.desk, data)
    chosen = (records.was_posted(full) and not taken_back) or pipeline.selected(stream, batch.desk, data)
    if same(batch, stream, full, data) and (state != "intended" or chosen):
        # Should the target refuse it, or a person want it posted again, what the source says now decides whether it is tried.
        unwanted = state in ("sent", "unknown", "vanished") and not chosen
        batch.tx.run("record_drift" if unwanted else "record_same", {**kept, "at": batch.hand.at})
        if full["drifted"] and not unwanted and state not in ("sent", "unknown"):
            settled_drift(batch, full)
        return
    if state == "intended" and withdraw(batch, full):
        records.refresh(batch.tx, row["id"], batch.run, batch.hand.at, intake)
        reread = batch.tx.one("record_get", {"id": row["id"]})
        assert reread is not None
        if full["drifted"]:
            settled_drift(batch, full)
        again = records.was_posted(reread)
        _advance(batch, stream, reread, pipeline.prepare(stream, batch.desk, intake.source_id, data, chosen=again))
        return
    # It was sent, perhaps posted. Where what is posted can be changed, the change follows by itself.
    told = state not in ("sent", "unknown") or not changes.possible(batch, stream, full)
    drifted(batch, full, kept, intake.reference, alert=told)


def _left_out(batch: Batch, row: Row, intake: Intake) -> bool:
    """Whether a person left the record out once its object was gone: then news of the source do not post it again."""
    full = batch.tx.one("record_get", {"id": row["id"]})
    assert full is not None
    if not any(reason.code == "left_out" for reason in records.load_reasons(full)):
        return False
    records.refresh(batch.tx, row["id"], batch.run, batch.hand.at, intake)
    return True


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


def _seen_twice(batch: Batch, place: Place, source_ids: Sequence[str]) -> None:
    """The source listed these records more than once, in the same words: once was enough, and the journal says so."""
    known = records.known(batch.tx, place, source_ids)
    entries = [
        journal.Entry("seen_twice", place.flow, place.stream, known[source_id]["id"], source_id)
        for source_id in source_ids
    ]
    journal.append(batch.tx, batch.hand.company, batch.hand.at, batch.hand.actor, entries)
    batch.counts["seen_twice"] += len(entries)


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


def _place(batch: Batch, stream: StreamProgram) -> Place:
    return Place(batch.hand.company, batch.desk.program.flow.name, stream.stream.name, stream.stream.phase)
