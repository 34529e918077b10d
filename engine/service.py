"""The worker beside the server: one thread that finds what is to do, woken or once a second, and has it done.

With an executor that keeps what it is given, the work itself is done in threads of that; without one, in this thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta

from engine.audit.notary import Notary
from engine.clock import iso
from engine.dataclass import dataclass
from engine.durable import lookback
from engine.durable.handing import Hands
from engine.durable.inline import Inline
from engine.durable.port import Executor, Task
from engine.durable.served import served
from engine.durable.tasks import CLAIM_S, STORE_WAIT_S, Work, always
from engine.durable.tick import Finder
from engine.errors import FlowctlError, StoreDamaged
from engine.log import described, logger
from engine.program import FlowProgram
from engine.reading import READING_S
from engine.runreport import RunReport
from engine.store.patience import patient
from engine.telemetry import meter, meters
from engine.webhooks import deliveries
from engine.webhooks.confirming import confirm_due
from engine.world import World

__all__ = ["CLAIM_S", "STORE_WAIT_S", "TICK_S", "TOLD_EVERY_S", "Service"]

TICK_S = 1.0
# A session makes work with every answer: what the sources were told meanwhile is one line at most this often.
TOLD_EVERY_S = 30.0
# Bodies of webhooks whose time is over go at most this often.
TIDY_EVERY_S = 3600.0
# When it is told to stop, what is under way has so long, and what is left is handed to others within so long.
STOP_S, HAND_BACK_S = 7.0, 2.0
# An executor whose database cannot be used is started again after so long.
BEGIN_AGAIN_S = 10.0


@dataclass(slots=True)
class Service:
    """Finds due work and has it done until it is stopped. `poke` makes it look at once."""

    world: World
    programs: Mapping[str, FlowProgram]
    notary: Notary | None = None
    executor: Executor = field(default_factory=Inline)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    # When runs are looked through whose process may be gone.
    _look_back_at: float = float("-inf")
    _is_begun: bool = False
    _begin_at: float = float("-inf")
    _tidied_at: float = float("-inf")
    # When the worker last showed that it is at work, in seconds since 1970; 0 when it never did. So each task's thread.
    _beat_at: float = 0.0
    _under_way: dict[int, float] = field(default_factory=dict)
    # What was done in this thread since the tick began.
    _reports: list[RunReport] = field(default_factory=list)
    _damaged: list[StoreDamaged] = field(default_factory=list)
    # What came once it was to end, and the thread in which it ends.
    _refused: list[Task] = field(default_factory=list)
    _ending: threading.Thread | None = None
    _work: Work = field(init=False)
    _finder: Finder = field(init=False)
    _hands: Hands = field(init=False)

    def __post_init__(self) -> None:
        self._work = Work(self.world, self.programs, self._beat, self.poke)
        self._finder = Finder(self.world, self.programs, rests=self.executor.keeps)
        serves = served(self.programs) if self.executor.keeps else ""
        self._hands = Hands(self.world, self.executor, self._work.lost, frozenset(self.programs), serves)

    def start(self) -> None:
        """Start the worker thread."""
        self._beat()
        self._thread = threading.Thread(target=self._loop, name="flowctl-worker", daemon=True)
        self._thread.start()

    def poke(self, _company: str = "") -> None:
        """There is work."""
        self._wake.set()

    def end(self) -> None:
        """Begin to stop, and return at once; `stop` waits for the end."""
        if self._ending is None:
            self._ending = threading.Thread(target=self._end, args=(STOP_S,), name="flowctl-ending", daemon=True)
            self._ending.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Begin nothing more, finish what is under way, for so long at most, and hand the rest to others."""
        if self._ending is not None:
            self._ending.join(timeout_s + HAND_BACK_S)
        else:
            self._end(timeout_s)

    def _end(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        self._stopping.set()
        self._wake.set()
        if not self._is_begun:
            # It may be about to begin; an engine that cannot be reached keeps nobody from ending.
            self._join(min(until, time.monotonic() + HAND_BACK_S))
        if self._is_begun and self.executor.keeps:
            is_done = self.executor.stop(max(0.0, until - time.monotonic()))
            self._join(until)
            self._hand_back(is_done=is_done)
        if self.executor.keeps:
            self._leave()
        else:
            self._join(until)

    def _hand_back(self, *, is_done: bool) -> None:
        try:
            count = self._hands.hand_back(self._refused)
            if count or not is_done:
                hint = "another process, or the next one, goes on with it"
                logger().warning("handed back", count=count, hint=hint)
        except FlowctlError as error:
            logger().error("not handed back", error=str(error), hint=error.hint)

    def _leave(self) -> None:
        """Be one process no more, whether or not the executor has begun by now."""
        try:
            self._hands.close()
        except FlowctlError as error:
            logger().error("not noted as ended", error=str(error), hint=error.hint)
        if self._is_begun:
            self.executor.close()

    def _join(self, until: float) -> None:
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))

    def tick(self) -> list[RunReport]:
        """Find everything that is due now, and have it done; what was done within this call.

        Raises:
            StoreError: when the store is not available.
        """
        self._reports = []
        self._begin()
        if not self._is_begun or self._stopping.is_set():
            return []
        if self._damaged:
            raise self._damaged[0]
        self._look_back()
        if self.notary is not None:
            self.notary.tick()
        if self.executor.keeps:
            if self._hands.beat():
                self._hands.sweep()
            if not self._hands.leads:
                return []
        under_way = self._hands.under_way() if self.executor.keeps else ()
        tasks = self._finder.due(under_way)
        if self.world.clock.monotonic() - self._tidied_at > TIDY_EVERY_S:
            self._tidied_at = self.world.clock.monotonic()
            tasks.insert(0, Task("tidy", ""))
        if self.executor.keeps:
            self._hands.hand_out(tasks)
        else:
            self.executor.submit(tasks)
        self._work.log_told(TOLD_EVERY_S)
        return self._reports

    def _begin(self) -> None:
        """Start the executor, once; one that cannot be started is left alone for a while.

        Raises:
            ExecutorFailed: when it cannot.
        """
        if self._is_begun:
            return
        now = self.world.clock.monotonic()
        if now < self._begin_at:
            return
        self._begin_at = now + BEGIN_AGAIN_S
        self.executor.start(self._do, self._hands.start() if self.executor.keeps else "", self._hands.form)
        self._is_begun = True

    def _beat(self) -> None:
        """Show that this thread is at work."""
        now = self.world.clock.now().timestamp()
        me = threading.get_ident()
        if me in self._under_way:
            self._under_way[me] = now
        else:
            self._beat_at = now
            meter.put(meters.HEARTBEAT, now)

    def _do(self, task: Task) -> None:
        """Do one task, in whatever thread the executor chose."""
        if self._stopping.is_set():
            self._refused.append(task)
            return
        if not self.executor.keeps:
            self._beat()
            self._reports += self._done(task)
            return
        self._under_way[threading.get_ident()] = self.world.clock.now().timestamp()
        try:
            if self._hands.begin(task):
                self._kept(task)
        except StoreDamaged as error:
            self._damaged.append(error)
            self.poke()
        except FlowctlError as error:
            logger().error("task failed", company=task.company, flow=task.flow, error=str(error), hint=error.hint)
        finally:
            self._under_way.pop(threading.get_ident(), None)

    def _kept(self, task: Task) -> None:
        """Do a task whose turn is ours; what is wrong with it is no other's trouble."""
        pair, found = (task.company, task.flow), []
        try:
            found = self._done(task)
        except FlowctlError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one company, or its connector, must not end all work
            logger().critical("task failed", company=task.company, flow=task.flow, error=described(error))
        finally:
            (self._finder.busy if found else self._finder.idle)(pair)
            self._hands.end(task)

    def _done(self, task: Task) -> list[RunReport]:
        with patient():
            return self._carried_out(task)

    def _carried_out(self, task: Task) -> list[RunReport]:
        if task.kind == "confirm":
            confirm_due(self.world, task.company)
        elif task.kind == "tidy":
            deliveries.tidy(self.world)
        else:
            still = self._hands.still(task) if self.executor.keeps else always
            return self._work.flow(task.company, task.flow, still)
        return []

    def _look_back(self) -> None:
        """What a process was reading when it was killed is due at once, and so is what ours could not keep.

        What others are reading that live, or may live, is left to them: it is looked at again later.
        """
        for company, flow in list(self._work.unread):
            with self.world.store.write(company) as tx:
                self._work.lost(tx, company, flow)
            self._work.unread.discard((company, flow))
        now = self.world.clock.monotonic()
        if now < self._look_back_at:
            return
        until = iso(self.world.clock.now() + timedelta(seconds=CLAIM_S))
        with self.world.store.read() as tx:
            found = lookback.left(self.world, tx)
        for company, flow, process in sorted(found.gone):
            with self.world.store.write(company) as tx:
                self._work.lost(tx, company, flow, process.__eq__)
        if self._look_back_at == float("-inf"):
            # It may have been killed between claiming a stream and beginning its run: then only the claim speaks of it.
            with self.world.store.read() as tx:
                claims = [
                    (r["company"], r["flow"])
                    for r in tx.rows("schedule_claims", {"at": self.world.at(), "until": until})
                ]
            for company, flow in claims:
                with self.world.store.write(company) as tx:
                    self._work.lost(tx, company, flow)
        self._look_back_at = now + READING_S if found.doubtful else float("inf")

    @property
    def alive(self) -> bool:
        """False when the worker has ended although nobody stopped it: then nothing is read any more."""
        return self._thread is None or self._thread.is_alive() or self._stopping.is_set()

    @property
    def silent_s(self) -> float:
        """For how long the worker, or a thread of its executor, has not shown that it is at work; 0 when not started."""
        if self._thread is None:
            return 0.0
        return max(0.0, self.world.clock.now().timestamp() - min([self._beat_at, *self._under_way.values()]))

    @property
    def is_started(self) -> bool:
        """Whether there is a worker at all."""
        return self._thread is not None

    def _loop(self) -> None:
        meter.put(meters.WORKER_UP, 1)
        try:
            self._run()
        except BaseException:
            logger().critical("worker ended", hint="nothing is read any more: restart flowctl and report its log")
            raise
        finally:
            meter.put(meters.WORKER_UP, 0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._beat()
            self._wake.wait(TICK_S)
            self._wake.clear()
            if self._stopping.is_set():
                break
            try:
                self.tick()
            except StoreDamaged as error:
                logger().critical("stopped", error=str(error), hint=error.hint)
                return
            except FlowctlError as error:
                logger().error("tick failed", error=str(error), hint=error.hint)
        self._work.log_told(0)
