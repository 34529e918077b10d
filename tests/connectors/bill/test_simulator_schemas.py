"""Our schemas of BILL's answers: they are schemas, and BILL's own collection fits them."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from tests.connectors.bill.simulator_kit import SCHEMAS, validator
from tests.reference import reference


def test_every_file_is_a_schema() -> None:
    paths = sorted(SCHEMAS.glob("*.schema.json"))
    assert len(paths) == 15
    for path in paths:
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == path.name


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("post-login", "login"),
        ("get-login-session", "session"),
        ("get-bills", "page"),
        ("get-bills-billid", "bill"),
        ("post-bills", "bill"),
        ("get-vendors-vendorid", "vendor"),
        ("post-vendors", "vendor"),
        ("get-payments-paymentid", "payment"),
        ("post-bills-record-payment", "recorded_payment"),
        ("get-vendor-credits-vendorcreditid", "vendor_credit"),
        ("post-classifications-chart-of-accounts", "chart_of_account"),
        ("get-events-catalog", "events_catalog"),
    ],
)
def test_documented_answers_fit(endpoint: str, name: str) -> None:
    text = reference("bill", "ap_endpoints_condensed.json").read_text(encoding="utf-8")
    documented = json.loads(text)[endpoint]["response"]
    # The collection's ids and moments are made up, so only names, types and words are compared.
    wrong = [e for e in validator(name).iter_errors(documented) if e.validator != "pattern"]
    assert [f"{e.json_path}: {e.message}" for e in wrong] == []


@pytest.mark.parametrize(
    "name", ["session_invalid", "hourly_limit", "untrusted", "validation_no_code", "gateway_object"]
)
def test_documented_errors_fit(name: str) -> None:
    documented = json.loads(reference("bill", "errors.json").read_text(encoding="utf-8"))[name]["body"]
    assert [error.message for error in validator("errors").iter_errors(documented)] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("errors", []),
        ("errors", [{"message": "no severity"}]),
        ("page", {"nextPage": "x"}),
        ("vendor", {"id": "00901AAAAAAAAAAAAAAA", "name": "Acme"}),
        ("webhook", {"metadata": {}}),
    ],
)
def test_other_things_do_not(name: str, value: object) -> None:
    assert not validator(name).is_valid(value)
