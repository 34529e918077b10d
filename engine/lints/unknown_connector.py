"""A connection names a connector that is not installed.

To do: Write the name of an installed connector; `flowctl connectors` lists them.

Fails at connections.books:
    {connector: qbwcc}
Passes:
    {connector: qbwc}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine import registry
from engine.diagnostics import Diagnostic, suggestion
from engine.errors import ConnectorBroken
from engine.lints.env import Env
from engine.model import Flow

ID = "F012"


def check(flow: Flow, env: Env) -> Iterator[Diagnostic]:
    """Compare each connection with the installed connectors."""
    for connection in flow.connections:
        if connection.connector not in env.connectors:
            message = f"`{connection.connector}` is not a known connector"
            steps = ("connections", connection.name, "connector")
            other = _titled(connection.connector, env.connectors)
            if other:
                yield env.problem(ID, steps, message, suggestion(connection.connector, env.connectors, other))
            else:
                yield env.misspelt(ID, steps, message, connection.connector, env.connectors)


def _titled(given: str, names: Iterable[str]) -> str:
    """The one connector whose title has the word: `quickbooks` is what people call `qbwc`."""
    found = []
    for name in names if len(given) >= _SHORT else ():
        try:
            connector = registry.find(name)
        except ConnectorBroken:
            continue
        if connector is not None and given.replace("_", " ").casefold() in connector.spec.title.casefold():
            found.append(name)
    return found[0] if len(found) == 1 else ""


_SHORT = 4
