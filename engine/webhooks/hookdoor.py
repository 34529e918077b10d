"""The door of webhooks: caps before anything is read, and one thread that takes all that wait at once.

It stands before the router, which takes longer to find the route than all of this takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import field
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.contract import HttpReply
from engine.dataclass import dataclass
from engine.log import described, logger
from engine.store.hooks import Endpoint
from engine.telemetry import meter, meters
from engine.webhooks.hookintake import NOT_SET_UP, RETRY_AFTER_S, UNAVAILABLE, Call, Intake, reply

PREFIX = "/webhooks/"
BODY_LIMIT = 1024 * 1024
BODY_DEADLINE_S = 10.0
# Vendors give up after ten seconds (Ramp and BILL say so); whoever is answered before that knows to send again.
ANSWER_S = 8.0
# More than this does not wait in memory.
MOST_BYTES = 64 * 1024 * 1024
MOST_AT_ONCE = 256
# While many come, the next commit waits so long for more of them: what one costs is shared by all.
GATHER_S = 0.003
_COUNTS_S = 5.0
_LOOK_S = 1.0

NOT_SO = reply(405, {"error": "webhooks are posted"}, allow="POST", connection="close")
TOO_LARGE = reply(413, {"error": f"the body is larger than {BODY_LIMIT} bytes"}, connection="close")
# A slow line may be anybody's fault: what got a 4xx would not be sent again.
TOO_SLOW = reply(503, {"error": "the body did not arrive in time"}, retry_after=str(RETRY_AFTER_S), connection="close")
PACKED = reply(415, {"error": "the body must not be compressed"}, connection="close")


# What an answer says in a word.
_OUTCOMES = {200: "taken", 400: "not_an_event", 401: "forged", 405: "not_an_event", 413: "too_large", 415: "too_large"}
_T = TypeVar("_T")


class _Gone(Exception):
    """The sender hung up."""


@dataclass(slots=True)
class _Waiting:
    call: Call
    answer: asyncio.Future[HttpReply]
    since: float


@dataclass(slots=True)
class Door:
    """Middleware: takes what is posted below `/webhooks/`, and hands everything else on."""

    app: ASGIApp
    intake: Intake
    _queue: list[_Waiting] = field(default_factory=list)
    _under_way: list[_Waiting] = field(default_factory=list)
    _bytes: int = 0
    _draining: asyncio.Task[None] | None = None
    _flushing: asyncio.TimerHandle | None = None
    _late: asyncio.TimerHandle | None = None
    _own: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        company, _, connection = scope["path"][len(PREFIX) :].partition("/")
        if not company or not connection or "/" in connection:
            await self.app(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive, Endpoint(company, connection))
        except _Gone:
            return
        # What a stranger wrote into the address is no label.
        known = connection if self.intake.knows(Endpoint(company, connection)) else ""
        meter.add(meters.WEBHOOKS, known, _outcome(answer))
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive, endpoint: Endpoint) -> HttpReply:
        if scope["method"] != "POST":
            return NOT_SO
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            self.intake.count(endpoint, "compressed")
            return PACKED
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > BODY_LIMIT:
            self.intake.count(endpoint, "too large")
            return TOO_LARGE
        if self._bytes > MOST_BYTES:
            return UNAVAILABLE
        chunks: list[bytes] = []
        try:
            body = await self._body(receive, chunks)
            if isinstance(body, HttpReply):
                if body is not UNAVAILABLE:
                    self.intake.count(endpoint, "too large" if body is TOO_LARGE else "too slow")
                return body
            return await self._taken(Call(endpoint, headers, body))
        finally:
            self._bytes -= sum(map(len, chunks))

    async def _body(self, receive: Receive, chunks: list[bytes]) -> bytes | HttpReply:
        """The whole body, or the answer when it is too large or takes too long; what came is in `chunks`."""
        size = 0
        try:
            async with asyncio.timeout(BODY_DEADLINE_S):
                while True:
                    message: MutableMapping[str, Any] = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    chunks.append(chunk)
                    self._bytes += len(chunk)
                    if size > BODY_LIMIT:
                        return TOO_LARGE
                    if self._bytes > MOST_BYTES:  # nobody knows yet who sends it
                        return UNAVAILABLE
                    if not message.get("more_body", False):
                        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        except TimeoutError:
            return TOO_SLOW

    async def _taken(self, call: Call) -> HttpReply:
        loop = asyncio.get_running_loop()
        one = _Waiting(call, loop.create_future(), loop.time())
        self._queue.append(one)
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return await one.answer

    async def _drain(self, *, counts: bool = False) -> None:
        """Take what waits, all that came during a commit with the next one, until nothing does; `counts` are written first."""
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(_LOOK_S, self._give_up, loop)
        try:
            if counts:
                await self._flushed()
            taken = 1
            while self._queue:
                # Alone, a call does not wait for others.
                await asyncio.sleep(GATHER_S if taken > 1 else 0)
                self._under_way = self._queue[:MOST_AT_ONCE]
                del self._queue[:MOST_AT_ONCE]
                taken = len(self._under_way)
                await self._round()
        finally:
            self._late.cancel()
            for one in (*self._under_way, *self._queue):
                _tell(one, UNAVAILABLE)
            self._under_way, self._queue = [], []
        if self.intake.has_counts and self._flushing is None:
            self._flushing = loop.call_later(_COUNTS_S, self._flush, loop)

    async def _round(self) -> None:
        calls = [one.call for one in self._under_way]
        try:
            answers = await self._aside(partial(self.intake.take, calls))
        except Exception as error:  # noqa: BLE001 - nobody is left without an answer
            logger().error("internal error", path=PREFIX, error=described(error))
            answers = [UNAVAILABLE] * len(calls)
        for one, answer in zip(self._under_way, answers, strict=True):
            _tell(one, answer)
        self._under_way = []

    async def _aside(self, work: Callable[[], _T]) -> _T:
        """Run in a thread; the threads of other answers may all be busy, and webhooks do not wait for them."""
        if self._own is None:
            self._own = CapacityLimiter(1)
        return await to_thread.run_sync(work, limiter=self._own)

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those that have waited for so long that their vendor would give up; they are taken all the same."""
        self._late = loop.call_later(_LOOK_S, self._give_up, loop)
        for one in (*self._under_way, *self._queue):
            if loop.time() - one.since > ANSWER_S:
                _tell(one, UNAVAILABLE)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flushing = None
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain(counts=True))

    async def _flushed(self) -> None:
        try:
            await self._aside(self.intake.flush)
        except Exception as error:  # noqa: BLE001 - whoever has come meanwhile is still to be answered
            logger().error("internal error", path=PREFIX, error=described(error))


def _outcome(answer: HttpReply) -> str:
    """What an answer says in a word; of the 503s only one is our fault."""
    if answer is TOO_SLOW:
        return "too_slow"
    return "not_set_up" if answer is NOT_SET_UP else _OUTCOMES.get(answer.status, "not_kept")


def _tell(one: _Waiting, answer: HttpReply) -> None:
    if not one.answer.done():
        one.answer.set_result(answer)
