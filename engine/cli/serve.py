"""`flowctl serve`: the Web Connector's server, webhooks, health, and the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, observing, office
from engine.store.base import HOUSE

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from engine.alerting.watchman import Watchman
    from engine.app import Duty
    from engine.audit.notary import Notary
    from engine.durable.port import Executor
    from engine.program import FlowProgram
    from engine.world import World


@click.command()
@click.argument("flows", nargs=-1)
@common.home_option
@click.option(
    "--host", default="127.0.0.1", envvar="FLOWCTL_HOST", show_default=True, show_envvar=True, help="Address."
)
@click.option(
    "--port",
    default=8765,
    type=click.IntRange(0, 65535),
    envvar="FLOWCTL_PORT",
    show_default=True,
    show_envvar=True,
    help="Port; 0 takes a free one.",
)
@click.option("--no-schedule", is_flag=True, help="Only answer; start no reads of our own.")
@click.option(
    "--workers-only", is_flag=True, help="Only do the work; answer nobody but who asks how it is. Others answer."
)
@click.option(
    "--durable",
    default="",
    envvar="FLOWCTL_DURABLE",
    show_envvar=True,
    help="Where the durable engine keeps its list of work: a PostgreSQL URL, or the path of a file; `inline` does without "
    "it. [default: beside the store]",
)
@click.option(
    "--checkpoint-copy",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FLOWCTL_CHECKPOINT_COPY",
    show_envvar=True,
    help="Keep a copy of the journal's signed checkpoints in this folder, on another machine's disk at best.",
)
@click.option("--no-panel", is_flag=True, help="Serve no panel; else it is there once there is a user.")
@observing.log_option
@observing.metrics_option
@observing.companies_option
@observing.otlp_option
@click.pass_context
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    ctx: click.Context,
    flows: tuple[str, ...],
    home: Path,
    host: str,
    port: int,
    no_schedule: bool,
    workers_only: bool,
    durable: str,
    checkpoint_copy: Path | None,
    no_panel: bool,
    log_format: str | None,
    no_metrics: bool,
    metrics_companies: int,
    otlp_endpoint: str | None,
) -> int:
    """Answer the Web Connector and webhooks, serve the panel, and run flows when they are due.

    Without names it takes the flows in ./flows, or those that came with the program where there are none.

    Put it behind a reverse proxy with TLS: the Web Connector insists on https except for localhost.

    Example: flowctl serve ramp_to_quickbooks --port 8765
    """
    from engine import log

    if no_schedule and workers_only:
        raise click.UsageError("--no-schedule and --workers-only leave nothing to do: give one of them")
    as_json = None if log_format is None else log_format == "json"
    log.configure(verbosity=int((ctx.obj or {}).get("verbosity", 0)), json=as_json)
    watched = observing.watched(ctx, otlp_endpoint, None if no_metrics else metrics_companies, host)
    programs = common.programs(flows)
    with log.adopted(), office.opened(home) as world:
        problem = _damage(world)
        if problem:
            from engine.errors import StoreDamaged

            raise StoreDamaged(f"the store at {home} is damaged: {problem}", hint="restore the newest backup")
        from engine.alerting.watchman import Watchman
        from engine.app import Duty
        from engine.audit.notary import FILE, Notary

        notary = Notary(world, home / FILE, checkpoint_copy)
        has_panel = not no_panel and not workers_only and _has_users(world)
        alerts = Watchman(world, programs, home)
        with observing.observed(world, watched) as routes:
            app = app_of(
                world,
                programs,
                has_panel=has_panel,
                duty=Duty(not no_schedule, not workers_only, executor(durable, home)),
                notary=notary,
                alerts=alerts,
                more=routes,
            )
            _serve(app, programs, host, port)
    return 0


def executor(durable: str, home: Path) -> Executor:
    """The durable engine that was asked for; it is imported when it starts.

    Raises:
        UsageError: when it is neither a place nor `inline`.
    """
    from engine.durable.dbos import Dbos
    from engine.durable.inline import Inline
    from engine.durable.where import place
    from engine.store import whereabouts

    if durable == "inline":
        return Inline()
    return Dbos(place(durable, whereabouts.address(home) or "", home))


def _has_users(world: World) -> bool:
    from engine.store import users

    with world.store.read(HOUSE) as tx:
        return users.exist(tx)


def app_of(
    world: World,
    programs: Mapping[str, FlowProgram],
    *,
    has_panel: bool,
    duty: Duty,
    notary: Notary | None = None,
    alerts: Watchman | None = None,
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application, and the panel when there is somebody who may use it."""
    from engine.app import build

    made = partial(build, world, programs, duty=duty, notary=notary, alerts=alerts)
    if not has_panel:
        return made(pages=lambda _poke: more)
    from engine.panel.app import Panel
    from engine.panel.pages import PAGES

    return made(pages=lambda poke: [*more, *Panel(world, PAGES, poke, programs).routes()])


def _serve(app: Starlette, programs: Mapping[str, FlowProgram], host: str, port: int) -> None:
    from engine.log import logger
    from engine.serving import bind, looks_for_garbage_seldom, serve

    listener = bind(host, port)
    found = listener.getsockname()[1]
    logger().info("serving", host=host, port=found, flow=", ".join(programs))
    if has_panel(app):
        shown = f"[{host}]" if ":" in host else host
        logger().info("the panel is on", url=f"http://{shown}:{found}/panel")
    else:
        logger().info("the panel is off", hint="`flowctl user add NAME` adds a user; then start this anew")
    looks_for_garbage_seldom()
    try:
        serve(app, listener)
    except KeyboardInterrupt:  # uvicorn passes Ctrl-C on after it has stopped
        office.say("stopped")


def has_panel(app: Starlette) -> bool:
    """Whether the application has the panel."""
    return any(getattr(route, "path", "") == "/panel" for route in app.routes)


def _damage(world: World) -> str | None:
    from engine.store.sqlite import SqliteStore

    return world.store.integrity_problem() if isinstance(world.store, SqliteStore) else None
