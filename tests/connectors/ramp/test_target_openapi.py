"""Every request that the connector sends as a target, and every answer to it, against Ramp's own OpenAPI file.

The file is of August 2025. What the profile 2026-08 does otherwise stands below, one entry each with its source.
"""

from __future__ import annotations

import copy
import json
from email import message_from_bytes
from typing import Any

import pytest

from connectors.ramp.simulator import Money
from connectors.ramp.simulator.billing import complete_draft
from connectors.ramp.simulator.records import Profile
from engine.errors import Rejected
from tests.connectors.ramp.openapi import OpenApi, ramp_2025
from tests.connectors.ramp.target_kit import CODING, PREFIX, PROFILES, Bench, Sent, operation
from tests.connectors.ramp.test_target_codings import code
from tests.connectors.ramp.test_target_vendors import create as create_vendor
from tests.reference import reference

# Operations that the file does not list, or not with a body; nothing of them can be held against it.
UNLISTED = {
    "POST /accounting/codings": "FACTS.md section 5: in neither spec, described in Ramp's guide of 2026",
    "POST /bills/drafts": "delta-2026.md: draft bills can be made since 2026",
    "PATCH /bills/drafts/{}": "delta-2026.md: draft bills can be changed since 2026",
}
# What the file calls required and 2026 does not: schema, field, source.
OPTIONAL = (
    ("ApiCreateBillParamsRequestBody", "vendor_contact_id", "CREATE_BILL.md: nullable, `use_default_vendor_contact`"),
    ("ApiCreateBillParamsRequestBody", "payment_method", "CREATE_BILL.md: default UNSPECIFIED since 2026"),
    ("ApiVendorCreateRequestBody", "vendor_owner_id", "delta-2026.md: became optional"),
)
# Fields of requests that came in 2026: schema, field, its type, source.
ADDED = (
    ("ApiCreateBillParamsRequestBody", "use_default_vendor_contact", "boolean", "CREATE_BILL.md"),
    ("ApiCreateBillParamsRequestBody", "use_default_payment_method", "boolean", "CREATE_BILL.md"),
    ("ApiCreateBillParamsRequestBody", "vendor_memo", "string", "CREATE_BILL.md: 400 characters"),
    ("ApiUpdateBillParamsRequestBody", "vendor_memo", "string", "delta-2026.md, Bill PATCH"),
    ("ApiVendorCreateRequestBody", "external_vendor_id", "string", "delta-2026.md, Vendor create"),
)
# Filters that came in 2026: path, parameter, source.
FILTERS = (
    ("/bills", "remote_id", "delta-2026.md: list filters added"),
    ("/bills", "invoice_number", "delta-2026.md: list filters added"),
    ("/bills", "draft_bill_id", "delta-2026.md: list filters added"),
    ("/vendors", "external_vendor_id", "CREATE_BILL.md, vendor step: lookup by external_vendor_id"),
)
LONGER = (
    ("ApiCreateBillParamsRequestBody", "invoice_number", 84, "CREATE_BILL.md: changelog of January 2026"),
    ("ApiUpdateBillParamsRequestBody", "invoice_number", 84, "CREATE_BILL.md: changelog of January 2026"),
)


def described(profile: Profile) -> OpenApi:
    """The file, with what 2026 changed when the profile has it."""
    if profile == "2025-08":
        return ramp_2025()
    document = copy.deepcopy(json.loads(reference("ramp", "developer-api-2025-08.json").read_text(encoding="utf-8")))
    schemas = document["components"]["schemas"]
    for schema, name, _source in OPTIONAL:
        schemas[schema]["required"].remove(name)
    for schema, name, kind, _source in ADDED:
        assert name not in schemas[schema]["properties"], f"{schema}.{name} needs no waiver"
        schemas[schema]["properties"][name] = {"type": kind, "nullable": True}
    for path, name, _source in FILTERS:
        known = document["paths"][PREFIX + path]["get"]["parameters"]
        assert all(item["name"] != name for item in known), f"{path}?{name} needs no waiver"
        known.append({"name": name, "in": "query", "schema": {"type": "string"}})
    for schema, name, most, _source in LONGER:
        schemas[schema]["properties"][name]["maxLength"] = most
    return OpenApi(document)


def everything(profile: Profile) -> Bench:
    """Every request, each in the shapes that it has."""
    bench = Bench(profile)
    bench.push(create_vendor())
    vendor = operation("VendorUpdate", {"country": "US", "state": "TX", "description": "x"}, bench.vendor)
    bench.push(vendor)
    bench.push(operation("VendorLink", {"vendor_id": bench.vendor, "accounting_vendor_remote_id": "1"}))
    made = bench.push(operation("BillCreate", bench.bill(memo="m", vendor_memo="v", posting_date="2026-11-30"))).ids
    yen = {"invoice_currency": "JPY", "line_items": [{"amount": "1050"}], "remote_id": "r-2", "invoice_number": "8"}
    paid = bench.push(operation("BillCreate", bench.bill(**yen, paid={"on": "2026-11-03"}))).ids
    change = bench.bill(
        memo="n", vendor_memo="w", line_items=[{"amount": "3.00", "coding": CODING}], due_at="2026-12-24"
    )
    bench.push(operation("BillUpdate", change, made["id"], base=bench.bill(memo="m", posting_date="2026-11-30")))
    other = bench.simulator.add_vendor("Other").id
    bench.push(operation("BillUpdate", {**change, "vendor_id": other}, made["id"]))
    bench.push(operation("BillArchive", {}, made["id"]))
    with pytest.raises(Rejected):
        bench.push(operation("BillArchive", {}, paid["id"]))
    bench.push(code(bench.simulator.add_transaction(Money(5000)).id))
    for name in ("vendors", "accounts", "entities", "open_transactions"):
        list(bench.ramp.list_objects(name))
    if profile == "2026-08":
        _drafts(bench)
    return bench


def _drafts(bench: Bench) -> None:
    body = bench.bill(remote_id="r-3", invoice_number="N" * 84)
    made = bench.push(operation("BillCreate", {**body, "draft": True})).ids["id"]
    bench.push(operation("BillUpdate", {**body, "memo": "x"}, made))
    complete_draft(bench.world, made)
    bench.push(operation("BillUpdate", {**body, "memo": "y"}, made))
    default = bench.open(unpaid_bills="vendor_default")
    default.write(operation("BillCreate", bench.bill(remote_id="r-4", invoice_number="10")))


def spelt(sent: Sent) -> str:
    path = sent.path.removeprefix(PREFIX)
    return f"{sent.method} /bills/drafts/{{}}" if "/bills/drafts/" in path else f"{sent.method} {path}"


def parts_of(sent: Sent) -> bytes:
    """The form data of a multipart body as the JSON that the file describes it by."""
    message = message_from_bytes(f"Content-Type: {sent.content_type}\r\n\r\n".encode() + sent.body)
    parts: dict[str, Any] = {}
    for part in message.walk():
        if part.get_content_disposition() == "form-data":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            parts[str(part.get_param("name", header="content-disposition"))] = content.decode()
    return json.dumps(parts).encode()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_request_validates(profile: Profile) -> None:
    api, bench = described(profile), everything(profile)
    seen = set()
    for sent in bench.tape:
        if spelt(sent) in UNLISTED:
            seen.add(spelt(sent))
            continue
        body = parts_of(sent) if sent.content_type.startswith("multipart/") else sent.body
        api.check_request(sent.method, sent.path, sent.query, body, sent.content_type)
    assert seen == (set(UNLISTED) if profile == "2026-08" else {"POST /accounting/codings"})


@pytest.mark.parametrize("profile", PROFILES)
def test_every_answer_validates(profile: Profile) -> None:
    api, bench = described(profile), everything(profile)
    checked = 0
    for sent in bench.tape:
        if spelt(sent) in UNLISTED or sent.status >= 400 or not sent.answer:
            continue
        api.check_answer(sent.method, sent.path, sent.status, json.loads(sent.answer))
        checked += 1
    assert checked > 30


def test_every_waiver_is_needed() -> None:
    """Each field and filter of 2026 is sent, and none of what became optional: the list only shrinks."""
    bench = everything("2026-08")
    bench.ramp = bench.open(vendor_owner="")
    bench.push(create_vendor(name="No owner", external_vendor_id="v-2"))
    bodies = {
        "ApiCreateBillParamsRequestBody": bench.sent("/bills"),
        "ApiVendorCreateRequestBody": bench.sent("/vendors"),
        "ApiUpdateBillParamsRequestBody": [json.loads(s.body) for s in bench.tape if s.method == "PATCH"],
    }
    for schema, name, _source in OPTIONAL:
        assert any(name not in body for body in bodies[schema]), name
    sent = {(schema, name) for schema, given in bodies.items() for body in given for name in body}
    unused = [(schema, name) for schema, name, _kind, _source in ADDED if (schema, name) not in sent]
    assert unused == []
    queries = {(s.path.removeprefix(PREFIX), part.split("=")[0]) for s in bench.tape for part in s.query.split("&")}
    assert {(path, name) for path, name, _source in FILTERS} <= queries


def test_a_wrong_request_is_found() -> None:
    body = json.dumps({"name": "x", "country": "US", "business_vendor_contacts": {"email": "a@b.co"}}).encode()
    with pytest.raises(AssertionError, match="vendor_owner_id"):
        ramp_2025().check_request("POST", f"{PREFIX}/vendors", "", body, "application/json")
