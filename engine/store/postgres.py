"""The backend for several machines: PostgreSQL through psycopg 3, a pool of connections, rows kept apart by company."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import orjson
from psycopg import Connection, Error, sql
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper
from psycopg_pool import ConnectionPool, PoolTimeout

from engine.errors import Bug, StoreBusy
from engine.store import copying, dialect, pgschema
from engine.store.base import Params, Row, require_within, strange
from engine.store.pgerrors import UNREACHABLE, ours
from engine.telemetry import committed, meter, meters

Rows = Connection[dict[str, Any]]
# A process that was stopped amid a transaction holds its company up no longer than this.
IDLE_S = 15
_HOUSE = int.from_bytes(blake2b(b"house", digest_size=8, person=b"flowctl").digest(), "big", signed=True)
_DEFAULTS: Mapping[str, str | int] = {
    "application_name": "flowctl",
    "connect_timeout": 10,
    # A server that vanished without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}


class _Text(StrDumper):
    """A text with its type told, so that PostgreSQL has not to guess it; it has no character 0, so U+FFFD stands there."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)


class _Truth(Dumper):
    """True and False as the numbers that SQLite makes of them."""

    oid = Int8Dumper.oid

    def dump(self, obj: bool) -> Buffer | None:
        return b"1" if obj else b"0"


class _Number(Loader):
    """A sum of whole numbers, which PostgreSQL gives as NUMERIC."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


class _Flag(Loader):
    """What is true or not, as the number that SQLite gives."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class PostgresTx:
    """A running transaction on a connection of its own."""

    __slots__ = ("_connection", "of")

    def __init__(self, connection: Rows, of: tuple[str, ...] = ()) -> None:
        self._connection = connection
        # Whose rows it said that it touches; none is the whole house.
        self.of = of

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        text, values = self._bound(name, params)
        try:
            return self._connection.execute(text, values).rowcount
        except Error as error:
            raise _told(error) from None

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters."""
        text = dialect.statement(name).text
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(text, params)
        except Error as error:
            raise _told(error) from None

    def rows(self, name: str, params: Params) -> list[Row]:
        """Execute and return all rows."""
        text, values = self._bound(name, params)
        try:
            return cast("list[Row]", self._connection.execute(text, values).fetchall())
        except Error as error:
            raise _told(error) from None

    def one(self, name: str, params: Params) -> Row | None:
        """Execute and return the first row; the rest of the statement is still run."""
        found = self.rows(name, params)
        return found[0] if found else None

    def _bound(self, name: str, params: Params) -> tuple[str, Params]:
        # Row-level security would show nothing; that would be taken for an answer.
        if self.of and params.get("company", self.of[0]) not in self.of:
            raise strange(name)
        found = dialect.statement(name)
        if found.lists:
            params = {**params, **{key: orjson.loads(cast("str", params[key])) for key in found.lists}}
        return found.text, params


class _Running:
    """The transaction of one thread: of whom it is, and how deep its blocks are."""

    __slots__ = ("asked_at", "began_at", "connection", "depth", "of", "tx", "writing")

    def __init__(self, connection: Rows, of: tuple[str, ...], *, writing: bool) -> None:
        self.connection, self.of, self.writing = connection, of, writing
        self.tx, self.depth = PostgresTx(connection, of), 1
        self.asked_at = self.began_at = 0.0


class _Block:
    """One block of a transaction."""

    __slots__ = ("_of", "_store", "_writing")

    def __init__(self, store: PostgresStore, of: tuple[str, ...], *, writing: bool) -> None:
        self._store, self._of, self._writing = store, of, writing

    def __enter__(self) -> PostgresTx:
        return self._store.begin(self._of, writing=self._writing)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._store.end(keep=error is None)


class PostgresStore:
    """A PostgreSQL database. Transactions of one company come one after the other, in all processes on it."""

    def __init__(self, url: str, *, busy_s: float = 10.0, most: int = 16, unfinished: bool = False) -> None:
        """Open a database whose schema is the one known here; at most so many transactions run at a time.

        With `unfinished`, also one into which a store is still being copied.

        Raises:
            StoreTooNew, StoreTooOld: the schema is another; `flowctl store migrate` brings it forward.
            CopyUnfinished: a store is being copied into it.
            StoreBusy: PostgreSQL cannot be reached.
        """
        self._busy_s = busy_s
        self._local = threading.local()
        self._conninfo = conninfo(url)
        with self.plain() as connection:
            pgschema.check(connection)
            if not unfinished and copying.is_unfinished(connection):
                raise copying.CopyUnfinished(self.place)
        self._pool: ConnectionPool[Rows] = ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=most,
            timeout=busy_s,
            kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 2},
            configure=self._configured,
            open=True,
            num_workers=1,
        )

    def __repr__(self) -> str:
        return f"PostgresStore({self.place!r})"

    @property
    def place(self) -> str:
        """Where the database is, without its password."""
        return place_of(self._conninfo)

    @property
    def folder(self) -> None:
        """There is none on this machine."""
        return

    def plain(self) -> Connection[tuple[Any, ...]]:
        """A connection of its own, outside the transactions of the store, for checks of the database itself.

        Raises:
            StoreBusy: PostgreSQL cannot be reached.
        """
        return connected(self._conninfo)

    def write(self, *of: str) -> AbstractContextManager[PostgresTx]:
        """A transaction that holds the locks of all that it names from its start."""
        return _Block(self, of, writing=True)

    def read(self, *of: str) -> AbstractContextManager[PostgresTx]:
        """A transaction that sees one moment of the store, and of that the companies that it names."""
        return _Block(self, of, writing=False)

    def begin(self, of: tuple[str, ...], *, writing: bool) -> PostgresTx:
        """Begin a transaction, or go deeper into the one that this thread runs."""
        running: _Running | None = getattr(self._local, "running", None)
        if running is not None:
            if writing and not running.writing:
                raise Bug("a write inside a read would be rolled back with it")
            require_within(running.of, of)
            running.depth += 1
            return running.tx
        asked_at = time.perf_counter() if meter.is_on() else 0.0
        connection = self._begun(_opening(of, writing=writing))
        running = _Running(connection, of, writing=writing)
        running.asked_at, running.began_at = asked_at, time.perf_counter() if asked_at else 0.0
        self._local.running = running
        return running.tx

    def end(self, *, keep: bool) -> None:
        """Leave the innermost block; the outermost one commits when the work is to be kept, else it rolls back."""
        running: _Running = self._local.running
        running.depth -= 1
        if running.depth:
            return
        self._local.running = None
        is_kept = False
        try:
            if keep and running.writing:
                _committed(running.connection)
                is_kept = True
            else:
                _undone(running.connection)
        finally:
            self._pool.putconn(running.connection)
            committed.settle(keep=is_kept)
            if running.asked_at:
                kind = "write" if running.writing else "read"
                meter.observe(meters.STORE_WAITS, running.began_at - running.asked_at, kind)
                meter.observe(meters.STORE_SECONDS, time.perf_counter() - running.began_at, kind)

    def _begun(self, opening: str) -> Rows:
        """A connection with its transaction begun. One that was lost while it lay idle is replaced: nothing was done yet."""
        until = time.monotonic() + self._busy_s
        while True:
            try:
                connection = self._pool.getconn()
            except PoolTimeout:
                meter.add(meters.STORE_BUSY)
                raise StoreBusy(
                    "the store is not available: no connection to PostgreSQL is free", hint=UNREACHABLE
                ) from None
            try:
                connection.execute(opening, prepare=False)
            except BaseException as error:
                was_lost = connection.closed
                _undone(connection)
                self._pool.putconn(connection)
                if not isinstance(error, Error):
                    raise
                if not was_lost or time.monotonic() > until:
                    raise _told(error) from None
            else:
                return connection

    def _configured(self, connection: Rows) -> None:
        _configure(connection, self._busy_s)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def now(self) -> datetime:
        """The time there, in UTC.

        Raises:
            StoreBusy: PostgreSQL cannot be reached.
        """
        with self.read() as tx:
            row = tx.one("time_now", {})
        assert row is not None
        found: datetime = row["now"]
        return found

    def versions(self) -> tuple[int, int]:
        """The version of the schema, and the newest that is known here."""
        with self.read() as tx:
            row = tx.one("schema_version", {})
        return int(row["number"]) if row is not None else 0, pgschema.newest()


def conninfo(url: str) -> str:
    """What libpq is told: the address with our defaults beneath it."""
    given = conninfo_to_dict(url)
    return make_conninfo(url, **{name: value for name, value in _DEFAULTS.items() if name not in given})


def place_of(url: str) -> str:
    """Host and name of a database, without user or password."""
    try:
        given = conninfo_to_dict(url)
    except Error:
        return "PostgreSQL"
    host, port = given.get("host") or "local socket", given.get("port")
    return f"{given.get('dbname') or 'default database'} at {host}" + (f":{port}" if port else "")


def connected(url: str) -> Connection[tuple[Any, ...]]:
    """One connection, in autocommit.

    Raises:
        StoreBusy: PostgreSQL cannot be reached, or does not let us in.
    """
    try:
        return Connection.connect(conninfo(url), autocommit=True)
    except Error as error:
        # libpq names the host and the user here, never the password.
        words = " ".join(str(error).split()).removeprefix("connection failed: ")
        raise StoreBusy(f"the store is not available: {words}", hint=UNREACHABLE) from None


def session(url: str) -> Rows:
    """A connection with the values and settings of the store's own, for whoever manages its transactions by himself.

    Raises:
        psycopg.Error: PostgreSQL cannot be reached.
    """
    connection = Connection.connect(conninfo(url), autocommit=True, row_factory=dict_row, prepare_threshold=2)
    _configure(connection, 10.0)
    return connection


def _configure(connection: Rows, busy_s: float) -> None:
    _adapted(connection)
    connection.execute(
        f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'; SET lock_timeout = '{int(busy_s * 1000)}ms';"
        " SET timezone = 'UTC'; SET default_transaction_isolation = 'read committed';"
        # What was answered must be on disk; where the server promises more than that, it stays so.
        " SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )


def _adapted(connection: Rows) -> None:
    """Values as SQLite takes and gives them."""
    adapters = connection.adapters
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_dumper(bool, _Truth)
    adapters.register_dumper(str, _Text)
    adapters.register_loader("numeric", _Number)
    adapters.register_loader("bool", _Flag)
    connection.prepared_max = 1000


def _undone(connection: Rows) -> None:
    """Roll back. A cancelled statement may have left a lock of the session that hands out numbers."""
    with suppress(Error):  # a connection that is lost has rolled back
        connection.execute("ROLLBACK; SELECT pg_advisory_unlock_all()", prepare=False)


def _told(error: Error) -> Exception:
    told = ours(error)
    if isinstance(told, StoreBusy):
        meter.add(meters.STORE_BUSY)
    return told


def _committed(connection: Rows) -> None:
    """Commit.

    Raises:
        StoreBusy: when the answer was lost: what was written is there, or all of it is not. Whoever tries again finds out,
            as after an input/output error of a file.
    """
    if connection.info.transaction_status == TransactionStatus.INERROR:
        _undone(connection)
        raise Bug("a transaction with an error in it cannot be kept")
    try:
        connection.execute("COMMIT", prepare=False)
    except Error as error:
        was_lost = connection.closed
        _undone(connection)
        if not was_lost:
            raise _told(error) from None
        meter.add(meters.STORE_BUSY)
        raise StoreBusy(
            "the store is not available: the connection to PostgreSQL was lost during a commit, which may have succeeded",
            hint=UNREACHABLE,
        ) from None


def scope_of(of: tuple[str, ...]) -> str:
    """Whose rows are seen, as the policies read it: an array of names, or a star for the whole house."""
    names = ",".join('"' + name.replace("\0", "\ufffd").replace("\\", r"\\").replace('"', r"\"") + '"' for name in of)
    return "{" + names + "}" if of else "*"


@lru_cache(maxsize=4096)
def _opening(of: tuple[str, ...], *, writing: bool) -> str:
    """What begins a transaction, in one go: its kind, whose rows it sees, and its locks, always in one order."""
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED" if writing else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    seen = sql.Literal(scope_of(of)).as_string(None)
    wanted = [f"set_config('{pgschema.OF}', {seen}, true)"]
    if writing and of:
        wanted.append(f"pg_advisory_xact_lock_shared({_HOUSE})")
        wanted += [f"pg_advisory_xact_lock({key})" for key in sorted({_key(name) for name in of})]
    elif writing:
        wanted.append(f"pg_advisory_xact_lock({_HOUSE})")
    return f"{begin}; SELECT {', '.join(wanted)}"


def _key(name: str) -> int:
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"flowctl-of").digest()
    return int.from_bytes(digest, "big", signed=True)
