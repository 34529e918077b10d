"""A person holds records back, and lets them go: what is prepared for a record that is held is not sent."""

from __future__ import annotations

from collections.abc import Sequence

from engine.follow import Hand
from engine.operator.pausing import WhyMissing, who
from engine.operator.worklist import Retried
from engine.store import journal, stops
from engine.store.base import Row, Tx

_WHY = {
    "sent": "it is under way, and may be posted already",
    "unknown": "it was sent, and its outcome is not known; nothing more of it is sent before that is",
    "posted": "it is posted",
    "closed": "it is posted, and the source knows",
    "skipped": "it is not to be written",
    "vanished": "it was posted and is gone from the target; nothing is sent until somebody decides about it",
}


def hold(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """Hold records back that were not sent yet; whatever becomes of them meanwhile, they are not sent until released.

    Raises:
        WhyMissing: without a reason.
    """
    if not reason.strip():
        raise WhyMissing
    moved, refused = [], []
    known = stops.held(tx, [row["id"] for row in rows])
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        operation = tx.one("operation_get", {"id": full["operation_id"]}) if full["operation_id"] else None
        why = _WHY.get(full["state"], "")
        if not why and operation is not None and operation["state"] == "sent":
            why = _WHY["sent"]
        if row["id"] in known:
            why = f"{who(known[row['id']])} holds it back already: {known[row['id']]['why']}"
        if why:
            refused.append((full, why))
            continue
        scope = {"record_id": full["id"], "company": hand.company, "at": hand.at, "actor": hand.actor}
        stops.hold(tx, {**scope, "why": reason.strip()})
        _note(tx, hand, full, "on_hold", reason)
        moved.append(full)
    return Retried(tuple(moved), tuple(refused))


def release(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str = "") -> Retried:
    """Let records go that are held back: what is prepared for them is sent next."""
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        if not stops.release(tx, full["id"]):
            refused.append((full, "nobody holds it back"))
            continue
        _note(tx, hand, full, "released", reason)
        moved.append(full)
    return Retried(tuple(moved), tuple(refused))


def _note(tx: Tx, hand: Hand, row: Row, event: str, reason: str) -> None:
    """One line of the journal; the record stays in its state."""
    detail = {"why": reason.strip()} if reason.strip() else {}
    place = (row["flow"], row["stream"], row["id"], row["source_id"], row["state"], row["state"])
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry(event, *place, detail)])
