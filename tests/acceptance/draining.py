"""A company at work between a source and its books while the processes that serve it are stopped and started again."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.qbwc.sandbox import PASSWORD, USER, QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import WebConnector
from connectors.qbwc.simulator.transport import Answer, HttpPost
from connectors.ramp.sandbox import WEBHOOK_SECRET, RampSandbox
from connectors.ramp.sandbox import make as make_ramp
from connectors.ramp.webhooks import sign
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.serving import running
from engine.store import turns, work
from engine.store.base import Store
from engine.store.journal import verify
from engine.vault import load_key
from engine.world import World
from tests.acceptance.serving import free_port, is_ready, start

FLOW = "ramp_to_quickbooks"
STREAMS = ("bills", "transactions", "vendors")
_AT_REST_S = 90.0


@dataclass(slots=True)
class Gate:
    """The source, which answers nothing until it is open."""

    app: ASGIApp
    opened: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""
        self.waiting += scope["type"] == "http"
        await asyncio.to_thread(self.opened.wait)
        await self.app(scope, receive, send)


@dataclass(slots=True)
class _Anywhere:
    """A balancer: each call reaches one of the ports at which somebody listens."""

    ports: Sequence[int]
    chance: random.Random

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call; it is tried elsewhere only where nobody took it."""
        for port in self.chance.sample(self.ports, len(self.ports)):
            post = HttpPost(f"http://127.0.0.1:{port}/qbwc", 60.0)
            try:
                return post(body, headers)
            except ConnectionRefusedError:
                continue
            finally:
                post.close()
        raise ConnectionRefusedError


@dataclass(slots=True)
class Place:
    """The company, its store, and who serves it."""

    home: Path
    world: World
    books: QuickBooksSandbox
    ramp: RampSandbox
    gate: Gate
    ports: Sequence[int]
    idle: int = 0
    visits: Counter[str] = field(default_factory=Counter)
    # What each webhook was answered, by status.
    taken: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    crashes: list[BaseException] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def begin(self, port: int, *options: str) -> subprocess.Popen[bytes]:
        """Start a process and wait until it answers."""
        process = start(self.home, port, more=options)
        assert is_ready(process, port)
        return process

    def due(self) -> None:
        """Everything is to be read now."""
        with self.world.store.write("main") as tx:
            for stream in STREAMS:
                work.sooner(tx, "main", FLOW, stream, self.world.at())

    def left(self) -> tuple[list[str], list[str], list[str]]:
        """Processes that are said to live, who has a turn in his hands, and what people were told of processes."""
        with self.world.store.read() as tx:
            executors = [row["name"] for row in turns.executors(tx)]
            held = [each.executor for each in turns.unended(tx) if each.executor]
            alerts = [row["message"] for row in work.alerts(tx, "")]
        return executors, held, alerts

    def rest(self) -> bool:
        """Wait until everything is done."""
        deadline = time.monotonic() + _AT_REST_S
        while time.monotonic() < deadline:
            if self.idle >= 3 and not any(self.ramp.simulator.totals().ready.values()) and not self._unsettled():
                return True
            time.sleep(0.1)
        return False

    def wrong(self) -> list[str]:
        """Everything that is not as it must be: each record once in the books, once told, and all sums equal."""
        with self.world.store.read("main") as tx:
            broken = verify(tx, "main")
        found = [] if broken is None else [f"the journal does not verify: {broken}"]
        found += [f"not settled: {key}" for key in self._unsettled()]
        guids = Counter(txn.guid for txn in self.books.company.books.txns.values())
        found += [f"{count} transactions carry {guid}" for guid, count in guids.items() if count > 1]
        told = Counter((mark.kind, mark.object_id) for mark in self.ramp.simulator.world.marks)
        found += [f"told {count} times: {mark}" for mark, count in told.items() if count > 1]
        if self.books.total() != self.ramp.total() or self.ramp.total() <= 0:
            found.append(f"QuickBooks has {self.books.total()}, Ramp has {self.ramp.total()}")
        return found

    def missing_hooks(self) -> list[str]:
        """Webhooks that were taken and are not in the store."""
        with self.world.store.read("main") as tx:
            known = {"company": "main", "connection": "ramp"}
            return [each for each in self.taken[200] if tx.one("webhook_get", {**known, "event_id": each}) is None]

    def _unsettled(self) -> list[tuple[str, str]]:
        with self.world.store.read("main") as tx:
            rows = tx.rows("records_listing", {"company": "main", "state": "", "flow": "", "limit": 10_000})
        is_end = {("vendors", "posted")}
        return [
            key
            for row in rows
            if (key := (row["stream"], row["state"])) not in is_end and row["state"] not in ("closed", "skipped")
        ]

    def visit(self) -> None:
        """A Web Connector comes again and again."""
        post = _Anywhere(self.ports, random.Random(1))
        connector = WebConnector(post, USER, PASSWORD, self.books.company, application=self.books.application)
        while not self.stopping.wait(0.02):
            outcome = connector.update().outcome
            self.visits[outcome] += 1
            self.idle = self.idle + 1 if outcome == "no_work" else 0

    def hook(self) -> None:
        """Webhooks come, and everything is due again and again."""
        number = 0
        for port in itertools.cycle(self.ports):
            if self.stopping.wait(0.2):
                return
            self.due()

            number += 1
            event = f"00000000-2222-4333-8444-{number:012}"
            told = {"id": event, "type": "transactions.cleared", "object": {"id": event, "state": "CLEARED"}}
            body = json.dumps({**told, "created_at": "2026-03-02T14:00:00.000000+00:00", "business_id": event}).encode()
            headers = {"X-Ramp-Webhook-ID": event, "X-Ramp-Signature": sign(WEBHOOK_SECRET, body)}
            call = urllib.request.Request(f"http://127.0.0.1:{port}/webhooks/main/ramp", body, headers)
            try:
                with urllib.request.urlopen(call, timeout=30) as answer:
                    self.taken[answer.status].append(event)
            except urllib.error.HTTPError as error:
                self.taken[error.code].append(event)
            except (urllib.error.URLError, ConnectionError):
                continue  # nobody listened, and a vendor comes again


@contextmanager
def place(folder: Path, store: Store, *, servers: int = 1, bills: int = 15) -> Iterator[Place]:
    """A company that is connected and has never run; with the block all that was started ends."""
    home = folder / "home"
    books = make_books(7, SystemClock(), {})
    ramp = make_ramp(7, SystemClock(), {"bills": bills, "transactions": bills, "vendors": 5, "chart": books.chart()})
    gate = Gate(ramp.app())
    gate.opened.set()
    with running(gate) as url:  # type: ignore[arg-type]  # any ASGI application
        world = World(store, load_key(home))
        ports = [free_port() for _ in range(servers)]
        connect(world, "main", "ramp", "ramp", *ramp.binding(url))
        connect(world, "main", "books", "qbwc", *books.binding(f"http://127.0.0.1:{ports[0]}"))
        yield Place(home, world, books, ramp, gate, ports)
        store.close()


@contextmanager
def load(at: Place) -> Iterator[None]:
    """Within it visits, webhooks and reads never end; what goes wrong in them fails the test."""

    def noted(what: Callable[[], None]) -> None:
        try:
            what()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must fail with it
            at.crashes.append(error)

    threads = [threading.Thread(target=noted, args=(each,), daemon=True) for each in (at.visit, at.hook)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        at.stopping.set()
        for thread in threads:
            thread.join(60)
    assert at.crashes == []
