"""A person has found what was posted and is gone: it is in the target under another id, entered anew by somebody."""

from __future__ import annotations

import json

from engine import follow, holdings
from engine.follow import Hand
from engine.store import holdings as kept
from engine.store import marks, records
from engine.store.base import Row, Tx
from engine.store.records import Move
from engine.titles import called


def is_open(tx: Tx, row: Row) -> bool:
    """Whether a person can name the object of a record that has vanished; that of a change is the record's own."""
    full = tx.one("record_get", {"id": row["id"]})
    return full is not None and full["state"] == "vanished" and not records.is_change(full)


def taken(tx: Tx, row: Row, target_id: str) -> str:
    """That the object stands for another record; empty when it does not. List objects may stand for several."""
    if "ListID" in json.loads(row["receipt"] or "{}"):
        return ""
    for other in kept.of_ids(tx, row["company"], [target_id]):
        if other["state"] == "there" and other["record_id"] != row["id"]:
            record = tx.one("record_get", {"id": other["record_id"]})
            assert record is not None
            place = f"{record['flow']}/{record['stream']}/{called(record)}"
            return f"{target_id} is {place} already, and cannot be this record too"
    return ""


def found(tx: Tx, hand: Hand, row: Row, target_id: str, reason: str) -> None:
    """The record is posted again, as the object that the person names; the next look says whether it is there.

    What the source was told stays; what it was not told yet, it is told with the new id.
    """
    receipt = json.loads(row["receipt"] or "{}")
    before = kept.target_of(receipt)
    named = "ListID" if "ListID" in receipt and "TxnID" not in receipt else "TxnID"
    shown = tx.one("sighting_get", {"company": hand.company, "target_id": target_id})
    held = next((each for each in kept.of_record(tx, row["id"]) if each["target_id"] == before), None)
    detail = {"target_id": target_id, "before": before, **({"why": reason} if reason else {})}
    step = Move(row, "posted", "found_elsewhere", receipt={named: target_id}, detail=detail)
    records.move(tx, hand.company, hand.at, hand.actor, [step])
    follow.quiet(tx, hand, row)
    posted = tx.one("record_get", {"id": row["id"]})
    assert posted is not None
    # What was looked through knows of what kind it is; a person may have entered it anew as another one.
    known = shown or held
    kind = known["kind"] if known is not None else _kind_of(tx, row)
    holdings.claim(tx, hand, posted, kind, {named: target_id}, shown)
    if not marks.revive(tx, row["id"], before, target_id):
        follow.close(tx, hand, posted, "it is there under another id, and there is nothing new to tell the source")
    records.wake(tx, hand.company, hand.at, hand.actor, f"posted:{row['stream']}:{row['source_id']}")
    holdings.decided(tx, hand, posted)


def _kind_of(tx: Tx, row: Row) -> str:
    operation = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    return kept.kind_of(operation["request"]) if operation is not None else ""
