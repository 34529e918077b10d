"""Copies the rows of an SQLite store into an empty PostgreSQL store, in steps that can be taken up again, and compares them.

Nothing here knows what the rows mean. What is copied is what SQLite's own catalogue names, in the order in which tables refer
to one another; each step commits with the key of its last row.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, LiteralString

from psycopg import Connection, sql

from engine.dataclass import dataclass
from engine.errors import StoreDamaged, UsageError
from engine.store.pgschema import OF

Postgres = Connection[tuple[Any, ...]]
# How many rows one transaction takes.
PAGE = 5000
_NUMBERS = "counters"
_MADE = """
CREATE TABLE IF NOT EXISTS store_copy (source TEXT NOT NULL, stage TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS store_copy_tables (name TEXT PRIMARY KEY, rows BIGINT NOT NULL, last_key TEXT NOT NULL)
"""
# Numbers of the whole house are sequences there, and rows here.
_NUMBER = """
SELECT CASE WHEN counter_sequence(%(name)s) IS NULL THEN NULL ELSE setval(counter_sequence(%(name)s), %(value)s) END
"""


class TargetInUse(UsageError):
    """A store is copied into a database that holds nothing."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place}: there is a store in it already", hint="give an empty database")


class SourceChanged(UsageError):
    """The copy was begun from another state of the store."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place}: holds part of a copy, and the store has changed since that was begun",
            hint="give an empty database, or empty this one by dropping and creating it",
        )


class CopyUnfinished(UsageError):
    """A database into which a store is being copied."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place}: a store is being copied into it, and the copy has not come to its end",
            hint="run `flowctl store copy` again: it goes on where it was",
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the store: its columns, and those by which its rows are told apart and ordered."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    refers_to: frozenset[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a table is."""

    table: str
    rows: int
    of: int


def tables(source: sqlite3.Connection) -> tuple[Table, ...]:
    """All tables of the store, each after those that it refers to."""
    names = [
        str(row[0])
        for row in source.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    ]
    left = {name: _table(source, name) for name in sorted(names)}
    ordered: list[Table] = []
    while left:
        ready = [table for table in left.values() if not (table.refers_to - {table.name}) & left.keys()]
        ordered += ready
        for table in ready:
            del left[table.name]
    return tuple(ordered)


def _table(source: sqlite3.Connection, name: str) -> Table:
    columns = source.execute(f'PRAGMA table_info("{name}")').fetchall()
    key = tuple(row[1] for row in sorted(columns, key=lambda row: int(row[5])) if row[5])
    others = frozenset(str(row[2]) for row in source.execute(f'PRAGMA foreign_key_list("{name}")'))
    return Table(name, tuple(row[1] for row in columns), key, others)


def state_of(source: sqlite3.Connection) -> str:
    """A digest of its journals and of how many rows each table has; what else was changed is found when all is compared."""
    found = hashlib.sha256()
    found.update(str(source.execute("PRAGMA user_version").fetchone()[0]).encode())
    for row in source.execute("SELECT company, seq, hash FROM journal_heads ORDER BY company"):
        found.update(json.dumps(tuple(row)).encode())
    for table in tables(source):
        found.update(f"{table.name}:{_count(source, table)}".encode())
    return found.hexdigest()


def is_unfinished(target: Postgres) -> bool:
    """Whether a copy into this database has not come to its end."""
    row = target.execute("SELECT to_regclass('store_copy') IS NOT NULL").fetchone()
    return bool(row and row[0])


def begin(source: sqlite3.Connection, target: Postgres, place: str) -> None:
    """Say in the database that a copy is under way, or find the one that is.

    Raises:
        TargetInUse: there is a store in it.
        SourceChanged: the copy that is under way was begun from another state.
    """
    state = state_of(source)
    with target.transaction():
        _whole_house(target)
        if not is_unfinished(target):
            # Migrations make numbers, and nothing else.
            for table in (table for table in tables(source) if table.name != _NUMBERS):
                if target.execute(_sql("SELECT EXISTS (SELECT 1 FROM {})", table.name)).fetchone() == (True,):
                    raise TargetInUse(place)
            target.execute(_MADE)
            target.execute("INSERT INTO store_copy (source, stage) VALUES (%s, 'copying')", (state,))
        elif target.execute("SELECT source FROM store_copy").fetchone() != (state,):
            raise SourceChanged(place)


def copy(source: sqlite3.Connection, target: Postgres, told: Callable[[Progress], None]) -> None:
    """Copy what is not there yet, table by table; `told` after each step."""
    for table in tables(source):
        total = _count(source, table)
        done, last = _reached(target, table)
        while page := _page(source, table, last):
            last, done = [page[-1][table.columns.index(name)] for name in table.key], done + len(page)
            with target.transaction():
                _whole_house(target)
                _put(target, table, page)
                target.execute(
                    "INSERT INTO store_copy_tables (name, rows, last_key) VALUES (%s, %s, %s)"
                    " ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, last_key = excluded.last_key",
                    (table.name, done, json.dumps(last)),
                )
            told(Progress(table.name, done, total))
    _copy_numbers(source, target)


def _reached(target: Postgres, table: Table) -> tuple[int, list[Any] | None]:
    row = target.execute("SELECT rows, last_key FROM store_copy_tables WHERE name = %s", (table.name,)).fetchone()
    return (int(row[0]), json.loads(row[1])) if row is not None else (0, None)


def _count(source: sqlite3.Connection, table: Table) -> int:
    # The name is from SQLite's own catalogue.
    return int(source.execute(f'SELECT COUNT(*) FROM "{table.name}"').fetchone()[0])  # noqa: S608


def _page(source: sqlite3.Connection, table: Table, last: Sequence[Any] | None) -> list[tuple[Any, ...]]:
    where, values = "", []
    key = ", ".join(f'"{name}"' for name in table.key)
    if last is not None:
        where, values = f"WHERE ({key}) > ({', '.join('?' * len(table.key))})", list(last)
    columns = ", ".join(f'"{name}"' for name in table.columns)
    text = f'SELECT {columns} FROM "{table.name}" {where} ORDER BY {key} LIMIT {PAGE}'  # noqa: S608 - names of the catalogue
    return [tuple(row) for row in source.execute(text, values).fetchall()]


def _put(target: Postgres, table: Table, page: Sequence[tuple[Any, ...]]) -> None:
    """Rows pass through a table of this transaction alone: COPY takes none into a table whose rows are kept apart."""
    if table.name == _NUMBERS:
        page = list(_rows_alone(target, page))
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    target.execute(_sql("CREATE TEMP TABLE passing (LIKE {}) ON COMMIT DROP", table.name))
    with target.cursor().copy(sql.SQL("COPY passing ({}) FROM STDIN").format(columns)) as stream:
        for row in page:
            stream.write_row([_value(value) for value in row])
    order = sql.SQL(", ").join(map(sql.Identifier, table.key))
    into = sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM passing ORDER BY {2}")
    target.execute(into.format(sql.Identifier(table.name), columns, order))


def _value(value: Any) -> Any:
    """PostgreSQL has no character 0; the store writes U+FFFD in its place."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _copy_numbers(source: sqlite3.Connection, target: Postgres) -> None:
    for name, value in source.execute("SELECT name, value FROM counters WHERE value > 0"):
        target.execute(_NUMBER, {"name": name, "value": value})


def _rows_alone(target: Postgres, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The numbers that are rows on both sides: those of the whole house are sequences there."""
    for row in rows:
        if target.execute("SELECT counter_sequence(%s) IS NULL", (row[0],)).fetchone() == (True,):
            yield row


def compare(source: sqlite3.Connection, target: Postgres, told: Callable[[Progress], None]) -> dict[str, int]:
    """Hold every row of the one against every row of the other; how many rows each table has.

    Raises:
        StoreDamaged: with the table and the key of the first row that differs.
    """
    rows: dict[str, int] = {}
    with target.transaction():
        target.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _whole_house(target)
        for table in tables(source):
            rows[table.name] = 0
            total = _count(source, table)
            here, there = _all(source, table), _all_there(target, table)
            if table.name == _NUMBERS:
                here, there = (_rows_alone(target, list(found)) for found in (here, there))
            for mine, other in zip_longest(here, there):
                if mine != other:
                    at = table.columns.index(table.key[0])
                    which = (mine or other or ())[at : at + 1]
                    raise StoreDamaged(
                        f"the copy differs: table {table.name}, a row of {which[0] if which else '?'}",
                        hint="drop the database, create it anew and copy again",
                    )
                rows[table.name] += 1
                if rows[table.name] % PAGE == 0:
                    told(Progress(table.name, rows[table.name], total))
        for name, value in source.execute("SELECT name, value FROM counters"):
            if target.execute("SELECT COALESCE(counter_last(%s), 0)", (name,)).fetchone() != (value,):
                raise StoreDamaged(f"the copy differs: the number {name}", hint="drop the database and copy again")
    return rows


def _all(source: sqlite3.Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    last: list[Any] | None = None
    while page := _page(source, table, last):
        last = [page[-1][table.columns.index(name)] for name in table.key]
        for row in page:
            yield tuple(_value(value) for value in row)


def _all_there(target: Postgres, table: Table) -> Iterator[tuple[Any, ...]]:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    order = sql.SQL(", ").join(map(sql.Identifier, table.key))
    with target.cursor(name="compared") as cursor:
        cursor.itersize = PAGE
        cursor.execute(sql.SQL("SELECT {} FROM {} ORDER BY {}").format(columns, sql.Identifier(table.name), order))
        for row in cursor:
            yield tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def verified(target: Postgres) -> None:
    """The copy is whole: from now on only its source's end is missing."""
    target.execute("UPDATE store_copy SET stage = 'verified'")


def is_verified(target: Postgres) -> bool:
    """Whether the copy that is under way was compared already."""
    return is_unfinished(target) and target.execute("SELECT stage FROM store_copy").fetchone() == ("verified",)


def finish(target: Postgres) -> None:
    """The database may be used."""
    target.execute("DROP TABLE store_copy, store_copy_tables")


def _whole_house(target: Postgres) -> None:
    target.execute("SELECT set_config(%s, '*', true)", (OF,))


def _sql(text: LiteralString, name: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(name))
