"""A store with journals and checkpoints, and what somebody can do to it who holds the file."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.audit import chain
from engine.audit.notary import FILE, Notary
from engine.store import companies, journal
from engine.store.journal import Entry
from engine.store.sqlite import SqliteStore
from engine.testing import KEY, FakeClock, SeededIds
from engine.vault import Vault
from engine.world import World

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
    def store(self) -> SqliteStore:
        assert isinstance(self.world.store, SqliteStore)
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
        """Change the journal as one could who holds the file: without its triggers."""
        connection = self.store.connection
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def entry(number: int) -> Entry:
    return Entry(
        f"e{number}", "flow", "bills", number, f"b-{number}é", "pending", "posted", {"n": number, "t": "1,00 €"}
    )


def desk(folder: Path, store: SqliteStore | None = None) -> Desk:
    return Desk(World(store or SqliteStore(None), Vault(KEY), FakeClock(), SeededIds(1)), folder)


def flip_a_byte(store: SqliteStore, draw: random.Random, last: int) -> tuple[int, str, Callable[[], None]]:
    """Change one byte of one field of one line of `acme`: the line, the column, and what puts it back."""
    while True:
        with suppress(sqlite3.IntegrityError):  # another line has this number already: there cannot be two
            return _flipped(store.connection, draw, draw.randint(1, last), draw.choice(COLUMNS))


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
