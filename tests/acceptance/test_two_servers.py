"""Two server processes on one store: one writes at a time, a stopped one is overtaken, and its late write is refused."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import RequestProcessor, SessionReport, WebConnector
from connectors.qbwc.simulator.transport import Answer, HttpPost
from connectors.ramp.sandbox import make as make_ramp
from engine.clock import SystemClock
from tests.acceptance.serving import free_port, is_ready, kill, start
from tests.crash.check import at_rest, wrong
from tests.crash.stage import Scene, stage

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.only_sqlite("its scene is a copy of a home's files; benchmarks/swarm plays the like on PostgreSQL"),
]

# A Web Connector that is silent for so long no longer keeps the other machine's from writing.
SILENCE_S = 1
STOPS = 4


class _From(HttpPost):
    """A connection from one of two machines."""

    def __init__(self, url: str, machine: str) -> None:
        super().__init__(url, 60.0)
        self._machine = machine
        self._place = urlsplit(url)

    def _send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._connection is None:
            where = (self._place.hostname or "", self._place.port)
            self._connection = HTTPConnection(*where, timeout=60.0, source_address=(self._machine, 0))
        return super()._send(body, headers)


@dataclass(slots=True)
class _Alternating:
    """One Web Connector whose calls reach the two processes in turn, as behind a balancer that knows no session."""

    posts: Iterator[HttpPost]

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        return next(self.posts)(body, headers)


class _Connector(WebConnector):
    """QuickBooks runs one request at a time, whichever machine it comes from; then `ran` is told."""

    quickbooks: threading.Lock
    ran: Callable[[str], None]

    def _process(self, processor: RequestProcessor, request: str) -> tuple[str, str, str]:
        with self.quickbooks:
            answer = super()._process(processor, request)
        self.ran(request)
        return answer


@dataclass(slots=True)
class _Pair:
    """Two processes on the store of a scene."""

    scene: Scene
    ports: tuple[int, int]
    processes: tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]
    quickbooks: threading.Lock = field(default_factory=threading.Lock)

    def url(self, number: int) -> str:
        """Where one of them is reached."""
        return f"http://127.0.0.1:{self.ports[number]}/qbwc"

    def connector(self, post: HttpPost | _Alternating) -> _Connector:
        """A Web Connector."""
        made = _Connector(post, USER, PASSWORD, self.scene.books.company, application=self.scene.books.application)
        made.quickbooks, made.ran = self.quickbooks, lambda _request: None
        return made


@contextmanager
def _pair(folder: Path, *, bills: int) -> Iterator[_Pair]:
    with stage(folder) as on, ExitStack() as opened:
        scene = on.scene("persist")
        books = make_books(7, SystemClock(), {})
        ramp = make_ramp(7, SystemClock(), {"bills": bills, "transactions": 6, "vendors": 4, "chart": books.chart()})
        on.swap.app = ramp.app()
        scene.books, scene.ramp = books, ramp
        with closing(sqlite3.connect(scene.store)) as store, store:
            # `flowctl connect` takes nothing below ten seconds, and nobody wants to wait for them here.
            setting = "UPDATE connections SET settings = json_set(settings, '$.request_timeout_s', ?) WHERE connector = 'qbwc'"
            assert store.execute(setting, (SILENCE_S,)).rowcount == 1
        ports = (scene.port, free_port())
        processes = (start(scene.home, ports[0]), start(scene.home, ports[1]))
        for process, port in zip(processes, ports, strict=True):
            opened.callback(kill, process)
            assert is_ready(process, port)
        yield _Pair(scene, ports, processes)


def _interleaved(scene: Scene) -> list[str]:
    """Message sets that went out before the one before them was settled."""
    with closing(sqlite3.connect(scene.store)) as store:
        rows = store.execute("SELECT id, sent_at, settled_at FROM message_sets ORDER BY settled_no").fetchall()
    assert len(rows) > 5
    return [f"{two[0]} before {one[0]}" for one, two in itertools.pairwise(rows) if two[1] < one[2]]


def _to_rest(pair: _Pair, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if at_rest(pair.scene):
            return True
        time.sleep(0.1)
    return False


def test_two_web_connectors_hammer_both_processes_and_one_is_stopped_again_and_again(tmp_path: Path) -> None:
    reports: list[SessionReport] = []
    crashes: list[BaseException] = []
    stopping = threading.Event()

    def visit(pair: _Pair, number: int) -> None:
        connector = pair.connector(_From(pair.url(number), f"127.0.0.{number + 2}"))
        while not stopping.wait(0.01):
            try:
                reports.append(connector.update())
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must fail with it
                crashes.append(error)
                return

    with _pair(tmp_path, bills=25) as pair:
        threads = [threading.Thread(target=visit, args=(pair, number), daemon=True) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for number in range(STOPS):
            time.sleep(0.7)
            process = pair.processes[number % 2]
            process.send_signal(signal.SIGSTOP)
            time.sleep(SILENCE_S + 0.7)
            process.send_signal(signal.SIGCONT)
        rested = _to_rest(pair)
        stopping.set()
        for thread in threads:
            thread.join(60)
        assert crashes == []
        assert rested
        assert wrong(pair.scene) == []
        assert _interleaved(pair.scene) == []
    assert {report.outcome for report in reports} >= {"done", "no_work"}


def test_a_stopped_process_is_overtaken_and_its_late_answer_is_refused(tmp_path: Path) -> None:
    with _pair(tmp_path, bills=6) as pair:
        late: list[SessionReport] = []
        slow = pair.connector(_From(pair.url(0), "127.0.0.2"))
        fast = pair.connector(_From(pair.url(1), "127.0.0.3"))
        other: list[str] = []

        def overtake(request: str) -> None:
            """QuickBooks has run the write of the first process, which is stopped now; the other machine comes."""
            if "BillAdd" in request and not other:
                pair.processes[0].send_signal(signal.SIGSTOP)
                other.append(fast.update().outcome)
                time.sleep(SILENCE_S + 0.5)
                other.append(fast.update().outcome)
                pair.processes[0].send_signal(signal.SIGCONT)

        slow.ran = overtake
        deadline = time.monotonic() + 60
        while not other and time.monotonic() < deadline:
            late.append(slow.update())
        # As long as the write may still be with QuickBooks nobody else writes; after that the other one takes over.
        assert other == ["busy", "done"]
        assert late[-1].outcome == "stopped"
        assert late[-1].percents[-1] == -1
        assert late[-1].messages[0] == (
            "This session is over, or a newer one has replaced it. The next update starts a new one."
        )
        while not at_rest(pair.scene) and time.monotonic() < deadline:
            fast.update()
        assert wrong(pair.scene) == []
        assert _interleaved(pair.scene) == []


def test_calls_of_one_session_alternate_between_the_processes(tmp_path: Path) -> None:
    with _pair(tmp_path, bills=10) as pair:
        posts = [HttpPost(pair.url(number), 60.0) for number in (0, 1)]
        connector = pair.connector(_Alternating(itertools.cycle(posts)))
        deadline, outcomes = time.monotonic() + 60, set[str]()
        while not at_rest(pair.scene) and time.monotonic() < deadline:
            outcomes.add(connector.update().outcome)
            time.sleep(0.02)
        for post in posts:
            post.close()
        assert outcomes <= {"done", "no_work"}
        assert wrong(pair.scene) == []
        assert _interleaved(pair.scene) == []
