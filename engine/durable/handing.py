"""Hands out work under numbers of our own store, and takes back what died with whoever had it.

Every process may do tasks; one at a time, by a lease, hands them out and sweeps. What the executor has in its own database is
compared with our turns, never trusted: it may be gone, or older than our store, and be right again after one sweep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import cast

from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.durable import alarms
from engine.durable.lookback import IsGone, with_process
from engine.durable.port import KINDS, Executor, Kind, Task, form_of
from engine.durable.tasks import Still
from engine.errors import StaleLease, StoreBusy, StoreError
from engine.holders import drop_name, take_name
from engine.log import logger
from engine.store import turns, work
from engine.store.base import Tx, lease_of
from engine.store.sqlite import SqliteStore
from engine.store.turns import Open, Turn
from engine.world import World, take_lease

# How often a process shows that it lives, and looks for what others left.
BEAT_S = 10.0
# Who hands out work keeps the right to it for so long after it was seen last.
LEASE_S = 30.0
# What a living process was given and has not begun for so long, it never will.
STUCK_S = 120.0
# So many turns are handed out in one transaction.
BATCH = 50


@dataclass(slots=True)
class Hands:
    """One process among those that share the store. `lost` makes due again what a turn was doing that did not end."""

    world: World
    executor: Executor
    lost: Callable[[Tx, str, str, IsGone], None]
    # The flows that this process serves. It leaves the work of any other to those who know it.
    flows: frozenset[str]
    # What it shows of that (`engine.durable.served`).
    serves: str = ""
    leads: bool = False
    name: str = ""
    _beat_at: float = float("-inf")
    # Turns that are over, and of which the store could not be told.
    _over: set[Turn] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # The form of the tasks that this process hands out and takes. One at a time hands them out among those that take the
    # same: it knows nothing of the flows of others.
    form: str = field(init=False)
    _lease: str = field(init=False)

    def __post_init__(self) -> None:
        self.form = form_of(self.flows)
        self._lease = f"tick:{self.form}"

    def start(self) -> str:
        """Take the name under which this process works, and show it before any work is begun under it."""
        self.name = self.name or take_name(self.world.ids)
        self._show()
        return self.name

    def beat(self) -> bool:
        """Show now and then that this process lives; True when it did, and what is left over is to be looked for.

        Raises:
            StoreError: when the store is not available.
        """
        now = self.world.clock.monotonic()
        if now - self._beat_at < BEAT_S and (self.leads or not _is_free(self.world, self._lease)):
            return False
        self._show()
        self._beat_at = now
        self._tell_over()
        return self.leads

    def under_way(self) -> frozenset[tuple[str, str]]:
        """What was handed out and has not ended: company, and the name of the work."""
        with self.world.store.read() as tx:
            return frozenset((each.turn.company, each.turn.work) for each in turns.unended(tx))

    def hand_out(self, tasks: Sequence[Task]) -> int:
        """Have these done, but for those whose earlier turn has not ended; how many were handed out."""
        # A file is written by one at a time anyway. Elsewhere nobody is to wait for a company that has nothing to do with him.
        count, at_once = 0, BATCH if isinstance(self.world.store, SqliteStore) else 1
        for start in range(0, len(tasks), at_once):
            batch = tasks[start : start + at_once]
            try:
                with self.world.store.write(*sorted({task.company for task in batch})) as tx:
                    made = [(task, turns.open_(tx, task.company, task.work, self.world.at())) for task in batch]
            except StoreBusy as error:
                logger().warning("not handed out", company=batch[0].company, count=len(batch), error=str(error))
                continue
            given = [replace(task, number=turn.number, at=turn.at) for task, turn in made if turn is not None]
            # What is not taken is found by the next sweep: its turn is open, and nobody knows of it.
            self.executor.submit(given)
            count += len(given)
        return count

    def begin(self, task: Task) -> bool:
        """Begin a task; False when somebody else has it by now, or when it is left to those who know it."""
        if not _knows(self.flows, _turn(task)):
            return False
        with self.world.store.write(task.company) as tx:
            return turns.begin(tx, _turn(task), self.name)

    def still(self, task: Task) -> Still:
        """Refuses what comes too late: in each transaction that keeps anything, the turn must still be ours."""

        def check(tx: Tx) -> None:
            if not turns.is_ours(tx, _turn(task), self.name):
                raise StaleLease(
                    f"{task.company}/{task.flow}: this process was taken for dead, and another has taken over"
                )

        return check

    def end(self, task: Task) -> None:
        """The task is over."""
        with self._lock:
            self._over.add(_turn(task))
        self._tell_over()

    def sweep(self) -> int:
        """Hand out anew what died with its process, or is not known to the executor any more; how many turns.

        Raises:
            StoreError: when the store is not available.
            ExecutorFailed: when the executor does not answer.
        """
        with self.world.store.read() as tx:
            rows, opened = turns.executors(tx), turns.unended(tx)
        now = self.world.clock.now()
        alive = {row["name"] for row in rows if row["name"] == self.name or not turns.is_dead(row, now)}
        dead = [row["name"] for row in rows if row["name"] not in alive]
        forms = {self.form, *(row["form"] for row in rows if row["name"] in alive)}
        known = self.executor.known(forms) if opened else {}
        found = [(each, why) for each in opened if (why := self._why(each, alive, known))]
        left = [(each, why) for each, why in found if _knows(self.flows, each.turn)]
        self.executor.drop([*_keys(left), *(key for key, name in known.items() if name and name not in alive)])
        given = [task for each, _ in left if (task := self._again(each)) is not None]
        self.executor.submit(given)
        if given:
            logger().warning(
                "work handed out anew", count=len(given), state=", ".join(sorted({why for _, why in left}))
            )
        stranded = sum(1 for _, why in left if why == "dead")
        for name in dead:
            with self.world.store.write() as tx:
                turns.gone(tx, name)
                turns.release_reads(tx, name.rpartition(":")[0] + ":")
        alarms.stranded(self.world, stranded)
        alarms.unknown(self.world, [each.turn for each, _ in found if not _knows(self.flows, each.turn)])
        self.executor.purge(forms)
        return len(given)

    def hand_back(self, refused: Collection[Task]) -> int:
        """Give others what this process was given and did not end, and what it refused; how many turns.

        Raises:
            StoreError: when the store is not available; then they are found by the next sweep.
            ExecutorFailed: when the executor does not answer, as well.
        """
        self._tell_over()
        with self.world.store.read() as tx:
            opened = turns.unended(tx)
        known = self.executor.known([self.form]) if opened else {}
        not_begun = {_turn(task) for task in refused}
        ours = [
            each
            for each in opened
            if self.name in (each.executor, known.get(_key(each.turn))) or each.turn in not_begun
        ]
        given = [task for each in ours if (task := self._again(each)) is not None]
        self.executor.drop([_key(each.turn) for each in ours])
        self.executor.submit(given)
        return len(given)

    def close(self) -> None:
        """Hand out and take nothing any more."""
        self._tell_over()
        if self.name:
            drop_name(self.name)
            with self.world.store.write(lease_of(self._lease)) as tx:
                turns.gone(tx, self.name)
                work.release_lease(tx, self._lease, self.name)
            self.name, self.leads = "", False

    def _show(self) -> None:
        with self.world.store.write(lease_of(self._lease)) as tx:
            turns.beat(tx, self.name, self.world.at(), self.form, self.serves)
            self.leads = take_lease(tx, self._lease, self.name, self.world.clock.now(), LEASE_S) is not None

    def _why(self, each: Open, alive: set[str], known: Mapping[str, str]) -> str:
        """Why a turn is to be handed out anew; empty when it is not."""
        if each.executor:
            return "" if each.executor in alive else "dead"
        holder = known.get(_key(each.turn))
        if holder is None:
            return "unknown"
        if holder and holder not in alive:
            return "dead"
        waited_s = (self.world.clock.now() - from_iso(each.turn.at)).total_seconds()
        return "stuck" if holder and waited_s > STUCK_S else ""

    def _again(self, each: Open) -> Task | None:
        task = _task(each.turn)
        with self.world.store.write(each.turn.company) as tx:
            made = turns.again(tx, each.turn, self.world.at())
            if made is None:
                return None
            if task.kind == "flow" and each.executor:
                self.lost(tx, task.company, task.flow, with_process(each.executor))
        return replace(task, number=made.number, at=made.at)

    def _tell_over(self) -> None:
        with self._lock:
            over = list(self._over)
        for turn in over:
            try:
                with self.world.store.write(turn.company) as tx:
                    turns.end(tx, turn)
            except StoreError as error:
                logger().warning("not noted as done", company=turn.company, error=str(error))
                return
            with self._lock:
                self._over.discard(turn)


def _knows(flows: Collection[str], turn: Turn) -> bool:
    kind, _, flow = turn.work.partition(":")
    return kind in KINDS and (kind != "flow" or flow in flows)


def _is_free(world: World, lease: str) -> bool:
    """Whether who handed out work has given it up: nothing would be handed out until the next beat."""
    with world.store.read() as tx:
        row = tx.one("lease_get", {"name": lease})
    return row is None or not row["until_at"]


def _turn(task: Task) -> Turn:
    return Turn(task.company, task.work, task.number, task.at)


def _task(turn: Turn) -> Task:
    kind, _, flow = turn.work.partition(":")
    return Task(cast("Kind", kind), turn.company, flow, turn.number, turn.at)


def _key(turn: Turn) -> str:
    return _task(turn).key


def _keys(left: Sequence[tuple[Open, str]]) -> Iterator[str]:
    return (_key(each.turn) for each, _ in left)
