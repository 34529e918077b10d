"""How long a thousand bills take through a simulated QuickBooks, on a virtual clock: exact, whatever the machine does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from connectors.qbwc.routes import make_handler
from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import RequestProcessor, SessionReport, WebConnector, handler_post
from connectors.qbwc.simulator.model import VirtualClock
from connectors.qbwc.simulator.transport import Answer, Post
from connectors.qbwc.simulator.webconnector import Abandoned
from connectors.ramp.sandbox import RampSandbox
from connectors.ramp.sandbox import make as make_ramp
from engine.cli.common import program
from engine.clock import Clock
from engine.connections.connecting import connect
from engine.desk import StoreOutbox
from engine.program import FlowProgram
from engine.runner import Runner
from engine.store.sqlite import SqliteStore
from engine.testing import SeededIds
from engine.vault import Vault
from engine.world import World

COMPANY, FLOW = "bench", "ramp_to_quickbooks"
TRIP_S = 1.5
REQUEST_S = 0.2
# The Web Connector gives up on QuickBooks about then (FACTS section 1).
TIMEOUT_S = 60.0
# Between two updates of the Web Connector, as its scheduler is usually set.
PAUSE_S = 60.0
_MOST_SESSIONS = 200


@dataclass(slots=True)
class QuickBooks:
    """How fast it answers: `request_s` of the number of requests it has run so far, each trip `TRIP_S` on top."""

    request_s: Callable[[int], float] = lambda _done: REQUEST_S
    timeout_s: float = float("inf")


@dataclass(slots=True)
class Outcome:
    """What it took, in virtual seconds; `answers` has the seconds of each message set with its trip, `sizes` its requests."""

    seconds: float = 0.0
    answers: list[float] = field(default_factory=list)
    sessions: int = 0
    timeouts: int = 0
    posted: int = 0
    sizes: list[int] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest answer to a write."""
        return max(self.answers)

    @property
    def slow_from(self) -> int:
        """The number of the first set whose answer took more than half a minute; the number of sets when none did."""
        return next((n for n, seconds in enumerate(self.answers) if seconds > 30.0), len(self.answers))


class _Timed(WebConnector):
    """A Web Connector whose calls and requests take their time."""

    speed: QuickBooks
    outcome: Outcome
    done: int

    def _process(self, processor: RequestProcessor, request: str) -> tuple[str, str, str]:
        requests = request.count("requestID=")
        taken = sum(self.speed.request_s(self.done + n) for n in range(requests))
        self.done += requests
        answer = super()._process(processor, request)
        self.clock.sleep(min(taken, self.speed.timeout_s))
        if "newMessageSetID=" in request and "AddRq" in request:
            self.outcome.sizes.append(request.count("AddRq "))
            self.outcome.answers.append(min(taken, self.speed.timeout_s) + TRIP_S)
        if taken > self.speed.timeout_s:
            # QuickBooks goes on and posts; nobody waits for its answer any more.
            self.outcome.timeouts += 1
            raise Abandoned
        return answer


@dataclass(slots=True)
class _Trip:
    """Half a round trip each way: a document is fetched with one call and answered with another."""

    post: Post
    clock: Clock

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        self.clock.sleep(TRIP_S / 2)
        return self.post(body, headers)


@cache
def _flow() -> FlowProgram:
    return program(FLOW)


def simulate(bills: int, batch: int, quickbooks: QuickBooks | None = None) -> Outcome:
    """Post so many bills with message sets of at most `batch` requests, 0 for as many as QuickBooks is good for."""
    speed, clock, outcome = quickbooks or QuickBooks(), VirtualClock(), Outcome()
    books = make_books(1, clock, {})
    ramp = _business(bills, clock, books)
    store = SqliteStore(None)
    world = World(store, Vault(b"0" * 32), clock, SeededIds(1), {"ramp": ramp.transport()})
    connect(world, COMPANY, "ramp", "ramp", *ramp.binding("http://127.0.0.1:1"))
    settings, secrets = books.binding("http://127.0.0.1:8000")
    connect(world, COMPANY, "books", "qbwc", {**settings, "batch": batch}, secrets)
    runner, flow = Runner(world), _flow()
    outbox = StoreOutbox(world, {FLOW: flow}, lambda _company: None, logs=False)
    handler = make_handler(outbox, clock, world.ids)
    post = _Trip(handler_post(handler), clock)
    connector = _Timed(
        post, str(settings["user"]), secrets["password"], books.company, application=books.application, clock=clock
    )
    connector.speed, connector.outcome, connector.done = QuickBooks(), Outcome(), 0
    _prepare(connector, runner, flow)
    connector.speed, connector.outcome, connector.done = speed, outcome, 0
    start = clock.monotonic()
    for _ in range(_MOST_SESSIONS):
        report: SessionReport = connector.update()
        if report.outcome == "no_work":
            break
        outcome.sessions += 1
        clock.sleep(PAUSE_S if report.outcome != "done" else 0.0)
    outcome.seconds = clock.monotonic() - start
    outcome.posted = sum(1 for _ in books.company.txns("Bill"))
    assert books.total() == sum(books.company.open_amount(txn) for txn in books.company.txns("Bill"))
    store.close()
    return outcome


def _business(bills: int, clock: Clock, books: QuickBooksSandbox) -> RampSandbox:
    """Bills that nobody has paid, all approved, and no card transactions."""
    mix = {"paid": 0.0, "partly_paid": 0.0, "unapproved": 0.0}
    options = {"bills": bills, "transactions": 0, "vendors": 9, "chart": books.chart(), "mix": mix}
    return make_ramp(1, clock, options)


def _prepare(connector: _Timed, runner: Runner, flow: FlowProgram) -> None:
    """Lists and vendors are there, and every bill is rendered: what is measured is the posting."""
    connector.update()
    runner.run(flow, COMPANY, streams=("vendors",))
    connector.update()
    runner.run(flow, COMPANY, streams=("bills",))


def slow_midway(count: int, timeout_s: float = float("inf")) -> QuickBooks:
    """From the given request on, each takes five seconds, because somebody runs a report."""
    return QuickBooks(lambda done: REQUEST_S if done < count else 5.0, timeout_s)
