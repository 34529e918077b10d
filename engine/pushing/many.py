"""Many operations of one request for a called target: one look for all of them, then so many in each call.

A call writes all of its operations or none. When a target refuses one call for the sake of a single operation, halves
of it are written until that one is found. Between any two calls each operation waits, is in doubt, or is settled, so
that a process may die anywhere: what it had sent is looked for by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.contract import BatchTarget, Operation, OperationOutcome, Receipt
from engine.dataclass import dataclass
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
from engine.pushing.link import TOGETHER, Link
from engine.spec import RequestSpec
from engine.store import outbox
from engine.store.base import Row

# So many are looked for at once: asking may mean to list all that the vendor has.
MOST = 50_000
# So many single operations refused in the same words, and none written: it is not theirs, and no more are tried.
ALIKE = 3


def push_many(link: Link, target: BatchTarget, request: RequestSpec) -> None:
    """Look for all that is due of a request, and write what is not there. One that changes an object is not among them."""
    after = 0
    # Again and again it was not the connection, perhaps, but something that the target chokes on.
    refusals = _Refusals(chokes=link.failures() >= TOGETHER)
    while not link.stopped and link.left > 0:
        with link.world.store.read(link.company) as tx:
            rows = tx.rows("push_lot", {**link.due(), "request": request.name, "after": after, "limit": MOST})
        if not rows:
            return
        after = rows[-1]["seq"]
        rows = steps.of_this_place(link, rows)
        if not rows:
            continue
        missing = _missing(link, target, _known_in_doubt(link, rows))
        due = [row for row in missing if row["state"] == "waiting" or steps.may_write_again(link, row)]
        for part in _calls(request, due):
            _write(link, target, part, refusals)


def _known_in_doubt(link: Link, rows: Sequence[Row]) -> list[Row]:
    """The rows, once those are in doubt whose writer has ended, for we hold the lease."""
    link.states |= {row["record_id"]: "unknown" for row in rows if row["state"] == "sent"}
    ended = [row for row in rows if row["state"] == "sent" and row["record_state"] == "sent"]
    doubted = {row["id"]: row for row in steps.doubt(link, ended, "no answer was kept")} if ended else {}
    return [doubted.get(row["id"], row) for row in rows]


def _missing(link: Link, target: BatchTarget, rows: Sequence[Row]) -> list[Row]:
    """Those that are not there; what is there is settled. None when it cannot be asked."""
    link.left -= 1
    try:
        answer = target.find_all([_operation(row) for row in rows])
        found = {name: steps.ids_of(receipt) for name, receipt in answer.items()}
    except RunError as error:
        # A question for all of them says nothing of any one.
        link.leave_alone(error, asking=True)
        return []
    link.answers()
    there = [row for row in rows if row["id"] in found and not steps.is_another(link, row, found[row["id"]])]
    settled = [(row, OperationOutcome(row["id"], "posted", found[row["id"]])) for row in there]
    steps.settle(link, settled, {"found": True})
    known = {row["id"] for row in there}
    return [row for row in rows if row["id"] not in known]


def _calls(request: RequestSpec, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """What may travel together: so many, and of one value where the request names a field."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_group(request, row), []).append(row)
    for group in groups.values():
        yield from steps.parts(group, request.batch)


def _group(request: RequestSpec, row: Row) -> str:
    return json.dumps(json.loads(row["body"]).get(request.batch_by)) if request.batch_by else ""


@dataclass(slots=True)
class _Refusals:
    """Single operations that were refused in the same words since anything was written.

    With `chokes`, a passing fault is taken for one of a single operation, and that one is looked for.
    """

    text: str = ""
    times: int = 0
    chokes: bool = False

    def counted(self, error: Rejected) -> bool:
        """Count one; whether it is not the operations' own fault any more."""
        self.times = self.times + 1 if str(error) == self.text else 1
        self.text = str(error)
        return self.times >= ALIKE


def _write(link: Link, target: BatchTarget, rows: Sequence[Row], refusals: _Refusals) -> None:
    """Write them in one call; when it is refused, in halves."""
    waiting = [rows]
    while waiting and not link.stopped and link.left > 0:
        part = steps.sent(link, waiting.pop())
        if not part:
            continue
        link.left -= 1
        error = _call(link, target, part, chokes=refusals.chokes or len(part) == 1)
        if error is None:
            refusals.times = 0
        elif len(part) > 1:
            half = (len(part) + 1) // 2
            put_back = steps.put_back(link, part)
            waiting += [put_back[half:], put_back[:half]]
        elif isinstance(error, Transient):
            steps.later(link, part[0], error)
            link.fault(error)
        else:
            steps.refused(link, part[0], error)
            if refusals.counted(error):
                link.leave_alone(error)


def _call(link: Link, target: BatchTarget, rows: Sequence[Row], *, chokes: bool) -> Rejected | Transient | None:
    """One call, and what it came to; what may be the fault of one of them is handed back, for that depends on how many.

    With `chokes`, that is a passing fault as well.
    """
    try:
        receipts = _receipts(target.write_all([_operation(row) for row in rows]), len(rows))
    except Rejected as error:
        return error
    except NotAsSent as error:
        steps.not_as_sent(link, rows, error)
    except (Transient, AuthExpired, AuthRefused) as error:
        if chokes and isinstance(error, Transient) and not isinstance(error, RateLimited):
            return error
        # Nothing says which of them it is about, so that none is counted as tried.
        steps.put_back(link, rows)
        link.leave_alone(error)
    except (Ambiguous, BadAnswer) as error:
        steps.doubt(link, rows, str(error))
        link.errors.append(error)
    else:
        settled = [(row, OperationOutcome(row["id"], "posted", ids)) for row, ids in zip(rows, receipts, strict=True)]
        steps.settle(link, settled)
    return None


def _receipts(answers: Sequence[Receipt], count: int) -> list[dict[str, str]]:
    if len(answers) != count:
        raise BadAnswer(f"the target answered {len(answers)} of {count} operations")
    return [steps.ids_of(receipt) for receipt in answers]


def _operation(row: Row) -> Operation:
    return replace(outbox.operation_of(row), sent_before=row["state"] == "sent")
