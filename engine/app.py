"""The whole application: server, outbox and worker put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from engine.alerting.watchman import Watchman
from engine.audit.notary import Notary
from engine.dataclass import dataclass
from engine.desk import StoreOutbox
from engine.durable.inline import Inline
from engine.durable.port import Executor
from engine.program import FlowProgram
from engine.reconcile.keeper import Keeper
from engine.server import Server
from engine.service import Service
from engine.telemetry.vitals import Worker
from engine.world import World


@dataclass(frozen=True, slots=True)
class Duty:
    """What a process does: the work, the answers, or both. The `executor` does the work; without one, the worker itself.

    A process that does not answer shows how it is, and has no door for vendors, agents or people.
    """

    works: bool = True
    answers: bool = True
    executor: Executor | None = None


def build(
    world: World,
    programs: Mapping[str, FlowProgram],
    *,
    duty: Duty = Duty(),  # noqa: B008 - frozen
    notary: Notary | None = None,
    alerts: Watchman | None = None,
    pages: Callable[[Callable[[], None]], Sequence[BaseRoute]] = lambda _poke: (),
) -> Starlette:
    """The application with its worker: started and stopped with the server, as are its `alerts`.

    `pages` makes routes of a layer above, such as the panel's, that wake the worker when they have given it something to do.
    """
    service = Service(world, programs, notary, duty.executor or Inline())
    reports = Keeper(world, programs)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if duty.works:
            service.start()
            reports.start()
            if alerts is not None:
                alerts.start()
        yield
        if alerts is not None:
            alerts.stop()
        reports.stop()
        service.stop()

    def ending() -> None:
        """The process is to end: what is under way has its time from now on, not from when all was answered."""
        service.end()
        reports.end()
        if alerts is not None:
            alerts.end()

    outbox = StoreOutbox(world, programs, service.poke, logs=True)
    above = pages(service.poke)
    worker = Worker(lambda: service.is_started, lambda: service.alive, lambda: service.silent_s)
    app = Server(world, programs, outbox, service.poke, lifespan, worker, above).app(answers=duty.answers)
    app.state.ending = ending
    return app
