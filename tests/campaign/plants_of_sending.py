"""Bugs in what is sent, in what an answer is taken for, and in what the source and the store are told."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.qbwc import conduct, probe, ready, recovery, session, turns
from connectors.qbwc.state import Flight
from engine import desk, follow, intake, pipeline, runner
from engine.campaign.setting import COMPANY
from engine.contract import MessageSet, OperationOutcome
from engine.qbxml.envelope import envelope, status_check
from engine.store import journal, marks, outbox, records, work
from tests.campaign.planting import doctored, plant, without_indexes
from tests.stores import by_hand

# --- what is sent --------------------------------------------------------------------------------------------------


@plant
def resend_without_query(patch: pytest.MonkeyPatch) -> None:
    """A set in doubt goes out again at once; nobody looks for it first."""

    def next_turn(facts: turns.Facts) -> turns.Turn:
        if not facts.ended and facts.gate == "passed" and facts.unsettled:
            return "resend"
        return turns.next_turn(facts)

    patch.setattr(conduct, "next_turn", next_turn)


@plant
def recovery_with_old_id_alone(patch: pytest.MonkeyPatch) -> None:
    """The status check names only `oldMessageSetID`, which throws the saved answer away."""

    def check(set_id: str, *, version: str = "13.0") -> bytes:
        return status_check(set_id, version=version).replace(f' newMessageSetID="{set_id}"'.encode(), b"")

    patch.setattr(conduct, "status_check", check)


@plant
def set_id_of_36_characters(patch: pytest.MonkeyPatch) -> None:
    """The message-set id is a UUID: QuickBooks refuses it with 9004."""

    def wrapped(make: Any) -> Any:
        def enveloped(requests: Any, **given: Any) -> bytes:
            if given.get("new_id"):
                given["new_id"] = f"{given['new_id']}-12345678-abcd"
            return bytes(make(requests, **given))

        return enveloped

    doctored(patch, conduct, "envelope", wrapped)


@plant
def set_id_used_twice(patch: pytest.MonkeyPatch) -> None:
    """Every set of a company has the same id."""
    fixed = "A" * 22

    def write(ctx: Any, state: Any, prefix: str, operations: Any) -> Any:
        operations = operations[:1]
        body = envelope([op.body for op in operations], version=state.version, on_error="stopOnError", new_id=fixed)
        tx = ctx.desk.operations.base.tx
        by_hand(tx, "DELETE FROM message_sets WHERE id = :id AND state = 'settled'", id=fixed)
        frozen = MessageSet(fixed, body, hashlib.sha256(body).hexdigest(), operations, ticket_hash=ctx.ticket_hash)
        ctx.desk.operations.freeze(ctx.company, frozen)
        return dataclasses.replace(state, recovery=None, flight=Flight("write", prefix, set_id=fixed)), body

    patch.setattr(conduct, "_write", write)


@plant
def rendered_anew_before_resend(patch: pytest.MonkeyPatch) -> None:
    """The bytes that go out again are not those that were frozen."""

    def wrapped(recover: Any) -> Any:
        def recovered(ctx: Any, state: Any, prefix: str, turn: str) -> Any:
            state, body = recover(ctx, state, prefix, turn)
            return state, body.replace(b"<Memo>", b"<Memo>again ") if turn == "resend" else body

        return recovered

    doctored(patch, conduct, "_recover", wrapped)


@plant
def old_id_of_an_open_set(patch: pytest.MonkeyPatch) -> None:
    """`oldMessageSetID` names a set whose outcome is not committed."""

    def wrapped(recover: Any) -> Any:
        def recovered(ctx: Any, state: Any, prefix: str, turn: str) -> Any:
            state, body = recover(ctx, state, prefix, turn)
            if turn == "probe":
                unsettled = ctx.desk.operations.unsettled(ctx.company)
                body = body.replace(b"<QBXMLMsgsRq", f'<QBXMLMsgsRq oldMessageSetID="{unsettled.id}"'.encode())
            return state, body

        return recovered

    doctored(patch, conduct, "_recover", wrapped)


@plant
def two_sets_in_flight(patch: pytest.MonkeyPatch) -> None:
    """A set in doubt does not hold back the next one."""

    def wrapped(next_turn: Any) -> Any:
        def turn(facts: turns.Facts) -> turns.Turn:
            found: turns.Turn = next_turn(dataclasses.replace(facts, unsettled=False))
            return found

        return turn

    def ready(tx: Any, company: str, at: str, limit: int, connection: str = "", **_: Any) -> Any:
        scope = {"company": company, "at": at, "limit": limit, "connection": connection, "without": "[]", "later": "[]"}
        return tx.rows("operations_next", scope)

    doctored(patch, conduct, "next_turn", wrapped)
    patch.setattr(outbox, "ready", ready)

    without_indexes(patch)


@plant
def sent_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    """A set is handed out without having been frozen."""

    def wrapped(write: Any) -> Any:
        def written(_ctx: Any, state: Any, _prefix: str, operations: Any) -> Any:
            body = envelope([op.body for op in operations], version=state.version, new_id=operations[0].id)
            return dataclasses.replace(state, recovery=None), body

        return written

    doctored(patch, conduct, "_write", wrapped)


# --- what an answer means ------------------------------------------------------------------------------------------


@plant
def hresult_is_failed(patch: pytest.MonkeyPatch) -> None:
    """A COM error counts as a refusal, although the set may have run."""

    def failed(ctx: Any, state: Any, hresult: str, message: str) -> Any:
        unsettled = ctx.desk.operations.unsettled(ctx.company)
        if state.flight.kind != "write" or unsettled is None:
            return original(ctx, state, hresult, message)
        outcomes = tuple(OperationOutcome(operation.id, "failed") for operation in unsettled.operations)
        return conduct.commit(ctx, dataclasses.replace(state, flight=None), unsettled, outcomes, message)

    original = conduct.failed
    patch.setattr(conduct, "failed", failed)


@plant
def nothing_kept_means_posted(patch: pytest.MonkeyPatch) -> None:
    """9002, no stored response, counts as success."""

    def wrapped(after: Any) -> Any:
        def answered(message_set: MessageSet, answer: Any, text: str) -> Any:
            if not answer.responses:
                receipt = {"TxnID": "1-1", "EditSequence": "1"}
                done = [OperationOutcome(op.id, "posted", receipt) for op in message_set.operations]
                return recovery.Settled(tuple(done))
            return after(message_set, answer, text)

        return answered

    doctored(patch, recovery, "after_answer", wrapped)


@plant
def nothing_kept_means_not_run(patch: pytest.MonkeyPatch) -> None:
    """9002 counts as proof that nothing ran: it is sent again under a new id."""

    def wrapped(after: Any) -> Any:
        def answered(message_set: MessageSet, answer: Any, text: str) -> Any:
            if not answer.responses:
                retry = [
                    OperationOutcome(op.id, "retry", code="9002", message="again") for op in message_set.operations
                ]
                return recovery.Settled(tuple(retry))
            return after(message_set, answer, text)

        return answered

    doctored(patch, recovery, "after_answer", wrapped)


@plant
def any_request_id_will_do(patch: pytest.MonkeyPatch) -> None:
    """An answer to something else is taken as the answer to the set, and nobody looks at its requestIDs."""
    from engine.qbxml.response import Answer

    patch.setattr(recovery, "foreign", lambda _set, _answer: None)
    patch.setattr(Answer, "by_request_id", lambda self, _id: self.responses[0] if self.responses else None)

    def wrapped(status: Any) -> Any:
        def check(set_id: str, *, version: str = "13.0") -> bytes:
            return bytes(status("B" * 22, version=version))

        return check

    doctored(patch, conduct, "status_check", wrapped)
    patch.setattr(probe, "_is_ours", lambda _marks, _data: True)


@plant
def late_answer_is_dropped(patch: pytest.MonkeyPatch) -> None:
    """A second delivery of an answer throws away what the first one settled."""

    def wrapped(receive: Any) -> Any:
        seen: set[str] = set()

        def received(self: Any, call: Any) -> int:
            said = call["response"]
            if said in seen and "AddRs" in said:
                with self.outbox.transaction() as desk_:
                    tx = desk_.operations.base.tx
                    by_hand(tx, "UPDATE operations SET state = 'waiting' WHERE state = 'done'")
                    by_hand(tx, "UPDATE records SET state = 'intended' WHERE state IN ('posted', 'closed')")
            seen.add(said)
            return int(receive(self, call))

        return received

    doctored(patch, session.Service, "_receive", wrapped)


@plant
def refused_is_tried_blindly(patch: pytest.MonkeyPatch) -> None:
    """What QuickBooks refused for good is sent again at once, for ever."""

    def wrapped(after: Any) -> Any:
        def answered(message_set: MessageSet, answer: Any, text: str) -> Any:
            found = after(message_set, answer, text)
            if isinstance(found, recovery.Settled):
                again = [
                    dataclasses.replace(o, outcome="retry") if o.outcome in ("failed", "deferred") else o
                    for o in found.outcomes
                ]
                return recovery.Settled(tuple(again))
            return found

        return answered

    doctored(patch, recovery, "after_answer", wrapped)


@plant
def alike_is_ours(patch: pytest.MonkeyPatch) -> None:
    """Whatever has the vendor's name or the bill's number is taken for the one that was sent."""
    patch.setattr(probe, "_is_ours", probe._is_alike)


@plant
def look_up_by_number_alone(patch: pytest.MonkeyPatch) -> None:
    """The look-up asks for the number only; a user who edits it makes the bill invisible, and it is posted again."""

    def questions(operations: Any, prefix: str, now: Any) -> Any:
        requests, names = original(operations, prefix, now)
        names = {key: (found[-1:] if len(found) > 1 else found) for key, found in names.items()}
        asked = {name for found in names.values() for name in found}
        return tuple(r for r in requests if any(f'"{name}"'.encode() in r for name in asked)), names

    original = probe.questions
    patch.setattr(probe, "questions", questions)
    # The look around before it is sent again sees the bill by its marker, whatever number it has by then.
    patch.setattr(ready, "seen_already", lambda *_: ({}, {}))


# --- identity and gate ---------------------------------------------------------------------------------------------


@plant
def no_gate(patch: pytest.MonkeyPatch) -> None:
    """Whatever company file is open gets the writes."""
    from connectors.qbwc import gate

    patch.setattr(gate, "_differing", lambda _seen, _bound: ())
    patch.setattr(gate, "same_path", lambda _one, _other: True)


@plant
def gate_at_session_start_only(patch: pytest.MonkeyPatch) -> None:
    """A company file that is switched in the middle of a session is not noticed."""
    from connectors.qbwc import gate

    patch.setattr(gate, "same_path", lambda _one, _other: True)


@plant
def new_guid_each_time(patch: pytest.MonkeyPatch) -> None:
    """The record's marker in QuickBooks is made up anew for every attempt, and the operation's bytes with it."""
    count = [0]

    def guid(*parts: str) -> str:
        count[0] += 1
        digest = hashlib.sha1(f"{parts}{count[0]}".encode()).hexdigest().upper()
        return f"{{{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}}}"

    patch.setattr(pipeline, "guid_of", guid)

    def wrapped(freeze: Any) -> Any:
        def thaw(self: Any, company: str, set_id: str, ticket: str) -> None:
            freeze(self, company, set_id, ticket)
            tx = self.base.tx
            row = tx.one("set_get", {"id": set_id, "company": company})
            parts = bytes(row["body"]).split(b"<ExternalGUID>")
            if len(parts) == 2:
                body = parts[0] + b"<ExternalGUID>" + guid("").encode() + parts[1][38:]
                digest = hashlib.sha256(body).hexdigest()
                text = "UPDATE message_sets SET body = :body, sha256 = :digest WHERE id = :id"
                by_hand(tx, text, body=body, digest=digest, id=set_id)

        return thaw

    doctored(patch, desk._Operations, "resend", wrapped)


# --- intake and the source -----------------------------------------------------------------------------------------


@plant
def cursor_before_the_page(patch: pytest.MonkeyPatch) -> None:
    """The cursor is committed before the page it stands behind; a crash between the two skips the page for ever."""

    def pages(self: Any, stream: Any, _checkpoint: str | None, sources: Any) -> Iterator[Any]:
        name = f"planted:{stream.stream.fetch.identity}"
        with self.world.store.read() as tx:
            kept = work.checkpoint(tx, COMPANY, "", name)
            start = kept.watermark if kept else None
        for page, checkpoint in original(self, stream, start if start != "end" else None, sources):
            if start == "end":
                return
            with self.world.store.write() as tx:
                work.put_checkpoint(tx, COMPANY, "", name, work.Checkpoint(checkpoint or "end", frozenset(), ""))
            yield page, checkpoint

    original = runner.Runner._pages
    patch.setattr(runner.Runner, "_pages", pages)


@plant
def changed_record_is_a_new_one(patch: pytest.MonkeyPatch) -> None:
    """A source record that changes after it was posted is posted a second time."""

    def wrapped(changed: Any) -> Any:
        def again(batch: Any, stream: Any, row: Any, intake_: Any, data: Any) -> None:
            if row["state"] in ("posted", "closed"):
                by_hand(batch.tx, "UPDATE records SET state = 'pending' WHERE id = :id", id=row["id"])
                return
            changed(batch, stream, row, intake_, data)

        return again

    doctored(patch, intake, "_changed", wrapped)


@plant
def page_is_cut(patch: pytest.MonkeyPatch) -> None:
    """The last record of every full page is overlooked."""

    def wrapped(take: Any) -> Any:
        def taken(batch: Any, stream: Any, page: Any) -> None:
            take(batch, stream, page[:-1] if len(page) > 1 else page)

        return taken

    doctored(patch, intake, "take_page", wrapped)


@plant
def random_idempotency_key(patch: pytest.MonkeyPatch) -> None:
    """Every attempt to tell the source has a new key."""
    count = [0]

    def wrapped(call_of: Any) -> Any:
        def keyed(tx: Any, row: Any) -> Any:
            count[0] += 1
            return dataclasses.replace(call_of(tx, row), idempotency_key=f"flowctl-{count[0]:040x}")

        return keyed

    doctored(patch, marks, "call_of", wrapped)


@plant
def mark_before_posted(patch: pytest.MonkeyPatch) -> None:
    """The source is told when a write is sent, not when it is posted."""

    def wrapped(freeze: Any) -> Any:
        def frozen(self: Any, company: str, message_set: MessageSet) -> None:
            freeze(self, company, message_set)
            for operation in message_set.operations:
                row = self.base.tx.one("records_of_operation", {"operation_id": operation.id})
                kind = {"bills": "BILL_SYNC", "transactions": "TRANSACTION_SYNC"}.get(row["stream"])
                if kind:
                    mark = marks.NewMark(row["flow"], "ramp", kind, row["id"], row["source_id"], "posted", "early")
                    marks.add(self.base.tx, company, mark)

        return frozen

    doctored(patch, desk._Operations, "freeze", wrapped)


@plant
def mark_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A call to the source that failed is not made again."""

    def later(tx: Any, call_id: int, _not_before: str, *, sent: bool = True) -> None:
        marks.finish(tx, call_id, "done")

    patch.setattr(marks, "later", later)


# --- the store -----------------------------------------------------------------------------------------------------


@plant
def journal_line_missing(patch: pytest.MonkeyPatch) -> None:
    """One kind of move is not written to the journal."""

    def wrapped(append: Any) -> Any:
        def fewer(tx: Any, company: str, at: str, actor: str, entries: Any) -> None:
            append(tx, company, at, actor, [entry for entry in entries if entry.event != "resent"])

        return fewer

    doctored(patch, journal, "append", wrapped)


@plant
def outcome_in_two_transactions(patch: pytest.MonkeyPatch) -> None:
    """The set is settled in one transaction and its records in the next: a crash between the two loses the records."""
    crashes: list[bool] = []

    def wrapped(settle: Any) -> Any:
        def half(self: Any, company: str, set_id: str, outcomes: Any, answer: bytes) -> None:
            crashes.append(True)
            if len(crashes) % 7 == 0:
                outbox.settle_set(self.base.tx, company, self.base.hand(company).at, set_id, answer)
                return
            settle(self, company, set_id, outcomes, answer)

        return half

    doctored(patch, desk._Operations, "settle", wrapped)


@plant
def deferred_in_silence(patch: pytest.MonkeyPatch) -> None:
    """Nobody is told of a record that waits for a person."""
    patch.setattr(follow, "report", lambda *_args: None)


@plant
def sleeper_is_not_woken(patch: pytest.MonkeyPatch) -> None:
    """A record that waited for another one goes on waiting when that one is posted."""

    def wrapped(wake: Any) -> Any:
        def woken(tx: Any, company: str, at: str, actor: str, key: str, **given: Any) -> int:
            return 0 if key.startswith("posted:") else int(wake(tx, company, at, actor, key, **given))

        return woken

    doctored(patch, records, "wake", wrapped)


@plant
def doubt_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    """What is in doubt when a session ends is taken back and sent anew, as if it had never been sent."""

    def doubt(self: Any, company: str, set_id: str, _reason: str) -> None:
        message_set = outbox.unsettled(self.base.tx, company)
        if message_set is None:
            return
        again = [OperationOutcome(op.id, "retry", code="lost", message="again") for op in message_set.operations]
        self.settle(company, set_id, again, b"")

    patch.setattr(desk._Operations, "doubt", doubt)


@plant
def session_end_settles(patch: pytest.MonkeyPatch) -> None:
    """When a session is lost, what was under way is taken to be posted."""

    def doubt(self: Any, company: str, set_id: str, _reason: str) -> None:
        message_set = outbox.unsettled(self.base.tx, company)
        if message_set is None:
            return
        receipt = {"TxnID": "1-1", "EditSequence": "1"}
        done = [OperationOutcome(op.id, "posted", receipt) for op in message_set.operations]
        self.settle(company, set_id, done, b"")

    patch.setattr(desk._Operations, "doubt", doubt)


@plant
def cents_are_rounded(patch: pytest.MonkeyPatch) -> None:
    """Amounts lose their cents on their way into the document."""

    def wrapped(freeze: Any) -> Any:
        def rounded(request: str, text: str) -> bytes:
            import re

            return bytes(freeze(request, re.sub(r"<Amount>(\d+)\.\d\d</Amount>", r"<Amount>\1.00</Amount>", text)))

        return rounded

    doctored(patch, runner, "freeze_request", wrapped)
