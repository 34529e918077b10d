"""The plugin object: checks settings without a network, opens a connection, verifies webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.bill.settings import problems, read_settings
from connectors.bill.spec import SPEC
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from connectors.bill.sandbox import BillSandbox
    from connectors.bill.simulator.rig import BillRig
    from connectors.bill.source import BillConnection
    from engine.clock import Clock
    from engine.contract import Binding, Event, Handshake, Json, Tools
    from engine.diagnostics import Diagnostic


class BillConnector:
    """BILL as a plugin; everything that takes long to import loads when it is opened."""

    spec: ConnectorSpec = SPEC

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without a network."""
        return problems(binding)

    def open(self, binding: Binding, tools: Tools) -> BillConnection:
        """A source to read from and a target for vendors; call its `close` when done."""
        from connectors.bill.source import BillConnection

        return BillConnection(binding, read_settings(binding), tools)

    def verify(self, binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
        """Check the signature of a webhook over its raw bytes."""
        from connectors.bill.webhooks import verify

        return verify(binding, headers, body)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> BillSandbox:
        """A made-up BILL organization."""
        from connectors.bill.sandbox import make

        return make(seed, clock, options)

    def example(self, stream: str) -> Json:
        """What a golden case may give the simulator, with a record of the stream."""
        from connectors.bill.examples import example

        return example(stream)

    def example_body(self, request: str) -> bytes | None:
        """A body that the simulator takes."""
        from connectors.bill.examples import example_body

        return example_body(request)

    def example_webhook(self) -> tuple[Mapping[str, str], bytes]:
        """An event as the simulator's vendor signs it."""
        from connectors.bill.examples import example_webhook

        return example_webhook()

    def meanings(self, stream: str) -> Mapping[str, str]:
        """What the fields of a stream mean to most targets."""
        from connectors.bill.examples import meanings

        return meanings(stream)

    def rig(self, seed: int, clock: Clock, options: Json) -> BillRig:
        """The same for a campaign, with faults."""
        from connectors.bill.simulator.rig import make_rig

        return make_rig(seed, clock, options)
