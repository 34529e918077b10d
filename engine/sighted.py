"""What was seen in the target and may be what an operation is about to make, by its marker and by what people see of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from engine.contract import Operation
from engine.dataclass import dataclass
from engine.evidence import Sighting, plain_guid
from engine.program import FlowProgram
from engine.store import holdings as kept
from engine.store import journal
from engine.store.base import Row, Tx


@dataclass(frozen=True, slots=True)
class About:
    """What people see of an object: its number, its day as ISO text, and its memo; empty where it has none."""

    reference: str = ""
    dated_on: str = ""
    memo: str = ""


def candidates(
    tx: Tx, programs: Mapping[str, FlowProgram], company: str, operation: Operation, about: About
) -> tuple[Sighting, ...]:
    """Kept sightings that could be what an operation is about to make.

    Those with its marker, of whatever kind, and those without any that have its number, or its date when it has no
    number; and, since people change numbers and dates, those without any whose memo is the same and names the source
    record, of every kind that the record's stream may write: a store that was put back may have written another one
    since. A marker that is no record's of ours counts as none. Once a person has said that the record is not there, only
    its own marker says more than that person did, until it is posted.
    """
    if operation.target_id:
        return ()
    kind = kept.kind_of(operation.request)
    guid = plain_guid(operation.guid)
    rows = tx.rows("sightings_marked_as", {"company": company, "guid": guid}) if guid else []
    if (about.reference or about.dated_on or about.memo) and not declared_absent(tx, operation.id):
        like, value = ("numbered", about.reference) if about.reference else ("dated", about.dated_on)
        rows += _like(tx, company, like, (kind,), value)
        record = _named(tx, about.memo, operation)
        if record is not None:
            rows += _like(tx, company, "noted", {kind: None, **_kinds(programs, record)}, about.memo)
    return tuple(kept.sighting(row) for row in {row["target_id"]: row for row in rows}.values())


def _like(tx: Tx, company: str, like: str, kinds: Iterable[str], value: str) -> list[Row]:
    names = [f"{whose}_{like}" for whose in ("sightings", "sightings_strange")] if value else []
    scopes = [{"company": company, "kind": kind, "value": value} for kind in kinds]
    return [row for scope in scopes for name in names for row in tx.rows(name, scope)]


def _kinds(programs: Mapping[str, FlowProgram], record: Row) -> dict[str, None]:
    """What the stream of a record may write, each once."""
    program = programs.get(record["flow"])
    streams = [each for each in program.streams if each.stream.name == record["stream"]] if program is not None else []
    return {kept.kind_of(variant.request): None for each in streams for variant in each.variants}


def _named(tx: Tx, memo: str, operation: Operation) -> Row | None:
    """The source record of an operation where a memo names it; one that many records share tells of none of them."""
    record = tx.one("records_of_operation", {"operation_id": operation.id}) if memo else None
    return record if record is not None and record["source_id"].casefold() in memo.casefold() else None


def declared_absent(tx: Tx, operation_id: str) -> bool:
    """Whether a person has looked for the operation's record and has not found it, since it was posted last."""
    operation = tx.one("operation_get", {"id": operation_id})
    for line in reversed(journal.of_record(tx, operation["record_id"]) if operation is not None else []):
        if line["event"] == "declared":
            return json.loads(line["detail"]).get("target_id") is None
        if line["state_to"] == "posted" != line["state_from"]:
            return False
    return False
