"""A bare client of the BILL simulator, without any HTTP library, that holds every answer against our schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlencode

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from connectors.bill.simulator import BillSimulator, Coding, Line, Options, build
from connectors.bill.simulator.world import EVENTS_PREFIX, PREFIX
from engine.contract import HttpCall, HttpReply
from engine.testing import FakeClock
from tests.reference import ROOT

SCHEMAS = ROOT / "schemas" / "bill"
IDEMPOTENT = "7b1e5b1e-0000-4000-8000-000000000009"
# Path (an id as `*`) and method, and the schema of a good answer; `*` after the name stands for a page of them.
SHAPES: Sequence[tuple[str, str, str]] = (
    ("POST", "/login", "login"),
    ("GET", "/login/session", "session"),
    ("GET", "/vendors", "vendor*"),
    ("GET", "/bills", "bill*"),
    ("GET", "/payments", "payment*"),
    ("GET", "/vendor-credits", "vendor_credit*"),
    ("GET", "/classifications/chart-of-accounts", "chart_of_account*"),
    ("POST", "/classifications/chart-of-accounts", "chart_of_account"),
    ("GET", "/classifications/chart-of-accounts/", "chart_of_account"),
    ("POST", "/bills/record-payment", "recorded_payment"),
    ("GET", "/events/catalog", "events_catalog"),
    ("GET", "/subscriptions", "subscription*"),
)
_PREFIXES = (
    ("/vendors", "vendor"),
    ("/bills", "bill"),
    ("/payments", "payment"),
    ("/vendor-credits", "vendor_credit"),
    ("/subscriptions", "subscription"),
)


@cache
def _registry() -> Registry[Any]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.schema.json")]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in found)


@cache
def validator(name: str) -> Draft202012Validator:
    """What holds a value against one of our schemas."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema, registry=_registry())


def fits(name: str, value: object) -> None:
    """The value has the shape; a page ends in `*`."""
    if name.endswith("*"):
        fits("page", value)
        assert isinstance(value, dict)
        for row in value["results"]:
            fits(name[:-1], row)
        return
    error = best_match(validator(name).iter_errors(value))
    assert error is None, f"{name}: {error.json_path}: {error.message}"


def shape_of(method: str, path: str) -> str | None:
    """The schema of a good answer, None where the answer has no shape of its own."""
    for verb, fixed, name in SHAPES:
        if verb == method and (path == fixed or (fixed.endswith("/") and path.startswith(fixed))):
            return name
    if path.startswith("/classifications/"):
        return "classification*" if path.count("/") == 2 else "classification"
    if path.endswith(("security-key", "security_key")):
        return None
    return next((name for prefix, name in _PREFIXES if path.startswith(prefix)), None)


class Api:
    """Calls one simulator with one session."""

    def __init__(self, simulator: BillSimulator, **login: Any) -> None:
        self.simulator = simulator
        self.session = str(decoded(self.login(**login))["sessionId"])

    def login(self, **changes: Any) -> HttpReply:
        return login(self.simulator, **changes)

    def call(self, method: str, path: str, body: object = None, /, **query: object) -> HttpReply:
        events = path.startswith(("/events", "/subscriptions"))
        headers = {"sessionid": self.session, "devkey": self.simulator.world.options.dev_key}
        if events:
            headers["x-idempotent-key"] = str(query.pop("key", IDEMPOTENT))
        data = b"" if body is None else json.dumps(body).encode()
        url = f"{EVENTS_PREFIX if events else PREFIX}{path}"
        reply = self.simulator.handle(HttpCall(method, url, urlencode(query), headers, data))
        name = shape_of(method, path) if reply.status < 300 else "errors"
        if name is not None:
            fits(name, decoded(reply))
        return reply

    def ok(self, method: str, path: str, body: object = None, /, **query: object) -> Any:
        reply = self.call(method, path, body, **query)
        assert reply.status in (200, 201), reply.body
        return exact(reply)

    def get(self, path: str, /, **query: object) -> Any:
        return self.ok("GET", path, **query)

    def ids(self, path: str, /, **query: object) -> list[str]:
        return [row["id"] for row in self.get(path, **query)["results"]]

    def pages(self, path: str, /, **query: object) -> list[list[str]]:
        """The ids of every page, until no cursor leads on."""
        found: list[list[str]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **cursor)
            found.append([row["id"] for row in page["results"]])
            if "nextPage" not in page:
                return found
            cursor = {"page": page["nextPage"]}


def simulator(**options: Any) -> BillSimulator:
    faults = options.pop("faults", ())
    return BillSimulator(7, FakeClock(), options=Options(**options), faults=faults)


def api(**options: Any) -> Api:
    return Api(simulator(**options))


def login(target: BillSimulator, **changes: Any) -> HttpReply:
    options = target.world.options
    body: Mapping[str, Any] = {
        "username": options.username,
        "password": options.password,
        "organizationId": target.world.organization_id,
        "devKey": options.dev_key,
        **changes,
    }
    call = HttpCall("POST", f"{PREFIX}/login", "", {}, json.dumps(body).encode())
    reply = target.handle(call)
    fits("login" if reply.status == 200 else "errors", decoded(reply))
    return reply


def clock_of(target: BillSimulator) -> FakeClock:
    assert isinstance(target.clock, FakeClock)
    return target.clock


def decoded(reply: HttpReply) -> Any:
    return json.loads(reply.body)


def exact(reply: HttpReply) -> Any:
    """The body with its numbers as Decimal, so that 10 and 10.0 are equal and nothing is rounded."""
    return json.loads(reply.body, parse_float=Decimal, parse_int=Decimal)


def error(reply: HttpReply) -> tuple[int, str | None, str]:
    """Status, code and message of an error answer."""
    body = decoded(reply)
    entry = body[0] if isinstance(body, list) else body
    return reply.status, entry.get("code"), entry["message"]


def line(amount: str, account: str = "") -> Line:
    return Line(Decimal(amount), Coding(account=account))


def bill(target: BillSimulator, amount: str = "100", **fields: Any) -> str:
    """A bill of one line; its id."""
    return build.add_bill(target.world, [line(amount)], **fields).id
