"""The look around before the first write: what was changed in QuickBooks lately, and whether what we wrote is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.qbwc import probe
from connectors.qbwc.context import Context
from connectors.qbwc.state import Flight, State, Survey
from engine.clock import from_iso, iso
from engine.contract import Json
from engine.evidence import Holding, Seen, Sighting
from engine.qbxml.envelope import envelope
from engine.qbxml.queries import LIST_FIELDS, TXN_KINDS, TxnFilter, list_query, txn_query
from engine.qbxml.response import Answer, Response, text_at

# A kind that was never looked through. What we may have written before a backup was put back is newer than this.
FIRST_LOOK = timedelta(days=60)
# How many of our own objects are looked at in one document.
IDS_A_PAGE = 20
# From the second session in a row that could not look, a person is told.
_PATIENCE = 2
# FACTS sections 5 and 6: 1 is an empty answer, 3250 a feature that is off, 500 names a missing object.
_EMPTY = frozenset({1, 3250})
_MISSING = frozenset({1, 500})


def kinds_of(requests: Sequence[str]) -> tuple[str, ...]:
    """The kinds to look through before these requests are sent; a modify reads its object right before it is sent."""
    kinds = (name.removesuffix("Add") for name in requests if name.endswith("Add"))
    return tuple(kind for kind in dict.fromkeys(kinds) if kind in TXN_KINDS or kind in LIST_FIELDS)


def is_due(ctx: Context, state: State, requests: Sequence[str]) -> bool:
    """Whether something must be asked before the next write of one of these requests, or because it is time."""
    if state.survey.iterators or _unscanned(state.survey, kinds_of(requests)):
        return True
    return _checking(ctx, state, requests)


def may_be_written(state: State, request: str) -> bool:
    """Whether the kind was looked through in this session, or need not be."""
    return all(kind in state.survey.scanned for kind in kinds_of((request,)))


def settle_check(ctx: Context, state: State, requests: Sequence[str]) -> State:
    """Close a check that has nothing left to ask."""
    survey = state.survey
    if not _checking(ctx, state, requests) or _to_check(ctx, survey):
        return state
    if not survey.brief:
        ctx.desk.holdings.checked(ctx.company)
    return replace(state, survey=replace(survey, check="done"))


def _checking(ctx: Context, state: State, requests: Sequence[str]) -> bool:
    if state.survey.check != "open":
        return False
    return bool(requests or state.survey.since) or _is_whole_check_due(ctx)


def _is_whole_check_due(ctx: Context) -> bool:
    """Once an hour; and always while nothing may be written, because the right file may be open again."""
    return ctx.desk.holdings.check_due(ctx.company) or ctx.desk.holdings.halted(ctx.company) is not None


def _unscanned(survey: Survey, kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if kind not in survey.scanned and kind not in survey.failed)


def _to_check(ctx: Context, survey: Survey) -> tuple[Holding, ...]:
    since = survey.since or iso(ctx.clock.now())
    found = ctx.desk.holdings.to_check(ctx.company, IDS_A_PAGE, since)
    return tuple(holding for holding in found if holding.kind in TXN_KINDS or holding.kind in LIST_FIELDS)


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(ctx: Context, state: State, prefix: str, requests: Sequence[str]) -> tuple[State, bytes]:
    """One document that looks through all kinds at once, and at the next of our own objects."""
    survey, now = state.survey, ctx.clock.now()
    asks: list[Mapping[str, Any]] = []
    begun = dict(survey.begun)
    for kind in dict.fromkeys((*survey.iterators, *_unscanned(survey, kinds_of(requests)))):
        begun.setdefault(kind, iso(now))
        asks.append({"scan": kind})
    survey = replace(survey, begun=begun)
    if _checking(ctx, state, requests):
        if not survey.since:
            survey = replace(survey, since=iso(now), brief=not _is_whole_check_due(ctx))
        asks += _checks(_to_check(ctx, survey))
    asks = asks[:1] if survey.alone else asks
    body = [_request(ctx, state, survey, item, f"{prefix}.{number}") for number, item in enumerate(asks)]
    flight = Flight("survey", prefix, asks=tuple(asks))
    return replace(state, survey=survey, flight=flight), envelope(
        body, version=state.version, on_error="continueOnError"
    )


def _checks(holdings: Sequence[Holding]) -> Iterator[Mapping[str, Any]]:
    by_kind: dict[str, list[str]] = {}
    for holding in holdings:
        by_kind.setdefault(holding.kind, []).append(holding.target_id)
    return ({"check": kind, "ids": ids} for kind, ids in by_kind.items())


def _request(ctx: Context, state: State, survey: Survey, item: Mapping[str, Any], request_id: str) -> bytes:
    if "check" in item:
        return _by_id(item["check"], item["ids"], request_id)
    kind = item["scan"]
    began = from_iso(survey.begun[kind])
    scanned = ctx.desk.holdings.scanned_at(ctx.company, kind)
    first = scanned - probe.CLOCK_MARGIN if scanned else began - FIRST_LOOK
    size, iterator_id = state.options.page_size, survey.iterators.get(kind, "")
    return _scan(kind, (first, began + probe.CLOCK_MARGIN), request_id, size, iterator_id)


def _scan(kind: str, modified: tuple[datetime, datetime], request_id: str, size: int, iterator_id: str) -> bytes:
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
        only=_kept(kind),
    )


def _by_id(kind: str, ids: Sequence[str], request_id: str) -> bytes:
    if kind in LIST_FIELDS:
        return list_query(kind, request_id=request_id, list_ids=ids)
    which = TxnFilter(txn_ids=tuple(ids))
    return txn_query(kind, which, request_id=request_id, lines=kind == "JournalEntry", only=_kept(kind))


def _kept(kind: str) -> tuple[str, ...]:
    """A journal entry has no amount of its own: its debits say it."""
    return (*probe.KEPT, "JournalDebitLine") if kind == "JournalEntry" else probe.KEPT


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """The objects of an answer: those that we wrote, as they are now, and all others."""

    seen: tuple[Seen, ...]
    others: tuple[Sighting, ...]


def take(ctx: Context, state: State, flight: Flight, answer: Answer) -> State | None:
    """Read the answer; None when it is the answer to something else."""
    pairs = [(item, answer.by_request_id(f"{flight.prefix}.{number}")) for number, item in enumerate(flight.asks)]
    if all(response is None for _, response in pairs):
        return None
    survey = state.survey
    for item, response in pairs:
        if "scan" in item:
            survey = _scanned(ctx, survey, item["scan"], response, state.options.page_size)
        elif survey.check == "open":
            survey = _checked(ctx, survey, item["check"], item["ids"], response)
    if survey.brief and survey.check == "open" and any("check" in item for item in flight.asks):
        survey = replace(survey, check="done")
    return replace(state, survey=survey, troubles=0)


def _scanned(ctx: Context, survey: Survey, kind: str, response: Response | None, size: int) -> Survey:
    problem = _problem(kind, response, _EMPTY)
    if response is None or problem:
        return _scan_failed(ctx, survey, kind, problem)
    iterators = {name: value for name, value in survey.iterators.items() if name != kind}
    more = response.iterator_remaining
    if (more is None and len(response.objects) >= size) or (more and not response.iterator_id):
        # The answer was cut off at the size that was asked for, and what it left out cannot be had.
        return _scan_failed(ctx, survey, kind, "QuickBooks did not say how to get the rest")
    shown = _sorted_out(ctx, kind, response.objects)
    ctx.desk.holdings.seen(ctx.company, shown.seen)
    if more:
        ctx.desk.holdings.sighted(ctx.company, kind, shown.others)
        return replace(survey, iterators={**iterators, kind: response.iterator_id})
    began = from_iso(survey.begun[kind])
    ctx.desk.holdings.sighted(ctx.company, kind, shown.others, scanned_at=began)
    _went_well(ctx, kind)
    return replace(survey, iterators=iterators, begun=_without(survey.begun, kind), scanned=(*survey.scanned, kind))


def _checked(ctx: Context, survey: Survey, kind: str, ids: Sequence[str], response: Response | None) -> Survey:
    problem = _problem(kind, response, _MISSING)
    if response is None or problem:
        return _check_failed(ctx, survey, kind, problem)
    there = {_id_of(data) for data in response.objects}
    missing = [target_id for target_id in ids if target_id not in there]
    if missing and response.code not in _MISSING:
        return _check_failed(ctx, survey, kind, "QuickBooks left out some that it was asked for")
    ctx.desk.holdings.seen(ctx.company, _sorted_out(ctx, kind, response.objects).seen)
    _went_well(ctx, "check")
    if not missing:
        return survey
    ctx.desk.holdings.missing(ctx.company, missing)
    # It may be the first of many: now everything is looked at.
    return replace(survey, brief=False)


def _sorted_out(ctx: Context, kind: str, objects: Sequence[Json]) -> _Shown:
    by_id = {target_id: data for data in objects if (target_id := _id_of(data))}
    mine = {holding.target_id: holding for holding in ctx.desk.holdings.of(ctx.company, tuple(by_id))}
    seen, others = [], []
    for target_id, data in by_id.items():
        sequence = text_at(data, "EditSequence")
        holding = mine.get(target_id)
        if holding is None:
            guid = probe.plain_guid(text_at(data, "ExternalGUID"))
            others.append(Sighting(kind, target_id, sequence, guid, data, *probe.looked_for_by(data)))
            continue
        changed = probe.differences(holding.written, data) if holding.written is not None else ()
        seen.append(Seen(target_id, sequence, changed))
    return _Shown(tuple(seen), tuple(others))


def _id_of(data: Json) -> str:
    return text_at(data, "TxnID") or text_at(data, "ListID")


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
    return replace(state, survey=replace(state.survey, iterators={}, begun={}))


def unreadable(ctx: Context, state: State, flight: Flight, text: str) -> State:
    """QuickBooks could not read the document: each query goes alone, and what is refused alone is given up."""
    survey = lost(state).survey
    if len(flight.asks) > 1:
        return replace(state, survey=replace(survey, alone=True))
    item = flight.asks[0]
    if "scan" in item:
        return replace(state, survey=_scan_failed(ctx, survey, item["scan"], text))
    return replace(state, survey=_check_failed(ctx, survey, item["check"], text))


def _scan_failed(ctx: Context, survey: Survey, kind: str, problem: str) -> Survey:
    message = (
        f"QuickBooks could not show what was changed lately ({kind}), so nothing of that kind was written in this "
        f"session: {problem}"
    )
    _went_wrong(ctx, kind, "scan_failed", message)
    return replace(
        survey,
        iterators=_without(survey.iterators, kind),
        begun=_without(survey.begun, kind),
        failed=(*survey.failed, kind),
    )


def _check_failed(ctx: Context, survey: Survey, kind: str, problem: str) -> Survey:
    message = f"QuickBooks could not say whether everything that was written is still there ({kind}): {problem}"
    _went_wrong(ctx, "check", "check_failed", message)
    return replace(survey, check="failed")


def _went_wrong(ctx: Context, what: str, event: str, message: str) -> None:
    """Note it; a person is told when it happens in one session after the other."""
    known = dict(ctx.desk.sessions.recall(ctx.company, "survey_trouble") or {})
    known[what] = int(known.get(what, 0)) + 1
    ctx.desk.sessions.remember(ctx.company, "survey_trouble", known)
    ctx.desk.sessions.note(ctx.company, event, message, {"kind": what}, alert=known[what] >= _PATIENCE)


def _went_well(ctx: Context, what: str) -> None:
    known = dict(ctx.desk.sessions.recall(ctx.company, "survey_trouble") or {})
    if known.pop(what, None) is None:
        return
    ctx.desk.sessions.remember(ctx.company, "survey_trouble", known)
    if what == "check":
        ctx.desk.sessions.over(ctx.company, "check_failed")
    elif not known.keys() - {"check"}:
        ctx.desk.sessions.over(ctx.company, "scan_failed")


def _without(mapping: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in mapping.items() if name != key}
