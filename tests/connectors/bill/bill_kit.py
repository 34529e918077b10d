"""A BILL of a few functions: sessions, lists with cursors, single objects, and answers that a test puts in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.bill import CONNECTOR
from connectors.bill.source import BillConnection
from engine.contract import Binding, Operation, Page
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits, Script, reply, tools

HOST = "https://gateway.prod.bill.com"
ORG = "00801CANARYORG000000"
SECRETS = {"password": "pass-canary", "dev_key": "devkey-canary", "webhook_key": "webhook-canary"}
SETTINGS = {"username": "user-canary@acme.example", "organization_id": ORG}
PATHS = {
    "/connect/v3/vendors": "vendors",
    "/connect/v3/bills": "bills",
    "/connect/v3/payments": "payments",
    "/connect/v3/vendor-credits": "vendor_credits",
    "/connect/v3/classifications/chart-of-accounts": "chart_of_accounts",
    "/connect/v3/classifications/accounting-classes": "classes",
    "/connect/v3/classifications/departments": "departments",
    "/connect/v3/classifications/locations": "locations",
}
Row = dict[str, Any]
VENDOR_BODY = json.dumps(
    {"name": "Müller & Söhne, GmbH", "accountType": "BUSINESS", "address": {"country": "DE"}}
).encode()


def binding(secrets: Mapping[str, str] = SECRETS, /, **settings: str | int | bool) -> Binding:
    return Binding("acme", "bill", {**SETTINGS, **settings}, secrets)


def errors(status: int, *entries: Row) -> httpx.Response:
    return reply(status, list(entries))


def error(code: str = "", message: str = "canary-body", **more: object) -> Row:
    return {**({"code": code} if code else {}), "severity": "ERROR", "category": "REQUEST", "message": message, **more}


def bill(number: int, amount: object = 105.5, **fields: object) -> Row:
    return {
        "id": f"00n{number:017d}",
        "archived": False,
        "vendorName": "Amélie & Söhne",
        "amount": amount,
        "dueDate": "2026-12-01",
        "invoice": {"invoiceNumber": f"INV-{number}", "invoiceDate": "2026-11-01"},
        "billLineItems": [{"id": f"bli{number:017d}", "amount": amount, "description": "Paper"}],
        "paymentStatus": "UNPAID",
        "approvalStatus": "APPROVED",
        "createdTime": "2026-11-02T10:00:00.000+00:00",
        "updatedTime": f"2026-11-20T10:{number:02d}:00.000+00:00",
        **fields,
    }


def named(record_id: str, name: str, **fields: object) -> Row:
    return {"id": record_id, "archived": False, "name": name, **fields}


def operation(body: bytes = VENDOR_BODY, request: str = "VendorCreate") -> Operation:
    created_at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    return Operation("op-1", request, body, hashlib.sha256(body).hexdigest(), "guid-1", created_at)


class FakeBill:
    """Lists are served in order, two rows a page unless told otherwise; `before` may answer first."""

    def __init__(self, rows_a_page: int = 2, /, **lists: Sequence[Row]) -> None:
        self.lists: dict[str, Sequence[Row]] = {name: [] for name in PATHS.values()} | lists
        self.rows_a_page = rows_a_page
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        self.at_login: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        self.logins: list[Row] = []
        self.created: list[bytes] = []
        self.subscriptions: list[Row] = []
        self.script = Script(self._answer)
        self.clock = ManualClock()
        self.tokens = MemoryTokens()
        self.limits = NotedLimits()

    def open(self, secrets: Mapping[str, str] = SECRETS, /, **settings: str | int | bool) -> BillConnection:
        return CONNECTOR.open(binding(secrets, **settings), tools(self.script, self.clock, self.tokens, self.limits))

    def calls(self) -> list[str]:
        return [path for path in self.script.paths() if not path.endswith("/login")]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/connect/v3/login":
            self.logins.append(json.loads(request.content))
            session = f"session-canary-{len(self.logins)}"
            good = {"organizationId": ORG, "sessionId": session, "trusted": False, "userId": "00600000000000000001"}
            return self.at_login(request) or reply(200, good)
        assert request.headers["devKey"] == SECRETS["dev_key"]
        assert request.headers["sessionId"].startswith("session-canary-")
        return self.before(request) or self.dispatch(request)

    def dispatch(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/connect-events/v3/subscriptions":
            return self._subscriptions(request)
        if request.method == "POST":
            assert path == "/connect/v3/vendors"
            self.created.append(request.content)
            return reply(201, {"id": "00900000000000000099", "archived": False, **json.loads(request.content)})
        if path not in PATHS:
            listed, _, wanted = path.rpartition("/")
            found = [row for row in self.lists[PATHS[listed]] if row["id"] == wanted]
            return reply(200, found[0]) if found else errors(404, error("BDC_1205"))
        return self._page(request, self.lists[PATHS[path]])

    def _page(self, request: httpx.Request, rows: Sequence[Row]) -> httpx.Response:
        params = request.url.params
        first = int(params["page"].removeprefix("cursor-")) if "page" in params else 0
        page = list(rows[first : first + self.rows_a_page])
        more = first + self.rows_a_page < len(rows)
        following = {"nextPage": f"cursor-{first + self.rows_a_page}"} if more else {}
        return reply(200, {"results": page, **following, **({"prevPage": "cursor-0"} if first else {})})

    def _subscriptions(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return reply(200, {"results": self.subscriptions})
        made = {"id": f"sub-{len(self.subscriptions) + 1}", **json.loads(request.content), "securityKey": "key-canary"}
        self.subscriptions.append(made)
        return reply(200, made)


def ids(pages: Sequence[Page]) -> list[str]:
    return [record["id"] for page in pages for record in page.records]
