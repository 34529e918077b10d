"""The schema of the PostgreSQL store: its migrations, and the policies by which a transaction sees its companies alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import cast

from psycopg import Connection, errors

from engine.errors import StoreTooNew, StoreTooOld
from engine.shipped import shipped
from engine.store import datasteps
from engine.store.dialect import migration

# Locks that two processes must agree on, in the space of two numbers; those of transactions are in the space of one.
MIGRATING = (1179404112, 0)
# Of whom the running transaction is: an array of names, or `*` for the whole house. Empty, it sees nothing.
OF = "flowctl.of"

_MADE = """
CREATE TABLE IF NOT EXISTS schema_versions (number BIGINT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())
"""
# Two sub-selects, so that PostgreSQL asks for the setting once a statement and not once a row.
_POLICY = """
DO $$
DECLARE found TEXT;
BEGIN
    FOR found IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'company'
          AND NOT a.attisdropped AND NOT c.relforcerowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', found);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', found);
        EXECUTE format('CREATE POLICY of_company ON %I USING ('
            '(SELECT current_setting(''flowctl.of'', true) = ''*'') '
            'OR company = ANY ((SELECT NULLIF(NULLIF(current_setting(''flowctl.of'', true), ''''), ''*''))::text[]))', found);
        -- Codes and titles of companies are no secret from one another; who asks for one that is not there is told of them.
        IF found = 'companies' THEN
            CREATE POLICY names_of_all ON companies FOR SELECT USING (true);
        END IF;
    END LOOP;
END $$
"""
_UNPROTECTED = """
SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'company'
  AND NOT a.attisdropped AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY c.relname
"""


@cache
def migrations() -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The scripts of every version: the common one in PostgreSQL's types, and its own."""
    found: dict[int, list[tuple[str, str]]] = {}
    for file in shipped("engine.store").joinpath("migrations").iterdir():
        common = file.name.endswith(".sql") and file.name.count(".") == 1
        if common or file.name.endswith(".postgres.sql"):
            text = file.read_text(encoding="utf-8")
            # "0001_initial.postgres.sql" would sort before "0001_initial.sql"
            found.setdefault(int(file.name[:4]), []).append((f"{common:d}", migration(text) if common else text))
    return tuple(
        (number, tuple(text for _, text in sorted(scripts, reverse=True))) for number, scripts in sorted(found.items())
    )


def newest() -> int:
    """The newest version that is known here."""
    return migrations()[-1][0]


def version(connection: Connection[tuple[object, ...]]) -> int:
    """The version of the schema; 0 where there is none."""
    try:
        with connection.transaction():
            row = connection.execute("SELECT COALESCE(MAX(number), 0) FROM schema_versions").fetchone()
    except errors.UndefinedTable:
        return 0
    return int(cast("int", row[0])) if row else 0


def check(connection: Connection[tuple[object, ...]]) -> None:
    """Look whether the schema is the one that is known here.

    Raises:
        StoreTooNew, StoreTooOld: it is not.
    """
    have = version(connection)
    if have > newest():
        raise StoreTooNew("this store was made by a newer flowctl")
    if have < newest():
        raise StoreTooOld(have, newest())


def migrate(connection: Connection[tuple[object, ...]]) -> tuple[int, int]:
    """Bring the schema to the newest version: from which, to which. Each step commits with its number, or not at all.

    Raises:
        StoreTooNew: the schema is newer than any that is known here.
    """
    with connection.transaction():
        _lock(connection)
        connection.execute(_MADE)
    before = version(connection)
    if before > newest():
        raise StoreTooNew("this store was made by a newer flowctl")
    for number, scripts in migrations():
        if number <= before:
            continue
        with connection.transaction():
            _lock(connection)
            # Another process may have done it while this one waited.
            if version(connection) < number:
                for script in scripts:
                    connection.execute(script)
                datasteps.follow(number, partial(_run, connection))
                connection.execute(_POLICY)
                connection.execute("INSERT INTO schema_versions (number) VALUES (%s)", (number,))
    return before, newest()


def _run(
    connection: Connection[tuple[object, ...]], text: str, values: Sequence[str | int]
) -> list[tuple[object, ...]]:
    cursor = connection.execute(text.replace("?", "%s"), values)
    return cursor.fetchall() if cursor.description else []


def _lock(connection: Connection[tuple[object, ...]]) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", MIGRATING)
    connection.execute("SELECT set_config(%s, '*', true)", (OF,))


def unprotected(connection: Connection[tuple[object, ...]]) -> tuple[str, ...]:
    """Tables with companies whose rows every transaction would see."""
    return tuple(str(row[0]) for row in connection.execute(_UNPROTECTED).fetchall())
