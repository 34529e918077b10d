"""A store with journals and checkpoints, and what somebody can do to it who holds the file."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from engine.audit import chain
from engine.audit.notary import FILE, Notary
from engine.store import companies, journal
from engine.store.base import Store
from engine.store.journal import Entry
from engine.store.sqlite import SqliteStore
from engine.testing import KEY, FakeClock, SeededIds
from engine.vault import Vault
from engine.world import World
from tests import stores
from tests.postgres_kit import InDatabase

COLUMNS = (
    "company", "seq", "at", "event", "flow", "stream", "record_id", "source_id", "state_from", "state_to", "actor",
    "detail", "hash",
)  # fmt: skip
AT = "2026-03-02T14:00:00.000000Z"


@dataclass
class Desk:
    """The world, and where its checkpoints are."""

    world: World
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / FILE

    @property
    def copy(self) -> Path:
        return self.folder / "copy"

    @property
    def store(self) -> Store:
        return self.world.store

    def notary(self) -> Notary:
        return Notary(self.world, self.file, self.copy)

    def write(self, company: str, count: int, actor: str = "test") -> None:
        with self.store.write() as tx:
            companies.add(tx, company, company, AT)
            journal.append(tx, company, self.world.at(), actor, [entry(number) for number in range(count)])

    def verify(self, path: Path | None = None, public_key: str = "") -> list[str]:
        """What is wrong, one line each."""
        report = chain.verify(self.store, path or self.file, public_key=public_key)
        wrong = [f"{v.company} {v.broken.seq}: {v.broken.reason}" for v in report.journals if v.broken]
        assert report.ok == (not wrong and not report.problems)
        return [*wrong, *report.problems]

    def forge(self, *statements: str) -> None:
        """Change the journal as one could who holds the file, or the database: without its triggers."""
        stores.forge(self.store, *statements)


def entry(number: int) -> Entry:
    return Entry(
        f"e{number}", "flow", "bills", number, f"b-{number}é", "pending", "posted", {"n": number, "t": "1,00 €"}
    )


def desk(folder: Path, store: Store | None = None) -> Desk:
    return Desk(World(store or stores.empty(), Vault(KEY), FakeClock(), SeededIds(1)), folder)


def flip_a_byte(store: Store, draw: random.Random, last: int) -> tuple[int, str, Callable[[], None]]:
    """Change one byte of one field of one line of `acme`: the line, the column, and what puts it back."""
    # Another line has this number already: there cannot be two. And PostgreSQL keeps no text that is no UTF-8.
    refused = (sqlite3.IntegrityError, psycopg.IntegrityError, psycopg.DataError, UnicodeDecodeError)
    while True:
        seq, column = draw.randint(1, last), draw.choice(COLUMNS)
        with suppress(*refused):
            if isinstance(store, SqliteStore):
                return _flipped(store.connection, draw, seq, column)
            return _flipped_there(store, draw, seq, column)


def _flipped_there(store: Store, draw: random.Random, seq: int, column: str) -> tuple[int, str, Callable[[], None]]:
    """The same on PostgreSQL, as a superuser for whom there are no triggers."""
    assert isinstance(store, InDatabase)

    def put(at: object, value: object) -> str:
        with store.as_admin() as connection:
            connection.execute("SET session_replication_role = replica")
            update = f"UPDATE journal SET {column} = %s WHERE ctid = %s::tid RETURNING ctid::text"
            (found,) = connection.execute(update.encode(), (value, at)).fetchall()
            return str(found[0])

    with store.as_admin() as connection:
        asked = f"SELECT ctid::text, {column} FROM journal WHERE company = 'acme' AND seq = {seq}"
        ((place, before),) = connection.execute(asked.encode()).fetchall()
    if isinstance(before, int):
        place = put(place, before ^ (1 << draw.randrange(56)))
    else:
        data = bytearray(str(before).encode() or b"\0")
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        place = put(place, data.decode())

    def undo() -> None:
        put(place, before)

    return seq, column, undo


def _flipped(
    connection: sqlite3.Connection, draw: random.Random, seq: int, column: str
) -> tuple[int, str, Callable[[], None]]:
    row, kind, before = connection.execute(
        f"SELECT rowid, typeof({column}), {column} FROM journal WHERE company = 'acme' AND seq = ?", (seq,)
    ).fetchone()
    bit = 1 << draw.randrange(8)
    changed: object
    if kind == "integer":  # as SQLite keeps it: in up to eight bytes
        cast, changed = "?", before ^ (bit << 8 * draw.randrange(7))
    else:
        data = bytearray(before.encode() or b"\0")  # an empty text has no byte to change: it gets one
        data[draw.randrange(len(data))] ^= bit
        cast, changed = "CAST(? AS TEXT)", bytes(data)
    connection.execute(f"UPDATE journal SET {column} = {cast} WHERE rowid = ?", (changed, row))

    def undo() -> None:
        connection.execute(f"UPDATE journal SET {column} = ? WHERE rowid = ?", (before, row))

    return seq, column, undo
