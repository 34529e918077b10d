"""A chart of accounts at the simulator, calls counted, and what we send held against Ramp's own description."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from connectors.ramp.chart import ChartTarget
from connectors.ramp.client import RampClient
from connectors.ramp.settings import read_settings
from connectors.ramp.simulator import Fault, Options, RampSimulator, transport
from connectors.ramp.simulator.records import Profile
from engine.clock import SystemIds
from engine.contract import Binding, Operation, Receipt, Tools
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits
from tests.connectors.ramp.openapi import ramp_2025

PREFIX = "/developer/v1/accounting"
SECRETS = {"client_id": "ramp_id_sandbox", "client_secret": "sandbox-secret", "webhook_secret": "ramp_sec_here"}
PROFILES: list[Profile] = ["2025-08", "2026-08"]


@dataclass
class Noted(httpx.BaseTransport):
    """Passes calls on and keeps them; `before` may change the world just before one is answered."""

    inner: httpx.BaseTransport
    checked: bool
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/token"):
            path = request.url.path.removeprefix(PREFIX)
            query = request.url.query.decode()
            self.calls.append(f"{request.method} {path}" + (f"?{query}" if query else ""))
            self.bodies.append(json.loads(request.read()) if request.read() else None)
            if self.checked:
                ramp_2025().check_request(request.method, request.url.path, query, request.read())
        return self.inner.handle_request(request)


@dataclass
class Chart:
    """A simulated Ramp and, of it, a target as one pass of the engine opens it."""

    simulator: RampSimulator
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)
    checked: bool = False
    noted: list[Noted] = field(default_factory=list)

    def target(self, **settings: str | int | bool) -> ChartTarget:
        """A new pass; nothing is known yet."""
        profile = self.simulator.world.profile
        given = {"environment": "sandbox", "api_profile": profile, **self.settings, **settings}
        binding = Binding("acme", "ramp", given, SECRETS)
        self.noted.append(Noted(transport(self.simulator), checked=self.checked))
        tools = Tools(self.simulator.clock, SystemIds(), MemoryTokens(), NotedLimits(), self.noted[-1])
        read = read_settings(binding)
        return ChartTarget(RampClient(binding, read, tools), read)

    def calls(self) -> list[str]:
        """Calls of the newest pass, and forget them."""
        found, self.noted[-1].calls = self.noted[-1].calls, []
        return found

    def sent(self) -> list[Any]:
        """Bodies of the newest pass, and forget them."""
        found, self.noted[-1].bodies = [body for body in self.noted[-1].bodies if body is not None], []
        return found

    def shown(self, kind: str, field_id: str = "") -> list[tuple[str, str, str, bool, str]]:
        """Entries of the active connection: our id, name, code, in use, visibility."""
        active = self.simulator.world.connection()
        assert active is not None
        rows = self.simulator.world.chart.of(active.id, kind, field_id).rows
        return [(row.external_id, row.name, row.code, row.is_active, row.visibility) for row in rows]

    def ramp_id(self, kind: str, one: str, field_id: str = "") -> str:
        """Ramp's id of an entry of the active connection."""
        active = self.simulator.world.connection()
        assert active is not None
        return self.simulator.world.chart.of(active.id, kind, field_id).ids[one]


def chart(profile: Profile, *faults: Fault, checked: bool = False, **options: Any) -> Chart:
    """A business without any chart."""
    simulator = RampSimulator(7, ManualClock(), profile=profile, options=Options(**options), faults=faults)
    return Chart(simulator, checked=checked)


def op(request: str, /, target_id: str = "", base: Mapping[str, Any] | None = None, **body: Any) -> Operation:
    """An operation as the engine hands it over."""
    data = json.dumps(body, sort_keys=True).encode() if body else b""
    return Operation(
        f"{request}-{body.get('id', target_id)}",
        request,
        data,
        sha256(data).hexdigest(),
        "{G}",
        ManualClock().now(),
        target_id=target_id,
        base=json.dumps(base).encode() if base else b"",
    )


def account(number: int, name: str = "", **more: Any) -> Operation:
    return op("AccountUpload", id=f"A-{number}", name=name or f"Account {number}", classification="EXPENSE", **more)


def option(number: int, value: str = "", field_id: str = "class", **more: Any) -> Operation:
    return op(
        "OptionUpload",
        field_id=field_id,
        field_name=field_id.title(),
        id=f"O-{number}",
        value=value or f"Option {number}",
        **more,
    )


def vendor(number: int, name: str = "", **more: Any) -> Operation:
    return op("AccountingVendorUpload", id=f"V-{number}", name=name or f"Vendor {number}", **more)


def ids(receipts: Sequence[Receipt]) -> list[str]:
    """Our ids of receipts, which are Ramp's in the first place."""
    assert all(len(receipt.ids["id"]) == 36 for receipt in receipts)
    return [receipt.ids["external_id"] for receipt in receipts]


def ended(target: ChartTarget, operations: Sequence[Operation]) -> list[str]:
    """Look, write what is not there, as the engine does; the ids of what was written."""
    found = target.find_all(operations)
    left = [operation for operation in operations if operation.id not in found]
    for first in range(0, len(left), 500):
        target.write_all(left[first : first + 500])
    return [operation.id for operation in left]
