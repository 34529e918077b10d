"""Knows again what an earlier life of this store wrote: an object of the target that carries a record's own marker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine import follow, pipeline, told, undo
from engine.contract import Json, OperationOutcome
from engine.errors import ExpressionError
from engine.evidence import Seen, Sighting
from engine.follow import Hand
from engine.lookups import Resolver
from engine.money import format_money
from engine.program import FlowProgram, StreamProgram, details_texts, follow_up_of
from engine.store import companies, facts, outbox, records
from engine.store import holdings as kept
from engine.store.base import Row, Tx
from engine.store.records import Move

_PAGE = 5000
_RECLAIM = "reclaim"
_OPEN = frozenset({"pending", "deferred", "failed", "skipped", "vanished"})
# Without its version, which would say that nobody has changed it since we wrote it.
_TOLD = ("TxnID", "ListID", "TxnNumber", "RefNumber", "FullName", "Name")


def reclaim(
    tx: Tx, hand: Hand, programs: Mapping[str, FlowProgram], since: str, verified: Sequence[str] = ()
) -> list[int]:
    """Post the records whose marker was seen in the target; returns the records about which something was found.

    Only what was seen since then (a UTC time as text), or is `verified`, says anything: the rest may be gone by now.
    An operation that waits is left to be compared before it is sent, one that is under way to its own answer, and a
    flow that this process does not run to the one that does.
    """
    _look(tx, hand)
    found: dict[int, list[Sighting]] = {}
    rows = tx.rows("sightings_found", {"company": hand.company})
    old = {row["record_id"] for row in rows if row["seen_at"] < since and row["target_id"] not in verified}
    for row in rows:
        if row["record_id"] not in old:
            found.setdefault(row["record_id"], []).append(kept.sighting(row))
    return [record_id for record_id, seen in found.items() if _settle(tx, hand, programs, record_id, seen)]


def _look(tx: Tx, hand: Hand) -> None:
    """Find the records whose markers were seen. What was looked for in vain is compared with newer records only."""
    company = hand.company
    last = facts.recall(tx, company, _RECLAIM)
    after = int(last["after"]) if last else 0
    numbered = tx.one("counter_get", {"name": "record"})
    newest = int(numbered["value"]) if numbered else 0
    rows = tx.rows("sightings_unlooked", {"company": company})
    anew = bool(rows)
    if newest > after:
        rows = [*rows, *tx.rows("sightings_in_vain", {"company": company})]
    if not rows:
        return
    wanted: dict[str, list[str]] = {}
    for row in rows:
        wanted.setdefault(f"{{{row['guid'].upper()}}}", []).append(row["target_id"])
    for key in _keys(tx, company, 0 if anew else after, anew=anew):
        guid = pipeline.guid_of(company, key["flow"], key["stream"], key["source_id"], key["phase"])
        if guid in wanted and not records.is_change(key):
            ids = wanted.pop(guid)
            tx.many("sighting_of", [(key["id"], company, target_id) for target_id in ids])
            if not wanted:
                break
    in_vain = [(0, company, target_id) for ids in wanted.values() for target_id in ids]
    if in_vain:
        tx.many("sighting_of", in_vain)
    facts.remember(tx, company, hand.at, _RECLAIM, {"after": newest})


def _keys(tx: Tx, company: str, after: int, *, anew: bool) -> Iterator[Row]:
    """What markers are made of, of every record or of those numbered after `after`; an index alone answers it."""
    at: Row = {"flow": "", "stream": "", "source_id": "", "phase": "", "id": after}
    while True:
        scope = {"company": company, "limit": _PAGE}
        if anew:
            place = {name: at[name] for name in ("flow", "stream", "source_id", "phase")}
            rows = tx.rows("record_keys", {**scope, **place})
        else:
            rows = tx.rows("record_keys_after", {**scope, "after": at["id"]})
        yield from rows
        if len(rows) < _PAGE:
            return
        at = rows[-1]


def _settle(tx: Tx, hand: Hand, programs: Mapping[str, FlowProgram], record_id: int, seen: Sequence[Sighting]) -> bool:
    """What the sightings of a record's marker mean for it; False when that is still open."""
    record = tx.one("record_get", {"id": record_id})
    assert record is not None
    rest = list(seen)
    if record["state"] in _OPEN:
        if not _found(tx, hand, programs, record, rest[0]):
            return False
        rest = rest[1:]
    elif record["state"] == "unknown":
        operation = tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
        if operation is None or operation["state"] != "held" or len(seen) > 1 or _is_open(tx, hand, operation):
            return False
        if rest[0].kind != kept.kind_of(operation["request"]):
            # What the request would say of it, and ask of it later, fits no object of another kind: a person decides.
            return False
        receipt = _receipt(rest[0], provides=bool(json.loads(operation["follow_up"]).get("provide")))
        follow.settle(tx, hand, operation, OperationOutcome(operation["id"], "posted", receipt))
        rest = []
    elif record["state"] not in ("posted", "closed"):
        return False
    for other in rest:
        kept.add(tx, hand.company, hand.at, record_id, other)
    return True


def _is_open(tx: Tx, hand: Hand, operation: Row) -> bool:
    unsettled = tx.one("set_unsettled", {"company": hand.company})
    return unsettled is not None and unsettled["id"] == operation["message_set_id"]


def _found(tx: Tx, hand: Hand, programs: Mapping[str, FlowProgram], record: Row, sighting: Sighting) -> bool:
    program = programs.get(record["flow"])
    program = program and program.bound(companies.connectors(tx, hand.company))
    stream = next((s for s in program.streams if s.stream.name == record["stream"]), None) if program else None
    if program is None or stream is None or not stream.is_polled:
        return False
    operation = tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    if operation is not None and operation["state"] in ("waiting", "sent"):
        return False
    if operation is not None and operation["state"] == "held":
        outbox.put(tx, operation["id"], "cancelled")
    if operation is not None and operation["state"] in ("held", "cancelled"):
        # It never wrote anything, and so nothing that is there may be compared with it.
        tx.run("record_unwritten", {"id": record["id"]})
    receipt = _receipt(sighting, provides=stream.stream.provide is not None)
    voided = bool(sighting.data.get("voided")) and _says_void(tx, hand, program, stream, record)
    if voided:
        receipt["voided"] = "here"
    record = _as_written(tx, hand, program, stream, record, sighting)
    detail = {
        "target_id": sighting.target_id,
        "kind": sighting.kind,
        "receipt": receipt,
        "amount": record["amount"],
        "why": "it carries the record's marker: an earlier life of this store wrote it",
    }
    step = Move(record, "posted", "found", receipt=receipt, detail=detail)
    records.move(tx, hand.company, hand.at, hand.actor, [step])
    kept.keep(tx, hand.company, hand.at, record, sighting.kind, receipt)
    # One that is voided, and void in the source as well, is as both sides want it.
    changed = () if voided else differing(record, sighting.total, sighting.dated_on)
    (row,) = [row for row in kept.of_record(tx, record["id"]) if row["target_id"] == sighting.target_id]
    kept.put(tx, row, hand.at, "there", Seen(sighting.target_id, sighting.edit_sequence, changed))
    follow_up = _follow_up(tx, hand, program, stream, record)
    if record["state"] == "skipped":
        # It is not wanted any more, or the source knows: either way the source is not to be told of it.
        follow_up.pop("mark", None)
    follow.after_posting(tx, hand, record, f"{sighting.kind}Add", follow_up, receipt)
    if changed:
        now = {name: record[name] for name in ("id", "payload_sha256", "seen_run")}
        tx.run("record_drift", {**now, "payload": record["newest"] or record["payload"], "at": hand.at})
    return True


def _as_written(
    tx: Tx, hand: Hand, program: FlowProgram, stream: StreamProgram, record: Row, sighting: Sighting
) -> Row:
    """The record, with the amount and the day of what was found where it was read last before it was to be written at all.

    A bill that was not paid yet has another amount than the payment that was written for it later, by a life that this store
    has forgotten.
    """
    is_void = bool(sighting.data.get("voided"))
    if record["state"] != "skipped" or record["amount"] is None or sighting.total is None or is_void:
        return record
    data = json.loads(record["newest"] or record["payload"])
    try:
        if stream.still(data, _context(tx, hand.company, program, stream, data)) < 0:
            return record
        amount = format_money(sighting.total.copy_sign(Decimal(record["amount"])))
    except ExpressionError:
        return record
    now = {"amount": amount, "dated_on": sighting.dated_on[:10] or record["dated_on"]}
    tx.run("record_figures", {"id": record["id"], **now})
    return {**record, **now}


def differing(record: Row, total: Decimal | None, dated_on: str) -> tuple[str, ...]:
    """In what an object is not as its record says, worded as `Seen.differences` are; nothing where either is silent."""
    found = []
    if record["dated_on"] and dated_on and record["dated_on"] != dated_on[:10]:
        found.append(f"date `{dated_on[:10]}` there, `{record['dated_on']}` here")
    amount = None if record["amount"] is None else abs(Decimal(record["amount"]))
    if amount is not None and total is not None and amount != abs(total):
        found.append(f"amount {abs(total):.2f} there, {amount:.2f} here")
    return tuple(found)


def _follow_up(tx: Tx, hand: Hand, program: FlowProgram, stream: StreamProgram, record: Row) -> dict[str, Any]:
    """What follows when the record is posted, as if it were prepared now."""
    follow_up = follow_up_of(stream.stream)
    if stream.stream.provide is None or stream.provide_key is None:
        return follow_up
    settings = _settings(tx, hand, program)
    context = pipeline.RecordContext(Resolver(tx, hand.company, program.flow, {}), settings)
    try:
        key = str(stream.provide_key(json.loads(record["payload"]), context))
    except ExpressionError:
        return follow_up
    lookup = stream.stream.provide.lookup
    scope = {"company": hand.company, "flow": program.flow.name, "lookup": lookup, "source_key": key}
    if tx.one("mapping_get", scope) is None:  # a person may have mapped it to another object since
        follow_up["provide"] = {"lookup": lookup, "key": key}
    return follow_up


def details(tx: Tx, company: str, program: FlowProgram, stream: StreamProgram, data: Json) -> dict[str, str]:
    """What the source hears beside the reference of a record that was not prepared here, as far as it is known now."""
    if stream.told is None:
        return {}
    context = _context(tx, company, program, stream, data)
    try:
        return details_texts(stream.told(stream.map(data, context), context))
    except ExpressionError:
        return {}


def _context(tx: Tx, company: str, program: FlowProgram, stream: StreamProgram, data: Json) -> pipeline.RecordContext:
    """What the expressions of a stream see beside a record that is not being prepared."""
    settings = told.values(tx, company, program)
    return pipeline.RecordContext(Resolver(tx, company, program.flow, {}), settings, data, stream=stream)


def _says_void(tx: Tx, hand: Hand, program: FlowProgram, stream: StreamProgram, record: Row) -> bool:
    resolver = Resolver(tx, hand.company, program.flow, {})
    data = json.loads(record["newest"] or record["payload"])
    return undo.says_undone(resolver, _settings(tx, hand, program), stream, data)


def _settings(tx: Tx, hand: Hand, program: FlowProgram) -> dict[str, str | int | bool | None]:
    return told.values(tx, hand.company, program)


def _receipt(sighting: Sighting, *, provides: bool) -> dict[str, str]:
    """The ids of what was seen. A list object is known by its ListID, everything else by its TxnID."""
    receipt = {name: value for name in _TOLD if isinstance(value := sighting.data.get(name), str) and value}
    if kept.target_of(receipt) != sighting.target_id:
        receipt = {"ListID" if provides else "TxnID": sighting.target_id}
    return receipt
