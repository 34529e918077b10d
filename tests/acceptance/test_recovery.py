"""The real process is killed in the middle of a write: the first session after it settles what was under way, in few calls."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import pytest

from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.simulator import Application, RequestProcessor, SessionReport, WebConnector
from connectors.qbwc.simulator.company import Books
from connectors.qbwc.simulator.transport import Answer, HttpPost
from connectors.qbwc.simulator.webconnector import Abandoned
from engine.connections.connecting import connect
from engine.store.sqlite import SqliteStore
from engine.vault import load_key
from engine.world import World
from tests.acceptance.serving import BOOT, is_ready, kill, start
from tests.crash.check import wrong
from tests.crash.play import Visits
from tests.crash.stage import Scene, Stage, stage

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.only_sqlite("a copy of the file is put back"),
]

MOMENTS = (
    "before its answer to sendRequestXML arrived",
    "before QuickBooks ran it",
    "after QuickBooks ran it",
    "before the answer was committed",
    "after the answer was committed",
)
# A status check, a look-up, and the same bytes once more.
MOST_EXTRA = 3
# Two vendors come first; the third write is a bill.
STRUCK = 3


class _Killing(HttpPost):
    """A connection on which the server is killed over one of the writes; without a moment nothing happens."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], moment: str, store: Path) -> None:
        super().__init__(url, 20.0)
        self.process = process
        self.moment = moment
        self.store = store
        self.writes = 0
        self.carries = False

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call, or see the server die over it."""
        if b"<receiveResponseXML " in body and self.carries and self.writes == STRUCK and self.moment:
            return self._answered(body, headers)
        answer = super().__call__(body, headers)
        self.carries = b"newMessageSetID=" in answer[1]
        self.writes += self.carries
        if self.carries and self.writes == STRUCK and self.moment == MOMENTS[0]:
            kill(self.process)
            raise ConnectionError("the answer was lost")
        return answer

    def _answered(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        moment, self.moment = self.moment, ""  # .NET tries a closed connection once more
        if moment == MOMENTS[2]:
            kill(self.process)
        if moment != MOMENTS[3]:
            answer = super().__call__(body, headers)
            kill(self.process)
            raise ConnectionError(f"a reply of {len(answer[1])} bytes was lost")
        with closing(sqlite3.connect(self.store, isolation_level=None)) as other:
            # Somebody else holds the store, so the call has been read and waits before its transaction.
            other.execute("BEGIN IMMEDIATE")
            threading.Timer(0.5, kill, [self.process]).start()
            return super().__call__(body, headers)


class _Connector(WebConnector):
    """A Web Connector on a machine that goes away when the server does, if the moment is the one before the run."""

    def _process(self, processor: RequestProcessor, request: str) -> tuple[str, str, str]:
        post = self.post
        assert isinstance(post, _Killing)
        if post.carries and post.writes == STRUCK and post.moment == MOMENTS[1]:
            kill(post.process)
            raise Abandoned
        return super()._process(processor, request)


@dataclass(slots=True)
class _Ready:
    """A store with work that waits to be sent, and the books as they were then."""

    scene: Scene
    books: Books

    def session(self, moment: str = "", *, most: int = 400, process: subprocess.Popen[bytes]) -> SessionReport:
        """One session; the server may be killed in it."""
        scene = self.scene
        post = _Killing(f"http://127.0.0.1:{scene.port}/qbwc", process, moment, scene.store)
        application: Application = replace(scene.books.application, max_requests=most)
        return _Connector(post, USER, PASSWORD, scene.books.company, application=application).update()

    def serve(self) -> subprocess.Popen[bytes]:
        """The server, which reads nothing by itself: only the sessions are counted."""
        process = start(self.scene.home, self.scene.port, more=("--no-schedule",))
        assert is_ready(process, self.scene.port)
        return process

    def again(self) -> None:
        """Put store and books back."""
        self.scene.books.company.load(self.books.copy())
        for path in self.scene.home.glob("flowctl.db*"):
            path.unlink()
        shutil.copy(self.scene.home / "kept.db", self.scene.store)


def _ready(on: Stage) -> _Ready:
    """The lists are known, everything in Ramp is read, and nothing is sent yet."""
    scene = on.scene("persist")
    store = SqliteStore(scene.store)
    # One write a message set, so that two sessions with the same work left have as many calls.
    connect(World(store, load_key(scene.home)), "main", "books", "qbwc", {"batch": 1}, {})
    store.close()
    ready = _Ready(scene, scene.books.company.books)
    process = ready.serve()
    try:
        assert ready.session(process=process).outcome == "done"
        command = [sys.executable, "-c", BOOT, "run", "ramp_to_quickbooks", "--home", str(scene.home)]
        subprocess.run([*command, "--company", "main"], check=True, capture_output=True)
    finally:
        kill(process)
    with closing(sqlite3.connect(scene.store)) as live, closing(sqlite3.connect(scene.home / "kept.db")) as kept:
        live.backup(kept)
    ready.books = scene.books.company.books.copy()
    return ready


def _unsettled(scene: Scene) -> int:
    with closing(sqlite3.connect(scene.store, timeout=20)) as store:
        return int(store.execute("SELECT COUNT(*) FROM message_sets WHERE state <> 'settled'").fetchone()[0])


def test_the_first_session_after_a_kill_settles_what_was_under_way(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        ready = _ready(on)
        undisturbed = cache(partial(_undisturbed, ready))
        extra = {moment: _extra(ready, moment, undisturbed) for moment in MOMENTS}
    assert max(extra.values()) <= MOST_EXTRA, extra
    # What QuickBooks never ran must be looked for and sent again; what was committed needs nothing.
    assert extra[MOMENTS[1]] > extra[MOMENTS[4]] == 0, extra


def _extra(ready: _Ready, moment: str, undisturbed: Callable[[int], int]) -> int:
    """How many calls more the session after the kill makes than one after a break between two writes."""
    ready.again()
    process = ready.serve()
    before = ready.session(moment, process=process)
    process.wait(20)
    assert before.outcome in ("error", "abandoned"), before.errors
    assert _unsettled(ready.scene) == (moment != MOMENTS[4])
    process = ready.serve()
    try:
        after = ready.session(process=process)
    finally:
        kill(process)
    assert after.outcome == "done", after.errors
    assert _unsettled(ready.scene) == 0
    assert _posted_once(ready.scene)
    calls = before.calls.count("sendRequestXML")
    return after.calls.count("sendRequestXML") - undisturbed(calls)


def _undisturbed(ready: _Ready, calls: int) -> int:
    """The calls of a second session when the first one simply ended after as many."""
    ready.again()
    process = ready.serve()
    try:
        ready.session(process=process, most=calls)
        assert _unsettled(ready.scene) == 0
        return ready.session(process=process).calls.count("sendRequestXML")
    finally:
        kill(process)


def _posted_once(scene: Scene) -> bool:
    guids = [txn.guid for txn in scene.books.company.books.txns.values()]
    return len(guids) == len(set(guids)) >= 5


def test_the_rest_is_told_after_it(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        ready = _ready(on)
        process = ready.serve()
        ready.session(MOMENTS[2], process=process)
        process.wait(20)
        process = start(ready.scene.home, ready.scene.port)
        try:
            assert is_ready(process, ready.scene.port)
            assert Visits(ready.scene).to_rest() == []
        finally:
            kill(process)
        assert wrong(ready.scene) == []
