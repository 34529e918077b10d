"""The HTTP server: mounts served connectors, webhook endpoints and health; caps and deadlines before anything is read."""

from __future__ import annotations

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
from engine.bodies import BodyRefused, read_body
from engine.clock import SystemIds
from engine.contract import Handler, HttpCall, HttpReply, Outbox, Served
from engine.dataclass import dataclass
from engine.log import described, logger
from engine.polldoor import BODY_LIMIT as POLLED_BODY_LIMIT
from engine.polldoor import PollDoor
from engine.program import FlowProgram
from engine.store.hooks import Endpoint
from engine.telemetry import vitals
from engine.telemetry.correlation import correlated
from engine.telemetry.vitals import Vitals, Worker
from engine.webhooks.hookdoor import Door
from engine.webhooks.hookintake import Call, Intake
from engine.world import World

_JSON = {"content-type": "application/json"}
_IDS = SystemIds()


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

    def app(self, *, answers: bool = True) -> Starlette:
        """The ASGI application; one that does not answer vendors and agents has none of their routes."""
        routes: list[BaseRoute] = [
            *self.pages,
            Route("/healthz", self._health, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
        ]
        if not answers:
            return Starlette(routes=routes, lifespan=self.lifespan or _no_lifespan)
        handlers: dict[str, Handler] = {}
        for name in registry.names():
            connector: object = registry.find(name)
            if isinstance(connector, Served):
                handlers[name] = connector.handler(self.outbox, self.world.clock, self.world.ids)
                endpoint = mounted(handlers[name], limit=POLLED_BODY_LIMIT)
                routes.append(Route(f"/{name}", endpoint, methods=["GET", "POST"]))
                routes.append(Route(f"/{name}/{{rest:path}}", endpoint, methods=["GET", "POST"]))
        intake = self._intake()
        return Starlette(
            routes=routes,
            middleware=[
                Middleware(Door, intake=intake),
                Middleware(PollDoor, store=self.world.store, handlers=handlers, ids=_IDS),
            ],
            lifespan=lambda app: self._life(app, intake),
        )

    async def _health(self, request: Request) -> Response:
        body, kind = vitals.alive(request.headers.get("accept", ""))
        return Response(body, 200, {"content-type": kind})

    async def _ready(self, request: Request) -> Response:
        status, body, kind = vitals.answer(await self._vitals.look(), request.headers.get("accept", ""))
        return Response(body, status, {"content-type": kind, "cache-control": "no-store"})

    def take_event(self, company: str, connection: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        """Take one webhook as it came, and answer it once it is durable; see `engine.webhooks.hookintake`."""
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


@asynccontextmanager
async def _no_lifespan(_app: Starlette) -> AsyncIterator[None]:
    yield
