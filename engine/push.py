"""Writes to targets that are called: one operation at a time, and none before it was looked for there.

Such a target keeps no answers and may know no idempotency key. So before every write, the first one included, it is
asked whether the object is there: what a lost answer, an earlier life of this store, or a person made is taken over. An
operation is `sent` in the store before the call is made; one that is found `sent` is in doubt, and is written again only
when the target, asked some time after the last write, does not have it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256

from engine import follow, holdings
from engine.clock import iso
from engine.contract import Operation, OperationOutcome, Receipt, Target
from engine.errors import (
    Ambiguous,
    AuthExpired,
    AuthRefused,
    BadAnswer,
    Bug,
    FlowctlError,
    RateLimited,
    Rejected,
    RunError,
    StaleLease,
    StoreError,
    Transient,
)
from engine.follow import Hand
from engine.holders import drop_name, take_name
from engine.limits import PATIENCE_S, PLACE_S
from engine.program import FlowProgram
from engine.retry import later_s
from engine.store import facts, journal, outbox, records, work
from engine.store.base import Row, Tx
from engine.store.records import Move
from engine.world import TOKEN_LEASE_S, World, take_lease

ACTOR = "flowctl"
# One call to the vendor: a wait for its place, and then the call itself, which ends before the place does.
_CALL_S = PATIENCE_S + PLACE_S
# Signing in: a wait for the token's lock, a wait for the limit of sign-ins, and a call.
_SIGN_IN_S = TOKEN_LEASE_S + PATIENCE_S + _CALL_S
# A write at its slowest: signed in, refused, signed in anew, done; then the token's lock once more, to say it is in use.
WRITE_S = 2 * (_SIGN_IN_S + _CALL_S) + TOKEN_LEASE_S
# So much time may pass between taking the lease and beginning to write: the store may be slow to commit.
_BEGIN_S = 60.0
# Longer than any write may take; it is prolonged before every one. Who dies on this machine does not keep it.
LEASE_S = _BEGIN_S + WRITE_S
# How long an operation waits after a passing fault; longer each time.
RETRY_S = 30.0
# So many passing faults in a row are the connection's, and not those of single records.
TOGETHER = 3
# So many writes without an answer, each looked for in vain, and a person decides.
MOST_WRITES = 5
# Nothing is ever put off for longer: a later time was noted by a clock that was ahead.
_LONGEST = timedelta(hours=2)
# Refused as often as this in a row, a person hears of being asked to slow down.
_OFTEN = 5


@dataclass(frozen=True, slots=True)
class PushReport:
    """What one pass over the called targets of a flow came to; `more` says that it ended at its limit.

    `states` are the records that were tried, by id: a refused one is `failed`, one that may be there or not `unknown`.
    """

    posted: int = 0
    errors: tuple[FlowctlError, ...] = ()
    more: bool = False
    states: Mapping[int, str] = field(default_factory=dict)

    def left(self, state: str) -> int:
        """How many records were left in a state."""
        return list(self.states.values()).count(state)


def push(world: World, program: FlowProgram, company: str, *, limit: int = 1_000_000, eager: bool = True) -> PushReport:
    """Write what is prepared for the targets that the flow calls; `limit` operations of each connection at most.

    With `eager`, what is in doubt is asked for at once and a connection that failed is tried again; else each when its
    time has come. A connection at which another process is sending is left to that one.
    """
    posted, errors, more = 0, [], False
    states: dict[int, str] = {}
    for connection in program.called:
        sender = _Sender(world, program.flow.name, company, connection, limit, eager)
        sender.run()
        posted += sender.posted
        errors += sender.errors
        more = more or sender.left <= 0
        states |= sender.states
    return PushReport(posted, tuple(errors), more, states)


@dataclass(slots=True)
class _Sender:
    """One pass over the operations of one flow and connection."""

    world: World
    flow: str
    company: str
    connection: str
    left: int
    eager: bool
    posted: int = 0
    errors: list[FlowctlError] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)
    _holder: str = ""
    _settle_s: int = 60
    _faults: int = 0
    _stopped: bool = False

    def run(self) -> None:
        """Send what is due. What goes wrong is kept in `errors`."""
        with self.world.store.read() as tx:
            if self._waits(tx):
                return
            is_due = self._next(tx, "sent", 0) is not None or self._next(tx, "waiting", 0) is not None
            is_over = not is_due and self._is_troubled(tx) and tx.one("push_any", self._scope) is None
        if is_over:
            # Nobody waits for the connection any more; whether it works is seen at the next write.
            with self.world.store.write() as tx:
                self._works(tx)
        if not is_due:
            return
        self._holder = take_name(self.world.ids)
        try:
            with self.world.store.write() as tx:
                if self._lease(tx) is None:
                    return
            self._send_all()
        except StaleLease as error:
            self.errors.append(error)
        except (StoreError, Bug):
            raise
        except FlowctlError as error:
            # Whatever keeps this connection from being opened or used, the sources are told all the same.
            self._leave_alone(error, asking=True)
        finally:
            drop_name(self._holder)
            with self.world.store.write() as tx:
                work.release_lease(tx, self._lease_name, self._holder)

    def _send_all(self) -> None:
        connector, binding = self.world.bound(self.company, self.connection)
        given = binding.settings.get("settle_s")
        self._settle_s = given if isinstance(given, int) else connector.spec.settle_s
        target = self.world.target(self.company, self.connection)
        try:
            # What is in doubt comes first: it may be there already, and others may wait for it.
            for state in ("sent", "waiting"):
                after = 0
                while not self._stopped and self.left > 0:
                    with self.world.store.read() as tx:
                        row = self._next(tx, state, after)
                    if row is None:
                        break
                    after = row["seq"]
                    self.left -= 1
                    self._one(target, row)
        finally:
            close = getattr(target, "close", None)
            if callable(close):
                close()

    # --- one operation -----------------------------------------------------------------------------------------------

    def _one(self, target: Target, row: Row) -> None:
        """Look for it there; when it is not there, write it."""
        in_doubt = row["state"] == "sent"
        if in_doubt:
            self.states[row["record_id"]] = "unknown"
        operation = replace(outbox.operation_of(row), sent_before=in_doubt)
        if in_doubt and row["record_state"] == "sent":
            # Whoever wrote it has ended, for we hold the lease; what it sent last may show from now on.
            row = {**row, "not_before": self._doubt(row, "no answer was kept")}
        try:
            found = target.find(operation)
            receipt = None if found is None else _ids(found)
        except (RateLimited, AuthExpired, AuthRefused) as error:
            self._leave_alone(error, asking=True)
            return
        except RunError as error:
            self._not_asked(row, error)
            return
        self._answers()
        if receipt is not None and not self._is_another(row, receipt):
            self._settle(row, OperationOutcome(row["id"], "posted", receipt), {"found": True})
        elif not in_doubt or self._may_write_again(row):
            self._write(target, row, operation)

    def _write(self, target: Target, row: Row, operation: Operation) -> None:
        if sha256(operation.body).hexdigest() != row["sha256"]:
            raise Bug(f"operation {row['id']} does not have the bytes it was frozen with")
        began_s = self.world.clock.monotonic()
        if not self._sent(row):
            return
        row = {**row, "state": "sent"}
        if self.world.clock.monotonic() - began_s > _BEGIN_S:
            # The write could outlast the lease, so it is not begun.
            self._put_back(row)
            raise StaleLease(f"{self.company}/{self.connection}: the store took too long; nothing was written")
        try:
            receipt = _ids(target.write(operation))
        except (RateLimited, AuthExpired, AuthRefused) as error:
            self._put_back(row)
            self._leave_alone(error)
        except Transient as error:
            outcome = OperationOutcome(
                row["id"], "retry", message=str(error), hint=error.hint or "", retry_after_s=_wait_s(error)
            )
            self._settle(row, outcome)
            self._fault(error)
        except Rejected as error:
            hint = error.hint or "correct the record in the source, or in the target, then run `flowctl retry ID`"
            self._settle(row, OperationOutcome(row["id"], "failed", {}, error.code or "rejected", str(error), hint))
        except (Ambiguous, BadAnswer) as error:
            self._doubt(row, str(error))
            self.errors.append(error)
        else:
            self._settle(row, OperationOutcome(row["id"], "posted", receipt))

    def _sent(self, row: Row) -> bool:
        """Make durable that it is about to be written; False when it is no longer to be."""
        with self.world.store.write() as tx:
            fence = self._lease(tx)
            if fence is None:
                raise StaleLease(f"{self.company}/{self.connection}: another process is writing")
            now = tx.one("operation_get", {"id": row["id"]})
            record = tx.one("records_of_operation", {"operation_id": row["id"]})
            if now is None or record is None or (now["state"], now["sha256"]) != (row["state"], row["sha256"]):
                return False
            outbox.put(tx, row["id"], "sent", not_before=self._after(self._settle_s))
            detail = {"operation": row["id"], "sha256": row["sha256"], "fence": fence}
            self._move(tx, Move(record, "sent", "sent", records.load_reasons(record), detail=detail))
        return True

    def _settle(self, row: Row, outcome: OperationOutcome, about: Mapping[str, object] | None = None) -> None:
        """Commit what became of it, unless another process has found that out meanwhile."""
        with self.world.store.write() as tx:
            now = tx.one("operation_get", {"id": row["id"]})
            if now is None or now["state"] != row["state"]:
                return
            follow.settle(tx, self._hand(), now, outcome, about)
            if outcome.outcome in ("posted", "failed"):
                self._works(tx)
            record = tx.one("record_get", {"id": row["record_id"]})
        if record is not None:
            self.states[row["record_id"]] = record["state"]
            self.posted += record["state"] in ("posted", "closed")

    def _doubt(self, row: Row, why: str) -> str:
        """No answer will come: it is looked for until it is found, or may be written again; returns when that is.

        Settling counts from now, when nothing is under way any more, and not from when the write began.
        """
        not_before = self._after(self._settle_s)
        with self.world.store.write() as tx:
            now = tx.one("operation_get", {"id": row["id"]})
            if now is None or now["state"] != "sent":
                return not_before
            self.states[row["record_id"]] = "unknown"
            outbox.put(tx, row["id"], "sent", not_before=not_before)
            record = tx.one("records_of_operation", {"operation_id": row["id"]})
            if record is not None and record["state"] == "sent":
                detail = {"operation": row["id"], "why": why}
                reasons = records.load_reasons(record)
                self._move(tx, Move(record, "unknown", "in_doubt", reasons, detail=detail))
        return not_before

    def _put_back(self, row: Row) -> None:
        """It was certainly not written, for no fault of its own."""
        with self.world.store.write() as tx:
            record = tx.one("records_of_operation", {"operation_id": row["id"]})
            assert record is not None
            outbox.put(tx, row["id"], "waiting")
            self.states[row["record_id"]] = "intended"
            self._move(tx, Move(record, "intended", "retry", detail={"operation": row["id"]}))

    def _may_write_again(self, row: Row) -> bool:
        """Whether what is in doubt and not there may be written once more by now."""
        now, not_before = self.world.clock.now(), str(row["not_before"])
        if not_before > iso(now + _LONGEST):
            with self.world.store.write() as tx:
                outbox.put(tx, row["id"], "sent", not_before=self._after(self._settle_s))
            return False
        if not_before > iso(now):
            return False
        with self.world.store.read() as tx:
            lines = journal.of_record(tx, row["record_id"])
        doubts = [json.loads(line["detail"]) for line in lines if line["event"] == "in_doubt"]
        times = sum(detail.get("operation") == row["id"] for detail in doubts)
        if times < MOST_WRITES:
            return True
        message = f"it was written {times} times without an answer, and was not found there"
        hint = (
            "look in the target; when it is there, run `flowctl retry ID --there ID-THERE`, "
            "else `flowctl retry ID --not-there`"
        )
        self._settle(row, OperationOutcome(row["id"], "held", code="unanswered", message=message, hint=hint))
        return False

    def _is_another(self, row: Row, receipt: Mapping[str, str]) -> bool:
        """Whether what was found is another record's, and a person has said that this one is not there."""
        with self.world.store.read() as tx:
            return (
                row["state"] == "waiting"
                and bool(follow.other_record_of(tx, row, receipt["id"]))
                and holdings.declared_absent(tx, row["id"])
            )

    # --- faults ------------------------------------------------------------------------------------------------------

    def _not_asked(self, row: Row, error: RunError) -> None:
        """It could not be looked for, so it is not written."""
        if row["state"] == "sent":
            with self.world.store.write() as tx:
                outbox.put(tx, row["id"], "sent", not_before=self._after(max(self._settle_s, _wait_s(error))))
                record = tx.one("records_of_operation", {"operation_id": row["id"]})
                assert record is not None
                message = f"{follow.subject_of(record)}: whether it was written could not be asked: {error}"
                hint = error.hint or "it is asked again by itself"
                alert = work.Alert("unknown", follow.subject_of(record), message, hint)
                work.raise_alert(tx, self.company, alert, self.world.at())
        elif isinstance(error, Rejected):
            hint = error.hint or "correct the record in the source, then run `flowctl retry ID`"
            self._settle(row, OperationOutcome(row["id"], "failed", {}, error.code or "rejected", str(error), hint))
            return
        else:
            outcome = OperationOutcome(
                row["id"], "retry", message=str(error), hint=error.hint or "", retry_after_s=_wait_s(error)
            )
            self._settle(row, outcome)
        self._fault(error, asking=True)

    def _fault(self, error: RunError, *, asking: bool = False) -> None:
        """Count a fault that may be the connection's."""
        self._faults += 1
        if self._faults >= TOGETHER:
            self._leave_alone(error, asking=asking)
        else:
            self.errors.append(error)

    def _leave_alone(self, error: FlowctlError, *, asking: bool = False) -> None:
        """Send nothing over this connection for a while, longer each time; a person is told what keeps it from working.

        With `asking`, it was not even written: an answer to a question is then enough to see that this is over.
        """
        self._stopped = True
        if error not in self.errors:
            self.errors.append(error)
        limited = isinstance(error, RateLimited)
        with self.world.store.write() as tx:
            failures = int((facts.recall(tx, self.company, self._fact) or {}).get("failures", 0)) + 1
            wait_s = later_s(failures - 1, self.world.ids.fraction())
            asked_s = error.retry_after_s if isinstance(error, Transient) else None
            until = self._after(min(max(wait_s, asked_s or 0.0), _LONGEST.total_seconds()))
            kept = {"until": until, "failures": failures, "limited": limited, "asking": asking}
            facts.remember(tx, self.company, self.world.at(), self._fact, kept)
            if limited and failures < _OFTEN:
                return
            hint = error.hint or (
                "check the credentials" if isinstance(error, AuthRefused) else "it is tried again by itself"
            )
            alert = work.Alert("connection", self._subject, f"{self.flow}/{self.connection}: {error}", hint)
            work.raise_alert(tx, self.company, alert, self.world.at())

    def _answers(self) -> None:
        """The target has answered a question: that is over which kept it from being asked, and nothing else."""
        with self.world.store.read() as tx:
            kept = facts.recall(tx, self.company, self._fact)
        if kept is not None and kept.get("asking"):
            with self.world.store.write() as tx:
                self._works(tx)

    def _is_troubled(self, tx: Tx) -> bool:
        """Whether something kept the connection from working when it was used last."""
        return facts.recall(tx, self.company, self._fact) is not None

    def _works(self, tx: Tx) -> None:
        """What kept the connection from working is over: a write was answered, or nothing is left to be written."""
        self._faults = 0
        if facts.recall(tx, self.company, self._fact) is not None:
            facts.forget(tx, self.company, self._fact)
        work.resolve_alert(tx, self.company, "connection", self._subject, self.world.at())

    def _waits(self, tx: Tx) -> bool:
        """Whether the connection is to be left alone for now."""
        kept = facts.recall(tx, self.company, self._fact)
        if kept is None or (self.eager and not kept["limited"]):
            return False
        now = self.world.clock.now()
        return iso(now) < str(kept["until"]) <= iso(now + _LONGEST)

    # --- small things ------------------------------------------------------------------------------------------------

    def _next(self, tx: Tx, state: str, after: int) -> Row | None:
        now = self.world.clock.now()
        when = {"at": iso(now), "latest": iso(now + _LONGEST), "eager": int(self.eager)}
        return tx.one("push_next", {**self._scope, **when, "state": state, "after": after})

    def _move(self, tx: Tx, step: Move) -> None:
        records.move(tx, self.company, self.world.at(), ACTOR, [step])

    def _lease(self, tx: Tx) -> int | None:
        return take_lease(tx, self._lease_name, self._holder, self.world.clock.now(), LEASE_S)

    def _hand(self) -> Hand:
        return Hand(self.company, self.world.at(), ACTOR)

    def _after(self, seconds: float) -> str:
        return iso(self.world.clock.now() + timedelta(seconds=seconds))

    @property
    def _scope(self) -> dict[str, object]:
        return {"company": self.company, "flow": self.flow, "connection": self.connection}

    @property
    def _lease_name(self) -> str:
        return f"push:{self.company}/{self.connection}"

    @property
    def _fact(self) -> str:
        return f"push:{self.connection}/{self.flow}"

    @property
    def _subject(self) -> str:
        return f"{self.flow}/{self.connection}/write"


def _ids(receipt: Receipt) -> dict[str, str]:
    """The ids of a receipt as text.

    Raises:
        BadAnswer: when there is no `id` among them: nothing could ever be found by it again.
    """
    found = {name: str(value) for name, value in receipt.ids.items() if value not in (None, "")}
    if "id" not in found:
        raise BadAnswer("the target's answer names no id")
    return found


def _wait_s(error: RunError) -> float:
    return max(RETRY_S, (error.retry_after_s or 0.0) if isinstance(error, Transient) else 0.0)
