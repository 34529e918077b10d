"""What must be true when all is done: each record once in the books, once told, and all sums equal."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

from connectors.ramp.simulator.records import Mark
from engine.money import from_minor
from engine.store.journal import verify
from engine.store.sqlite import SqliteStore
from tests.crash.stage import Scene

_OPEN = "SELECT COUNT(*) FROM records WHERE state NOT IN ('closed', 'skipped') AND NOT (stream = 'vendors' AND state = 'posted')"
_POSTED = "SELECT stream, source_id, amount, receipt FROM records WHERE state = 'closed' AND receipt IS NOT NULL"


def at_rest(scene: Scene) -> bool:
    """Whether Ramp waits for nothing and the store has no open record."""
    if any(scene.ramp.simulator.totals().ready.values()):
        return False
    with closing(sqlite3.connect(scene.store, timeout=20)) as store:
        (found,) = store.execute(_OPEN).fetchone()
        (calls,) = store.execute("SELECT COUNT(*) FROM mark_calls WHERE state <> 'done'").fetchone()
    return int(found) == 0 and int(calls) == 0


def wrong(scene: Scene) -> list[str]:
    """Everything that is not as it must be."""
    with closing(sqlite3.connect(scene.store, timeout=20)) as store:
        store.row_factory = sqlite3.Row
        found = [f"integrity_check: {row[0]}" for row in store.execute("PRAGMA integrity_check") if row[0] != "ok"]
        found += [f"foreign_key_check: {tuple(row)}" for row in store.execute("PRAGMA foreign_key_check")]
        states = Counter((r["stream"], r["state"]) for r in store.execute("SELECT stream, state FROM records"))
        posted = store.execute(_POSTED).fetchall()
        unsettled = store.execute("SELECT COUNT(*) FROM message_sets WHERE state <> 'settled'").fetchone()[0]
    found += [f"{n} {stream} are {state}" for (stream, state), n in states.items() if not _is_end(stream, state)]
    if unsettled:
        found.append(f"{unsettled} message sets are not settled")
    ours = SqliteStore(scene.store)
    with ours.read() as tx:
        broken = verify(tx, "main")
    ours.close()
    if broken is not None:
        found.append(f"the journal does not verify: {broken}")
    return [*found, *_books(scene), *_told(scene, posted)]


def _is_end(stream: str, state: str) -> bool:
    return state in ("closed", "skipped") or (stream, state) == ("vendors", "posted")


def _books(scene: Scene) -> Iterator[str]:
    """The company file against itself and against Ramp's sums."""
    txns = scene.books.company.books.txns.values()
    for guid, times in Counter(txn.guid for txn in txns).items():
        if times > 1:
            yield f"{times} transactions carry the marker {guid}"
    names = Counter((item.kind, item.full_name) for item in scene.books.company.books.lists.values())
    for name, times in names.items():
        if times > 1:
            yield f"{name} is there {times} times"
    if scene.books.total() != scene.ramp.total() or scene.ramp.total() <= 0:
        yield f"QuickBooks has {scene.books.total()}, Ramp has {scene.ramp.total()}"


def _told(scene: Scene, posted: list[sqlite3.Row]) -> Iterator[str]:
    """What Ramp was told, against the company file and against our records."""
    world, txns = scene.ramp.simulator.world, scene.books.company.books.txns
    for (kind, source_id), times in Counter((mark.kind, mark.object_id) for mark in world.marks).items():
        if times > 1:
            yield f"Ramp was told {times} times of {kind} {source_id}"
    references = Counter(mark.reference for mark in world.marks)
    if len(references) != len(txns) or references.keys() != txns.keys():
        yield f"Ramp was told {len(references)} TxnIDs, QuickBooks has {len(txns)}"
    for mark in world.marks:
        txn = txns.get(mark.reference)
        if txn is not None and abs(txn.amount) != (amount := _amount(scene, mark)):
            yield f"{mark.kind} {mark.object_id} is {amount} in Ramp and {txn.amount} in QuickBooks"
    if world.failed:
        yield f"Ramp was told of {len(world.failed)} failures"
    ours = sum((Decimal(row["amount"]) for row in posted if row["stream"] != "vendors"), Decimal(0))
    if ours != scene.ramp.total():
        yield f"our records come to {ours}, Ramp has {scene.ramp.total()}"
    known = {
        (row["source_id"], json.loads(row["receipt"]).get("TxnID")) for row in posted if row["stream"] != "vendors"
    }
    if known != {(mark.object_id, mark.reference) for mark in world.marks}:
        yield "the TxnIDs that Ramp was told are not those of our records"


def _amount(scene: Scene, mark: Mark) -> Decimal:
    world = scene.ramp.simulator.world
    if mark.kind == "TRANSACTION_SYNC":
        row = world.transactions[mark.object_id].settled
        return abs(from_minor(row.minor, row.currency))
    bill = world.bills[mark.object_id]
    paid = bill.payment if mark.kind == "BILL_PAYMENT_SYNC" else None
    return from_minor(paid.minor if paid else bill.minor, bill.currency)
