"""Which connector fills a role of a flow for a company: the flow's own, or one that stands for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine import registry
from engine.model import Flow, Stream
from engine.spec import ConnectorSpec


def stands_in(own: str, other: str) -> bool:
    """Whether the connector `other` may take the place of the one that the flow names."""
    if own == other:
        return False
    found = registry.find(other)
    return found is not None and own in found.spec.stands_for


def bound_flow(flow: Flow, made: Mapping[str, str]) -> Flow:
    """The flow with the connectors that a company has connected, by role, where these stand for the flow's own.

    Any other connector is left out: what it lacks shows when it is used, and `flowctl doctor` says so before.
    """
    connections = tuple(
        replace(c, connector=made[c.name]) if stands_in(c.connector, made.get(c.name, c.connector)) else c
        for c in flow.connections
    )
    return flow if connections == flow.connections else replace(flow, connections=connections)


def lacking(flow: Flow, connection: str, spec: ConnectorSpec) -> tuple[str, ...]:
    """What the flow wants of a connection and the connector does not offer, in words: `request BillMod`."""
    found: dict[str, None] = {}
    for stream in flow.streams:
        if stream.target == connection:
            found |= {f"request {name}": None for name in _requests(stream) if spec.request(name) is None}
        if stream.fetch.connection == connection:
            name = stream.fetch.stream
            if spec.stream(name) is None and spec.list(name) is None:
                found[f"stream {name}"] = None
        mark = stream.mark_synced
        if mark is not None and mark.connection == connection and spec.mark(mark.kind) is None:
            found[f"mark {mark.kind}"] = None
    wanted = (lookup.list for lookup in flow.lookups if lookup.connection == connection)
    found |= {f"list {name}": None for name in wanted if spec.list(name) is None}
    return tuple(found)


def _requests(stream: Stream) -> Iterator[str]:
    for variant in stream.variants:
        yield variant.request
        if variant.change is not None:
            yield variant.change.request
        if variant.undo is not None:
            yield variant.undo.request
