"""What a task does: plain functions over the store, each of which may run twice, and be cut off anywhere.

That nothing happens twice is the store's: a read holds the lease of its fetch, a write to a target looks first, a mark has a
key that its source knows again, a handshake is claimed. A task that comes too late is refused by its turn's number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING

from engine import flowswitch
from engine.clock import iso
from engine.dataclass import dataclass
from engine.durable.lookback import IsGone
from engine.errors import FlowctlError, StaleLease, StoreDamaged, StoreError, Transient
from engine.holders import ended
from engine.log import logger
from engine.program import FlowProgram
from engine.runner import Runner
from engine.runreport import RunReport
from engine.store import companies, work
from engine.store.base import Tx
from engine.telemetry.correlation import correlated, of_run
from engine.world import World

if TYPE_CHECKING:
    import structlog

DEFAULT_INTERVAL_S = 3600
CLAIM_S = work.CLAIM_S
# No source is believed that asks for a longer wait.
MOST_ASKED_S = 7200.0
_LEAST_SPREAD = 0.95
# A store that was busy or full is soon free again, and nobody but ourselves is asked.
STORE_WAIT_S = 10.0
# No company waits for more than so many writes of another to a target that is called.
PUSH_AT_ONCE = 100

# Raises when another process has taken over the work, in the transaction that would have had an effect.
Still = Callable[[Tx], None]


def always(_tx: Tx) -> None:
    """Nobody else can have taken over."""


@dataclass(slots=True)
class _Told:
    """Marks that no line speaks of yet, and when the last line was written."""

    marked: int
    logged_at: float


@dataclass(slots=True)
class Work:
    """Does what waits for one flow of one company. `beat` shows that the process is at work, `poke` that there is more."""

    world: World
    programs: Mapping[str, FlowProgram]
    beat: Callable[[], None] = lambda: None
    poke: Callable[[], None] = lambda: None
    # Pairs whose streams were claimed, and could not be read for want of the store.
    unread: set[tuple[str, str]] = field(default_factory=set)
    _told: dict[tuple[str, str], _Told] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def flow(self, company: str, flow: str, still: Still = always) -> list[RunReport]:
        """Read what is due, write what is prepared, tell what was posted; what goes wrong is logged, and no other's.

        Raises:
            StoreDamaged: when nothing can be done any more.
        """
        program = self.programs.get(flow)
        try:
            with self.world.store.read(company) as tx:
                connected = companies.connectors(tx, company)
            if program is None or not connected.keys() >= {c.name for c in program.flow.connections}:
                return []
            return self._one(company, program.bound(connected), still)
        except StoreDamaged:
            raise
        except (flowswitch.RivalFlow, flowswitch.StillUnderWay) as error:
            self._rival(company, flow, error)
        except StaleLease as error:
            logger().warning("left to another", company=company, flow=flow, error=str(error))
        except FlowctlError as error:
            # What was claimed and could not be read for want of the store is due again at the next look.
            if isinstance(error, StoreError):
                self.unread.add((company, flow))
            logger().error("run failed", company=company, flow=flow, error=str(error), hint=error.hint)
        return []

    def lost(self, tx: Tx, company: str, flow: str, is_gone: IsGone = ended) -> None:
        """What a process was reading that is gone, and did not come to its end, is due at once."""
        at = self.world.at()
        program = self.programs.get(flow)
        for row in tx.rows("runs_unfinished_of", {"company": company, "flow": flow}):
            if not is_gone(row["process"]):
                continue
            work.finish_run(tx, row["id"], "lost", {}, at)
            for stream in program.flow.streams if program else ():
                work.sooner(tx, company, flow, stream.name, at)
        # It may have been killed between claiming a stream and beginning its run: then only the claim speaks of it.
        until = iso(self.world.clock.now() + timedelta(seconds=CLAIM_S))
        tx.run("schedule_claims_end_of", {"company": company, "flow": flow, "at": at, "until": until})

    def log_told(self, silence_s: float) -> None:
        """Log what the sources were told, at most one line a flow in so many seconds."""
        now = self.world.clock.monotonic()
        with self._lock:
            for (company, flow), told in self._told.items():
                if told.marked and now - told.logged_at >= silence_s:
                    logger().info("told the source", company=company, flow=flow, marked=told.marked)
                    told.marked, told.logged_at = 0, now

    def _rival(self, company: str, flow: str, error: flowswitch.RivalFlow | flowswitch.StillUnderWay) -> None:
        """A person has to say which of two flows it is to be, or that it has come to its end."""
        logger().error("not run", company=company, flow=flow, error=str(error), hint=error.hint)
        with self.world.store.write(company) as tx:
            alert = work.Alert("rival", flow, str(error), error.hint or "")
            work.raise_alert(tx, company, alert, self.world.at())

    def _one(self, company: str, program: FlowProgram, still: Still) -> list[RunReport]:
        flow, runner = program.flow, Runner(self.world, push_limit=PUSH_AT_ONCE, by_hand=False, still=still)
        claimed = iso(self.world.clock.now() + timedelta(seconds=CLAIM_S))
        with self.world.store.write(company) as tx:
            still(tx)
            names, at = tuple(s.name for s in flow.streams), self.world.at()
            due = work.due_streams(tx, company, flow.name, names, at, iso(self.world.clock.now() + longest(program)))
            is_on = flowswitch.is_running(tx, company, flow)
            if not is_on:
                # What was prepared before is written, unless it is paused, and what was written is told all the same.
                due = ()
            for name in due:
                work.schedule(tx, company, flow.name, name, claimed)
        if due:
            report = runner.run(program, company, streams=due, progress=lambda _stream, _read: self.beat())
            self._plan(program, report, due, claimed, still)
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
            with self._lock:
                told = self._told.setdefault((company, flow.name), _Told(0, float("-inf")))
                told.marked += marked
            _troubles(logger().bind(company=company, flow=flow.name), errors)
            written = (sent.posted, sent.errors, sent.left("failed"), sent.left("unknown"))
            return [RunReport(flow.name, company, (), marked, tuple(refused), *written, unread)]
        return []

    def _plan(self, program: FlowProgram, report: RunReport, due: tuple[str, ...], claimed: str, still: Still) -> None:
        """When each stream is next read: its interval, spread by a tenth so that companies do not march in step.

        Sooner when a passing fault kept it from being read, though no sooner than the source has asked for. A webhook that
        came meanwhile has the last word.
        """
        passing = {s.stream: CLAIM_S for s in report.streams if isinstance(s.error, Transient)}
        passing |= {s.stream: STORE_WAIT_S for s in report.streams if isinstance(s.error, StoreError)}
        asked = {s.stream: s.error.retry_after_s or 0.0 for s in report.streams if isinstance(s.error, Transient)}
        with self.world.store.write(report.company) as tx:
            still(tx)
            for name in due:
                every = _every_s(program, name)
                least = min(asked.get(name, 0.0), MOST_ASKED_S) / _LEAST_SPREAD
                wait = max(least, min(every, passing.get(name, every)))
                wait *= _LEAST_SPREAD + self.world.ids.fraction() / 10
                next_at = iso(self.world.clock.now() + timedelta(seconds=wait))
                work.planned(tx, report.company, program.flow.name, name, claimed, next_at)


def longest(program: FlowProgram) -> timedelta:
    """Longer than any stream is put off: the longest interval or wait that a source may ask for, with its spread."""
    return timedelta(seconds=max(1.2 * MOST_ASKED_S, *(1.1 * _every_s(program, s.name) for s in program.flow.streams)))


def _every_s(program: FlowProgram, name: str) -> float:
    return program.stream(name).stream.trigger.every_s or DEFAULT_INTERVAL_S


def _log(report: RunReport) -> None:
    counts = {name: report.count(name) for name in ("read", "intended", "deferred", "failed", "skipped")}
    log = logger().bind(company=report.company, flow=report.flow, marked=report.marked, **counts)
    if any(counts.values()) or report.marked:
        log.info("run")
    _troubles(log, report.errors)


def _troubles(log: structlog.typing.FilteringBoundLogger, errors: Sequence[FlowctlError]) -> None:
    for error in errors:
        log.warning("trouble", error=str(error), hint=error.hint)
