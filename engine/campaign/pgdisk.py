"""What is durable in a schedule, on PostgreSQL: one transaction that is never committed, as `engine.campaign.disk` has on SQLite.

The blocks of our processes are savepoints in it. Each sees the rows of the companies that it names, and may not name more
than the block around it: what the store that ships enforces, is enforced here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from engine.store import dialect, pgschema
from engine.store.base import Params, Row, require_within
from engine.store.postgres import PostgresTx, connected, scope_of, session
from engine.store.private import PrivatePostgres

_NUMBERS = count(1)


class _Server:
    """The server of this campaign; forked processes inherit it."""

    found: PrivatePostgres | None = None


def use(server: PrivatePostgres | None) -> None:
    """Play on this server from now on; None for SQLite."""
    _Server.found = server


def server() -> PrivatePostgres | None:
    """The server that is played on."""
    return _Server.found


def database(of: PrivatePostgres, process: int) -> str:
    """A new database with the schema; its address."""
    url = of.create(f"campaign_{process}_{next(_NUMBERS)}")
    with connected(url) as connection:
        pgschema.migrate(connection)
    return url


class _CountingTx:
    """A transaction that knows how many rows were ever changed."""

    def __init__(self, tx: PostgresTx) -> None:
        self._tx, self.changed = tx, 0

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        found = self._tx.run(name, params)
        self.changed += found
        return found

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters."""
        rows = list(params)
        self._tx.many(name, rows)
        self.changed += len(rows)

    def rows(self, name: str, params: Params) -> list[Row]:
        """Execute and return all rows."""
        found = self._tx.rows(name, params)
        if not dialect.statement(name).text.startswith(("SELECT", "WITH")):
            self.changed += len(found)
        return found

    def one(self, name: str, params: Params) -> Row | None:
        """Execute and return the first row."""
        found = self.rows(name, params)
        return found[0] if found else None


class PostgresDisk:
    """The database of one process that plays schedules; see `engine.campaign.disk.Disk` for what each method is for."""

    def __init__(self, url: str) -> None:
        self.connection = session(url)
        # A schedule is one transaction, and rests in it for as long as the rest of the schedule takes.
        self.connection.execute("SET idle_in_transaction_session_timeout = 0")
        self.tx = _CountingTx(PostgresTx(self.connection))
        self.depth, self.writing, self.copies = 0, False, 0
        self._of: tuple[str, ...] = ()
        self._numbers: list[tuple[str, int | None]] = []
        self._open()

    def _open(self) -> None:
        self.connection.execute("BEGIN", prepare=False)
        rows = self.connection.execute(
            "SELECT relname AS name, pg_sequence_last_value(oid::regclass) AS value FROM pg_class WHERE relkind = 'S'"
        )
        self._numbers = [(row["name"], row["value"]) for row in rows.fetchall()]
        self.see(())

    def begin(self) -> None:
        """Forget the last schedule, and the numbers that it took, which no transaction gives back."""
        self.connection.execute("ROLLBACK", prepare=False)
        for name, value in self._numbers:
            self.connection.execute("SELECT setval(%s::regclass, %s, %s = 1)", (name, value or 1, value is not None))
        self._open()
        self.depth, self.writing, self.copies = 0, False, 0

    def keep(self) -> None:
        """What there is now is what every schedule begins with."""
        self.connection.execute("COMMIT", prepare=False)
        self._open()

    def changes(self) -> int:
        """How many rows were ever changed."""
        return self.tx.changed

    def copy(self) -> None:
        """Back the database up."""
        self.connection.execute(f"SAVEPOINT copy_{self.copies}", prepare=False)
        self.copies += 1

    def restore(self, number: int) -> None:
        """Put a backup in its place; later ones are lost with everything else."""
        self.connection.execute(f"ROLLBACK TO copy_{number}", prepare=False)
        self.copies = number + 1
        self.see(())

    def look(self, name: str, params: dict[str, object]) -> list[Row]:
        """Read a named statement's rows from outside any process."""
        return self.tx.rows(name, params)

    def see(self, of: tuple[str, ...]) -> None:
        """Show the rows of these alone; all of them when none is named."""
        self._of = of
        self.connection.execute("SELECT set_config(%s, %s, true)", (pgschema.OF, scope_of(of)))

    def join(self, of: tuple[str, ...]) -> None:
        """Look whether a block may join the one around it.

        Raises:
            Bug: it names what that did not.
        """
        require_within(self._of, of)

    def enter(self, of: tuple[str, ...], *, writes: bool) -> None:
        """Begin a block of a process."""
        if writes:
            self.connection.execute("SAVEPOINT work", prepare=False)
        self.see(of)

    def leave(self, *, keep: bool, writes: bool) -> None:
        """End it."""
        if writes:
            if not keep:
                self.connection.execute("ROLLBACK TO work", prepare=False)
            self.connection.execute("RELEASE work", prepare=False)
        self.see(())
