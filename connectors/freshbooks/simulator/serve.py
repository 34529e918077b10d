"""Two ways to reach the simulator: an httpx transport inside one process, and an ASGI app for real loopback HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors import _simulated
from connectors.freshbooks.simulator.core import FreshBooksSimulator
from connectors.freshbooks.simulator.records import Delivery

if TYPE_CHECKING:  # both are slow to import; see `engine.contract`
    import httpx
    from starlette.applications import Starlette

# What a document says of FreshBooks; no source of theirs confirms it (FACTS.md, Webhooks).
WEBHOOK_TIMEOUT_S = 10.0


def transport(simulator: FreshBooksSimulator) -> httpx.MockTransport:
    """A transport for `httpx.Client`: no socket is opened; a reset shows as `httpx.ReadError`."""
    return _simulated.transport(simulator.handle)


def http_sender(delivery: Delivery) -> int:
    """Send a webhook over HTTP; redirects are not followed, and 10 seconds without an answer count as unreachable."""
    return _simulated.post(delivery.url, dict(delivery.headers), delivery.body, WEBHOOK_TIMEOUT_S)


def app(simulator: FreshBooksSimulator, *, deliver_webhooks: bool = False) -> Starlette:
    """An ASGI app of the whole API. With `deliver_webhooks`, a task of the app sends due webhooks twice a second."""
    return _simulated.app(simulator.handle, (lambda: simulator.deliver(http_sender)) if deliver_webhooks else None)
