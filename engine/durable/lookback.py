"""Runs that did not come to their end: whether the process that did each is gone, or merely another than this one.

A run says which process does it. Of a process of this machine the system knows whether it lives. Any other is believed to
live while it shows so every few seconds, or while the right to read of that flow is held; a process that never shows it,
such as a run by hand on another machine, is believed for as long as it may keep that right.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.holders import ended, is_here, process_of
from engine.reading import READING_S, is_flow_read
from engine.store import turns
from engine.store.base import Row, Tx
from engine.world import World

# Whether the process of a run, by its name, is gone; an older flowctl gave its runs none.
IsGone = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Left:
    """Runs whose process is gone, by company, flow and process, and whether there are any of which nobody can say."""

    gone: frozenset[tuple[str, str, str]]
    doubtful: bool


def left(world: World, tx: Tx) -> Left:
    """Look at all runs that have not ended."""
    now = world.clock.now()
    showing = {process_of(row["name"]): not turns.is_silent(row, now) for row in turns.executors(tx)}
    gone, doubtful = set(), False
    for row in tx.rows("runs_unfinished", {}):
        verdict = _is_gone(world, tx, row, showing.get(process_of(row["process"])))
        if verdict:
            gone.add((row["company"], row["flow"], row["process"]))
        doubtful |= verdict is None
    return Left(frozenset(gone), doubtful)


def with_process(name: str) -> IsGone:
    """What died with this process, and what an older flowctl may have begun in it."""
    process = process_of(name)
    return lambda run: not run or process_of(run) == process or ended(run)


def _is_gone(world: World, tx: Tx, row: Row, is_showing: bool | None) -> bool | None:
    name = row["process"]
    if ended(name):
        return True
    if name and is_here(name):
        return False
    if is_showing is not None:
        return not is_showing
    if is_flow_read(world, tx, row["company"], row["flow"]):
        return None
    is_old = from_iso(row["started_at"]) < world.clock.now() - timedelta(seconds=READING_S)
    return True if is_old else None
