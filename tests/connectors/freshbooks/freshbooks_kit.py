"""A made-up FreshBooks account, and connections to it over a transport without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.sandbox import FreshBooksSandbox
from connectors.freshbooks.simulator import Fault, FreshBooksSimulator, Line, Options
from connectors.freshbooks.source import FreshBooksConnection
from engine.clock import SystemIds
from engine.contract import Binding, HttpCall, Page, Tools
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits

BASE = "https://api.freshbooks.com"


class Noted:
    """Whose account it is, as a store would note it."""

    def __init__(self, account: str = "") -> None:
        self.account = account

    def known(self) -> str:
        return self.account

    def note(self, account: str) -> str:
        self.account = self.account or account
        return self.account


class Place:
    """A simulated account, a token store, and a clock."""

    def __init__(self, *faults: Fault, **options: Any) -> None:
        self.clock = ManualClock()
        self.simulator = FreshBooksSimulator(7, self.clock, options=Options(**options), faults=faults)
        self.sandbox = FreshBooksSandbox(self.simulator)
        self.tokens = MemoryTokens()
        self.limits = NotedLimits()
        self.world = self.simulator.world
        # May answer, change or break a request before the simulator sees it.
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        self.requests: list[httpx.Request] = []
        self.owner: Noted | None = None

    def binding(self, secrets: Mapping[str, str] | None = None, /, **settings: str | int | bool) -> Binding:
        given, hidden = self.sandbox.binding(BASE)
        return Binding("acme", "freshbooks", {**given, **settings}, {**hidden, **(secrets or {})})

    def tools(self) -> Tools:
        inner = self.sandbox.transport()

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return self.before(request) or inner.handle_request(request)

        transport = httpx.MockTransport(answer)
        return Tools(self.clock, SystemIds(), self.tokens, self.limits, transport, owner=self.owner)

    def open(self, secrets: Mapping[str, str] | None = None, /, **settings: str | int | bool) -> FreshBooksConnection:
        return CONNECTOR.open(self.binding(secrets, **settings), self.tools())

    def bill(self, amount: str = "100", **fields: Any) -> str:
        """A bill of one line; its id."""
        if not self.world.vendors:
            self.world.add_vendor("Acme Supply")
        return str(self.world.add_bill(next(iter(self.world.vendors)), [Line(Decimal(amount))], **fields).id)

    def expense(self, amount: str = "10", **fields: Any) -> str:
        return str(self.world.add_expense(Decimal(amount), 0, **fields).id)

    def throw(self, **options: Any) -> None:
        self.world.options = replace(self.world.options, **options)

    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]

    def queries(self, part: str) -> list[dict[str, str]]:
        return [dict(request.url.params) for request in self.requests if part in request.url.path]

    def call(self, method: str, path: str, body: object = None, query: str = "", /, **headers: str) -> tuple[int, Any]:
        """One call past the connector, with a good token; status and body."""
        if "authorization" not in headers:
            headers["authorization"] = f"Bearer {self.grant()['access_token']}"
        data = json.dumps(body).encode() if body is not None else b""
        reply = self.simulator.handle(HttpCall(method, path, query, headers, data))
        return reply.status, json.loads(reply.body)

    def account(self, method: str, place: str, body: object = None, query: str = "") -> tuple[int, Any]:
        """The same below the account."""
        return self.call(method, f"/accounting/account/{self.world.account_id}/{place}", body, query)

    def grant(self, **fields: str) -> dict[str, Any]:
        """Tokens for a new code, or for what is given."""
        options = self.world.options
        form = {
            "client_id": options.client_id,
            "client_secret": options.client_secret,
            "redirect_uri": options.redirect_uri,
            **(fields or {"grant_type": "authorization_code", "code": self.simulator.grants.code()}),
        }
        headers = {"content-type": "application/json"}
        reply = self.simulator.handle(HttpCall("POST", "/auth/oauth/token", "", headers, json.dumps(form).encode()))
        found: dict[str, Any] = json.loads(reply.body)
        return found


@contextmanager
def opened(place: Place, **settings: str | int | bool) -> Iterator[FreshBooksConnection]:
    connection = place.open(None, **settings)
    try:
        yield connection
    finally:
        connection.close()


def ids(pages: Sequence[Page], key: str = "id") -> list[str]:
    return [record[key] for page in pages for record in page.records]


def reply(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, json=body)
