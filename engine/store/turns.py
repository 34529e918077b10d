"""Whose turn it is: each piece of work of a company is handed out under a number, and only the newest may have an effect.

The engine that executes work keeps a list of its own, which may be lost at any time. This one says what was handed out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.clock import iso
from engine.dataclass import dataclass
from engine.holders import ended
from engine.store.base import Row, Tx

# A process that has not shown for so long that it lives is taken for dead.
DEAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a piece of work, as it was handed out."""

    company: str
    work: str
    number: int
    at: str


@dataclass(frozen=True, slots=True)
class Open:
    """A turn that has not ended, and the name of the process that has begun it, empty for none."""

    turn: Turn
    executor: str


def open_(tx: Tx, company: str, work: str, at: str) -> Turn | None:
    """Hand out a piece of work; None while an earlier turn of it has not ended."""
    row = tx.one("turn_open", {"company": company, "work": work, "at": at})
    return Turn(company, work, int(row["number"]), at) if row else None


def again(tx: Tx, turn: Turn, at: str) -> Turn | None:
    """Hand it out anew, so that the earlier turn can have no effect any more; None when that has ended."""
    row = tx.one("turn_again", {**_scope(turn), "at": at})
    return Turn(turn.company, turn.work, int(row["number"]), at) if row else None


def begin(tx: Tx, turn: Turn, executor: str) -> bool:
    """Begin the turn; False when it has begun before, has ended, or was handed out anew."""
    return tx.run("turn_begin", {**_scope(turn), "executor": executor}) == 1


def is_ours(tx: Tx, turn: Turn, executor: str) -> bool:
    """Whether the turn still stands as this process has begun it."""
    row = tx.one("turn_get", {"company": turn.company, "work": turn.work})
    found = (row["number"], row["at"], row["state"], row["executor"]) if row else None
    return found == (turn.number, turn.at, "running", executor)


def end(tx: Tx, turn: Turn) -> None:
    """The turn is over, if it still stands."""
    tx.run("turn_end", _scope(turn))


def unended(tx: Tx) -> list[Open]:
    """All turns that have not ended."""
    rows = tx.rows("turns_open", {})
    return [Open(Turn(r["company"], r["work"], int(r["number"]), r["at"]), r["executor"]) for r in rows]


def beat(tx: Tx, name: str, at: str, form: str, serves: str = "") -> None:
    """A process shows that it lives, which form of tasks it takes, and what it serves (`engine.durable.served`)."""
    tx.run("executor_seen", {"name": name, "at": at, "form": form, "serves": serves})


def gone(tx: Tx, name: str) -> None:
    """A process has ended, or is taken for dead."""
    tx.run("executor_gone", {"name": name})


def executors(tx: Tx) -> list[Row]:
    """The processes that were not seen to end."""
    return tx.rows("executors_all", {})


def is_silent(row: Row, now: datetime) -> bool:
    """Whether a process has not shown for long that it lives. A time ahead of the clock is of a clock that was ahead."""
    far = timedelta(seconds=DEAD_S)
    return not iso(now - far) < str(row["seen_at"]) < iso(now + far)


def is_dead(row: Row, now: datetime) -> bool:
    """Whether a process is gone from this machine, or was silent for long."""
    return ended(row["name"]) or is_silent(row, now)


def release_reads(tx: Tx, process: str) -> None:
    """Let others read what a dead process was reading; should it live after all, it finds that it may not go on."""
    tx.run("reads_release", {"process": process})


def _scope(turn: Turn) -> dict[str, object]:
    return {"company": turn.company, "work": turn.work, "number": turn.number, "opened_at": turn.at}
