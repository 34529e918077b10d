"""What follows from an outcome: moves, provided lookups, wake-ups, marks for the source, alerts; all in one transaction."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

from engine import asked
from engine.contract import ListObject, OperationOutcome
from engine.dataclass import dataclass
from engine.diagnostics import in_quotes, of_company
from engine.evidence import VOIDED_THERE
from engine.failtext import PASSING, failure_text
from engine.jsontext import own, plain
from engine.model import Flow
from engine.operator import since
from engine.reference import reference_of
from engine.store import holdings, lists, marks, outbox, records, work
from engine.store.base import Row, Tx
from engine.store.records import Move, Reason
from engine.titles import called

# Reasons that solve themselves inside the system; a person need not hear of them.
QUIET = PASSING
# An answer that only time may better comes back this often, then a person hears of it: after about six hours.
MOST_TRIES = 12
_LONGEST_WAIT_S = 3600.0
# No flow makes a key of more parts than this.
_MOST_PARTS = 8
_POSTED_ANEW = Reason("posted_anew", "the record that it changes was posted anew")
_RETRY = re.compile(r"`flowctl (retry|reconcile --leave-out) ID([^`]*)`")


@dataclass(frozen=True, slots=True)
class Hand:
    """Who acts, for whom, and when."""

    company: str
    at: str
    actor: str


def settle(
    tx: Tx, hand: Hand, operation: Row, outcome: OperationOutcome, about: Mapping[str, object] | None = None
) -> None:
    """Commit the outcome of one operation and everything that follows from it; `about` is journalled with it."""
    record = tx.one("record_get", {"id": operation["record_id"]})
    assert record is not None
    detail = {"operation": operation["id"], "sha256": operation["sha256"], **(about or {})}
    if outcome.code:
        detail["code"] = outcome.code
    if outcome.outcome == "posted":
        taken = _taken(tx, hand, operation, record, outcome) or _counted(tx, hand, operation, record, outcome)
        if taken is None:
            _posted(tx, hand, operation, record, outcome, detail)
            return
        outcome = taken
    outcome = _bounded(hand, operation, record, outcome)
    # A connector does not know what people call the record, nor which company a command must name.
    outcome = replace(outcome, hint=_RETRY.sub(lambda found: _retry(hand, record, found[2], found[1]), outcome.hint))
    if outcome.outcome == "retry":
        outbox.put(tx, operation["id"], "waiting", not_before=_after(hand.at, outcome.retry_after_s))
        reason = Reason("retry", outcome.message, outcome.hint)
        records.move(
            tx,
            hand.company,
            hand.at,
            hand.actor,
            [Move(record, "intended", "retry", (reason,), attempt=True, detail=detail)],
        )
        begun_anew(tx, hand, operation)
        return
    waits_for = outcome.waits_for
    provide = own(operation["follow_up"]).get("provide")
    if provide:
        # Who waited for the object to be created must look again, and say what is missing now; not who was refused it
        # as well, or two such records would wake one another for ever. A person may name another object in its place,
        # which settles this record as well.
        key = f"mapping:{provide['lookup']}:{provide['key']}"
        records.wake(tx, hand.company, hand.at, hand.actor, key, code="not_posted")
        waits_for = tuple(dict.fromkeys((*waits_for, key)))
    reason = Reason(outcome.code or outcome.outcome, outcome.message, outcome.hint, waits_for)
    held_unknown = outcome.outcome == "held" and not outcome.code.isdigit()
    state: records.State = "deferred" if outcome.outcome == "deferred" else "failed"
    outbox.put(tx, operation["id"], {"held": "held", "deferred": "cancelled"}.get(outcome.outcome, "done"))
    if held_unknown:
        if record["state"] != "unknown":
            records.move(
                tx, hand.company, hand.at, hand.actor, [Move(record, "unknown", "held", (reason,), detail=detail)]
            )
        else:
            # Why a person has to decide, and whether it can be replayed, hangs on what was found out last.
            records.explain(tx, record, (reason,))
        work.raise_alert(tx, hand.company, _alert("unknown", record, reason), hand.at)
        return
    # What became of it is known now.
    work.resolve_alert(tx, hand.company, "unknown", subject_of(record), hand.at)
    records.move(
        tx,
        hand.company,
        hand.at,
        hand.actor,
        [Move(record, state, outcome.outcome, (reason,), attempt=True, detail=detail)],
    )
    report(tx, hand, record, state, (reason,), own(operation["follow_up"]))


def is_push(operation: Row) -> bool:
    """Whether the operation's target is called, and not polled by its agent."""
    return bool(own(operation["follow_up"]).get("push"))


def target_id_of(operation: Row, receipt: Mapping[str, Any]) -> str:
    """The id of the object that a receipt of the operation is for; empty when it names none."""
    return str(receipt.get("id") or "") if is_push(operation) else holdings.target_of(receipt)


def receipt_for(operation: Row, target_id: str) -> dict[str, str]:
    """The receipt of an object that a person names: a list object has a ListID, everything else of QuickBooks a TxnID."""
    named = {"ListID" if own(operation["follow_up"]).get("provide") else "TxnID": target_id}
    if is_push(operation):
        # One that takes QuickBooks' documents gives ids under QuickBooks' names as well, and flows ask for these.
        return {"id": target_id, **(named if bytes(operation["body"]).startswith(b"<") else {})}
    return named


def _posted(
    tx: Tx, hand: Hand, operation: Row, record: Row, outcome: OperationOutcome, detail: Mapping[str, Any]
) -> None:
    receipt = dict(outcome.receipt)
    outbox.put(tx, operation["id"], "done")
    if records.is_change(record):
        _changed(tx, hand, operation, record, receipt, detail)
        return
    moved = Move(
        record, "posted", "posted", receipt=receipt, detail={**detail, "receipt": receipt, "amount": record["amount"]}
    )
    records.move(tx, hand.company, hand.at, hand.actor, [moved])
    follow_up = own(operation["follow_up"])
    if is_push(operation):
        pushed = {"company": hand.company, "connection": operation["connection"], "record_id": record["id"]}
        # What joins an object leaves it to whoever has made it.
        if not follow_up.get("joins"):
            tx.run("pushed_put", {**pushed, "target_id": receipt.get("id", "")})
    else:
        there = [row["target_id"] for row in holdings.of_record(tx, record["id"]) if row["state"] == "there"]
        holdings.posted(tx, hand.company, hand.at, record, operation, receipt)
        if there == [holdings.target_of(receipt)]:
            # It was told to be there again while it was being posted once more, and that was not done.
            work.resolve_alert(tx, hand.company, "twice", subject_of(record), hand.at)
    after_posting(tx, hand, record, operation["request"], follow_up, receipt)


def after_posting(
    tx: Tx, hand: Hand, record: Row, request: str, follow_up: Mapping[str, Any], receipt: Mapping[str, str]
) -> None:
    """What follows once a record is posted: the lookups it provides, its alerts, who waited for it, telling the source.

    A source that was told of an earlier posting of the record is not told again: it holds the record as synced, and what
    it would make of another number is not known. One that may have been told is told of this posting once it says that it
    does not know of the other.
    """
    provide = follow_up.get("provide")
    if provide:
        names = (receipt.get(name) for name in ("FullName", "Name", "name"))
        full_name = next((name for name in names if name), record["party"] or "")
        found = ListObject(receipt.get("ListID") or receipt.get("id", ""), full_name, number=receipt.get("number", ""))
        if provide.get("list"):
            # What else a called target says of it, as its list will once it is read again.
            more = {name: text for name, text in receipt.items() if name not in ("id", "name", "number")}
            found = replace(found, data=more)
        link(tx, hand, record, provide["lookup"], provide["key"], found, "created")
        lists.add(tx, hand.company, str(provide.get("list") or _list_of(request)), found)
        # Whoever knows the object by its name alone waited for that.
        records.wake(tx, hand.company, hand.at, hand.actor, f"mapping:{provide['lookup']}:{full_name}")
    mark = follow_up.get("mark")
    told = marks.told(tx, record["id"]) if mark else None
    if mark and told != "done":
        reference = reference_of(mark["reference"], receipt)
        new = marks.NewMark(
            record["flow"],
            mark["connection"],
            mark["kind"],
            record["id"],
            record["source_id"],
            "posted",
            str(reference or ""),
            mark.get("details", {}),
            asked.request_of(tx, hand.company, record, hand.at),
        )
        tell = marks.spare if told else marks.add
        tell(tx, hand.company, new)
    quiet(tx, hand, record)
    records.wake(tx, hand.company, hand.at, hand.actor, f"posted:{record['stream']}:{record['source_id']}")
    if record["receipt"] is not None:
        drop_change(tx, hand, record, _POSTED_ANEW)
    if record["drifted"] and follow_up.get("change"):
        _still_differs(tx, hand, record)
    if not mark or told == "done":
        done = tx.one("record_get", {"id": record["id"]})
        assert done is not None
        close(tx, hand, done, "the source was told when it was posted before" if mark else "nothing to tell the source")


def _changed(
    tx: Tx, hand: Hand, operation: Row, change: Row, receipt: Mapping[str, str], detail: Mapping[str, Any]
) -> None:
    """A change was posted: the record that it is of is brought up to date, and the source need not be told again."""
    record = records.changed_by(tx, change)
    undone = outbox.undoes(operation)
    before: dict[str, str] = json.loads(record["receipt"] or "{}")
    named = {name: text for name, text in receipt.items() if name not in ("TxnID", "ListID", "id")}
    told: dict[str, Any] = {"changes": record["id"]}
    if undone:
        # It holds no money any more, whatever the source still calls its amount.
        change = {**change, "amount": None if record["amount"] is None else "0.00"}
        named |= _undone(operation, detail)
        told["voided"] = named["voided"]
        before.pop("EditSequence", None)
    restored = not undone and before.pop("voided", None) is not None
    for name in ("undone", "gone") if restored else ():
        before.pop(name, None)
    told |= {"total": change["amount"], "amount": _more(change["amount"], record["amount"])}
    moved = Move(change, "posted", "posted", receipt=receipt, detail={**detail, "receipt": dict(receipt), **told})
    records.move(tx, hand.company, hand.at, hand.actor, [moved])
    # Of a record that was gone, whatever the source has said since is news.
    is_news = outbox.undoes_gone(operation) or record["newest"] != change["payload"]
    newest = record["newest"] if is_news else None
    written = records.Written(change, change["mapped_sha256"], operation["id"], {**before, **named}, newest)
    records.rewritten(tx, record, hand.at, written)
    if not is_push(operation):
        holdings.posted(tx, hand.company, hand.at, record, operation, receipt)
    quiet(tx, hand, change)
    work.resolve_alert(tx, hand.company, "drifted", subject_of(record), hand.at)
    if undone:
        _voided(tx, hand, record, target_id_of(operation, receipt) or target_id_of(operation, before))
    if restored:
        records.explain(tx, record, ())
        records.wake(tx, hand.company, hand.at, hand.actor, f"posted:{record['stream']}:{record['source_id']}")
    done = tx.one("record_get", {"id": change["id"]})
    assert done is not None
    why = (
        f"it is {named.get('undone', 'voided')} as the source says"
        if undone
        else "the posted record is as the source says"
    )
    close(tx, hand, done, why)
    if newest is not None:
        change_follows(tx, hand, record, newest)


def _undone(operation: Row, detail: Mapping[str, Any]) -> dict[str, str]:
    """What the receipt says of an object that was undone: by whom, and what a called target's people call that."""
    follow_up = own(operation["follow_up"])
    # What waited, and was found as it was to be made, was made so by somebody else.
    was_so = detail.get("code") == VOIDED_THERE or (detail.get("found") and operation["state"] == "waiting")
    found = {"voided": "there" if was_so else "here"}
    if "undone" in follow_up:
        found["undone"] = str(follow_up["undone"])
    if follow_up.get("gone"):
        found["gone"] = "true"
    return found


def _voided(tx: Tx, hand: Hand, record: Row, target_id: str) -> None:
    """What follows once an object is voided: a person may look at it no more, and nothing else may refer to it."""
    found = tx.one("record_get", {"id": record["id"]})
    assert found is not None
    records.explain(tx, found, voided_reasons(found))
    work.resolve_alert(tx, hand.company, "edited", subject_of(record), hand.at)
    # What a person let pass of the object as it was says nothing of it now.
    for row in holdings.of_record(tx, record["id"]):
        holdings.accept(tx, row, None)
    by = f"voided:{record['stream']}:{record['source_id']}"
    take_back(tx, hand, record["flow"], "", target_id, by)
    records.wake(tx, hand.company, hand.at, hand.actor, "voided")


def voided_reasons(record: Row) -> tuple[Reason, ...]:
    """Why a posted record holds no money, for people; nothing unless what was posted is voided."""
    receipt = json.loads(record["receipt"] or "{}")
    told, word = receipt.get("voided"), records.undone_word(record)
    if not told:
        return ()
    who = f"it was {word} there" if told == "here" else f"a person had {word} it there"
    source = "has voided it" if word == "voided" else "no longer wants it"
    source = f"the source {'no longer has it' if receipt.get('gone') else source}"
    return (Reason("voided", f"{source}, and {who}"),)


def take_back(tx: Tx, hand: Hand, flow: str, stream: str, target_id: str, by: str) -> None:
    """What was prepared with an id that is of no use any more waits until it is known anew; `stream` empty for all."""
    text = _like(json.dumps(target_id)[1:-1])
    for other in tx.rows(
        "records_waiting_with", {"company": hand.company, "flow": flow, "text": text, "stream": stream}
    ):
        outbox.put(tx, other["operation_id"], "cancelled")
        taken = {"cancelled": other["operation_id"], "by": by}
        records.move(tx, hand.company, hand.at, hand.actor, [Move(other, "pending", "changed", detail=taken)])


def _still_differs(tx: Tx, hand: Hand, record: Row) -> None:
    """The source changed while the record was under way for the first time: what was posted is changed next."""
    kept = {name: record[name] for name in ("id", "payload_sha256", "seen_run")}
    tx.run("record_newest", {**kept, "payload": record["newest"], "at": hand.at})
    work.resolve_alert(tx, hand.company, "drifted", subject_of(record), hand.at)
    if record["newest"] is not None:
        change_follows(tx, hand, record, record["newest"])


def change_follows(tx: Tx, hand: Hand, record: Row, newest: str) -> None:
    """A change that is prepared from the store alone, without the source being read again."""
    about = (record[name] for name in ("amount", "currency", "party", "reference", "dated_on"))
    read = records.Intake(record["source_id"], newest, sha256(newest.encode()).hexdigest(), *about)
    new = records.NewRecord(read, "pending", detail={"changes": record["id"]})
    place = records.next_change(record, records.newest_change(tx, record))
    records.insert(tx, place, record["seen_run"], hand.at, hand.actor, [new])


def drop_change(tx: Tx, hand: Hand, record: Row, why: Reason) -> None:
    """What waits to change what was posted before is over."""
    change = records.newest_change(tx, record)
    if change is None or change["state"] not in ("pending", "intended", "deferred", "failed"):
        return
    operation = tx.one("operation_get", {"id": change["operation_id"]}) if change["operation_id"] else None
    if operation is not None and operation["state"] in ("waiting", "held"):
        outbox.put(tx, operation["id"], "cancelled")
    records.move(tx, hand.company, hand.at, hand.actor, [Move(change, "skipped", "skipped", (why,))])
    quiet(tx, hand, change)


def _more(now: str | None, before: str | None) -> str | None:
    """By how much the books hold more, as decimal text; None where either amount is not known."""
    return None if now is None or before is None else str(Decimal(now) - Decimal(before))


def begin_anew(tx: Tx, hand: Hand, operation: Row, why: str) -> None:
    """Take back an operation that waits; its record is prepared from what is known now."""
    record = tx.one("record_get", {"id": operation["record_id"]})
    assert record is not None
    outbox.put(tx, operation["id"], "cancelled")
    step = Move(record, "pending", "changed", detail={"cancelled": operation["id"], "why": why})
    records.move(tx, hand.company, hand.at, hand.actor, [step])


def begun_anew(tx: Tx, hand: Hand, operation: Row) -> bool:
    """Whether an operation that waits again, since it did certainly not run, is what is wanted no more: it is taken back then."""
    record = tx.one("record_get", {"id": operation["record_id"]})
    assert record is not None
    drifted = "the source changed while it was under way" if record["drifted"] else ""
    why = drifted or since.stale(tx, record, operation["id"])
    if why:
        begin_anew(tx, hand, operation, why)
    return bool(why)


def _retry(hand: Hand, record: Row, options: str = "", command: str = "retry") -> str:
    """The command that tries the record again, or says what became of it."""
    where = of_company(hand.company)
    return f"`flowctl {command} {shlex.quote(record['source_id'])}{options}{where}`"


def _bounded(hand: Hand, operation: Row, record: Row, outcome: OperationOutcome) -> OperationOutcome:
    """Wait longer each time, and not for ever: neither for a busy object nor for a list that is read again and again."""
    tries = record["attempts"] + 1
    again = outcome.outcome == "deferred" and bool(outcome.waits_for)
    if outcome.outcome != "retry" and not (again and all(key.startswith("list:") for key in outcome.waits_for)):
        return outcome
    if tries < MOST_TRIES:
        wait_s = min(outcome.retry_after_s * float(2 ** (tries - 1)), _LONGEST_WAIT_S)
        return replace(outcome, retry_after_s=wait_s)
    return replace(
        outcome,
        outcome="deferred" if own(operation["follow_up"]).get("provide") else "failed",
        code="gave_up",
        message=f"{outcome.message} (tried {tries} times)",
        hint=f"see in the target what keeps it from being written, then run {_retry(hand, record)}",
        waits_for=(),
    )


def _taken(tx: Tx, hand: Hand, operation: Row, record: Row, outcome: OperationOutcome) -> OperationOutcome | None:
    """When the object that was found under the name stands for another source record: nobody may be paid in its place.

    Two records may have one name, and QuickBooks keeps 41 characters of a name and only Windows-1252 letters.
    """
    provide = own(operation["follow_up"]).get("provide")
    list_id = outcome.receipt.get("ListID") or outcome.receipt.get("id", "")
    if not provide or not list_id:
        return None
    lookup, key = str(provide["lookup"]), str(provide["key"])
    scope = {"company": hand.company, "flow": record["flow"], "lookup": lookup, "list_id": list_id, "source_key": key}
    party = str(record["party"] or "")
    # Put in order here: told to do so, SQLite would walk through all rows of the lookup, in the order of their keys.
    for other in sorted(tx.rows("mappings_to", scope), key=lambda row: str(row["source_key"])):
        if other["origin"] != "person":
            return OperationOutcome(
                operation["id"],
                "deferred",
                code="name_taken",
                message=f"`{party}` and `{other['label']}` have the same name there: `{other['full_name']}`",
                hint="add it there under another name, then "
                f"run `flowctl map set {record['flow']} {lookup} {in_quotes(key)} 'NAME THERE'{of_company(hand.company)}`",
            )
    return None


def _counted(tx: Tx, hand: Hand, operation: Row, record: Row, outcome: OperationOutcome) -> OperationOutcome | None:
    """When the object that was found is another record's: one payment there must not stand for two here."""
    target_id = target_id_of(operation, outcome.receipt)
    message = other_record_of(tx, operation, target_id)
    if not message:
        return None
    hint = (
        f"look in the target whether this one is there as well: when it is, run {_retry(hand, record, ' --there ID')}, "
        f"else {_retry(hand, record, ' --not-there')}"
    )
    return OperationOutcome(operation["id"], "held", code="taken", message=message, hint=hint)


def other_record_of(tx: Tx, operation: Row, target_id: str) -> str:
    """That an object cannot be what an operation made, since it is there for another record; empty when it can.

    A modify means the object of its own record, several people of the source may be one in a list of the target, and
    what joins an object means one that is there.
    """
    follow_up = own(operation["follow_up"])
    if operation["target_id"] or follow_up.get("provide") or follow_up.get("joins") or not target_id:
        return ""
    if is_push(operation):
        scope = {name: operation[name] for name in ("company", "connection", "record_id")}
        rows = tx.rows("pushed_other", {**scope, "target_id": target_id})
    else:
        rows = [row for row in holdings.of_ids(tx, operation["company"], [target_id]) if row["state"] == "there"]
    for row in rows:
        if row["record_id"] != operation["record_id"]:
            other = tx.one("record_get", {"id": row["record_id"]})
            assert other is not None
            place = f"{other['flow']}/{other['stream']}/{called(other)}"
            return f"{target_id} is {place} already, and cannot be this record too"
    return ""


def close(tx: Tx, hand: Hand, record: Row, why: str) -> None:
    """The source knows, or need not: the record's life ends."""
    reasons = voided_reasons(record)
    records.move(
        tx, hand.company, hand.at, hand.actor, [Move(record, "closed", "closed", reasons, detail={"why": why})]
    )


def link(tx: Tx, hand: Hand, record: Row, lookup: str, key: str, found: ListObject, origin: str) -> None:
    """From now on the source's key means this object; records that waited for it wake."""
    row = lists.Mapping(record["flow"], lookup, key, found.full_name, found.list_id, record["party"] or "", origin)
    lists.put_mapping(tx, hand.company, row, hand.actor, hand.at)
    records.wake(tx, hand.company, hand.at, hand.actor, f"mapping:{lookup}:{key}")


def list_read(tx: Tx, hand: Hand, name: str) -> None:
    """The last page of a list came: what did not appear in it is gone, and the records that waited for it wake."""
    from engine.store import journal

    gone = lists.finish(tx, hand.company, name, hand.at)
    woken = records.wake(tx, hand.company, hand.at, hand.actor, f"list:{name}")
    entry = journal.Entry("list_read", detail={"list": name, "gone": gone, "woken": woken})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])


def report(
    tx: Tx, hand: Hand, record: Row, state: str, reasons: Sequence[Reason], follow_up: Mapping[str, Any]
) -> None:
    """Tell a person, and the source when the flow says so, that a record is parked."""
    loud = [reason for reason in reasons if reason.code not in QUIET]
    if not loud:
        return
    for reason in loud:
        work.raise_alert(tx, hand.company, _alert(state, record, reason), hand.at)
    mark = follow_up.get("mark")
    if mark and state in follow_up.get("failures", ()):
        text = failure_text(loud, record["source_id"], asked.contact_of(tx, hand.company, mark["connection"]))
        about = (record["flow"], mark["connection"], mark["kind"], record["id"], record["source_id"])
        request = asked.request_of(tx, hand.company, record, hand.at)
        marks.add(tx, hand.company, marks.NewMark(*about, "failed", text, request=request))


def quiet(tx: Tx, hand: Hand, record: Row, still: Sequence[Reason] = ()) -> None:
    """The record's troubles are over, but for those in `still`: close the alerts that named them."""
    kept = {_shared_subject(record, reason) or subject_of(record) for reason in still if reason.code not in QUIET}
    ended = {subject_of(record)}
    for reason in records.load_reasons(record):
        shared = _shared_subject(record, reason)
        if shared and not _missed(tx, hand, reason):
            ended.add(shared)
    over = [(kind, subject) for subject in sorted(ended - kept - {""}) for kind in ("deferred", "failed", "unknown")]
    work.resolve_alerts(tx, hand.company, over, hand.at)


def _missed(tx: Tx, hand: Hand, reason: Reason) -> bool:
    """Whether any record still misses the mapping that this reason names."""
    key = next(key for key in reason.waits_for if key.startswith("mapping:"))
    rows = tx.rows("waits_reasons", {"company": hand.company, "wait_key": key})
    return any(r.code == "unmapped" and key in r.waits_for for row in rows for r in records.load_reasons(row))


def map_value(tx: Tx, hand: Hand, flow: Flow, row: lists.Mapping) -> int:
    """Save a person's mapping, journal it, and wake what waited for it; returns how many records woke."""
    from engine.store import journal

    scope = {"company": hand.company, "flow": flow.name, "lookup": row.lookup, "source_key": row.source_key}
    before = tx.one("mapping_get", scope)
    lists.put_mapping(tx, hand.company, row, hand.actor, hand.at)
    if before is None or (before["list_id"], before["full_name"]) != (row.list_id, row.full_name):
        why = f"mapping:{row.lookup}:{row.source_key}"
        reconsider(tx, hand, flow.name, row.source_key, why)
        # Who was matched with the object that a person gives to this key makes way for it, unless it was sent.
        claimed = {"company": hand.company, "flow": flow.name, "lookup": row.lookup, "list_id": row.list_id}
        _take_back(tx, hand, tx.rows("claim_waiting", claimed), why)
    detail = {"lookup": row.lookup, "key": row.source_key, "full_name": row.full_name, "list_id": row.list_id}
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("mapped", flow.name, detail=detail)])
    for kind in ("deferred", "failed"):
        work.resolve_alert(tx, hand.company, kind, f"{flow.name}/{row.lookup}/{row.source_key}", hand.at)
    return records.wake(tx, hand.company, hand.at, hand.actor, f"mapping:{row.lookup}:{row.source_key}")


def reconsider(tx: Tx, hand: Hand, flow: str, source_key: str, why: str) -> int:
    """Take back what was prepared before a person changed what it was prepared with, unless it was sent; returns how many.

    Only records whose source data hold the key, or its end after a colon, for a flow may have put something before it; a
    key that names a setting stands in none of them and concerns all.
    """
    parts = source_key.split(":")
    ends = (":".join(parts[number:]) for number in range(min(len(parts), _MOST_PARTS)))
    texts = [""] if source_key.startswith("setting:") else [plain(end) for end in ends if end]
    taken = 0
    for text in texts:
        held = {"company": hand.company, "flow": flow, "text": _like(text)}
        taken += _take_back(tx, hand, tx.rows("records_intended_with", held), why)
    return taken


def _like(text: str) -> str:
    """A text as it stands in a pattern that escapes with `!`."""
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return text


def _take_back(tx: Tx, hand: Hand, rows: Sequence[Row], why: str) -> int:
    """Records whose operations wait are prepared anew."""
    for row in rows:
        outbox.put(tx, row["operation_id"], "cancelled")
    moves = [Move(row, "pending", "changed", detail={"cancelled": row["operation_id"], "by": why}) for row in rows]
    records.move(tx, hand.company, hand.at, hand.actor, moves)
    return len(rows)


def _alert(kind: str, record: Row, reason: Reason) -> work.Alert:
    subject = _shared_subject(record, reason) or subject_of(record)
    where = f"{record['flow']}/{record['stream']}/{called(record)}"
    if records.is_change(record):
        where += ": the change of the posted record"
    return work.Alert(kind, subject, f"{where}: {reason.message}", reason.hint)


def subject_of(record: Row) -> str:
    """What an alert about a record alone is filed under."""
    return f"{record['flow']}/{record['stream']}/{record['source_id']}"


def _shared_subject(record: Row, reason: Reason) -> str:
    """Many records that miss the same mapping are one alert, not many."""
    if reason.code != "unmapped":  # why an object could not be made is news beside the gap that it leaves
        return ""
    for key in reason.waits_for:
        kind, _, rest = key.partition(":")
        if kind == "mapping":
            return f"{record['flow']}/{rest.replace(':', '/', 1)}"
    return ""


def _list_of(request: str) -> str:
    """The list that a list-object request adds to: `VendorAdd` adds to Vendor."""
    return request.removesuffix("Add")


def _after(at: str, seconds: float) -> str:
    from datetime import timedelta

    from engine.clock import from_iso, iso

    return iso(from_iso(at) + timedelta(seconds=seconds))
