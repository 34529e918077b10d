"""Ten thousand BILL bills read, posted and closed within the vendor's limits, on a virtual clock: exact on any machine."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx

from connectors.bill.sandbox import BillSandbox
from connectors.bill.sandbox import make as make_bill
from connectors.qbwc.routes import make_handler
from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator.model import VirtualClock
from engine.cli.common import program
from engine.clock import Clock
from engine.connections.connecting import connect
from engine.desk import StoreOutbox
from engine.runner import Runner
from engine.store.sqlite import SqliteStore
from engine.testing import SeededIds
from engine.vault import Vault
from engine.world import World

COMPANY, FLOW = "bench", "bill_to_quickbooks"
# The vendor's limits: calls of a developer key in an hour, and of an organization at once.
AN_HOUR, AT_ONCE = 20_000, 3
# How long a call takes, and how often the Web Connector comes.
LATENCY_S, VISIT_S, HOUR_S = 0.3, 300.0, 3600.0
_MOST_CYCLES = 40
# As long again as it takes: reading what has changed goes on, visit by visit.
_QUIET_CYCLES = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it took: calls by kind, at once and in the busiest hour; virtual seconds until the first reading was done.

    `closed` are records by stream that are in the books for good; `quiet` are the calls of an hour in which nothing
    happens.
    """

    read_s: float
    calls: Mapping[str, int]
    at_once: int
    busiest: int
    quiet: int
    closed: Mapping[str, int]

    @property
    def all_calls(self) -> int:
        """Of every kind, until everything was closed."""
        return sum(self.calls.values())


@dataclass(slots=True)
class Meter(httpx.BaseTransport):
    """Counts calls on their way, and when each of them began."""

    inner: httpx.BaseTransport
    clock: Clock
    kinds: Counter[str] = field(default_factory=Counter)
    begun: list[float] = field(default_factory=list)
    at_once: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call."""
        with self._lock:
            self.kinds[f"{request.method} {request.url.path.removeprefix('/connect/v3')}"] += 1
            self.begun.append(self.clock.now().timestamp())
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        try:
            return self.inner.handle_request(request)
        finally:
            with self._lock:
                self._under_way -= 1

    def busiest(self) -> int:
        """The most calls in any hour."""
        times = sorted(self.begun)
        return max(number + 1 - bisect_left(times, time - HOUR_S + 1e-6) for number, time in enumerate(times))


def simulate(bills: int) -> Outcome:
    """Read so many approved bills with their vendors, credits and payments, and post them all, a visit every five minutes.

    The sessions of the Web Connector take no virtual time: `benchmarks.batches` measures those.
    """
    clock = VirtualClock()
    books = make_books(1, clock, {})
    bill = _business(bills, clock, books)
    meter = Meter(bill.transport(), clock)
    store = SqliteStore(None)
    world = World(store, Vault(b"0" * 32), clock, SeededIds(1), {"bill": meter})
    connect(world, COMPANY, "bill", "bill", *bill.binding("http://127.0.0.1:1"))
    settings, secrets = books.binding("http://127.0.0.1:8000")
    connect(world, COMPANY, "books", "qbwc", settings, secrets)
    runner, flow = Runner(world), program(FLOW)
    outbox = StoreOutbox(world, {FLOW: flow}, lambda _company: None, logs=False)
    handler = make_handler(outbox, clock, world.ids)

    def cycle() -> dict[str, int]:
        errors = runner.run(flow, COMPANY).errors
        assert errors == (), errors
        books.visit_handler(handler, str(settings["user"]), secrets["password"])
        clock.sleep(VISIT_S)
        with store.read(COMPANY) as tx:
            rows = tx.rows("records_listing", {"company": COMPANY, "state": "closed", "flow": FLOW, "limit": 10**6})
            return dict(Counter(row["stream"] for row in rows))

    start, read_s, closed = clock.monotonic(), 0.0, dict[str, int]()
    for _ in range(_MOST_CYCLES):
        closed = cycle()
        read_s = read_s or clock.monotonic() - start - VISIT_S
        if closed.get("bills") == bills and bill.total() == books.total():
            break
    assert bill.total() == books.total()
    calls = dict(meter.kinds)
    for _ in range(_QUIET_CYCLES):
        cycle()
    quiet = meter.kinds.total() - sum(calls.values())
    store.close()
    return Outcome(read_s, calls, meter.at_once, meter.busiest(), quiet, closed)


def _business(bills: int, clock: Clock, books: QuickBooksSandbox) -> BillSandbox:
    """Bills that are all approved and kept, four in ten paid; every call takes a moment."""
    mix = {"unapproved": 0.0, "archived": 0.0}
    options = {"latency_s": LATENCY_S}
    made = make_bill(1, clock, {"bills": bills, "vendors": 200, "chart": books.chart(), "mix": mix, "options": options})
    with made.simulator.changing() as world:
        for vendor in world.vendors.values():
            # One without a Latin letter waits for a person to map it, and here nobody is.
            plain = vendor.name.encode("latin-1", "ignore").decode("latin-1").strip()
            world.vendors[vendor.id] = replace(
                vendor, name=plain if len(plain) > 2 else f"Tokyo Office {plain}".strip()
            )
    return made
