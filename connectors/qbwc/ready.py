"""What may be written next: what was looked for before and is there already is never sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from connectors.qbwc import pace, probe, putback, survey, written
from connectors.qbwc.context import Context
from connectors.qbwc.pace import Pace
from connectors.qbwc.probe import Found
from connectors.qbwc.state import State, changed
from connectors.qbwc.written import Marks
from engine.contract import Desk, Operation, OperationOutcome
from engine.dataclass import dataclass
from engine.evidence import Holding, Seen, Sighting
from engine.jsontext import plain
from engine.qbxml.queries import LIST_FIELDS

# Every time more records are prepared takes a while, and what is prepared may be of a kind that must wait as well.
_MOST_REFILLS = 8
# Operations that one call concludes because they were found: it must answer soon, and the next one goes on.
_MOST_CONCLUDED = 100
_FOUND = "found in QuickBooks; it was written before"
_BACK = "what was posted before is in QuickBooks again"
_NOT_SENT, _NOT_AGAIN = "nothing was sent", "it was not sent again"
_ADOPTED = "the vendor existed in QuickBooks and is used"


@dataclass(frozen=True, slots=True)
class _Known:
    """What becomes of an operation that is not sent, and the object that it was found as."""

    outcome: OperationOutcome
    there: Sighting | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The requests of all operations that could be sent, and the first of these; None where they are to be asked for."""

    requests: tuple[str, ...] = ()
    first: tuple[Operation, ...] | None = ()


def why_not(ctx: Context, state: State) -> str | None:
    """Why nothing may be written now, for whoever sits before the Web Connector; None when it may."""
    return ctx.desk.holdings.halted(ctx.company) or putback.why_not(ctx) or survey.why_not(ctx, state)


def has_operations(desk: Desk, company: str) -> bool:
    """Whether there is an operation to send, preparing waiting records when there is none yet."""
    return bool(desk.operations.next(company, 1)) or (
        desk.operations.refill(company) > 0 and bool(desk.operations.next(company, 1))
    )


def waiting(ctx: Context, state: State) -> Waiting:
    """What could be sent, preparing waiting records when there is none yet; nothing while nothing may be written."""
    desk, company = ctx.desk, ctx.company
    if desk.holdings.halted(company) is not None or desk.operations.none(company):
        return Waiting()
    wanted = _wanted(current_pace(ctx, state))
    operations, prepared = desk.operations.next(company, wanted), 0
    if not operations and (prepared := desk.operations.refill(company)):
        operations = desk.operations.next(company, wanted)
    if not operations:
        return Waiting(first=None if prepared else ())
    if putback.why_not(ctx) is not None or survey.why_not(ctx, state) is not None:
        return Waiting()
    passes_over = state.survey.failed or state.merging.later
    return Waiting(desk.unsent.kinds(company), None if passes_over else operations)


def current_pace(ctx: Context, state: State) -> Pace:
    """How much may go together now."""
    if state.single:
        return Pace(most=1)
    known = pace.initial(None if state.pace else ctx.desk.sessions.recall(ctx.company, "pace"), state.options)
    return Pace(state.pace, known.most) if state.pace else known


def next_set(ctx: Context, state: State, first: tuple[Operation, ...] | None = None) -> tuple[Operation, ...]:
    """The operations of the next message set, in order; none while nothing may be written.

    `first` are those that come first, when `waiting` has just said so.
    """
    if why_not(ctx, state) is not None:
        return ()
    may = current_pace(ctx, state)
    wanted = _wanted(may)
    operations, refills = _next(ctx, state, wanted) if first is None else first, 0
    while len(operations) < wanted and ctx.desk.operations.refill(ctx.company):
        operations, refills = _next(ctx, state, wanted), refills + 1
        if state.survey.failed and refills >= _MOST_REFILLS:
            break
    may_go = [op for op in operations if survey.may_be_written(state, op.request)]
    return tuple(may_go[: pace.take(may, may_go)])


def _wanted(may: Pace) -> int:
    return min(may.limit, may.most)


def _next(ctx: Context, state: State, wanted: int) -> tuple[Operation, ...]:
    without = tuple(f"{kind}Add" for kind in state.survey.failed)
    return ctx.desk.operations.next(ctx.company, wanted, without=without, later=state.merging.later)


def to_merge(state: State, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Those among them that must be, and were not, held against QuickBooks' present object in this session.

    A void carries no version, so that nothing may come between the look and the void.
    """
    at_once = state.merging.turn == state.turn
    return tuple(
        op
        for op in operations
        if written.reads_first(op.request)
        and (op.id not in state.merging.merged or (op.request == written.VOID and not at_once))
    )


def conclude_known(ctx: Context, state: State, operations: Sequence[Operation]) -> State:
    """Settle what is found in QuickBooks before it is sent, so that what is next may really be sent.

    `operations` are those of the next set.
    """
    done: Counter[str] = Counter()
    later: list[str] = []
    while done.total() + len(later) < _MOST_CONCLUDED:
        before = done.total() + len(later)
        unsure: dict[str, str] = {}
        for operation in operations:
            # One after the other: what one of them was settled with is kept as a holding and speaks for no other.
            known = None if operation.id in state.judged else _known(ctx, state, operation, _NOT_SENT)
            if isinstance(known, Mapping):
                if survey.is_unshown(state, known):
                    later.append(operation.id)
                else:
                    unsure.update(known)
                continue
            if known is None:
                continue
            _conclude(ctx, operation, known)
            done[known.outcome.outcome] += 1
        if later:
            # What it hangs on cannot be shown in this session; to ask again and again would be no end.
            names = tuple(dict.fromkeys((*state.merging.later, *later)))
            state = changed(state, merging=changed(state.merging, later=names))
        if unsure:
            # They are asked for before anything is written, and then it is seen what they say.
            state = survey.look_closer(state, unsure)
            break
        if done.total() + len(later) == before:
            state = changed(state, judged=tuple(operation.id for operation in operations))
            break
        operations = next_set(ctx, state)
    return count(state, done)


def seen_already(
    ctx: Context, state: State, operations: Sequence[Operation]
) -> tuple[Mapping[str, OperationOutcome], Mapping[str, str]]:
    """Of what is to be sent again: what was seen in QuickBooks, as whatever kind, and what must be asked for first.

    It was looked for as what it says it is. A store that was put back may have written its record as something else since.
    """
    outcomes: dict[str, OperationOutcome] = {}
    unsure: dict[str, str] = {}
    for operation in operations:
        known = _known(ctx, state, operation, _NOT_AGAIN)
        if isinstance(known, _Known):
            outcomes[operation.id] = known.outcome
        elif known is not None:
            unsure.update(known)
    return outcomes, unsure


def _back(operation: Operation, marks: Marks, there: Holding, nothing: str) -> OperationOutcome:
    """A person wanted it posted again, and what was posted before is there again: the newer company file was opened."""
    if there.kind == marks.kind:
        # Without its version: an object that has that of the receipt counts as we wrote it, and a person may have changed this.
        receipt = {"ListID" if there.kind in LIST_FIELDS else "TxnID": there.target_id}
        return OperationOutcome(operation.id, "posted", receipt, message=_BACK)
    found = Found("twice", {}, f"QuickBooks has it again as {there.kind} {there.target_id}", (there.target_id,))
    message = f"{found.message}; {nothing}"
    return OperationOutcome(operation.id, "held", code=found.kind, message=message, hint=probe.for_a_person(found))


def _judged(marks: Marks, sighted: Sequence[Sighting]) -> Found:
    """Whether one of these is the object, or looks like it; one with its marker and of another kind is left to a person."""
    others = [item for item in sighted if item.kind != marks.kind]
    if others:
        has = "carries its marker" if others[0].guid == marks.guid and marks.guid else "has its memo"
        known = f"QuickBooks has it as another kind of object: {others[0].kind} {others[0].target_id} {has}"
        return Found("twice", {}, known, tuple(item.target_id for item in others))
    own = [item.data for item in sighted if item.guid in {"", marks.guid}]
    found = probe.judge(marks, own)
    if found.kind == "none" and marks.kind != "Vendor":
        found = probe.strange(marks, [item.data for item in sighted])
    return found


def count(state: State, done: Mapping[str, int]) -> State:
    """Add to what the session has done."""
    if not done:
        return state
    counts = {name: state.counts.get(name, 0) + done.get(name, 0) for name in {*state.counts, *done}}
    return changed(state, counts=counts, done=state.done + sum(done.values()))


def _conclude(ctx: Context, operation: Operation, known: _Known) -> None:
    """Settle an operation without sending it; in what the object is not as the source says is told at once."""
    outcome = known.outcome
    answer = plain({"found": outcome.message, "receipt": dict(outcome.receipt)})
    ctx.desk.unsent.conclude(ctx.company, outcome, answer.encode())
    if known.there is None:
        return
    held = ctx.desk.holdings.of(ctx.company, (known.there.target_id,))
    if any(holding.written is not None and holding.written.id == operation.id for holding in held):
        data = known.there.data
        # No version: its lines were not looked at.
        seen = Seen(
            known.there.target_id, "", probe.differences(operation, data), known.there.total, known.there.dated_on
        )
        ctx.desk.holdings.seen(ctx.company, (seen,))


def _known(ctx: Context, state: State, operation: Operation, nothing: str) -> _Known | Mapping[str, str] | None:
    """The outcome of an operation that an earlier life of ours, or a person, has written already.

    A mapping of ids and kinds when it depends on what was last seen before this session. `nothing` ends what a person is
    told of one that is held.
    """
    if not operation.request.endswith("Add"):
        return None
    before = ctx.desk.holdings.before(ctx.company, operation)
    if unlooked := survey.not_looked_for(state, before):
        return unlooked
    marks = written.marks_of(operation)
    if back := [item for item in before if item.there]:
        return _Known(_back(operation, marks, back[-1], nothing))
    reference = (marks.ref_number or marks.name).casefold()
    sighted = ctx.desk.holdings.candidates(
        ctx.company, operation, reference=reference, dated_on=marks.date, memo=marks.memo
    )
    if not sighted:
        return None
    found = _judged(marks, sighted)
    told = found.kind == "hit" or (found.kind != "none" and marks.kind != "Vendor")
    if told and (unsure := survey.unsure(state, sighted)):
        return unsure
    if found.kind == "hit":
        ours = marks.kind != "Vendor" or found.receipt.get("ListID") in {i.target_id for i in sighted if i.guid}
        outcome = OperationOutcome(operation.id, "posted", found.receipt, message=_FOUND if ours else _ADOPTED)
        target_id = found.receipt.get("TxnID") or found.receipt.get("ListID")
        return _Known(outcome, next((item for item in sighted if item.target_id == target_id), None))
    if found.kind == "none" or marks.kind == "Vendor":
        # QuickBooks itself refuses a name that is taken.
        return None
    message = f"{found.message}; {nothing}"
    return _Known(
        OperationOutcome(operation.id, "held", code=found.kind, message=message, hint=probe.for_a_person(found))
    )
