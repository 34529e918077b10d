"""Two ways to reach the simulator: an httpx transport inside one process, and an ASGI app for real loopback HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors import _simulated
from connectors.expensify.simulator.core import ExpensifySimulator

if TYPE_CHECKING:  # both are slow to import; see `engine.contract`
    import httpx
    from starlette.applications import Starlette


def transport(simulator: ExpensifySimulator) -> httpx.MockTransport:
    """A transport for `httpx.Client`: no socket is opened; a reset shows as `httpx.ReadError`."""
    return _simulated.transport(simulator.handle)


def app(simulator: ExpensifySimulator) -> Starlette:
    """An ASGI app of the one endpoint. Expensify sends no webhooks."""
    return _simulated.app(simulator.handle)
