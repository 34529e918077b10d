"""A private PostgreSQL for the tests of one process: made when the first of them asks, emptied for each, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import pytest
from psycopg import Connection

from engine.store import pgschema, private
from engine.store.postgres import PostgresStore, connected
from engine.store.private import PrivatePostgres

_NAMES = count(1)
# Without its triggers, since the journal cannot be emptied with them; a row that is deleted costs less than a truncation.
_ALONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
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

    def __init__(self, url: str, lender: Databases) -> None:
        super().__init__(url)
        self._url, self._lender = url, lender

    def close(self) -> None:
        """Give the database back."""
        super().close()
        if self._url:
            self._lender.take_back(self._url)
        self._url = ""

    def as_admin(self) -> Connection[tuple[object, ...]]:
        """A superuser's connection to it, for whom no rule holds."""
        return self._lender.admin(self._url)

    def image(self) -> Image:
        """All that is in it."""
        return self._lender.image(self._url)


@dataclass(frozen=True)
class Image:
    """What a database held: the rows of each table, and the last number of each sequence."""

    lender: Databases
    tables: Mapping[str, bytes]
    numbers: Mapping[str, int]

    def store(self) -> InDatabase:
        """Another database with the same in it."""
        store = self.lender.store()
        with store.as_admin() as connection:
            connection.execute("SET session_replication_role = replica")
            for name, rows in self.tables.items():
                with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT binary)".encode()) as copy:
                    copy.write(rows)
            for name, value in self.numbers.items():
                connection.execute("SELECT setval(%s::regclass, %s)", (name, value))
        return store


class Databases:
    """Databases of the newest schema, lent to one store at a time, and emptied before each."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server, self._free = server, list[str]()
        # A server process that a test starts makes the database of its durable engine beside the store.
        as_admin(server, "ALTER ROLE flowctl CREATEDB")
        # One connection to each of them is kept: a new one reads the catalog again, which takes most of the time.
        self._emptiers = dict[str, Connection[tuple[object, ...]]]()

    def store(self) -> InDatabase:
        """A store with nothing in it."""
        return InDatabase(self.lend(), self)

    def lend(self) -> str:
        """The address of a database with nothing in it."""
        if self._free:
            url = self._free.pop()
            emptier = self._emptiers.get(url) or self._emptiers.setdefault(url, self.admin(url))
            # Whoever was killed, or forgot to close it, may hold a lock there still.
            emptier.execute(_ALONE.encode())
            emptier.execute(_EMPTY.encode())
            emptier.execute(f"DROP DATABASE IF EXISTS {_named(url)}_durable WITH (FORCE)".encode())
        else:
            url = self._server.create(f"lent_{next(_NAMES)}")
            with connected(url) as connection:
                pgschema.migrate(connection)
        return url

    def take_back(self, url: str) -> None:
        """Nobody uses it any more."""
        self._free.append(url)

    def close(self) -> None:
        """Let the server go."""
        for connection in self._emptiers.values():
            connection.close()

    def admin(self, place: str) -> Connection[tuple[object, ...]]:
        """A superuser's connection to one of them, by its address or its name."""
        return Connection.connect(self._server.admin_url, autocommit=True, dbname=_named(place))

    def image(self, url: str) -> Image:
        """All that is in one of them."""
        found: dict[str, bytes] = {}
        with self.admin(url) as connection:
            kinds = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            names = [(str(name), kind) for name, kind in connection.execute(kinds.encode()).fetchall()]
            for name in (name for name, kind in names if kind == "r" and name != "schema_versions"):
                with connection.cursor().copy(f"COPY {name} TO STDOUT (FORMAT binary)".encode()) as copy:
                    found[name] = b"".join(bytes(part) for part in copy)
            last = "SELECT relname, pg_sequence_last_value(oid::regclass) FROM pg_class WHERE relkind = 'S'"
            numbers = {str(n): int(str(value)) for n, value in connection.execute(last.encode()).fetchall() if value}
        return Image(self, found, numbers)


def _named(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


@contextmanager
def opened(url: str, busy_s: float = 5.0) -> Iterator[PostgresStore]:
    """A store of it."""
    store = PostgresStore(url, busy_s=busy_s)
    try:
        yield store
    finally:
        store.close()
