"""The look around before the first write: what was changed in QuickBooks lately, and whether what we wrote is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.qbwc import probe, putback, voiding
from connectors.qbwc.context import Context
from connectors.qbwc.state import Flight, Merging, State, Survey, changed
from engine.clock import from_iso, iso
from engine.contract import Json
from engine.dataclass import dataclass
from engine.evidence import Holding, Seen, Sighting, plain_guid
from engine.qbxml.envelope import envelope
from engine.qbxml.queries import LIST_FIELDS, TXN_KINDS, TxnFilter, list_query, txn_query
from engine.qbxml.response import Answer, Response, text_at

# How many of our own objects are looked at in one document.
IDS_A_PAGE = 20
# From the second session in a row that could not look, a person is told.
_PATIENCE = 2
# So many objects may be damaged; of more than these QuickBooks shows none, and to ask for each would take long.
_DAMAGED = 5
# Under this name it is kept what QuickBooks could not show.
_TROUBLE = "survey_trouble"
# How often in a session an answer that took long makes those before it be asked for again.
_LATE = 3
# FACTS sections 5 and 6: 1 is an empty answer, 3250 a feature that is off, 500 names a missing object.
_EMPTY = frozenset({1, 3250})
_MISSING = frozenset({1, 500})


def kinds_of(requests: Sequence[str]) -> tuple[str, ...]:
    """The kinds to look through before these requests are sent; a modify reads its object right before it is sent."""
    kinds = (name.removesuffix("Add") for name in requests if name.endswith("Add"))
    return tuple(kind for kind in dict.fromkeys(kinds) if kind in TXN_KINDS or kind in LIST_FIELDS)


def _wanted(ctx: Context, state: State, requests: Sequence[str]) -> tuple[str, ...]:
    """The kinds to look through before these are sent: after a restore, every kind that they might have been, once."""
    return kinds_of((*requests, *putback.unscanned(ctx, state.version))) if requests else ()


def is_due(ctx: Context, state: State, requests: Sequence[str]) -> bool:
    """Whether something must be asked before the next write of one of these requests, or because it is time."""
    if state.survey.iterators or state.survey.closer or _unscanned(state.survey, _wanted(ctx, state, requests)):
        return True
    return _checking(ctx, state, requests)


def why_not(ctx: Context, state: State) -> str | None:
    """Why nothing may be written in this session, since after a restore QuickBooks could not show all that may be there."""
    if not state.survey.failed:
        return None
    unseen = [kind for kind in kinds_of(putback.unscanned(ctx, state.version)) if kind in state.survey.failed]
    return f"{putback.unseen(unseen)} The next update asks again." if unseen else None


def is_unshown(state: State, wanted: Mapping[str, str]) -> bool:
    """Whether any of these ids was asked for in this session and could not be shown."""
    return any(target_id in state.survey.unshown for target_id in wanted)


def may_be_written(state: State, request: str) -> bool:
    """Whether the kind was looked through in this session, or need not be."""
    return all(kind in state.survey.scanned for kind in kinds_of((request,)))


def settle_check(ctx: Context, state: State, requests: Sequence[str]) -> State:
    """Begin a check that is due, and close one that has nothing left to ask."""
    if not _checking(ctx, state, requests):
        return state
    survey = state.survey
    begun = _begun(ctx, survey, checking=True)
    if _to_check(ctx, begun):
        return state if begun is survey else changed(state, survey=begun)
    if not survey.brief and (survey.answered or not survey.unchecked):
        ctx.desk.holdings.checked(ctx.company)
    return changed(state, survey=changed(survey, check="done"))


def _checking(ctx: Context, state: State, requests: Sequence[str]) -> bool:
    if state.survey.check != "open":
        return False
    return bool(requests or state.survey.since) or _is_whole_check_due(ctx)


def _is_whole_check_due(ctx: Context) -> bool:
    """Once an hour; and always while nothing may be written, because the right file may be open again."""
    return ctx.desk.holdings.check_due(ctx.company) or ctx.desk.holdings.halted(ctx.company) is not None


def _begun(ctx: Context, survey: Survey, *, checking: bool) -> Survey:
    """The look with the moment at which it began."""
    if survey.since:
        return survey
    since = ctx.desk.holdings.begin(ctx.company)
    return changed(survey, since=since, brief=checking and not _is_whole_check_due(ctx))


def _unscanned(survey: Survey, kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if kind not in survey.scanned and kind not in survey.failed)


def _to_check(ctx: Context, survey: Survey) -> tuple[Holding, ...]:
    """The next of our own objects, without those of kinds that QuickBooks cannot show in this session."""
    while found := ctx.desk.holdings.to_check(ctx.company, IDS_A_PAGE, survey.since):
        left_out = [holding.target_id for holding in found if holding.kind in survey.unchecked]
        if not left_out:
            break
        ctx.desk.holdings.pass_over(ctx.company, left_out)
    return tuple(holding for holding in found if holding.kind in TXN_KINDS or holding.kind in LIST_FIELDS)


def unsure(state: State, sightings: Sequence[Sighting]) -> Mapping[str, str]:
    """Those that were not seen in this session, with their kinds: a person may have deleted them since."""
    known = state.survey
    return {
        item.target_id: item.kind
        for item in sightings
        if item.target_id not in known.looked and not (known.since and item.seen_at >= known.since)
    }


def not_looked_for(state: State, before: Sequence[Holding]) -> Mapping[str, str]:
    """Of what the record of an operation had there before: what was not asked for in this session, with its kinds.

    A person wants it posted again; by now a newer company file may be open, which has it.
    """
    shown = [item for item in before if item.kind in TXN_KINDS or item.kind in LIST_FIELDS]
    return {item.target_id: item.kind for item in shown if item.target_id not in state.survey.looked}


def look_closer(state: State, wanted: Mapping[str, str]) -> State:
    """Ask for these ids, each with its kind, before anything else."""
    return changed(state, survey=changed(state.survey, closer={**state.survey.closer, **wanted}))


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(ctx: Context, state: State, prefix: str, requests: Sequence[str]) -> tuple[State, bytes]:
    """One document that looks through all kinds at once, and at the next of our own objects."""
    survey, now = state.survey, ctx.clock.now()
    asks: list[Mapping[str, Any]] = []
    begun = dict(survey.begun)
    for kind in dict.fromkeys((*survey.iterators, *_unscanned(survey, _wanted(ctx, state, requests)))):
        begun.setdefault(kind, iso(now))
        asks.append({"scan": kind})
    checking = _checking(ctx, state, requests)
    survey = changed(_begun(ctx, survey, checking=checking), begun=begun)
    asks += _by_kind("look", list(survey.closer.items())[:IDS_A_PAGE], survey.apart)
    if checking:
        due = [holding for holding in _to_check(ctx, survey) if holding.target_id not in survey.closer]
        asks += _by_kind("check", [(holding.target_id, holding.kind) for holding in due])
    if survey.alone:
        survey = changed(survey, cut=any("check" in item for item in asks[1:]))
        asks = asks[:1]
    body = [_request(ctx, state, survey, item, f"{prefix}.{number}") for number, item in enumerate(asks)]
    flight = Flight("survey", prefix, asks=tuple(asks))
    return changed(state, survey=survey, flight=flight), envelope(
        body, version=state.version, on_error="continueOnError"
    )


def _by_kind(name: str, wanted: Sequence[tuple[str, str]], apart: Sequence[str] = ()) -> Iterator[Mapping[str, Any]]:
    """A question for the ids of each kind, and one for each of those `apart`; `wanted` are pairs of id and kind."""
    groups: dict[tuple[str, str], list[str]] = {}
    for target_id, kind in wanted:
        groups.setdefault((kind, target_id if target_id in apart else ""), []).append(target_id)
    return ({name: kind, "ids": ids} for (kind, _), ids in groups.items())


def _request(ctx: Context, state: State, survey: Survey, item: Mapping[str, Any], request_id: str) -> bytes:
    if "scan" not in item:
        return _by_id(item.get("check") or item["look"], item["ids"], request_id)
    kind = item["scan"]
    began = from_iso(survey.begun[kind])
    scanned = ctx.desk.holdings.scanned_at(ctx.company, kind)
    # Our clock may have been ahead when it was looked through before.
    first = min(scanned, began) - probe.CLOCK_MARGIN if scanned else began - probe.FIRST_LOOK
    made_at = putback.made_at(ctx, scanned)
    if made_at is not None:
        first = min(first, made_at - probe.CLOCK_MARGIN)
    return _scan(kind, first, request_id, state.options.page_size, survey.iterators.get(kind, ""))


def _scan(kind: str, first: datetime, request_id: str, size: int, iterator_id: str) -> bytes:
    """Everything changed since then, without an end: the workstation's clock may be ahead of ours by any amount."""
    modified = (first, None)
    if kind in LIST_FIELDS:
        return list_query(
            kind,
            request_id=request_id,
            iterator="Continue" if iterator_id else "Start",
            iterator_id=iterator_id,
            max_returned=size,
            modified=modified,
        )
    return txn_query(
        kind,
        TxnFilter(modified=modified, max_returned=size),
        request_id=request_id,
        lines=kind == "JournalEntry",
        iterator="Continue" if iterator_id else "Start",
        iterator_id=iterator_id,
        only=probe.kept_of(kind),
    )


def _by_id(kind: str, ids: Sequence[str], request_id: str) -> bytes:
    """These objects, with the lines that a person may have coded anew."""
    if kind in LIST_FIELDS:
        return list_query(kind, request_id=request_id, list_ids=ids)
    which, rows = TxnFilter(txn_ids=tuple(ids)), probe.LINED.get(kind, ())
    return txn_query(kind, which, request_id=request_id, lines=bool(rows), only=(*probe.KEPT, *rows))


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """The objects of an answer: those that we wrote, as they are now, and all others.

    `unread` are ids of those that we wrote and somebody has touched since they were last seen, shown without their lines.
    """

    seen: tuple[Seen, ...]
    others: tuple[Sighting, ...]
    unread: tuple[str, ...] = ()


def take(ctx: Context, state: State, flight: Flight, answer: Answer) -> State | None:
    """Read the answer; None when it is the answer to something else."""
    pairs = [(item, answer.by_request_id(f"{flight.prefix}.{number}")) for number, item in enumerate(flight.asks)]
    if all(response is None for _, response in pairs):
        return None
    survey = state.survey
    for item, response in pairs:
        if "scan" in item:
            survey = _scanned(ctx, survey, item["scan"], response, state.options.page_size)
        elif "look" in item:
            survey = _looked(ctx, survey, item["look"], item["ids"], response)
        elif survey.check == "open":
            survey = _checked(ctx, survey, item["check"], item["ids"], response)
    asked = any("check" in item for item in flight.asks)
    if survey.brief and survey.check == "open" and asked and not survey.cut:
        survey = changed(survey, check="done")
    judged = () if set(state.survey.scanned) - set(survey.scanned) else state.judged
    return changed(state, survey=survey, troubles=0, judged=judged)


def _scanned(ctx: Context, survey: Survey, kind: str, response: Response | None, size: int) -> Survey:
    problem = _problem(kind, response, _EMPTY)
    if response is None or problem:
        return _scan_failed(ctx, survey, kind, problem)
    iterators = {name: value for name, value in survey.iterators.items() if name != kind}
    more = response.iterator_remaining
    if (more is None and len(response.objects) >= size) or (more and not response.iterator_id):
        # The answer was cut off at the size that was asked for, and what it left out cannot be had.
        return _scan_failed(ctx, survey, kind, "QuickBooks did not say how to get the rest")
    shown = _sorted_out(ctx, kind, response.objects, whole=False)
    ctx.desk.holdings.seen(ctx.company, shown.seen)
    survey = changed(survey, closer={**survey.closer, **dict.fromkeys(shown.unread, kind)})
    if more:
        ctx.desk.holdings.sighted(ctx.company, kind, shown.others)
        return changed(survey, iterators={**iterators, kind: response.iterator_id})
    began = from_iso(survey.begun[kind])
    ctx.desk.holdings.sighted(ctx.company, kind, shown.others, scanned_at=began)
    _went_well(ctx, survey, kind)
    # What carries the marker of a record, and was not among those: it is asked for before it says anything.
    marked = {item.target_id: item.kind for item in ctx.desk.holdings.unverified(ctx.company, survey.since)}
    closer = {**survey.closer, **{key: found for key, found in marked.items() if key not in survey.looked}}
    scanned = (*survey.scanned, kind)
    return changed(survey, iterators=iterators, begun=_without(survey.begun, kind), scanned=scanned, closer=closer)


def _looked(ctx: Context, survey: Survey, kind: str, ids: Sequence[str], response: Response | None) -> Survey:
    """What is to say something about what we wrote or would write, as it is now."""
    problem, missing = _by_id_problem(kind, ids, response)
    if response is None or problem:
        return _look_failed(ctx, survey, kind, ids, problem)
    shown = _sorted_out(ctx, kind, response.objects, whole=True)
    ctx.desk.holdings.seen(ctx.company, shown.seen)
    ours = [holding.target_id for holding in ctx.desk.holdings.of(ctx.company, missing)]
    survey = _missed(ctx, survey, ours)
    ctx.desk.holdings.verified(ctx.company, shown.others, [key for key in missing if key not in ours], survey.since)
    _went_well(ctx, survey, f"look:{kind}", ids)
    return changed(survey, closer=_without(survey.closer, *ids), looked=(*survey.looked, *ids))


def _checked(ctx: Context, survey: Survey, kind: str, ids: Sequence[str], response: Response | None) -> Survey:
    problem, missing = _by_id_problem(kind, ids, response)
    if response is None or problem:
        return _check_failed(ctx, survey, kind, ids, problem)
    ctx.desk.holdings.seen(ctx.company, _sorted_out(ctx, kind, response.objects, whole=True).seen)
    if kind not in survey.unchecked:
        _went_well(ctx, survey, f"check:{kind}", ids)
    survey = changed(survey, answered=True, closer=_without(survey.closer, *ids))
    return _missed(ctx, survey, missing)


def _missed(ctx: Context, survey: Survey, missing: Sequence[str]) -> Survey:
    """Those of ours that are not there; what was there may be the first of many, and then everything is looked at."""
    if not missing:
        return survey
    brief = survey.brief and not any(holding.there for holding in ctx.desk.holdings.of(ctx.company, missing))
    before = _scanned_at(ctx, survey)
    ctx.desk.holdings.missing(ctx.company, missing)
    survey = changed(survey, brief=brief)
    after = _scanned_at(ctx, survey)
    again = [kind for kind, at in before.items() if at is not None and ((now := after[kind]) is None or now < at)]
    if not again:
        return survey
    # The newest is missing: what was looked through, or is under way, is looked through again, from further back.
    scanned = tuple(kind for kind in survey.scanned if kind not in again)
    iterators, begun = _without(survey.iterators, *again), _without(survey.begun, *again)
    return changed(survey, scanned=scanned, iterators=iterators, begun=begun)


def _scanned_at(ctx: Context, survey: Survey) -> Mapping[str, datetime | None]:
    """When each kind that is or was looked through in this session was looked through last."""
    kinds = dict.fromkeys((*survey.scanned, *survey.iterators))
    return {kind: ctx.desk.holdings.scanned_at(ctx.company, kind) for kind in kinds}


def _by_id_problem(kind: str, ids: Sequence[str], response: Response | None) -> tuple[str, list[str]]:
    """Why an answer about ids says nothing, and those of them that it says are missing."""
    problem = _problem(kind, response, _MISSING)
    if response is None or problem:
        return problem, []
    there = {probe.id_of(data) for data in response.objects}
    missing = [target_id for target_id in ids if target_id not in there]
    if missing and response.code not in _MISSING:
        return "QuickBooks left out some that it was asked for", []
    return "", missing


def _sorted_out(ctx: Context, kind: str, objects: Sequence[Json], *, whole: bool) -> _Shown:
    by_id = {target_id: data for data in objects if (target_id := probe.id_of(data))}
    mine = {holding.target_id: holding for holding in ctx.desk.holdings.of(ctx.company, tuple(by_id))}
    seen, others, unread = [], [], []
    for target_id, data in by_id.items():
        sequence = text_at(data, "EditSequence")
        holding = mine.get(target_id)
        if holding is None:
            guid = plain_guid(text_at(data, "ExternalGUID"))
            by, memo = probe.looked_for_by(data), probe.memo_there(data)
            shown = {**data, "voided": "true"} if voiding.is_void(data) else data
            others.append(Sighting(kind, target_id, sequence, guid, shown, *by, probe.total_there(data), memo=memo))
            continue
        if not whole and kind in probe.LINED and holding.written is not None:
            # Whether its lines are still as we wrote them is seen by its id alone; what nobody has touched is as it was.
            if not holding.there or sequence != holding.edit_sequence:
                unread.append(target_id)
            continue
        changed = probe.differences(holding.written, data) if holding.written is not None else ()
        seen.append(Seen(target_id, sequence, changed, probe.total_there(data), text_at(data, "TxnDate")))
    return _Shown(tuple(seen), tuple(others), tuple(unread))


def _problem(kind: str, response: Response | None, harmless: frozenset[int]) -> str:
    if response is None:
        return "QuickBooks left the query unanswered"
    if response.name != f"{kind}QueryRs":
        return f"QuickBooks answered with {response.name[:60]}"
    if response.code != 0 and response.code not in harmless:
        return f"{response.code}: {response.message}"
    return ""


# --- when it fails ---------------------------------------------------------------------------------------------------


def lost(state: State) -> State:
    """The answer will not come. An iterator has moved on although its page was lost, so every scan starts anew."""
    return changed(state, survey=changed(state.survey, iterators={}, begun={}))


def anew(state: State) -> State:
    """What was looked through counts only while one call follows the other.

    A copy of our store may have been put back under a session, and since the copy was made the session may have written:
    also what it was about to send again.
    """
    return found_late(looked_for_anew(state))


def looked_for_anew(state: State) -> State:
    """What was not there when it was looked for, and so was to be sent again, is looked for once more."""
    known = state.recovery
    if known is None or known.stage != "resend":
        return state
    return changed(state, recovery=changed(known, stage="probe"))


def found_late(state: State) -> State:
    """The answer to what was looked for by name took long: it counts, where every look takes long, and nothing before it."""
    fresh = changed(state.survey, iterators={}, begun={}, scanned=(), looked=())
    return changed(state, survey=fresh, judged=(), merging=_apart(state))


def late(state: State, flight: Flight) -> State:
    """An answer to a look took long: what was looked through before it is looked through again, but not without an end.

    What the answer itself shows counts: where every look takes long, there would be no other.
    """
    survey = state.survey
    if survey.late >= _LATE:
        return state
    scans = {item["scan"] for item in flight.asks if "scan" in item}
    ids = {target_id for item in flight.asks if "look" in item for target_id in item["ids"]}
    scanned = tuple(kind for kind in survey.scanned if kind in scans)
    looked = tuple(target_id for target_id in survey.looked if target_id in ids)
    again = looked_for_anew(state)
    if (scanned, looked) == (survey.scanned, survey.looked) and again is state:
        return state
    fresh = changed(survey, scanned=scanned, looked=looked, late=survey.late + 1)
    return changed(again, survey=fresh, judged=(), merging=_apart(state))


def _apart(state: State) -> Merging:
    """What is looked through again may show a change's object anew: what it was held against is not the newest then."""
    return changed(state.merging, merged=(), clean=())


def merged_late(state: State) -> State:
    """The object of a change was shown late: what was looked through before is looked through again, but not without an end.

    Where every answer takes long, a void that must be held against its object right before it is sent would never be sent.
    """
    if state.survey.late >= _LATE:
        return state
    fresh = anew(state)
    return changed(fresh, survey=changed(fresh.survey, late=state.survey.late + 1))


def unreadable(ctx: Context, state: State, flight: Flight, text: str) -> State:
    """QuickBooks could not read the document: each query goes alone, and what is refused alone is given up."""
    survey = lost(state).survey
    if len(flight.asks) > 1:
        return changed(state, survey=changed(survey, alone=True))
    item = flight.asks[0]
    if "scan" in item:
        return changed(state, survey=_scan_failed(ctx, survey, item["scan"], text))
    if "look" in item:
        return changed(state, survey=_look_failed(ctx, survey, item["look"], item["ids"], text))
    survey = _check_failed(ctx, survey, item["check"], item["ids"], text)
    return changed(state, survey=changed(survey, check="open" if survey.cut or not survey.brief else "done"))


def _scan_failed(ctx: Context, survey: Survey, kind: str, problem: str) -> Survey:
    message = (
        f"QuickBooks could not show what was changed lately ({kind}), so nothing of that kind was written in this "
        f"session: {problem}"
    )
    if kind in kinds_of(putback.unscanned(ctx, "")):
        message = f"QuickBooks could not show what was changed lately ({kind}): {problem}. {putback.unseen([kind])}"
    _went_wrong(ctx, survey, kind, "scan_failed", message)
    return _not_written(survey, kind)


def _not_written(survey: Survey, kind: str) -> Survey:
    return changed(
        survey,
        iterators=_without(survey.iterators, kind),
        begun=_without(survey.begun, kind),
        scanned=tuple(name for name in survey.scanned if name != kind),
        failed=(*survey.failed, kind),
    )


def _look_failed(ctx: Context, survey: Survey, kind: str, ids: Sequence[str], problem: str) -> Survey:
    if len(ids) > 1 and kind not in survey.failed:
        # One damaged object makes QuickBooks refuse its neighbours as well.
        return changed(survey, apart=(*survey.apart, *ids))
    survey = changed(survey, closer=_without(survey.closer, *ids), unshown=(*survey.unshown, *ids))
    ours = [holding.target_id for holding in ctx.desk.holdings.of(ctx.company, ids)]
    # What is to be posted again must not be, before it is known whether it is back: `unshown` keeps it, of whatever kind.
    sought = any(not holding.there for holding in ctx.desk.holdings.of(ctx.company, ours))
    if sought:
        ctx.desk.holdings.pass_over(ctx.company, ours)
    elif ours:
        survey = _check_failed(ctx, survey, kind, ours, problem)
    if not sought and (len(ours) == len(ids) or kind in survey.failed):
        return survey
    several = len(survey.unshown) > _DAMAGED
    also = "nothing of that kind, and " if several else ""
    unshown = _all_unshown(ctx, survey, f"look:{kind}", ids)
    named = ", ".join(unshown[:_DAMAGED]) + (f" and {more} more" if (more := len(unshown) - _DAMAGED) > 0 else "")
    message = (
        f"QuickBooks could not say whether what was seen there before is still there ({kind} {named}), so {also}"
        f"nothing that may be {'one of these' if len(unshown) > 1 else 'the same'} was written in this session: {problem}"
    )
    _went_wrong(ctx, survey, f"look:{kind}", "scan_failed", message, ids)
    return _not_written(survey, kind) if several else survey


def _check_failed(ctx: Context, survey: Survey, kind: str, ids: Sequence[str], problem: str) -> Survey:
    """Those of this kind are left out of this look, and it goes on with the others."""
    ctx.desk.holdings.pass_over(ctx.company, ids)
    if kind in survey.unchecked:
        return survey
    message = f"QuickBooks could not say whether everything that was written is still there ({kind}): {problem}"
    _went_wrong(ctx, survey, f"check:{kind}", "check_failed", message, ids)
    return changed(survey, unchecked=(*survey.unchecked, kind))


def _went_wrong(ctx: Context, survey: Survey, what: str, event: str, message: str, ids: Sequence[str] = ()) -> None:
    """Note it; a person is told when it happens in one look after the other. `ids` are those that could not be shown."""
    known = _troubles(ctx)
    before = known.get(what, {})
    times = int(before.get("times", 0)) + (before.get("look") != survey.since)
    unshown = _all_unshown(ctx, survey, what, ids)
    known[what] = {"times": times, "look": survey.since, "ids": unshown[:IDS_A_PAGE]}
    ctx.desk.sessions.remember(ctx.company, _TROUBLE, known)
    ctx.desk.sessions.note(ctx.company, event, message, {"kind": what}, alert=times >= _PATIENCE)


def _all_unshown(ctx: Context, survey: Survey, what: str, ids: Sequence[str]) -> list[str]:
    """These, with those that could not be shown before in this look."""
    before = _troubles(ctx).get(what, {})
    return list(dict.fromkeys((*(before["ids"] if before.get("look") == survey.since else ()), *ids)))


def _went_well(ctx: Context, survey: Survey, what: str, ids: Sequence[str] = ()) -> None:
    """It is over. That others than those of before could be shown says so only where these were not asked for any more."""
    known = _troubles(ctx)
    trouble = known.get(what)
    if trouble is None:
        return
    if left := [target_id for target_id in trouble["ids"] if target_id not in ids]:
        since = trouble.get("well", survey.since)
        if len(left) < len(trouble["ids"]) or survey.since in (trouble["look"], since):
            known[what] = {**trouble, "ids": left, "well": since}
            ctx.desk.sessions.remember(ctx.company, _TROUBLE, known)
            return
    del known[what]
    ctx.desk.sessions.remember(ctx.company, _TROUBLE, known)
    checks = {name for name in known if name.startswith("check:")}
    if what.startswith("check:"):
        if not checks:
            ctx.desk.sessions.over(ctx.company, "check_failed")
    elif not known.keys() - checks:
        ctx.desk.sessions.over(ctx.company, "scan_failed")


def _troubles(ctx: Context) -> dict[str, dict[str, Any]]:
    """What went wrong in looks one after the other; a number alone is what versions before this one kept."""
    kept = ctx.desk.sessions.recall(ctx.company, _TROUBLE) or {}
    return {
        what: dict(known) if isinstance(known, Mapping) else {"times": known, "look": "", "ids": []}
        for what, known in kept.items()
    }


def _without(mapping: Mapping[str, str], *keys: str) -> dict[str, str]:
    return {name: value for name, value in mapping.items() if name not in keys}
