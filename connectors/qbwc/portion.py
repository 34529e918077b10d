"""How many objects are asked for at once: fewer after a page that did not get through to us, and slowly more again.

The Web Connector brings a whole page in one call. Where its line is slow, or the page larger than a call may be, the call
never arrives here: QuickBooks is only asked the same again. So what stayed unanswered is asked for in smaller pages, and when
that has not helped in the session after, a person is told.
"""

from __future__ import annotations

from datetime import timedelta

from connectors.qbwc.context import Context
from connectors.qbwc.lists import is_paged
from connectors.qbwc.state import Flight, State, changed
from engine.clock import from_iso, iso

# However slow the line, so many objects get through: a single one may have hundreds of lines, a list's has none.
_LEAST = 10
# After so long without a page that was lost, pages are twice as large.
_GROWS = timedelta(days=7)
# From the second session in a row whose page did not get through, a person is told.
_PATIENCE = 2
_FACT = "portion"
EVENT = "page_unanswered"


def begin(ctx: Context, state: State) -> State:
    """The session with pages as large as have got through lately."""
    known = ctx.desk.sessions.recall(ctx.company, _FACT)
    if not known or "size" not in known:
        return state
    weeks = max(0, (ctx.clock.now() - from_iso(known["at"])) // _GROWS)
    # In ten weeks ten objects are more than anybody may set.
    return _sized(state, int(known["size"]) << min(weeks, 10))


def unanswered(ctx: Context, state: State) -> State:
    """The session with smaller pages, and the next ones too, when it was a page that stayed unanswered."""
    flight, size = state.flight, state.options.page_size
    if flight is None or not _is_paged(flight) or size <= _LEAST:
        return state
    smaller = max(_LEAST, size // 2)
    known = ctx.desk.sessions.recall(ctx.company, _FACT) or {}
    ctx.desk.sessions.remember(ctx.company, _FACT, {**known, "size": smaller, "at": iso(ctx.clock.now())})
    return _sized(state, smaller)


def given_up(ctx: Context, state: State) -> None:
    """A session is over, and what it asked for last stayed unanswered."""
    flight = state.flight
    if flight is None or flight.kind not in {"list", "survey", "figures", "probe", "merge"}:
        return
    size = unanswered(ctx, state).options.page_size
    known = ctx.desk.sessions.recall(ctx.company, _FACT) or {}
    missed = int(known.get("missed", 0)) + 1
    ctx.desk.sessions.remember(ctx.company, _FACT, {**known, "missed": missed})
    ctx.desk.sessions.note(
        ctx.company, EVENT, _text(flight, missed, size), {"turn": flight.kind}, alert=missed >= _PATIENCE
    )


def ended_well(ctx: Context) -> None:
    """A session came to its end, or to where it may not go on: everything that it asked for has got through."""
    known = ctx.desk.sessions.recall(ctx.company, _FACT)
    if known and known.get("missed"):
        ctx.desk.sessions.remember(ctx.company, _FACT, {**known, "missed": 0})
        ctx.desk.sessions.over(ctx.company, EVENT)


def _sized(state: State, size: int) -> State:
    size = min(size, state.options.page_size)
    return state if size == state.options.page_size else changed(state, options=changed(state.options, page_size=size))


def _is_paged(flight: Flight) -> bool:
    if flight.kind == "survey":
        return any("scan" in item for item in flight.asks)
    return flight.kind == "figures" or (flight.kind == "list" and is_paged(flight.list))


def _text(flight: Flight, missed: int, size: int) -> str:
    whole = "it can only be asked for as a whole"
    what, how = {
        "list": (f"the list {flight.list}", whole),
        "survey": ("what was changed lately", whole),
        "figures": (f"the comparison of both sides ({flight.list})", whole),
        "probe": ("whether a write whose answer was lost is there", whole),
    }.get(flight.kind, ("the objects to be changed", whole))
    if _is_paged(flight):
        how = f"the next update asks for {size} objects at a time"
    updates = f"{missed} updates in a row" if missed > 1 else "this update"
    return (
        f"QuickBooks' answer about {what} did not get through in {updates}, and what comes after it waits: {how}. What to do: "
        "leave QuickBooks and the Web Connector open until the update has ended, on one computer only. When the Web "
        "Connector's log then shows an error of receiveResponseXML (QBWC1042), the answer was too large, or the line from that "
        "computer to flowctl too slow: run an update over a faster line (256 kbit/s upwards must be free for it), and have "
        "whoever looks after flowctl see that a proxy before it takes bodies of 8 MiB and waits five minutes for them."
    )
