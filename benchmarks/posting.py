"""Posts whole HTTP requests over kept connections and takes the time of each: as fast as it goes, or at a rate."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

# As many as wait for an answer at once, when each sends its next call with the answer to the one before; and as many as may,
# when calls come at a rate, whatever the answers take.
CONNECTIONS, MOST = 32, 128


@dataclass
class Line(asyncio.Protocol):
    """One kept connection with at most one call under way."""

    work: Work
    answer: bytes = b""
    since: float = 0.0
    transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = transport

    def next(self) -> None:
        """Send the next call: now, or when its time has come; its latency counts from then on, sent or not."""
        call = next(self.work.calls, None)
        if call is None:
            return
        loop, due = asyncio.get_running_loop(), 0.0
        if self.work.rate:
            due = self.work.began + self.work.sent / self.work.rate
        self.work.sent += 1
        if due > loop.time():
            loop.call_at(due, self._send, call, due)
        else:
            self._send(call, due or loop.time())

    def _send(self, call: bytes, since: float) -> None:
        self.since = since
        self.transport.write(call)

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self.answer += data
        head, ended, body = self.answer.partition(b"\r\n\r\n")
        if not ended or not _is_whole(head, body):
            return
        if not self.answer.startswith(b"HTTP/1.1 200 "):
            self.work.done.set_exception(ConnectionError(self.answer[:200].decode("latin-1")))
            return
        if self.work.wanted not in body:
            self.work.done.set_exception(ConnectionError(f"another answer than {self.work.wanted!r}: {body[-200:]!r}"))
            return
        self.answer = b""
        self.work.latencies.append(asyncio.get_running_loop().time() - self.since)
        self.work.left -= 1
        if not self.work.left:
            self.work.done.set_result(None)
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self.work.left and not self.work.done.done():
            self.work.done.set_exception(ConnectionError(f"the server hung up: {exc}"))


def _is_whole(head: bytes, body: bytes) -> bool:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)


@dataclass
class Work:
    """The calls that are left, and what came of the others."""

    calls: Iterator[bytes]
    left: int
    rate: int
    done: asyncio.Future[None]
    wanted: bytes
    began: float = 0.0
    sent: int = 0
    latencies: list[float] = field(default_factory=list)


def post(port: int, calls: Sequence[bytes], rate: int = 0, *, wanted: bytes = b"", connections: int = 0) -> Work:
    """Send them over kept connections: one after the other on each, or `rate` a second in all; `wanted` is in each answer.

    What is measured is how long the server takes, and not the pauses of who asks: meanwhile nobody looks for garbage here.
    """
    import uvloop

    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_post(port, calls, rate, wanted, connections or (MOST if rate else CONNECTIONS)))
    finally:
        gc.enable()


async def _post(port: int, calls: Sequence[bytes], rate: int, wanted: bytes, connections: int) -> Work:
    loop = asyncio.get_running_loop()
    work = Work(iter(calls), len(calls), rate, loop.create_future(), wanted)
    lines = []
    for _ in range(min(connections, len(calls))):
        _, line = await loop.create_connection(lambda: Line(work), "127.0.0.1", port)
        lines.append(line)
    work.began = loop.time()
    for line in lines:
        line.next()
    await work.done
    for line in lines:
        line.transport.close()
    return work
