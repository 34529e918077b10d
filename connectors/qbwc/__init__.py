"""The QuickBooks Web Connector: a SOAP server that a Windows agent beside QuickBooks Desktop polls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.qbwc.spec import SPEC
from engine.clock import Clock, Ids
from engine.contract import Binding, Handler, Json, Outbox, Tools
from engine.diagnostics import Diagnostic
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from connectors.qbwc.sandbox import QuickBooksSandbox


@dataclass(frozen=True, slots=True)
class QuickBooksWebConnector:
    """The connector; everything heavy loads when it is used."""

    spec: ConnectorSpec = SPEC

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without a network."""
        from connectors.qbwc.qwc import check_binding

        return check_binding(binding)

    def open(self, binding: Binding, tools: Tools) -> None:  # noqa: ARG002 - the contract's signature
        """Nothing is opened: the Web Connector calls us."""
        return

    def handler(self, outbox: Outbox, clock: Clock, ids: Ids) -> Handler:
        """The SOAP service."""
        from connectors.qbwc.routes import make_handler

        return make_handler(outbox, clock, ids)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> QuickBooksSandbox:
        """A made-up company file with a Web Connector beside it."""
        from connectors.qbwc.sandbox import make

        return make(seed, clock, options)


CONNECTOR = QuickBooksWebConnector()
