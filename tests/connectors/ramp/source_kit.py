"""A Ramp of a few functions: tokens, pages in order, single objects, and answers that a test puts in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from connectors.ramp import CONNECTOR
from connectors.ramp.source import RampSource
from connectors.ramp.spec import SCOPES
from engine.contract import Binding
from tests.connectors.http_kit import ManualClock, MemoryTokens, Script, reply, tools

HOST = "https://api.ramp.com"
SECRETS = {"client_id": "ramp_id_canary", "client_secret": "canary-secret", "webhook_secret": "ramp_sec_canary"}
Row = dict[str, Any]


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def binding(secrets: Mapping[str, str] = SECRETS, /, **settings: str | int | bool) -> Binding:
    return Binding("acme", "ramp", settings, secrets)


def money(minor: int, currency: str = "USD") -> Row:
    return {"amount": minor, "currency_code": currency}


def coding(kind: str, external_id: str, name: str, **more: object) -> Row:
    info = {"id": uuid(900), "external_id": "Category", "name": "Category", "type": kind}
    return {"id": uuid(901), "external_id": external_id, "name": name, "category_info": info, **more}


def bill(number: int, minor: int = 105000, **fields: object) -> Row:
    return {
        "id": uuid(number),
        "invoice_number": f"INV-{number}",
        "amount": money(minor),
        "vendor": {"id": uuid(500), "name": "Amélie & Söhne", "type": "BUSINESS"},
        "issued_at": "2026-11-01T00:00:00+00:00",
        "due_at": "2026-12-01T00:00:00+00:00",
        "accounting_date": "2026-11-01T00:00:00+00:00",
        "created_at": "2026-11-02T10:00:00+00:00",
        "archived_at": None,
        "status": "OPEN",
        "approval_status": "APPROVED",
        "sync_status": "NOT_SYNCED",
        "entity_id": uuid(700),
        "line_items": [
            {
                "amount": money(minor),
                "memo": "Paper",
                "accounting_field_selections": [coding("GL_ACCOUNT", "80000001-1", "Office")],
            }
        ],
        "inventory_line_items": [],
        "accounting_field_selections": [],
        "payment": None,
        "bill_owner": {"id": uuid(800), "first_name": "Private", "last_name": "Person"},
        "invoice_urls": ["https://receipts.example/signed"],
        **fields,
    }


def transaction(number: int, amount: object = 90.0, **fields: object) -> Row:
    return {
        "id": uuid(number),
        "amount": amount,
        "currency_code": "USD",
        "merchant_id": uuid(600),
        "merchant_name": "Café",
        "user_transaction_time": "2026-11-03T10:00:00+00:00",
        "accounting_date": None,
        "state": "CLEARED",
        "sync_status": "SYNC_READY",
        "synced_at": None,
        "card_holder": {"user_id": uuid(801), "first_name": "A", "last_name": "B", "department_id": uuid(850)},
        "line_items": [{"amount": money(9000), "converted_amount": money(9000), "accounting_field_selections": []}],
        "accounting_field_selections": [],
        "receipts": [uuid(950)],
        **fields,
    }


def reimbursement(number: int, amount: object = 42.5, **fields: object) -> Row:
    return {
        "id": uuid(number),
        "direction": "BUSINESS_TO_USER",
        "type": "OUT_OF_POCKET",
        "state": "REIMBURSED",
        "amount": amount,
        "currency": "USD",
        "payee_amount": money(4250),
        "original_reimbursement_amount": money(3900, "EUR"),
        "user_id": uuid(801),
        "user_full_name": "Jun Takahashi",
        "user_email": "jun@example.com",
        "merchant": "Hôtel Lutetia",
        "transaction_date": "2026-11-03",
        "sync_status": "SYNC_READY",
        "synced_at": None,
        "entity_id": uuid(700),
        "waypoints": ["Genève"],
        "receipts": [uuid(950)],
        "line_items": [
            {
                "amount": money(4250),
                "memo": "Night",
                "accounting_field_selections": [coding("GL_ACCOUNT", "80000002-1", "Travel")],
            }
        ],
        "accounting_field_selections": [],
        **fields,
    }


class FakeRamp:
    """Lists are served in order, two rows a page unless told otherwise; `before` may answer first."""

    def __init__(self, *, rows_a_page: int = 2, scopes: str = " ".join(SCOPES), **lists: list[Row]) -> None:
        self.lists = lists
        self.rows_a_page = rows_a_page
        self.scopes = scopes
        self.before: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        self.minted = 0
        self.synced: list[Row] = []
        self.script = Script(self._answer)
        self.clock = ManualClock()
        self.tokens = MemoryTokens()

    def source(self, secrets: Mapping[str, str] = SECRETS, /, **settings: str | int | bool) -> RampSource:
        return CONNECTOR.open(binding(secrets, **settings), tools(self.script, self.clock, self.tokens))

    def calls(self) -> list[str]:
        return [path for path in self.script.paths() if not path.endswith("/token")]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/developer/v1/token":
            self.minted += 1
            token = f"ramp_tok_canary{self.minted}"
            return reply(
                200, {"access_token": token, "expires_in": 864000, "token_type": "bearer", "scope": self.scopes}
            )
        assert request.headers["authorization"] == f"Bearer ramp_tok_canary{self.minted}"
        return self.before(request) or self.dispatch(request)

    def dispatch(self, request: httpx.Request) -> httpx.Response:
        _, _, _, stream, *rest = request.url.path.replace("/vendors/credits", "/vendor_credits").split("/")
        if stream == "accounting":
            self.synced.append(json.loads(request.content))
            return reply(201, {"sync_id": uuid(1)})
        if stream not in self.lists:
            return refusal(404, "DEVELOPER_7003")
        rows = self.lists[stream]
        if rest:
            found = [row for row in rows if row["id"] == rest[0]]
            return reply(200, found[0]) if found else refusal(404, "DEVELOPER_7010", "not found")
        params = dict(request.url.params)
        ids = [row["id"] for row in rows]
        first = ids.index(params["start"]) + 1 if "start" in params else 0
        page = rows[first : first + self.rows_a_page]
        more = first + self.rows_a_page < len(rows)
        following = f"{HOST}{request.url.path}?{urlencode({**params, 'start': page[-1]['id']})}" if more else None
        return reply(200, {"data": page, "page": {"next": following}})


def refusal(status: int, code: str, message: str = "canary-body", /, **info: list[str]) -> httpx.Response:
    error = {
        "error_code": code,
        "message": message,
        "additional_info": info,
        "notes": "canary-body",
        "error_id": "err-1",
    }
    return reply(status, {"error_v2": error, "error": info})


def ids(pages: object) -> list[str]:
    assert isinstance(pages, list)
    return [record["id"] for page in pages for record in page.records]
