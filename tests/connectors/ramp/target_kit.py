"""The connector as a target over the bundled simulator, with everything that travelled on a tape."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx

from connectors.ramp import CONNECTOR
from connectors.ramp.simulator import Account, Fault, Options, RampSimulator, transport
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.records import Profile
from connectors.ramp.source import RampSource
from engine.clock import SystemIds
from engine.contract import Operation, Receipt, Tools
from engine.documents import Document
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits
from tests.connectors.ramp.source_kit import binding

SECRETS = {"client_id": "ramp_id_sandbox", "client_secret": "sandbox-secret"}
PROFILES: list[Profile] = ["2025-08", "2026-08"]
RENT = Account("6010", "Rent", "6010")
PAPER = Account("6020", "Office Supplies", "6020")
PREFIX = "/developer/v1"
CODING = [{"field_id": "Category", "option_id": "6010"}]


@dataclass(frozen=True, slots=True)
class Sent:
    """One call and its answer."""

    method: str
    path: str
    query: str
    content_type: str
    body: bytes
    status: int
    answer: bytes


PNG = Document(b"\x89PNG\r\n--", "image/png", "a b/ü.png")


@dataclass
class Papers:
    """The documents of the other connections: one, of whatever is asked for."""

    document: Document | None = PNG
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def fetch(self, connection: str, stream: str, record_id: str) -> Document | None:
        """The document."""
        self.asked.append((connection, stream, record_id))
        return self.document


@dataclass
class Bench:
    """A simulated business, a connection to it, and a tape."""

    profile: Profile
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    tape: list[Sent] = field(default_factory=list)
    change: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda _, answer: answer
    papers: Papers | None = field(default_factory=Papers)

    def __post_init__(self) -> None:
        options = Options(**self.options)
        self.simulator = RampSimulator(7, ManualClock(), profile=self.profile, options=options)
        self.world = self.simulator.world
        add_account(self.world, RENT)
        add_account(self.world, PAPER)
        add_account(self.world, Account("6900", "Closed"), is_active=False)
        self.vendor = self.simulator.add_vendor("Acme Supply").id
        self.ramp = self.open()

    def open(self, **more: Any) -> RampSource:
        owner = next(iter(self.world.users.values())).email
        settings = {
            "environment": "sandbox",
            "api_profile": self.profile,
            "vendor_owner": owner,
            **self.settings,
            **more,
        }
        inner = transport(self.simulator)

        def carry(request: httpx.Request) -> httpx.Response:
            answer = self.change(request, inner.handle_request(request))
            query, kind = request.url.query.decode(), request.headers.get("content-type", "")
            sent = (request.method, request.url.path, query, kind, request.read(), answer.status_code, answer.content)
            self.tape.append(Sent(*sent))
            return answer

        carried = httpx.MockTransport(carry)
        tools = Tools(self.simulator.clock, SystemIds(), MemoryTokens(), NotedLimits(), carried, self.papers)
        return CONNECTOR.open(binding(SECRETS, **settings), tools)

    def fault(self, name: Any, method: str, path: str, times: int = 1) -> None:
        self.simulator.faults.add(Fault(name, at=tuple(range(times)), method=method, path=path))

    def calls(self) -> list[str]:
        """What was called, without tokens."""
        return [f"{s.method} {s.path.removeprefix(PREFIX)}" for s in self.tape if not s.path.endswith("/token")]

    def writes(self) -> list[str]:
        return [call for call in self.calls() if not call.startswith("GET ")]

    def sent(self, path: str, method: str = "POST") -> list[Any]:
        """The JSON bodies that were sent to a path."""
        return [json.loads(s.body) for s in self.tape if (s.method, s.path) == (method, f"{PREFIX}{path}")]

    def push(self, made: Operation) -> Receipt:
        """Look for it and write it when it is not there, as the engine does."""
        return self.ramp.find(made) or self.ramp.write(made)

    def bill(self, **fields: Any) -> dict[str, Any]:
        """The body of a BillCreate."""
        return {
            "vendor_id": self.vendor,
            "invoice_number": "INV-7",
            "invoice_currency": "USD",
            "issued_at": "2026-11-02",
            "due_at": "2026-12-02",
            "remote_id": "freshbooks:a1:bill:7",
            "line_items": [
                {"amount": "1050.50", "memo": "November", "coding": CODING},
                {"amount": "0.25", "coding": [{"field_id": "Category", "option_id": "6020"}]},
            ],
            **fields,
        }


def operation(
    request: str,
    body: Mapping[str, Any],
    target_id: str = "",
    *,
    base: Mapping[str, Any] | None = None,
    name: str = "op-1",
) -> Operation:
    content = json.dumps(body).encode()
    at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    written = b"" if base is None else json.dumps(base).encode()
    digest = sha256(content).hexdigest()
    return Operation(name, request, content, digest, "{guid}", at, target_id=target_id, base=written)
