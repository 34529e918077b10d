"""The embedded backend: one SQLite file through sqlite-utils, one connection a process, every commit durable."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

import sqlite_utils

from engine.errors import Bug, StoreBusy, StoreDamaged
from engine.store.base import Params, Row, statements

# WAL has a reset bug in older SQLite that can corrupt a file which several connections use; there the rollback journal is
# the mode. Of its forms PERSIST is as durable as the others and commits nine times faster than TRUNCATE on ext4, since
# no file changes its length. https://sqlite.org/wal.html section "The WAL-Reset Bug"
_WAL_SAFE = (3, 51, 3)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


class SqliteTx:
    """A running transaction on the process's connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        return self._connection.execute(statements()[name], params).rowcount

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters."""
        self._connection.executemany(statements()[name], params)

    def rows(self, name: str, params: Params) -> list[Row]:
        """Execute and return all rows."""
        return self._connection.execute(statements()[name], params).fetchall()

    def one(self, name: str, params: Params) -> Row | None:
        """Execute and return the first row; the rest of the statement is still run."""
        found = self._connection.execute(statements()[name], params).fetchall()
        return found[0] if found else None


class SqliteStore:
    """One SQLite file. Transactions of one process run one after the other; other processes wait up to `busy_s`."""

    def __init__(self, path: Path | None, *, busy_s: float = 10.0, image: bytes | None = None) -> None:
        """Open and migrate the file, or a private in-memory store when there is no path; `image` is what it holds."""
        self._lock = threading.RLock()
        self._depth = 0
        self._writing = False
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _translated():
            connection = sqlite3.connect(
                str(path) if path else ":memory:",
                timeout=busy_s,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,  # there are more statements than Python keeps prepared by itself
            )
            connection.row_factory = sqlite3.Row
            self._db = sqlite_utils.Database(connection)
            self._connection = connection
            try:
                if image is not None:
                    connection.deserialize(image)
                self._prepare(durable=path is not None)
            except BaseException:
                connection.close()
                raise

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection itself, for backup and integrity checks."""
        return self._connection

    @contextmanager
    def write(self) -> Iterator[SqliteTx]:
        """A transaction that holds the write lock from its start, so that it never fails half-way for want of it."""
        with self._lock, _translated():
            if self._depth and not self._writing:
                raise Bug("a write inside a read would be rolled back with it")
            if self._depth:
                # A nested block joins the transaction around it: all of it commits, or nothing does.
                self._depth += 1
                try:
                    yield SqliteTx(self._connection)
                finally:
                    self._depth -= 1
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth, self._writing = 1, True
            try:
                yield SqliteTx(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise
            finally:
                self._depth, self._writing = 0, False

    @contextmanager
    def read(self) -> Iterator[SqliteTx]:
        """A transaction that sees one moment of the store."""
        with self._lock, _translated():
            if self._depth:
                yield SqliteTx(self._connection)
                return
            self._connection.execute("BEGIN")
            self._depth = 1
            try:
                yield SqliteTx(self._connection)
            finally:
                self._depth = 0
                self._db.rollback()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def integrity_problem(self) -> str | None:
        """What SQLite's own check finds wrong, or None."""
        with self._lock:
            try:
                answer = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                return str(error)
        return None if answer == "ok" else str(answer)

    def _prepare(self, *, durable: bool) -> None:
        # Counts for a new file only. A record with its document fills half of SQLite's default page of 4 KiB; with 8 KiB
        # 10,000 bills took a tenth less CPU, 100,000 the same.
        self._connection.execute("PRAGMA page_size = 8192")
        if durable:
            mode = "WAL" if sqlite3.sqlite_version_info >= _WAL_SAFE else "PERSIST"
            self._connection.execute(f"PRAGMA journal_mode = {mode}")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA cache_size = -16000")
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._migrate()

    def _migrate(self) -> None:
        """Bring the schema to the newest version; each migration commits with its own version number, or not at all."""
        current = self._connection.execute("PRAGMA user_version").fetchone()[0]
        for number, scripts in _migrations():
            if number <= current:
                continue
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                # Another process may have migrated while this one waited for the lock.
                if self._connection.execute("PRAGMA user_version").fetchone()[0] < number:
                    for script in scripts:
                        for statement in _split(script):
                            self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {number}")
                self._connection.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise


@cache
def _migrations() -> list[tuple[int, list[str]]]:
    folder = files("engine.store").joinpath("migrations")
    found: dict[int, list[tuple[str, str]]] = {}
    for file in folder.iterdir():
        common = file.name.endswith(".sql") and file.name.count(".") == 1
        if common or file.name.endswith(".sqlite.sql"):
            found.setdefault(int(file.name[:4]), []).append((file.name, file.read_text(encoding="utf-8")))
    # "0001_initial.sql" sorts before "0001_initial.sqlite.sql"
    return [(number, [text for _, text in sorted(scripts)]) for number, scripts in sorted(found.items())]


def _split(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's body holds semicolons, so ask SQLite where a statement ends."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into ours: what may pass by itself is busy, a broken file is damaged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise StoreBusy(
                f"the store is not available: {error}", hint="free disk space or end the process that holds it"
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreDamaged(
                f"the store file is damaged: {error}", hint="stop flowctl and restore the newest backup"
            ) from error
        if isinstance(error, sqlite3.IntegrityError):
            # SQLite names the constraint and its columns here, never a value.
            raise Bug(f"the store refused a row: {error}") from error
        raise
