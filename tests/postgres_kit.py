"""A private PostgreSQL for the tests of one process: made when the first of them asks, emptied for each, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from psycopg import Connection

from engine.store import pgschema, private
from engine.store.postgres import PostgresStore, connected
from engine.store.private import PrivatePostgres

TEMPLATE = "migrated"
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
    """A server whose database `flowctl` has the newest schema, as has the database `TEMPLATE` that others are copied from."""
    if private.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with private.running() as server:
        with connected(server.url()) as connection:
            pgschema.migrate(connection)
        server.create(TEMPLATE, "flowctl")
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
def copied(server: PrivatePostgres, template: str = TEMPLATE) -> Iterator[str]:
    """The address of a database of one's own: for tests that need several, or change the schema."""
    name = f"test_{next(_NAMES)}"
    try:
        yield server.create(name, template)
    finally:
        server.drop(name)


@contextmanager
def opened(url: str, busy_s: float = 5.0) -> Iterator[PostgresStore]:
    """A store of it."""
    store = PostgresStore(url, busy_s=busy_s)
    try:
        yield store
    finally:
        store.close()
