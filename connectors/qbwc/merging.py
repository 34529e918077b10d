"""Modifies in a session: each is held against the object as QuickBooks shows it now, right before it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.qbwc import merge, ready
from connectors.qbwc.context import Context
from connectors.qbwc.merge import Later, Ready
from connectors.qbwc.probe import Found
from connectors.qbwc.state import Flight, State
from engine.contract import Operation, OperationOutcome
from engine.jsontext import plain
from engine.qbxml.envelope import envelope
from engine.qbxml.response import Answer

STALE = "3200"
# Each object comes with all its lines.
_MOST = 20


def ask(state: State, prefix: str, operations: Sequence[Operation]) -> tuple[State, bytes]:
    """Ask for the objects that the modifies among the next operations would change."""
    asked = ready.to_merge(state, operations)[:_MOST]
    requests = [query for n, op in enumerate(asked) for query in merge.queries(op, f"{prefix}.{n}")]
    flight = Flight("merge", prefix, asks=tuple({"merge": operation.id} for operation in asked))
    return replace(state, flight=flight), envelope(requests, version=state.version, on_error="continueOnError")


def take(ctx: Context, state: State, flight: Flight, answer: Answer) -> State | None:
    """Give each modify the bytes that may be sent, or its outcome; None when it is the answer to something else."""
    asked = {str(item["merge"]): f"{flight.prefix}.{number}" for number, item in enumerate(flight.asks)}
    if all(answer.by_request_id(name) is None for name in asked.values()):
        return None
    merged, later, done = list(state.merging.merged), list(state.merging.later), Counter[str]()
    # What was taken back meanwhile is not among the next ones any more.
    for operation in ready.next_set(ctx, state):
        if operation.id not in asked:
            continue
        response = answer.by_request_id(asked[operation.id])
        found = merge.decide(operation, response)
        if isinstance(found, Ready):
            ctx.desk.unsent.amend(ctx.company, operation.id, found.body)
            merged.append(operation.id)
        elif isinstance(found, Later):
            _leave(ctx, found.message)
            later.append(operation.id)
        else:
            shown = plain(list(response.objects) if response is not None else [])
            ctx.desk.unsent.conclude(ctx.company, found, shown.encode())
            done[found.outcome] += 1
    merging = replace(state.merging, merged=tuple(merged), later=tuple(later))
    return ready.count(replace(state, merging=merging, troubles=0), done)


def unreadable(ctx: Context, state: State, flight: Flight, text: str) -> State:
    """QuickBooks could not read the question, so these modifies wait for the next session."""
    _leave(ctx, text)
    later = (*state.merging.later, *(str(item["merge"]) for item in flight.asks))
    return replace(state, merging=replace(state.merging, later=later))


def _leave(ctx: Context, problem: str) -> None:
    message = f"a change could not be held against what is in QuickBooks now, and waits for the next session: {problem}"
    ctx.desk.sessions.note(ctx.company, "change_waits", message)


def look_again(
    asked: Sequence[Operation], found: Mapping[str, Found], answer: Answer, names: Mapping[str, Sequence[str]]
) -> Mapping[str, Found]:
    """Modifies in doubt that have run, as far as what is there now shows: it says what they were to write."""
    done: dict[str, Found] = {}
    for operation in asked:
        if found[operation.id].kind != "changed":
            continue
        now = merge.decide(operation, answer.by_request_id(names[operation.id][0]))
        if isinstance(now, OperationOutcome) and now.outcome == "posted":
            done[operation.id] = Found("hit", now.receipt)
    return done


def after_write(state: State, outcomes: Sequence[OperationOutcome]) -> tuple[State, tuple[OperationOutcome, ...]]:
    """What was sent must be merged anew before it is sent again; one that is out of date twice is left to a person."""
    merging, sent = state.merging, {outcome.operation_id for outcome in outcomes}
    stale = {outcome.operation_id for outcome in outcomes if outcome.code == STALE and outcome.outcome == "retry"}
    twice = stale & set(merging.stale)
    merging = replace(
        merging,
        merged=tuple(name for name in merging.merged if name not in sent),
        stale=tuple(dict.fromkeys((*merging.stale, *sorted(stale)))),
    )
    return replace(state, merging=merging), tuple(
        _given_up(outcome) if outcome.operation_id in twice else outcome for outcome in outcomes
    )


def _given_up(outcome: OperationOutcome) -> OperationOutcome:
    hint = (
        "somebody is working on it in QuickBooks; it is read and merged again after the vendors were read the next time"
    )
    return replace(outcome, outcome="deferred", hint=hint, waits_for=("list:Vendor",))
