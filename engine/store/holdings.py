"""What we wrote into the target and believe to be there, and what was seen there that no record accounts for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

from engine.contract import Operation
from engine.dataclass import dataclass
from engine.evidence import Holding, Seen, Sighting
from engine.jsontext import plain
from engine.store import outbox
from engine.store.base import Row, Tx

_IDS = ("TxnID", "ListID")
# In place of a record's number: the marker is no record's.
_STRANGER = -1


def posted(tx: Tx, company: str, at: str, record: Row, operation: Row, receipt: Mapping[str, str]) -> None:
    """Keep what an operation wrote; what the record had before under another id is replaced by it.

    A modify gives the row of the object it changed its own bytes and version. A receipt without an id keeps nothing.
    """
    changed = str(operation["target_id"])
    if changed:
        scope = {"company": company, "target_id": changed, "operation_id": operation["id"], "at": at}
        tx.run("holding_modified", {**scope, "edit_sequence": receipt.get("EditSequence", "")})
        return
    keep(tx, company, at, record, kind_of(operation["request"]), receipt, operation["id"])


def keep(
    tx: Tx, company: str, at: str, record: Row, kind: str, receipt: Mapping[str, str], operation_id: str = ""
) -> None:
    """Keep an object of a record; without an operation, it was not written by one that is known here."""
    target_id = target_of(receipt)
    if not target_id:
        return
    add(tx, company, at, record["id"], Sighting(kind, target_id, receipt.get("EditSequence", "")), operation_id)
    scope = {"company": company, "record_id": record["id"], "target_id": target_id, "at": at}
    tx.run("holdings_replace", scope)


def add(tx: Tx, company: str, at: str, record_id: int, seen: Sighting, operation_id: str = "") -> None:
    """Keep an object beside what the record may have there already."""
    scope = {"company": company, "target_id": seen.target_id}
    tx.run(
        "holding_put",
        {
            **scope,
            "record_id": record_id,
            "kind": seen.kind,
            "operation_id": operation_id,
            "edit_sequence": seen.edit_sequence,
            "at": at,
        },
    )
    tx.run("sighting_drop", scope)


def target_of(receipt: Mapping[str, Any]) -> str:
    """The id of the object that a receipt is for; empty when it names none."""
    return next((str(receipt[name]) for name in _IDS if receipt.get(name)), "")


def kind_of(request: str) -> str:
    """What a request makes or changes: `BillAdd` makes a Bill."""
    return request.removesuffix("Add").removesuffix("Mod")


def of_ids(tx: Tx, company: str, target_ids: Sequence[str]) -> list[Row]:
    """The rows of these ids, oldest first; an object that several records stand for has several."""
    if not target_ids:
        return []
    rows = tx.rows("holdings_of_ids", {"company": company, "target_ids": plain(list(target_ids))})
    # Not sorted by the store: it would walk through all holdings in order of their numbers.
    return sorted(rows, key=lambda row: int(row["seq"]))


def of_record(tx: Tx, record_id: int) -> list[Row]:
    """Everything that a record has or had there, oldest first."""
    return tx.rows("holdings_of_record", {"record_id": record_id})


def beside(tx: Tx, company: str, target_ids: Sequence[str], since: str) -> list[Row]:
    """What the records of these ids have or had there under other ids, and was not looked at since, oldest first."""
    if not target_ids:
        return []
    return tx.rows("holdings_beside", {"company": company, "since": since, "target_ids": plain(list(target_ids))})


def before(tx: Tx, company: str, operation_id: str) -> list[Row]:
    """What the record of an operation had there, or has by another operation, oldest first."""
    return tx.rows("holdings_before", {"company": company, "operation_id": operation_id})


def newest_there(tx: Tx, company: str) -> int:
    """The number of the newest that is believed to be there; 0 when none is."""
    rows = tx.rows("holdings_newest", {"company": company, "state": "there", "also": "there", "limit": 1})
    return int(rows[0]["seq"]) if rows else 0


def put(tx: Tx, row: Row, at: str, state: str, seen: Seen | None = None) -> None:
    """An object was looked at."""
    tx.run(
        "holding_looked",
        {
            "company": row["company"],
            "target_id": row["target_id"],
            "record_id": row["record_id"],
            "state": state,
            "edit_sequence": seen.edit_sequence if seen else row["edit_sequence"],
            "differences": plain(list(seen.differences)) if seen else row["differences"],
            "at": at,
        },
    )


def differences(row: Row) -> tuple[str, ...]:
    """In what the object was no longer as we wrote it, when it was last seen."""
    return tuple(json.loads(row["differences"]))


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person let pass of the changes that somebody made to an object in the target.

    `differences` are the texts of `Seen`. `there` is what the books showed in place of what was posted, by `amount`,
    `date`, `number` and `party`, and `figures` a fingerprint of all that they showed; both empty when nobody had asked.
    """

    differences: tuple[str, ...] = ()
    there: Mapping[str, str] = field(default_factory=dict)
    figures: str = ""

    def covers(self, difference: str) -> bool:
        """Whether it was let pass, in this text, or as the books showed it."""
        if difference in self.differences:
            return True
        name, _, rest = difference.partition(" ")
        value = self.there.get(name, "")
        return bool(value) and rest.replace("`", "").startswith(f"{value} there, ")


def accepted(row: Row) -> Accepted | None:
    """What a person let pass, or None."""
    if not row["accepted"]:
        return None
    data = json.loads(row["accepted"])
    return Accepted(tuple(data["differences"]), data["there"], data["figures"])


def accept(tx: Tx, row: Row, passed: Accepted | None) -> None:
    """Keep what a person let pass in place of what was kept before."""
    text = ""
    if passed is not None:
        data = {"differences": list(passed.differences), "there": dict(passed.there), "figures": passed.figures}
        text = plain(data)
    scope = {name: row[name] for name in ("company", "target_id", "record_id")}
    tx.run("holding_accepted", {**scope, "accepted": text})


def unaccepted(row: Row, found: Sequence[str]) -> tuple[str, ...]:
    """The differences among these that nobody has let pass."""
    passed = accepted(row)
    return tuple(text for text in found if passed is None or not passed.covers(text))


def edited(tx: Tx, company: str) -> set[int]:
    """The records whose objects were changed in the target as nobody has accepted yet."""
    rows = tx.rows("holdings_edited", {"company": company})
    return {int(row["record_id"]) for row in rows if unaccepted(row, differences(row))}


def holding(tx: Tx, row: Row) -> Holding:
    """A row as connectors see it."""
    written: Operation | None = None
    if row["operation_id"]:
        operation = tx.one("operation_get", {"id": row["operation_id"]})
        written = outbox.operation_of(operation) if operation is not None else None
    return Holding(
        row["target_id"], row["kind"], int(row["seq"]), row["edit_sequence"], written, row["state"] == "there"
    )


def _may_be_ours(guid: str) -> bool:
    """Whether a marker can be one that is made here: a UUID of version 5."""
    return len(guid) == 36 and guid[14] == "5" and guid[19] in "89ab"


def put_aside(tx: Tx, company: str, file: str) -> None:
    """What is there is in a company file that is not asked any more; `file` knows it again. A seen one counts anew."""
    tx.run("holdings_away", {"company": company, "file": file})
    tx.run("sightings_forget", {"company": company})


def take_up(tx: Tx, company: str, file: str) -> None:
    """The company file is asked again: what was put aside with it counts as before."""
    tx.run("holdings_home", {"company": company, "file": file})


def see(tx: Tx, company: str, at: str, sightings: Sequence[Sighting]) -> None:
    """Keep what was seen."""
    tx.many(
        "sighting_put",
        [
            (
                company,
                s.target_id,
                s.kind,
                s.guid,
                s.reference,
                s.dated_on,
                s.edit_sequence,
                plain(dict(s.data)),
                None if s.total is None else str(s.total),
                at,
                None if _may_be_ours(s.guid) else _STRANGER,
                s.memo,
            )
            for s in sightings
        ],
    )


def sighting(row: Row) -> Sighting:
    """A kept sighting as connectors see it."""
    return Sighting(
        row["kind"],
        row["target_id"],
        row["edit_sequence"],
        row["guid"],
        json.loads(row["data"]),
        row["reference"],
        row["dated_on"],
        None if row["total"] is None else Decimal(row["total"]),
        row["seen_at"],
        row["memo"],
    )
