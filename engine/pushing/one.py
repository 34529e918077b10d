"""One operation for a called target: it is looked for there, and written when it is not there."""

from __future__ import annotations

from dataclasses import replace

from engine import follow
from engine.contract import Operation, OperationOutcome, Target
from engine.errors import (
    Ambiguous,
    AuthExpired,
    AuthRefused,
    BadAnswer,
    NotAsSent,
    RateLimited,
    Rejected,
    RunError,
    Transient,
)
from engine.pushing import steps
from engine.pushing.link import Link
from engine.store import outbox, work
from engine.store.base import Row, Tx
from engine.titles import called


def push_one(link: Link, target: Target, row: Row) -> None:
    """Look for it there; when it is not there, write it."""
    in_doubt = row["state"] == "sent"
    if in_doubt:
        link.states[row["record_id"]] = "unknown"
    operation = replace(outbox.operation_of(row), sent_before=in_doubt)
    if in_doubt and row["record_state"] == "sent":
        # Whoever wrote it has ended, for we hold the lease; what it sent last may show from now on.
        (row,) = steps.doubt(link, [row], "no answer was kept")
    try:
        found = target.find(operation)
        receipt = None if found is None else steps.ids_of(found)
    except (RateLimited, AuthExpired, AuthRefused) as error:
        link.leave_alone(error, asking=True)
        return
    except (Rejected, Ambiguous) as error:
        link.answers()
        _not_told(link, row, error)
        return
    except RunError as error:
        _not_asked(link, row, error)
        return
    link.answers()
    if receipt is not None and not steps.is_another(link, row, receipt):
        steps.settle(link, [(row, OperationOutcome(row["id"], "posted", receipt))], {"found": True})
    elif not in_doubt or steps.may_write_again(link, row):
        _write(link, target, row, operation)


def _write(link: Link, target: Target, row: Row, operation: Operation) -> None:
    made = steps.sent(link, [row])
    if not made:
        return
    (row,) = made
    try:
        receipt = steps.ids_of(target.write(operation))
    except NotAsSent as error:
        steps.not_as_sent(link, [row], error)
    except (RateLimited, AuthExpired, AuthRefused) as error:
        steps.put_back(link, [row])
        link.leave_alone(error)
    except Transient as error:
        steps.later(link, row, error)
        link.fault(error)
    except Rejected as error:
        steps.refused(link, row, error)
    except (Ambiguous, BadAnswer) as error:
        steps.doubt(link, [row], str(error))
        link.errors.append(error)
    else:
        steps.settle(link, [(row, OperationOutcome(row["id"], "posted", receipt))])


def _not_told(link: Link, row: Row, error: Rejected | Ambiguous) -> None:
    """The target has answered, and not what became of it: that is no fault of the connection's, and a person decides.

    What was never sent and is refused is failed. What is in doubt may yet show: it is asked for again until it has settled.
    A change is held against what is there: one that is refused by then was not made, and it is never made twice.
    """
    is_known = row["state"] != "sent" or (bool(row["target_id"]) and steps.is_settled(link, row))
    if isinstance(error, Rejected) and is_known:
        steps.refused(link, row, error, "correct the record in the source, then run `flowctl retry ID`")
        return
    link.errors.append(error)
    if row["state"] == "sent" and not steps.is_settled(link, row):
        with link.world.store.write(link.company) as tx:
            if steps.is_still(tx, row):
                _alert(link, tx, row, error)
        return
    hint = error.hint or steps.look_hint(row)
    code = error.code if isinstance(error, Rejected) and error.code and not error.code.isdigit() else "unclear"
    outcome = OperationOutcome(row["id"], "held", code=code, message=str(error), hint=hint)
    steps.settle(link, [(row, outcome)])


def _not_asked(link: Link, row: Row, error: RunError) -> None:
    """It could not be looked for, so it is not written."""
    if row["state"] == "sent":
        with link.world.store.write(link.company) as tx:
            if steps.is_still(tx, row):
                outbox.put(tx, row["id"], "sent", not_before=link.after(max(link.settle_s, steps.wait_s(error))))
                _alert(link, tx, row, error)
    else:
        steps.later(link, row, error)
    link.fault(error, asking=True)


def _alert(link: Link, tx: Tx, row: Row, error: RunError) -> None:
    """Tell a person of what keeps what is in doubt from being asked for."""
    record = tx.one("records_of_operation", {"operation_id": row["id"]})
    assert record is not None
    place = f"{record['flow']}/{record['stream']}/{called(record)}"
    message = f"{place}: whether it was written could not be asked: {error}"
    hint = error.hint or "it is asked again by itself"
    alert = work.Alert("unknown", follow.subject_of(record), message, hint)
    work.raise_alert(tx, link.company, alert, link.world.at())
