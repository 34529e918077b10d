"""Several replicas on one store, each with everything of its own but that: sessions hop, one sends, and who comes late is refused."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.qbwc.routes import make_handler
from connectors.qbwc.sandbox import PASSWORD, USER, QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import SessionReport, WebConnector
from connectors.qbwc.simulator.transport import Answer
from connectors.ramp.sandbox import RampSandbox
from connectors.ramp.sandbox import make as make_ramp
from engine.cli.common import program
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.contract import Desk, Handler, HttpCall, Login
from engine.desk import StoreOutbox
from engine.program import FlowProgram
from engine.runner import Runner
from engine.store.base import Store
from engine.store.postgres import PostgresStore
from engine.store.sqlite import SqliteStore
from engine.vault import Vault
from engine.world import World

FLOW, COMPANY = "ramp_to_quickbooks", "acme"
# All of it can be posted.
MIX = {"unapproved": 0.0, "pending": 0.0, "declined": 0.0}
VISITS = 40
Opens = Callable[[], Store]


@pytest.fixture(scope="module")
def flow() -> FlowProgram:
    return program(FLOW)


@pytest.fixture(params=["sqlite", "postgres"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Opens the one store once more."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    with ExitStack() as stack:

        def opened() -> Store:
            store = PostgresStore(url) if url else SqliteStore(tmp_path / "store.db")
            stack.callback(store.close)
            return store

        yield opened


@dataclass(slots=True)
class Replica:
    """One server: a store of its own connection, its own doorkeeper, its own memory."""

    world: World
    handler: Handler

    def post(self, client: str) -> Callable[[bytes, Mapping[str, str]], Answer]:
        """Calls that reach this replica from one machine."""

        def carry(body: bytes, headers: Mapping[str, str]) -> Answer:
            lower = {name.lower(): value for name, value in headers.items()}
            reply = self.handler(HttpCall("POST", "/qbwc", "", lower, body, client))
            return reply.status, reply.body, reply.headers.get("content-type", "")

        return carry


@dataclass(slots=True)
class House:
    """A company file, a business in Ramp, and replicas on one store."""

    opens: Opens
    flow: FlowProgram
    books: QuickBooksSandbox
    ramp: RampSandbox
    replicas: list[Replica] = field(default_factory=list)

    def add(self, outbox: Callable[[StoreOutbox], StoreOutbox | Paused] = lambda made: made) -> Replica:
        """Start one more."""
        world = World(self.opens(), Vault(b"0" * 32), transports={"ramp": self.ramp.transport()})
        handler = make_handler(outbox(StoreOutbox(world, {FLOW: self.flow})), world.clock, world.ids)
        self.replicas.append(Replica(world, handler))
        return self.replicas[-1]

    def connector(self, post: Callable[[bytes, Mapping[str, str]], Answer]) -> WebConnector:
        return WebConnector(post, USER, PASSWORD, self.books.company, application=self.books.application)

    def work(self, replica: Replica) -> None:
        """What a worker does: read what is due, and tell what was posted."""
        runner = Runner(replica.world)
        runner.run(self.flow, COMPANY)
        runner.tell(self.flow, COMPANY)

    def wrong(self) -> list[str]:
        """Everything that is not as it must be at the end."""
        txns, marks = self.books.company.books.txns, self.ramp.simulator.world.marks
        found = [f"{guid} {times} times" for guid, times in Counter(t.guid for t in txns.values()).items() if times > 1]
        if self.books.total() != self.ramp.total() or not txns:
            found.append(f"QuickBooks has {self.books.total()}, Ramp has {self.ramp.total()}")
        if Counter(mark.reference for mark in marks) != Counter(txns.keys()):
            found.append("what Ramp was told is not what is in QuickBooks")
        return found


@pytest.fixture
def house(opens: Opens, flow: FlowProgram) -> House:
    books = make_books(3, SystemClock(), {})
    given = {"bills": 3, "transactions": 3, "vendors": 2, "chart": books.chart(), "mix": MIX}
    made = House(opens, flow, books, make_ramp(3, SystemClock(), given))
    world = made.add().world
    connect(world, COMPANY, "ramp", "ramp", *made.ramp.binding("http://127.0.0.1:1"))
    settings, secrets = books.binding("http://127.0.0.1:8000")
    connect(world, COMPANY, "books", "qbwc", {**settings, "request_timeout_s": 10}, secrets)
    return made


def at_rest(house: House) -> bool:
    """Whether everything is posted, and Ramp waits for nothing."""
    return not any(house.ramp.simulator.totals().ready.values())


def test_a_session_hops_between_replicas_that_are_replaced_one_after_the_other(house: House) -> None:
    chance = random.Random(8)
    house.add()
    outcomes = Counter[str]()

    def balanced(body: bytes, headers: Mapping[str, str]) -> Answer:
        if chance.random() < 0.15:
            # An upgrade: the oldest one ends, and a new one knows nothing but the store.
            house.replicas.pop(0).world.store.close()
            house.add()
        return chance.choice(house.replicas).post("10.0.0.1")(body, headers)

    for _ in range(VISITS):
        house.work(chance.choice(house.replicas))
        outcomes[house.connector(balanced).update().outcome] += 1
        if at_rest(house):
            break
    assert at_rest(house)
    assert house.wrong() == []
    assert set(outcomes) <= {"done", "no_work"}


def test_two_replicas_never_both_send(house: House) -> None:
    first, second = house.replicas[0], house.add()
    house.work(first)
    one, other = house.connector(first.post("10.0.0.1")), house.connector(second.post("10.0.0.2"))
    beside: list[SessionReport] = []

    def meanwhile(request: str, run: Callable[[str], str]) -> str | None:
        if "AddRq" in request and not beside:
            beside.append(other.update())
        return run(request)

    one.answers = meanwhile
    report = one.update()
    assert [each.outcome for each in beside] == ["busy"]
    assert [each.requests for each in beside] == [[]]
    assert report.outcome == "done"
    for _ in range(VISITS):
        house.work(second)
        other.update()
        if at_rest(house):
            break
    assert house.wrong() == []


@dataclass(slots=True)
class Paused:
    """An outbox whose process stands still, once, before the transaction of a call begins."""

    outbox: StoreOutbox
    armed: threading.Event = field(default_factory=threading.Event)
    standing: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def login(self, user: str) -> Login | None:
        return self.outbox.login(user)

    def company_of(self, ticket_hash: str) -> str | None:
        return self.outbox.company_of(ticket_hash)

    def transaction(self, company: str | None = None) -> AbstractContextManager[Desk]:
        if self.armed.is_set():
            self.armed.clear()
            self.standing.set()
            assert self.go_on.wait(60)
        return self.outbox.transaction(company)


def test_a_replica_that_stood_still_is_overtaken_and_its_late_write_is_refused(house: House) -> None:
    paused: list[Paused] = []

    def still(outbox: StoreOutbox) -> Paused:
        paused.append(Paused(outbox))
        return paused[0]

    slow, fast = house.add(still), house.replicas[0]
    house.work(fast)
    one, other = house.connector(slow.post("10.0.0.1")), house.connector(fast.post("10.0.0.1"))
    reports: list[SessionReport] = []

    def written(request: str, run: Callable[[str], str]) -> str | None:
        answer = run(request)
        if "AddRq" in request and not paused[0].standing.is_set():
            # QuickBooks has written it; the answer reaches a replica that stands still.
            paused[0].armed.set()
        return answer

    one.answers = written
    thread = threading.Thread(target=lambda: reports.append(one.update()))
    thread.start()
    assert paused[0].standing.wait(60)
    # The same machine gives up, comes anew, and finds out what became of the write.
    assert other.update().outcome == "done"
    paused[0].go_on.set()
    thread.join(60)
    assert (reports[0].outcome, reports[0].percents[-1]) == ("stopped", -1)
    assert (
        reports[0].messages[0]
        == "This session is over, or a newer one has replaced it. The next update starts a new one."
    )
    for _ in range(VISITS):
        house.work(fast)
        other.update()
        if at_rest(house):
            break
    assert house.wrong() == []
