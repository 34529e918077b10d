"""The door of agents that poll us: calls that wait at once share one commit, and what takes long stands aside for them.

It stands before the router, which takes longer to find the route than reading a call takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Protocol, runtime_checkable

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.bodies import BodyRefused, read_body
from engine.clock import Ids
from engine.contract import Handler, HttpCall, HttpReply
from engine.dataclass import dataclass
from engine.errors import FlowctlError, NotAtOnce
from engine.log import described, logger
from engine.store.base import Groups, Store
from engine.telemetry.correlation import correlated

BODY_LIMIT = 8 * 1024 * 1024
# What takes longer to read than a commit takes has a transaction of its own.
SHORT = 64 * 1024
MOST_AT_ONCE = 128
# While many come, the next commit waits so long for more of them: what one costs is shared by all.
GATHER_S = 0.002
# Threads for what cannot be answered at once, such as a password that must be hashed: more than may wait for that, so that
# whoever is too many is told so.
ASIDE = 96
UNAVAILABLE = HttpReply(
    503,
    {"content-type": "text/plain; charset=utf-8", "retry-after": "10"},
    b"The service is busy or being moved. Nothing was lost; come again later.\n",
)


@runtime_checkable
class Greets(Protocol):
    """A handler some of whose calls need no store: what they are answered is always the same."""

    def __call__(self, call: HttpCall, /) -> HttpReply:
        """Answer one request, as every handler does."""
        ...

    def greeting(self, call: HttpCall) -> HttpReply | None:
        """The answer to such a call; None, soon, for any other. It waits for nothing."""
        ...


class _Undone(Exception):
    """An answer that says that nothing was done; then nothing of it is kept."""


@dataclass(slots=True)
class _Waiting:
    handler: Handler
    call: HttpCall
    answer: asyncio.Future[HttpReply | None]


@dataclass(slots=True)
class PollDoor:
    """Middleware: takes what is posted below the `handlers`' names, and hands everything else on.

    On a store in which one commit may stand for several calls, all that wait are answered by one thread in one transaction.
    """

    app: ASGIApp
    store: Store
    handlers: Mapping[str, Handler]
    ids: Ids
    _queue: list[_Waiting] = field(default_factory=list)
    _draining: asyncio.Task[None] | None = None
    _one: CapacityLimiter | None = None
    _aside: CapacityLimiter | None = None
    # The store, when one commit may stand for several calls; None when each has its own.
    _groups: Groups | None = field(init=False)
    _greeters: Mapping[str, Greets] = field(init=False)

    def __post_init__(self) -> None:
        self._groups = self.store if isinstance(self.store, Groups) else None
        self._greeters = {name: handler for name, handler in self.handlers.items() if isinstance(handler, Greets)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        name = scope["path"][1:].partition("/")[0] if posted else ""
        handler = self.handlers.get(name)
        if handler is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await read_body(request, BODY_LIMIT)
        except BodyRefused as error:
            text = str(error).encode()
            reply = HttpReply(error.status, {"content-type": "text/plain; charset=utf-8"}, text)
        except ClientDisconnect:
            return
        else:
            headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
            query, client = scope["query_string"].decode("latin-1"), scope.get("client")
            caller = client[0] if client else ""
            call = HttpCall("POST", scope["path"], query, headers, body, caller, at_once=True)
            reply = self._greeted(name, call) or await self._answered(handler, call)
        found = [(key.encode(), value.encode()) for key, value in reply.headers.items()]
        found.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": found})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answered(self, handler: Handler, call: HttpCall) -> HttpReply:
        if self._aside is None:
            self._aside = CapacityLimiter(ASIDE)
        reply: HttpReply | None = None
        if self._groups is not None:
            if len(call.body) <= SHORT:
                reply = await self._together(handler, call)
        else:
            reply = await to_thread.run_sync(self._alone, handler, call)
        if reply is None:
            patient = replace(call, at_once=False)
            reply = await to_thread.run_sync(self._alone, handler, patient, limiter=self._aside)
        return reply or UNAVAILABLE

    def _greeted(self, name: str, call: HttpCall) -> HttpReply | None:
        """The answer that needs no store, and so waits for nobody who writes to it; None for any other call."""
        greeter = self._greeters.get(name)
        if greeter is None:
            return None
        with correlated(f"request-{self.ids.base62(12)}"):
            reply = greeter.greeting(call)
            return None if reply is None else _told(reply, call)

    def _alone(self, handler: Handler, call: HttpCall) -> HttpReply | None:
        """Its answer, from transactions of its own; None when it takes long and was to be answered at once."""
        with correlated(f"request-{self.ids.base62(12)}"):
            try:
                return _told(handler(call), call)
            except NotAtOnce:
                return None

    # --- many in one transaction ---

    async def _together(self, handler: Handler, call: HttpCall) -> HttpReply | None:
        loop = asyncio.get_running_loop()
        one = _Waiting(handler, call, loop.create_future())
        self._queue.append(one)
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return await one.answer

    async def _drain(self) -> None:
        """Take what waits, all that came during a commit with the next one, until nothing does."""
        if self._one is None:
            self._one = CapacityLimiter(1)
        taken, under_way = 1, list[_Waiting]()
        try:
            while self._queue:
                # Alone, a call does not wait for others.
                await asyncio.sleep(GATHER_S if taken > 1 else 0)
                under_way, self._queue = self._queue[:MOST_AT_ONCE], self._queue[MOST_AT_ONCE:]
                taken = len(under_way)
                answers = await to_thread.run_sync(self._take, under_way, limiter=self._one)
                for one, answer in zip(under_way, answers, strict=True):
                    _tell(one, answer)
        finally:
            for one in (*under_way, *self._queue):
                _tell(one, UNAVAILABLE)
            self._queue = []

    def _take(self, calls: Sequence[_Waiting]) -> Sequence[HttpReply | None]:
        """The answers, durable; one that says that nothing was done leaves nothing of its call."""
        store = self._groups
        assert store is not None
        try:
            with store.write():
                return [self._part(store, one) for one in calls]
        except FlowctlError as error:
            logger().warning("calls not taken", calls=len(calls), error=str(error), hint=error.hint)
        except Exception as error:  # noqa: BLE001 - nobody is left without an answer
            logger().error("internal error", path="/", error=described(error))
        return [UNAVAILABLE] * len(calls)

    def _part(self, store: Groups, one: _Waiting) -> HttpReply | None:
        reply: HttpReply | None = None
        try:
            with store.part():
                reply = self._alone(one.handler, one.call)
                if reply is not None and reply.status >= 500:
                    raise _Undone  # noqa: TRY301 - the way out of the part, and the answer stays
        except _Undone:
            pass
        return reply


def _told(reply: HttpReply, call: HttpCall) -> HttpReply:
    if reply.error is not None:
        logger().error("internal error", path=call.path, error=described(reply.error))
    return reply


def _tell(one: _Waiting, answer: HttpReply | None) -> None:
    if not one.answer.done():
        one.answer.set_result(answer)
