"""What the commands that run for long share: the form of the log, figures for Prometheus, traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli import office
from engine.dataclass import dataclass
from engine.errors import UsageError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from engine.world import World

F = TypeVar("F", bound=Callable[..., Any])

log_option = click.option(
    "--log-format",
    type=click.Choice(["json", "console"]),
    envvar="FLOWCTL_LOG_FORMAT",
    show_envvar=True,
    help="Form of the log on stderr; readable lines on a terminal, else JSON.",
)
otlp_option = click.option(
    "--otlp-endpoint",
    envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
    show_envvar=True,
    help="Send traces to this OpenTelemetry collector, over HTTP, such as http://127.0.0.1:4318; needs flowctl[otel].",
)
metrics_option = click.option(
    "--no-metrics",
    is_flag=True,
    help="Serve no /metrics; else who has FLOWCTL_METRICS_TOKEN may read it, or this machine where nobody else comes.",
)
companies_option = click.option(
    "--metrics-companies",
    default=100,
    type=click.IntRange(0, 10_000),
    envvar="FLOWCTL_METRICS_COMPANIES",
    show_default=True,
    show_envvar=True,
    help="With more companies than this, /metrics has no figures of each, only of all together.",
)


class NoTracing(UsageError):
    """The packages that send traces are not installed."""

    def __init__(self) -> None:
        super().__init__(
            "OpenTelemetry is not installed", hint="`pip install 'flowctl[otel]'`, or give no --otlp-endpoint"
        )


def watched(ctx: click.Context, endpoint: str | None, companies: int | None = None, host: str = "127.0.0.1") -> Watched:
    """What the options and the environment ask for."""
    is_implied = ctx.get_parameter_source("otlp_endpoint") is not click.core.ParameterSource.COMMANDLINE
    return Watched(companies, endpoint or "", is_implied, host)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is to be observed. `metrics_companies` is None where there is no `/metrics`; `host` is where it is served."""

    metrics_companies: int | None = None
    otlp_endpoint: str = ""
    # Only the environment named the collector: perhaps for other programs.
    is_implied: bool = False
    host: str = "127.0.0.1"


@contextmanager
def observed(world: World, wanted: Watched) -> Iterator[list[BaseRoute]]:
    """Count and trace what is done inside; yields the routes that show it.

    Raises:
        NoTracing: when a collector is named on the command line, and its packages are not there.
        TokenShort: when the token of `/metrics` could be guessed.
    """
    from engine.telemetry import meter

    routes: list[BaseRoute] = []
    with traced(wanted):
        if wanted.metrics_companies is None:
            yield routes
            return
        from engine.telemetry.metering import metering

        made = metering(world, wanted.metrics_companies, wanted.host)
        routes += made.routes()
        meter.use(made.sink)
        try:
            yield routes
        finally:
            meter.use(None)


@contextmanager
def traced(wanted: Watched) -> Iterator[None]:
    """Send traces of what is done inside, if a collector is named."""
    if not wanted.otlp_endpoint:
        yield
        return
    from engine.telemetry import trace

    try:
        from engine.telemetry.tracing import exporting
    except ImportError as error:
        if not wanted.is_implied:
            raise NoTracing from error
        office.say(f"no traces are sent: {NoTracing()}; {NoTracing().hint}")
        yield
        return
    tracer = exporting(wanted.otlp_endpoint)
    trace.use(tracer)
    try:
        yield
    finally:
        trace.use(None)
        tracer.close()
