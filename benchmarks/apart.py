"""A simulated vendor in a process of its own, so that seconds and memory that are measured here are the engine's alone."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from connectors.qbwc.simulator.model import VirtualClock
from engine.clock import Clock
from engine.program import FlowProgram
from engine.runner import Runner

# How long a call takes.
LATENCY_S = 0.3
_PROC = Path("/proc/self")

# Answers a question by its name: what an `Apart` is asked for beside calls.
Asked = Callable[[str], Any]
# Makes the vendor by the child's clock: its transport, and whatever answers questions.
Make = Callable[[VirtualClock, Mapping[str, Any]], tuple[httpx.BaseTransport, Asked]]


@dataclass(slots=True)
class Apart(httpx.BaseTransport):
    """The way to a vendor in another process. Counts calls by method and path, sign-ins left out; each takes its time."""

    pipe: Connection
    clock: Clock
    calls: Counter[str] = field(default_factory=Counter)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call."""
        if not request.url.path.endswith("/token"):
            self.calls[f"{request.method} {_place(request.url.path)}"] += 1
            self.clock.sleep(LATENCY_S)
        sent = (request.method, str(request.url), request.headers.multi_items(), request.read())
        self.pipe.send((self.clock.monotonic(), sent))
        status, headers, content = self.pipe.recv()
        return httpx.Response(status, headers=headers, content=content)

    def ask(self, name: str) -> Any:
        """What the vendor's side answers to a question."""
        self.pipe.send((self.clock.monotonic(), name))
        return self.pipe.recv()


@contextmanager
def apart(make: Make, clock: Clock, options: Mapping[str, Any]) -> Iterator[Apart]:
    """A vendor that lives as long as the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make, options), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Apart(ours, clock)
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection, make: Make, options: Mapping[str, Any]) -> None:
    clock = VirtualClock()
    transport, asked = make(clock, options)
    while True:
        try:
            now, sent = pipe.recv()
        except EOFError:
            return
        clock.sleep(max(0.0, now - clock.monotonic()))
        if isinstance(sent, str):
            pipe.send(asked(sent))
            continue
        method, url, headers, content = sent
        answer = transport.handle_request(httpx.Request(method, url, headers=headers, content=content))
        pipe.send((answer.status_code, answer.headers.multi_items(), answer.read()))


def _place(path: str) -> str:
    """A path without the ids in it, so that calls of one kind are counted together."""
    parts = path.removeprefix("/developer/v1").split("/")
    return "/".join("*" if any(character.isdigit() for character in part) else part for part in parts)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took: calls by method and path, virtual and CPU seconds, and the most memory there was, in MB.

    `written` is how many records reached the target.
    """

    name: str
    written: int
    calls: Mapping[str, int]
    virtual_s: float
    cpu_s: float
    peak_mb: float

    @property
    def all_calls(self) -> int:
        """Of every kind."""
        return sum(self.calls.values())

    @property
    def writes(self) -> int:
        """Calls that write."""
        return sum(count for call, count in self.calls.items() if not call.startswith("GET "))

    def lines(self) -> Iterator[str]:
        """For people."""
        yield (
            f"{self.name}: {self.written:,} written, {self.all_calls:,} calls ({self.writes:,} write), "
            f"{self.virtual_s:,.0f} virtual s, {self.cpu_s:.1f} CPU-s, {self.peak_mb:.0f} MB at most"
        )
        for call, count in sorted(self.calls.items()):
            yield f"  {count:>7,}  {call}"


def taken(name: str, run: Callable[[], int], clock: Clock, vendors: list[Apart]) -> Taken:
    """Run something that returns how much was written, and measure it."""
    for vendor in vendors:
        vendor.calls.clear()
    _forget_peak()
    virtual, cpu = clock.monotonic(), time.process_time()
    written = run()
    cpu_s, virtual_s = time.process_time() - cpu, clock.monotonic() - virtual
    calls = sum((vendor.calls for vendor in vendors), Counter[str]())
    return Taken(name, written, dict(calls), virtual_s, cpu_s, _peak_mb())


def pushed(runner: Runner, flow: FlowProgram, company: str) -> int:
    """Run a flow once; how many records reached called targets. Nothing may go wrong."""
    report = runner.run(flow, company)
    assert report.errors == (), report.errors
    return report.pushed


def _forget_peak() -> None:
    """Where the system can, the peak begins anew; else it stays that of the whole process."""
    reset = _PROC / "clear_refs"
    if reset.exists():
        reset.write_text("5")


def _peak_mb() -> float:
    status = _PROC / "status"
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
