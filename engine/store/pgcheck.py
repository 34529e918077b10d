"""What `flowctl doctor` looks at in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from psycopg import Connection

from engine.dataclass import dataclass
from engine.store import pgschema
from engine.store.postgres import PostgresStore

_OLDEST = 150000
_ROLE_HINT = "use a role that is neither superuser nor BYPASSRLS and owns the tables: docs/howto/postgresql.md"


@dataclass(frozen=True, slots=True)
class Said:
    """One checked thing."""

    level: Literal["ok", "warn", "FAIL"]
    subject: str
    message: str
    hint: str = ""


def checks(store: PostgresStore) -> Iterator[Said]:
    """The server, the role, what is durable, the schema, and whether rows are kept apart by company.

    Raises:
        StoreBusy: when PostgreSQL cannot be reached.
    """
    with store.plain() as connection:
        yield _version(connection)
        yield _link(connection, store)
        yield _durable(connection)
        have, known = pgschema.version(connection), pgschema.newest()
        hint = "" if have == known else "run `flowctl store migrate` with the newest flowctl"
        yield Said("ok" if have == known else "FAIL", "schema", f"version {have} of {known}", hint)
        yield _apart(connection)


def _version(connection: Connection[Any]) -> Said:
    encoding = _shown(connection, "server_encoding")
    if encoding != "UTF8":
        hint = "make a database with ENCODING 'UTF8', and move the store there"
        return Said("FAIL", "postgresql", f"the database's encoding is {encoding}", hint)
    is_old = connection.info.server_version < _OLDEST
    version = _shown(connection, "server_version")
    return Said("warn" if is_old else "ok", "postgresql", version, "use PostgreSQL 15 or newer" if is_old else "")


def _link(connection: Connection[Any], store: PostgresStore) -> Said:
    host = connection.info.host
    is_near = not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")
    if is_near or connection.pgconn.ssl_in_use:
        return Said("ok", "store", f"{store.place}{'' if is_near else ', encrypted'}")
    hint = "add sslmode=verify-full to the address, and give the server a certificate"
    return Said("warn", "store", f"{store.place}: the connection is not encrypted", hint)


def _durable(connection: Connection[Any]) -> Said:
    off = [name for name in ("fsync", "full_page_writes") if _shown(connection, name) == "off"]
    if off:
        hint = "turn it on: after a power cut the store may be damaged, and bills posted twice"
        return Said("FAIL", "durability", f"{' and '.join(off)} is off", hint)
    return Said("ok", "durability", f"synchronous_commit is {_shown(connection, 'synchronous_commit')}")


def _apart(connection: Connection[Any]) -> Said:
    row = connection.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is not None and any(row):
        kind = "a superuser" if row[0] else "BYPASSRLS"
        return Said("FAIL", "row-level security", f"the role is {kind}, for which it does not hold", _ROLE_HINT)
    bare = pgschema.unprotected(connection)
    if bare:
        hint = "somebody has turned it off: ALTER TABLE ... ENABLE ROW LEVEL SECURITY, then FORCE ROW LEVEL SECURITY"
        return Said("FAIL", "row-level security", f"does not hold for {', '.join(bare)}", hint)
    return Said("ok", "row-level security", "holds for every table with companies")


def _shown(connection: Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row is not None else ""
