"""What is durable in a schedule: one SQLite database in memory that all processes share, and older copies of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from engine.errors import Bug, StoreBusy
from engine.store.base import Row, Tx
from engine.store.sqlite import SqliteStore, SqliteTx, _translated
from engine.telemetry import committed

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

    def join(self, _of: tuple[str, ...]) -> None:
        """A block may join the one around it."""

    def enter(self, _of: tuple[str, ...], *, writes: bool) -> None:
        """Begin a block of a process."""
        if writes:
            self.connection.execute("SAVEPOINT work")

    def leave(self, *, keep: bool, writes: bool) -> None:
        """End it."""
        if writes:
            if not keep:
                self.connection.execute("ROLLBACK TO work")
            self.connection.execute("RELEASE work")

    def look(self, name: str, params: dict[str, object]) -> list[Row]:
        """Read a named statement's rows from outside any process."""
        return self.tx.rows(name, params)


class AnyDisk(Protocol):
    """What a schedule needs of the database: that of SQLite above, or PostgreSQL's in `engine.campaign.pgdisk`."""

    depth: int
    writing: bool
    copies: int

    @property
    def tx(self) -> Tx:
        """For statements from outside any process."""
        ...

    def begin(self) -> None:
        """Forget the last schedule."""
        ...

    def keep(self) -> None:
        """What there is now is what every schedule begins with."""
        ...

    def changes(self) -> int:
        """How many rows were ever changed."""
        ...

    def copy(self) -> None:
        """Back the database up."""
        ...

    def restore(self, number: int) -> None:
        """Put a backup in its place; later ones are lost with everything else."""
        ...

    def look(self, name: str, params: dict[str, object]) -> list[Row]:
        """Read a named statement's rows from outside any process."""
        ...

    def join(self, of: tuple[str, ...]) -> None:
        """Look whether a block may join the one around it."""
        ...

    def enter(self, of: tuple[str, ...], *, writes: bool) -> None:
        """Begin a block of a process."""
        ...

    def leave(self, *, keep: bool, writes: bool) -> None:
        """End it."""
        ...


class _Block:
    """One transaction of a process."""

    __slots__ = ("_is_outer", "_of", "_store", "_writes")

    def __init__(self, store: CrashingStore, of: tuple[str, ...], *, writes: bool) -> None:
        self._store = store
        self._of = of
        self._writes = writes
        self._is_outer = False

    def __enter__(self) -> Tx:
        store, disk = self._store, self._store.disk
        if store.dead:
            raise Crash
        if disk.depth and self._writes and not disk.writing:
            raise Bug("a write inside a read would be rolled back with it")
        if disk.depth:
            disk.join(self._of)
        else:
            if self._writes and store.strikes("store_locked"):
                raise StoreBusy("the store is not available: database is locked")
            disk.enter(self._of, writes=self._writes)
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
        try:
            if self._writes:
                self._end(error)
            else:
                disk.leave(keep=True, writes=False)
        finally:
            # Nobody listens for what is told after a commit; kept, it would keep every world that was ever played.
            committed.settle(keep=False)
        _pass_on(error)

    def _end(self, error: BaseException | None) -> None:
        store, disk = self._store, self._store.disk
        try:
            if error is None:
                _commit_fails(store.strikes)
                if store.strikes("crash_before_commit"):
                    store.die()
        except BaseException:
            disk.leave(keep=False, writes=True)
            raise
        disk.leave(keep=error is None, writes=True)
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

    def __init__(self, disk: AnyDisk, strikes: Strikes) -> None:
        self.disk = disk
        self.strikes = strikes
        self.dead = False

    def write(self, *of: str) -> _Block:
        """A transaction; dying before its commit loses it."""
        return _Block(self, of, writes=True)

    def read(self, *of: str) -> _Block:
        """A read; a dead process does not even that."""
        return _Block(self, of, writes=False)

    def close(self) -> None:
        """Nothing is this process's alone."""

    def die(self) -> None:
        """Die here and now.

        Raises:
            Crash: always.
        """
        self.dead = True
        raise Crash
