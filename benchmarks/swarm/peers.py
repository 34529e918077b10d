"""What our answers are compared with in the same run: spyne, node's `soap`, and PostgreSQL's own `pgbench`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.posting import CONNECTIONS
from benchmarks.swarm.processes import free_ports
from benchmarks.swarm.rate import GOAL, ROUNDS, measured, ours, request, shown

PEERS = Path(__file__).parents[1] / "peers"
START_S = 120.0
WARM = 200


def all_of(count: int, companies: int) -> dict[str, Any]:
    """Ours on SQLite and on PostgreSQL, and the others, one after the other."""
    found: dict[str, Any] = {"name": "soap", "calls": count, "companies": companies, "goal": GOAL}
    found |= {"rounds": ROUNDS, "at_once": CONNECTIONS}
    found["sqlite"] = ours(count, companies)
    found["postgres"] = _postgres(count, companies)
    for name, server in (("spyne", _spyne), ("node_soap", _node)):
        with server() as started:
            found[name] = _peer(count, *started) if started else None
    return found


def _peer(count: int, port: int, pids: Sequence[int]) -> dict[str, Any]:
    calls = [request("/qbwc", f"books-{number % 100:05d}") for number in range(count)]
    cores = sorted(os.sched_getaffinity(0))
    try:
        for pid in pids:
            _pin(pid, cores[0])
        os.sched_setaffinity(0, {cores[-1]})
        measured(port, pids[-1], calls[:WARM])
        return shown(port, pids[-1], calls)
    finally:
        os.sched_setaffinity(0, set(cores))


def _pin(pid: int, core: int) -> None:
    """A process and all its threads onto one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


@contextmanager
def _spyne() -> Iterator[tuple[int, list[int]] | None]:
    """spyne behind one worker of gunicorn, in an environment that is made for it."""
    with tempfile.TemporaryDirectory(prefix="flowctl-peers-") as folder:
        environment = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip: list[str | Path] = [
            environment / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        if subprocess.run([*pip, "-r", PEERS / "requirements.txt"], check=False).returncode:
            yield None
            return
        port = free_ports(1)[0]
        options = ["-k", "gthread", "--threads", "8", "--keep-alive", "65", "--no-control-socket"]
        command: list[str | Path] = [
            environment / "bin" / "gunicorn",
            *options,
            "-b",
            f"127.0.0.1:{port}",
            "spyne_app:application",
        ]
        quiet = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(command, cwd=PEERS, env=quiet, stderr=subprocess.DEVNULL)
        try:
            _await(port)
            # The work is done by its child.
            yield port, [process.pid, *_children(process.pid)]
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def _node() -> Iterator[tuple[int, list[int]] | None]:
    """node's `soap` on node's own server."""
    from connectors.qbwc.wsdl import wsdl

    if shutil.which("npm") is None or shutil.which("node") is None:
        yield None
        return
    ready = PEERS / "node_modules" / "soap"
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if not ready.exists() and subprocess.run(install, cwd=PEERS, check=False).returncode:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="flowctl-peers-") as folder:
        described = Path(folder) / "service.wsdl"
        described.write_bytes(wsdl("http://localhost/qbwc"))
        process = subprocess.Popen(["node", "server.js", described], cwd=PEERS, stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), [process.pid]
        finally:
            process.terminate()
            process.wait(20)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _await(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/?wsdl", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("a server to compare with did not start")


# --- PostgreSQL ---


@contextmanager
def postgres() -> Iterator[str]:
    """A private PostgreSQL whose commits are on the disk, with our schema; where it is."""
    from engine.store import pgschema, private
    from engine.store.postgres import connected

    with private.running(("max_connections=200", "shared_buffers=256MB")) as server:
        with connected(server.url()) as connection:
            pgschema.migrate(connection)
        server.create("pgbench")
        # The durable engine has a database beside the store, which our role may not create.
        server.create("flowctl_durable")
        yield server.url()


def _postgres(count: int, companies: int) -> dict[str, Any] | None:
    """Ours on PostgreSQL, and what `pgbench` does there: its simple update, with as many clients as we have connections."""
    from engine.store import private

    if private.programs() is None:
        return None
    with postgres() as url:
        transactions = _pgbench(url)
        found = ours(count, companies, url)
    found["pgbench_per_second"] = round(transactions)
    found["ratio_to_pgbench"] = round(found["per_second"] / transactions, 3)
    return found


def _pgbench(url: str, seconds: int = 10) -> float:
    """Transactions a second of `pgbench -N`."""
    from engine.store import private

    folder = private.programs()
    assert folder is not None
    program = shutil.which("pgbench", path=f"{folder}:/usr/bin:/usr/local/bin")
    assert program is not None
    place = url.replace("/flowctl?", "/pgbench?")
    subprocess.run([program, "-i", "-q", "-s", "10", place], check=True, capture_output=True)
    command = [program, "-N", "-c", "16", "-j", "2", "-T", str(seconds), place]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    match = re.search(r"tps = ([0-9.]+)", said)
    assert match is not None, said
    return float(match[1])
