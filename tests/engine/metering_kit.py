"""Listens to what is counted and traced, for tests: everything is put back at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import httpx
import prometheus_client
from starlette.applications import Starlette

from engine.telemetry import meter
from engine.telemetry.metering import Metering, PrometheusSink

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$")


@contextmanager
def listening() -> Iterator[PrometheusSink]:
    """A sink that hears everything inside."""
    sink = PrometheusSink()
    meter.use(sink)
    try:
        yield sink
    finally:
        meter.use(None)


def samples(sink: PrometheusSink) -> dict[str, float]:
    """Every sample that is not zero; of histograms the counts alone, for how long something took is not repeatable."""
    text = prometheus_client.generate_latest(sink.registry).decode()
    found = {match[1]: match[2] for line in text.splitlines() if (match := _LINE.match(line))}
    return {
        name: float(value)
        for name, value in found.items()
        if float(value) and not re.search(r"_(bucket|sum)(\{|$)", name) and name.startswith("flowctl_")
    }


def without_store(found: dict[str, float]) -> dict[str, float]:
    """Without how often the store was asked, which says nothing of what was done."""
    return {name: value for name, value in found.items() if not name.startswith("flowctl_store_")}


def fetch(
    metering: Metering,
    *,
    client: str = "127.0.0.1",
    host: str = "127.0.0.1:8765",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """The page, as somebody at `client` asks for it."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=metering.routes()), client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as browser:
            return await browser.get("/metrics", headers=headers)

    return anyio.run(main)
