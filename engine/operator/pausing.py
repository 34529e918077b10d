"""A person pauses a company or one of its flows, and lets it go on.

Paused, nothing new is read, prepared or sent. What was sent before is brought to its end: its answer is taken, what became
of it is asked for, and the source is told of what is posted; but nothing is sent again. Where requests travel in sets, a
set of which any request is a paused flow's waits as a whole, and the company's other flows wait behind it. Webhooks are
taken in and acted on later.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine.errors import UsageError
from engine.follow import Hand
from engine.operator.worklist import sums
from engine.store import companies, journal, stops
from engine.store.base import Row, Tx


class WhyMissing(UsageError):
    """What is paused or held back needs a reason: somebody will ask."""

    hint = "say in a few words why, such as `the books are being closed`"


class AnotherPause(UsageError):
    """It was paused anew since somebody looked."""

    hint = "look at why it is paused now, and decide about that"

    def __init__(self, row: Row) -> None:
        super().__init__(f"nothing was changed: {who(row)} has paused it again, for `{row['why']}`")


def pause(tx: Tx, hand: Hand, flow: str, reason: str) -> bool:
    """Pause a flow, or the whole company where `flow` is empty; False when it is paused already, which changes nothing.

    Raises:
        UnknownName: when there is no such company.
        WhyMissing: without a reason.
    """
    companies.require(tx, hand.company)
    why = reason.strip()
    if not why:
        raise WhyMissing
    scope = {"company": hand.company, "flow": flow, "at": hand.at, "actor": hand.actor, "why": why}
    if not stops.pause(tx, scope):
        return False
    detail = {"what": "flow" if flow else "company", "why": why}
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("paused", flow, detail=detail)])
    return True


def resume(tx: Tx, hand: Hand, flow: str, reason: str = "", *, since: str | None = None) -> bool:
    """Let a flow, or the whole company, go on; False when it was not paused, which changes nothing.

    `since` (UTC text) is when the pause began that somebody has looked at.

    Raises:
        UnknownName: when there is no such company.
        AnotherPause: when it began at another time.
    """
    companies.require(tx, hand.company)
    now = next((row for row in stops.pauses(tx, hand.company) if row["flow"] == flow), None)
    if now is not None and since is not None and now["at"] != since:
        raise AnotherPause(now)
    if not stops.resume(tx, hand.company, flow):
        return False
    detail = {"what": "flow" if flow else "company", **({"why": reason.strip()} if reason.strip() else {})}
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("unpaused", flow, detail=detail)])
    return True


def waiting(tx: Tx, company: str, flow: str) -> tuple[int, Mapping[str, Decimal]]:
    """How many requests go out once it goes on, and the money in them by currency; records that are held back stay."""
    rows = tx.rows("stopped_amounts", {"company": company, "flow": flow})
    money = sums(
        (row["currency"] or "", Decimal(row["amount"]) * row["count"]) for row in rows if row["amount"] is not None
    )
    return sum(int(row["count"]) for row in rows), money


def who(row: Row) -> str:
    """Who paused or holds, as people say it: `panel:ana` is ana."""
    return str(row["actor"]).partition(":")[2] or str(row["actor"])
