"""Records that a person has chosen, and what is done to all of them: one set, one decision, each record for itself.

What a page or a command has shown may not be so any more when it is confirmed: somebody else was faster, or the same page
was sent twice. So a choice names each record with the newest line of its journal, and a record that has another one by
then is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NoReturn

from engine.dataclass import dataclass
from engine.errors import FlowctlError, UnknownName
from engine.follow import Hand
from engine.jsontext import plain
from engine.operator import onhold, replaying, sameas, skipping, toldthere, worklist
from engine.operator.worklist import Retried
from engine.store import browse
from engine.store.base import Row, Store, Tx
from engine.store.browse import Filters, Place

# So many at once: what is confirmed is read before, and a person reads no longer list.
MOST = 500
Act = Callable[[Tx, Hand, Sequence[Row], str], Retried]


class Undone(Exception):
    """What was only tried is taken back."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What an action would come to: the records that it can be done to, and the others with why not."""

    moved: tuple[Row, ...]
    refused: tuple[tuple[Row, str], ...]

    @property
    def money(self) -> Mapping[str, Decimal]:
        """The money in those that it can be done to, by currency."""
        return money_of(self.moved)


def _not_there(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """A person has looked for all of them and found none."""
    moved, refused = [], []
    for row in rows:
        try:
            worklist.declare(tx, hand, row, None, reason)
        except FlowctlError as error:
            refused.append((row, str(error)))
        else:
            moved.append(row)
    return Retried(tuple(moved), tuple(refused))


ACTS: Mapping[str, Act] = {
    "retry": worklist.retry,
    "replay": replaying.replay,
    "hold": onhold.hold,
    "release": onhold.release,
    "skip": skipping.skip,
    "not-there": _not_there,
    "post-again": worklist.post_again,
    "accept-gone": worklist.leave_out,
    "same": sameas.same_there,
    "told": toldthere.told_there,
}


def money_of(rows: Sequence[Row]) -> Mapping[str, Decimal]:
    """The money in records, by currency; a change of a posted record is no money of its own."""
    return worklist.sums(
        (row["currency"] or "", Decimal(row["amount"]))
        for row in rows
        if row["amount"] is not None and "+" not in row["phase"]
    )


def act(name: str) -> Act:
    """What is done under a name.

    Raises:
        UnknownName: when nothing is.
    """
    if name not in ACTS:
        raise UnknownName("action", name, tuple(ACTS))
    return ACTS[name]


def shown(tx: Tx, company: str, ids: Sequence[int]) -> list[Row]:
    """These records of the company, in the order of their numbers; those of others are left out."""
    rows = tx.rows("records_numbered", {"company": company, "ids": plain(sorted(set(ids))[:MOST])})
    return sorted(rows, key=lambda row: int(row["id"]))


def marked(tx: Tx, rows: Sequence[Row]) -> dict[int, int]:
    """The newest line of the journal of each record: whoever names it knows the record as it is now."""
    lines = tx.rows("journal_last_of", {"ids": plain([row["id"] for row in rows])})
    return {int(line["record_id"]): int(line["seq"]) for line in lines}


def matching(tx: Tx, company: str, filters: Filters) -> tuple[list[Row], bool]:
    """The records that filters let pass, `MOST` at most, and whether there are more of them."""
    ids: list[int] = []
    behind: Place | None = Place()
    while behind is not None and len(ids) <= MOST:
        found = browse.page(tx, company, filters, behind, MOST + 1 - len(ids))
        ids += [int(row["id"]) for row in found.rows]
        behind = found.following
    return shown(tx, company, ids[:MOST]), len(ids) > MOST


def attempt(store: Store, name: str, hand: Hand, rows: Sequence[Row], reason: str) -> Tried:
    """What an action would come to now: it is done, and taken back."""
    tried: Tried | None = None
    try:
        with store.write(hand.company) as tx:
            done = act(name)(tx, hand, rows, reason)
            tried = Tried(tuple(rows_of(done.moved, rows)), done.refused)
            _take_back()
    except Undone:
        pass
    assert tried is not None
    return tried


def perform(tx: Tx, name: str, hand: Hand, known: Mapping[int, int], reason: str) -> Tried:
    """Do it to the records that still are as they were when somebody chose them; `known` are their newest lines."""
    rows = shown(tx, hand.company, list(known))
    now = marked(tx, rows)
    same = {row["id"]: row for row in rows if now.get(row["id"]) == known[row["id"]]}
    done = act(name)(tx, hand, list(same.values()), reason)
    told = "it has changed since this was shown, and is {} now"
    late = [(row, told.format(row["state"])) for row in rows if row["id"] not in same]
    return Tried(tuple(rows_of(done.moved, rows)), (*done.refused, *late))


def rows_of(moved: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """Of what was chosen, the records that something was done to, as they were before."""
    ids = {row["id"] for row in moved}
    return [row for row in rows if row["id"] in ids]


def _take_back() -> NoReturn:
    raise Undone
