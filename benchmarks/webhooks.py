"""Webhooks of Ramp, signed and durable before they are answered, beside an echo by the same server.

The server runs in a process of its own, on one core; what posts to it runs here, on the other. Each event is new, so each of
them is verified, kept with its sealed body, and brings the streams forward that wait for it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.posting import post
from connectors.ramp.webhooks import sign

_SECRET = "ramp_sec_benchmark"
_PATH = "/webhooks/bench/ramp"
# What the issue asks for, and what the paced measurement sends.
GOAL = 4000
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """One run: calls answered, seconds it took, CPU seconds of the server, and the latency of each call in seconds."""

    count: int
    wall_s: float
    cpu_s: float
    latencies: Sequence[float] = field(repr=False)

    @property
    def per_core(self) -> float:
        """Calls a CPU second of the server."""
        return self.count / self.cpu_s

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the calls was answered."""
        return 1000 * sorted(self.latencies)[min(self.count - 1, int(share * self.count))]


def requests(count: int, start: int = 0) -> list[bytes]:
    """Calls as Ramp makes them, each with an event of its own."""
    found = []
    for number in range(start, start + count):
        # Ids of events are random: so is their place in an index.
        event, thing = UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128), UUID(int=number)
        body = json.dumps(
            {
                "id": str(event),
                "type": "transactions.cleared",
                "created_at": "2026-03-02T14:00:00.000000+00:00",
                "business_id": "11111111-2222-4333-8444-555555555555",
                "object": {"id": str(thing), "state": "CLEARED", "amount": {"amount": 12345, "currency_code": "USD"}},
            }
        ).encode()
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: sync.acme.example\r\nUser-Agent: Ramp-Webhooks\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nX-Ramp-Webhook-ID: {event}\r\n"
            f"X-Ramp-Signature: {sign(_SECRET, body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def measure(count: int, *, echo: bool = False, rate: int = 0) -> Measured:
    """Post so many calls over keep-alive connections: one after the other on each, or `rate` a second in all."""
    with _server(echo=echo) as (port, pid):
        warm, calls = requests(1000), requests(count, 1000)
        post(port, warm)
        before, began = _cpu_s(pid), time.perf_counter()
        latencies = post(port, calls, rate).latencies
        return Measured(count, time.perf_counter() - began, _cpu_s(pid) - before, latencies)


@contextmanager
def _server(*, echo: bool) -> Iterator[tuple[int, int]]:
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
        child = context.Process(target=_serve, args=(theirs, folder, cores[0], echo))
        child.start()
        try:
            os.sched_setaffinity(0, {cores[-1]})
            yield ours.recv(), child.pid or 0
        finally:
            os.sched_setaffinity(0, set(cores))
            child.terminate()
            child.join()


def _serve(pipe: Connection, folder: str, core: int, echo: bool) -> None:
    import uvicorn

    from engine.serving import bind, config, looks_for_garbage_seldom

    os.sched_setaffinity(0, {core})
    listener = bind("127.0.0.1", 0)
    made = config(_echo if echo else _app(Path(folder)))
    # As `flowctl serve` does before it answers.
    looks_for_garbage_seldom()
    pipe.send(listener.getsockname()[1])
    uvicorn.Server(made).run(sockets=[listener])


def _app(folder: Path) -> Any:
    from engine.app import Duty, build
    from engine.cli.common import programs
    from engine.connections.connecting import connect
    from engine.store import companies
    from engine.store.sqlite import SqliteStore
    from engine.vault import Vault
    from engine.world import World

    world = World(SqliteStore(folder / "bench.db"), Vault(b"0" * 32))
    secrets = {"client_secret": "bench", "webhook_secret": _SECRET}
    connect(world, "bench", "ramp", "ramp", {"client_id": "bench", "environment": "sandbox"}, secrets)
    with world.store.write("bench") as tx:  # what a company cannot run is brought forward by nothing
        companies.put_connection(tx, "bench", "books", "qbwc", {}, world.at())
    return build(world, programs(("ramp_to_quickbooks",)), duty=Duty(works=False))


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """The least that an application of this server does: read a body, and answer."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
