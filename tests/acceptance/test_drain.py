"""The real server process is told to stop while everything is under way: it ends by itself, and nothing is lost or doubled."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.simulator import dotnet
from engine.store import whereabouts
from engine.store.postgres import PostgresStore
from engine.store.private import PrivatePostgres
from engine.store.sqlite import SqliteStore
from tests.acceptance.draining import load, place
from tests.acceptance.serving import kill

pytestmark = pytest.mark.acceptance
STOPS = 2
# A process that has not ended by then hangs; what it promises is ten seconds.
_HANGS_S = 40.0


def told_to_stop(process: subprocess.Popen[bytes]) -> int:
    """The status of a process that gets SIGTERM."""
    process.send_signal(signal.SIGTERM)
    return process.wait(_HANGS_S)


class Half:
    """A call of which the first half has been sent."""

    def __init__(self, port: int) -> None:
        body, headers = dotnet.request("authenticate", {"strUserName": USER, "strPassword": PASSWORD})
        kept = {name: value for name, value in headers.items() if name.lower() != "expect"}
        head = "".join(f"{name}: {value}\r\n" for name, value in {**kept, "Content-Length": str(len(body))}.items())
        whole = f"POST /qbwc HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + body
        self._rest = whole[-len(body) // 2 :]
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_HANGS_S)
        self._socket.sendall(whole[: -len(self._rest)])

    def answer(self) -> bytes:
        """The first line of the answer to the whole call."""
        with self._socket:
            self._socket.sendall(self._rest)
            return self._socket.makefile("rb").readline()


def test_it_stops_again_and_again_under_load(tmp_path: Path) -> None:
    chance, statuses, answers, left = random.Random(20260304), [], [], []
    store = SqliteStore(tmp_path / "home" / "flowctl.db")
    with place(tmp_path, store) as at, ExitStack() as stack:
        with load(at):
            for _ in range(STOPS):
                process = at.begin(at.ports[0])
                stack.callback(kill, process)
                time.sleep(chance.uniform(1.0, 3.0))
                half = Half(at.ports[0])
                time.sleep(0.1)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                answers.append(half.answer())
                statuses.append(process.wait(_HANGS_S))
                left.append(at.left())
            stack.callback(kill, at.begin(at.ports[0]))
            rested = at.rest()
        wrong, hooks = at.wrong(), at.missing_hooks()
    assert statuses == [0] * STOPS
    assert answers == [b"HTTP/1.1 200 OK\r\n"] * STOPS
    assert left == [([], [], [])] * STOPS
    assert (rested, wrong, hooks) == (True, [], [])
    assert at.taken[200]


def test_what_a_source_holds_up_is_handed_back(tmp_path: Path) -> None:
    """A read that does not end keeps no process from ending, and the next one has it at once, not after a minute."""
    store = SqliteStore(tmp_path / "home" / "flowctl.db")
    with place(tmp_path, store, bills=5) as at, ExitStack() as stack:
        at.gate.opened.clear()
        process = at.begin(at.ports[0])
        stack.callback(kill, process)
        until = time.monotonic() + _HANGS_S
        while not at.gate.waiting and time.monotonic() < until:
            time.sleep(0.05)
        assert [len(each) for each in at.left()] == [1, 1, 0]
        assert told_to_stop(process) == 0
        assert at.left() == ([], [], [])
        at.gate.opened.set()
        with load(at):
            stack.callback(kill, at.begin(at.ports[0]))
            rested = at.rest()
        assert (rested, at.wrong()) == (True, [])


def test_it_ends_while_its_durable_engine_cannot_be_reached(tmp_path: Path) -> None:
    """It answers all the same: nobody who calls waits for the engine."""
    store = SqliteStore(tmp_path / "home" / "flowctl.db")
    with place(tmp_path, store, bills=5) as at, socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d"
        process = at.begin(at.ports[0], "--durable", nowhere)
        try:
            silent.settimeout(_HANGS_S)
            with silent.accept()[0]:
                assert Half(at.ports[0]).answer() == b"HTTP/1.1 200 OK\r\n"
                assert told_to_stop(process) == 0
        finally:
            kill(process)


def test_two_servers_and_a_worker_are_replaced_one_after_the_other(
    tmp_path: Path, postgres: PrivatePostgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(whereabouts.VARIABLE, postgres_url)
    postgres.drop("flowctl_durable")
    postgres.create("flowctl_durable")
    statuses = []
    with place(tmp_path, PostgresStore(postgres_url), servers=3) as at, ExitStack() as stack:
        answering, working = at.ports[:2], at.ports[2]
        at.ports = answering

        def begin(port: int) -> subprocess.Popen[bytes]:
            process = at.begin(port, "--workers-only" if port == working else "--no-schedule")
            stack.callback(kill, process)
            return process

        members = {port: begin(port) for port in (*answering, working)}
        with load(at):
            time.sleep(1)
            for port in (working, *answering):
                statuses.append(told_to_stop(members[port]))
                members[port] = begin(port)
            rested = at.rest()
        wrong, hooks = at.wrong(), at.missing_hooks()
        assert at.left()[2] == []
    assert statuses == [0] * 3
    assert (rested, wrong, hooks) == (True, [], [])
    assert at.taken[200]
    assert "unreachable" not in at.visits
