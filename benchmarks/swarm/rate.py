"""Durable SOAP answers a second: `authenticate` with nothing to do, beside libraries that keep nothing.

Each server runs in a process of its own, on one core; what posts to it runs here, on the other. The answers of ours are on the
disk before they are given: a session was opened and closed, and what the visit makes due was noted.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.posting import post
from benchmarks.swarm.options import code, user
from benchmarks.webhooks import Measured, _cpu_s

PASSWORD = "password-of-the-swarm"
# What the paced measurement sends.
GOAL = 3000
ROUNDS = 3
_NOTHING = b">none<"


def request(path: str, user: str) -> bytes:
    """A whole HTTP request as the Web Connector makes it."""
    from connectors.qbwc.simulator import dotnet

    body, headers = dotnet.request("authenticate", {"strUserName": user, "strPassword": PASSWORD})
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: keep-alive"]
    given = {**headers, "Content-Length": str(len(body))}
    lines += [
        f"{name}: {value}" for name, value in given.items() if name.lower() not in ("host", "connection", "expect")
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def measured(port: int, pid: int, calls: Sequence[bytes], rate: int = 0) -> Measured:
    """What a server takes for these calls."""
    before, began = _cpu_s(pid), time.perf_counter()
    work = post(port, calls, rate, wanted=_NOTHING)
    return Measured(len(calls), time.perf_counter() - began, _cpu_s(pid) - before, work.latencies)


def ours(count: int, companies: int, url: str = "") -> dict[str, Any]:
    """Our server on a SQLite file, or on the database at `url`."""
    with _server(companies, url) as (port, pid):
        calls = [request("/qbwc", user(number % companies)) for number in range(count)]
        # Every password is hashed once; what is measured is what comes after that.
        post(port, calls[:companies], wanted=_NOTHING, connections=4)
        return shown(port, pid, calls)


def shown(port: int, pid: int, calls: Sequence[bytes]) -> dict[str, Any]:
    """Medians of some rounds: as fast as it goes, and at the rate of the goal."""
    rounds = [(measured(port, pid, calls), measured(port, pid, calls, GOAL)) for _ in range(ROUNDS)]
    free, paced = zip(*rounds, strict=True)
    return {
        "per_core": round(median(one.per_core for one in free)),
        "per_second": round(median(one.count / one.wall_s for one in free)),
        "cpu_ms": round(median(1000 * one.cpu_s / one.count for one in free), 3),
        "p50_ms": round(median(one.percentile(0.5) for one in free), 1),
        "p99_ms": round(median(one.percentile(0.99) for one in free), 1),
        "worst_p99_ms": round(max(one.percentile(0.99) for one in free), 1),
        "paced_per_second": round(median(one.count / one.wall_s for one in paced)),
        "paced_p50_ms": round(median(one.percentile(0.5) for one in paced), 1),
        "paced_p99_ms": round(median(one.percentile(0.99) for one in paced), 1),
    }


@contextmanager
def _server(companies: int, url: str) -> Iterator[tuple[int, int]]:
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
        child = context.Process(target=_serve, args=(theirs, folder, cores[0], companies, url))
        child.start()
        try:
            os.sched_setaffinity(0, {cores[-1]})
            yield ours.recv(), child.pid or 0
        finally:
            os.sched_setaffinity(0, set(cores))
            child.terminate()
            child.join()


def _serve(pipe: Connection, folder: str, core: int, companies: int, url: str) -> None:
    import uvicorn

    from engine.serving import bind, config, looks_for_garbage_seldom

    os.sched_setaffinity(0, {core})
    app = _app(Path(folder), companies, url)
    listener = bind("127.0.0.1", 0)
    pipe.send(listener.getsockname()[1])
    # As `flowctl serve` does it.
    looks_for_garbage_seldom()
    uvicorn.Server(config(app)).run(sockets=[listener])


def _app(folder: Path, companies: int, url: str) -> Any:
    """A server whose companies have a company file that was read, and nothing to do."""
    from engine import log
    from engine.access.passwords import hash_password
    from engine.app import Duty, build
    from engine.cli.common import programs
    from engine.vault import Vault
    from engine.world import World

    # The lines are written as they are in production, and thrown away.
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    log.configure(json=True)
    world = World(_store(folder, url), Vault(b"0" * 32))
    found = programs(("ramp_to_quickbooks",))
    add_idle(world, found["ramp_to_quickbooks"], range(companies), hash_password(PASSWORD))
    return build(world, found, duty=Duty(works=False))


def _store(folder: Path, url: str) -> Any:
    if url:
        from engine.store.postgres import PostgresStore

        return PostgresStore(url)
    from engine.store.sqlite import SqliteStore

    return SqliteStore(folder / "bench.db")


def add_idle(world: Any, program: Any, numbers: Sequence[int], hashed: str) -> None:
    """Companies that are bound to their company file, whose lists are read, and whose streams are read in an hour."""
    for start in range(0, len(numbers), 100):
        part = numbers[start : start + 100]
        with world.store.write(*(code(number) for number in part)) as tx:
            for number in part:
                _add_idle(tx, world, program, number, hashed)


def _add_idle(tx: Any, world: Any, program: Any, number: int, hashed: str) -> None:
    from datetime import timedelta

    from engine.clock import iso
    from engine.contract import Login
    from engine.store import companies, lists, work

    name, at = code(number), world.at()
    companies.add(tx, name, name, at)
    companies.put_connection(tx, name, "ramp", "ramp", {"client_id": "x", "environment": "sandbox"}, at)
    file_id = f"{{90A44FB5-33D9-4815-AC85-BC87A7{number:06X}}}"
    settings = {"user": user(number), "app_url": "http://localhost/qbwc", "file_id": file_id}
    companies.put_connection(tx, name, "books", "qbwc", settings, at)
    companies.put_login(tx, Login(name, user(number), hashed), at)
    companies.bind(tx, name, {"file_id": file_id, "name": name, "path": f"C:\\{name}.qbw"}, at)
    for each in program.lists:
        lists.store_page(tx, name, each, (), first=True)
        lists.finish(tx, name, each, at)
    later = iso(world.clock.now() + timedelta(hours=1))
    streams = tuple(stream.stream.name for stream in program.streams)
    work.due_streams(tx, name, program.flow.name, streams, at, later)
    for stream in streams:
        work.schedule(tx, name, program.flow.name, stream, later)
