"""Settings for vendors and bills, and what an app with fewer scopes can do."""

from __future__ import annotations

import pytest

from connectors.ramp import CONNECTOR
from connectors.ramp.spec import SCOPES, SETTLE_S, SPEC, WRITE_SCOPES
from engine.contract import Listing
from engine.errors import AuthRefused
from tests.connectors.ramp.source_kit import SECRETS, binding
from tests.connectors.ramp.target_kit import Bench, operation


def said(**settings: str | int | bool) -> list[tuple[str, str, str | None]]:
    found = CONNECTOR.check(binding(SECRETS, **settings))
    return [(problem.where, problem.message, problem.hint) for problem in found]


@pytest.mark.parametrize("unpaid", ["vendor_default", "draft"])
def test_ways_to_pay_of_2026_are_not_in_2025(unpaid: str) -> None:
    assert said(unpaid_bills=unpaid) == []
    assert said(unpaid_bills=unpaid, api_profile="2025-08") == [
        ("unpaid_bills", f"`{unpaid}` is not in profile 2025-08", "leave it out, or set `api_profile` to 2026-08")
    ]


def test_wrong_values_are_named() -> None:
    hint = "leave it out for the usual time"
    assert said(vendor_country="USA", settle_s=-1) == [
        ("vendor_country", "must be two letters", "write US for the United States"),
        ("settle_s", "must be a whole number from 0 to 3600", hint),
    ]
    assert [where for where, _, _ in said(unpaid_bills="cash", settle_s=True)] == ["unpaid_bills", "settle_s"]
    assert said(vendor_country="us", settle_s=0, vendor_owner="a@b.example", vendor_email="c@d.example") == []


def test_a_lost_write_may_take_longer_than_ramps_own_limit_to_show() -> None:
    assert (SPEC.settle_s, SETTLE_S) == (120, 120)


def test_all_scopes_are_asked_for_and_an_app_that_only_reads_still_reads() -> None:
    assert set(WRITE_SCOPES) < set(SCOPES)
    few = ("bills:read", "vendors:read")
    bench = Bench("2026-08", options={"scopes": few})
    assert [page.records for page in bench.ramp.read("bills", {}, None)] == [[]]
    with pytest.raises(AuthRefused) as caught:
        bench.push(operation("VendorCreate", {"name": "N", "country": "US", "email": "n@new.example"}))
    assert str(caught.value) == "acme/ramp: scopes that were not granted: vendors:write"


def test_the_lists_of_the_spec_are_those_that_are_read() -> None:
    ramp = Bench("2026-08").ramp
    assert isinstance(ramp, Listing)
    for name in ("vendors", "accounts", "entities", "open_transactions"):
        listed = SPEC.list(name)
        assert listed is not None
        data = {field.name for field in listed.fields} - {"list_id", "full_name", "active", "number"}
        given = {key for page in ramp.list_objects(name) for item in page for key in item.data}
        assert given in (data, set())
