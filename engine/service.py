"""The worker beside the server: reads what is due, prepares what woke, tells the sources; one thread, woken or once a second."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING

from engine import flowswitch
from engine.audit.notary import Notary
from engine.clock import iso
from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreDamaged, StoreError, Transient
from engine.log import logger
from engine.program import FlowProgram
from engine.runner import Runner
from engine.runreport import RunReport
from engine.store import companies, work
from engine.telemetry import meter, meters
from engine.telemetry.correlation import correlated, of_run
from engine.webhooks import deliveries
from engine.webhooks.confirming import confirm_due
from engine.world import World

if TYPE_CHECKING:
    import structlog

DEFAULT_INTERVAL_S = 3600
TICK_S = 1.0
CLAIM_S = work.CLAIM_S
# No source is believed that asks for a longer wait.
MOST_ASKED_S = 7200.0
_LEAST_SPREAD = 0.95
# A store that was busy or full is soon free again, and nobody but ourselves is asked.
STORE_WAIT_S = 10.0
# No company waits for more than so many writes of another to a target that is called.
PUSH_AT_ONCE = 100
# A session makes work with every answer: what the sources were told meanwhile is one line at most this often.
TOLD_EVERY_S = 30.0
# Bodies of webhooks whose time is over go at most this often.
TIDY_EVERY_S = 3600.0


@dataclass(slots=True)
class _Told:
    """Marks that no line speaks of yet, and when the last line was written."""

    marked: int
    logged_at: float


@dataclass(slots=True)
class Service:
    """Runs due work until it is stopped. `poke` makes it look at once."""

    world: World
    programs: Mapping[str, FlowProgram]
    notary: Notary | None = None
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _looked_back: bool = False
    _told: dict[tuple[str, str], _Told] = field(default_factory=dict)
    _tidied_at: float = float("-inf")
    # When the worker last showed that it is at work, in seconds since 1970; 0 when it never did.
    _beat_at: float = 0.0

    def start(self) -> None:
        """Start the worker thread."""
        self._beat()
        self._thread = threading.Thread(target=self._loop, name="flowctl-worker", daemon=True)
        self._thread.start()

    def poke(self, _company: str = "") -> None:
        """There is work."""
        self._wake.set()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish what is under way and end."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def tick(self) -> list[RunReport]:
        """Do everything that is due now, once."""
        reports = []
        if not self._looked_back:
            self._look_back()
        confirm_due(self.world)
        if self.world.clock.monotonic() - self._tidied_at > TIDY_EVERY_S:
            self._tidied_at = self.world.clock.monotonic()
            deliveries.tidy(self.world)
        if self.notary is not None:
            self.notary.tick()
        with self.world.store.read() as tx:
            made = {company: companies.connectors(tx, company) for company in companies.names(tx)}
        pairs = [
            (company, program.bound(connected))
            for company, connected in made.items()
            for program in self.programs.values()
            if connected.keys() >= {c.name for c in program.flow.connections}
        ]
        for company, program in pairs:
            self._beat()
            if self._stopping.is_set():
                break
            try:
                reports += self._one(company, program)
            except StoreDamaged:
                raise
            except flowswitch.RivalFlow as error:
                self._rival(company, program.flow.name, error)
            except FlowctlError as error:
                # What was claimed and could not be read for want of the store is due again at the next look.
                self._looked_back = self._looked_back and not isinstance(error, StoreError)
                logger().error("run failed", company=company, flow=program.flow.name, error=str(error), hint=error.hint)
        self._log_told(TOLD_EVERY_S)
        return reports

    def _beat(self) -> None:
        """Show that the worker is at work."""
        now = self.world.clock.now().timestamp()
        self._beat_at = now
        meter.put(meters.HEARTBEAT, now)

    def _rival(self, company: str, flow: str, error: flowswitch.RivalFlow) -> None:
        """A person has to say which of two flows it is to be."""
        logger().error("not run", company=company, flow=flow, error=str(error), hint=error.hint)
        with self.world.store.write(company) as tx:
            alert = work.Alert("rival", flow, str(error), error.hint or "")
            work.raise_alert(tx, company, alert, self.world.at())

    def _log_told(self, silence_s: float) -> None:
        """Log what the sources were told, at most one line a flow in so many seconds."""
        now = self.world.clock.monotonic()
        for (company, flow), told in self._told.items():
            if told.marked and now - told.logged_at >= silence_s:
                logger().info("told the source", company=company, flow=flow, marked=told.marked)
                told.marked, told.logged_at = 0, now

    def _look_back(self) -> None:
        """What a process was reading when it was killed is due at once; if it still lives, it is merely read twice."""
        at = self.world.at()
        with self.world.store.write() as tx:  # once, as the process begins: of all companies in one statement
            for row in tx.rows("runs_unfinished", {}):
                work.finish_run(tx, row["id"], "lost", {}, at)
                program = self.programs.get(row["flow"])
                for stream in program.flow.streams if program else ():
                    work.sooner(tx, row["company"], row["flow"], stream.name, at)
            # It may have been killed between claiming a stream and beginning its run: then only the claim speaks of it.
            until = iso(self.world.clock.now() + timedelta(seconds=CLAIM_S))
            tx.run("schedule_claims_end", {"at": at, "until": until})
        self._looked_back = True

    def _one(self, company: str, program: FlowProgram) -> list[RunReport]:
        flow, runner = program.flow, Runner(self.world, push_limit=PUSH_AT_ONCE, by_hand=False)
        claimed = iso(self.world.clock.now() + timedelta(seconds=CLAIM_S))
        with self.world.store.write(company) as tx:
            names, at = tuple(s.name for s in flow.streams), self.world.at()
            due = work.due_streams(tx, company, flow.name, names, at, iso(self.world.clock.now() + _longest(program)))
            is_on = flowswitch.is_running(tx, company, flow)
            if not is_on:
                # What was prepared before is written, unless it is paused, and what was written is told all the same.
                due = ()
            for name in due:
                work.schedule(tx, company, flow.name, name, claimed)
        if due:
            report = runner.run(program, company, streams=due, progress=lambda _stream, _read: self._beat())
            self._plan(program, report, due, claimed)
            with correlated(of_run(report.number)):
                _log(report)
            return [report]
        unread = runner.read_lists(program, company, missing=True) if is_on else ()
        sent = runner.push(program, company, eager=False)
        if sent.more:
            self.poke()
        marked, refused = runner.tell(program, company)
        errors = [*unread, *sent.errors, *refused]
        if sent.posted:
            logger().info("written", company=company, flow=flow.name, posted=sent.posted)
        if marked or errors or sent.posted or sent.left("failed"):
            told = self._told.setdefault((company, flow.name), _Told(0, float("-inf")))
            told.marked += marked
            _troubles(logger().bind(company=company, flow=flow.name), errors)
            written = (sent.posted, sent.errors, sent.left("failed"), sent.left("unknown"))
            return [RunReport(flow.name, company, (), marked, tuple(refused), *written, unread)]
        return []

    @property
    def alive(self) -> bool:
        """False when the worker has ended although nobody stopped it: then nothing is read any more."""
        return self._thread is None or self._thread.is_alive() or self._stopping.is_set()

    @property
    def silent_s(self) -> float:
        """For how long the worker has not shown that it is at work; 0 when it was not started."""
        return max(0.0, self.world.clock.now().timestamp() - self._beat_at) if self._thread is not None else 0.0

    @property
    def is_started(self) -> bool:
        """Whether there is a worker at all."""
        return self._thread is not None

    def _plan(self, program: FlowProgram, report: RunReport, due: tuple[str, ...], claimed: str) -> None:
        """When each stream is next read: its interval, spread by a tenth so that companies do not march in step.

        Sooner when a passing fault kept it from being read, though no sooner than the source has asked for. A webhook that
        came meanwhile has the last word.
        """
        passing = {s.stream: CLAIM_S for s in report.streams if isinstance(s.error, Transient)}
        passing |= {s.stream: STORE_WAIT_S for s in report.streams if isinstance(s.error, StoreError)}
        asked = {s.stream: s.error.retry_after_s or 0.0 for s in report.streams if isinstance(s.error, Transient)}
        with self.world.store.write(report.company) as tx:
            for name in due:
                every = _every_s(program, name)
                least = min(asked.get(name, 0.0), MOST_ASKED_S) / _LEAST_SPREAD
                wait = max(least, min(every, passing.get(name, every)))
                wait *= _LEAST_SPREAD + self.world.ids.fraction() / 10
                next_at = iso(self.world.clock.now() + timedelta(seconds=wait))
                work.planned(tx, report.company, program.flow.name, name, claimed, next_at)

    def _loop(self) -> None:
        meter.put(meters.WORKER_UP, 1)
        try:
            self._work()
        except BaseException:
            logger().critical("worker ended", hint="nothing is read any more: restart flowctl and report its log")
            raise
        finally:
            meter.put(meters.WORKER_UP, 0)

    def _work(self) -> None:
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
        self._log_told(0)


def _every_s(program: FlowProgram, name: str) -> float:
    return program.stream(name).stream.trigger.every_s or DEFAULT_INTERVAL_S


def _longest(program: FlowProgram) -> timedelta:
    """Longer than any stream is put off: the longest interval or wait that a source may ask for, with its spread."""
    return timedelta(seconds=max(1.2 * MOST_ASKED_S, *(1.1 * _every_s(program, s.name) for s in program.flow.streams)))


def _log(report: RunReport) -> None:
    counts = {name: report.count(name) for name in ("read", "intended", "deferred", "failed", "skipped")}
    log = logger().bind(company=report.company, flow=report.flow, marked=report.marked, **counts)
    if any(counts.values()) or report.marked:
        log.info("run")
    _troubles(log, report.errors)


def _troubles(log: structlog.typing.FilteringBoundLogger, errors: Sequence[FlowctlError]) -> None:
    for error in errors:
        log.warning("trouble", error=str(error), hint=error.hint)
