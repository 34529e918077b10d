"""The plugin object: checks settings without a network, and opens a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.expensify.settings import problems, read_settings
from connectors.expensify.spec import SPEC
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from connectors.expensify.sandbox import ExpensifySandbox
    from connectors.expensify.simulator.rig import ExpensifyRig
    from connectors.expensify.source import ExpensifySource
    from engine.clock import Clock
    from engine.contract import Binding, Json, Tools
    from engine.diagnostics import Diagnostic


class ExpensifyConnector:
    """Expensify as a plugin; everything that takes long to import loads when it is opened."""

    spec: ConnectorSpec = SPEC

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without a network."""
        return problems(binding)

    def open(self, binding: Binding, tools: Tools) -> ExpensifySource:
        """A source to read from; call its `close` when done."""
        from connectors.expensify.source import ExpensifySource

        return ExpensifySource(binding, read_settings(binding), tools)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> ExpensifySandbox:
        """A made-up Expensify account."""
        from connectors.expensify.sandbox import make

        return make(seed, clock, options)

    def example(self, stream: str) -> Json:
        """What a golden case may give the simulator, with a record of the stream."""
        from connectors.expensify.examples import example

        return example(stream)

    def meanings(self, stream: str) -> Mapping[str, str]:
        """What the fields of a stream mean to most targets."""
        from connectors.expensify.examples import meanings

        return meanings(stream)

    def rig(self, seed: int, clock: Clock, options: Json) -> ExpensifyRig:
        """The same for a campaign, with faults."""
        from connectors.expensify.simulator.rig import make_rig

        return make_rig(seed, clock, options)
