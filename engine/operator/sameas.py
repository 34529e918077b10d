"""A person says that what another account lists under a record's id is this very record: then it is read from there."""

from __future__ import annotations

from collections.abc import Sequence

from engine import otheraccount
from engine.follow import Hand
from engine.operator.worklist import Retried
from engine.store import journal
from engine.store.base import Row, Tx


def same_there(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """From now on these records are of the account that is connected now; what it says of them is taken in when it is read."""
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        run = tx.one("browse_run_newest", {"company": hand.company, "flow": full["flow"]})
        if run is None or not is_open(tx, hand, full):
            refused.append((full, "no other account has listed another record under its id"))
            continue
        tx.many("records_seen", [(run["id"], full["id"])])
        place = (full["flow"], full["stream"], full["id"], full["source_id"], full["state"], full["state"])
        detail = {"why": reason.strip()} if reason.strip() else {}
        journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("same_there", *place, detail)])
        otheraccount.settled(tx, hand.company, hand.at, [otheraccount.subject_of(full)])
        moved.append(full)
    return Retried(tuple(moved), tuple(refused))


def is_open(tx: Tx, hand: Hand, row: Row) -> bool:
    """Whether another account has listed another record under its id, and nobody has said what that is."""
    scope = {"company": hand.company, "kind": otheraccount.KIND, "subject": otheraccount.subject_of(row)}
    return tx.one("alert_open", scope) is not None
