"""Looks after what we wrote: is it still there, is it still as we wrote it, and what was found that an earlier life wrote."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from engine import follow, money, otherstate, reclaim, registry, sighted
from engine.clock import from_iso, iso
from engine.contract import Operation
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.evidence import Holding, Seen, Sighting
from engine.follow import Hand
from engine.program import FlowProgram, meaning
from engine.store import companies, facts, journal, lists, marks, outbox, records, reports, stops, work
from engine.store import holdings as kept
from engine.store.base import Row, Tx
from engine.store.records import Move, Reason
from engine.titles import called

CHECK_AGE = timedelta(hours=1)
# How many of those that were looked at longest ago one look takes in, and how many of those that are gone.
IN_TURN = 20
SIGHTING_AGE = timedelta(days=120)
# How many sightings that carry a marker of ours are asked for again in one session.
VERIFIED_TOGETHER = 200
# One that is missing was deleted by somebody. Several at once, the newest among them, were not there yet when the backup
# was made that was restored; what is missing in looks that did not come to their end counts together for so long.
TOGETHER = 3
_NEWEST_TOGETHER = 2
MISSED_AGE = timedelta(days=1)
_CHECK, _LOOK, _MISSED, _HALT, _BACK = "check", "look", "missed", "halt", "back"
# A clock that is put right by less than this was not wrong.
_SLACK = timedelta(minutes=1)
# The least by which two moments differ as text.
_TICK = timedelta(microseconds=1)
# Later than every moment.
_EVER = "~"
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
# What a person may have made of a record that had vanished, and what may become of it since, before anything is sent.
_DECIDED = frozenset({"pending", "deferred", "failed", "intended"})
# What was decided, by where the record is then.
_BECAME = {"skipped": "left out", "posted": "it is there", "closed": "it is there", "pending": "to be posted again"}


@dataclass(frozen=True, slots=True)
class Held:
    """The holdings as a polled connector sees them. `at` is the time now as UTC text."""

    tx: Tx
    at: str
    actor: str
    programs: Mapping[str, FlowProgram]

    def check_due(self, company: str) -> bool:
        """Whether it is time to look whether everything is still there."""
        if self.tx.one("holdings_any", {"company": company}) is None:
            return False
        last = facts.recall(self.tx, company, _CHECK)
        # One later than now says that our clock was ahead, and nothing of when it really was.
        return last is None or not iso(from_iso(self.at) - CHECK_AGE) < str(last["at"]) <= self.at

    def begin(self, company: str) -> str:
        """The moment to tell a new look by: now, or what the last look has noted where our clock was ahead of now then.

        Two computers' clocks are apart by some seconds, and one is put back by as much. What was looked at before would
        count as looked at in this look too, and what has gone since would not be missed.
        """
        latest = iso(from_iso(self.at) + _SLACK)
        looked = [self.at]
        for state in ("there", "gone", "replaced"):
            row = self.tx.one("holdings_looked_last", {"company": company, "state": state, "latest": latest})
            looked.append(str(row["at"] or "") if row is not None else "")
        return max(looked)

    def to_check(self, company: str, limit: int, since: str) -> tuple[Holding, ...]:
        """The holdings to ask for next; the same until they were `seen` or are `missing`.

        The newest that are believed to be there come first: each that is missing makes room for the next older one. With
        each comes what its record has or had under other ids: in another state of the company file it is there as that.
        """
        self._began(company, since)
        newest = self.tx.rows(
            "holdings_newest", {"company": company, "state": "there", "also": "there", "limit": limit}
        )
        rows = [row for row in newest if row["looked_at"] <= since]
        last = facts.recall(self.tx, company, _CHECK) or {}
        # Once one of them is back in a halted company, the newer file is open again, and so all may be.
        returning = facts.recall(self.tx, company, _BACK) is not None and halted(self.tx, company) is not None
        for state in ("there", "gone"):
            if not rows and state in last:
                until, seq = last[state] if state == "there" or not returning else (_EVER, 0)
                scope = {"company": company, "state": state, "since": since, "until": until, "seq": seq}
                rows = self.tx.rows("holdings_longest_ago", {**scope, "limit": limit})
        rows += kept.beside(self.tx, company, [row["target_id"] for row in rows], since)
        return tuple(kept.holding(self.tx, row) for row in {row["target_id"]: row for row in rows}.values())

    def before(self, company: str, operation: Operation) -> tuple[Holding, ...]:
        """What the record of an operation had there, gone or replaced by another, or has by another operation."""
        return tuple(kept.holding(self.tx, row) for row in kept.before(self.tx, company, operation.id))

    def _began(self, company: str, since: str) -> None:
        """A look is under way; what was looked at while our clock was ahead was not looked at."""
        if (facts.recall(self.tx, company, _LOOK) or {}).get("since") != since:
            facts.remember(self.tx, company, self.at, _LOOK, {"since": since})
        latest = iso(from_iso(max(self.at, since)) + _SLACK)
        if self.tx.run("holdings_looked_ahead", {"company": company, "latest": latest}):
            # Nor is it known whose turn it is; those that are asked for now begin it anew.
            facts.forget(self.tx, company, _CHECK)

    def _looked_at(self, company: str) -> str:
        """The time now, and within a look always after it began, wherever our clock was set: or it would not end."""
        look = facts.recall(self.tx, company, _LOOK)
        return max(self.at, iso(from_iso(look["since"]) + _TICK)) if look else self.at

    def of(self, company: str, target_ids: Sequence[str]) -> tuple[Holding, ...]:
        """The holdings among these ids, gone ones included."""
        rows = {row["target_id"]: row for row in kept.of_ids(self.tx, company, target_ids)}
        return tuple(kept.holding(self.tx, row) for row in rows.values())

    def seen(self, company: str, seen: Sequence[Seen]) -> None:
        """These are there. A difference is told to a person once; what was gone and is back is posted again."""
        hand = Hand(company, self.at, self.actor)
        looked_at = self._looked_at(company)
        by_id = {item.target_id: item for item in seen}
        for row in kept.of_ids(self.tx, company, list(by_id)):
            item = _compared(self.tx, row, by_id[row["target_id"]])
            kept.put(self.tx, row, looked_at, "there", item)
            if row["state"] != "there":
                facts.remember(self.tx, company, self.at, _BACK, {"target_id": row["target_id"]})
                otherstate.noticed(self.tx, hand, row, facts.recall(self.tx, company, _LOOK))
                _return_or_tell(self.tx, hand, row)
            _edited(self.tx, hand, row, item.differences)

    def missing(self, company: str, target_ids: Sequence[str]) -> None:
        """These are not there: their records have vanished, and a person is told."""
        hand = Hand(company, self.at, self.actor)
        looked_at = self._looked_at(company)
        missed, newest = [], 0
        for row in kept.of_ids(self.tx, company, target_ids):
            if row["state"] == "there":
                newest = max(newest, int(row["seq"]))
                kept.put(self.tx, row, looked_at, "gone")
                if _gone(self.tx, hand, row, self.programs.get(_record(self.tx, row["record_id"])["flow"])):
                    missed.append(str(row["target_id"]))
            else:
                kept.put(self.tx, row, looked_at, row["state"])
        if newest > kept.newest_there(self.tx, company):
            otherstate.look_further_back(self.tx, company, self.at)
        if missed:
            before = facts.recall(self.tx, company, _MISSED)
            if before is None or not iso(from_iso(self.at) - MISSED_AGE) < before["at"] <= self.at:
                before = {"at": self.at, "ids": []}
            ids = list(dict.fromkeys((*missed, *before["ids"])))
            facts.remember(self.tx, company, self.at, _MISSED, {"at": before["at"], "ids": ids[:100]})
            _judge(self.tx, hand, ids)

    def pass_over(self, company: str, target_ids: Sequence[str]) -> None:
        """The target cannot say whether these are there: they are asked for again in their next turn."""
        looked_at = self._looked_at(company)
        for row in kept.of_ids(self.tx, company, target_ids):
            kept.put(self.tx, row, looked_at, row["state"])

    def checked(self, company: str) -> None:
        """The look is complete. Several of the newest missing together mean a restored backup: posting halts."""
        for name in (_MISSED, _BACK, _LOOK):
            facts.forget(self.tx, company, name)
        turn: dict[str, object] = {"at": self.at}
        for state in ("there", "gone"):
            rows = self.tx.rows("holdings_in_turn", {"company": company, "state": state, "limit": IN_TURN})
            if rows:
                turn[state] = [rows[-1]["looked_at"], rows[-1]["seq"]]
        facts.remember(self.tx, company, self.at, _CHECK, turn)
        hand = Hand(company, self.at, self.actor)
        otherstate.over(self.tx, hand)
        before = facts.recall(self.tx, company, _HALT)
        if before is not None and _halt(self.tx, hand) != before["records"]:
            work.raise_alert(self.tx, company, _restored(self.tx, company), self.at)

    def scanned_at(self, company: str, kind: str) -> datetime | None:
        """When everything of a kind that was changed in the target was last looked through; None when never."""
        found = facts.recall(self.tx, company, f"{otherstate.SCAN}{kind}")
        # One that is to come was noted by a clock that was ahead: nobody knows when it was.
        if found is None or from_iso(found["at"]) > from_iso(self.at) + _SLACK:
            return None
        return min(from_iso(found["at"]), from_iso(self.at))

    def sighted(
        self, company: str, kind: str, sightings: Sequence[Sighting], *, scanned_at: datetime | None = None
    ) -> None:
        """Keep what was seen and is no holding. With `scanned_at`, the look through the kind that began then is complete.

        Only then the markers are compared with those of the records, once for the whole look.
        """
        known = {row["target_id"] for row in kept.of_ids(self.tx, company, [s.target_id for s in sightings])}
        kept.see(self.tx, company, self.at, [s for s in sightings if s.target_id not in known])
        if scanned_at is None:
            return
        before = iso(from_iso(self.at) - SIGHTING_AGE)
        self.tx.run("sightings_prune", {"company": company, "kind": kind, "before": before})
        facts.remember(self.tx, company, self.at, f"{otherstate.SCAN}{kind}", {"at": iso(scanned_at)})
        self._reclaim(company, iso(scanned_at))

    def unverified(self, company: str, since: str) -> tuple[Sighting, ...]:
        """Kept sightings that carry the marker of a record and were not seen since then."""
        rows = self.tx.rows("sightings_unverified", {"company": company, "since": since, "limit": VERIFIED_TOGETHER})
        return tuple(kept.sighting(row) for row in rows)

    def verified(self, company: str, sightings: Sequence[Sighting], gone: Sequence[str], since: str) -> None:
        """Of kept sightings, these are there; those that are `gone` are forgotten."""
        self.sighted(company, "", sightings)
        for target_id in gone:
            self.tx.run("sighting_drop", {"company": company, "target_id": target_id})
        self._reclaim(company, since, [sighting.target_id for sighting in sightings])

    def _reclaim(self, company: str, since: str, verified: Sequence[str] = ()) -> None:
        hand = Hand(company, self.at, self.actor)
        for record_id in reclaim.reclaim(self.tx, hand, self.programs, since, verified):
            record = _record(self.tx, record_id)
            work.resolve_alert(self.tx, company, "vanished", follow.subject_of(record), self.at)
            _tell_twice(self.tx, hand, record)
            _tell_other(self.tx, hand, record)
        relieve(self.tx, hand)

    def candidates(
        self, company: str, operation: Operation, *, reference: str = "", dated_on: str = "", memo: str = ""
    ) -> tuple[Sighting, ...]:
        """Kept sightings that could be what an operation is about to make (`engine.sighted`)."""
        about = sighted.About(reference, dated_on, memo)
        return sighted.candidates(self.tx, self.programs, company, operation, about)

    def halted(self, company: str) -> str | None:
        """Why nothing is written for the company until a person decides, and what to do, or None.

        It is read in the Web Connector's window, by somebody who may have no command line. What a paused flow has sent, and
        nobody knows what became of it, is not sent again, and nothing is written before it.
        """
        why = halted(self.tx, company)
        if why is None:
            pause = stops.stopping(self.tx, company)
            return stops.told(pause) if pause is not None else None
        where = of_company(company)
        return (
            f"{why}. What to do: when the newer company file still exists, open it and run the Web Connector again; else "
            "ask whoever looks after flowctl to decide about these records: "
            f"`flowctl reconcile{where}` lists them and says how"
        )


def halted(tx: Tx, company: str) -> str | None:
    """Why nothing is written for the company until a person decides, or None."""
    found = facts.recall(tx, company, _HALT)
    return str(found["why"]) if found else None


def decided(tx: Tx, hand: Hand, record: Row) -> None:
    """Somebody has decided about a record that had vanished: its alert is over, and the halt when it was the last."""
    work.resolve_alert(tx, hand.company, "vanished", follow.subject_of(record), hand.at)
    became = _BECAME.get(str(_record(tx, record["id"])["state"]), _BECAME["pending"])
    reports.decide(tx, record, reports.GONE, became, (hand.actor, hand.at))
    relieve(tx, hand)


def relieve(tx: Tx, hand: Hand) -> None:
    """Go on posting once no record is left whose object is gone and about which nobody has decided."""
    if halted(tx, hand.company) is None or tx.one("vanished_first", {"company": hand.company}) is not None:
        return
    facts.forget(tx, hand.company, _HALT)
    work.resolve_alert(tx, hand.company, "restored", "books", hand.at)
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("resumed")])


# --- what is gone ----------------------------------------------------------------------------------------------------


def _gone(tx: Tx, hand: Hand, row: Row, program: FlowProgram | None) -> bool:
    """An object that was there is not: its record has vanished, unless it is there under another id as well."""
    record = _record(tx, row["record_id"])
    work.resolve_alert(tx, hand.company, "edited", follow.subject_of(record), hand.at)
    others = [r for r in kept.of_record(tx, record["id"]) if r["state"] == "there"]
    if others:
        # It was there twice, and a person has deleted one of them.
        kept.put(tx, row, hand.at, "replaced")
        if len(others) == 1:
            work.resolve_alert(tx, hand.company, "twice", follow.subject_of(record), hand.at)
    if record["state"] not in ("posted", "closed"):
        return False
    if records.is_voided(record) and not others:
        return False  # it held no money, and so nothing is lost
    if not others:
        _vanish(tx, hand, record, row)
        _take_back(tx, hand, record, row["target_id"], program)
        return True
    if kept.target_of(json.loads(record["receipt"] or "{}")) == row["target_id"]:
        detail = {"target_id": row["target_id"], "kind": row["kind"]}
        records.move(tx, hand.company, hand.at, hand.actor, [Move(record, "vanished", "vanished", detail=detail)])
        _return(tx, hand, _record(tx, record["id"]), others[-1])
        _take_back(tx, hand, record, row["target_id"], program)
        if otherstate.was_noticed(tx, others[-1], facts.recall(tx, hand.company, _LOOK)):
            otherstate.told(tx, hand, others[-1], _title(tx, record))
    return False


def _vanish(tx: Tx, hand: Hand, record: Row, row: Row) -> None:
    message = f"the {_thing(record, row)} is no longer in {_title(tx, record)}"
    where = of_company(hand.company)
    number = record["source_id"]
    hint = (
        f"post it again with `flowctl reconcile --post-again {number}{where}`, "
        f"or leave it out with `flowctl reconcile --leave-out {number}{where}`"
    )
    detail = {"target_id": row["target_id"], "kind": row["kind"]}
    step = Move(record, "vanished", "vanished", (Reason("vanished", message, hint),), detail=detail)
    records.move(tx, hand.company, hand.at, hand.actor, [step])
    alert = work.Alert("vanished", follow.subject_of(record), f"{_where(record)}: {message}", hint)
    work.raise_alert(tx, hand.company, alert, hand.at)
    marks.withhold(tx, record["id"])
    lists.expire(tx, hand.company, row["kind"])  # where it is an object of a list


def _take_back(tx: Tx, hand: Hand, record: Row, target_id: str, program: FlowProgram | None) -> None:
    """What was prepared with an id that is gone would be refused there: it waits until the id is known anew."""
    by = f"vanished:{record['stream']}:{record['source_id']}"
    # A flow that this process does not run may mean it anywhere.
    for stream in meaning(program.flow, record["stream"]) if program is not None else ("",):
        follow.take_back(tx, hand, record["flow"], stream, target_id, by)


def _judge(tx: Tx, hand: Hand, missed: Sequence[str]) -> None:
    """Whether so much is missing together that a backup of the target was restored: it never has the newest."""
    if halted(tx, hand.company) is not None:
        return
    last = kept.newest_there(tx, hand.company)
    rows = {row["target_id"]: row for row in kept.of_ids(tx, hand.company, missed) if row["state"] == "gone"}
    newer = sum(row["seq"] > last for row in rows.values())
    if newer < _NEWEST_TOGETHER and not (newer and len(rows) >= TOGETHER):
        return
    _halt(tx, hand)
    alert = _restored(tx, hand.company)
    entry = journal.Entry("halted", detail={"message": alert.message})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    work.raise_alert(tx, hand.company, alert, hand.at)


def _halt(tx: Tx, hand: Hand) -> int:
    """Write nothing more; returns how many records have vanished."""
    count = sum(int(row["count"]) for row in tx.rows("vanished_amounts", {"company": hand.company}))
    alert = _restored(tx, hand.company)
    facts.remember(tx, hand.company, hand.at, _HALT, {"why": alert.message, "records": count})
    return count


def _restored(tx: Tx, company: str) -> work.Alert:
    counted = tx.rows("vanished_amounts", {"company": company})
    amounts: dict[str, list[Decimal]] = {}
    for row in counted:
        if row["amount"] is not None:
            amounts.setdefault(row["currency"] or "", []).append(Decimal(row["amount"]) * row["count"])
    sums = ", ".join(f"{money.total(parts)} {currency}".strip() for currency, parts in sorted(amounts.items()))
    one = tx.one("vanished_first", {"company": company})
    title = _title(tx, one) if one is not None else "the target"
    count = sum(int(row["count"]) for row in counted)
    message = (
        f"{count} records that were posted are no longer in {title}{f' ({sums})' if sums else ''}, which looks as if "
        "an older backup of the company file was restored; nothing more is written until it is decided what becomes of them"
    )
    where = of_company(company)
    hint = (
        f"when the backup is to stay, post them again with `flowctl reconcile --post-again all{where}`; leave out what is "
        f"not to be posted with `flowctl reconcile --leave-out ID{where}`; when the newer file is opened again, "
        "it goes on by itself"
    )
    return work.Alert("restored", "books", message, hint)


# --- what is back, and what was changed ------------------------------------------------------------------------------


def _return_or_tell(tx: Tx, hand: Hand, row: Row) -> None:
    """An object that was gone, or that another has replaced, is there."""
    record = _record(tx, row["record_id"])
    state = record["state"]
    operation = tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    unsent = state in _DECIDED and (operation is None or operation["state"] != "sent")
    left_out = state == "skipped" and any(reason.code == "left_out" for reason in records.load_reasons(record))
    if state == "vanished" or left_out or unsent:
        _return(tx, hand, record, row)
        if row["state"] == "replaced":
            otherstate.told(tx, hand, row, _title(tx, record))
    elif state in ("sent", "unknown"):
        message = f"the {_thing(record, row)} is in {_title(tx, record)} again, while it is being posted once more"
        hint = f"when both are there, delete one of them in {_title(tx, record)}"
        alert = work.Alert("twice", follow.subject_of(record), f"{_where(record)}: {message}", hint)
        work.raise_alert(tx, hand.company, alert, hand.at)
    else:
        _tell_twice(tx, hand, record)


def _return(tx: Tx, hand: Hand, record: Row, row: Row) -> None:
    """The record is posted again, as the object that is there; what was prepared in its place is taken back."""
    detail: dict[str, object] = {"target_id": row["target_id"], "kind": row["kind"]}
    operation = tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    if operation is not None and operation["state"] in ("waiting", "held"):
        outbox.put(tx, operation["id"], "cancelled")
        detail["cancelled"] = operation["id"]
    receipt = json.loads(record["receipt"] or "{}")
    before = kept.target_of(receipt)
    if before != row["target_id"]:
        receipt = {"ListID" if "ListID" in receipt and "TxnID" not in receipt else "TxnID": row["target_id"]}
        marks.withdraw(tx, hand.company, record["id"], hand.at)
    written = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    step = Move(
        record,
        "posted",
        "back",
        mapped_sha256=sha256(written["mapped"].encode()).hexdigest() if written is not None else None,
        operation_id=written["id"] if written is not None else None,
        receipt=receipt,
        detail=detail,
    )
    records.move(tx, hand.company, hand.at, hand.actor, [step])
    follow.quiet(tx, hand, record)
    if not marks.revive(tx, record["id"], before, row["target_id"]):
        why = "it is there again, and there is nothing new to tell the source"
        follow.close(tx, hand, _record(tx, record["id"]), why)
    records.wake(tx, hand.company, hand.at, hand.actor, f"posted:{record['stream']}:{record['source_id']}")
    decided(tx, hand, record)


def _tell_twice(tx: Tx, hand: Hand, record: Row) -> None:
    """A person must see that we wrote a record more than once."""
    there = [row for row in kept.of_record(tx, record["id"]) if row["state"] == "there"]
    if len(there) < 2:
        return
    ids = " and ".join(row["target_id"] for row in there)
    title = _title(tx, record)
    message = f"the {_thing(record, there[-1])} is in {title} more than once: {ids}"
    hint = f"delete all but one of them in {title}; flowctl finds out by itself which one is left"
    entry = journal.Entry(
        "twice", record["flow"], record["stream"], record["id"], record["source_id"], record["state"], record["state"],
        {"target_ids": [row["target_id"] for row in there]},
    )  # fmt: skip
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    alert = work.Alert("twice", follow.subject_of(record), f"{_where(record)}: {message}", hint)
    work.raise_alert(tx, hand.company, alert, hand.at)


def _compared(tx: Tx, row: Row, item: Seen) -> Seen:
    """What was found again or named by a person, without the operation that wrote it, is held against its record only."""
    record = _record(tx, row["record_id"])
    if row["operation_id"] or records.is_voided(record):
        return item
    if item.total is None and not item.dated_on:
        return replace(item, differences=kept.differences(row))
    return replace(item, differences=reclaim.differing(record, item.total, item.dated_on))


def claim(
    tx: Tx, hand: Hand, record: Row, kind: str, receipt: Mapping[str, str], shown: Mapping[str, Any] | None
) -> None:
    """Keep what a person says is there for a record.

    It need not look like what was prepared. But what was `shown` with another amount or date is told, for the source is
    told that the record is posted.
    """
    target_id = kept.target_of(receipt)
    kept.keep(tx, hand.company, hand.at, record, kind, receipt)
    if shown is None:
        return
    total = Decimal(shown["total"]) if shown["total"] is not None else None
    differences = reclaim.differing(record, total, shown["dated_on"])
    for row in kept.of_record(tx, record["id"]) if differences else ():
        if row["target_id"] == target_id:
            seen = Seen(row["target_id"], row["edit_sequence"], differences, total, shown["dated_on"])
            kept.put(tx, row, row["looked_at"], "there", seen)
            _tell_edited(tx, hand, row, differences, "is there as a person said, and not as the source says")


def _tell_other(tx: Tx, hand: Hand, record: Row) -> None:
    """What an earlier life of this store wrote is not what the source says now: a person must look at both."""
    for row in kept.of_record(tx, record["id"]):
        if row["state"] == "there" and not row["operation_id"] and kept.differences(row):
            _tell_edited(tx, hand, row, kept.differences(row), "is there from earlier, and not as the source says")


def _edited(tx: Tx, hand: Hand, row: Row, differences: tuple[str, ...]) -> None:
    """A person has changed the object, or has put it right again. It is never changed back."""
    if differences == kept.differences(row):
        return
    record = _record(tx, row["record_id"])
    _forget_undone(tx, row, differences)
    new = kept.unaccepted(row, differences)
    if not new:
        work.resolve_alert(tx, hand.company, "edited", follow.subject_of(record), hand.at)
        return
    ours, found = "was changed in {title} after it was posted", "is in {title}, and not as the source says"
    what = ours if row["operation_id"] else found
    _tell_edited(tx, hand, row, new, what)


def _tell_edited(tx: Tx, hand: Hand, row: Row, new: tuple[str, ...], what: str) -> None:
    record = _record(tx, row["record_id"])
    entry = journal.Entry(
        "edited", record["flow"], record["stream"], record["id"], record["source_id"], record["state"], record["state"],
        {"target_id": row["target_id"], "kind": row["kind"], "differences": list(new)},
    )  # fmt: skip
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    title = _title(tx, record)
    message = (
        f"{_where(record)}: the {_name(row)} {what.format(title=title)}: {'; '.join(new)}; flowctl leaves it as it is"
    )
    command = f"`flowctl reconcile --accept {shlex.quote(record['source_id'])}{of_company(hand.company)}`"
    hint = f"when that is right, accept it with {command}; else correct it in {title}"
    work.raise_alert(tx, hand.company, work.Alert("edited", follow.subject_of(record), message, hint), hand.at)


def _forget_undone(tx: Tx, row: Row, differences: tuple[str, ...]) -> None:
    """What a person let pass and somebody has undone since is news when it comes again."""
    passed = kept.accepted(row)
    if passed is None or not passed.differences:
        return
    still = tuple(text for text in differences if passed.covers(text))
    kept.accept(tx, row, replace(passed, differences=still) if still else None)


# --- words -----------------------------------------------------------------------------------------------------------


def _record(tx: Tx, record_id: int) -> Row:
    found = tx.one("record_get", {"id": record_id})
    assert found is not None
    return found


def _where(record: Row) -> str:
    return f"{record['flow']}/{record['stream']}/{called(record)}"


def _name(row: Row) -> str:
    """`BillPaymentCheck` as people say it: bill payment check."""
    return _WORD.sub(" ", row["kind"]).lower()


def _thing(record: Row, row: Row) -> str:
    """What it is, whose, and how much."""
    amount = f"{record['amount']} {record['currency'] or ''}".strip() if record["amount"] is not None else ""
    about = ", ".join(part for part in (record["party"], amount) if part)
    return _name(row) + (f" ({about})" if about else "")


def _title(tx: Tx, record: Row) -> str:
    """The target that the record was written to, as people call it."""
    operation = tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    if operation is None:
        return "the target"
    made = companies.connectors(tx, operation["company"])
    connector = registry.find(made.get(operation["connection"], ""))
    return connector.spec.title.partition(" (")[0] if connector is not None else str(operation["connection"])
