"""The plugin object: checks settings without a network, opens a source, verifies webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.ramp.settings import problems, read_settings
from connectors.ramp.spec import SPEC
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from connectors.ramp.sandbox import RampSandbox
    from connectors.ramp.simulator.both_rig import RampAccountingRig
    from connectors.ramp.simulator.rig import RampRig
    from connectors.ramp.simulator.target_rig import RampTargetRig
    from connectors.ramp.source import RampSource
    from engine.clock import Clock
    from engine.contract import Binding, Event, Handshake, Json, ListObject, Tools
    from engine.diagnostics import Diagnostic


class RampConnector:
    """Ramp as a plugin; everything that takes long to import loads when it is opened."""

    spec: ConnectorSpec = SPEC

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without a network."""
        return problems(binding)

    def open(self, binding: Binding, tools: Tools) -> RampSource:
        """A source to read from; call its `close` when done."""
        from connectors.ramp.source import RampSource

        return RampSource(binding, read_settings(binding), tools)

    def verify(self, binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
        """Check the signature of a webhook over its raw bytes."""
        from connectors.ramp.webhooks import verify

        return verify(binding, headers, body)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> RampSandbox:
        """A made-up Ramp business."""
        from connectors.ramp.sandbox import make

        return make(seed, clock, options)

    def given_lists(self, objects: Mapping[str, Sequence[ListObject]]) -> Json:
        """What a golden case gives the sandbox so that it has these accounts and vendors."""
        accounts = {
            f"account-{number}": {"name": item.full_name, "code": item.number}
            for number, item in enumerate(objects.get("accounts", ()), 1)
        }
        vendors = {
            f"vendor-{number}": {"name": item.full_name} for number, item in enumerate(objects.get("vendors", ()), 1)
        }
        return {name: value for name, value in (("accounts", accounts), ("vendors", vendors)) if value}

    def example(self, stream: str) -> Json:
        """What a golden case may give the simulator, with a record of the stream."""
        from connectors.ramp.examples import example

        return example(stream)

    def example_body(self, request: str) -> bytes | None:
        """A body that the simulator takes."""
        from connectors.ramp.examples import example_body

        return example_body(request)

    def example_webhook(self) -> tuple[Mapping[str, str], bytes]:
        """An event as the simulator's vendor signs it."""
        from connectors.ramp.examples import example_webhook

        return example_webhook()

    def meanings(self, stream: str) -> Mapping[str, str]:
        """What the fields of a stream mean to most targets."""
        from connectors.ramp.examples import meanings

        return meanings(stream)

    def rig(self, seed: int, clock: Clock, options: Json) -> RampRig | RampTargetRig | RampAccountingRig:
        """The same for a campaign, with faults: as a source, as a target that is called, or as both."""
        if options.get("role") == "target":
            from connectors.ramp.simulator.target_rig import make_target

            return make_target(seed, clock, options)
        if options.get("is_written"):
            from connectors.ramp.simulator.both_rig import make_both

            return make_both(seed, clock, options)
        from connectors.ramp.simulator.rig import make_rig

        return make_rig(seed, clock, options)
