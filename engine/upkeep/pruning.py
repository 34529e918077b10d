"""Removes what is old and only evidence: the texts of settled message sets, runs, closed alerts, reconcile figures.

Records, operations, their keys and frozen bytes, the numbers of webhook events and the journal are never removed: they are
what keeps a bill from being posted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from engine.clock import iso
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.store import companies, journal
from engine.store.base import Store, Tx
from engine.world import World

# Rows that one transaction takes: others get their turn after some ten milliseconds.
_BATCH = 200
LEAST_DAYS = 90
_KINDS = ("sets", "runs", "alerts", "figures")


class TooYoung(UsageError):
    """Somebody may still want to look at it."""

    def __init__(self, days: int) -> None:
        super().__init__(
            f"{days} days is too short: what is younger than {LEAST_DAYS} days stays", hint=f"give {LEAST_DAYS} or more"
        )


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed of a company, or would be: how many of each kind, and the bytes of the message sets' texts."""

    counts: Mapping[str, int]
    set_bytes: int

    @property
    def any(self) -> bool:
        """Whether there was anything."""
        return any(self.counts.values())


def before(world: World, days: int) -> str:
    """The moment so many days ago, as UTC text.

    Raises:
        TooYoung: when that is not long ago.
    """
    if days < LEAST_DAYS:
        raise TooYoung(days)
    return iso(world.clock.now() - timedelta(days=days))


def old(tx: Tx, company: str, limit_at: str) -> Pruned:
    """What of a company is older than `limit_at` (UTC text) and may go."""
    scope = _scope(tx, company, limit_at)
    rows = {kind: tx.one(f"prune_count_{kind}", scope) for kind in _KINDS}
    counts = {kind: int(row["count"]) for kind, row in rows.items() if row is not None}
    sets = rows["sets"]
    return Pruned(counts, int(sets["bytes"]) if sets is not None else 0)


def prune(world: World, company: str, limit_at: str, actor: str) -> Pruned:
    """Remove what is older than `limit_at` (UTC text), a few rows a transaction; one journal line says what went.

    Raises:
        UnknownName: when there is no such company.
        StoreError: when the store is not available; what went before is gone then.
    """
    with world.store.read(company) as tx:
        companies.require(tx, company)
        found = old(tx, company, limit_at)
    if not found.any:
        return found
    # Written first: should this end half-way, the journal has said what goes.
    with world.store.write(company) as tx:
        detail = {"before": limit_at, **found.counts}
        journal.append(tx, company, world.at(), actor, [journal.Entry("pruned", detail=detail)])
    counts = {kind: _all_of(world.store, company, limit_at, kind) for kind in _KINDS}
    with world.store.write(company) as tx:
        tx.run("prune_spans", _scope(tx, company, limit_at))
    return Pruned(counts, found.set_bytes)


def _all_of(store: Store, company: str, limit_at: str, kind: str) -> int:
    total = 0
    while True:
        with store.write(company) as tx:
            gone = tx.run(f"prune_{kind}", {**_scope(tx, company, limit_at), "empty": b"", "limit": _BATCH})
        total += gone
        if gone < _BATCH:
            return total


def _scope(tx: Tx, company: str, limit_at: str) -> dict[str, object]:
    newest = tx.one("prune_sets_newest", {"company": company})
    return {"company": company, "before": limit_at, "last_no": newest["last_no"] if newest is not None else 0}
