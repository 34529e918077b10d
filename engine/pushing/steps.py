"""The durable steps of operations for a called target: sent, settled, in doubt, put back; each for one or for many.

Each step looks first whether its operations still are what its caller believes, in the transaction that moves them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from engine import astray, follow, sighted
from engine.clock import iso
from engine.contract import OperationOutcome, Receipt
from engine.errors import BadAnswer, Bug, NotAsSent, Rejected, RunError, StaleLease, Transient
from engine.jsontext import plain
from engine.pushing.link import ACTOR, BEGIN_S, LONGEST, Link
from engine.store import journal, outbox, places, records, stops
from engine.store.base import Row, Tx
from engine.store.records import Move

# How long an operation waits after a passing fault; longer each time.
RETRY_S = 30.0
# So many writes without an answer, each looked for in vain, and a person decides.
MOST_WRITES = 5
# So many operations move in one transaction: others wait for the store no longer than it takes.
TOGETHER = 500
_T = TypeVar("_T")


def sent(link: Link, rows: Sequence[Row]) -> list[Row]:
    """Make durable that these are about to be written; returns those that still are to be, as they are now.

    Raises:
        StaleLease: when another process is writing, or the store took so long that a write could outlast the lease;
            nothing is to be written then.
    """
    began_s = link.world.clock.monotonic()
    for row in rows:
        if sha256(row["body"]).hexdigest() != row["sha256"]:
            raise Bug(f"operation {row['id']} does not have the bytes it was frozen with")
    not_before = link.after(link.settle_s)
    with link.world.store.write(link.company) as tx:
        fence = link.lease(tx)
        if fence is None:
            raise StaleLease(f"{link.place}: another process is writing")
        now, found = _now(tx, rows)
        left = [row for row in rows if row["id"] in found and _is_as_believed(now.get(row["id"]), row)]
        left = _not_stopped(link, tx, _not_elsewhere(link, tx, left))
        outbox.put_all(tx, [row["id"] for row in left], "sent", not_before=not_before)
        records.move(tx, link.company, link.world.at(), ACTOR, [_as_sent(row, found[row["id"]], fence) for row in left])
    made: list[Row] = [{**dict(row), "state": "sent", "not_before": not_before} for row in left]
    if made and link.world.clock.monotonic() - began_s > BEGIN_S:
        put_back(link, made)
        raise StaleLease(f"{link.place}: the store took too long; nothing was written")
    return made


def of_this_place(link: Link, rows: Sequence[Row]) -> list[Row]:
    """Those that were frozen for what is connected now; the others are neither looked for here nor written."""
    with link.world.store.read(link.company) as tx:
        if _leads_elsewhere(link, tx):
            return []
        strange = places.strangers(tx, rows)
    for part in parts([row for row in rows if row["id"] in strange], TOGETHER):
        with link.world.store.write(link.company) as tx:
            left = [row for row in part if is_still(tx, row)]
            astray.take_back(tx, link.hand(), left)
            for row in left:
                record = tx.one("record_get", {"id": row["record_id"]})
                if record is not None and record["state"] != "pending":
                    link.states[row["record_id"]] = record["state"]
    return [row for row in rows if row["id"] not in strange]


def _not_elsewhere(link: Link, tx: Tx, rows: Sequence[Row]) -> list[Row]:
    """Those that go where this pass is connected to."""
    if _leads_elsewhere(link, tx):
        return []
    strange = places.strangers(tx, rows)
    return [row for row in rows if row["id"] not in strange]


def _leads_elsewhere(link: Link, tx: Tx) -> bool:
    """Whether the connection leads elsewhere since it was opened; nothing more is asked or written in this pass then."""
    if places.current(tx, link.company, link.connection, pushed=True) != link.leads_to:
        link.stopped = True
    return link.stopped


def _not_stopped(link: Link, tx: Tx, rows: Sequence[Row]) -> list[Row]:
    """Those that a person has not stopped since they were looked for; of a paused company or flow, none."""
    if stops.paused(tx, link.company, link.flow) is not None:
        return []
    held = stops.held(tx, [row["record_id"] for row in rows])
    return [row for row in rows if row["record_id"] not in held]


def settle(
    link: Link, settled: Sequence[tuple[Row, OperationOutcome]], about: Mapping[str, object] | None = None
) -> None:
    """Commit what became of each, unless another process has found that out meanwhile."""
    for part in parts(settled, TOGETHER):
        posted, states = 0, {}
        with link.world.store.write(link.company) as tx:
            hand, answered = link.hand(), False
            for row, outcome in part:
                now = tx.one("operation_get", {"id": row["id"]})
                if now is None or now["state"] != row["state"]:
                    continue
                follow.settle(tx, hand, now, outcome, about)
                answered = answered or outcome.outcome in ("posted", "failed")
                record = tx.one("record_get", {"id": row["record_id"]})
                if record is not None:
                    states[row["record_id"]] = record["state"]
                    posted += record["state"] in ("posted", "closed")
            if answered:
                link.works(tx)
        link.states |= states
        link.posted += posted


def doubt(link: Link, rows: Sequence[Row], why: str) -> list[Row]:
    """No answer will come: they are looked for until they are found, or may be written again; returns them as they are now.

    Settling counts from now, when nothing is under way any more, and not from when the write began.
    """
    not_before = link.after(link.settle_s)
    for part in parts(rows, TOGETHER):
        with link.world.store.write(link.company) as tx:
            now, found = _now(tx, part)
            left = [row for row in part if row["id"] in now and now[row["id"]]["state"] == "sent"]
            outbox.put_all(tx, [row["id"] for row in left], "sent", not_before=not_before)
            moves = [
                Move(
                    found[row["id"]],
                    "unknown",
                    "in_doubt",
                    records.load_reasons(found[row["id"]]),
                    detail={"operation": row["id"], "why": why},
                )
                for row in left
                if row["id"] in found and found[row["id"]]["state"] == "sent"
            ]
            records.move(tx, link.company, link.world.at(), ACTOR, moves)
        link.states |= {row["record_id"]: "unknown" for row in left}
    return [{**dict(row), "not_before": not_before} for row in rows]


def not_as_sent(link: Link, rows: Sequence[Row], error: NotAsSent) -> None:
    """They are there, and not as they are to be: each stays in doubt, whatever becomes of its source, and is looked for first.

    Nothing else is written before that look: the connection is left alone until it is due.
    """
    doubt(link, rows, str(error))
    link.leave_alone(error, least_s=link.settle_s)


def put_back(link: Link, rows: Sequence[Row]) -> list[Row]:
    """They were certainly not written, for no fault of their own; returns them as they are now.

    Those of which the source or a person says something else by now are prepared anew.
    """
    with link.world.store.write(link.company) as tx:
        now, found = _now(tx, rows)
        left = [row for row in rows if row["id"] in found and now[row["id"]]["state"] == "sent"]
        outbox.put_all(tx, [row["id"] for row in left], "waiting")
        moves = [Move(found[row["id"]], "intended", "retry", detail={"operation": row["id"]}) for row in left]
        records.move(tx, link.company, link.world.at(), ACTOR, moves)
        left = [row for row in left if not follow.begun_anew(tx, link.hand(), row)]
    link.states |= {row["record_id"]: "intended" for row in left}
    return [{**dict(row), "state": "waiting", "not_before": ""} for row in left]


def refused(link: Link, row: Row, error: Rejected, hint: str = "") -> None:
    """It can never be written; `hint` is for an error that has none. A change can be left out, whatever keeps it."""
    hint = error.hint or hint or "correct the record in the source, or in the target, then run `flowctl retry ID`"
    if row["target_id"] and "--leave-out" not in hint:
        hint += "; when the target is right as it is, run `flowctl reconcile --leave-out ID`"
    settle(link, [(row, OperationOutcome(row["id"], "failed", {}, error.code or "rejected", str(error), hint))])


def later(link: Link, row: Row, error: RunError) -> None:
    """It was certainly not written, and is tried again after a while, longer each time."""
    outcome = OperationOutcome(
        row["id"], "retry", message=str(error), hint=error.hint or "", retry_after_s=wait_s(error)
    )
    settle(link, [(row, outcome)])


def may_write_again(link: Link, row: Row) -> bool:
    """Whether what is in doubt and not there may be written once more by now."""
    if not is_settled(link, row):
        return False
    with link.world.store.read(link.company) as tx:
        lines = journal.of_record(tx, row["record_id"])
    times = 0
    for line in lines:
        if json.loads(line["detail"]).get("operation") == row["id"]:
            # A person who replays it gives it as many writes again, each looked for first.
            times = 0 if line["event"] == "replayed" else times + (line["event"] == "in_doubt")
    if times < MOST_WRITES:
        return True
    message = f"it was written {times} times without an answer, and was not found there"
    outcome = OperationOutcome(row["id"], "held", code="unanswered", message=message, hint=look_hint(row))
    settle(link, [(row, outcome)])
    return False


def look_hint(row: Row) -> str:
    """What a person does about what is held: names the object, but for a change, whose object is known and says nothing."""
    if row["target_id"]:
        return (
            "see that the target works, then run `flowctl retry ID --not-there`: "
            "the object is looked at once more, and changed unless it is as it is to be"
        )
    return (
        "look in the target; when it is there, run `flowctl retry ID --there ID-THERE`, "
        "else `flowctl retry ID --not-there`"
    )


def is_settled(link: Link, row: Row) -> bool:
    """Whether what was written last would show by now. A time far ahead was noted by a clock that was ahead."""
    now, not_before = link.world.clock.now(), str(row["not_before"])
    if not_before > iso(now + LONGEST):
        with link.world.store.write(link.company) as tx:
            if is_still(tx, row):
                outbox.put(tx, row["id"], "sent", not_before=link.after(link.settle_s))
        return False
    return not_before <= iso(now)


def is_still(tx: Tx, row: Row) -> bool:
    """Whether an operation is what its caller believes, so that it may be moved in this transaction."""
    now, found = _now(tx, [row])
    return row["id"] in found and _is_as_believed(now.get(row["id"]), row)


def is_another(link: Link, row: Row, receipt: Mapping[str, str]) -> bool:
    """Whether what was found is another record's, and a person has said that this one is not there."""
    with link.world.store.read(link.company) as tx:
        return (
            row["state"] == "waiting"
            and bool(follow.other_record_of(tx, row, receipt["id"]))
            and sighted.declared_absent(tx, row["id"])
        )


def ids_of(receipt: Receipt) -> dict[str, str]:
    """The ids of a receipt as text.

    Raises:
        BadAnswer: when there is no `id` among them: nothing could ever be found by it again.
    """
    found = {name: str(value) for name, value in receipt.ids.items() if value not in (None, "")}
    if "id" not in found:
        raise BadAnswer("the target's answer names no id")
    return found


def wait_s(error: RunError) -> float:
    """How long an operation waits after a passing fault."""
    return max(RETRY_S, (error.retry_after_s or 0.0) if isinstance(error, Transient) else 0.0)


def parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, so many together."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _as_sent(row: Row, record: Row, fence: int) -> Move:
    detail = {"operation": row["id"], "sha256": row["sha256"], "fence": fence}
    return Move(record, "sent", "sent", records.load_reasons(record), detail=detail)


def _now(tx: Tx, rows: Sequence[Row]) -> tuple[dict[str, Row], dict[str, Row]]:
    """The operations as they are, and the records whose operation each still is, by the operation's id."""
    names = {"ids": plain([row["id"] for row in rows])}
    now: dict[str, Any] = {row["id"]: row for row in tx.rows("operations_of_ids", names)}
    return now, {row["operation_id"]: row for row in tx.rows("records_of_operations", names)}


def _is_as_believed(now: Row | None, row: Row) -> bool:
    """Whether nobody else has moved the operation; one that is in doubt and was written again is put off anew."""
    if now is None or (now["state"], now["sha256"]) != (row["state"], row["sha256"]):
        return False
    return bool(now["state"] == "waiting" or now["not_before"] == row["not_before"])
