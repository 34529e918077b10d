"""Tells what QuickBooks holds of a span of days, page by page, after everything that had to be written."""

from __future__ import annotations

from connectors.qbwc import figures
from connectors.qbwc.context import Context
from connectors.qbwc.state import Figuring, Flight, State, changed
from engine.evidence import Span
from engine.qbxml.envelope import envelope
from engine.qbxml.queries import TXN_KINDS
from engine.qbxml.response import Answer


def is_due(ctx: Context) -> bool:
    """Whether somebody has asked for a comparison of both sides."""
    span = ctx.desk.reconciling.wanted(ctx.company)
    if span is not None and not _left(span, Figuring(span.id)):
        # Nothing that was written has money: told as soon as it was asked for.
        ctx.desk.reconciling.finish(ctx.company, span.id)
        return False
    return span is not None


def ask(ctx: Context, state: State, prefix: str) -> tuple[State, bytes]:
    """The next page of the next kind."""
    span = ctx.desk.reconciling.wanted(ctx.company)
    assert span is not None
    known = _known(state, span)
    kind = _left(span, known)[0]
    request = figures.request(kind, span, prefix, known.iterator_id, state.options.page_size)
    flight = Flight("figures", prefix, list=kind)
    return changed(state, figuring=known, flight=flight), envelope([request], version=state.version)


def take(ctx: Context, state: State, flight: Flight, answer: Answer) -> State | None:
    """Read the answer; None when it is the answer to something else."""
    response = answer.by_request_id(flight.prefix)
    if response is None:
        return None
    span = ctx.desk.reconciling.wanted(ctx.company)
    known = state.figuring
    if span is None or known is None or known.span != span.id:
        # Another span was asked for meanwhile; it begins with its own first page.
        return changed(state, figuring=None)
    page = figures.read(flight.list, response, state.options.page_size)
    ctx.desk.reconciling.store(ctx.company, span.id, page.figures)
    if page.iterator_id:
        return changed(state, figuring=changed(known, iterator_id=page.iterator_id), troubles=0)
    problems = (*known.problems, f"{flight.list}: {page.problem}") if page.problem else known.problems
    known = changed(known, told=(*known.told, flight.list), iterator_id="", problems=problems)
    if _left(span, known):
        return changed(state, figuring=known, troubles=0)
    ctx.desk.reconciling.finish(ctx.company, span.id, "; ".join(problems))
    return changed(state, figuring=None, done=state.done + 1, troubles=0)


def lost(state: State) -> State:
    """The page will not come, and the iterator has moved on: the kind is told anew."""
    return changed(state, figuring=changed(state.figuring, iterator_id="")) if state.figuring else state


def give_up(ctx: Context, problem: str) -> None:
    """QuickBooks cannot tell it; whoever has asked reads why."""
    span = ctx.desk.reconciling.wanted(ctx.company)
    if span is not None:
        ctx.desk.reconciling.finish(ctx.company, span.id, problem)


def _known(state: State, span: Span) -> Figuring:
    known = state.figuring
    return known if known is not None and known.span == span.id else Figuring(span.id)


def _left(span: Span, known: Figuring) -> list[str]:
    return [kind for kind in span.kinds if kind in TXN_KINDS and kind not in known.told]
