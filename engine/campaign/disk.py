"""What is durable in a schedule: one SQLite database in memory that all processes share, and older copies of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import TracebackType

from engine.errors import Bug, StoreBusy
from engine.store.base import Row
from engine.store.sqlite import SqliteStore, SqliteTx, _translated

# Decides by name whether a fault of the disk happens now.
Strikes = Callable[[str], bool]
_FULL: tuple[tuple[str, str, int], ...] = (
    ("disk_full", "database or disk is full", sqlite3.SQLITE_FULL),
    ("disk_error", "disk I/O error", sqlite3.SQLITE_IOERR),
)


class Crash(BaseException):
    """The process is gone at this very moment. No `except Exception` may take it for an error."""


def never(_name: str) -> bool:
    """No fault."""
    return False


class Disk:
    """The database. A schedule plays inside one transaction that is never committed, and its own are savepoints in it.

    So a schedule leaves nothing behind, the statements stay prepared, which are a tenth of its time, and an older copy
    of the database is a savepoint to go back to.
    """

    def __init__(self, image: bytes) -> None:
        self.store = SqliteStore(None, image=image)
        self.connection = self.store.connection
        self.tx = SqliteTx(self.connection)
        self.depth = 0
        self.writing = False
        self.copies = 0
        self.connection.execute("BEGIN IMMEDIATE")

    def begin(self) -> None:
        """Forget the last schedule."""
        self.connection.execute("ROLLBACK")
        self.connection.execute("BEGIN IMMEDIATE")
        self.depth, self.writing, self.copies = 0, False, 0

    def keep(self) -> None:
        """What there is now is what every schedule begins with."""
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN IMMEDIATE")

    def changes(self) -> int:
        """How many rows were ever changed."""
        return self.connection.total_changes

    def copy(self) -> None:
        """Back the database up."""
        self.connection.execute(f"SAVEPOINT copy_{self.copies}")
        self.copies += 1

    def restore(self, number: int) -> None:
        """Put a backup in its place; later ones are lost with everything else."""
        self.connection.execute(f"ROLLBACK TO copy_{number}")
        self.copies = number + 1

    def look(self, name: str, params: dict[str, object]) -> list[Row]:
        """Read a named statement's rows from outside any process."""
        return self.tx.rows(name, params)


class _Block:
    """One transaction of a process."""

    __slots__ = ("_is_outer", "_store", "_writes")

    def __init__(self, store: CrashingStore, *, writes: bool) -> None:
        self._store = store
        self._writes = writes
        self._is_outer = False

    def __enter__(self) -> SqliteTx:
        store, disk = self._store, self._store.disk
        if store.dead:
            raise Crash
        if disk.depth and self._writes and not disk.writing:
            raise Bug("a write inside a read would be rolled back with it")
        if not disk.depth:
            if self._writes and store.strikes("store_locked"):
                raise StoreBusy("the store is not available: database is locked")
            if self._writes:
                disk.connection.execute("SAVEPOINT work")
            disk.writing, self._is_outer = self._writes, True
        disk.depth += 1
        return disk.tx

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        disk = self._store.disk
        disk.depth -= 1
        if not self._is_outer:
            _pass_on(error)
            return
        disk.writing = False
        if self._writes:
            self._end(error)
        _pass_on(error)

    def _end(self, error: BaseException | None) -> None:
        store, connection = self._store, self._store.disk.connection
        try:
            if error is None:
                _commit_fails(store.strikes)
                if store.strikes("crash_before_commit"):
                    store.die()
        except BaseException:
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            raise
        if error is not None:
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        if error is None and store.strikes("crash_after_commit"):
            store.die()


def _pass_on(error: BaseException | None) -> None:
    """Turn SQLite's errors into ours, as the store that ships does."""
    if isinstance(error, sqlite3.DatabaseError):
        with _translated():
            raise error


def _commit_fails(strikes: Strikes) -> None:
    for name, text, code in _FULL:
        if strikes(name):
            failure = sqlite3.OperationalError(text)
            failure.sqlite_errorcode = code
            with _translated():
                raise failure


class CrashingStore:
    """A process's way to the disk. It dies before or after any commit; a dead process changes nothing any more."""

    def __init__(self, disk: Disk, strikes: Strikes) -> None:
        self.disk = disk
        self.strikes = strikes
        self.dead = False

    def write(self, *_of: str) -> _Block:
        """A transaction; dying before its commit loses it."""
        return _Block(self, writes=True)

    def read(self, *_of: str) -> _Block:
        """A read; a dead process does not even that."""
        return _Block(self, writes=False)

    def close(self) -> None:
        """Nothing is this process's alone."""

    def die(self) -> None:
        """Die here and now.

        Raises:
            Crash: always.
        """
        self.dead = True
        raise Crash
