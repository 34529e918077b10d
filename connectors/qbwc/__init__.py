"""The QuickBooks Web Connector: a SOAP server that a Windows agent beside QuickBooks Desktop polls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.qbwc.spec import SPEC
from engine.spec import ConnectorSpec, StatusSpec

if TYPE_CHECKING:
    from connectors.qbwc.sandbox import QuickBooksSandbox
    from connectors.qbwc.simulator.rig import QuickBooksRig
    from engine.clock import Clock, Ids
    from engine.contract import AgentFile, Binding, Handler, Json, ListObject, Outbox, Tools
    from engine.diagnostics import Diagnostic
    from engine.evidence import Figures


class QuickBooksWebConnector:
    """The connector; it holds nothing, and everything heavy loads when it is used."""

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

    def agent_file(self, binding: Binding) -> AgentFile:
        """The .qwc file, and what a bookkeeper does with it."""
        from connectors.qbwc.qwc import STEPS, qwc
        from engine.contract import AgentFile

        return AgentFile(f"{binding.company}-{binding.connection}.qwc", qwc(binding), STEPS)

    def made_up(self, binding: Binding, ids: Ids) -> Mapping[str, str | int | bool]:
        """The user is named after the company, and its file gets a GUID once."""
        from connectors.qbwc.qwc import new_file_id

        made = {"user": binding.company, "file_id": new_file_id(ids)}
        return {name: value for name, value in made.items() if not binding.settings.get(name)}

    def figures(self, request: str, body: bytes) -> Figures:
        """What a frozen request means in money."""
        from connectors.qbwc.figures import figures

        return figures(request, body)

    def statuses(self) -> tuple[StatusSpec, ...]:
        """QuickBooks' status codes, for the reference pages."""
        from connectors.qbwc.status import statuses

        return statuses()

    def breakdowns(self) -> tuple[StatusSpec, ...]:
        """COM errors, for the reference pages."""
        from connectors.qbwc.status import breakdowns

        return breakdowns()

    def sandbox(self, seed: int, clock: Clock, options: Json) -> QuickBooksSandbox:
        """A made-up company file with a Web Connector beside it."""
        from connectors.qbwc.sandbox import make

        return make(seed, clock, options)

    def given_lists(self, objects: Mapping[str, Sequence[ListObject]]) -> Json:
        """What gives the sandbox these objects of its lists."""
        from connectors.qbwc.sandbox import given_lists

        return given_lists(objects)

    def rig(self, seed: int, clock: Clock, options: Json) -> QuickBooksRig:
        """The same for a campaign, with faults."""
        from connectors.qbwc.simulator.rig import make_rig

        return make_rig(seed, clock, options)


CONNECTOR = QuickBooksWebConnector()
