"""A person leaves a record out: it is not written, whatever the source says of it later, until a person posts it after all."""

from __future__ import annotations

from collections.abc import Sequence

from engine import follow
from engine.errors import UsageError
from engine.follow import Hand
from engine.operator.worklist import Retried
from engine.store import outbox, records
from engine.store.base import Row, Tx
from engine.store.records import Move, Reason

_SKIPPED = Reason("left_out", "a person left it out")
_WHY = {
    "intended": "it is prepared, and is sent next; pause the company or switch the flow off to keep it from that",
    "sent": "it is under way, and may be posted already",
    "unknown": "it was sent and its outcome is not known; find out whether it is there, and say so",
    "posted": "it is posted; void it in the source, or there",
    "closed": "it is posted; void it in the source, or there",
    "skipped": "it is left out already",
    "vanished": "it was posted and is gone from the target; `flowctl reconcile --leave-out` decides about that",
}


class ReasonMissing(UsageError):
    """A record that is left out needs a reason: somebody will ask."""

    hint = "say in a few words why, such as `entered by hand on March 2`"


def skip(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """Leave records out that wait, or that failed; never one that may be in the target.

    Raises:
        ReasonMissing: without a reason.
    """
    if not reason.strip():
        raise ReasonMissing
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        operation = tx.one("operation_get", {"id": full["operation_id"]}) if full["operation_id"] else None
        why = _WHY.get(full["state"], "")
        if not why and operation is not None and operation["state"] in ("waiting", "sent"):
            why = f"its request {operation['id']} is {operation['state']}"
        if why:
            refused.append((row, why))
            continue
        follow.quiet(tx, hand, full)
        if operation is not None and operation["state"] == "held":
            outbox.put(tx, operation["id"], "cancelled")
        step = Move(full, "skipped", "left_out", (_SKIPPED,), detail={"why": reason.strip()})
        records.move(tx, hand.company, hand.at, hand.actor, [step])
        # Who waits for it must look again, and say what is so now.
        records.wake(tx, hand.company, hand.at, hand.actor, f"posted:{full['stream']}:{full['source_id']}")
        moved.append(row)
    return Retried(tuple(moved), tuple(refused))
