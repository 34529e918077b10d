"""Moves a store from SQLite into PostgreSQL: only one of the two may ever be used, or bills would be posted by both."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from engine.audit import chain
from engine.audit.notary import FILE as CHECKPOINTS
from engine.dataclass import dataclass
from engine.errors import StoreDamaged, UsageError
from engine.ondisk import sync_file, sync_folder
from engine.store import copying, occupied, pgschema
from engine.store.copying import Progress
from engine.store.postgres import PostgresStore, connected, place_of
from engine.store.sqlite import SqliteStore
from engine.store.whereabouts import MOVED, refuse_moved
from engine.upkeep.backup import STORE

# What the file is called once nobody may use it any more.
KEPT = "flowctl.db.moved"


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: rows by table, the money of its records by currency, and how many journals were verified.

    `was_done` when a move before had only its very last step left to do.
    """

    place: str
    rows: Mapping[str, int]
    sums: Mapping[str, Decimal]
    journals: int
    was_done: bool = False


def move(home: Path, url: str, at: str, told: Callable[[str, Progress], None]) -> Moved:
    """Copy the folder's store into an empty database, compare all of it, and put the file out of use.

    It can be stopped at any time and run again. `told` hears of each step, first of `copy` and then of `compare`.

    Raises:
        UsageError: the store is in use, was moved already, or the database is not empty.
        StoreBusy: PostgreSQL cannot be reached.
        StoreDamaged: either store is damaged, or the copy differs.
    """
    place = place_of(url)
    with occupied.alone(home), closing(connected(url)) as target:
        path = home / STORE
        if (home / MOVED).exists() and not path.exists():
            return _ended(home, target, place)
        if not path.exists():
            raise UsageError(f"there is no store at {path}", hint="give --home")
        # Brings an older schema forward, so that both sides have the same tables.
        store = SqliteStore(path)
        try:
            problem = store.integrity_problem()
            if problem is not None:
                raise StoreDamaged(f"the store file is damaged: {problem}", hint="restore the newest backup first")
            pgschema.migrate(target)
            copying.begin(store.connection, target, place)
            copying.copy(store.connection, target, lambda step: told("copy", step))
            rows = copying.compare(store.connection, target, lambda step: told("compare", step))
            sums = _sums(store.connection)
        finally:
            store.close()
        journals = _verified(url, home)
        copying.verified(target)
        _put_out_of_use(home, place, at)
        copying.finish(target)
    return Moved(place, rows, sums, journals)


def _ended(home: Path, target: copying.Postgres, place: str) -> Moved:
    """The move was stopped before its last step, or it is done."""
    if not copying.is_verified(target):
        refuse_moved(home)
    copying.finish(target)
    return Moved(place, {}, {}, 0, was_done=True)


def _sums(source: sqlite3.Connection) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for currency, amount in source.execute("SELECT currency, amount FROM records WHERE amount IS NOT NULL"):
        found[currency or ""] = found.get(currency or "", Decimal(0)) + Decimal(amount)
    return found


def _verified(url: str, home: Path) -> int:
    """Walk every journal of the copy, and hold it against the checkpoints."""
    store = PostgresStore(url, unfinished=True)
    try:
        report = chain.verify(store, home / CHECKPOINTS)
    finally:
        store.close()
    if not report.ok:
        raise StoreDamaged(
            "the copy is whole, and its journal does not verify",
            hint="run `flowctl audit verify` on the store before it is moved: it says what is wrong",
        )
    return len(report.journals)


def _put_out_of_use(home: Path, place: str, at: str) -> None:
    """First it is said, then the file has another name: whenever this is cut short, nobody works with it."""
    draft = home / f"{MOVED}.new"
    draft.write_text(json.dumps({"place": place, "at": at}), encoding="utf-8")
    sync_file(draft)
    draft.replace(home / MOVED)
    sync_folder(home)
    (home / STORE).replace(home / KEPT)
    sync_folder(home)
