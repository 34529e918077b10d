"""The flows that the server runs, as the company of a page runs them."""

from __future__ import annotations

from collections.abc import Mapping

from engine.connections.binding import bound_flow
from engine.model import Flow
from engine.operator.tomap import Where
from engine.panel.web import Ask
from engine.program import FlowProgram
from engine.store import companies
from engine.store.base import Tx


def where(ask: Ask, tx: Tx) -> Where:
    """The company of the page, and the flows with the connectors that it has connected."""
    company = str(ask.where["company"])
    made = companies.connectors(tx, company)
    flows = {name: bound_flow(program.flow, made) for name, program in ask.programs.items()}
    return Where(ask.world.store, company, flows)


def bound(ask: Ask, tx: Tx, program: FlowProgram) -> Flow:
    """A flow with the connectors that the company of the page has connected."""
    return bound_flow(program.flow, companies.connectors(tx, str(ask.where["company"])))


def used(tx: Tx, company: str, flows: Mapping[str, Flow]) -> list[Flow]:
    """Those flows of which the company has all connections."""
    made = companies.connectors(tx, company)
    return [flow for flow in flows.values() if made.keys() >= {each.name for each in flow.connections}]
