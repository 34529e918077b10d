"""The source of a posted record has changed: the change is a record of its own, which makes the target agree.

It has the source id of the posted record and its phase with a number, `post+1`, and lives like any other record. What
was posted stays known in the first row until the change is posted; then that row is brought up to date.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from engine import follow, pipeline, undo
from engine.batch import (
    OPEN,
    Batch,
    alike,
    as_pending,
    current,
    drifted,
    move,
    new_operation,
    same,
    settled_drift,
    state_of,
)
from engine.batch import withdraw as withdraw_operation
from engine.contract import Json
from engine.diagnostics import of_company
from engine.pipeline import Frozen, NotReady, Parked, There
from engine.program import StreamProgram, UndoProgram, VariantProgram
from engine.spec import kind_of
from engine.store import holdings as objects
from engine.store import marks, outbox, records
from engine.store.base import Row
from engine.store.records import Intake, Move, NewRecord, Reason

UNDER_WAY = frozenset({"sent", "unknown"})
_TAKEN_BACK = Reason("taken_back", "the source says again what is posted")
_GONE = Reason("gone", "the source no longer has it")
# What a person is told where the stream's records are undone when they are gone, and this one was written in another way.
_KEPT = (
    "the source no longer has it, and what was written of it stays as it is",
    "when it is not to be in the target, take it out there by hand",
)


def source_changed(batch: Batch, stream: StreamProgram, record: Row, intake: Intake, data: Json) -> None:
    """The source of a record that is posted or closed is not what it was when it was last read."""
    change = records.newest_change(batch.tx, record)
    kept = _kept(batch, record, intake)
    if change is not None and change["state"] in UNDER_WAY:
        # What became of it is known first; then what the source says now is held against what is written.
        stands = _still(batch, stream, record, change, data)
        batch.tx.run("record_same" if stands else "record_drift", _kept(batch, change, intake))
        batch.tx.run("record_newest", kept)
        return
    if record["state"] == "posted":
        marks.tell_again(batch.tx, record["id"])
    if records.is_voided(record):
        if _restores(batch, stream, record, data):
            _differs(batch, stream, record, change, (intake, data))
        else:
            _source_of_voided(batch, stream, record, change, (kept, intake.reference, data))
    elif _is_same(batch, stream, record, data):
        if why := pipeline.unwanted(stream, batch.desk, data):
            # Nothing that is written changed, and yet the source does not want it there.
            take_back(batch, change, _TAKEN_BACK)
            drifted(batch, record, kept, intake.reference, news=_unwanted(why))
            return
        batch.tx.run("record_same", kept)
        if record["drifted"]:
            settled_drift(batch, record)
        take_back(batch, change, _TAKEN_BACK)
    elif change is not None and _left_out(change) and _still(batch, stream, record, change, data):
        batch.tx.run("record_newest", kept)
    elif change is not None and change["state"] == "intended" and _still(batch, stream, record, change, data):
        batch.tx.run("record_same", _kept(batch, change, intake))
        batch.tx.run("record_newest", kept)
    else:
        _differs(batch, stream, record, change, (intake, data))


def prepare(batch: Batch, stream: StreamProgram, row: Row) -> None:
    """Bring a pending change as far as it gets, from what the source said last."""
    change = current(batch, stream, row)
    record = records.changed_by(batch.tx, change)
    if record["state"] not in ("posted", "closed"):
        take_back(batch, change, Reason("not_there", f"the record that it changes is {record['state']}"))
        # Whatever becomes of that record, the source is news for it.
        batch.tx.run("record_forget_seen", {"id": record["id"]})
        return
    data = json.loads(change["payload"])
    is_voided = records.is_voided(record)
    if is_voided and not _restores(batch, stream, record, data):
        kept = {**_as_read(record), "payload": change["payload"], "at": batch.hand.at}
        _source_of_voided(batch, stream, record, change, (kept, change["reference"], data))
        return
    if not record["payload_sha256"] and undo.is_of_gone(batch.tx, change):
        undone = _undone_gone(batch, stream, record)
        if undone is None:
            take_back(batch, change, _GONE)
        else:
            _advance(batch, stream, change, undone)
        return
    if not is_voided and _is_same(batch, stream, record, data):
        take_back(batch, change, _TAKEN_BACK)
        if why := pipeline.unwanted(stream, batch.desk, data):
            drifted(
                batch,
                record,
                {**_as_read(record), "payload": change["payload"]},
                change["reference"],
                news=_unwanted(why),
            )
            return
        batch.tx.run("record_same", {**_as_read(record), "at": batch.hand.at})
        return
    prepared = _prepared(batch, stream, record, data)
    if isinstance(prepared, Frozen | NotReady) or prepared.state != "skipped":
        _advance(batch, stream, change, prepared)
        return
    take_back(batch, change, *prepared.reasons)
    kept = {**_as_read(record), "payload": change["payload"]}
    drifted(batch, record, kept, change["reference"], news=_news(prepared))


def take_back(batch: Batch, change: Row | None, *reasons: Reason) -> None:
    """A change that waits is not to be made after all; one that is under way is left alone."""
    if change is None or change["state"] not in (OPEN | {"intended"}) - {"skipped"}:
        return
    if change["state"] == "intended" and not withdraw_operation(batch, change):
        return
    move(batch, Move(as_pending(batch, change), "skipped", "skipped", reasons))
    follow.quiet(batch.tx, batch.hand, change)
    batch.counts["skipped"] += 1


def gone(batch: Batch, stream: StreamProgram, record: Row, change: Row | None) -> None:
    """The source no longer has a posted record: it is undone where the flow says so, else what is posted stays as it is.

    `change` is its newest one.
    """
    if change is not None and (change["state"] in UNDER_WAY or _waits_as_gone(batch, change)):
        return
    undone = _undone_gone(batch, stream, record)
    if undone is None:
        take_back(batch, change, _GONE)
        if undo.asks_for_gone(stream) and record["payload_sha256"]:
            drifted(batch, record, {**_as_read(record), "payload_sha256": ""}, record["reference"], news=_KEPT)
    # Should it come back, it is news even when it looks as before.
    batch.tx.run("record_forget_seen", {"id": record["id"]})
    if undone is None:
        return
    batch.tx.run("record_same", {**_as_read(record), "payload_sha256": "", "at": batch.hand.at})
    if record["drifted"]:
        settled_drift(batch, record)
    _put(batch, stream, record, change, (_as_known(record), undone))


def possible(batch: Batch, stream: StreamProgram, record: Row) -> bool:
    """Whether what a record has written, or is writing, can be changed or undone later."""
    operation = batch.tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    if operation is None:
        return False
    return _way(stream, operation["request"]) is not None or undo.possible(batch.tx, stream, record)


def _source_of_voided(
    batch: Batch, stream: StreamProgram, record: Row, change: Row | None, news: tuple[Json, str | None, Json]
) -> None:
    """News of a record whose object is voided: nothing more is done to it, and it is never posted a second time."""
    kept, reference, data = news
    word = records.undone_word(record)
    take_back(batch, change, Reason("voided", f"what was posted is {word}"))
    still = undo.still(batch.tx, batch.desk, stream, record, data)
    if still is True:
        batch.tx.run("record_same", kept)
        if record["drifted"]:
            settled_drift(batch, record)
        return
    drifted(batch, record, kept, reference, news=_untold(word, still) if isinstance(still, Parked) else _wanted(word))


def _restores(batch: Batch, stream: StreamProgram, record: Row, data: Json) -> bool:
    """Whether the source wants again what was undone, and the flow says how it is brought back."""
    operation = undo.writer(batch.tx, record)
    way = _way(stream, operation["request"]) if operation is not None else None
    if way is None or way.change is None or not way.change.restores:
        return False
    return undo.still(batch.tx, batch.desk, stream, record, data) is False


def _wanted(word: str) -> tuple[str, str]:
    """What a person is told when the source wants again what was undone."""
    void = word == "voided"
    again = "void it" if void else "take it out"
    says = "no longer says that it is void" if void else "wants it again"
    return (
        f"the source {says}, and what was posted is {word} in the target; it is not posted again",
        f"when it is to be in the target, enter it there by hand; else {again} in the source again",
    )


def _untold(word: str, parked: Parked) -> tuple[str, str]:
    """What a person is told when the source says something of a voided record that the flow cannot read."""
    why = "; ".join(reason.message for reason in parked.reasons)
    return (
        f"it is {word} in the target, and whether the source still says so cannot be told: {why}; nothing is done",
        next(
            (reason.hint for reason in parked.reasons if reason.hint), "look at it in the source, and correct the flow"
        ),
    )


def _unwanted(why: str) -> tuple[str, str]:
    """What a person is told of a posted record that the flow would not take any more."""
    return (
        f"{why}, and it is posted already: it stays as it is",
        "when it is not to be in the target, take it out there by hand; else correct it in the source",
    )


def _news(parked: Parked) -> tuple[str, str] | None:
    return next((_unwanted(reason.message) for reason in parked.reasons if reason.code == "not_selected"), None)


def _is_same(batch: Batch, stream: StreamProgram, record: Row, data: Json) -> bool:
    """Whether what is posted is what the source wants."""
    return undo.due(batch.tx, batch.desk, stream, record, data) is None and same(batch, stream, record, data)


def _differs(
    batch: Batch, stream: StreamProgram, record: Row, change: Row | None, news: tuple[Intake, dict[str, Any] | Json]
) -> None:
    intake, data = news
    kept = _kept(batch, record, intake)
    prepared = _prepared(batch, stream, record, data)
    if isinstance(prepared, Parked) and prepared.state == "skipped":
        take_back(batch, change, *prepared.reasons)
        drifted(batch, record, kept, intake.reference, news=_news(prepared))
        return
    if record["drifted"]:
        settled_drift(batch, record)
    batch.tx.run("record_newest", kept)
    _put(batch, stream, record, change, (intake, prepared))


def _put(
    batch: Batch,
    stream: StreamProgram,
    record: Row,
    change: Row | None,
    news: tuple[Intake, Frozen | Parked | NotReady],
) -> None:
    """Keep a change as far as it got, in place of the one that waits."""
    intake, prepared = news
    if change is None or change["state"] not in OPEN | {"intended"}:
        _insert(batch, stream, record, change, (intake, prepared))
        return
    if change["state"] == "intended":
        withdraw_operation(batch, change)
    else:
        as_pending(batch, change)
    records.refresh(batch.tx, change["id"], batch.run, batch.hand.at, intake)
    fresh = batch.tx.one("record_get", {"id": change["id"]})
    assert fresh is not None
    _advance(batch, stream, fresh, prepared)


def _prepared(batch: Batch, stream: StreamProgram, record: Row, data: Json) -> Frozen | Parked | NotReady:
    """The change as far as it gets; skipped when there is none to be made, and a person must look instead."""
    operation = undo.writer(batch.tx, record)
    there = _there(batch, record, operation)
    undone = undo.due(batch.tx, batch.desk, stream, record, data) if there is not None else None
    if isinstance(undone, Parked):
        return undone
    no_way = operation is None or _way(stream, operation["request"]) is None
    if operation is None or there is None or (no_way and undone is None):
        return Parked("skipped", (Reason("no_change", "the flow does not say how it is changed"),))
    if undone is not None:
        return pipeline.prepare_undo(stream, batch.desk, record["source_id"], undone, there)
    if there.request != operation["request"]:
        # A person has named an object of another kind: what the flow would send changes none of these.
        text = f"it would have been posted by {operation['request']}, and what a person named is a {kind_of(there.request)}"
        hint = f"change it in the target by hand, then run `flowctl reconcile --leave-out ID{of_company(batch.hand.company)}`"
        return Parked("failed", (Reason("other_kind", text, hint),))
    made = pipeline.prepare_change(stream, batch.desk, record["source_id"], data, there)
    return _unable(batch, stream, operation, made) if isinstance(made, Frozen) else made


def _there(batch: Batch, record: Row, operation: Row | None) -> There | None:
    """What a change of a posted record is made to; None when it is not known."""
    receipt = json.loads(record["receipt"] or "{}")
    target_id = follow.target_id_of(operation, receipt) if operation is not None else ""
    if operation is None or not target_id:
        return None
    held = next((row for row in objects.of_record(batch.tx, record["id"]) if row["target_id"] == target_id), None)
    is_other = held is not None and held["kind"] != kind_of(operation["request"])
    request = f"{held['kind']}Add" if held is not None and is_other else operation["request"]
    return There(target_id, receipt.get("EditSequence") or "", operation["id"], request)


def _unable(batch: Batch, stream: StreamProgram, operation: Row, made: Frozen) -> Frozen | Parked:
    """The change, unless the target cannot change what differs: then a person does, who says when it is done."""
    way = _way(stream, operation["request"])
    change = way.change if way is not None else None
    told = change.cannot if change is not None else {}
    fixed = (*(name for name in change.fixed if name not in told), *told) if change is not None else ()
    was, now = (json.loads(operation["mapped"]), json.loads(made.mapped)) if fixed else ({}, {})
    differing = [name for name in fixed if not alike(was.get(name), now.get(name))]
    if not differing:
        return made
    named = " and ".join(f"`{name}`" for name in differing if name not in told)
    texts = [told[name] for name in differing if name in told]
    texts += [f"{made.request} cannot change {named}"] if named else []
    hint = (
        f"correct it in the target by hand, then run `flowctl reconcile --leave-out ID{of_company(batch.hand.company)}`"
    )
    return Parked("deferred", (Reason("not_changeable", "; ".join(texts), hint),))


def _undone_gone(batch: Batch, stream: StreamProgram, record: Row) -> Frozen | Parked | None:
    """The undoing of a record that the source no longer has; None where the flow does not want it, or nothing is there."""
    operation = batch.tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    there = _there(batch, record, operation)
    way = undo.due_gone(batch.tx, stream, record) if there is not None else None
    if there is None or way is None:
        return None
    return pipeline.prepare_undo(stream, batch.desk, record["source_id"], way, there, gone=True)


def _waits_as_gone(batch: Batch, change: Row) -> bool:
    """Whether the undoing of what is gone is prepared already, was refused, or was left out by a person."""
    return undo.is_of_gone(batch.tx, change) and (
        change["state"] in ("pending", "intended", "failed", "deferred") or _left_out(change)
    )


def _as_known(record: Row) -> Intake:
    """What the source said of a record last."""
    about = (record[name] for name in ("amount", "currency", "party", "reference", "dated_on"))
    return Intake(record["source_id"], record["payload"], sha256(record["payload"].encode()).hexdigest(), *about)


def _way(stream: StreamProgram, request: str) -> VariantProgram | None:
    return next((v for v in stream.variants if v.change is not None and request in v.requests), None)


def _still(batch: Batch, stream: StreamProgram, record: Row, change: Row, data: Json) -> bool:
    """Whether a change that waits, is under way or was left out is what the source asks for still."""
    undone = undo.due(batch.tx, batch.desk, stream, record, data)
    if undo.is_undo(batch.tx, change):
        return isinstance(undone, UndoProgram)
    if undone is not None or not same(batch, stream, change, data):
        return False
    return pipeline.selected(stream, batch.desk, data, posted=True)


def _left_out(change: Row) -> bool:
    """Whether a person has decided that what is in the target stands."""
    return change["state"] == "skipped" and any(r.code == "left_out" for r in records.load_reasons(change))


def _insert(
    batch: Batch,
    stream: StreamProgram,
    record: Row,
    before: Row | None,
    news: tuple[Intake, Frozen | Parked | NotReady],
) -> None:
    """A new change, in the state it reached."""
    intake, prepared = news
    detail: dict[str, Any] = {"changes": record["id"]}
    if isinstance(prepared, Frozen):
        new = NewRecord(
            intake, "intended", (), prepared.mapped_sha256, prepared.operation_id, {**detail, **_detail(prepared)}
        )
    elif isinstance(prepared, Parked):
        new = NewRecord(intake, state_of(prepared), prepared.reasons, detail=detail)
    else:
        new = NewRecord(intake, "pending", detail=detail)
    hand = batch.hand
    (number,) = records.insert(batch.tx, records.next_change(record, before), batch.run, hand.at, hand.actor, [new])
    batch.counts[new.state] += 1
    if isinstance(prepared, Frozen):
        outbox.add(batch.tx, hand.company, hand.at, [new_operation(stream.stream.target, number, prepared)])
    elif isinstance(prepared, Parked):
        row = batch.tx.one("record_get", {"id": number})
        assert row is not None
        follow.report(batch.tx, hand, row, new.state, prepared.reasons, {})


def _advance(batch: Batch, stream: StreamProgram, change: Row, prepared: Frozen | Parked | NotReady) -> None:
    """Move a pending change to where it gets; the source is not told of one that is parked: it knows the record as posted."""
    if isinstance(prepared, NotReady):
        batch.counts["pending"] += 1
        return
    hand = batch.hand
    if isinstance(prepared, Frozen):
        step = Move(
            change, "intended", "intended", (), prepared.mapped_sha256, prepared.operation_id, detail=_detail(prepared)
        )
        move(batch, step)
        connection = stream.stream.target
        outbox.add(batch.tx, hand.company, hand.at, [new_operation(connection, change["id"], prepared)])
        follow.quiet(batch.tx, hand, change)
        batch.counts["intended"] += 1
        return
    state = state_of(prepared)
    move(batch, Move(change, state, state, prepared.reasons))
    follow.quiet(batch.tx, hand, change, still=prepared.reasons)
    follow.report(batch.tx, hand, change, state, prepared.reasons, {})
    batch.counts[state] += 1


def _detail(prepared: Frozen) -> dict[str, str]:
    return {"operation": prepared.operation_id, "request": prepared.request, "mapped": prepared.mapped_sha256}


def _kept(batch: Batch, row: Row, intake: Intake) -> dict[str, Any]:
    return {
        "id": row["id"], "payload": intake.payload, "payload_sha256": intake.payload_sha256, "seen_run": batch.run,
        "at": batch.hand.at,
    }  # fmt: skip


def _as_read(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "payload", "payload_sha256", "seen_run")}
