"""The store's two small seams: a `Tx` runs named statements, a `Store` opens transactions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from typing import Any, Protocol, runtime_checkable

from engine.errors import Bug
from engine.shipped import shipped

Row = Mapping[str, Any]
Params = Mapping[str, object]

# Whose rows belong to no company: the journal and the alerts of the house, the users of the panel and their sessions.
HOUSE = ""
# The longest id of a record, or key or name that is looked up, in bytes of UTF-8: an index of PostgreSQL's takes a row of
# some 2,700, and one of them holds a key beside a name.
LONGEST_ID = 1000
# A transaction that only shows that one can be had.
PROBE = "probe:"

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def is_too_long(name: str) -> bool:
    """Whether no store keeps a record of this id, or a mapping of this key."""
    return len(name) > LONGEST_ID or len(name.encode("utf-8", "surrogatepass")) > LONGEST_ID


class Tx(Protocol):
    """One transaction. Statements are named in `sql/*.sql`; parameters are written `:name` there."""

    def run(self, name: str, params: Params) -> int:
        """Execute and return how many rows changed."""
        ...

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        """Execute once a row of positional parameters (`?` in the statement): the bulk path."""
        ...

    def rows(self, name: str, params: Params) -> list[Row]:
        """Execute and return all rows."""
        ...

    def one(self, name: str, params: Params) -> Row | None:
        """Execute and return the first row."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A store that several machines share, and that has a clock of its own to hold theirs against."""

    def now(self) -> datetime:
        """The time there, with its zone."""
        ...


class Store(Protocol):
    """Where everything durable is kept."""

    def write(self, *of: str) -> AbstractContextManager[Tx]:
        """A transaction that may change rows; commits when the block ends, rolls back when it raises.

        `of` are the companies whose rows it touches, or names such as `limit:<name>` of what belongs to no company. Those
        of one name come one after the other, in all processes on the store; others may run meanwhile. Without a name it is
        of the whole house, and alone. A block inside a block joins it, and may touch no more than the outer one said.
        """
        ...

    def read(self, *of: str) -> AbstractContextManager[Tx]:
        """A transaction that only reads, and sees one moment; of all rows when no company is named."""
        ...

    def close(self) -> None:
        """Release the backend."""
        ...


@runtime_checkable
class Versioned(Protocol):
    """A store that tells the version of its schema."""

    def versions(self) -> tuple[int, int]:
        """The version it has, and the newest that is known here."""
        ...


@runtime_checkable
class Groups(Protocol):
    """A store whose writes come one after the other: one commit may stand for several calls."""

    def write(self, *of: str) -> AbstractContextManager[Tx]:
        """As every store has it."""
        ...

    def part(self) -> AbstractContextManager[None]:
        """Inside a write: what is done in the block is undone alone when it raises; the rest of the transaction goes on."""
        ...


@runtime_checkable
class Wanted(Protocol):
    """A store that is written by one at a time, and knows whether somebody waits for that."""

    def is_wanted(self) -> bool:
        """Whether somebody who has a call to answer waited lately for what was done in the background."""
        ...


@cache
def statements(backend: str = "sqlite") -> Mapping[str, str]:
    """Every named statement of `sql/*.sql`; one in a file `NAME.BACKEND.sql` takes the place of the common one."""
    found: dict[str, str] = {}
    files = {
        file.name: file for file in shipped("engine.store").joinpath("sql").iterdir() if file.name.endswith(".sql")
    }
    common = sorted(name for name in files if name.count(".") == 1)
    for name in [*common, *sorted(name for name in files if name.endswith(f".{backend}.sql"))]:
        parts = _NAME.split(files[name].read_text(encoding="utf-8"))
        for statement, text in zip(parts[1::2], parts[2::2], strict=True):
            found[statement] = text.strip().rstrip(";")
    return found


def limit_of(name: str) -> str:
    """What a transaction names that counts calls of a vendor's limit: companies may share one."""
    return f"limit:{name}"


def lease_of(name: str) -> str:
    """What a transaction names that takes or gives back a lease of no company, and does nothing else."""
    return f"lease:{name}"


def require_within(outer: Sequence[str], inner: Sequence[str]) -> None:
    """Let a block into another one: what it says is part of what the outer one said; without a name both are the house.

    Raises:
        Bug: when it is not: it would see rows, or change them, that the transaction has not taken.
    """
    if outer and not (inner and set(outer).issuperset(inner)):
        raise Bug(f"a transaction of {_shown(inner)} inside one of {_shown(outer)}")


def strange(name: str) -> Bug:
    """A statement was given a company that its transaction did not name."""
    return Bug(f"{name} touches rows of another company than its transaction said")


def _shown(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "the whole house"


def take_number(tx: Tx, name: str, count: int = 1) -> int:
    """Reserve `count` consecutive numbers of a counter; returns the first."""
    scope = {"name": name, "count": count}
    row = tx.one("counter_take", scope)
    if row is None:
        tx.run("counter_create", {"name": name})
        row = tx.one("counter_take", scope)
    assert row is not None
    return int(row["value"]) - count + 1
