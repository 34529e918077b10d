"""Two ways to reach the simulator: an httpx transport inside one process, and an ASGI app for real loopback HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.faults import ConnectionReset
from connectors.ramp.simulator.records import Delivery
from engine.contract import HttpCall

if TYPE_CHECKING:  # both are slow to import; see `engine.contract`
    import httpx
    from starlette.applications import Starlette

WEBHOOK_TIMEOUT_S = 10.0
PUMP_INTERVAL_S = 0.5


def transport(simulator: RampSimulator, client: str = "127.0.0.1") -> httpx.MockTransport:
    """A transport for `httpx.Client`: no socket is opened; a reset shows as `httpx.ReadError`."""
    import httpx

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("x-forwarded-proto", request.url.scheme)
        query = request.url.query.decode("ascii")
        call = HttpCall(request.method, request.url.path, query, headers, request.read(), client)
        try:
            reply = simulator.handle(call)
        except ConnectionReset as error:
            raise httpx.ReadError(str(error), request=request) from error
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body, request=request)

    return httpx.MockTransport(answer)


def http_sender(delivery: Delivery) -> int:
    """Send a webhook over HTTP; redirects are not followed, and 10 seconds without an answer count as unreachable."""
    import httpx

    try:
        answer = httpx.post(
            delivery.url, content=delivery.body, headers=dict(delivery.headers), timeout=WEBHOOK_TIMEOUT_S
        )
    except httpx.TransportError as error:
        raise OSError(f"webhook endpoint unreachable: {type(error).__name__}") from error
    return answer.status_code


def app(simulator: RampSimulator, *, deliver_webhooks: bool = False) -> Starlette:
    """An ASGI app of the whole API. With `deliver_webhooks`, a task of the app sends due webhooks twice a second."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    async def endpoint(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("x-forwarded-proto", request.url.scheme)
        client = request.client.host if request.client else ""
        call = HttpCall(request.method, request.url.path, request.url.query, headers, await request.body(), client)
        try:
            reply = await run_in_threadpool(simulator.handle, call)
        except ConnectionReset:
            # Fewer bytes than announced: the server closes the connection and the client sees a broken answer.
            return StreamingResponse(iter(()), headers={"content-length": "1", "content-type": "application/json"})
        return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))

    async def pump() -> None:
        while True:
            await run_in_threadpool(simulator.deliver, http_sender)
            await asyncio.sleep(PUMP_INTERVAL_S)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(pump()) if deliver_webhooks else None
        yield
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)], lifespan=lifespan)
