"""What became of a message set: pure decisions over what QuickBooks said, never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.qbwc.probe import Found, for_a_person
from connectors.qbwc.state import Recovery
from connectors.qbwc.status import Rule, list_named, rule_for, set_meaning
from connectors.qbwc.written import reads_first
from engine.contract import MessageSet, Operation, OperationOutcome
from engine.dataclass import dataclass
from engine.qbxml.books import receipt_of
from engine.qbxml.response import Answer, Response

# Each sending was preceded by an answered look-up, so this many in a row means that QuickBooks fails on the set itself.
MOST_ATTEMPTS = 5
# ASSUMED: longer than QuickBooks works on one set. Another machine may wait for an answer that our look-up overtakes.
STILL_RUNNING = timedelta(minutes=30)
# A kept answer is small; a longer one is not carried through the session state.
_ANSWER_KEPT = 256 * 1024

UNREADABLE = "0x80040400"
# Refusals that say that something could not be saved: FACTS section 6 wants it looked for before anything else is done.
_MAY_BE_SAVED = frozenset({"3170", "3180"})
_MARK_MISSING = "QuickBooks keeps no answer and does not hold it"


@dataclass(frozen=True, slots=True)
class Settled:
    """Every operation's outcome is known: commit them."""

    outcomes: tuple[OperationOutcome, ...]


@dataclass(frozen=True, slots=True)
class NotOurs:
    """The answer belongs to something else: nothing in it is believed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Running:
    """QuickBooks may still be working on the set: nothing is decided, and nothing is sent, until it has finished."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """QuickBooks could not say; the question is asked again."""

    reason: str


Verdict = Settled | Recovery | NotOurs
Reading = OperationOutcome | Literal["look_up", "find_out"]


def foreign(message_set: MessageSet, answer: Answer) -> str | None:
    """Why an answer is not the answer to this set; None when it is.

    QuickBooks echoes the id of a set where it gives one at all, and every requestID; nobody else knows them.
    """
    if answer.new_id and answer.new_id != message_set.id:
        return "it names another message set"
    expected = {operation.id: f"{operation.request}Rs" for operation in message_set.operations}
    seen: set[str] = set()
    for response in answer.responses:
        if response.request_id not in expected:
            return "it answers a request that was not sent"
        if expected[response.request_id] != response.name:
            return "it answers with another kind of object than was asked for"
        if response.request_id in seen:
            return "it answers the same request twice"
        seen.add(response.request_id)
    return None


def after_answer(message_set: MessageSet, answer: Answer, text: str) -> Verdict:
    """Read the answer to a write, or the kept one that a status check brought."""
    reason = foreign(message_set, answer)
    if reason:
        return NotOurs(reason)
    meaning = set_meaning(answer.message_set_status)
    if meaning == "bad_id":
        return Settled(
            tuple(
                _held(op, "message_set_9004", "QuickBooks refused the message-set id") for op in message_set.operations
            )
        )
    ids = tuple(operation.id for operation in message_set.operations)
    if meaning == "other_bytes":
        return Recovery(message_set.id, "probe", frozen=True, ask=ids)
    if not answer.responses:
        return Recovery(message_set.id, "probe", ask=ids)
    readings = {op.id: read(op, answer.by_request_id(op.id)) for op in message_set.operations}
    told = [(op, reading) for op in message_set.operations if isinstance(reading := readings[op.id], OperationOutcome)]
    decided = tuple(outcome for op, outcome in told if not _may_be_saved(op, outcome))
    if len(decided) == len(readings):
        return Settled(decided)
    sure = {outcome.operation_id for outcome in decided}
    return Recovery(
        message_set.id,
        "probe",
        whole=False,
        decided=tuple(asdict(outcome) for outcome in decided),
        ask=tuple(key for key in readings if key not in sure),
        taken=tuple(key for key, reading in readings.items() if reading == "look_up"),
        silent=tuple(op.id for op in message_set.operations if answer.by_request_id(op.id) is None),
        absent=tuple(asdict(outcome) for op, outcome in told if _may_be_saved(op, outcome)),
        answer=text if len(text) <= _ANSWER_KEPT else "",
    )


def _may_be_saved(operation: Operation, outcome: OperationOutcome) -> bool:
    """Whether something new may be there although it was refused.

    Whoever tries it again may prepare it as something else by then, so it is looked for while its bytes still tell what it
    was. A change names its object, and is held against that before it is sent again.
    """
    return outcome.outcome == "retry" and outcome.code in _MAY_BE_SAVED and not reads_first(operation.request)


def read(operation: Operation, response: Response | None) -> Reading:
    """What one answer says of one operation."""
    if response is None:
        return "find_out"
    rule = rule_for(response.code, response.message, operation.request)
    receipt = dict(receipt_of(response))
    has_id = bool(receipt.get("TxnID") or receipt.get("ListID"))
    if rule.action == "posted" or (rule.action == "find_out" and response.code < 1000):
        # A warning, or even a plain success, without an id proves nothing yet.
        return _posted(operation, response, rule, receipt) if has_id else "find_out"
    if rule.action == "find_out":
        return "find_out"
    if rule.action == "look_up":
        return "look_up" if operation.request == "VendorAdd" else _outcome(operation, response, rule, "failed")
    if rule.action == "mapped":
        return _mapped(operation, response, rule)
    if rule.action == "stale":
        # QuickBooks compares the version first, so it certainly did not run. Nothing but a modify carries one.
        return _outcome(operation, response, rule, "retry" if reads_first(operation.request) else "held")
    return _outcome(operation, response, rule, rule.action)


def after_probe(
    message_set: MessageSet,
    recovery: Recovery,
    found: Mapping[str, Found],
    now: datetime,
    *,
    elsewhere: bool = False,
    missed_at: datetime | None = None,
) -> Settled | Recovery | Running | NotNow:
    """Read the look-ups of the operations in `recovery.ask`.

    Args:
        message_set: the set in doubt.
        recovery: how far its recovery has come.
        found: what each look-up brought, by operation.
        now: our time, as that of `message_set.sent_at`.
        elsewhere: another computer may have the file open, and may still be working on what it was given.
        missed_at: our time when an earlier session looked for what was sent last and did not find all of it.
    """
    late = next((item for item in found.values() if item.kind == "later"), None)
    if late:
        return NotNow(late.message)
    operations = {operation.id: operation for operation in message_set.operations}
    missing = [key for key in recovery.ask if found[key].kind == "none"]
    # Nothing of the set is there and no answer to it exists: the same bytes under the same id, which QuickBooks replays
    # rather than runs if it knows better. When part of it is there, sending all of it again could double that part.
    if recovery.whole and not recovery.frozen and len(missing) == len(operations):
        if elsewhere and _may_run(message_set, now, missed_at):
            return Running(
                f"QuickBooks does not have what it was given ({len(operations)} records), but another computer that has "
                "the company file open may still be working on it. It is not sent again before it has been missing for "
                "half an hour, or the file is open in single-user mode; the next update asks again."
            )
        if message_set.attempts < MOST_ATTEMPTS:
            return replace(recovery, stage="resend")
        text = f"it was sent {message_set.attempts} times and QuickBooks never answered"
        return Settled(tuple(_held(op, "no_answer", text) for op in message_set.operations))
    # A part is there. What is not may come any moment on a slow machine, and must not be sent under another id by then.
    unsaid = recovery.ask if recovery.whole else recovery.silent
    if not recovery.frozen and any(key in unsaid for key in missing) and _may_run(message_set, now, missed_at):
        return Running(
            f"QuickBooks has a part of what it was given ({len(operations)} records) and may be working on the rest. "
            "Nothing is sent until it has finished; the next update asks again."
        )
    decided = restored(recovery.decided)
    concluded = (_concluded(message_set, operations[key], recovery, found[key]) for key in recovery.ask)
    return Settled((*decided, *concluded))


def _may_run(message_set: MessageSet, now: datetime, missed_at: datetime | None) -> bool:
    """Whether QuickBooks may not be through with a set.

    The clock may have been set since it was sent, by any amount and in either direction. So one look alone decides
    nothing: half an hour has passed since the sending, and since an earlier session missed it as well.
    """
    if message_set.sent_at is None:
        return False
    return missed_at is None or any(abs(now - at) < STILL_RUNNING for at in (message_set.sent_at, missed_at))


def seen_as(message_set: MessageSet, known: Mapping[str, OperationOutcome]) -> Recovery:
    """What was to be sent again has been seen in QuickBooks, or a part of it: that part is settled by what was seen.

    The rest goes alone, under another id: all of it together would be that part again. But QuickBooks may still be at work
    on the set, as after a look that found a part of it.
    """
    rest = tuple(operation.id for operation in message_set.operations if operation.id not in known)
    absent = (OperationOutcome(name, "retry", code="not_run", message=_MARK_MISSING) for name in rest)
    return Recovery(
        message_set.id,
        "probe",
        whole=False,
        decided=tuple(asdict(known[op.id]) for op in message_set.operations if op.id in known),
        ask=rest,
        silent=rest,
        absent=tuple(asdict(outcome) for outcome in absent),
    )


def refused_whole(message_set: MessageSet, message: str) -> Settled | Recovery:
    """0x80040400: QuickBooks could not read the document, so nothing of it ran (ASSUMED: FACTS section 1 infers it)."""
    said = message.strip() or "QuickBooks found an error when parsing the provided XML text stream"
    if len(message_set.operations) > 1:
        # One of them is wrong and QuickBooks does not say which: each goes alone, once a look has borne out the assumption.
        ids = tuple(operation.id for operation in message_set.operations)
        return Recovery(message_set.id, "probe", whole=False, ask=ids, refused=said)
    hint = "the request is wrong, not the record: report it with this record's QBXML"
    (operation,) = message_set.operations
    return Settled((OperationOutcome(operation.id, "failed", code=UNREADABLE, message=said, hint=hint),))


def stale_lists(outcomes: Sequence[OperationOutcome]) -> tuple[str, ...]:
    """The lists that were found to be out of date; a taken name, or an object that was changed meanwhile, tells of none."""
    keys = (key for outcome in outcomes if outcome.code not in {"3100", "3200"} for key in outcome.waits_for)
    return tuple(dict.fromkeys(key.removeprefix("list:") for key in keys if key.startswith("list:")))


# --- outcomes ------------------------------------------------------------------------------------------------------


def _concluded(message_set: MessageSet, operation: Operation, recovery: Recovery, found: Found) -> OperationOutcome:
    """The outcome of an operation that was looked up; resending the whole set has been ruled out."""
    taken = operation.id in recovery.taken
    # A set of one carries its operation's id the first time, and a new id after that.
    again = operation.sent_before or (len(message_set.operations) == 1 and message_set.id != operation.id)
    absent = next((item for item in restored(recovery.absent) if item.operation_id == operation.id), None)
    if found.kind == "hit":
        note = "found in QuickBooks after its answer was lost"
        if absent is not None and absent.code in _MAY_BE_SAVED:
            note = f"QuickBooks refused it ({absent.code}) and has it all the same"
        elif taken:
            note = "the vendor existed in QuickBooks and is used"
        return OperationOutcome(operation.id, "posted", found.receipt, message=note)
    if found.kind == "none" and absent is not None:
        return absent
    if taken:
        text = found.message or "the name belongs to a customer, an employee or another name in QuickBooks"
        hint = "rename one of them in QuickBooks, or map the vendor to an existing one"
        return OperationOutcome(
            operation.id, "deferred", code="3100", message=text, hint=hint, waits_for=("list:Vendor",)
        )
    if found.kind == "none" and recovery.refused:
        return OperationOutcome(operation.id, "retry", code=UNREADABLE, message=recovery.refused)
    if found.kind == "none" and not recovery.frozen and again and not recovery.whole:
        # FACTS section 6: after an internal error (1000) it is tried once more, not for ever.
        return _held(operation, "not_run", "QuickBooks failed on it twice without saying why, and does not hold it")
    if found.kind == "none" and not recovery.frozen:
        return OperationOutcome(operation.id, "retry", code="not_run", message=_MARK_MISSING)
    if found.kind == "none":
        return _held(
            operation,
            "message_set_9001",
            "QuickBooks knows the message set with other content, and does not hold the record",
        )
    if found.kind == "changed" and not recovery.frozen:
        # Held against what is there now: what has run already is not sent again, what a user has changed is left alone.
        return OperationOutcome(operation.id, "retry", code="changed_there", message=found.message)
    held = _held(operation, "unclear", found.message)
    return replace(held, hint=for_a_person(found)) if found.ids else held


def _held(operation: Operation, code: str, message: str) -> OperationOutcome:
    """For a person, with a code that is no number: QuickBooks did not refuse it, its outcome is not known."""
    hint = "look in QuickBooks whether it is there, then say so in flowctl; it is not sent again by itself"
    return OperationOutcome(operation.id, "held", code=code, message=message, hint=hint)


def _posted(operation: Operation, response: Response, rule: Rule, receipt: Mapping[str, str]) -> OperationOutcome:
    if not response.code:
        return OperationOutcome(operation.id, "posted", receipt)
    return OperationOutcome(operation.id, "posted", receipt, str(response.code), response.message, rule.hint)


def _outcome(
    operation: Operation, response: Response, rule: Rule, kind: Literal["posted", "retry", "deferred", "failed", "held"]
) -> OperationOutcome:
    return OperationOutcome(
        operation.id, kind, {}, str(response.code), response.message, rule.hint, rule.waits_for, rule.retry_after_s
    )


def _mapped(operation: Operation, response: Response, rule: Rule) -> OperationOutcome:
    """Deferred until the list that the text names was read again; failed when it names none: nothing would wake it."""
    name = list_named(response.message)
    if name is None:
        return replace(
            _outcome(operation, response, rule, "failed"), hint="what the record refers to is not in QuickBooks"
        )
    return replace(_outcome(operation, response, rule, "deferred"), waits_for=(f"list:{name}",))


def restored(kept: Sequence[Mapping[str, Any]]) -> list[OperationOutcome]:
    """Outcomes that were kept with how far a recovery has come."""
    return [OperationOutcome(**{**data, "waits_for": tuple(data.get("waits_for", ()))}) for data in kept]
