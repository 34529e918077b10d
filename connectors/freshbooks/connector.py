"""The plugin object: checks settings without a network, opens a connection, verifies webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.freshbooks.settings import problems, read_settings
from connectors.freshbooks.spec import SPEC
from engine.spec import ConnectorSpec

if TYPE_CHECKING:
    from connectors.freshbooks.sandbox import FreshBooksSandbox
    from connectors.freshbooks.simulator.rig import FreshBooksRig
    from connectors.freshbooks.source import FreshBooksConnection
    from engine.clock import Clock
    from engine.connections.authorizing import Permission
    from engine.contract import Binding, Event, Handshake, Json, Tools
    from engine.diagnostics import Diagnostic


class FreshBooksConnector:
    """FreshBooks as a plugin; everything that takes long to import loads when it is opened."""

    spec: ConnectorSpec = SPEC

    def check(self, binding: Binding) -> list[Diagnostic]:
        """Problems of the settings that show without a network."""
        return problems(binding)

    def open(self, binding: Binding, tools: Tools) -> FreshBooksConnection:
        """A source to read from; call its `close` when done."""
        from connectors.freshbooks.source import FreshBooksConnection

        return FreshBooksConnection(binding, read_settings(binding), tools)

    def redirect_uri(self, binding: Binding) -> str:
        """Where FreshBooks' page sends the person, as it is registered with the app."""
        return read_settings(binding).redirect_uri

    def permission(self, binding: Binding, token: Json | None) -> Permission | None:
        """What a kept token or code is worth; FreshBooks is not asked."""
        from connectors.freshbooks.tokens import permission

        return permission(read_settings(binding), token)

    def authorization_url(self, binding: Binding, state: str, scopes: tuple[str, ...] = ()) -> str:
        """The page on which a person allows the app; what it gives back goes to `authorize` of an open connection."""
        from connectors.freshbooks.tokens import authorization_url

        return authorization_url(read_settings(binding), state, scopes)

    def verify(self, binding: Binding, headers: Mapping[str, str], body: bytes) -> Event | Handshake:
        """Check the signature of a webhook over its fields."""
        from connectors.freshbooks.webhooks import verify

        return verify(binding, headers, body)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> FreshBooksSandbox:
        """A made-up FreshBooks account."""
        from connectors.freshbooks.sandbox import make

        return make(seed, clock, options)

    def example(self, stream: str) -> Json:
        """What a golden case may give the simulator, with a record of the stream."""
        from connectors.freshbooks.examples import example

        return example(stream)

    def example_webhook(self) -> tuple[Mapping[str, str], bytes]:
        """An event as the simulator's vendor signs it."""
        from connectors.freshbooks.examples import example_webhook

        return example_webhook()

    def meanings(self, stream: str) -> Mapping[str, str]:
        """What the fields of a stream mean to most targets."""
        from connectors.freshbooks.examples import meanings

        return meanings(stream)

    def rig(self, seed: int, clock: Clock, options: Json) -> FreshBooksRig:
        """The same for a campaign, with faults."""
        from connectors.freshbooks.simulator.rig import make_rig

        return make_rig(seed, clock, options)
