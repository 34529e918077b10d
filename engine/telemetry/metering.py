"""`/metrics`: what the process counts and what the store says, in Prometheus' text, and who may read it.

Only `flowctl serve` imports this module, and prometheus-client with it.
"""

from __future__ import annotations

import hmac
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

import prometheus_client as prometheus
from anyio import to_thread
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine import registry
from engine.alerting import channels
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.errors import StoreError, UsageError
from engine.shipped import version
from engine.store import companies
from engine.telemetry import meters
from engine.telemetry.gauges import AGES, CompanyFigures, Figures, Gauges
from engine.telemetry.meter import Metric
from engine.world import World

TOKEN_VARIABLE = "FLOWCTL_METRICS_TOKEN"  # noqa: S105 - the name of a variable
LEAST_TOKEN = 16
_TEXT = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "[::1]"})
# What a proxy says of whom it asks for. A request that has one of them does not come from this machine.
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class TokenShort(UsageError):
    """The token of `/metrics` could be guessed."""

    def __init__(self) -> None:
        super().__init__(
            f"{TOKEN_VARIABLE} has fewer than {LEAST_TOKEN} characters",
            hint="make one: `openssl rand -hex 20`",
        )


@dataclass(slots=True)
class PrometheusSink:
    """Keeps what is counted, in a registry of its own."""

    registry: prometheus.CollectorRegistry = field(default_factory=prometheus.CollectorRegistry)
    _made: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        for metric in (each for each in meters.COUNTED if each.kind != "gauge"):
            self._made[metric.name] = _instrument(metric, self.registry)

    def add(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Count."""
        self._of(metric, labels).inc(amount)

    def put(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge, which is there from the first time on."""
        if metric.name not in self._made:
            self._made[metric.name] = prometheus.Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        self._of(metric, labels).set(value)

    def observe(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Take one value into a histogram."""
        self._of(metric, labels).observe(max(0.0, value))

    def _of(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        made = self._made[metric.name]
        return made.labels(*labels) if metric.labels else made


def _instrument(metric: Metric, registry: prometheus.CollectorRegistry) -> Any:
    if metric.kind == "histogram":
        return prometheus.Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.bounds)
    kind = prometheus.Counter if metric.kind == "counter" else prometheus.Gauge
    return kind(metric.name, metric.help, metric.labels, registry=registry)


class StoreCollector(Collector):
    """The figures of the store, when they are asked for."""

    def __init__(self, gauges: Gauges) -> None:
        self.gauges = gauges

    def describe(self) -> Iterator[Any]:
        """Nothing: the registry must not ask the store when this is registered."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        """Every figure; none while the store cannot be read."""
        try:
            found = self.gauges.figures()
        except StoreError:
            return
        yield from _together(found)
        is_each = found.companies <= self.gauges.most_each
        yield _family(meters.LABELLED, {(): float(is_each)})
        if is_each:
            yield from _each(found.each)


def _together(found: Figures) -> Iterator[Any]:
    yield _family(meters.COMPANIES, {(): found.companies})
    yield _family(meters.PAUSED, {(): found.paused})
    yield _family(meters.HALTED, {(): found.halted})
    words = (*(word for word, _ in AGES), "older", "never")
    yield _family(meters.POLLED, {(word,): found.polled[word] for word in words})
    yield _family(meters.RECORDS, {(state,): count for state, count in found.records.items()})
    yield _family(meters.RECORDS_TAKEN, {(): found.taken})
    yield _family(meters.BACKLOG, {(): found.backlog})
    yield _family(meters.UNTOLD, {(): found.untold})
    yield _family(meters.OLDEST, _times({(): found.oldest_at}))
    yield _family(meters.ALERTS, {(kind,): count for kind, count in sorted(found.alerts.items())})
    yield _family(meters.TASKS, {(state,): count for state, count in found.tasks.items()})
    yield _family(meters.TASKS_OLDEST, _times({(): found.oldest_task_at}))
    yield _family(meters.GAUGES_AT, _times({(): found.read_at}))
    yield _family(meters.GAUGES_SECONDS, {(): found.seconds})


def _each(figures: list[CompanyFigures]) -> Iterator[Any]:
    yield _family(meters.COMPANY_POLL, _times({(each.company,): each.seen_at for each in figures}))
    counts = {(each.company, state): count for each in figures for state, count in each.records.items()}
    yield _family(meters.COMPANY_RECORDS, counts)
    yield _family(meters.COMPANY_BACKLOG, {(each.company,): each.backlog for each in figures})
    yield _family(meters.COMPANY_OLDEST, _times({(each.company,): each.oldest_at for each in figures}))
    yield _family(meters.COMPANY_ALERTS, {(each.company,): each.alerts for each in figures})


def _family(metric: Metric, values: Mapping[Any, float]) -> Any:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _times(moments: Mapping[Any, str]) -> dict[Any, float]:
    """Moments as seconds since 1970; what never was is left out."""
    return {labels: from_iso(at).timestamp() for labels, at in moments.items() if at}


@dataclass(frozen=True, slots=True)
class Metering:
    """The page. With a `token` whoever has it may read; without one, whoever asks from this machine itself.

    A proxy on this machine may add nothing to what it passes on, and then looks like this machine. So without a token
    nobody may read once the server is reached from elsewhere: `host`, the address it listens on, is not of loopback, or
    there is an https address of it, for flowctl itself speaks no TLS.
    """

    world: World
    sink: PrometheusSink
    token: str = field(default="", repr=False)
    host: str = "127.0.0.1"

    def routes(self) -> list[Route]:
        """What the server mounts."""
        return [Route("/metrics", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        """The metrics, or why not."""
        if self.token:
            if not _has(request, self.token):
                text = f"give the token of {TOKEN_VARIABLE}: `Authorization: Bearer TOKEN`\n"
                return Response(text, 401, {**_TEXT, "www-authenticate": 'Bearer realm="metrics"'})
        elif self.host not in _LOOPBACK or await to_thread.run_sync(_has_front, self.world):
            text = f"this server is reached from elsewhere, so metrics need a token: set {TOKEN_VARIABLE}\n"
            return Response(text, 403, _TEXT)
        elif not is_local(request):
            text = f"metrics are for this machine only; set {TOKEN_VARIABLE} to read them from elsewhere\n"
            return Response(text, 403, _TEXT)
        body = await to_thread.run_sync(prometheus.generate_latest, self.sink.registry)
        return Response(body, 200, {"content-type": prometheus.CONTENT_TYPE_LATEST, "cache-control": "no-store"})


def metering(world: World, most_each: int, host: str = "127.0.0.1") -> Metering:
    """Everything that `/metrics` shows, and its page; `host` is the address that the server listens on.

    Raises:
        TokenShort: when the token that is set is too short.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token and len(token) < LEAST_TOKEN:
        raise TokenShort
    sink = PrometheusSink()
    prometheus.ProcessCollector(registry=sink.registry)
    prometheus.GCCollector(registry=sink.registry)
    sink.registry.register(StoreCollector(Gauges(world.store, world.clock, most_each)))
    sink.put(meters.BUILD, (version(), platform.python_version(), sqlite3.sqlite_version), 1)
    return Metering(world, sink, token, host)


def is_local(request: Request) -> bool:
    """Whether the request comes from this machine, and from no proxy on it that asks for somebody else."""
    client, host = request.client.host if request.client else "", request.headers.get("host", "")
    # A page of a stranger's that a browser on this machine has open can be made to ask here, and then names its own host.
    named = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return client in _LOOPBACK and named in _LOOPBACK and not any(name in request.headers for name in _FORWARDED)


def _has_front(world: World) -> bool:
    """Whether an https address leads to this server: something in front of it speaks TLS."""
    found = {name: registry.find(name) for name in registry.names()}
    polled = [name for name, connector in found.items() if connector is not None and connector.spec.delivery == "pull"]
    with world.store.read() as tx:
        return channels.base_url(tx).startswith("https:") or companies.is_behind_tls(tx, polled)


def _has(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
