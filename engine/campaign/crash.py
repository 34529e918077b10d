"""Our own processes under a schedule: they die at commits and calls, and start again from what was durable."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import timedelta

import httpx

from engine import registry
from engine.campaign.clock import HostClock, TrueClock
from engine.campaign.disk import AnyDisk, Crash, CrashingStore, never
from engine.clock import iso
from engine.contract import Handler, HttpCall, HttpReply, Served
from engine.dataclass import dataclass
from engine.desk import StoreOutbox
from engine.errors import Bug
from engine.program import FlowProgram
from engine.server import Server
from engine.service import Service
from engine.store import work
from engine.store.base import Tx
from engine.testing import SeededIds
from engine.upkeep.restoring import wake
from engine.vault import Vault
from engine.world import World

FAULTS: Mapping[str, float] = {
    "crash_before_commit": 0.01, "crash_after_commit": 0.01, "crash_before_call": 0.02, "crash_after_call": 0.02,
    "crash_before_http": 0.02, "crash_after_http": 0.02,
    "store_locked": 0.01, "disk_full": 0.005, "disk_error": 0.005,
    "worker_meanwhile": 0.03, "race": 0.04, "clock_set": 0.006, "restore_midway": 0.025,
}  # fmt: skip
# Refusals of the disk: a call that meets one is answered `busy` or with an error.
_REFUSALS = ("store_locked", "disk_full", "disk_error")
# How often an older copy of our disk is made between two calls of an agent, and how many there may be.
_COPY, _MOST_COPIES = 0.15, 12
# How far a clock is set wrong, and how often it is right again at the next call.
_WRONG = (
    *(timedelta(minutes=-30), timedelta(hours=-3), timedelta(days=-1), timedelta(hours=3), timedelta(days=1)),
    timedelta(days=40),
)
_CORRECTED = 0.15
# Between two numbers of seeded ids, so that two processes never draw the same.
_APART = 1_000_000_007


@dataclass(slots=True)
class Chaos:
    """Decides when our processes die, and when the disk refuses."""

    chance: random.Random
    rates: Mapping[str, float]
    counts: Counter[str] = field(default_factory=Counter)
    # After how many more opportunities one is to happen for certain, for tests that aim.
    aims: dict[str, int] = field(default_factory=dict)
    # While the harness itself works, nothing strikes.
    is_off: bool = False
    # How often the disk refused.
    refused: int = 0

    def strike(self, name: str) -> bool:
        """Whether it happens now."""
        if self.is_off:
            return False
        if name in self.aims:
            self.aims[name] -= 1
            if self.aims[name] < 0:
                del self.aims[name]
                return self._struck(name)
        rate = self.rates.get(name, 0.0)
        return rate > 0 and self.chance.random() < rate and self._struck(name)

    def _struck(self, name: str) -> bool:
        self.counts[name] += 1
        self.refused += name in _REFUSALS
        return True


@dataclass(slots=True)
class Process:
    """One running server with its worker: its own memory, chance and clock over the shared disk."""

    number: int
    clock: HostClock
    ids: SeededIds
    store: CrashingStore
    world: World
    handler: Handler
    service: Service
    server: Server


class CrashingTransport(httpx.BaseTransport):
    """The way to a source; a process may die before a call is made, or before its answer is read."""

    def __init__(self, inner: httpx.BaseTransport, machine: Machine, process: Process) -> None:
        self._inner = inner
        self._machine = machine
        self._process = process

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call."""
        machine, store = self._machine, self._process.store
        if machine.chaos.strike("crash_before_http"):
            store.die()
        machine.between_http()
        machine.meanwhile("race", self._process)
        if store.dead:
            store.die()
        response = self._inner.handle_request(request)
        if store.dead or machine.chaos.strike("crash_after_http"):
            store.die()
        return response


class Machine:
    """The computers that our server runs on: one process or two over one disk; each starts again when it dies."""

    def __init__(
        self, disk: AnyDisk, program: FlowProgram, company: str, clock: TrueClock, chaos: Chaos, seed: int
    ) -> None:
        self.disk = disk
        self.program = program
        self.company = company
        self.clock = clock
        self.chaos = chaos
        self.ways: dict[str, httpx.BaseTransport] = {}
        self.restarts = 0
        # The keys of calls to the source that were under way when a process died: nobody knows what was heard of them.
        self.begun: set[str] = set()
        # By process, how far its clock was off before somebody set it.
        self.wrong: dict[int, timedelta] = {}
        self.restores = 0
        # Whether who puts an older copy back does so by `flowctl restore`; without, no process learns of it.
        self.tells = False
        # An older copy is in place so many seconds after its last change, at the earliest.
        self.restore_s = 0.0
        # What another process does in the middle of a call or of a session; a schedule says what.
        self.acts: Callable[[Process], None] = lambda _process: None
        # Whether older copies of the disk are made, and what is to be told when one is put back.
        self.has_copies = False
        self.was_restored: Callable[[], None] = lambda: None
        # Findings about our own answers, each an invariant and a sentence.
        self.complains: Callable[[int, str], None] = lambda _number, _text: None
        self._is_nested = False
        self._seed = seed
        self._vault = Vault(bytes(range(32)))
        self._connector = _served(program)
        self.processes: list[Process] = []

    @property
    def source_connection(self) -> str:
        """The connection that webhooks come from."""
        return next(iter(self.ways))

    @property
    def tx(self) -> Tx:
        """What is durable, seen from outside any process."""
        return self.disk.tx

    @property
    def world(self) -> World:
        """That of the first process."""
        return self.processes[0].world

    def start(self, off: timedelta = timedelta()) -> Process:
        """Start one more process, on a computer whose clock is `off`."""
        number = len(self.processes)
        ids = SeededIds(self._seed + number * _APART)
        process = self._boot(number, HostClock(self.clock, off), ids)
        self.processes.append(process)
        return process

    def pick(self) -> Process:
        """Any process: a load balancer knows no better."""
        return self.processes[0] if len(self.processes) == 1 else self.chaos.chance.choice(self.processes)

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer one call of the agent.

        Raises:
            ConnectionError: when the process died over it.
        """
        self.meanwhile("worker_meanwhile")
        self._between_calls()
        return self._answered(lambda process: process.handler(call), "<string>busy</string>")

    def event(self, connection: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Take a webhook.

        Raises:
            ConnectionError: when the process died over it.
        """
        return self._answered(lambda p: p.server.take_event(self.company, connection, headers, body), "")

    def _answered(self, answers: Callable[[Process], HttpReply], excuse: str) -> HttpReply:
        process, chaos = self.pick(), self.chaos
        refused = chaos.refused
        try:
            if chaos.strike("crash_before_call"):
                process.store.die()
            reply = answers(process)
            if chaos.strike("crash_after_call"):
                process.store.die()
        except Crash:
            self.restart(process)
            raise ConnectionError("the web service did not answer: it closed the connection") from None
        if chaos.refused > refused and reply.status == 200 and not (excuse and excuse.encode() in reply.body):
            self.complains(16, "the disk refused, and the call was answered as if it were done")
        if reply.error is not None:
            self.complains(0, f"an internal error: {type(reply.error).__name__}: {reply.error}")
        return reply

    def between_http(self) -> None:
        """Where no agent calls, the same happens between two calls of ours."""
        if self._connector is None and not self.disk.depth:
            self._between_calls()

    def _between_calls(self) -> None:
        """Between two calls of an agent: our disk is copied, or an older copy is put back; a clock is set."""
        if self.has_copies:
            chance = self.chaos.chance
            if self.disk.copies < _MOST_COPIES and chance.random() < _COPY:
                self.disk.copy()
            elif self.disk.copies and self.chaos.strike("restore_midway"):
                # Putting a copy back takes a while. What went wrong is noticed soon: it is the last copies that are used.
                self.clock.sleep(max(self.restore_s, chance.choice((60, 300, 1200))))
                self.restore(max(0, self.disk.copies - chance.choice((1, 1, 2, 3))))
        if "clock_set" in self.chaos.rates:
            for process in self.processes:
                self._set_clock(process)

    def _set_clock(self, process: Process) -> None:
        if self.wrong and process.number in self.wrong and self.chaos.chance.random() < _CORRECTED:
            process.clock.off = self.wrong.pop(process.number)
        elif process.number not in self.wrong and self.chaos.strike("clock_set"):
            self.wrong[process.number] = process.clock.off
            process.clock.off += self.chaos.chance.choice(_WRONG)

    def meanwhile(self, fault: str, busy: Process | None = None) -> None:
        """Perhaps a worker acts now, in the middle of what another one does."""
        if len(self.processes) == 1 and self.processes[0] is busy:
            return
        others = [process for process in self.processes if process is not busy]
        if not others or self._is_nested or not self.chaos.strike(fault):
            return
        self._is_nested = True
        try:
            self.acts(self.chaos.chance.choice(others))
        finally:
            self._is_nested = False

    def restart(self, process: Process) -> Process:
        """Start a new process on what the old one left."""
        self.restarts += 1
        scope = {"company": self.company, "flow": self.program.flow.name}
        self.begun |= {row["idempotency_key"] for row in self.tx.rows("mark_calls_open", scope) if row["attempts"]}
        made = self._boot(process.number, process.clock, process.ids)
        self.processes[process.number] = made
        if not self._is_nested:
            self._break_leases(made)
        return made

    def restore(self, number: int) -> None:
        """Put a copy of the disk back; no process remembers the time since."""
        self.disk.restore(number)
        self.restores += 1
        for process in self.processes:
            # One that is in the middle of a call learns of it when it comes back.
            process.store.dead = True
            self.restart(process)
        if self.tells:
            at, made_at = self.world.at(), iso(self.clock.now() - timedelta(hours=1))
            with CrashingStore(self.disk, never).write() as tx:
                wake(tx, made_at, at, "user:campaign")
        self.was_restored()

    def _boot(self, number: int, clock: HostClock, ids: SeededIds) -> Process:
        store = CrashingStore(self.disk, self.chaos.strike)
        ways: dict[str, httpx.BaseTransport] = {}
        world = World(store, self._vault, clock, ids, ways)
        programs = {self.program.flow.name: self.program}
        outbox = StoreOutbox(world, programs)
        handler = self._connector.handler(outbox, clock, ids) if self._connector is not None else _nobody
        process = Process(
            number, clock, ids, store, world, handler, Service(world, programs), Server(world, programs, outbox)
        )
        ways.update({name: CrashingTransport(way, self, process) for name, way in self.ways.items()})
        return process

    def _break_leases(self, process: Process) -> None:
        """A new process sees that the holder is gone; here both have the same number, which it could not tell apart."""
        self.chaos.is_off = True
        with process.store.write(self.company) as tx:
            for connection in self.program.flow.connections:
                name = f"token:{self.company}/{connection.name}"
                holder = work.lease_holder(tx, name)
                if holder:
                    work.release_lease(tx, name, holder)
        self.chaos.is_off = False


def _nobody(_call: HttpCall) -> HttpReply:
    raise Bug("the flow has no agent that calls us")


def _served(program: FlowProgram) -> Served | None:
    for connection in program.flow.connections:
        found: object = registry.find(connection.connector)
        if isinstance(found, Served):
            return found
    return None
