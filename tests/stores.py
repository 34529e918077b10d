"""The store of a test: SQLite's, or with FLOWCTL_TEST_STORE=postgres a database of the private PostgreSQL."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from engine.store import whereabouts
from engine.store.sqlite import SqliteStore
from engine.testing import make_stores_with

if TYPE_CHECKING:
    from engine.store.base import Store
    from tests.postgres_kit import Databases

# Read once: tests of the command line take every such variable away.
ON_POSTGRES = os.environ.get("FLOWCTL_TEST_STORE") == "postgres"


class _Lender:
    """Who has the databases, and what each home was given."""

    databases: Databases | None = None
    homes: dict[Path, str] = {}  # noqa: RUF012 - there is one of it


@contextmanager
def lent(databases: Databases) -> Iterator[None]:
    """Take the stores of worlds and homes from here, for the block."""
    _Lender.databases = databases
    make_stores_with(databases.store)
    try:
        yield
    finally:
        make_stores_with(None)
        _Lender.databases = None


@contextmanager
def in_memory() -> Iterator[None]:
    """Stores of worlds are SQLite's in memory for the block, whatever the tests run on."""
    make_stores_with(None)
    try:
        yield
    finally:
        if _Lender.databases is not None:
            make_stores_with(_Lender.databases.store)


def empty() -> Store:
    """A store with nothing in it; close it."""
    return SqliteStore(None) if _Lender.databases is None else _Lender.databases.store()


def homed(home: Path) -> Path:
    """The same folder, with its store on PostgreSQL where the tests run on that, for commands and processes as well."""
    if _Lender.databases is not None and home not in _Lender.homes:
        url = _Lender.homes[home] = _Lender.databases.lend()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = home / whereabouts.FILE
        file.write_text(url, encoding="utf-8")
        file.chmod(0o600)
    return home


def opened(home: Path, busy_s: float = 10.0) -> Store:
    """The store of a home, empty when the home is new; close it. It waits so long for what another holds."""
    url = whereabouts.address(homed(home))
    if url is None:
        return SqliteStore(home / whereabouts.DATABASE, busy_s=busy_s)
    from engine.store.postgres import PostgresStore

    return PostgresStore(url, busy_s=busy_s)


def give_back(under: Path) -> None:
    """No home in this folder is used any more."""
    for home in [home for home in _Lender.homes if home.is_relative_to(under)]:
        url = _Lender.homes.pop(home)
        if _Lender.databases is not None:
            _Lender.databases.take_back(url)


def dump(store: Store) -> str:
    """All that is in it, in words; bytes in hexadecimal."""
    if isinstance(store, SqliteStore):
        return "\n".join(store.connection.iterdump())
    return "\n".join(
        "\t".join(value.hex() if isinstance(value, bytes) else str(value) for value in row)
        for table in _tables(store)
        for row in raw(store, f"SELECT * FROM {table}")
    )


def written(store: Store) -> object:
    """Something that is the same as long as no row is written, changed or deleted."""
    if isinstance(store, SqliteStore):
        return store.connection.total_changes
    return [raw(store, f"SELECT ctid::text, xmin::text FROM {table} ORDER BY ctid") for table in _tables(store)]


def table(store: Store, name: str) -> list[dict[str, Any]]:
    """The rows of a table, of all companies, by the names of its columns."""
    if isinstance(store, SqliteStore):
        return [dict(row) for row in store.connection.execute(f"SELECT * FROM {name}").fetchall()]
    columns = raw(
        store,
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum",
    )
    return [
        dict(zip((str(column) for (column,) in columns), row, strict=True))
        for row in raw(store, f"SELECT * FROM {name}")
    ]


def _tables(store: Store) -> list[str]:
    named = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"
    )
    return [str(name) for (name,) in raw(store, named)]


def by_hand(tx: Any, text: str, **values: Any) -> None:
    """A statement in a transaction that runs, on its own connection; `:name` is one of the values."""
    connection = getattr(tx, "_tx", tx)._connection
    if not isinstance(connection, sqlite3.Connection):
        text = re.sub(r":(\w+)", r"%(\1)s", text)
    connection.execute(text, values)


def raw(store: Store, *statements: str) -> list[tuple[Any, ...]]:
    """Statements that no transaction of ours would run, each by itself; the rows of the last one."""
    if isinstance(store, SqliteStore):
        for statement in statements:
            rows = store.connection.execute(statement).fetchall()
        return [tuple(row) for row in rows]
    from engine.store.postgres import PostgresStore

    assert isinstance(store, PostgresStore)
    with store.plain() as connection:
        connection.execute("SET flowctl.of = '*'")
        for text in statements:
            cursor = connection.execute(text.encode())
        return cursor.fetchall() if cursor.description else []


def set_bytes(store: Store, table: str, column: str, value: bytes) -> None:
    """Give every row of a table these bytes."""
    written_there = f"X'{value.hex()}'" if isinstance(store, SqliteStore) else f"'\\x{value.hex()}'::bytea"
    raw(store, f"UPDATE {table} SET {column} = {written_there}")


def image(store: Store) -> Any:
    """A copy of all that is in the store of a world; `like` makes another with the same in it."""
    if isinstance(store, SqliteStore):
        return store.connection.serialize()
    from tests.postgres_kit import InDatabase

    assert isinstance(store, InDatabase)
    return store.image()


def like(image: Any) -> Store:
    """A store with what the image holds; close it."""
    made: Store = SqliteStore(None, image=image) if isinstance(image, bytes) else image.store()
    return made


def forge(store: Store, *statements: str) -> None:
    """The same as one could who holds the file, or the database: without triggers."""
    if isinstance(store, SqliteStore):
        for (name,) in raw(store, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            raw(store, f"DROP TRIGGER {name}")
        raw(store, *statements) if statements else None
        return
    from engine.store.postgres import PostgresStore

    assert isinstance(store, PostgresStore)
    assert _Lender.databases is not None
    with store.plain() as connection:
        name = connection.info.dbname
    with _Lender.databases.admin(name) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def commits(store: Store) -> Iterator[list[str]]:
    """One line for each transaction that was kept while the block ran."""
    kept: list[str] = []
    commit = _commit_of(store)
    with mock.patch.object(*commit, side_effect=getattr(*commit), autospec=True) as watched:
        yield kept
        kept += ["COMMIT"] * watched.call_count


@contextmanager
def failing_commits(store: Store, error: BaseException) -> Iterator[None]:
    """Whoever would commit meets this error, and nothing is kept."""
    with mock.patch.object(*_commit_of(store), side_effect=error, autospec=True):
        yield
        if isinstance(store, SqliteStore):
            store.connection.rollback()


def _commit_of(store: Store) -> tuple[object, str]:
    """What every transaction of this backend ends with when it is kept."""
    if isinstance(store, SqliteStore):
        return SqliteStore, "_commit"
    from engine.store import postgres

    return postgres, "_committed"
