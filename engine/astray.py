"""What was frozen for one account or company file is not sent to another, and not looked for there either.

What waits is prepared anew, for what is connected now. A change of what was written to the other place cannot be made
here, and what is in doubt can only be found there: a person decides about both.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine import follow
from engine.contract import OperationOutcome
from engine.follow import Hand
from engine.store import places
from engine.store.base import Row, Tx

CODE = "other_books"


def take_back(tx: Tx, hand: Hand, rows: Sequence[Row]) -> frozenset[str]:
    """Take those among these operations out of the way that were frozen for another place; returns their ids."""
    strange = places.strangers(tx, rows)
    for row in rows:
        if row["id"] in strange and row["state"] in ("waiting", "sent"):
            _take_back(tx, hand, row)
    return strange


def take_back_all(tx: Tx, hand: Hand, connection: str) -> int:
    """The same for all that waits over a connection; returns how many."""
    rows = tx.rows("operations_open_at", {"company": hand.company, "connection": connection})
    return len(take_back(tx, hand, [row for row in rows if row["state"] == "waiting"]))


def _take_back(tx: Tx, hand: Hand, row: Row) -> None:
    was = f"what was connected as `{row['connection']}` before"
    if row["target_id"]:
        message = f"it changes what was written to {was}"
        hint = "change it there by hand, then run `flowctl reconcile --leave-out ID`"
        follow.settle(tx, hand, row, OperationOutcome(row["id"], "failed", {}, CODE, message, hint))
    elif row["state"] == "waiting":
        follow.begin_anew(tx, hand, row, f"it was prepared for {was}")
    else:
        message = f"it was sent to {was}, and no answer came"
        hint = (
            "look there; when it is there, run `flowctl retry ID --there ID-THERE`, "
            "else `flowctl retry ID --not-there`, which prepares it anew for what is connected now"
        )
        follow.settle(tx, hand, row, OperationOutcome(row["id"], "held", {}, CODE, message, hint))
