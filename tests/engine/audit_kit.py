"""A store with journals and checkpoints, and what somebody can do to it who holds the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine import chain
from engine.notary import FILE, Notary
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


def flip_a_byte(store: SqliteStore, draw: random.Random, last: int) -> tuple[str, int, str, Callable[[], None]]:
    """Change one byte of one field of one line of `acme`: company, line, column, and what puts it back."""
    seq, column = draw.randint(1, last), draw.choice(COLUMNS)
    connection = store.connection
    kind, before = connection.execute(
        f"SELECT typeof({column}), CAST({column} AS BLOB) FROM journal WHERE company = 'acme' AND seq = ?", (seq,)
    ).fetchone()
    data = bytearray(before)
    if not data:  # an empty text has no byte to change: one is added
        data = bytearray(b"\0")
    place = draw.randrange(len(data))
    data[place] ^= 1 << draw.randrange(8) if before else draw.randrange(1, 256)
    # An integer is changed as SQLite keeps it: two's complement of eight bytes.
    number = int(before) ^ (1 << draw.randrange(63)) if kind == "integer" else None
    row = connection.execute("SELECT rowid FROM journal WHERE company = 'acme' AND seq = ?", (seq,)).fetchone()[0]
    if number is not None:
        connection.execute(f"UPDATE journal SET {column} = ? WHERE rowid = ?", (number, row))
    else:
        connection.execute(f"UPDATE journal SET {column} = CAST(? AS TEXT) WHERE rowid = ?", (bytes(data), row))

    def undo() -> None:
        value = int(before) if number is not None else before
        cast = "?" if number is not None else "CAST(? AS TEXT)"
        connection.execute(f"UPDATE journal SET {column} = {cast} WHERE rowid = ?", (value, row))

    return "acme", seq, column, undo
