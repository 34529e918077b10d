"""A private PostgreSQL for the tests of one process: made when the first of them asks, emptied for each, gone at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NoReturn

import pytest
from psycopg import Connection

from engine.store import pgschema, private
from engine.store.postgres import PostgresStore, connected
from engine.store.private import PrivatePostgres

_NAMES = count(1)
# Without its triggers, since the journal cannot be emptied with them; a row that is deleted costs less than a truncation.
_EMPTY = """
SET session_replication_role = replica;
DO $$
DECLARE
    found RECORD;
    is_used BOOLEAN;
BEGIN
    FOR found IN SELECT relname, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relname <> 'schema_versions'
    LOOP
        IF found.relkind = 'S' THEN
            IF pg_sequence_last_value(found.relname::regclass) IS NOT NULL THEN
                EXECUTE format('ALTER SEQUENCE %I RESTART', found.relname);
            END IF;
        ELSE
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', found.relname) INTO is_used;
            IF is_used THEN
                EXECUTE format('DELETE FROM %I', found.relname);
            END IF;
        END IF;
    END LOOP;
END $$
"""


@contextmanager
def migrated() -> Iterator[PrivatePostgres]:
    """A server whose database `flowctl` has the newest schema."""
    if private.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with private.running() as server:
        with connected(server.url()) as connection:
            pgschema.migrate(connection)
        yield server


def as_admin(server: PrivatePostgres, *statements: str, database: str = "flowctl") -> list[tuple[object, ...]]:
    """Run statements as a superuser, for whom no rule holds; the rows of the last one."""
    with Connection.connect(server.admin_url, autocommit=True, dbname=database) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def emptied(server: PrivatePostgres) -> str:
    """The address of the database `flowctl`, with nothing in it."""
    as_admin(server, _EMPTY)
    return server.url()


@contextmanager
def another(server: PrivatePostgres, *, is_migrated: bool = True) -> Iterator[str]:
    """The address of a database of one's own: for tests that need several, or change the schema."""
    name = f"test_{next(_NAMES)}"
    try:
        url = server.create(name)
        if is_migrated:
            with connected(url) as connection:
                pgschema.migrate(connection)
        yield url
    finally:
        server.drop(name)


class InDatabase(PostgresStore):
    """A store of a test that was written for SQLite's in memory."""

    def __init__(self, url: str, free: Callable[[str], None]) -> None:
        super().__init__(url)
        self._url, self._free = url, free

    @property
    def connection(self) -> NoReturn:
        """There is none: a test that wants it looks into SQLite's own file."""
        pytest.skip("it looks into SQLite's file")

    def close(self) -> None:
        """Give the database back."""
        super().close()
        if self._url:
            self._free(self._url)
        self._url = ""


class Databases:
    """Databases of the newest schema, lent to one store at a time, and emptied before each."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server, self._free = server, list[str]()

    def store(self) -> InDatabase:
        """A store with nothing in it."""
        if self._free:
            url = self._free.pop()
            as_admin(self._server, _EMPTY, database=url.partition("@/")[2].partition("?")[0])
        else:
            url = self._server.create(f"lent_{next(_NAMES)}")
            with connected(url) as connection:
                pgschema.migrate(connection)
        return InDatabase(url, self._free.append)


@contextmanager
def opened(url: str, busy_s: float = 5.0) -> Iterator[PostgresStore]:
    """A store of it."""
    store = PostgresStore(url, busy_s=busy_s)
    try:
        yield store
    finally:
        store.close()
