"""Our template under real FreeMarker: on data of every kind, against our JSON Schema and the records made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import connectors.expensify
from connectors._http import parse_json
from connectors.expensify import records
from connectors.expensify.client import VERSION
from tests.connectors.expensify.freemarker import needs_freemarker, render
from tests.connectors.expensify.source_kit import expense as blank_expense
from tests.connectors.expensify.source_kit import report as blank_report
from tests.reference import ROOT

SCHEMA = json.loads((ROOT / "schemas" / "expensify" / "report.schema.json").read_text(encoding="utf-8"))
NASTY = 'Café "Olé" \\ <b>&</b></script>\t\n\r\u0001\u2028\u2029 😀 ${1} #{2} <#if> 1,234'
EXPENSE = {
    "transactionID": 4056343049275634494,
    "merchant": NASTY,
    "amount": 123456789,
    "modifiedAmount": "",
    "currency": "USD",
    "created": "2026-10-30",
    "category": 'Meals: "client"',
    "categoryGlCode": 61000,
    "tag": "West:Smith \\ Co:Phase 1",
    "ntag1": "West",
    "ntag1GlCode": "",
    "ntag2": "Smith \\ Co",
    "ntag2GlCode": "C-1",
    "ntag3": "",
    "ntag10": "Phase 1",
    "ntag20": "Last",
    "comment": "multi\nline",
    "reimbursable": True,
    "billable": "false",
    "bank": "",
    "cardNumber": 0,
    "mcc": 5812,
    "receiptObject": {"url": 'https://x/y?z=1&q="2"', "type": "jpg"},
}
FOREIGN = {
    "transactionID": "2",
    "merchant": "(none)",
    "modifiedMerchant": "Refund",
    "amount": -999,
    "modifiedAmount": -1000,
    "convertedAmount": Decimal("-1080.00"),
    "currency": "CAD",
    "category": "",
    "reimbursable": "true",
    "billable": False,
    "bank": "Chase",
    "receiptObject": "",
    "taxAmount": 12.0,
    "attendees": [{"email": "a@example.com"}],
    "units": {"count": 3},
}
REPORT = {
    "reportID": "R00X9oNOn2MO",
    "oldReportID": 3397451,
    "reportName": NASTY,
    "status": "Approved",
    "state": "APPROVED",
    "total": 123455709,
    "currency": "USD",
    "created": datetime(2026, 10, 1, 8, 0, tzinfo=UTC),
    "submitted": "2026-11-02",
    "approved": "2026-11-03 10:11:12",
    "reimbursed": "",
    "policyID": "DEADBEEF12345678",
    "policyName": "Acme",
    "accountEmail": "ann@example.com",
    "submitterUserID": 17,
    "submitterPayrollID": "",
    "manager": "",
    "managerEmail": "boss@example.com",
    "transactionList": [EXPENSE, FOREIGN],
}


def rendered(model: object, folder: Path, locale: str = "en-US") -> dict[str, Any]:
    needs_freemarker()
    body = render(model, folder, locale=locale)
    value: dict[str, Any] = parse_json(body)
    jsonschema.validate(value, SCHEMA, cls=jsonschema.Draft202012Validator)
    return value


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["template"]["const"] == VERSION


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "hi-IN-u-nu-deva", "ar-EG"])
def test_every_field_comes_through_as_text(tmp_path: Path, locale: str) -> None:
    assert rendered({"reports": [REPORT]}, tmp_path, locale) == {
        "template": "flowctl-2",
        "reports": [
            blank_report(
                0,
                reportID="R00X9oNOn2MO",
                oldReportID="3397451",
                reportName=NASTY,
                total="123455709",
                created="2026-10-01T08:00:00Z",
                submitted="2026-11-02",
                approved="2026-11-03 10:11:12",
                reimbursed="",
                policyName="Acme",
                submitterUserID="17",
                submitterPayrollID="",
                managerEmail="boss@example.com",
                expenses=[
                    blank_expense(
                        merchant=NASTY,
                        amount="123456789",
                        modifiedAmount="",
                        created="2026-10-30",
                        category='Meals: "client"',
                        categoryGlCode="61000",
                        tag="West:Smith \\ Co:Phase 1",
                        ntags=[
                            {"level": "1", "name": "West", "glCode": ""},
                            {"level": "2", "name": "Smith \\ Co", "glCode": "C-1"},
                            {"level": "10", "name": "Phase 1", "glCode": None},
                            {"level": "20", "name": "Last", "glCode": None},
                        ],
                        comment="multi\nline",
                        reimbursable="true",
                        billable="false",
                        mcc="5812",
                        receiptUrl='https://x/y?z=1&q="2"',
                    ),
                    blank_expense(
                        transactionID="2",
                        merchant="(none)",
                        modifiedMerchant="Refund",
                        amount="-999",
                        modifiedAmount="-1000",
                        convertedAmount="-1080",
                        currency="CAD",
                        category="",
                        reimbursable="true",
                        billable="false",
                        companyCard="true",
                        taxAmount="12",
                    ),
                ],
            )
        ],
    }


def test_the_records_made_of_it_are_what_the_spec_says(tmp_path: Path) -> None:
    value = rendered({"reports": [REPORT]}, tmp_path)
    record = records.report(value["reports"][0], exported=False, unit="minor")
    assert (record["reportID"], record["reportName"], record["total"]) == ("R00X9oNOn2MO", NASTY, "1234557.09")
    assert [e["amount"] for e in record["expenses"]] == ["1234567.89", "-10.80"]
    assert [e["transactionID"] for e in record["expenses"]] == ["4056343049275634494", "2"]
    assert [e["companyCard"] for e in record["expenses"]] == [False, True]


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"reports": []},
        {"reports": None},
    ],
)
def test_no_report_is_an_empty_list(tmp_path: Path, model: dict[str, Any]) -> None:
    assert rendered(model, tmp_path) == {"template": "flowctl-2", "reports": []}


def test_reports_and_expenses_without_anything_are_nulls(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"reportID": "R1", "currency": None}
    model = {
        "reports": [
            {"reportID": "R1"},
            {"reportID": "R1", "transactionList": []},
            {"reportID": "R1", "transactionList": ""},
            {"reportID": "R1", "transactionList": None},
            {"reportID": "R1", "transactionList": [{}]},
        ]
    }
    empty: dict[str, Any] = {**dict.fromkeys(blank_report(0)), **nothing, "expenses": []}
    bare: dict[str, Any] = {**dict.fromkeys(blank_expense()), "ntags": [], "companyCard": "false"}
    assert rendered(model, tmp_path)["reports"] == [*([empty] * 4), {**empty, "expenses": [bare]}]


def test_a_value_of_a_wrong_kind_is_null_and_spoils_nothing(tmp_path: Path) -> None:
    odd = {
        "transactionID": "3",
        "merchant": {"name": "x"},
        "amount": ["1"],
        "ntag1": {"a": 1},
        "ntag2": True,
        "ntag3": "0",
        "bank": [],
        "cardNumber": {},
        "receiptObject": [],
        "tag": None,
    }
    value = rendered({"reports": [{**REPORT, "transactionList": [odd]}]}, tmp_path)
    bare: dict[str, Any] = {**dict.fromkeys(blank_expense()), "companyCard": "false"}
    assert value["reports"][0]["expenses"] == [
        {**bare, "transactionID": "3", "ntags": [{"level": "2", "name": "true", "glCode": None}]}
    ]


def test_hundreds_of_expenses_and_reports_come_whole(tmp_path: Path) -> None:
    many = [{**EXPENSE, "transactionID": 4056343049275634494 + n, "amount": n - 300} for n in range(700)]
    model = {"reports": [{**REPORT, "transactionList": many}, *({"reportID": f"R{n}"} for n in range(400))]}
    value = rendered(model, tmp_path)
    assert [e["transactionID"] for e in value["reports"][0]["expenses"]] == [
        str(4056343049275634494 + n) for n in range(700)
    ]
    assert [e["amount"] for e in value["reports"][0]["expenses"]] == [str(n - 300) for n in range(700)]
    assert [r["reportID"] for r in value["reports"][1:]] == [f"R{n}" for n in range(400)]


def test_a_template_without_our_care_breaks_on_the_same_data(tmp_path: Path) -> None:
    needs_freemarker()
    naive = tmp_path / "naive.ftl"
    naive.write_text(
        '[<#list reports[0].transactionList as e>{"m":"${e.merchant}","a":${e.amount}}<#sep>,</#sep></#list>]',
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="JSON"):
        parse_json(render({"reports": [REPORT]}, tmp_path, template=naive))


def test_the_template_lies_beside_the_connector() -> None:
    text = (Path(connectors.expensify.__file__).parent / "template.ftl").read_text(encoding="utf-8")
    assert f'{{"template":"{VERSION}"' in text
    assert text.isascii()
