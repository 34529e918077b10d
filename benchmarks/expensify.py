"""A thousand Expensify reports read, posted and marked within the vendor's limits, on a virtual clock: exact on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connectors.expensify.sandbox import ExpensifySandbox
from connectors.expensify.sandbox import make as make_expensify
from connectors.qbwc.routes import make_handler
from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator.model import VirtualClock
from engine.cli.common import program
from engine.clock import Clock
from engine.connections.connecting import connect
from engine.desk import StoreOutbox
from engine.runner import Runner
from engine.store.base import Tx
from engine.store.sqlite import SqliteStore
from engine.testing import SeededIds
from engine.vault import Vault
from engine.world import World

COMPANY, FLOW = "bench", "expensify_to_quickbooks"
# The vendor's limits, each as calls in seconds.
LIMITS: Mapping[float, int] = {10.0: 5, 60.0: 20}
_MOST_CYCLES = 20
# Between two cycles: a mark that Expensify did not take is told again after a while.
_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it took: virtual seconds of Expensify's part, calls by kind of job, and the most calls in any window of seconds."""

    read_s: float
    marked_s: float
    calls: Mapping[str, int]
    highest: Mapping[float, int]
    refused: int
    posted: int
    marked: int

    @property
    def seconds(self) -> float:
        """Reading and marking."""
        return self.read_s + self.marked_s

    @property
    def all_calls(self) -> int:
        """Of every kind."""
        return sum(self.calls.values())


def simulate(reports: int) -> Outcome:
    """Read so many approved reports, post each as a bill or a journal entry, and mark them all as exported.

    Every file is asked for once in vain before it is there. The sessions of the Web Connector take no virtual time:
    `benchmarks.batches` measures those.
    """
    clock = VirtualClock()
    books = make_books(1, clock, {})
    expensify = _business(reports, clock, books)
    store = SqliteStore(None)
    world = World(store, Vault(b"0" * 32), clock, SeededIds(1), {"expensify": expensify.transport()})
    connect(world, COMPANY, "expensify", "expensify", *expensify.binding("http://127.0.0.1:1"))
    settings, secrets = books.binding("http://127.0.0.1:8000")
    connect(world, COMPANY, "books", "qbwc", settings, secrets)
    runner, flow = Runner(world), program(FLOW)
    outbox = StoreOutbox(world, {FLOW: flow}, lambda _company: None, logs=False)
    handler = make_handler(outbox, clock, world.ids)
    read_s, marked_s, marked = 0.0, 0.0, 0
    for _ in range(_MOST_CYCLES):
        # What is read again later only looks for changes; what is measured is the first reading.
        if not read_s:
            start = clock.monotonic()
            errors = runner.run(flow, COMPANY).errors
            assert errors == (), errors
            read_s = clock.monotonic() - start
        books.visit_handler(handler, str(settings["user"]), secrets["password"])
        start = clock.monotonic()
        runner.tell(flow, COMPANY)
        marked_s += clock.monotonic() - start
        with store.read(COMPANY) as tx:
            marked = _marked(tx)
        if marked == reports:
            break
        clock.sleep(_PAUSE_S)
    assert expensify.total() == books.total()
    traffic = expensify.simulator.traffic
    posted = sum(1 for kind in ("Bill", "JournalEntry", "VendorCredit") for _ in books.company.txns(kind))
    store.close()
    return Outcome(read_s, marked_s, dict(traffic.by_kind), dict(traffic.highest), traffic.refused, posted, marked)


def _marked(tx: Tx) -> int:
    rows = tx.rows("marks_count", {"company": COMPANY, "flow": FLOW})
    return sum(row["count"] for row in rows if row["outcome"] == "posted" and row["state"] == "done")


def _business(reports: int, clock: Clock, books: QuickBooksSandbox) -> ExpensifySandbox:
    """Reports that are all approved and coded, and not marked; files that are not ready when they are first asked for."""
    mix = {"unapproved": 0.0, "exported": 0.0}
    made = make_expensify(1, clock, {"bills": reports, "vendors": 9, "chart": books.chart(), "mix": mix})
    made.simulator.world.options = replace(made.simulator.world.options, ready_after_polls=1)
    return made
