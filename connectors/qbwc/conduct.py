"""Carries out one turn of a session: what to send, and what an answer changes, inside one transaction of the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime

from connectors.qbwc import gate, merging, pace, portion, probe, putback, ready, reckoning, recovery, survey
from connectors.qbwc.auth import TICKET_LENGTH
from connectors.qbwc.context import Context
from connectors.qbwc.lists import is_readable, read_page, request_page
from connectors.qbwc.state import Flight, Paging, Recovery, State, changed
from connectors.qbwc.status import com_error, com_text
from connectors.qbwc.turns import Facts, Turn, next_turn, percent_done
from engine.clock import BASE62, from_iso, iso
from engine.contract import MessageSet, Operation, OperationOutcome
from engine.dataclass import dataclass
from engine.evidence import REFUSED_FILES
from engine.jsontext import plain
from engine.qbxml.books import company_identity
from engine.qbxml.envelope import envelope, status_check
from engine.qbxml.errors import UnreadableAnswer
from engine.qbxml.response import Answer, parse_response, text_at

# Answers in one session that say nothing we can use; after that the session ends and the next one goes on.
MOST_TROUBLES = 3
DONE_TEXT = "There is nothing more to send."
_MISSED = "unanswered"
_NOT_SHOWN = (
    "QuickBooks could not show what is there already, so what it was given before is not sent again; the next update asks "
    "again."
)
_REFUSED_UNSURE = "QuickBooks refused it in a way that does not rule out that it was saved"


# --- deciding ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one look at the store found: the lists that are due, and what could be written, if it came to that.

    Of what is to be sent again: what was `seen` already, and, in `unsure`, what must be asked for before that is known.
    """

    facts: Facts
    lists: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    seen: Mapping[str, OperationOutcome] = field(default_factory=dict)
    unsure: Mapping[str, str] = field(default_factory=dict)

    @property
    def turn(self) -> Turn:
        """What comes next."""
        return next_turn(self.facts)


def look(ctx: Context, state: State) -> Outlook:
    """Look at the store; records are prepared only when nothing else comes first."""
    if state.ended or state.gate != "passed":
        return Outlook(Facts(ended=state.ended, gate=state.gate))
    unsettled = ctx.desk.operations.unsettled(ctx.company)
    lists = tuple(name for name in ctx.desk.books.due(ctx.company) if name not in state.lists_done)
    facts = Facts(
        unsettled=unsettled is not None,
        stage=_recovery(state, unsettled).stage if unsettled else "status",
        lists_due=_next_list(state, lists) is not None,
    )
    turn = next_turn(facts)
    if unsettled is not None and turn == "resend":
        return _look_before_resend(ctx, state, Outlook(facts, lists), unsettled)
    if turn != "end":
        return Outlook(facts, lists)
    waiting = ready.waiting(ctx, state)
    if survey.is_due(ctx, state, waiting.requests):
        return Outlook(Facts(survey=True), lists, waiting.requests)
    operations = ready.next_set(ctx, state, waiting.first) if waiting.first != () else ()
    facts = Facts(
        merge=bool(ready.to_merge(state, operations)),
        operations=bool(operations),
        figures=not operations and reckoning.is_due(ctx),
    )
    return Outlook(facts, lists, waiting.requests, operations)


def _look_before_resend(ctx: Context, state: State, outlook: Outlook, unsettled: MessageSet) -> Outlook:
    """What is sent again waits for the same look around as what is sent the first time."""
    halted = ready.why_not(ctx, state) is not None
    requests = () if halted else tuple(dict.fromkeys(operation.request for operation in unsettled.operations))
    facts = replace(outlook.facts, halted=halted, survey=survey.is_due(ctx, state, requests))
    outlook = replace(outlook, facts=facts, requests=requests)
    if halted or facts.survey:
        return outlook
    seen, unsure = ready.seen_already(ctx, state, unsettled.operations)
    # What could not be shown in this session says nothing: neither that it may go again, nor that it must not.
    shown = all(survey.may_be_written(state, name) for name in requests) and not survey.is_unshown(state, unsure)
    return replace(outlook, facts=replace(facts, halted=not shown), seen=seen, unsure=unsure)


def settle_known(ctx: Context, state: State) -> tuple[State, Outlook]:
    """Settle what needs nothing to be sent, so that the next turn is one that sends something."""
    outlook = look(ctx, state)
    if outlook.facts.survey:
        checked = survey.settle_check(ctx, state, outlook.requests)
        if checked is not state:
            state, outlook = checked, look(ctx, checked)
    if outlook.turn == "resend" and (outlook.seen or outlook.unsure):
        state = _seen_before_resend(ctx, state, outlook)
        return state, look(ctx, state)
    if not outlook.operations:
        return state, outlook
    concluded = ready.conclude_known(ctx, state, outlook.operations)
    settled = concluded.done != state.done
    settled = settled or concluded.survey is not state.survey or concluded.merging is not state.merging
    return concluded, look(ctx, concluded) if settled else outlook


def _seen_before_resend(ctx: Context, state: State, outlook: Outlook) -> State:
    """What was to be sent again is in QuickBooks, or may be: that settles it, or is asked for first."""
    if outlook.unsure:
        return survey.look_closer(state, outlook.unsure)
    unsettled = ctx.desk.operations.unsettled(ctx.company)
    assert unsettled is not None
    verdict = recovery.seen_as(unsettled, outlook.seen)
    if verdict.ask:
        return changed(state, recovery=verdict)
    outcomes = tuple(recovery.restored(verdict.decided))
    shown = plain([{"found": item.message, "receipt": dict(item.receipt)} for item in outcomes])
    return commit(ctx, state, unsettled, outcomes, shown)


def progress(ctx: Context, state: State, outlook: Outlook) -> int:
    """The percentage to answer with: 100 exactly when the next call would get nothing."""
    facts = outlook.facts
    if outlook.turn == "end":
        return 100
    waiting = max(ctx.desk.operations.backlog(ctx.company), int(facts.operations))
    left = waiting + len(outlook.lists) + int(facts.unsettled)
    # Work may appear while the session runs; a bar that goes back reads as a fault.
    return max(state.last_percent, percent_done(state.done, max(1, left)))


def stopped(ctx: Context, state: State, outlook: Outlook) -> State:
    """End a session that would write and may not with the reason, which the Web Connector shows."""
    if state.ended or outlook.turn != "end":
        return state
    portion.ended_well(ctx)
    why = ready.why_not(ctx, state) or (_NOT_SHOWN if outlook.facts.halted else None)
    return state if why is None or not is_waiting(ctx) else changed(state, ended=True, error=why)


def is_waiting(ctx: Context) -> bool:
    """Whether there is anything to write, also while nothing may be written."""
    if ctx.desk.operations.unsettled(ctx.company) is not None:
        return True
    return ready.has_operations(ctx.desk, ctx.company) or bool(ctx.desk.unsent.kinds(ctx.company))


def _recovery(state: State, unsettled: MessageSet) -> Recovery:
    known = state.recovery
    return known if known is not None and known.set_id == unsettled.id else Recovery(unsettled.id)


def _next_list(state: State, due: Sequence[str]) -> str | None:
    if state.paging is not None:
        return state.paging.list
    return next((name for name in due if is_readable(name)), None)


# --- sending -------------------------------------------------------------------------------------------------------


def begin(ctx: Context, state: State) -> tuple[State, bytes]:
    """Take the next turn: the state to keep, and the document to send, empty when there is nothing."""
    state, outlook = settle_known(ctx, state)
    if outlook.turn == "end":
        state = stopped(ctx, state, outlook)
        return changed(state, ended=True, error=state.error or DONE_TEXT), b""
    number = state.turn + 1
    state, body = _turn(ctx, state, f"q{number}", outlook)
    flight = changed(state.flight, at=iso(ctx.clock.now())) if state.flight is not None else None
    return changed(state, turn=number, flight=flight), body


def _turn(ctx: Context, state: State, prefix: str, outlook: Outlook) -> tuple[State, bytes]:
    turn = outlook.turn
    if turn == "identify":
        return _identify(state, prefix)
    if turn == "list":
        return _list(state, prefix, outlook.lists)
    if turn == "survey":
        return survey.ask(ctx, state, prefix, outlook.requests)
    if turn == "merge":
        return merging.ask(state, prefix, outlook.operations)
    if turn == "write":
        return _write(ctx, state, prefix, outlook.operations)
    if turn == "figures":
        return reckoning.ask(ctx, state, prefix)
    return _recover(ctx, state, prefix, turn)


def _identify(state: State, prefix: str) -> tuple[State, bytes]:
    owner = state.options.owner_id
    requests = (
        f'<HostQueryRq requestID="{prefix}.0"/>',
        f'<CompanyQueryRq requestID="{prefix}.1"><OwnerID>{owner}</OwnerID></CompanyQueryRq>',
        f'<PreferencesQueryRq requestID="{prefix}.2"/>',
    )
    version = gate.common_version((), state.spoken, state.options.qbxml_version) or state.options.qbxml_version
    body = envelope([text.encode("ascii") for text in requests], version=version, on_error="continueOnError")
    return changed(state, gate="asked", flight=Flight("identify", prefix)), body


def _list(state: State, prefix: str, due: Sequence[str]) -> tuple[State, bytes]:
    name = _next_list(state, due)
    assert name is not None
    paging = state.paging or Paging(name)
    request = request_page(name, paging.iterator_id, prefix, state.options.page_size)
    body = envelope([request], version=state.version)
    return changed(state, paging=paging, flight=Flight("list", prefix, list=name)), body


def _write(ctx: Context, state: State, prefix: str, operations: tuple[Operation, ...]) -> tuple[State, bytes]:
    if any(operation.id not in state.judged for operation in operations):
        # So many were found that this call has settled enough: the least question there is leads to the next call.
        question = f'<HostQueryRq requestID="{prefix}"/>'.encode("ascii")
        return changed(state, flight=Flight("pause", prefix)), envelope([question], version=state.version)
    cleared = ctx.desk.operations.uncleared(ctx.company)
    alone = len(operations) == 1
    set_id = _first_id(operations)
    if set_id == cleared or any(operation.sent_before for operation in operations):
        # A retry needs a new id: QuickBooks answers a known one from its memory, and equal ids are a status check.
        set_id = ctx.ids.base62(TICKET_LENGTH)
    body = envelope(
        [operation.body for operation in operations],
        version=state.version,
        on_error="stopOnError" if alone else "continueOnError",
        new_id=set_id,
        old_id=cleared,
    )
    frozen = MessageSet(set_id, body, hashlib.sha256(body).hexdigest(), operations, ticket_hash=ctx.ticket_hash)
    ctx.desk.operations.freeze(ctx.company, frozen)
    flight = Flight("write", prefix, set_id=set_id, weight=pace.weight_of(operations))
    return changed(state, recovery=None, pace=ready.current_pace(ctx, state).limit, flight=flight), body


def _first_id(operations: Sequence[Operation]) -> str:
    """The same set has the same id, also after a copy of our store was put back: then QuickBooks answers from its memory."""
    if len(operations) == 1:
        return operations[0].id
    number = int.from_bytes(hashlib.sha256("\n".join(operation.id for operation in operations).encode()).digest())
    digits = []
    for _ in range(TICKET_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits.append(BASE62[digit])
    return "".join(digits)


def _recover(ctx: Context, state: State, prefix: str, turn: Turn) -> tuple[State, bytes]:
    unsettled = ctx.desk.operations.unsettled(ctx.company)
    assert unsettled is not None
    known = _recovery(state, unsettled)
    if turn == "resend":
        # The frozen bytes, never a new rendering: QuickBooks compares them with what it may have kept.
        ctx.desk.operations.resend(ctx.company, unsettled.id, ctx.ticket_hash)
        flight = Flight("write", prefix, set_id=unsettled.id, weight=pace.weight_of(unsettled.operations))
        return changed(state, recovery=known, flight=flight), unsettled.body
    if turn == "status":
        body = status_check(unsettled.id, version=state.version)
        return changed(state, recovery=known, flight=Flight("status", prefix, set_id=unsettled.id)), body
    asked = [operation for operation in unsettled.operations if operation.id in known.ask]
    requests, _ = probe.questions(asked, prefix, ctx.clock.now())
    body = envelope(requests, version=state.version, on_error="continueOnError")
    return changed(state, recovery=known, flight=Flight("probe", prefix, set_id=unsettled.id)), body


def lost(ctx: Context, state: State, reason: str) -> State:
    """The answer that was due will not come: a write is in doubt, and a query may simply be asked again."""
    flight = state.flight
    if flight is None:
        return state
    if flight.kind == "write":
        doubt(ctx, flight.set_id, reason)
        return changed(slower(ctx, state), flight=None, recovery=None)
    if flight.kind == "identify":
        return changed(state, flight=None, gate="new")
    if flight.kind == "survey":
        return changed(survey.lost(state), flight=None)
    if flight.kind == "figures":
        return changed(reckoning.lost(state), flight=None)
    # An iterator has moved on although its page was lost, so the list starts anew.
    return changed(state, flight=None, paging=None)


def doubt(ctx: Context, set_id: str, reason: str) -> None:
    """No answer will come to the set by itself."""
    unsettled = ctx.desk.operations.unsettled(ctx.company)
    if unsettled is not None and unsettled.id == set_id and unsettled.state == "sent":
        ctx.desk.operations.doubt(ctx.company, set_id, reason)


def slower(ctx: Context, state: State) -> State:
    """After a write that nobody answered well: smaller sets, in the next session too."""
    return _paced(ctx, state, pace.after_trouble(ready.current_pace(ctx, state)))


def _paced(ctx: Context, state: State, learned: pace.Pace) -> State:
    if learned.most == 1 or learned.limit == state.pace:
        return state
    ctx.desk.sessions.remember(ctx.company, "pace", pace.remembered(learned))
    return changed(state, pace=learned.limit)


# --- receiving -----------------------------------------------------------------------------------------------------


def read(text: str) -> Answer | UnreadableAnswer:
    """What an answer says, or what is wrong with it: read before a transaction begins, in which others wait for the store."""
    try:
        return parse_response(text)
    except UnreadableAnswer as error:
        return error


def take(ctx: Context, state: State, text: str, answer: Answer | UnreadableAnswer) -> State:
    """Use the answer to what was sent."""
    flight = state.flight
    assert flight is not None
    state = changed(state, flight=None)
    if isinstance(answer, UnreadableAnswer):
        return _unusable(ctx, state, flight, str(answer))
    if flight.kind == "identify":
        return enter(ctx, state, answer)
    if flight.kind == "list":
        return _listed(ctx, state, flight, answer)
    if flight.kind == "pause" and answer.by_request_id(flight.prefix) is not None:
        return changed(state, troubles=0)
    if flight.kind == "pause":
        return _unusable(ctx, state, flight, "the answer does not belong to the query")
    if flight.kind in {"survey", "merge", "figures"}:
        readers = {"survey": survey.take, "merge": merging.take, "figures": reckoning.take}
        known = readers[flight.kind](ctx, state, flight, answer)
        if known is not None and flight.kind == "survey":
            # It is asked anew after every trouble, so its answer says nothing about what the trouble was with.
            return changed(known, troubles=state.troubles)
        return known or _unusable(ctx, state, flight, "the answer does not belong to the query")
    return _settle(ctx, state, flight, answer, text)


def enter(ctx: Context, state: State, answer: Answer) -> State:
    """Let the company file through the gate, or end the session with a text for its bookkeeper."""
    bound = ctx.desk.sessions.identity(ctx.company)
    found = company_identity(answer, owner_id=state.options.owner_id)
    verdict = gate.judge(found, state.path, bound, state.options, spoken=state.spoken, asked=state.gate == "asked")
    if verdict.bind is not None:
        verdict = gate.unless_refused(verdict, ctx.desk.sessions.recall(ctx.company, REFUSED_FILES))
    if verdict.kind == "ask":
        return changed(state, gate="new")
    if verdict.kind == "passed":
        if verdict.bind is not None:
            ctx.desk.sessions.bind(ctx.company, verdict.bind)
        _notice_period(ctx, gate.closing_date(answer))
        told = gate.told(answer)
        if told is not None:
            ctx.desk.books.told(ctx.company, told)
        sole_user = found.file_mode == "SingleUser"
        putback.noticed(ctx, verdict.version, sole_user=sole_user)
        return changed(state, gate="passed", version=verdict.version, sole_user=sole_user)
    event = "company_unconfirmed" if verdict.kind == "unconfirmed" else "company_refused"
    return refuse(ctx, state, event, verdict.reason, verdict.bind or verdict.seen)


def _notice_period(ctx: Context, closed_to: str | None) -> None:
    """Wake what waits for its period when the closing date was moved back or taken away."""
    if closed_to is None:
        return
    before = str((ctx.desk.sessions.recall(ctx.company, "closing_date") or {}).get("date", ""))
    if before and closed_to < before:
        ctx.desk.books.opened(ctx.company)
    if before != closed_to:
        ctx.desk.sessions.remember(ctx.company, "closing_date", {"date": closed_to})


def refuse(ctx: Context, state: State, event: str, reason: str, detail: Mapping[str, object] | None = None) -> State:
    """End the session before anything is written, and tell a person."""
    ctx.desk.sessions.note(ctx.company, event, reason, detail, alert=True)
    return changed(state, gate="refused", ended=True, error=reason)


def _listed(ctx: Context, state: State, flight: Flight, answer: Answer) -> State:
    response = answer.by_request_id(flight.prefix)
    if response is None:
        return _unusable(ctx, state, flight, "the answer does not belong to the query")
    page = read_page(flight.list, response)
    if page.problem:
        message = f"the list {flight.list} could not be read: {page.problem}"
        ctx.desk.sessions.note(ctx.company, "list_failed", message, {"code": response.code}, alert=True)
        return changed(state, paging=None, lists_done=(*state.lists_done, flight.list), done=state.done + 1)
    first = state.paging is None or not state.paging.iterator_id
    ctx.desk.books.store_page(ctx.company, flight.list, page.objects, first=first, last=not page.iterator_id)
    if page.iterator_id:
        return changed(state, paging=Paging(flight.list, page.iterator_id), troubles=0)
    return changed(state, paging=None, lists_done=(*state.lists_done, flight.list), done=state.done + 1, troubles=0)


def _settle(ctx: Context, state: State, flight: Flight, answer: Answer, text: str) -> State:
    unsettled = ctx.desk.operations.unsettled(ctx.company)
    if unsettled is None or unsettled.id != flight.set_id:
        message = "QuickBooks answered a message set that is settled already; the answer was not used"
        ctx.desk.sessions.note(ctx.company, "answer_late", message, {"message_set": flight.set_id}, alert=True)
        return changed(state, recovery=None)
    if flight.kind == "probe":
        return _probed(ctx, state, flight, unsettled, answer, text)
    verdict = recovery.after_answer(unsettled, answer, text)
    if isinstance(verdict, recovery.NotOurs):
        return _unusable(ctx, state, flight, verdict.reason)
    if isinstance(verdict, recovery.Settled):
        if flight.kind == "write":
            state = _timed(ctx, state, flight, clean=all(item.outcome == "posted" for item in verdict.outcomes))
        return commit(ctx, state, unsettled, verdict.outcomes, text)
    is_answered = bool(verdict.absent) and set(verdict.ask) == {item["operation_id"] for item in verdict.absent}
    if flight.kind == "write":
        state = _timed(ctx, state, flight, clean=False) if is_answered else slower(ctx, state)
    state = survey.anew(state) if verdict.absent else state
    why = _REFUSED_UNSURE if is_answered else "QuickBooks did not say what became of every request"
    doubt(ctx, unsettled.id, why)
    return changed(state, recovery=verdict)


def _timed(ctx: Context, state: State, flight: Flight, *, clean: bool) -> State:
    """Learn from how long the answer to a write took."""
    if not flight.at:
        return state
    seconds = (ctx.clock.now() - from_iso(flight.at)).total_seconds()
    return _paced(ctx, state, pace.after(ready.current_pace(ctx, state), flight.weight, seconds, clean=clean))


def _probed(ctx: Context, state: State, flight: Flight, unsettled: MessageSet, answer: Answer, text: str) -> State:
    known = _recovery(state, unsettled)
    asked = [operation for operation in unsettled.operations if operation.id in known.ask]
    _, names = probe.questions(asked, flight.prefix, ctx.clock.now())
    found = _found(ctx, asked, answer, names)
    found = {**found, **merging.look_again(asked, found, answer, names)}
    # One QuickBooks does one thing after the other; only that of another computer can still be at work on the set.
    missed_at = _missed_at(ctx, unsettled)
    verdict = recovery.after_probe(
        unsettled, known, found, ctx.clock.now(), elsewhere=not state.sole_user, missed_at=missed_at
    )
    if isinstance(verdict, recovery.NotNow):
        return _unusable(ctx, state, flight, verdict.reason)
    if isinstance(verdict, recovery.Running):
        portion.ended_well(ctx)
        if missed_at is None:
            ctx.desk.sessions.remember(ctx.company, _MISSED, {**_sending(unsettled), "at": iso(ctx.clock.now())})
        return changed(state, recovery=None, ended=True, error=verdict.reason)
    if isinstance(verdict, Recovery):
        return changed(state, recovery=verdict)
    return commit(ctx, state, unsettled, verdict.outcomes, f"{known.answer}\n{text}" if known.answer else text)


def _missed_at(ctx: Context, unsettled: MessageSet) -> datetime | None:
    """When an earlier session did not find all of what was sent; None when none has looked, or our clock went back."""
    known = dict(ctx.desk.sessions.recall(ctx.company, _MISSED) or {})
    at = known.pop("at", "")
    if known != _sending(unsettled):
        return None
    return missed if (missed := from_iso(str(at))) <= ctx.clock.now() else None


def _sending(unsettled: MessageSet) -> dict[str, str | int]:
    """What tells one sending of a set from another."""
    return {"set": unsettled.id, "attempts": unsettled.attempts}


def _found(
    ctx: Context, asked: Sequence[Operation], answer: Answer, names: Mapping[str, Sequence[str]]
) -> Mapping[str, probe.Found]:
    """What the look-ups say of each operation; one object stands for one operation alone."""
    shown = [text_at(data, "TxnID") for response in answer.responses for data in response.objects]
    others = {holding.target_id for holding in ctx.desk.holdings.of(ctx.company, [key for key in shown if key])}
    found: dict[str, probe.Found] = {}
    for operation in asked:
        item = probe.look(operation, answer, names[operation.id], others)
        found[operation.id] = item
        if item.kind == "hit":
            others.add(item.receipt.get("TxnID", ""))
    # Those that come later have won objects too, and these speak for none of the earlier ones.
    misses = [operation for operation in asked if found[operation.id].kind != "hit"]
    return {**found, **{item.id: probe.look(item, answer, names[item.id], others) for item in misses}}


def commit(
    ctx: Context, state: State, unsettled: MessageSet, outcomes: tuple[OperationOutcome, ...], text: str
) -> State:
    """Make the outcome of every operation of the set durable."""
    state, outcomes = merging.after_write(state, unsettled.operations, outcomes)
    ctx.desk.operations.settle(ctx.company, unsettled.id, outcomes, text.encode("utf-8", "replace"))
    stale = recovery.stale_lists(outcomes)
    if stale:
        ctx.desk.books.expire(ctx.company, stale)
    done: Counter[str] = Counter(outcome.outcome for outcome in outcomes)
    return changed(ready.count(state, done), recovery=None, troubles=0)


def _unusable(ctx: Context, state: State, flight: Flight, reason: str) -> State:
    """An answer in which nothing is believed: note it, and find out in another way."""
    message = f"an answer from QuickBooks was not used: {reason}"
    ctx.desk.sessions.note(
        ctx.company, "answer_rejected", message, {"turn": flight.kind, "message_set": flight.set_id}, alert=True
    )
    state = survey.anew(lost(ctx, changed(state, flight=flight, troubles=state.troubles + 1), message))
    if flight.kind == "status":
        # What QuickBooks kept cannot be had: look for the records themselves.
        unsettled = ctx.desk.operations.unsettled(ctx.company)
        if unsettled is not None:
            ids = tuple(operation.id for operation in unsettled.operations)
            state = changed(state, recovery=Recovery(unsettled.id, "probe", ask=ids))
    if flight.kind == "figures" and state.troubles > 1:
        reckoning.give_up(ctx, message)
    if state.troubles < MOST_TROUBLES:
        return state
    return changed(state, ended=True, error=f"{message[0].upper()}{message[1:]}. The next update goes on from here.")


# --- COM errors ----------------------------------------------------------------------------------------------------


def failed(ctx: Context, state: State, hresult: str, message: str) -> State:
    """QuickBooks did not process the request: it was unreadable, or QuickBooks could not work at all."""
    flight = state.flight
    assert flight is not None
    text = com_text(hresult, message)
    if com_error(hresult).recourse != "template":
        ctx.desk.sessions.note(
            ctx.company, "quickbooks_error", text, {"turn": flight.kind}, alert=com_error(hresult).recourse == "person"
        )
        return changed(lost(ctx, state, text), ended=True, error=text)
    if flight.kind == "write":
        state = slower(ctx, state)
    state = changed(state, flight=None)
    unsettled = ctx.desk.operations.unsettled(ctx.company)
    if flight.kind == "write" and unsettled is not None and unsettled.id == flight.set_id:
        verdict = recovery.refused_whole(unsettled, message)
        if isinstance(verdict, recovery.Settled):
            return changed(commit(ctx, state, unsettled, verdict.outcomes, text), single=True)
        doubt(ctx, unsettled.id, text)
        return changed(state, recovery=verdict, single=True)
    if flight.kind == "list":
        note = f"the list {flight.list} could not be read: {text}"
        ctx.desk.sessions.note(ctx.company, "list_failed", note, alert=True)
        return changed(state, paging=None, lists_done=(*state.lists_done, flight.list))
    if flight.kind == "identify":
        return refuse(ctx, state, "company_refused", text)
    if flight.kind == "survey":
        return survey.unreadable(ctx, state, flight, text)
    if flight.kind == "merge":
        return merging.unreadable(ctx, state, flight, text)
    if flight.kind == "figures":
        reckoning.give_up(ctx, text)
        return changed(state, figuring=None)
    return _unusable(ctx, state, flight, text)
