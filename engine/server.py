"""The HTTP server: mounts served connectors, webhook endpoints and health; caps and deadlines before anything is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import field

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine import registry
from engine.contract import Handler, HttpCall, HttpReply, Outbox, Served
from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreError
from engine.hookdoor import Door
from engine.hookintake import Call, Intake
from engine.log import described, logger
from engine.program import FlowProgram
from engine.store.hooks import Endpoint
from engine.world import World

POLLED_BODY_LIMIT = 8 * 1024 * 1024
BODY_DEADLINE_S = 10.0
_JSON = {"content-type": "application/json"}


class BodyRefused(FlowctlError):
    """The request's body is too large or came too slowly."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Server:
    """What the routes need."""

    world: World
    programs: Mapping[str, FlowProgram]
    outbox: Outbox
    poke: Callable[[], None] = lambda: None
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = field(default=None)
    working: Callable[[], bool] = lambda: True
    # Routes that stand above this layer, such as the panel's.
    pages: Sequence[BaseRoute] = ()

    def app(self) -> Starlette:
        """The ASGI application."""
        routes: list[BaseRoute] = [
            *self.pages,
            Route("/healthz", self._health, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
        ]
        for name in registry.names():
            connector: object = registry.find(name)
            if isinstance(connector, Served):
                handler = connector.handler(self.outbox, self.world.clock, self.world.ids)
                endpoint = mounted(handler, limit=POLLED_BODY_LIMIT)
                routes.append(Route(f"/{name}", endpoint, methods=["GET", "POST"]))
                routes.append(Route(f"/{name}/{{rest:path}}", endpoint, methods=["GET", "POST"]))
        intake = self._intake()
        return Starlette(
            routes=routes,
            middleware=[Middleware(Door, intake=intake)],
            lifespan=lambda app: self._life(app, intake),
        )

    async def _health(self, _request: Request) -> Response:
        return Response('{"status": "up"}', media_type="application/json")

    async def _ready(self, _request: Request) -> Response:
        try:
            await to_thread.run_sync(self._touch_store)
        except StoreError as error:
            return Response(json.dumps({"status": "not ready", "reason": str(error)}), 503, _JSON)
        if not self.working():
            return Response(json.dumps({"status": "not ready", "reason": "the worker has ended"}), 503, _JSON)
        return Response('{"status": "ready"}', media_type="application/json")

    def _touch_store(self) -> None:
        with self.world.store.read() as tx:
            tx.rows("companies_all", {})

    def take_event(self, company: str, connection: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Take one webhook as it came, and answer it once it is durable; see `engine.hookintake`."""
        call = Call(Endpoint(company, connection), headers, body)
        return self._intake().take([call])[0]

    def _intake(self) -> Intake:
        return Intake(self.world, self.programs, self.poke)

    @asynccontextmanager
    async def _life(self, app: Starlette, intake: Intake) -> AsyncIterator[None]:
        async with (self.lifespan or _no_lifespan)(app):
            yield
        await to_thread.run_sync(intake.flush)


def mounted(handler: Handler, *, limit: int) -> Callable[[Request], object]:
    """A synchronous handler as an endpoint: the body is read under caps, the handler runs in a thread."""

    async def endpoint(request: Request) -> Response:
        try:
            body = await read_body(request, limit)
        except BodyRefused as error:
            return Response(str(error), error.status, media_type="text/plain")
        except ClientDisconnect:
            return Response(status_code=400)
        client = request.client.host if request.client else ""
        headers = {k.lower(): v for k, v in request.headers.items()}
        query = request.url.query
        call = HttpCall(request.method, request.url.path, query, headers, body, client)
        reply = await to_thread.run_sync(handler, call)
        if reply.error is not None:
            logger().error("internal error", path=call.path, error=described(reply.error))
        return Response(reply.body, reply.status, dict(reply.headers))

    return endpoint


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        BodyRefused: above `limit` bytes, by declared length or by what really comes, or after ten seconds.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyRefused(413, f"the body is larger than {limit} bytes")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise BodyRefused(413, f"the body is larger than {limit} bytes")
                chunks.append(chunk)
    except TimeoutError as error:
        raise BodyRefused(408, f"the body did not arrive within {BODY_DEADLINE_S:.0f} s") from error
    return b"".join(chunks)


@asynccontextmanager
async def _no_lifespan(_app: Starlette) -> AsyncIterator[None]:
    yield
