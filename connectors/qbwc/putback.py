"""After a copy of our own store was put back: what was sent since the copy was made may still be under way on another computer.

What QuickBooks has is found by the look around before the first write. What it does not have yet, since it is slow over a
set that this store knows nothing of, nobody can find; so nothing is written until it must be through.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connectors.qbwc.context import Context
from connectors.qbwc.recovery import STILL_RUNNING
from engine.clock import from_iso, iso
from engine.evidence import PUT_BACK, is_resting
from engine.qbxml.requirements import is_in

_WHY = (
    "A copy of flowctl's store was put back, and another computer that has the company file open may still be working on what "
    "it was given before. Nothing is sent before two updates half an hour apart, or the file is open in single-user mode; the "
    "next update looks again."
)


def noticed(ctx: Context, version: str, *, sole_user: bool) -> None:
    """The company file was let in. The rest ends when nobody else can have it open, or in the second visit in half an hour.

    The clock may have been set since the copy was put back, so that one look at it decides nothing, as with a set in doubt.
    """
    known = ctx.desk.sessions.recall(ctx.company, PUT_BACK)
    if not known:
        return
    if is_resting(known):
        now, seen_at = ctx.clock.now(), known.get("seen_at")
        times = (known["at"], seen_at) if seen_at else ()
        if sole_user or (times and all(abs(now - from_iso(at)) >= STILL_RUNNING for at in times)):
            ctx.desk.sessions.remember(ctx.company, PUT_BACK, {**known, "over": True})
        elif not seen_at:
            ctx.desk.sessions.remember(ctx.company, PUT_BACK, {**known, "seen_at": iso(now)})
    elif not unscanned(ctx, version):
        ctx.desk.sessions.remember(ctx.company, PUT_BACK, {})


def why_not(ctx: Context) -> str | None:
    """Why nothing may be written yet, for whoever sits before the Web Connector; None when it may."""
    return _WHY if is_resting(ctx.desk.sessions.recall(ctx.company, PUT_BACK)) else None


def unseen(kinds: Sequence[str]) -> str:
    """What is held up while these kinds cannot be looked through, and what a person can do about it."""
    names = ", ".join(kinds)
    return (
        "A copy of flowctl's store was put back, and what was written after it was made may be in QuickBooks as another "
        f"kind of object than flowctl would write now. Nothing at all is sent before QuickBooks has shown these: {names}. "
        "What to do: sign in to QuickBooks as Admin and let this application see them (Edit > Preferences > Integrated "
        "Applications, and the role of its user); where QuickBooks has an internal error, run File > Utilities > Verify "
        "Data."
    )


def unscanned(ctx: Context, version: str) -> tuple[str, ...]:
    """The requests whose kinds were not looked through since the copy was put back, if one was.

    The settings by which a record becomes one kind of object and not another may have been others since it was made, so that
    what may be there already need not be of the kind that waits to be written. What this QuickBooks is too old for is not there.
    """
    known = ctx.desk.sessions.recall(ctx.company, PUT_BACK)
    if not known:
        return ()
    at = from_iso(known["at"])
    return tuple(
        request
        for request in ctx.desk.unsent.possible(ctx.company)
        if is_in(request, version)
        and (
            (scanned := ctx.desk.holdings.scanned_at(ctx.company, request.removesuffix("Add"))) is None or scanned < at
        )
    )


def made_at(ctx: Context, scanned: datetime | None) -> datetime | None:
    """When the copy was made that was put back, if one was: what was written since is newer.

    None as well for a kind that was looked through since then, the last time at `scanned`.
    """
    known = ctx.desk.sessions.recall(ctx.company, PUT_BACK)
    if not known or "made_at" not in known or (scanned is not None and scanned >= from_iso(known["at"])):
        return None
    return from_iso(known["made_at"])
