"""A ledger file: what a flow writes becomes lines that are appended to a JSON Lines or CSV file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.ledger.spec import SPEC
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from connectors.ledger.connection import LedgerConnection
    from connectors.ledger.sandbox import LedgerSandbox
    from engine.clock import Clock
    from engine.contract import Binding, Json, Tools
    from engine.diagnostics import Diagnostic


class LedgerConnector:
    """The connector; it holds nothing, and everything heavy loads when it is used."""

    spec: ConnectorSpec = SPEC

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without opening a file."""
        from connectors.ledger.settings import problems

        return problems(binding)

    def open(self, binding: Binding, tools: Tools) -> LedgerConnection:
        """The ledger and its chart; no file is opened before it is needed."""
        from connectors.ledger.connection import LedgerConnection
        from connectors.ledger.settings import read_settings

        return LedgerConnection(read_settings(binding), tools.clock)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> LedgerSandbox:
        """A ledger in a temporary folder, with a chart of accounts."""
        from connectors.ledger.sandbox import make

        return make(seed, clock, options)

    def example_body(self, request: str) -> bytes | None:
        """A document that is appended as it is."""
        from connectors.ledger.examples import example_body

        return example_body(request)


CONNECTOR = LedgerConnector()
