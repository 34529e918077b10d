"""Vendors in Ramp: found by our id, then by name; created once; changed and linked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from connectors.ramp.simulator.build import add_vendor
from connectors.ramp.simulator.records import Account, Profile
from engine.contract import Operation, Receipt
from engine.errors import Ambiguous, BadAnswer, Rejected
from tests.connectors.ramp.target_kit import PROFILES, Bench, operation

each = pytest.mark.parametrize("profile", PROFILES)
ADDRESS = {"address_line_1": "1 Main St", "city": "Troy", "postal_code": "12180", "state": "NY", "country": "US"}


def create(**fields: Any) -> Operation:
    body = {
        "name": "Müller & Söhne",
        "country": "us",
        "state": "NY",
        "email": "ap@mueller.example",
        "contact_name": "Ada van Houten",
        "phone": "+15185550100",
        "external_vendor_id": "freshbooks:a1:vendor:9",
        "accounting_vendor_remote_id": "80000001-1",
        "address": ADDRESS,
        "description": "paper",
    }
    return operation("VendorCreate", {name: value for name, value in {**body, **fields}.items() if value is not None})


@each
def test_a_vendor_is_created_as_the_profile_wants_it(profile: Profile) -> None:
    bench = Bench(profile)
    receipt = bench.push(create())
    own = {"external_vendor_id": "freshbooks:a1:vendor:9"} if profile == "2026-08" else {}
    contact = {"email": "ap@mueller.example", "first_name": "Ada", "last_name": "van Houten", "phone": "+15185550100"}
    assert bench.sent("/vendors") == [
        {
            "name": "Müller & Söhne",
            "business_vendor_contacts": contact,
            "request_payment_details": False,
            "request_tax_details": False,
            "country": "US",
            "state": "NY",
            "address": ADDRESS,
            "accounting_vendor_remote_id": "80000001-1",
            "vendor_owner_id": next(iter(bench.world.users)),
            **own,
        }
    ]
    made = bench.world.vendors[receipt.ids["id"]]
    assert (receipt.ids["name"], made.by_api) == ("Müller & Söhne", True)
    assert bench.push(create()) == receipt
    assert bench.writes() == ["POST /vendors"]


@each
@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "truncated"])
def test_a_lost_answer_is_found_and_not_created_again(profile: Profile, fault: str) -> None:
    bench = Bench(profile)
    bench.fault(fault, "POST", "/vendors")
    with pytest.raises(Ambiguous):
        bench.push(create())
    found = bench.open().find(create())
    assert found is not None
    assert bench.world.vendors[found.ids["id"]].name == "Müller & Söhne"


@each
def test_a_vendor_of_that_name_is_taken_over_in_whatever_case(profile: Profile) -> None:
    bench = Bench(profile)
    there = bench.simulator.add_vendor("MÜLLER & SÖHNE")
    assert bench.push(create()) == Receipt({"id": there.id, "name": "MÜLLER & SÖHNE"})
    assert bench.writes() == []


@each
def test_several_of_one_name_are_a_persons_choice(profile: Profile) -> None:
    bench = Bench(profile)
    ids = [bench.simulator.add_vendor("Müller & Söhne").id for _ in range(2)]
    with pytest.raises(Ambiguous) as caught:
        bench.ramp.find(create())
    assert (str(caught.value), caught.value.hint) == (
        f"acme/ramp: VendorCreate: Ramp has several vendors that fit: {', '.join(ids)}",
        "make inactive in Ramp those that are not used, or run `flowctl retry ID --there ID-THERE`",
    )
    bench.simulator.add_vendor("Elsewhere", external_id="freshbooks:a1:vendor:9")
    if profile == "2026-08":  # our own id says which one, whatever it is called by now
        found = bench.ramp.find(create())
        assert found is not None
        assert found.ids["name"] == "Elsewhere"


@each
def test_one_that_is_switched_off_is_not_used(profile: Profile) -> None:
    bench = Bench(profile)
    off = bench.simulator.add_vendor("Müller & Söhne", is_active=False).id
    with pytest.raises(Rejected) as caught:
        bench.push(create())
    assert (str(caught.value), caught.value.hint) == (
        f"acme/ramp: VendorCreate: Ramp has the vendor {off}, and it is not active",
        "activate it in Ramp, or make the vendor inactive in the source; then run `flowctl retry ID`",
    )
    on = bench.simulator.add_vendor("Müller & Söhne").id
    assert bench.push(create()).ids["id"] == on


def test_a_server_that_ignores_our_id_is_noticed() -> None:
    bench = Bench("2025-08", settings={"api_profile": "2026-08"})
    add_vendor(bench.world, "Müller & Söhne")
    found = bench.ramp.find(create())
    assert found is not None
    assert found.ids["name"] == "Müller & Söhne"
    assert bench.ramp.find(create(name="Nobody")) is None


@each
def test_what_is_missing_comes_from_the_settings_or_is_named(profile: Profile) -> None:
    bench = Bench(profile)
    for missing, text, example in (
        ("email", "without an e-mail address", "ap@acme.example"),
        ("country", "without a country", "US"),
    ):
        with pytest.raises(Rejected) as caught:
            bench.push(create(**{missing: None}))
        assert str(caught.value) == f"acme/ramp: VendorCreate: {text}, and Ramp wants one of every vendor"
        assert caught.value.hint == (
            "give the vendor one in the source, or all that have none with `flowctl connect ramp --company acme --set "
            f"vendor_{missing}={example}`; then run `flowctl retry ID`"
        )
    with pytest.raises(Rejected) as caught:
        bench.push(create(country="United States"))
    assert str(caught.value) == "acme/ramp: VendorCreate: `country` is no code of two letters"
    bench.ramp = bench.open(vendor_email="ap@here.example", vendor_country="ca")
    bench.push(create(email=None, country=None, address={"city": "Lyon"}))
    (body,) = bench.sent("/vendors")
    assert body["business_vendor_contacts"]["email"] == "ap@here.example"
    assert (body["country"], "state" in body, "address" in body) == ("CA", False, False)


def test_the_older_profile_needs_an_owner() -> None:
    bench = Bench("2025-08", settings={"vendor_owner": ""})
    with pytest.raises(Rejected) as caught:
        bench.push(create())
    assert (str(caught.value), caught.value.hint) == (
        "acme/ramp: profile 2025-08 needs an owner of a new vendor",
        (
            "name an active Ramp user by id or e-mail address with "
            "`flowctl connect ramp --company acme --set vendor_owner=ap@acme.example`; then run `flowctl retry ID`"
        ),
    )
    bench.ramp = bench.open(vendor_owner="nobody@example.com")
    with pytest.raises(Rejected) as caught:
        bench.push(create())
    assert str(caught.value) == "acme/ramp: Ramp has no user with the e-mail address of `vendor_owner`"
    owner = list(bench.world.users)[1]
    bench.ramp = bench.open(vendor_owner=owner)
    assert bench.world.vendors[bench.push(create()).ids["id"]].owner_id == owner


def test_the_newer_profile_needs_no_owner() -> None:
    bench = Bench("2026-08", settings={"vendor_owner": ""})
    bench.push(create())
    assert "vendor_owner_id" not in bench.sent("/vendors")[0]


@each
def test_only_what_differs_is_changed(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create()).ids["id"]
    body = {"country": "US", "state": "NY", "address": {**ADDRESS, "city": "Albany"}, "description": "pens"}
    change = operation("VendorUpdate", body, made)
    assert bench.push(change) == Receipt({"id": made})
    assert bench.sent(f"/vendors/{made}", "PATCH") == [
        {"address": {**ADDRESS, "city": "Albany"}, "description": "pens"}
    ]
    bench.tape.clear()
    assert bench.push(change) == Receipt({"id": made})
    assert bench.calls() == [f"GET /vendors/{made}"]


@each
def test_a_vendor_is_linked_to_one_of_the_books(profile: Profile) -> None:
    bench = Bench(profile)
    link = operation("VendorLink", {"vendor_id": bench.vendor, "accounting_vendor_remote_id": "80000002-1"})
    bench.fault("timeout_after", "PATCH", "/vendors")
    with pytest.raises(Ambiguous):
        bench.push(link)
    assert bench.push(link) == Receipt({"id": bench.vendor})
    assert bench.writes() == [f"PATCH /vendors/{bench.vendor}"]
    account = bench.world.vendors[bench.vendor].accounting
    assert account is not None
    assert account.external_id == "80000002-1"


@each
def test_a_link_that_somebody_else_has_made_meanwhile_stays(profile: Profile) -> None:
    bench = Bench(profile)
    world = bench.world
    theirs = Account("80000009-1", "Acme Supply")
    world.vendors[bench.vendor] = replace(world.vendors[bench.vendor], accounting=theirs)
    with pytest.raises(Rejected) as caught:
        bench.push(operation("VendorLink", {"vendor_id": bench.vendor, "accounting_vendor_remote_id": "80000002-1"}))
    said = f"Ramp links the vendor {bench.vendor} to 80000009-1 already, and nothing was changed"
    assert (str(caught.value), caught.value.code) == (f"acme/ramp: VendorLink: {said}", "linked")
    assert (bench.writes(), world.vendors[bench.vendor].accounting) == ([], theirs)


@each
def test_a_vendor_that_is_gone_is_not_linked(profile: Profile) -> None:
    gone = "44444444-4444-4444-8444-444444444444"
    with pytest.raises(Rejected) as caught:
        Bench(profile).push(operation("VendorLink", {"vendor_id": gone, "accounting_vendor_remote_id": "1"}))
    assert str(caught.value) == f"acme/ramp: VendorLink: Ramp has no vendor {gone} any more"


@each
def test_another_vendor_than_was_asked_for_is_not_changed(profile: Profile) -> None:
    bench = Bench(profile)
    other = bench.simulator.add_vendor("Other").id

    def exchange(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        path = f"/developer/v1/vendors/{bench.vendor}"
        return httpx.Response(200, json={**answer.json(), "id": other}) if request.url.path == path else answer

    bench.change = exchange
    body = {"vendor_id": bench.vendor, "accounting_vendor_remote_id": "80"}
    with pytest.raises(BadAnswer) as caught:
        bench.push(operation("VendorLink", body, bench.vendor))
    assert str(caught.value) == "acme/ramp: Ramp answered with another object than was asked for (vendors)"
    assert bench.writes() == []
