"""The HTTP server: mounts served connectors, webhook endpoints and health; caps and deadlines before anything is read."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import field
from pathlib import Path

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine import asked, confirming, meter, meters, registry, vitals
from engine.clock import SystemIds
from engine.contract import Event, Handler, Handshake, HttpCall, HttpReply, Outbox, Served, Webhooks
from engine.correlation import correlated
from engine.dataclass import dataclass
from engine.errors import FlowctlError, ForgedWebhook, NotConnected, SettingMissing, StoreError, UnknownName
from engine.log import logger
from engine.program import FlowProgram
from engine.store import work
from engine.vault import KeyWrong, SealBroken
from engine.vitals import Vitals, Worker
from engine.world import World

POLLED_BODY_LIMIT = 8 * 1024 * 1024
WEBHOOK_BODY_LIMIT = 1024 * 1024
BODY_DEADLINE_S = 10.0
_JSON = {"content-type": "application/json"}
_IDS = SystemIds()
# What an answer to a webhook says in a word.
_OUTCOMES = {200: "taken", 400: "not_an_event", 401: "forged", 404: "not_set_up", 408: "too_slow", 413: "too_large"}


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
    worker: Worker = field(default_factory=Worker)
    # Routes that stand above this layer, such as the panel's.
    pages: Sequence[BaseRoute] = ()
    _vitals: Vitals = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_vitals", Vitals(self.world, self.worker))

    def app(self) -> Starlette:
        """The ASGI application."""
        routes: list[BaseRoute] = [
            *self.pages,
            Route("/healthz", self._health, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/webhooks/{company}/{connection}", self._heard, methods=["POST"]),
        ]
        for name in registry.names():
            connector: object = registry.find(name)
            if isinstance(connector, Served):
                handler = connector.handler(self.outbox, self.world.clock, self.world.ids)
                endpoint = mounted(handler, limit=POLLED_BODY_LIMIT)
                routes.append(Route(f"/{name}", endpoint, methods=["GET", "POST"]))
                routes.append(Route(f"/{name}/{{rest:path}}", endpoint, methods=["GET", "POST"]))
        return Starlette(routes=routes, lifespan=self.lifespan or _no_lifespan)

    async def _health(self, request: Request) -> Response:
        body, kind = vitals.alive(request.headers.get("accept", ""))
        return Response(body, 200, {"content-type": kind})

    async def _ready(self, request: Request) -> Response:
        status, body, kind = vitals.answer(await self._vitals.look(), request.headers.get("accept", ""))
        return Response(body, status, {"content-type": kind, "cache-control": "no-store"})

    async def _heard(self, request: Request) -> Response:
        """A webhook, counted; every line that is logged over it has one id."""
        with correlated(f"webhook-{self.world.ids.base62(12)}"):
            response = await self._webhook(request)
        # What a stranger wrote into the address is no label.
        known = "" if response.status_code in (404, 408, 413) else str(request.path_params["connection"])
        meter.add(meters.WEBHOOKS, known, _OUTCOMES.get(response.status_code, "not_kept"))
        return response

    async def _webhook(self, request: Request) -> Response:
        try:
            body = await read_body(request, WEBHOOK_BODY_LIMIT)
        except BodyRefused as error:
            return Response(json.dumps({"error": str(error)}), error.status, _JSON)
        except ClientDisconnect:
            return Response(status_code=400)
        company, connection = request.path_params["company"], request.path_params["connection"]
        headers = {k.lower(): v for k, v in request.headers.items()}
        reply = await to_thread.run_sync(self.take_event, company, connection, headers, body)
        return Response(reply.body, reply.status, dict(reply.headers))

    def take_event(self, company: str, connection: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Verify a webhook and make its event durable before it is acknowledged.

        4xx is for what the sender did wrong and must not repeat; 503 is for our own troubles, so that it is sent again.
        """
        try:
            connector, binding = self.world.bound(company, connection)
            if not isinstance(connector, Webhooks):
                return _reply(404, {"error": "this connection takes no webhooks"})
            event = connector.verify(binding, headers, body)
            if isinstance(event, Handshake):
                if event.confirm and confirming.keep(self.world, company, connection, event):
                    self.poke()
                return _reply(200, event.reply)
            fresh = self._keep(company, connection, event)
        except ForgedWebhook as error:
            logger().warning("webhook refused", company=company, connection=connection, error=str(error))
            return _reply(401, {"error": "the signature does not match"})
        except (UnknownName, NotConnected):
            return _reply(404, {"error": "this endpoint is not set up"})
        except SettingMissing:
            return _reply(503, {"error": "this endpoint is not set up"})
        except (StoreError, SealBroken, KeyWrong) as error:
            logger().error("webhook not kept", company=company, connection=connection, error=str(error))
            return _reply(503, {"error": "not available, send it again"})
        except FlowctlError as error:
            logger().warning("webhook refused", company=company, connection=connection, error=str(error))
            return _reply(400, {"error": "this is not an event"})
        if fresh:
            self.poke()
        return _reply(200, {"status": "accepted"})

    def _keep(self, company: str, connection: str, event: Event) -> bool:
        at = self.world.at()
        with self.world.store.write() as tx:
            fresh = work.accept_event(tx, company, connection, event, at)
            if fresh:
                for program in self.programs.values():
                    asked.hear(tx, company, program, connection, event, at)
                    for stream in program.flow.streams:
                        if event.type in stream.trigger.webhooks and stream.fetch.connection == connection:
                            work.sooner(tx, company, program.flow.name, stream.name, at)
        return fresh


def mounted(handler: Handler, *, limit: int) -> Callable[[Request], object]:
    """A synchronous handler as an endpoint: the body is read under caps, the handler runs in a thread."""

    async def endpoint(request: Request) -> Response:
        with correlated(f"request-{_IDS.base62(12)}"):
            return await answered(request)

    async def answered(request: Request) -> Response:
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


def described(error: BaseException) -> str:
    """An unexpected error in one line: what, and the innermost place in our code; the log redacts it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "engine" in f.filename or "connectors" in f.filename]
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}: {error}{where}"


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


def _reply(status: int, body: Mapping[str, object]) -> HttpReply:
    return HttpReply(status, _JSON, json.dumps(dict(body)).encode())
