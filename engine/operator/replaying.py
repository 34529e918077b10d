"""Replays a record: the same intent goes on, with the bytes that were frozen for it. Never a new one, never a second post.

A replayed request is sent like one that is sent again after a lost answer. What was sent before is looked for in the target
first, under the record's own marker and number, and is only written when it is not there. What nobody has looked for, or
where the look found something that may be it, is not replayed: a person has to say what it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from engine import follow
from engine.clock import from_iso, iso
from engine.connections import accounts
from engine.follow import Hand
from engine.operator.worklist import Retried
from engine.store import journal, marks, outbox, places, records
from engine.store.base import Row, Tx
from engine.store.records import Move

# What was held since the target was asked, answered, and did not have it. Any other code says that it may be there.
_NOT_THERE = frozenset({"no_answer", "not_run", "message_set_9001", "message_set_9004", "unanswered"})
# What was seen in the target is kept for 120 days. For what was frozen long before, nothing that we know says enough.
_LONGEST = timedelta(days=90)
_WHY = {
    "pending": "it waits for nothing; the next run prepares it",
    "sent": "it is under way: its outcome is found out first, and the same request goes on by itself",
    "deferred": "nothing is under way; what it waits for is missing, and it is prepared anew once that is there",
    "skipped": "it is not to be written",
    "vanished": "it was posted and is gone from the target; decide whether it is posted again, or accepted as gone",
    "posted": "it is posted, and nothing is sent a second time",
    "closed": "it is posted, the source knows, and nothing is sent a second time",
}
_ANEW = "try it again instead, which prepares it anew"
_SAY = "look there, and say whether it is there or not"


def replay(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str = "") -> Retried:
    """Go on with the intents of these records; those that cannot go on are told with why.

    A failed record whose request the target refused is sent once more as it was frozen. One whose outcome is not known is
    looked for, and sent once more when it is not there. One that waits after a fault is tried now. Of one that is posted,
    the source is told again when it had refused to hear of it, under the same key.
    """
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        operation = tx.one("operation_get", {"id": full["operation_id"]}) if full["operation_id"] else None
        why = refusal(tx, hand, full, operation)
        if why:
            refused.append((full, why))
            continue
        detail = {"operation": full["operation_id"], **({"why": reason.strip()} if reason.strip() else {})}
        if full["state"] in ("posted", "closed"):
            marks.tell_again(tx, full["id"])
            _note(tx, hand, full, detail)
        else:
            assert operation is not None
            _go_on(tx, hand, full, operation, detail)
        moved.append(full)
    return Retried(tuple(moved), tuple(refused))


def is_open(tx: Tx, hand: Hand, row: Row) -> bool:
    """Whether a record can be replayed now."""
    operation = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    return not refusal(tx, hand, row, operation)


def refusal(tx: Tx, hand: Hand, row: Row, operation: Row | None) -> str:
    """Why a record cannot be replayed; empty when it can."""
    state = row["state"]
    if state in ("posted", "closed") and _is_untold(tx, row):
        return ""
    if state in _WHY:
        return _WHY[state]
    if operation is None:
        return f"nothing was prepared for it that could go on; {_ANEW}"
    if state == "intended":
        is_late = operation["state"] == "waiting" and operation["not_before"] > hand.at
        return "" if is_late else "it is prepared, and is sent next"
    instead = _SAY if state == "unknown" else _ANEW
    if _is_elsewhere(tx, hand, operation):
        # Its ids are those of other books, where they may mean another account, or another vendor.
        return f"it was prepared for what was connected as `{operation['connection']}` before; {instead}"
    if records.is_change(row):
        return f"it is a change of what is posted, and made for what was there then; {_ANEW}"
    if row["drifted"]:
        return f"the source says something else by now; {instead}"
    if state == "unknown":
        return _unknown(tx, hand, row, operation)
    return _failed(tx, row, operation)


def _is_elsewhere(tx: Tx, hand: Hand, operation: Row) -> bool:
    """Whether an operation was frozen for another account or company file, or before this one was connected anew."""
    was = accounts.known(tx, hand.company, operation["connection"])
    return (was is not None and operation["created_at"] < was.since) or bool(places.strangers(tx, [operation]))


def _unknown(tx: Tx, hand: Hand, row: Row, operation: Row) -> str:
    unsettled = tx.one("set_unsettled", {"company": hand.company})
    if operation["state"] != "held" or (unsettled is not None and unsettled["id"] == operation["message_set_id"]):
        return "its outcome is found out by itself; the same request goes on when it is not there"
    codes = {reason.code for reason in records.load_reasons(row)}
    if not codes or not codes <= _NOT_THERE:
        return f"the target may have it; {_SAY}"
    if from_iso(operation["created_at"]) < from_iso(hand.at) - _LONGEST:
        return f"it was prepared too long ago to be known again for certain; {_SAY}"
    return ""


def _failed(tx: Tx, row: Row, operation: Row) -> str:
    """A failed record goes on only where the target's refusal of its newest request is the last thing that happened."""
    lines = [line for line in journal.of_record(tx, row["id"]) if line["state_to"] != line["state_from"]]
    last = json.loads(lines[-1]["detail"]) if lines and lines[-1]["state_to"] == "failed" else {}
    if operation["state"] not in ("done", "held") or last.get("operation") != operation["id"]:
        return f"it was not sent, so there is nothing to go on with; {_ANEW}"
    matched = any("matched" in json.loads(line["detail"]) for line in lines if line["state_to"] == "intended")
    if matched:
        return f"what it was matched with may be another record's by now; {_ANEW}"
    return ""


def _is_untold(tx: Tx, row: Row) -> bool:
    """Whether the source refused to be told that the record is posted."""
    return bool(tx.rows("marks_refused", {"record_id": row["id"]}))


def _go_on(tx: Tx, hand: Hand, row: Row, operation: Row, detail: dict[str, object]) -> None:
    if row["state"] == "intended":
        outbox.put(tx, operation["id"], "waiting")
        _note(tx, hand, row, detail)
        return
    follow.quiet(tx, hand, row)
    if row["state"] == "unknown" and follow.is_push(operation):
        # In doubt, as right after its answer was lost: it is looked for, and written once it has had time to show.
        outbox.put(tx, operation["id"], "sent", not_before=iso(from_iso(hand.at)))
        _note(tx, hand, row, detail)
        return
    # It has travelled in a message set before, so its target looks for it, and gives it a new message-set id.
    outbox.put(tx, operation["id"], "waiting")
    records.move(tx, hand.company, hand.at, hand.actor, [Move(row, "intended", "replayed", detail=detail)])


def _note(tx: Tx, hand: Hand, row: Row, detail: dict[str, object]) -> None:
    place = (row["flow"], row["stream"], row["id"], row["source_id"], row["state"], row["state"])
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("replayed", *place, detail)])
