"""How soon a killed server answers again: from the start of the process to the first answer that is durable.

As after an installation, there is bytecode, made by a run that is not counted. The processor time of the process stands
beside the clock's: on a machine that has more to do it is the steadier figure.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import bills
from connectors._http import parse_json
from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.simulator import WebConnector, dotnet
from connectors.qbwc.simulator.transport import Answer, HttpPost
from connectors.ramp.records import normaliser
from connectors.ramp.settings import read_settings
from engine import intake
from engine.cli.common import program
from engine.contract import Binding
from engine.runner import Runner
from engine.store import companies, lists
from engine.store.sqlite import SqliteStore
from engine.vault import load_key
from engine.world import World
from tests.acceptance.serving import is_ready, kill, start
from tests.crash.stage import Scene, stage


class _Cut(HttpPost):
    """A connection that ends when a write is handed out: its answer never comes."""

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        answer = super().__call__(body, headers)
        if b"<sendRequestXML " in body and b"newMessageSetID=" in answer[1]:
            raise ConnectionError("cut")
        return answer


def measure(rounds: int, records: int) -> list[tuple[float, float]]:
    """Seconds of each round, and seconds of a processor; the store also holds so many records of another company."""
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder, _installed(folder), stage(Path(folder)) as on:
        scene = on.scene("persist")
        if records:
            _fill(scene, records)
        found = []
        for _ in range(rounds):
            _until_in_flight(scene)
            found.append(_first_answer(scene))
        return found


@contextlib.contextmanager
def _installed(folder: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(PYTHONPYCACHEPREFIX=str(Path(folder) / "bytecode"), PYTHONDONTWRITEBYTECODE="")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _until_in_flight(scene: Scene) -> None:
    """Run the server until QuickBooks has a write, then kill it."""
    process = start(scene.home, scene.port)
    try:
        assert is_ready(process, scene.port)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            post = _Cut(f"http://127.0.0.1:{scene.port}/qbwc", 20.0)
            connector = WebConnector(post, USER, PASSWORD, scene.books.company, application=scene.books.application)
            if connector.update().outcome == "error":
                return
            time.sleep(0.05)
        raise AssertionError("nothing was handed out")
    finally:
        kill(process)


def _first_answer(scene: Scene) -> tuple[float, float]:
    """From the start of the process to a ticket: the session is in the store then."""
    body, headers = dotnet.request("authenticate", {"strUserName": USER, "strPassword": PASSWORD})
    started = time.perf_counter()
    process = start(scene.home, scene.port)
    try:
        while time.perf_counter() - started < 60:
            call = urllib.request.Request(f"http://127.0.0.1:{scene.port}/qbwc", body, headers)
            with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(call) as answer:
                taken = time.perf_counter() - started, _used(process)
                result = dotnet.strings(dotnet.result("authenticate", answer.status, answer.read(), "text/xml"))
                assert result[1] not in ("none", "busy", "nvu"), result[1]
                return taken
            time.sleep(0.002)
        raise AssertionError("no answer within a minute")
    finally:
        kill(process)


def _used(process: subprocess.Popen[bytes]) -> float:
    """Seconds of a processor that a process has used, in steps of ten milliseconds; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fill(scene: Scene, count: int) -> None:
    """Bills of another company, rendered and journalled."""
    store = SqliteStore(scene.store)
    world, flow = World(store, load_key(scene.home)), program("ramp_to_quickbooks")
    settings = read_settings(
        Binding("other", "ramp", {"client_id": "x", "environment": "sandbox"}, {"client_secret": "x"})
    )
    normalise, runner = normaliser("bills", settings), Runner(world)
    with store.write("other") as tx:
        companies.add(tx, "other", "other", world.at())
        for name, objects in bills.lists().items():
            lists.store_page(tx, "other", name, objects, first=True)
            lists.finish(tx, "other", name, world.at())
    for body in bills.pages(count):
        with store.write("other") as tx:
            batch = runner.batch(tx, flow, "other", 1)
            intake.take_page(batch, flow.stream("bills"), [normalise(row) for row in parse_json(body)["data"]])
    store.close()
