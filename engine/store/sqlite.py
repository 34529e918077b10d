"""The embedded backend: one SQLite file through sqlite-utils, one connection a process, every commit durable."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import sqlite_utils

from engine.errors import Bug, StoreBusy, StoreDamaged, StoreTooNew
from engine.shipped import shipped
from engine.store import datasteps
from engine.store.base import Params, Row, require_within, statements, strange
from engine.store.inturn import InTurn, OneAtATime, Turns
from engine.store.patience import is_patient
from engine.telemetry import committed, meter, meters

# WAL has a reset bug in older SQLite that can corrupt a file which several connections use; there the rollback journal is
# the mode. Of its forms PERSIST is as durable as the others and commits nine times faster than TRUNCATE on ext4, since
# no file changes its length. https://sqlite.org/wal.html section "The WAL-Reset Bug"
_WAL_SAFE = (3, 51, 3)
# Where calls came so lately, more will.
_LATELY_S = 1.0
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


class SqliteTx:
    """A running transaction on the process's connection."""

    __slots__ = ("_connection", "_texts", "of")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._texts = connection, statements()
        # Whose rows it said that it touches; none is the whole house.
        self.of: tuple[str, ...] = ()

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        if self.of and params.get("company", self.of[0]) not in self.of:
            raise strange(name)
        return self._connection.execute(self._texts[name], params).rowcount

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters."""
        self._connection.executemany(self._texts[name], params)

    def rows(self, name: str, params: Params) -> list[Row]:
        """Execute and return all rows."""
        if self.of and params.get("company", self.of[0]) not in self.of:
            raise strange(name)
        try:
            return self._connection.execute(self._texts[name], params).fetchall()
        except sqlite3.OperationalError as error:
            if str(error).startswith("Could not decode"):  # its message repeats the text
                raise StoreDamaged("a text in the store is no UTF-8", hint="run `flowctl audit verify`") from None
            raise

    def one(self, name: str, params: Params) -> Row | None:
        """Execute and return the first row; the rest of the statement is still run."""
        if self.of and params.get("company", self.of[0]) not in self.of:
            raise strange(name)
        found = self._connection.execute(self._texts[name], params).fetchall()
        return found[0] if found else None


class _Block:
    """One block of a transaction; a class, since a generator for each of them took longer than SQLite's own work."""

    __slots__ = ("_of", "_store", "_writing")

    def __init__(self, store: SqliteStore, of: tuple[str, ...], *, writing: bool) -> None:
        self._store, self._of, self._writing = store, of, writing

    def __enter__(self) -> SqliteTx:
        try:
            return self._store.begin(self._of, writing=self._writing)
        except sqlite3.DatabaseError as error:
            _counted(error)
            _raise_ours(error)
            raise

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._store.suspect(error)
        try:
            self._store.end(keep=error is None)
        except sqlite3.DatabaseError as failed:
            _counted(failed)
            _raise_ours(failed)
            raise
        if isinstance(error, sqlite3.DatabaseError):
            _counted(error)
            _raise_ours(error)


class _Part:
    """A part of a write; a class for the same reason."""

    __slots__ = ("_since", "_store")

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.begin_part()
        self._since = committed.held()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            committed.forget(self._since)
        self._store.end_part(keep=error is None)


class SqliteStore:
    """One SQLite file. Transactions of one process run one after the other; other processes wait up to `busy_s`."""

    def __init__(
        self,
        path: Path | None,
        *,
        busy_s: float = 10.0,
        image: bytes | None = None,
        idle: list[sqlite3.Connection] | None = None,
    ) -> None:
        """Open and migrate the file, or a private in-memory store when there is no path; `image` is what it holds.

        An in-memory store takes one of the `idle` connections and gives it back, empty again, when it is closed: half of
        what a short life takes is to prepare the statements. All it does is one transaction that is never committed, and
        its own transactions are savepoints in that.
        """
        assert idle is None or path is None, "what is written to a file is kept"
        # A file is shared with other threads and processes; a store in memory is one thread's as a rule.
        self._in_turn = None if path is None else InTurn()
        self._lock: OneAtATime = self._in_turn or threading.RLock()
        self._turns = None if path is None else Turns(path)
        self._depth = 0
        self._writing = False
        # When the running transaction was asked for, and when it began; zero while nobody measures.
        self._asked_at = self._began_at = 0.0
        # When somebody was last seen to wait for what was done in the background.
        self._wanted_at = float("-inf")
        self._path, self._busy_s = path, busy_s
        self._idle = idle
        self._is_suspect = False
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _translated():
            self._open(image)

    def _open(self, image: bytes | None = None) -> None:
        connection = self._idle.pop() if self._idle else _connected(self._path, self._busy_s, image)
        if self._idle is not None:
            connection.execute("BEGIN")
        # It would set the PRAGMA each time, and SQLite prepares all statements of the connection anew after one.
        self._db = sqlite_utils.Database(connection, recursive_triggers=False)
        self._connection = connection
        self._tx = SqliteTx(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection itself, for backup and integrity checks."""
        return self._connection

    def write(self, *of: str) -> AbstractContextManager[SqliteTx]:
        """A transaction that holds the write lock from its start, so that it never fails half-way for want of it."""
        return _Block(self, of, writing=True)

    def read(self, *of: str) -> AbstractContextManager[SqliteTx]:
        """A transaction that sees one moment of the store."""
        return _Block(self, of, writing=False)

    def begin(self, of: tuple[str, ...], *, writing: bool) -> SqliteTx:
        """Begin a transaction, or go deeper into the one that runs: all of it commits, or nothing does.

        Here one transaction follows the other whatever they say; that each touches what it said is seen to all the same,
        for another backend runs those of different companies side by side.
        """
        asked_at = time.perf_counter() if meter.is_on() else 0.0
        self._lock.acquire()
        try:
            if self._depth == 0:
                self._begin(writing=writing)
                self._writing, self._tx.of = writing, of
                self._asked_at, self._began_at = asked_at, time.perf_counter() if asked_at else 0.0
            else:
                self._join(of, writing=writing)
        except BaseException as error:
            self.suspect(error)
            self._lock.release()
            raise
        self._depth += 1
        return self._tx

    def end(self, *, keep: bool) -> None:
        """Leave the innermost block; the outermost one commits when the work is to be kept, else it rolls back."""
        is_outermost, is_kept = self._depth == 1, False
        asked_at, began_at, kind = self._asked_at, self._began_at, "write" if self._writing else "read"
        try:
            if not is_outermost:
                return
            if keep and self._writing:
                self._commit()
                is_kept = True
            else:
                self._undo()
        finally:
            self._depth -= 1
            if is_outermost and self._writing and self._turns is not None:
                self._turns.give()
            self._lock.release()
            if is_outermost:
                committed.settle(keep=is_kept)
                if asked_at:
                    meter.observe(meters.STORE_WAITS, began_at - asked_at, kind)
                    meter.observe(meters.STORE_SECONDS, time.perf_counter() - began_at, kind)

    def part(self) -> AbstractContextManager[None]:
        """Inside a write: what is done in the block is undone alone when it raises; the rest of the transaction goes on."""
        return _Part(self)

    def begin_part(self) -> None:
        """Begin a part, which `end_part` ends."""
        self._lock.acquire()
        try:
            self._require_write()
            self._connection.execute("SAVEPOINT part")
        except BaseException:
            self._lock.release()
            raise

    def _require_write(self) -> None:
        if not self._writing:
            raise Bug("only a write has parts")

    def end_part(self, *, keep: bool) -> None:
        """End the part that was begun last."""
        try:
            if not keep:
                self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
        finally:
            self._lock.release()

    def suspect(self, error: BaseException | None) -> None:
        """After an input/output error nothing that this connection remembers of the file is believed."""
        if error is not None and self._path is not None:
            self._is_suspect |= getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR

    def _verified(self) -> None:
        """Open the file anew and look whether it is whole.

        After a failed flush the kernel takes pages for clean that never reached the disk: the file decides, not the cache.

        Raises:
            StoreDamaged: it is not.
        """
        self._connection.close()
        self._open()
        problem = self.integrity_problem()
        if problem is not None:
            raise StoreDamaged(
                f"the store file is damaged: {problem}", hint="stop flowctl and restore the newest backup"
            )
        self._is_suspect = False

    def _begin(self, *, writing: bool) -> None:
        if self._is_suspect:
            self._verified()
        if self._idle is not None:
            self._connection.execute("SAVEPOINT work")
        elif writing and self._turns is not None:
            try:
                # A call that this very process has to answer waits for no others than those of any other process.
                self._turns.take(self._is_hurried if is_patient() else None)
                self._connection.execute("BEGIN IMMEDIATE")
            except BaseException:
                self._turns.give()
                raise
        else:
            self._connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")

    def is_wanted(self) -> bool:
        """Whether somebody who has a call to answer waited lately for what was done in the background."""
        return time.monotonic() - self._wanted_at < _LATELY_S

    def _look_who_waits(self) -> None:
        if self._is_hurried() or (self._turns is not None and self._turns.is_wanted):
            self._wanted_at = time.monotonic()

    def _is_hurried(self) -> bool:
        return self._in_turn is not None and self._in_turn.is_wanted

    def _join(self, of: tuple[str, ...], *, writing: bool) -> None:
        require_within(self._tx.of, of)
        if writing and not self._writing:
            raise Bug("a write inside a read would be rolled back with it")

    def _commit(self) -> None:
        try:
            if is_patient():
                self._look_who_waits()
            self._connection.execute("COMMIT" if self._idle is None else "RELEASE work")
        except BaseException as error:
            self.suspect(error)
            self._undo()
            raise

    def _undo(self) -> None:
        if self._idle is None:
            self._db.rollback()
        elif self._connection.in_transaction:  # an error may have ended all of it
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._turns is not None:
                self._turns.close()
            if self._idle is None:
                self._connection.close()
                return
            self._connection.rollback()
            self._idle.append(self._connection)

    @property
    def folder(self) -> Path | None:
        """Where the file is; None in memory."""
        return self._path.parent if self._path is not None else None

    def versions(self) -> tuple[int, int]:
        """The version of the schema, and the newest that is known here."""
        with self._lock:
            have = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        return have, _migrations()[-1][0]

    def integrity_problem(self) -> str | None:
        """What SQLite's own check finds wrong, or None."""
        with self._lock:
            try:
                answer = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                return str(error)
        return None if answer == "ok" else str(answer)


def _connected(path: Path | None, busy_s: float, image: bytes | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        str(path) if path else ":memory:",
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,  # there are more statements than Python keeps prepared by itself
    )
    connection.row_factory = sqlite3.Row
    try:
        if image is not None:
            connection.deserialize(image)
        _prepare(connection, durable=path is not None)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, *, durable: bool) -> None:
    # Counts for a new file only. A record with its document fills half of SQLite's default page of 4 KiB; with 8 KiB
    # 10,000 bills took a tenth less CPU, 100,000 the same. In memory a page is copied before its first change.
    connection.execute(f"PRAGMA page_size = {8192 if durable else 4096}")
    if durable:
        mode = "WAL" if sqlite3.sqlite_version_info >= _WAL_SAFE else "PERSIST"
        connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA temp_store = MEMORY")
    if durable or connection.execute("PRAGMA user_version").fetchone()[0]:
        _migrate(connection)
    else:
        with _MODEL_LOCK:
            _model(len(_migrations())).backup(connection)


_MODEL_LOCK = threading.Lock()


@cache
def _model(_migrations_known: int) -> sqlite3.Connection:
    """An empty store of the newest schema in memory: to copy it takes a hundredth of what the migrations take."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA page_size = 4096")
    _migrate(connection)
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to the newest version; each migration commits with its own version number, or not at all.

    Raises:
        StoreTooNew: the schema is newer than any that is known here.
    """
    current = connection.execute("PRAGMA user_version").fetchone()[0]
    migrations = _migrations()
    if migrations and current > migrations[-1][0]:
        raise StoreTooNew("this store was made by a newer flowctl")
    for number, scripts in migrations:
        if number <= current:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have migrated while this one waited for the lock.
            if connection.execute("PRAGMA user_version").fetchone()[0] < number:
                for script in scripts:
                    for statement in _split(script):
                        connection.execute(statement)
                datasteps.follow(number, lambda text, values: connection.execute(text, values).fetchall())
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


@cache
def _migrations() -> list[tuple[int, list[str]]]:
    folder = shipped("engine.store").joinpath("migrations")
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


def _counted(error: sqlite3.DatabaseError) -> None:
    """Count what was given up because the store is held by another, or full."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
        meter.add(meters.STORE_BUSY)


def _ours(error: sqlite3.DatabaseError) -> Exception | None:
    """SQLite's error as ours, if we have one for it: what may pass by itself is busy, a broken file is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return StoreBusy(
            f"the store is not available: {error}", hint="free disk space or end the process that holds it"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamaged(f"the store file is damaged: {error}", hint="stop flowctl and restore the newest backup")
    if isinstance(error, sqlite3.IntegrityError):
        # SQLite names the constraint and its columns here, never a value.
        return Bug(f"the store refused a row: {error}")
    return None


@contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        _raise_ours(error)
        raise


def _raise_ours(error: sqlite3.DatabaseError) -> None:
    ours = _ours(error)
    if ours is not None:
        raise ours from error
