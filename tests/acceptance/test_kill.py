"""The real server process, killed with SIGKILL at random moments and restarted: everything is posted exactly once."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.ramp.sandbox import make as make_ramp
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.serving import running
from engine.store.journal import verify
from engine.vault import load_key
from engine.world import World
from tests import stores
from tests.acceptance.serving import free_port, is_ready, kill, server, start

KILLS, WORKER_KILLS = 20, 4
pytestmark = pytest.mark.acceptance


class _Visits(threading.Thread):
    """A Web Connector that comes again and again, whatever happens to the server."""

    def __init__(self, books: QuickBooksSandbox, url: str, login: tuple[str, str]) -> None:
        super().__init__(daemon=True)
        self.books, self.url, self.login = books, url, login
        self.stopping = threading.Event()
        self.idle = 0
        self.crashes: list[BaseException] = []

    def run(self) -> None:
        while not self.stopping.wait(0.05):
            try:
                report = self.books.visit(self.url, *self.login)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must fail with it
                self.crashes.append(error)
                return
            self.idle = self.idle + 1 if report["outcome"] == "no_work" else 0


@dataclass
class _Scene:
    """A company between a source and books that its Web Connector visits."""

    home: Path
    port: int
    ramp: object
    books: QuickBooksSandbox
    visits: _Visits

    def rest(self) -> None:
        """Wait until everything is done."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and not _at_rest(self.home, self.ramp, self.visits):
            time.sleep(0.2)


@contextmanager
def _scene(tmp_path: Path) -> Iterator[_Scene]:
    home, port = tmp_path / "home", free_port()
    books = make_books(7, SystemClock(), {})
    ramp = make_ramp(7, SystemClock(), {"bills": 60, "transactions": 60, "vendors": 9, "chart": books.chart()})
    with running(ramp.app()) as ramp_url:
        store = stores.opened(home)
        world = World(store, load_key(home))
        settings, secrets = ramp.binding(ramp_url)
        connect(world, "main", "ramp", "ramp", settings, secrets)
        settings, secrets = books.binding(f"http://127.0.0.1:{port}")
        connect(world, "main", "books", "qbwc", settings, secrets)
        store.close()
        login = (str(settings["user"]), secrets["password"])
        visits = _Visits(books, f"http://127.0.0.1:{port}/qbwc", login)
        visits.start()
        yield _Scene(home, port, ramp, books, visits)
        visits.stopping.set()
        visits.join(30)
    assert visits.crashes == []
    _assert_exactly_once(home, ramp, books)


def test_kill_9_at_twenty_random_moments(tmp_path: Path) -> None:
    chance = random.Random(20260302)
    with _scene(tmp_path) as scene:
        for number in range(KILLS):
            # It takes some moments until the durable engine has begun: now and then it gets them, and loses its database.
            with server(scene.home, scene.port):
                time.sleep(chance.uniform(1.5, 3.5) if number % 4 == 0 else chance.uniform(0.0, 0.7))
            if number % 8 == 4:
                (scene.home / "durable.db").unlink(missing_ok=True)
        with server(scene.home, scene.port):
            scene.rest()


def test_workers_are_killed_beside_a_process_that_answers(tmp_path: Path) -> None:
    """What a worker leaves behind is taken up by the other one, and none of it waits for the dead."""
    chance = random.Random(20260303)
    with _scene(tmp_path) as scene, ExitStack() as stack:

        def begin(port: int, option: str) -> subprocess.Popen[bytes]:
            process = start(scene.home, port, more=[option])
            stack.callback(kill, process)
            assert is_ready(process, port)
            return process

        begin(scene.port, "--no-schedule")
        pair = [begin(free_port(), "--workers-only") for _ in range(2)]
        for number in range(WORKER_KILLS):
            time.sleep(chance.uniform(1.5, 3.0))
            kill(pair[number % 2])
            pair[number % 2] = begin(free_port(), "--workers-only")
        scene.rest()
    with closing(stores.opened(scene.home)) as store:
        ((begun,),) = stores.raw(store, "SELECT MAX(number) FROM turns WHERE work LIKE 'flow:%'")
    assert begun > 0


def _at_rest(home: Path, ramp: object, visits: _Visits) -> bool:
    """Ramp waits for nothing, the Web Connector is sent home, and the server has made durable what it was told."""
    ready = ramp.simulator.totals().ready  # type: ignore[attr-defined]  # a RampSandbox
    if visits.idle < 3 or any(ready.values()):
        return False
    with closing(stores.opened(home)) as store:
        ((open_,),) = stores.raw(store, "SELECT COUNT(*) FROM records WHERE state NOT IN ('closed', 'skipped')")
    return int(open_) == 0


def _assert_exactly_once(home: Path, ramp: object, books: QuickBooksSandbox) -> None:
    store = stores.opened(home)
    with store.read() as tx:
        states = Counter(
            (row["stream"], row["state"])
            for row in tx.rows("records_listing", {"company": "main", "state": "", "flow": "", "limit": 10_000})
        )
        broken = verify(tx, "main")
    store.close()
    assert broken is None
    stuck = {key: count for key, count in states.items() if key[1] not in ("closed", "skipped")}
    vendors_posted = stuck.pop(("vendors", "posted"), 0)
    assert stuck == {}, f"not settled: {stuck}; {vendors_posted} vendors"
    guids = Counter(txn.guid for txn in books.company.books.txns.values())
    assert [guid for guid, count in guids.items() if count > 1] == []
    assert sum(states.values()) > 100
    totals = ramp.simulator.totals()  # type: ignore[attr-defined]  # a RampSandbox
    source = sum(
        (a for sums in (totals.bills, totals.bill_payments, totals.transactions) for a in sums.values()), Decimal(0)
    )
    assert books.total() == source
    assert source > 0
