"""Another state of the same company file is open: what was posted once more elsewhere is there under its ids from before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.clock import from_iso, iso
from engine.follow import Hand
from engine.store import facts, journal, work
from engine.store.base import Row, Tx

# So long after the last of them was found people are told of it.
_TOLD_FOR = timedelta(days=7)
_MOST = 1000
# Under this name, with the kind, it is remembered when everything of a kind that was changed was last looked through.
SCAN = "scan:"
# As if the last look had been so long ago. A connector begins some days before that, and its first look goes 60 days back.
_FURTHER_BACK = timedelta(days=58)
_FACT, _KIND, _SUBJECT = "other_state", "restored", "newer"
_NOTICED = "other_state_ids"


def look_further_back(tx: Tx, company: str, at: str) -> None:
    """The newest is missing: what people did in this state of the file while another was open is looked through as well.

    What was looked through last before that, or not to its end, keeps its time. Without one, the look would begin later.
    """
    furthest = iso(from_iso(at) - _FURTHER_BACK)
    for row in tx.rows("facts_named", {"company": company, "prefix": SCAN}):
        known = facts.recall(tx, company, row["name"])
        if known is not None and known["at"] > furthest:
            facts.remember(tx, company, at, row["name"], {**known, "at": furthest})


def noticed(tx: Tx, hand: Hand, row: Row, look: dict[str, Any] | None) -> None:
    """An object that was not believed to be there is. Whether it tells of another state is seen in the same look."""
    if row["state"] != "replaced" or look is None:
        return
    known = facts.recall(tx, hand.company, _NOTICED) or {}
    ids = known["ids"] if known.get("since") == look["since"] else []
    facts.remember(
        tx, hand.company, hand.at, _NOTICED, {"since": look["since"], "ids": [*ids, row["target_id"]][-_MOST:]}
    )


def was_noticed(tx: Tx, row: Row, look: dict[str, Any] | None) -> bool:
    """Whether it was found in this look in place of what had replaced it; a person may have deleted that one in another."""
    known = facts.recall(tx, str(row["company"]), _NOTICED) if look is not None else None
    return bool(look and known and known["since"] == look["since"] and row["target_id"] in known["ids"])


def told(tx: Tx, hand: Hand, row: Row, title: str) -> None:
    """An object that another had replaced is there again: the file from before a backup was put back, or after it."""
    known = facts.recall(tx, hand.company, _FACT) or {}
    first = _is_over(hand.at, known)
    ids = dict.fromkeys([*([] if first else known["records"]), int(row["record_id"])])
    facts.remember(tx, hand.company, hand.at, _FACT, {"at": hand.at, "records": list(ids)[-_MOST:]})
    message = (
        f"another state of the company file is open than the last time: {len(ids)} records that were posted again into the "
        f"other one are in {title} under the ids that they had before, as if a newer file was opened after its backup; "
        "nothing of them is posted again"
    )
    hint = (
        "go on with one of the two files and put the other away; what was posted or entered into the other one alone is not "
        "in this one, and is told as no longer there; this note goes after a week"
    )
    if first:
        entry = journal.Entry("other_state", detail={"message": message})
        journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    work.raise_alert(tx, hand.company, work.Alert(_KIND, _SUBJECT, message, hint), hand.at)


def over(tx: Tx, hand: Hand) -> None:
    """A look is complete: what was told long ago is no news."""
    known = facts.recall(tx, hand.company, _FACT)
    if known is not None and _is_over(hand.at, known):
        facts.forget(tx, hand.company, _FACT)
        work.resolve_alert(tx, hand.company, _KIND, _SUBJECT, hand.at)


def _is_over(at: str, known: dict[str, object]) -> bool:
    return not known or not iso(from_iso(at) - _TOLD_FOR) < str(known["at"])
