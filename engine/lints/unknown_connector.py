"""A connection names a connector that is not installed.

To do: Write the name of an installed connector; `flowctl connectors` lists them.

Fails at connections.books:
    {connector: qbwcc}
Passes:
    {connector: qbwc}
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import Diagnostic
from engine.lints.env import Env
from engine.model import Flow

ID = "F012"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare each connection with the installed connectors."""
    for connection in flow.connections:
        if connection.connector not in env.connectors:
            message = f"`{connection.connector}` is not a known connector"
            steps = ("connections", connection.name, "connector")
            yield env.misspelt(ID, steps, message, connection.connector, env.connectors)
