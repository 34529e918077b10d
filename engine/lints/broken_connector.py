"""A connection names a connector that is installed and cannot be loaded.

To do: Install the connector again, as the message says; the rest of the flow cannot be checked before.

Fails at connections.books:
    {connector: broken}
Passes:
    {connector: qbwc}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F022"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Report the connectors whose import failed."""
    for connection in flow.connections:
        if connection.name in env.broken:
            hint = "install it again, or remove its package"
            yield env.problem(ID, ("connections", connection.name, "connector"), env.broken[connection.name], hint)
