"""Who reads a fetch: one process at a time, so that no older page ever replaces what a newer read has put there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from engine.clock import iso
from engine.dataclass import dataclass
from engine.errors import BeingRead, StoreError
from engine.holders import drop_name, ended, take_name
from engine.store import work
from engine.store.base import Tx
from engine.world import World, take_lease

# How long a page may take until another process may begin anew; it is counted from the page before.
READING_S = 900.0


@dataclass(slots=True)
class Reading:
    """The right to read one fetch; `hold` prolongs it in the transaction of each page."""

    world: World
    name: str
    company: str
    connection: str
    stream: str
    holder: str
    _fence: int = 0

    def begin(self) -> None:
        """Take the right.

        Raises:
            BeingRead: when another process has it.
        """
        with self.world.store.write(self.company) as tx:
            fence = take_lease(tx, self.name, self.holder, self.world.clock.now(), READING_S)
        if fence is None:
            raise BeingRead(f"{self.company}/{self.connection}: another process is reading {self.stream}")
        self._fence = fence

    def hold(self, tx: Tx) -> None:
        """Make sure that nobody else has read since the right was taken, and prolong it.

        Raises:
            BeingRead: when another process has: what this one has in its hands may be older, and is not kept.
        """
        # Every taking counts the fence on: where it is still ours, there was nobody in between.
        if not work.hold_lease(tx, self.name, (self.holder, self._fence), self.world.clock.now(), READING_S):
            raise BeingRead(
                f"{self.company}/{self.connection}: another process has read {self.stream} meanwhile; this read ends"
            )
        self._fence += 1


@contextmanager
def reading(world: World, company: str, flow: str, identity: str) -> Iterator[Reading]:
    """Hold the right to read a fetch of a flow.

    Raises:
        BeingRead: when another process has it.
    """
    connection, _, stream = identity.partition("?")[0].partition("/")
    name = _name(company, flow, identity)
    held = Reading(world, name, company, connection, stream, take_name(world.ids))
    try:
        held.begin()
        yield held
    finally:
        drop_name(held.holder)
        # What was read is durable; the right ends by itself.
        with suppress(StoreError), world.store.write(company) as tx:
            work.release_lease(tx, held.name, held.holder)


def is_read(world: World, tx: Tx, company: str, flow: str, identity: str) -> bool:
    """Whether a process that may live is reading a fetch now."""
    row = tx.one("lease_get", {"name": _name(company, flow, identity)})
    return row is not None and row["until_at"] > iso(world.clock.now()) and not ended(row["holder"])


def is_flow_read(world: World, tx: Tx, company: str, flow: str) -> bool:
    """Whether a process that may live is reading anything of a flow now."""
    rows = tx.rows("leases_held", {"prefix": f"read:{company}/{flow}/", "at": iso(world.clock.now())})
    return any(not ended(row["holder"]) for row in rows)


def _name(company: str, flow: str, identity: str) -> str:
    return f"read:{company}/{flow}/{identity}"
