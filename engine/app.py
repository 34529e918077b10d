"""The whole application: server, outbox and worker put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from engine.alerting.watchman import Watchman
from engine.audit.notary import Notary
from engine.desk import StoreOutbox
from engine.program import FlowProgram
from engine.reconcile.keeper import Keeper
from engine.server import Server
from engine.service import Service
from engine.telemetry.vitals import Worker
from engine.world import World


def build(
    world: World,
    programs: Mapping[str, FlowProgram],
    *,
    schedule: bool = True,
    notary: Notary | None = None,
    alerts: Watchman | None = None,
    pages: Callable[[Callable[[], None]], Sequence[BaseRoute]] = lambda _poke: (),
) -> Starlette:
    """The application with its worker: started and stopped with the server, as are its `alerts`.

    `pages` makes routes of a layer above, such as the panel's, that wake the worker when they have given it something to do.
    """
    service = Service(world, programs, notary)
    reports = Keeper(world, programs)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if schedule:
            service.start()
            reports.start()
            if alerts is not None:
                alerts.start()
        yield
        if alerts is not None:
            alerts.stop()
        reports.stop()
        service.stop()

    outbox = StoreOutbox(world, programs, service.poke, logs=True)
    above = pages(service.poke)
    worker = Worker(lambda: service.is_started, lambda: service.alive, lambda: service.silent_s)
    return Server(world, programs, outbox, service.poke, lifespan, worker, above).app()
