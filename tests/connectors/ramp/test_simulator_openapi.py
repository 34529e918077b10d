"""Every answer of the simulator against the response schemas of Ramp's own OpenAPI file of August 2025."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from connectors.ramp.codings import multipart
from connectors.ramp.simulator import Account, Line, Mix, Money, Others, Tags, seed_business, seed_others
from connectors.ramp.simulator.build import coded
from connectors.ramp.simulator.core import ROUTES
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.records import Draft, InventoryLine
from connectors.ramp.simulator.world import PREFIX
from engine.contract import HttpReply
from tests.connectors.ramp.simulator_kit import RENT, Api, simulator, token
from tests.reference import reference

SYNCS = {
    "REIMBURSEMENT_SYNC": "reimbursements",
    "TRANSFER_SYNC": "transfers",
    "STATEMENT_CREDIT_SYNC": "cashbacks",
}
NULL_IN_EXAMPLE = "the file's own example of this object prints null"
# Where the simulator knowingly differs from the file: (schema, property, what is done to the schema, why).
WAIVERS = (
    ("Bill", "deep_link_url", "nullable", NULL_IN_EXAMPLE),
    ("Bill", "remote_id", "nullable", NULL_IN_EXAMPLE),
    ("Bill", "memo", "nullable", "memo is optional on create with null as its default, so it is printed as null"),
    ("Bill", "vendor_memo", "nullable", "as memo"),
    ("Bill", "posting_date", "nullable", "optional on create with null as its default"),
    ("Bill", "paid_at", "nullable", "its description says: None if the bill's payment status is OPEN"),
    ("ApiBillLineItem", "memo", "nullable", "optional on create with null as its default"),
    ("ApiBillInventoryLineItem", "memo", "nullable", "optional on create with null as its default"),
    ("ApiBillVendor", "remote_id", "nullable", "a vendor without accounting vendor has no remote id"),
    ("ApiBillVendor", "remote_code", "nullable", "a vendor without accounting vendor has no remote code"),
    ("ApiBillVendor", "remote_name", "nullable", "a vendor without accounting vendor has no remote name"),
    (
        "ApiBillPayment",
        "details",
        "any",
        "oneOf cannot hold: the card schema has no required field, so it matches every object",
    ),
    ("ApiTransactionLineItem", "memo", "nullable", "memo of the transaction itself is nullable"),
    ("Reimbursement", "memo", "nullable", "as memo of a transaction"),
    ("ApiReimbursementLineItem", "memo", "nullable", "as memo of a transaction"),
    ("Transaction", "settlement_date", "nullable", "a pending transaction has not settled"),
    ("SingleTransaction", "settlement_date", "nullable", "a pending transaction has not settled"),
    ("Vendor", "billing_frequency", "nullable", NULL_IN_EXAMPLE),
    ("Vendor", "merchant_id", "nullable", NULL_IN_EXAMPLE),
    ("Vendor", "description", "nullable", "optional and not given"),
    ("Vendor", "federal_tax_classification", "nullable", "optional and not given"),
    ("Vendor", "name_legal", "nullable", "optional and not given"),
    ("Vendor", "state", "nullable", "only vendors in the US have one"),
    ("Vendor", "tax_address", "nullable", "optional and not given"),
    ("ApiAddressResource", "address_line_2", "nullable", NULL_IN_EXAMPLE),
    ("ApiAddressResource", "state", "nullable", "only addresses in the US have one"),
)
# Answers whose `oneOf` cannot hold, because the alternative given here has no required field and matches every object.
OVERLAPS = {"GET /accounting/connection": "ApiEmptyResponse"}
# Operations that the file of August 2025 does not list.
UNLISTED = {
    "POST /webhooks/mock-webhook-event": "described in Ramp's webhook guide only",
    "POST /accounting/codings": "described in Ramp's guide of 2026, beta",
}


class Spec:
    """The OpenAPI file with the waivers applied, as JSON Schema."""

    def __init__(self, document: dict[str, Any], *, waived: bool = True) -> None:
        self.paths = document["paths"]
        self.schemas = document["components"]["schemas"]
        for schema, name, change, _why in WAIVERS if waived else ():
            self._waive(schema, name, change)
            if schema == "Vendor":
                self._waive("ApiVendorDetailResource", name, change)
        self.schemas = translated(self.schemas)

    def _waive(self, schema: str, name: str, change: str) -> None:
        properties = self.schemas[schema]["properties"]
        assert not properties[name].get("nullable"), f"{schema}.{name} needs no waiver"
        properties[name] = {} if change == "any" else {**properties[name], "nullable": True}

    def problems(self, method: str, path: str, reply: HttpReply) -> list[str]:
        answer = self.paths[PREFIX + path][method.lower()]["responses"][str(reply.status)]
        content = answer.get("content")
        if content is None or reply.status == 204:
            return []
        wanted = translated(content["application/json"]["schema"])
        if overlap := OVERLAPS.get(f"{method} {path}"):
            wanted = next(item for item in wanted["oneOf"] if not item["$ref"].endswith(overlap))
        schema = {**wanted, "components": {"schemas": self.schemas}}
        checker = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
        body = json.loads(reply.body)
        return [
            f"{method} {path} {list(item.absolute_path)}: {item.message[:200]}" for item in checker.iter_errors(body)
        ]


FORMATS = jsonschema.FormatChecker(())


@FORMATS.checks("uuid")
def is_uuid(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


@FORMATS.checks("date-time")
def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", value) is not None


def translated(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable`; JSON Schema wants it as a type."""
    if isinstance(node, list):
        return [translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {
        key: translated(value) for key, value in node.items() if key not in {"example", "nullable", "discriminator"}
    }
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


@pytest.fixture(scope="module")
def spec() -> Spec:
    path = reference("ramp", "developer-api-2025-08.json")
    return Spec(json.loads(path.read_text(encoding="utf-8")))


def tour() -> Iterator[tuple[str, str, HttpReply]]:
    """A call of every route, with objects in every state."""
    target = simulator(connection="CSV")
    accounts = (
        ("CARD_LIABILITY_ACCOUNT", Account("A-1", "Ramp Card", "2100")),
        ("BILL_PAY_BANK_ACCOUNT", Account("A-2", "Checking")),
    )
    tags = Tags(
        classes=(Account("C-1", "West"),),
        customers=(Account("J-1", "Acme:Job"),),
        vendors=(Account("V-1", "Granite", "G"),),
        entity_accounts=accounts,
    )
    mix = Mix(
        scheduled=0.1, uncoded=0.2, foreign_card=0.2, currencies=("JPY", "EUR"), long_bill_lines=200, unapproved=0.2
    )
    seed_business(target, bills=40, transactions=60, tags=tags, mix=mix)
    api = Api(target)
    world = target.world
    stock = target.add_bill([Line(1, coded(RENT))], inventory_lines=(InventoryLine(2, 50, coded(RENT), None),)).id
    row = target.add_transaction(Money(-100)).id
    yield "POST", "/token", token(target, {"grant_type": "client_credentials", "scope": "bills:read"})
    yield "POST", "/accounting/syncs", api.sync("BILL_SYNC", (stock, "T-1"))
    yield "POST", "/accounting/syncs", api.sync("TRANSACTION_SYNC", (row, "T-2"), key="key-2")
    target.pay_bill(stock)
    target.archive(next(iter(world.bills)))
    for path, one in (("/bills", stock), ("/vendors", next(iter(world.vendors))), ("/transactions", row)):
        yield "GET", path, api.call("GET", path, page_size=100)
        yield "GET", path + "/{}", api.call("GET", f"{path}/{one}")
    yield "GET", "/bills", api.call("GET", "/bills", is_archived="true")
    yield "GET", "/transactions", api.call("GET", "/transactions", state="ALL", page_size=100)
    for path, objects in (("/entities", world.entities), ("/departments", world.departments), ("/users", world.users)):
        yield "GET", path, api.call("GET", path)
        yield "GET", path + "/{}", api.call("GET", f"{path}/{next(iter(objects))}")
    yield "GET", "/business", api.call("GET", "/business")
    yield from tour_of_others(api)
    yield from tour_of_writes(api)
    yield from tour_of_connections(api)
    yield from tour_of_webhooks(api)


def tour_of_others(api: Api) -> Iterator[tuple[str, str, HttpReply]]:
    world = api.simulator.world
    seed_others(api.simulator, Others(7, 3, 2))
    for kind, table in SYNCS.items():
        row = next(iter(world.tables()[table]))
        yield "POST", "/accounting/syncs", api.sync(kind, (row, "T-3"), key=kind)
        for query in ({}, {"direction": "USER_TO_BUSINESS"}) if table == "reimbursements" else ({},):
            yield "GET", f"/{table}", api.call("GET", f"/{table}", **query)
        yield "GET", f"/{table}/{{}}", api.call("GET", f"/{table}/{row}")
    body = {"vendors": [{"id": "V-9", "name": "Blue Bottle"}]}
    yield "POST", "/accounting/vendors", api.call("POST", "/accounting/vendors", body)
    listed = api.call("GET", "/accounting/vendors")
    yield "GET", "/accounting/vendors", listed
    one = json.loads(listed.body)["data"][0]["ramp_id"]
    yield "PATCH", "/accounting/vendors/{}", api.call("PATCH", f"/accounting/vendors/{one}", {"reactivate": True})


def tour_of_writes(api: Api) -> Iterator[tuple[str, str, HttpReply]]:
    world = api.simulator.world
    add_account(world, RENT)
    yield "GET", "/accounting/accounts", api.call("GET", "/accounting/accounts")
    contact = {"email": "ap@acme.example"}
    body: dict[str, object] = {"name": "New", "country": "CA", "business_vendor_contacts": contact}
    made = api.call("POST", "/vendors", {**body, "vendor_owner_id": next(iter(world.users))})
    yield "POST", "/vendors", made
    vendor = json.loads(made.body)["id"]
    yield "PATCH", "/vendors/{}", api.call("PATCH", f"/vendors/{vendor}", {"description": "x"})
    contacts = api.call("GET", f"/vendors/{vendor}/contacts")
    yield "GET", "/vendors/{}/contacts", contacts
    contact_id = json.loads(contacts.body)["data"][0]["id"]
    yield "GET", "/vendors/{}/contacts/{}", api.call("GET", f"/vendors/{vendor}/contacts/{contact_id}")
    body = {
        "vendor_id": vendor,
        "vendor_contact_id": contact_id,
        "entity_id": world.primary_entity().id,
        "invoice_number": "7",
        "invoice_currency": "CAD",
        "issued_at": "2026-03-01",
        "due_at": "2026-03-31",
        "payment_method": "PAID_MANUALLY",
        "payment_details": {"manual_payment_method": "CASH", "payment_date": "2026-03-01"},
        "line_items": [{"amount": "1.50"}],
    }
    yield "POST", "/bills", api.call("POST", "/bills", body)
    body = {**body, "payment_method": "UNSPECIFIED", "payment_details": None}
    made = api.call("POST", "/bills", body)
    bill = json.loads(made.body)["id"]
    yield "PATCH", "/bills/{}", api.call("PATCH", f"/bills/{bill}", {"memo": "x"})
    yield "DELETE", "/bills/{}", api.call("DELETE", f"/bills/{bill}")
    world.vendors[vendor] = replace(world.vendors[vendor], accounting=Account("V-9", "New", "N"))
    draft = Draft(
        world.names.uuid("draft"), vendor, world.primary_entity().id, next(iter(world.users)), "USD", world.now
    )
    world.drafts[draft.id] = replace(draft, lines=(Line(150, coded(RENT)),))
    yield "GET", "/bills/drafts", api.call("GET", "/bills/drafts")
    yield "GET", "/bills/drafts/{}", api.call("GET", f"/bills/drafts/{draft.id}")
    row = next(iter(world.transactions))
    yield "POST", "/memos/{}", api.call("POST", f"/memos/{row}", {"memo": "x"})
    parts = {"idempotency_key": "k", "transaction_id": row, "user_id": next(iter(world.users))}
    yield "POST", "/receipts", api.upload("/receipts", *multipart(parts, ("r.png", "image/png", b"x")))


def tour_of_connections(api: Api) -> Iterator[tuple[str, str, HttpReply]]:
    yield (
        "POST",
        "/accounting/connection",
        api.call("POST", "/accounting/connection", {"remote_provider_name": "flowctl"}),
    )
    yield "GET", "/accounting/connection", api.call("GET", "/accounting/connection")
    yield "DELETE", "/accounting/connection", api.call("DELETE", "/accounting/connection")
    listed = api.call("GET", "/accounting/all-connections")
    yield "GET", "/accounting/all-connections", listed
    one = json.loads(listed.body)["connections"][0]["id"]
    again = api.call("POST", f"/accounting/connection/{one}/reactivate")
    yield "POST", "/accounting/connection/{}/reactivate", again
    yield from tour_of_the_chart(api)


def tour_of_the_chart(api: Api) -> Iterator[tuple[str, str, HttpReply]]:
    field = {"id": "class", "name": "Class", "input_type": "SINGLE_CHOICE"}
    made = api.call("POST", "/accounting/fields", field)
    yield "POST", "/accounting/fields", made
    of_field = {"field_id": json.loads(made.body)["ramp_id"]}
    account = {"id": "A-1", "name": "Rent", "classification": "EXPENSE", "code": "6010"}
    for name, body, change in (
        ("accounts", {"gl_accounts": [account]}, {"name": "Rents", "code": ""}),
        ("field-options", {**of_field, "options": [{"id": "C-1", "value": "West"}]}, {"visibility": "HIDDEN"}),
        ("vendors", {"vendors": [{"id": "V-1", "name": "Granite"}]}, {"code": "G", "reactivate": True}),
        ("fields", None, {"display_name": "Klasse"}),
    ):
        path = f"/accounting/{name}"
        if body is not None:
            made = api.call("POST", path, body)
            yield "POST", path, made
            items = next(rows for key, rows in json.loads(made.body).items() if key != "uploaded")
            one = f"{path}/{items[0]['ramp_id']}"
        else:
            one = f"{path}/{of_field['field_id']}"
        yield "PATCH", path + "/{}", api.call("PATCH", one, change)
        yield "GET", path + "/{}", api.call("GET", one)
        yield "DELETE", path + "/{}", api.call("DELETE", one)
        query = of_field if path.endswith("options") else {}
        yield "GET", path, api.call("GET", path, **query)


def tour_of_webhooks(api: Api) -> Iterator[tuple[str, str, HttpReply]]:
    made = api.call("POST", "/webhooks", {"endpoint_url": "https://hooks.example/", "event_types": ["bills.paid"]})
    yield "POST", "/webhooks", made
    one = json.loads(made.body)["id"]
    yield "GET", "/webhooks", api.call("GET", "/webhooks")
    yield "GET", "/webhooks/{}", api.call("GET", f"/webhooks/{one}")
    challenge = api.simulator.world.subscriptions[one].challenge
    yield "POST", "/webhooks/{}/verify", api.call("POST", f"/webhooks/{one}/verify", {"challenge": challenge})
    yield "DELETE", "/webhooks/{}", api.call("DELETE", f"/webhooks/{one}")


def spec_path(spec: Spec, path: str) -> str:
    """The path as the file spells it: with named parameters, and the webhook one without its prefix."""
    pattern = re.compile(re.escape(PREFIX + path).replace(r"\{\}", r"\{[a-z_]+\}"))
    return str(next(known for known in spec.paths if pattern.fullmatch(known))).removeprefix(PREFIX)


def test_every_answer_validates(spec: Spec) -> None:
    found = [
        problem for method, path, reply in tour() for problem in spec.problems(method, spec_path(spec, path), reply)
    ]
    assert found == []


def test_every_waiver_is_needed() -> None:
    path = reference("ramp", "developer-api-2025-08.json")
    strict = Spec(json.loads(path.read_text(encoding="utf-8")), waived=False)
    found = [
        problem
        for method, path_, reply in tour()
        for problem in strict.problems(method, spec_path(strict, path_), reply)
    ]
    named = {text.partition("]: ")[0].rpartition("'")[0].rpartition("'")[2] for text in found}
    # An error inside the nullable payment is reported at the payment.
    assert named == {"payment" if name == "details" else name for _schema, name, _change, _why in WAIVERS}


def test_the_tour_meets_every_route() -> None:
    seen = {f"{method} {path}" for method, path, _reply in tour()}
    routes = {f"{route.method} {route.path}" for route in ROUTES if not route.since_2026}
    assert routes - seen == set(UNLISTED)


def test_scopes_are_those_of_the_file(spec: Spec) -> None:
    for route in ROUTES:
        if route.since_2026 or f"{route.method} {route.path}" in UNLISTED:
            continue
        security = spec.paths[PREFIX + spec_path(spec, route.path)][route.method.lower()]["security"]
        assert security == [{"oauth2": [route.scope] if route.scope else []}], route.path


def test_a_wrong_answer_is_found(spec: Spec) -> None:
    api = Api(simulator())
    reply = api.call("GET", "/accounting/all-connections")
    body = json.loads(reply.body)
    broken = deepcopy(body)
    broken["connections"][0]["status"] = "LINKED"
    text = "GET /accounting/all-connections ['connections', 0, 'status']: 'LINKED' is not one of ['failed_to_auth', 'linked', 'revoked', 'unlinked']"
    assert spec.problems("GET", "/accounting/all-connections", HttpReply(200, {}, json.dumps(broken).encode())) == [
        text
    ]
    assert spec.problems("GET", "/accounting/all-connections", reply) == []
