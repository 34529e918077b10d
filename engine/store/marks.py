"""What the source must be told: marks wait, are grouped into calls under a durable key, and are done when acknowledged."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from hashlib import sha256
from typing import Literal

from engine.clock import from_iso, iso
from engine.contract import MarkCall, Marked, MarkedFailed
from engine.dataclass import dataclass
from engine.jsontext import own, plain
from engine.store import companies
from engine.store.base import Row, Tx, take_number

# Longer than any call is put off (`engine.retry.later_s`).
LONGEST_WAIT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class NewMark:
    """One thing to tell: a reference for a posted record, a text for a failed one; perhaps the answer to a request."""

    flow: str
    connection: str
    kind: str
    record_id: int
    source_id: str
    outcome: str
    text: str
    details: Mapping[str, str] = field(default_factory=dict)
    request: str = ""


def add(tx: Tx, company: str, mark: NewMark) -> bool:
    """Add a mark; telling the same thing of the same record twice is one mark. News drops untold failures.

    False when the same is being told without the request, or for another one: a call that may have been heard stands as
    it is, and what it tells can be told for this request once it is over.
    """
    text = "" if mark.outcome == "posted" else mark.text
    tx.run("marks_drop_failed", {"record_id": mark.record_id, "but": text})
    row = _row(tx, company, mark)
    return tx.run("mark_insert", row) == 1 or tx.one("mark_calling_other", row) is None


def spare(tx: Tx, company: str, mark: NewMark) -> None:
    """Keep what is told only if the source says that it does not know what a call may have told it of an earlier posting."""
    tx.run("mark_spare", _row(tx, company, mark))


def _row(tx: Tx, company: str, mark: NewMark) -> dict[str, object]:
    return {
        "id": take_number(tx, "mark"),
        "company": company,
        "flow": mark.flow,
        "connection": mark.connection,
        "kind": mark.kind,
        "record_id": mark.record_id,
        "source_id": mark.source_id,
        "outcome": mark.outcome,
        "text": mark.text,
        "details": plain(dict(mark.details)) if mark.details else "",
        "request": mark.request,
    }


def group(tx: Tx, company: str, flow: str, at: str, *, limit: int, most: int = sys.maxsize) -> int:
    """Put waiting marks into calls of at most `limit`; each call's key is derived from its content. Returns the calls made.

    A connection's whole-number setting `sync_chunk` takes the place of the limit. No more than `most` calls are made.
    """
    made = 0
    for pair in tx.rows("marks_groups", {"company": company, "flow": flow}):
        scope = _scope(company, {**pair, "flow": flow})
        chosen = companies.connection_setting(tx, company, str(pair["connection"]), "sync_chunk")
        size = chosen if isinstance(chosen, int) and chosen > 0 else limit
        while made < most and (rows := tx.rows("marks_waiting", {**scope, "limit": size})):
            call_id = _call(tx, scope, rows, at)
            tx.many("marks_into_call", [(call_id, row["id"]) for row in rows])
            made += 1
    return made


def ready(calls: Sequence[Row], told: Mapping[int, Sequence[Row]], at: str, streams: Sequence[str] = ()) -> list[Row]:
    """The calls to make now, of all that are open; `told` has the subjects of each, where there are several.

    Of one subject the stream that stands first in `streams` is told first, a bill before its payment, and within a stream
    what was posted first: a call waits while one with something to tell before it is not done. The numbers of marks do
    not say it alone: after a restored copy of our store a payment may be found again before its bill.
    """
    # Nothing is put off for longer: a clock that was ahead, and is right again, wrote a time beyond that.
    beyond = iso(from_iso(at) + LONGEST_WAIT)
    found = [call for call in calls if not at < call["not_before"] <= beyond]
    if len(calls) < 2:
        return found
    waits = _waits(calls, told, {name: number for number, name in enumerate(streams)})
    knot = _knot(waits)
    # Calls that wait for each other would wait for ever. Each gets its turn: what the source does not take first, it may
    # take once the others are told.
    loosest = min((call for call in found if call["id"] in knot), key=lambda c: (c["attempts"], c["id"]), default=None)
    return [call for call in found if call is loosest or not waits[call["id"]]]


def held(
    calls: Sequence[Row], told: Mapping[int, Sequence[Row]], at: str, streams: Sequence[str] = ()
) -> list[tuple[Row, frozenset[int]]]:
    """Calls that were never made, with those of their marks that wait for a call that is put off: the others need not."""
    off = {call["id"] for call in calls if at < call["not_before"]}
    first = _first(calls, told, {name: number for number, name in enumerate(streams)})
    found = []
    for call in calls if off else ():
        before = {mark["id"]: first[call["connection"], mark["source_id"]][2] for mark in told[call["id"]]}
        kept = frozenset(mark for mark, other in before.items() if other != call["id"] and other in off)
        if kept and len(kept) < len(before) and not call["attempts"]:
            found.append((call, kept))
    return found


def _waits(calls: Sequence[Row], told: Mapping[int, Sequence[Row]], ranks: Mapping[str, int]) -> dict[int, set[int]]:
    """Each call's number, and those of the calls that have something to tell before it."""
    first = _first(calls, told, ranks)
    subjects = {call["id"]: {(call["connection"], mark["source_id"]) for mark in told[call["id"]]} for call in calls}
    return {call_id: {first[subject][2] for subject in found} - {call_id} for call_id, found in subjects.items()}


def _first(
    calls: Sequence[Row], told: Mapping[int, Sequence[Row]], ranks: Mapping[str, int]
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """What is told first of each subject: the place of its stream, its mark, and the call that tells it."""
    first: dict[tuple[str, str], tuple[int, int, int]] = {}
    for call in calls:
        for mark in told[call["id"]]:
            subject = (call["connection"], mark["source_id"])
            place = (ranks.get(mark["stream"], len(ranks)), mark["id"], call["id"])
            first[subject] = min(first.get(subject, place), place)
    return first


def _knot(waits: Mapping[int, set[int]]) -> set[int]:
    """The calls that wait for each other, without those that wait for nothing else, and those that only wait for them."""
    left = set(waits)
    while left:
        awaited = {other for call_id in left for other in waits[call_id]}
        loose = {call_id for call_id in left if call_id not in awaited or not waits[call_id] & left}
        if not loose:
            break
        left -= loose
    return left


def call_of(tx: Tx, row: Row) -> MarkCall:
    """The call as connectors see it."""
    members = tx.rows("marks_of_call", {"call_id": row["id"]})
    return MarkCall(
        row["kind"],
        row["idempotency_key"],
        tuple(dict.fromkeys(_posted(m) for m in members if m["outcome"] == "posted")),
        tuple(dict.fromkeys(MarkedFailed(m["source_id"], m["text"]) for m in members if m["outcome"] == "failed")),
        row["request"],
    )


def _posted(row: Row) -> Marked:
    details: Mapping[str, str] = own(row["details"]) if row["details"] else {}
    return Marked(row["source_id"], row["text"], tuple(details.items()))


def finish(tx: Tx, call_id: int, state: str) -> list[Row]:
    """Close a call as `done` or `refused`, and its marks with it; returns the marks."""
    tx.run("mark_call_done", {"id": call_id, "state": state})
    tx.run("marks_done", {"call_id": call_id, "state": state})
    return tx.rows("marks_of_call", {"call_id": call_id})


def split(tx: Tx, company: str, row: Row, at: str, not_before: str = "") -> int:
    """Replace a refused call by one call a mark, so that one bad record does not hold back the others."""
    members = tx.rows("marks_of_call", {"call_id": row["id"]})
    tx.run("mark_call_done", {"id": row["id"], "state": "refused"})
    scope = _scope(company, row)
    for member in members:
        call_id = _call(tx, scope, [member], at)
        _move(tx, call_id, [member])
        later(tx, call_id, not_before)
    return len(members)


def set_aside(tx: Tx, company: str, row: Row, some: Collection[str], at: str, not_before: str) -> None:
    """Put what a call told of these records, and the source does not show, into a call of its own, under its own key."""
    members = tx.rows("marks_of_call", {"call_id": row["id"]})
    left = [mark for mark in members if mark["source_id"] in some and mark["state"] == "calling"]
    if left:
        call_id = _call(tx, _scope(company, row), left, at)
        _move(tx, call_id, left)
        later(tx, call_id, not_before)


def is_single(members: Sequence[Row]) -> bool:
    """Whether a call tells one thing: what two streams say of one record is told once."""
    return len({(mark["source_id"], mark["outcome"], mark["text"]) for mark in members}) == 1


def renew(tx: Tx, call_id: int, chance: str) -> None:
    """Give a call a new key: the source has taken it under the old one, under which it drops it from now on.

    The new key is not of the content: under that one the source would drop it as well.
    """
    tx.run("mark_call_renew", {"id": call_id, "key": f"flowctl-{chance}"})


def withhold(tx: Tx, record_id: int) -> None:
    """The record's object is gone from the target: what the source was not told yet, it is not told."""
    tx.run("marks_withhold", {"record_id": record_id})


def withdraw(tx: Tx, company: str, record_id: int, at: str) -> None:
    """The record will not be there as it was: what no call has tried to tell is not told."""
    withhold(tx, record_id)
    for mark in tx.rows("marks_posted_of", {"record_id": record_id}):
        call = tx.one("mark_call_get", {"id": mark["call_id"]}) if mark["state"] == "calling" else None
        if call is not None:
            only_true(tx, company, call, at)


def told(tx: Tx, record_id: int) -> Literal["done", "calling"] | None:
    """Whether the source knows, or is being told, that the record was posted."""
    states = {row["state"] for row in tx.rows("marks_posted_of", {"record_id": record_id})}
    if "done" in states:
        return "done"
    return "calling" if "calling" in states else None


def revive(tx: Tx, record_id: int, before: str = "", now: str = "") -> bool:
    """The record's object is there again: what was withheld is told. False when the source knows, or need not.

    Where it was there as `before` and is there as `now`, the source is told of this one.
    """
    rows = tx.rows("marks_posted_of", {"record_id": record_id})
    if not rows or any(row["state"] == "done" for row in rows):
        return False
    if all(row["state"] == "dropped" for row in rows):
        # It may have been withheld under both: one mark says the same of a record once.
        by_text = {row["text"]: row for row in rows if row["text"]}
        one = by_text.get(now) or by_text.get(before) or rows[-1]
        tx.run("mark_revive", {"id": one["id"]})
        if now and one["text"] == before != now:
            tx.run("mark_named", {"record_id": record_id, "before": before, "text": now})
    return True


def only_true(tx: Tx, company: str, row: Row, at: str) -> bool:
    """Take out of a call what is no longer so; the rest goes into a new one. False when the call stands as it is.

    A call that was tried before may have been heard: it stands, whatever has happened since.
    """
    now = tx.one("mark_call_get", {"id": row["id"]})
    if now is None or now["state"] != "waiting" or now["attempts"]:
        return False
    untrue = {mark["id"] for mark in tx.rows("marks_untrue", {"call_id": row["id"]})}
    if untrue:
        _replace(tx, company, now, untrue, at)
    return bool(untrue) or overtaken(tx, company, now, at)


def overtaken(tx: Tx, company: str, row: Row, at: str) -> bool:
    """Take out of a call what was posted again since: it is told under the id that it has now. False when there is none.

    For a call that the source has not heard, or of which it says that it does not know what it was told.
    """
    found = tx.rows("marks_overtaken", {"call_id": row["id"]})
    if found:
        _replace(tx, company, row, {mark["id"] for mark in found}, at)
    for mark in found:
        if mark["record_state"] == "posted":
            tx.run("mark_revive", {"id": mark["other_id"]})
    return bool(found)


def split_off(tx: Tx, company: str, row: Row, some: Collection[int], at: str) -> bool:
    """Give these marks of a call a call of their own, and the others as well; False when there are no others.

    Where the call may have been heard they keep it, under its key: whoever has heard it drops it then. What the others tell
    is under a new key, also where they are told to the first account after all.
    """
    members = tx.rows("marks_of_call", {"call_id": row["id"]})
    parts = [[mark for mark in members if (mark["id"] in some) is wanted] for wanted in (True, False)]
    now = tx.one("mark_call_get", {"id": row["id"]})
    if not all(parts) or now is None or now["state"] != "waiting":
        return False
    if now["attempts"]:
        del parts[0]
    else:
        tx.run("mark_call_done", {"id": row["id"], "state": "refused"})
    for part in parts:
        _move(tx, _call(tx, _scope(company, row), part, at), part)
    return True


def untold(tx: Tx, record_id: int) -> list[Row]:
    """What the source was not told of a record yet, or refused to hear; with when the record was read last."""
    return tx.rows("marks_untold", {"record_id": record_id})


def told_by_hand(tx: Tx, company: str, mark_id: int, at: str) -> None:
    """The source knows it otherwise: the mark is done, and what else its call has to tell goes on without it."""
    mark = tx.one("mark_get", {"id": mark_id})
    assert mark is not None
    call = tx.one("mark_call_get", {"id": mark["call_id"]}) if mark["state"] == "calling" else None
    if call is not None:
        _replace(tx, company, call, {mark_id}, at)
    tx.run("mark_put", {"id": mark_id, "state": "done"})


def _replace(tx: Tx, company: str, row: Row, without: Collection[int], at: str) -> None:
    """Put a new call, without these marks, in the place of a call; none where nothing is left to tell.

    One that may have been heard tells the rest under its key: under another one it would be told twice.
    """
    members = [mark for mark in tx.rows("marks_of_call", {"call_id": row["id"]}) if mark["id"] not in without]
    tx.many("marks_out_of_call", [(mark_id,) for mark_id in sorted(without)])
    if members and row["attempts"]:
        return
    tx.run("mark_call_done", {"id": row["id"], "state": "refused"})
    if members:
        _move(tx, _call(tx, _scope(company, row), members, at), members)


def _move(tx: Tx, call_id: int, members: Sequence[Row]) -> None:
    tx.many("marks_into_call", [(call_id, mark["id"]) for mark in members])


def tell_again(tx: Tx, record_id: int) -> None:
    """The source refused to be told and has changed the record since: it is told once more, under the same key."""
    ids = [row["id"] for row in tx.rows("marks_refused", {"record_id": record_id})]
    tx.run("marks_retry", {"ids": plain(ids)})


def trying(tx: Tx, call_id: int) -> None:
    """The call is made now. It counts before anything is sent: whoever is killed then does not know what was heard."""
    tx.run("mark_call_trying", {"id": call_id, "more": 1})


def unheard(tx: Tx, call_id: int) -> None:
    """Nothing was sent, or the source said no: the call was not heard this time, and may still change."""
    tx.run("mark_call_trying", {"id": call_id, "more": -1})


def later(tx: Tx, call_id: int, not_before: str) -> None:
    """Make the call not before that moment."""
    tx.run("mark_call_later", {"id": call_id, "not_before": not_before})


def _scope(company: str, row: Row) -> dict[str, object]:
    """What all marks of a call have in common."""
    return {"company": company, **{name: row[name] for name in ("flow", "connection", "kind", "request")}}


def _call(tx: Tx, scope: dict[str, object], rows: list[Row], at: str) -> int:
    """A call for these marks: the one that has said the same before is made again, any other is new."""
    key = _key(str(scope["company"]), str(scope["flow"]), rows, str(scope["request"]))
    before = tx.one("mark_call_by_key", {"key": key})
    if before is not None:
        tx.run("mark_call_reopen", {"id": before["id"]})
        return int(before["id"])
    call_id = take_number(tx, "mark_call")
    tx.run("mark_call_insert", {**scope, "id": call_id, "idempotency_key": key, "at": at})
    return call_id


def _key(company: str, flow: str, rows: list[Row], request: str) -> str:
    """A key that the same content always gets: the source drops what it has already seen under it."""
    content = "\n".join(sorted(f"{row['source_id']}\t{row['outcome']}\t{row['text']}" for row in rows))
    about = f"{company}\n{flow}\n{rows[0]['connection']}\n{rows[0]['kind']}" + (f"\n{request}" if request else "")
    digest = sha256(f"{about}\n{content}".encode()).hexdigest()
    return f"flowctl-{digest[:40]}"
