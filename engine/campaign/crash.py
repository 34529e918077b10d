"""Our own process under a schedule: it dies at commits and calls, and starts again from what was durable."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from engine import registry
from engine.contract import Handler, HttpCall, HttpReply, Served
from engine.desk import StoreOutbox
from engine.errors import Bug
from engine.program import FlowProgram
from engine.store import work
from engine.store.sqlite import SqliteStore, SqliteTx
from engine.testing import FakeClock, SeededIds
from engine.vault import Vault
from engine.world import World

FAULTS: Mapping[str, float] = {
    "crash_before_commit": 0.01, "crash_after_commit": 0.01, "crash_before_call": 0.02, "crash_after_call": 0.02,
    "crash_before_http": 0.02, "crash_after_http": 0.02,
}  # fmt: skip


class Crash(BaseException):
    """The process is gone at this very moment. No `except Exception` may take it for an error."""


@dataclass(slots=True)
class Chaos:
    """Decides when our process dies."""

    chance: random.Random
    rates: Mapping[str, float]
    counts: Counter[str] = field(default_factory=Counter)
    # After how many more opportunities one is to happen for certain, for tests that aim.
    aims: dict[str, int] = field(default_factory=dict)

    def strike(self, name: str) -> bool:
        """Whether it happens now."""
        if name in self.aims:
            self.aims[name] -= 1
            if self.aims[name] < 0:
                del self.aims[name]
                self.counts[name] += 1
                return True
        rate = self.rates.get(name, 0.0)
        if rate <= 0 or self.chance.random() >= rate:
            return False
        self.counts[name] += 1
        return True


class CrashingStore(SqliteStore):
    """A store in memory whose process can die before or after any commit; a dead process changes nothing any more."""

    def __init__(self, image: bytes, chaos: Chaos) -> None:
        super().__init__(None, image=image)
        self.chaos = chaos
        self.dead = False

    @contextmanager
    def write(self) -> Iterator[SqliteTx]:
        """A transaction; dying before its commit loses it."""
        if self.dead:
            raise Crash
        if self._depth:
            with super().write() as tx:
                yield tx
            return
        with super().write() as tx:
            yield tx
            self._perhaps("crash_before_commit")
        self._perhaps("crash_after_commit")

    @contextmanager
    def read(self) -> Iterator[SqliteTx]:
        """A read; a dead process does not even that."""
        if self.dead:
            raise Crash
        with super().read() as tx:
            yield tx

    def image(self) -> bytes:
        """What is durable."""
        return self._connection.serialize()

    def die(self) -> None:
        """Die here and now."""
        self.dead = True
        raise Crash

    def _perhaps(self, name: str) -> None:
        if self.chaos.strike(name):
            self.die()


class CrashingTransport(httpx.BaseTransport):
    """The way to a source; our process may die before a call is made, or before its answer is read."""

    def __init__(self, inner: httpx.BaseTransport, machine: Machine) -> None:
        self._inner = inner
        self._machine = machine

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call."""
        machine = self._machine
        if machine.chaos.strike("crash_before_http"):
            machine.store.die()
        response = self._inner.handle_request(request)
        if machine.chaos.strike("crash_after_http"):
            machine.store.die()
        return response


class Machine:
    """The computer that our server runs on: it starts the process again, from the disk alone."""

    def __init__(
        self, image: bytes, program: FlowProgram, company: str, clock: FakeClock, chaos: Chaos, seed: int
    ) -> None:
        self.program = program
        self.company = company
        self.clock = clock
        self.chaos = chaos
        self.transports: dict[str, httpx.BaseTransport] = {}
        self.restarts = 0
        self._ids = SeededIds(seed)
        self._vault = Vault(bytes(range(32)))
        self._connector = _served(program)
        self._boot(image)

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer one call of the agent.

        Raises:
            ConnectionError: when the process died over it.
        """
        try:
            if self.chaos.strike("crash_before_call"):
                self.store.die()
            reply = self._handler(call)
            if self.chaos.strike("crash_after_call"):
                self.store.die()
        except Crash:
            self.restart()
            raise ConnectionError("the web service did not answer: it closed the connection") from None
        return reply

    def restart(self, image: bytes | None = None) -> None:
        """Start a new process on what the old one left, or on an older copy of it."""
        durable = self.store.image() if image is None else image
        self.store.close()
        self.restarts += 1
        self._boot(durable)

    def _boot(self, image: bytes) -> None:
        self.store = CrashingStore(image, self.chaos)
        self.world = World(self.store, self._vault, self.clock, self._ids, self.transports)
        outbox = StoreOutbox(self.world, {self.program.flow.name: self.program})
        self._handler: Handler = self._connector.handler(outbox, self.clock, self._ids)
        if self.restarts:
            self._break_leases()

    def _break_leases(self) -> None:
        """A new process sees that the holder is gone; here both have the same number, which it could not tell apart."""
        chaos, self.store.chaos = self.store.chaos, Chaos(random.Random(0), {})  # noqa: S311 - nothing strikes here
        with self.store.write() as tx:
            for connection in self.program.flow.connections:
                name = f"token:{self.company}/{connection.name}"
                holder = work.lease_holder(tx, name)
                if holder:
                    work.release_lease(tx, name, holder)
        self.store.chaos = chaos


def _served(program: FlowProgram) -> Served:
    for connection in program.flow.connections:
        found: object = registry.find(connection.connector)
        if isinstance(found, Served):
            return found
    raise Bug(f"the flow `{program.flow.name}` has no agent that calls us")
