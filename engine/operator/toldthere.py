"""A person has told the source by hand what became of a record: flowctl does not tell it any more."""

from __future__ import annotations

from collections.abc import Sequence

from engine import follow, telling
from engine.follow import Hand
from engine.operator.worklist import Retried
from engine.store import journal, marks, places, work
from engine.store.base import Row, Tx


def told_there(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """What the source refused to hear, or another account would hear now, counts as told."""
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        found = open_marks(tx, full)
        if not found:
            refused.append((full, _why_not(tx, full)))
            continue
        for mark in found:
            marks.told_by_hand(tx, hand.company, mark["id"], hand.at)
        _close(tx, hand, full, f"told by hand: {reason}" if reason else "told by hand")
        for mark in found:
            subject = f"{mark['flow']}/{mark['kind']}/{mark['source_id']}"
            work.resolve_alert(tx, hand.company, "mark", subject, hand.at)
            telling.say_elsewhere(tx, hand, mark)
        moved.append(full)
    return Retried(tuple(moved), tuple(refused))


def open_marks(tx: Tx, row: Row) -> list[Row]:
    """What a person may have told the source of a record: it refused, does not show it, or is another account now."""
    found = []
    for mark in marks.untold(tx, row["id"]):
        led = places.led(tx, row["company"], mark["connection"])
        said = {
            "company": row["company"],
            "kind": "mark",
            "subject": f"{mark['flow']}/{mark['kind']}/{mark['source_id']}",
        }
        if mark["state"] == "refused" or led.elsewhere(mark["read_at"]) or tx.one("alert_open", said) is not None:
            found.append(mark)
    return found


def _why_not(tx: Tx, row: Row) -> str:
    if marks.untold(tx, row["id"]):
        return "the source is told by itself"
    return "there is nothing that the source does not know"


def _close(tx: Tx, hand: Hand, row: Row, why: str) -> None:
    if row["state"] == "posted":
        follow.close(tx, hand, row, why)
        return
    place = (row["flow"], row["stream"], row["id"], row["source_id"], row["state"], row["state"])
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("told_there", *place, {"why": why})])
