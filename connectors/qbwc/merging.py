"""Modifies and voids in a session: each is held against the object as QuickBooks shows it now, right before it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.qbwc import merge, ready, voiding, written
from connectors.qbwc.context import Context
from connectors.qbwc.merge import Later, Ready
from connectors.qbwc.probe import Found
from connectors.qbwc.state import Flight, State, changed
from engine.contract import Operation, OperationOutcome
from engine.jsontext import plain
from engine.qbxml.envelope import envelope
from engine.qbxml.response import Answer, Response

STALE = "3200"
# Each object comes with all its lines.
_MOST = 20
# From the second session in a row that could not look, a person is told; after so many the change is left to a person.
_PATIENCE, _MOST_SESSIONS = 2, 5
# Of those that had to wait, the ones that still wait are among the next.
_BEHIND = 200
_TROUBLE = "change_trouble"
_WAITS = "change_waits"


def _queries(operation: Operation, prefix: str) -> tuple[bytes, ...]:
    return voiding.queries(operation, prefix) if operation.request == written.VOID else merge.queries(operation, prefix)


def _decide(operation: Operation, response: Response | None) -> Ready | OperationOutcome | Later:
    if operation.request == written.VOID:
        return voiding.decide(operation, response)
    return merge.decide(operation, response)


def ask(state: State, prefix: str, operations: Sequence[Operation]) -> tuple[State, bytes]:
    """Ask for the objects that the modifies among the next operations would change."""
    asked = ready.to_merge(state, operations)[: 1 if state.merging.alone else _MOST]
    requests = [query for n, op in enumerate(asked) for query in _queries(op, f"{prefix}.{n}")]
    flight = Flight("merge", prefix, asks=tuple({"merge": operation.id} for operation in asked))
    return changed(state, flight=flight), envelope(requests, version=state.version, on_error="continueOnError")


def take(ctx: Context, state: State, flight: Flight, answer: Answer) -> State | None:
    """Give each modify the bytes that may be sent, or its outcome; None when it is the answer to something else."""
    asked = {str(item["merge"]): f"{flight.prefix}.{number}" for number, item in enumerate(flight.asks)}
    if all(answer.by_request_id(name) is None for name in asked.values()):
        return None
    merged, clean, done = list(state.merging.merged), list(state.merging.clean), Counter[str]()
    unseen: list[tuple[Operation, str]] = []
    seen = []
    # What was taken back meanwhile is not among the next ones any more.
    for operation in ready.next_set(ctx, state):
        if operation.id not in asked:
            continue
        response = answer.by_request_id(asked[operation.id])
        found = _decide(operation, response)
        if isinstance(found, Ready):
            if found.body != operation.body:
                ctx.desk.unsent.amend(ctx.company, operation.id, found.body)
            merged.append(operation.id)
            clean += [operation.id] if found.clean else []
        elif isinstance(found, Later):
            unseen.append((operation, found.message))
            continue
        else:
            shown = plain(list(response.objects) if response is not None else [])
            ctx.desk.unsent.conclude(ctx.company, found, shown.encode())
            done[found.outcome] += 1
        seen.append(operation.id)
    names, untouched = tuple(dict.fromkeys(merged)), tuple(dict.fromkeys(clean))
    merging = changed(state.merging, merged=names, clean=untouched, turn=state.turn)
    state = changed(state, merging=merging, troubles=0)
    return _leave(ctx, ready.count(state, done), unseen, seen)


def unreadable(ctx: Context, state: State, flight: Flight, text: str) -> State:
    """QuickBooks could not read the question: each is asked for alone, and what cannot be read alone waits."""
    if len(flight.asks) > 1:
        return changed(state, merging=changed(state.merging, alone=True))
    asked = {str(item["merge"]) for item in flight.asks}
    unseen = [(operation, text) for operation in ready.next_set(ctx, state) if operation.id in asked]
    return _leave(ctx, state, unseen, ())


def _leave(ctx: Context, state: State, unseen: Sequence[tuple[Operation, str]], seen: Sequence[str]) -> State:
    """Let those that could not be looked at wait for the next session, which does not go on for ever."""
    before = dict(ctx.desk.sessions.recall(ctx.company, _TROUBLE) or {})
    known, done = {name: count for name, count in before.items() if name not in seen}, Counter[str]()
    for operation, problem in unseen:
        count = known[operation.id] = int(known.get(operation.id, 0)) + 1
        if count >= _MOST_SESSIONS:
            outcome = merge.not_shown(operation, problem)
            ctx.desk.unsent.conclude(ctx.company, outcome, b"[]")
            done[outcome.outcome] += 1
            del known[operation.id]
            continue
        message = (
            f"a change could not be held against what is in QuickBooks now, and waits for the next session: {problem}"
        )
        ctx.desk.sessions.note(ctx.company, _WAITS, message, alert=count >= _PATIENCE)
    later = (*state.merging.later, *(operation.id for operation, _ in unseen if operation.id in known))
    if known:
        # What was taken back meanwhile is waited for by nobody.
        waiting = {operation.id for operation in ctx.desk.operations.next(ctx.company, _BEHIND)}
        known = {name: count for name, count in known.items() if name in waiting}
    if known != before:
        ctx.desk.sessions.remember(ctx.company, _TROUBLE, known)
        if not known:
            ctx.desk.sessions.over(ctx.company, _WAITS)
    return ready.count(changed(state, merging=changed(state.merging, later=later)), done)


def look_again(
    asked: Sequence[Operation], found: Mapping[str, Found], answer: Answer, names: Mapping[str, Sequence[str]]
) -> Mapping[str, Found]:
    """Modifies in doubt that have run, as far as what is there now shows: it says what they were to write, or a part.

    Of a void, what is there says as well that it has not run: no version speaks for one, so that it looks changed.
    """
    done: dict[str, Found] = {}
    for operation in asked:
        if found[operation.id].kind != "changed":
            continue
        response = answer.by_request_id(names[operation.id][0])
        now = _decide(operation, response)
        if isinstance(now, OperationOutcome) and now.outcome == "posted":
            done[operation.id] = Found("hit", now.receipt)
        elif operation.request == written.VOID:
            if isinstance(now, Ready):
                done[operation.id] = Found("none", {})
        elif (receipt := merge.has_run(operation, response)) is not None:
            done[operation.id] = Found("hit", receipt)
    return done


def after_write(
    state: State, operations: Sequence[Operation], outcomes: Sequence[OperationOutcome]
) -> tuple[State, tuple[OperationOutcome, ...]]:
    """What was sent must be merged anew before it is sent again; one that is out of date twice is left to a person.

    The version that a modify has made is kept only when nothing of what is there is another's: see `merge.is_known`.
    """
    merging, sent = state.merging, {outcome.operation_id for outcome in outcomes}
    mixed = {
        operation.id
        for operation in operations
        if operation.request.endswith("Mod") and operation.id not in merging.clean and not merge.is_for_known(operation)
    }
    outcomes = [_without_version(item) if item.operation_id in mixed else item for item in outcomes]
    stale = {outcome.operation_id for outcome in outcomes if outcome.code == STALE and outcome.outcome == "retry"}
    twice = stale & set(merging.stale)
    merging = changed(
        merging,
        merged=tuple(name for name in merging.merged if name not in sent),
        clean=tuple(name for name in merging.clean if name not in sent),
        stale=tuple(dict.fromkeys((*merging.stale, *sorted(stale)))),
    )
    return changed(state, merging=merging), tuple(
        _given_up(outcome) if outcome.operation_id in twice else outcome for outcome in outcomes
    )


def _without_version(outcome: OperationOutcome) -> OperationOutcome:
    """Also in place of an earlier version, which a backup that is put back may have again."""
    return replace(outcome, receipt={**outcome.receipt, "EditSequence": ""}) if outcome.receipt else outcome


def _given_up(outcome: OperationOutcome) -> OperationOutcome:
    hint = (
        "somebody is working on it in QuickBooks; it is read and merged again after the vendors were read the next time"
    )
    return replace(outcome, outcome="deferred", hint=hint, waits_for=("list:Vendor",))
