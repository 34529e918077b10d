from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors._http import parse_json
from connectors.bill import CONNECTOR
from connectors.bill.records import normalise
from connectors.bill.spec import PATHS
from engine.errors import AuthRefused, ExpressionError
from engine.money import parse_money
from engine.spec import FieldSpec
from tests.connectors.bill.bill_kit import FakeBill, Row, bill, error, errors, named
from tests.connectors.http_kit import reply
from tests.reference import reference


def fields_of(stream: str) -> tuple[FieldSpec, ...]:
    spec = CONNECTOR.spec.stream(stream)
    assert spec is not None
    return spec.fields


def read_one(stream: str, text: str) -> Row:
    return normalise(stream, parse_json(text.encode()))


def fits(value: Any, field: FieldSpec) -> bool:
    """Whether a value is what its field promises."""
    if field.type == "list":
        return isinstance(value, list) and all(shaped(entry, field.fields) for entry in value)
    if value is None:
        return True
    if field.type == "object":
        return shaped(value, field.fields)
    return isinstance(value, bool if field.type == "boolean" else str)


def shaped(value: Any, fields: tuple[FieldSpec, ...]) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == [f.name for f in fields]
        and all(fits(value[f.name], f) for f in fields)
    )


NOTHING = dict.fromkeys(f.name for f in fields_of("bills")) | {"billLineItems": []}
CODING = dict.fromkeys(
    (
        "chartOfAccountId",
        "accountingClassId",
        "departmentId",
        "employeeId",
        "jobId",
        "locationId",
        "itemId",
        "customerId",
        "chartOfAccount",
        "accountingClass",
        "department",
        "location",
    )
)


def test_a_bill_as_bill_sends_it() -> None:
    text = """{"id": "00n01", "archived": false, "vendorId": "00901", "vendorName": "Acme", "fundingAmount": 9.5,
        "amount": 228.99, "paidAmount": 0, "dueAmount": 228.99, "scheduledAmount": 0.0, "creditAmount": 1e2,
        "exchangeRate": 778.1613460942638, "description": "Dec Bill", "dueDate": "2025-12-31",
        "invoice": {"invoiceNumber": "202501", "invoiceDate": "2025-12-15T00:00:00.000Z"},
        "billLineItems": [{"id": "bli01", "amount": 149, "quantity": 2.50, "price": 59.6, "description": "Interface",
            "classifications": {"chartOfAccountId": "0ca01", "accountingClassId": "cls01", "extra": 1}},
            {"id": "bli02", "amount": 79.99, "description": "Pedal"}],
        "payFromChartOfAccountId": "0ca02", "paymentStatus": "UNPAID", "approvalStatus": "APPROVED",
        "createdTime": "2025-12-15T23:15:23.127+00:00", "updatedTime": "2025-12-16T23:15:23.127+00:00",
        "classifications": {"chartOfAccountId": "0ca03", "chartOfAccount": {"name": "not from us"}},
        "approvers": [{"userId": "00601", "status": "APPROVED"}], "purchaseOrderNumber": "PO-7", "createdBy": "00601"}"""
    assert read_one("bills", text) == {
        "id": "00n01",
        "archived": False,
        "vendorId": "00901",
        "vendorName": "Acme",
        "amount": "228.99",
        "paidAmount": "0",
        "dueAmount": "228.99",
        "creditAmount": "100",
        "scheduledAmount": "0",
        "currency": None,
        "exchangeRate": "778.1613460942638",
        "description": "Dec Bill",
        "dueDate": "2025-12-31",
        "invoice": {"invoiceNumber": "202501", "invoiceDate": "2025-12-15"},
        "billLineItems": [
            {
                "id": "bli01",
                "amount": "149",
                "quantity": "2.50",
                "price": "59.6",
                "description": "Interface",
                "classifications": CODING | {"chartOfAccountId": "0ca01", "accountingClassId": "cls01"},
            },
            {
                "id": "bli02",
                "amount": "79.99",
                "quantity": None,
                "price": None,
                "description": "Pedal",
                "classifications": None,
            },
        ],
        "payFromChartOfAccountId": "0ca02",
        "paymentStatus": "UNPAID",
        "approvalStatus": "APPROVED",
        "purchaseOrderNumber": "PO-7",
        "classifications": CODING | {"chartOfAccountId": "0ca03"},
        "createdTime": "2025-12-15T23:15:23.127+00:00",
        "updatedTime": "2025-12-16T23:15:23.127+00:00",
    }


def test_a_bill_with_nothing_but_an_id_has_every_field() -> None:
    assert read_one("bills", '{"id": "00n01"}') == NOTHING | {"id": "00n01"}


def test_a_payment_of_many_bills_net_of_credits() -> None:
    text = """{"id": "stp01", "vendorId": "00901", "billId": "00n01", "amount": 150.25, "billPayments": [
        {"id": "blp01", "billId": "00n01", "amount": 100.25, "vendorCredits": [{"id": "vcr01", "amount": 20}]},
        {"id": "blp02", "billId": "00n02", "amount": 50}],
        "disbursementInfo": {"isVoidable": true, "checkDisbursement": {"sentDate": "2026-11-01", "checkNumber": 5697},
            "rppsDisbursement": {"traceNumber": 7813, "batchNumber": "7060"}, "vcardDisbursement": {"x": 1}},
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": "bac01"}, "processDate": "2026-11-20", "onlinePayment": true,
        "voidInfo": [{"id": "v1", "type": "VOID_ONLY", "status": "REJECTED", "reason": "lost", "requestedBy": "006"}]}"""
    record = read_one("payments", text)
    assert record["billPayments"] == [
        {"id": "blp01", "billId": "00n01", "amount": "100.25", "vendorCredits": [{"id": "vcr01", "amount": "20"}]},
        {"id": "blp02", "billId": "00n02", "amount": "50", "vendorCredits": []},
    ]
    assert record["amount"] == "150.25"
    assert record["disbursementInfo"] == {
        "isVoidable": True,
        "checkDisbursement": {"sentDate": "2026-11-01", "arrivesByDate": None, "checkNumber": "5697"},
        "achDisbursement": None,
        "rppsDisbursement": {"sentDate": None, "arrivesByDate": None, "traceNumber": "7813", "batchNumber": "7060"},
        "internationalDisbursement": None,
    }
    assert record["fundingAccount"] == {"type": "BANK_ACCOUNT", "id": "bac01"}
    (void,) = record["voidInfo"]
    assert void == {
        "id": "v1",
        "type": "VOID_ONLY",
        "status": "REJECTED",
        "reason": "lost",
        "createdTime": None,
        "updatedTime": None,
    }


@pytest.mark.parametrize("listed", ["", ', "billPayments": null', ', "billPayments": []'])
def test_a_payment_of_one_bill_in_the_old_shape_has_one_entry(listed: str) -> None:
    record = read_one("payments", f'{{"id": "stp01", "billId": "00n01", "amount": 70.50{listed}}}')
    assert record["billPayments"] == [{"id": None, "billId": "00n01", "amount": "70.50", "vendorCredits": []}]
    assert read_one("payments", f'{{"id": "stp01", "amount": 70.50{listed}}}')["billPayments"] == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("0.1", "0.1"),
        ("1e2", "100"),
        ("1E+2", "100"),
        ("1.50e1", "15.0"),
        ("12e-2", "0.12"),
        ("1", "1"),
        ("-3.10", "-3.10"),
        ("0", "0"),
        ("0.00", "0"),
        ("-0.0", "0"),
        ("0e9999", "0"),
        ("4970.661902410247", "4970.661902410247"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("9999999999999.99", "9999999999999.99"),
        ('"12.30"', "12.30"),
        ('"-7"', "-7"),
        ("null", None),
    ],
)
def test_numbers_keep_every_digit(given: str, text: str | None) -> None:
    record = read_one("bills", f'{{"id": "x", "amount": {given}, "exchangeRate": {given}}}')
    assert (record["amount"], record["exchangeRate"]) == (text, text)
    if text is not None:
        assert parse_money(record["amount"]) == Decimal(text)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("10000000000000", "unreadable: too large, or too many digits"),
        ("-1e13", "unreadable: too large, or too many digits"),
        ("1e400", "unreadable: too large, or too many digits"),
        ("1e-400", "unreadable: too large, or too many digits"),
        ("0." + "1" * 61, "unreadable: too large, or too many digits"),
        ("9" * 4000, "unreadable: too large, or too many digits"),
        ("true", "unreadable: not a number"),
        ('"1e2"', "unreadable: not a number"),
        ('"1,000.00"', "unreadable: not a number"),
        ('"NaN"', "unreadable: not a number"),
        ('""', "unreadable: not a number"),
        ('{"value": 7}', "unreadable: not a number"),
        ("[7]", "unreadable: not a number"),
    ],
)
def test_what_is_no_amount_fails_aloud_and_alone(given: str, text: str) -> None:
    record = read_one("bills", f'{{"id": "x", "amount": {given}, "description": "kept"}}')
    assert (record["amount"], record["description"]) == (text, "kept")
    with pytest.raises(ExpressionError):
        parse_money(record["amount"])


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**13) + 1, max_value=10**13 - 1, places=2))
def test_any_amount_is_the_same_amount_afterwards(amount: Decimal) -> None:
    record = normalise("bills", {"id": "x", "amount": amount})
    assert parse_money(record["amount"]) == amount


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_any_float_is_read_as_it_was_written(number: float) -> None:
    text = json.dumps(number)
    written = read_one("bills", f'{{"id": "x", "amount": {text}}}')["amount"]
    assert written.startswith("unreadable") if 0 < abs(number) < 1e-60 else Decimal(written) == Decimal(text)


@pytest.mark.parametrize(
    ("stream", "part", "wrong"),
    [
        ("bills", "billLineItems", {"id": "x"}),
        ("bills", "billLineItems", "lines"),
        ("bills", "billLineItems", [None]),
        ("bills", "billLineItems", [7]),
        ("bills", "invoice", [1]),
        ("bills", "classifications", "0ca01"),
        ("payments", "billPayments", {"id": "x"}),
        ("payments", "billPayments", ["x"]),
        ("payments", "disbursementInfo", True),
        ("vendor_credits", "vendorCreditLineItems", 7),
        ("vendor_credits", "usage", [[]]),
    ],
)
def test_a_part_of_a_wrong_shape_makes_the_amount_unreadable(stream: str, part: str, wrong: object) -> None:
    record = normalise(stream, {"id": "x", "amount": Decimal("7.50"), part: wrong})
    assert record["amount"] == f"unreadable: `{part}` has a wrong shape"
    assert shaped(record, fields_of(stream))
    with pytest.raises(ExpressionError):
        parse_money(record["amount"])


def test_a_wrong_shape_deep_inside_is_noticed_too() -> None:
    lines = [{"amount": 1}, {"amount": 2, "classifications": ["0ca01"]}]
    record = normalise("bills", {"id": "x", "amount": 3, "billLineItems": lines})
    assert record["amount"] == "unreadable: `classifications` has a wrong shape"
    paid = [{"billId": "b", "amount": 1, "vendorCredits": {"id": "c"}}]
    record = normalise("payments", {"id": "x", "amount": 1, "billPayments": paid})
    assert record["amount"] == "unreadable: `vendorCredits` has a wrong shape"


@pytest.mark.parametrize(
    ("given", "date"),
    [
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T00:00:00.000Z", "2026-12-01"),
        ("2026-12-01T00:00:00.000+00:00", "2026-12-01"),
        ("2026-12-011", "2026-12-011"),
        ("12/01/2026", "12/01/2026"),
        ("", ""),
        (20261201, "20261201"),
        (None, None),
        (True, None),
        (["2026-12-01"], None),
    ],
)
def test_dates_lose_a_time_of_day_and_nothing_else(given: object, date: str | None) -> None:
    assert normalise("bills", {"id": "x", "dueDate": given})["dueDate"] == date


@pytest.mark.parametrize("stream", PATHS)
def test_values_of_wrong_types_never_end_in_a_traceback(stream: str) -> None:
    chance = random.Random(stream)
    odd: list[Any] = [
        None,
        True,
        7,
        Decimal("1.5"),
        Decimal("1E+999"),
        -(10**30),
        "text",
        "\ud800",
        [],
        {},
        [{}],
        [None],
    ]

    def made(fields: tuple[FieldSpec, ...], depth: int) -> Row:
        return {f.name: value(f, depth) for f in fields if chance.random() < 0.9}

    def value(field: FieldSpec, depth: int) -> Any:
        if depth and field.fields and chance.random() < 0.7:
            inner = made(field.fields, depth - 1)
            return [inner, inner] if field.type == "list" else inner
        return chance.choice(odd)

    for _ in range(300):
        record = normalise(stream, made(fields_of(stream), 3) | {"id": "x"})
        assert shaped(record, fields_of(stream))
        json.dumps(record)


# --- names of the coding ----------------------------------------------------------------------------------------------

LISTS: dict[str, list[Row]] = {
    "chart_of_accounts": [
        named("0ca01", "Office", account={"type": "EXPENSE", "number": "6100"}),
        named("0ca02", "Travel", archived=True, account={"type": "EXPENSE"}),
        named("0ca03", "Bank"),
    ],
    "classes": [named("cls01", "Austin")],
    "departments": [named("0de01", "Sales")],
    "locations": [named("loc01", "Main Street")],
}
CODED = {"chartOfAccountId": "0ca01", "accountingClassId": "cls01", "departmentId": "0de01", "locationId": "loc01"}
OFFICE = {
    "chartOfAccount": {"id": "0ca01", "name": "Office", "shortName": "Office", "number": "6100"},
    "accountingClass": {"id": "cls01", "name": "Austin", "shortName": "Austin"},
    "department": {"id": "0de01", "name": "Sales", "shortName": "Sales"},
    "location": {"id": "loc01", "name": "Main Street", "shortName": "Main Street"},
}


def line(**coding: str) -> Row:
    return {"id": "bli01", "amount": 1, "classifications": coding}


def codings(fake: FakeBill, stream: str = "bills", lines: str = "billLineItems") -> list[Row]:
    records = [record for page in fake.open().read(stream, {}, None) for record in page.records]
    return [entry["classifications"] for record in records for entry in record[lines]]


def test_names_are_put_beside_ids_on_bill_and_lines() -> None:
    fake = FakeBill(bills=[bill(1, classifications=CODED, billLineItems=[line(**CODED), line()])], **LISTS)
    source = fake.open()
    (page,) = source.read("bills", {}, None)
    (record,) = page.records
    assert record["classifications"] == CODING | CODED | OFFICE
    assert [entry["classifications"] for entry in record["billLineItems"]] == [CODING | CODED | OFFICE, CODING]
    assert source.get("bills", record["id"]) == record


def test_vendor_credits_get_names_too() -> None:
    credit = {"id": "vcr01", "vendorCreditLineItems": [line(**CODED)]}
    fake = FakeBill(vendor_credits=[credit], **LISTS)
    assert codings(fake, "vendor_credits", "vendorCreditLineItems") == [CODING | CODED | OFFICE]


def test_an_account_without_number_and_an_archived_one_have_a_name() -> None:
    fake = FakeBill(
        bills=[bill(1, billLineItems=[line(chartOfAccountId="0ca02"), line(chartOfAccountId="0ca03")])], **LISTS
    )
    assert [coding["chartOfAccount"] for coding in codings(fake)] == [
        {"id": "0ca02", "name": "Travel", "shortName": "Travel", "number": None},
        {"id": "0ca03", "name": "Bank", "shortName": "Bank", "number": None},
    ]


PARENTS = [
    named("0ca10", "Travel"),
    named("0ca11", "Air", parentId="0ca10"),
    named("0ca12", "Fees", parentId="0ca11"),
    named("0ca13", "Travel:Rail", parentId="0ca10"),
    named("0ca14", "Round", parentId="0ca15"),
    named("0ca15", "About", parentId="0ca14"),
    named("0ca16", "Self", parentId="0ca16"),
    named("0ca17", "Orphan", parentId="0ca99"),
    named("0ca18", "", parentId="0ca10"),
]
PATHS_OF = {
    "0ca10": "Travel",
    "0ca11": "Travel:Air",
    "0ca12": "Travel:Air:Fees",
    "0ca13": "Travel:Rail",
    "0ca14": None,
    "0ca15": None,
    "0ca16": None,
    "0ca17": None,
    "0ca18": None,
}


def test_a_name_is_the_whole_path_and_none_where_the_path_is_not_known() -> None:
    lines = [line(chartOfAccountId=account) for account in PATHS_OF]
    fake = FakeBill(bills=[bill(1, billLineItems=lines)], chart_of_accounts=PARENTS)
    named_there = {coding["chartOfAccountId"]: coding["chartOfAccount"]["name"] for coding in codings(fake)}
    assert named_there == PATHS_OF


@pytest.mark.parametrize("stream", ["chart_of_accounts", "classes", "departments", "locations"])
def test_a_list_has_the_path_beside_the_name(stream: str) -> None:
    fake = FakeBill(100, **{stream: PARENTS})
    (page,) = fake.open().read(stream, {}, None)
    assert {record["id"]: record["fullName"] for record in page.records} == PATHS_OF
    assert [record["name"] for record in page.records] == [row["name"] for row in PARENTS]


def test_what_was_made_after_its_list_was_read_is_asked_for_alone_and_once() -> None:
    late = named("cls02", "Late", parentId="cls01")
    fake = FakeBill(bills=[bill(n, billLineItems=[line(accountingClassId="cls02")]) for n in (1, 2)], **LISTS)
    fake.before = lambda r: reply(200, late) if r.url.path.endswith("/cls02") else None
    late_found = {"id": "cls02", "name": "Austin:Late", "shortName": "Late"}
    assert [coding["accountingClass"] for coding in codings(fake)] == [late_found, late_found]
    assert [call for call in fake.calls() if "classifications" in call] == [
        "GET /connect/v3/classifications/accounting-classes",
        "GET /connect/v3/classifications/accounting-classes/cls02",
    ]


def test_an_id_that_bill_cannot_have_given_has_no_name_and_stops_nothing() -> None:
    fake = FakeBill(bills=[bill(1, billLineItems=[line(accountingClassId="../x")])], **LISTS)
    assert [coding["accountingClass"] for coding in codings(fake)] == [None]


@pytest.mark.parametrize("stream", ["bills", "vendor_credits", "payments"])
def test_the_currency_is_the_vendor_s_and_vendors_are_read_once(stream: str) -> None:
    vendors = [named("v1", "One", billCurrency="CAD"), named("v2", "Two")]
    rows = [{"id": f"x{n}", "vendorId": given} for n, given in enumerate(["v1", "v2", "v1", "v9", "v9", None])]
    fake = FakeBill(100, vendors=vendors, **{stream: rows})
    (page,) = fake.open().read(stream, {}, None)
    assert [record["currency"] for record in page.records] == ["CAD", None, "CAD", None, None, None]
    called = [call for call in fake.calls() if "/vendors" in call]
    assert called == ["GET /connect/v3/vendors", "GET /connect/v3/vendors/v9"]


# --- credits in payments ----------------------------------------------------------------------------------------------

CREDIT = {"id": "vcr01", "amount": 20}


def part(amount: object, credit: Row | None = CREDIT, bill_id: str = "00n01") -> Row:
    return {"id": "blp01", "billId": bill_id, "amount": amount, "vendorCredits": [credit] if credit else []}


@pytest.mark.parametrize(
    ("total", "parts", "due", "included"),
    [
        (80, [part(80, None)], None, False),
        (80, [part(100)], None, True),
        # The sums fit both: what is still owed of the bill of 200 tells.
        (80, [part(80)], 100, False),
        (100, [part(100)], 100, True),
        (80, [part(80), part(50, None, "00n02")], None, None),
        (130, [part(80), part(50, None, "00n02")], 100, False),
        # Another payment covers the bill too, or the bill is not told.
        (80, [part(80)], 0, None),
        (80, [part(80)], None, None),
        (80, [part(80, bill_id="00n09")], 100, None),
        (160, [part(80), part(80, bill_id="00n02")], 100, None),
        # Nothing adds up, or cannot be read.
        (81, [part(80)], 100, None),
        (80, [part("x")], 100, None),
    ],
)
def test_whether_amounts_hold_the_credits_is_told_by_sums_and_bills(
    total: object, parts: list[Row], due: int | None, included: bool | None
) -> None:
    payment = {"id": "stp01", "amount": total, "billPayments": parts}
    bills = [
        bill(1, 200) | {"id": "00n01", "dueAmount": due, "creditAmount": 20},
        bill(2, 200) | {"id": "00n02", "dueAmount": 120, "creditAmount": 20},
    ]
    (page,) = FakeBill(bills=bills, payments=[payment]).open().read("payments", {}, None)
    assert page.records[0]["creditsIncluded"] is included


def test_lists_are_read_once_and_only_when_an_id_needs_them() -> None:
    fake = FakeBill(bills=[bill(n, billLineItems=[line()]) for n in range(1, 4)], **LISTS)
    codings(fake)
    assert {call for call in fake.calls() if "classifications" in call} == set()
    unknown = [line(chartOfAccountId="0ca99"), line(chartOfAccountId="0ca98"), line(accountingClassId="cls01")]
    fake = FakeBill(bills=[bill(n, billLineItems=unknown) for n in range(1, 6)], **LISTS)
    found = codings(fake)
    assert [coding["chartOfAccount"] for coding in found] == [None] * 15
    assert [coding["chartOfAccountId"] for coding in found[:2]] == ["0ca99", "0ca98"]
    assert [call for call in fake.calls() if "classifications" in call] == [
        # Two pages of accounts, one of classes.
        "GET /connect/v3/classifications/chart-of-accounts",
        "GET /connect/v3/classifications/chart-of-accounts",
        "GET /connect/v3/classifications/chart-of-accounts/0ca99",
        "GET /connect/v3/classifications/chart-of-accounts/0ca98",
        "GET /connect/v3/classifications/accounting-classes",
    ]


def test_records_that_a_filter_drops_need_no_names() -> None:
    fake = FakeBill(bills=[bill(1, archived=True, billLineItems=[line(**CODED)])], **LISTS)
    assert [list(page.records) for page in fake.open().read("bills", {"archived": False}, None)] == [[]]
    assert fake.calls() == ["GET /connect/v3/bills"]


def test_a_list_that_may_not_be_read_is_said_and_the_page_comes_later() -> None:
    fake = FakeBill(bills=[bill(1, billLineItems=[line(**CODED)])], **LISTS)
    refused = [errors(403, error("BDC_5000"))]
    fake.before = lambda r: refused.pop() if refused and "departments" in r.url.path else None
    source = fake.open()
    with pytest.raises(AuthRefused) as caught:
        list(source.read("bills", {}, None))
    where = "acme/bill: GET /connect/v3/classifications/departments: 403 (trace trace-1)"
    assert str(caught.value) == f"{where}: not permitted (BDC_5000)"
    (page,) = source.read("bills", {}, None)
    assert page.records[0]["billLineItems"][0]["classifications"] == CODING | CODED | OFFICE


# --- against the vendor's own sample bodies ---------------------------------------------------------------------------

SAMPLES = {
    "get-bills": "bills",
    "get-bills-billid": "bills",
    "post-bills": "bills",
    "get-vendors": "vendors",
    "get-vendors-vendorid": "vendors",
    "post-vendors": "vendors",
    "get-payments": "payments",
    "get-payments-paymentid": "payments",
    "post-bills-record-payment": "payments",
    "get-vendor-credits-vendorcreditid": "vendor_credits",
    "get-classifications-chart-of-accounts": "chart_of_accounts",
    "post-classifications-chart-of-accounts": "chart_of_accounts",
}


def sample(name: str) -> tuple[dict[str, Any], list[Row]]:
    """The documented body, numbers exact, and its objects."""
    body = parse_json(reference("bill", "ap_endpoints_condensed.json").read_bytes())[name]["response"]
    return body, body.get("results", [body])


@pytest.mark.parametrize(("name", "stream"), SAMPLES.items())
def test_documented_bodies_make_whole_records(name: str, stream: str) -> None:
    for row in sample(name)[1]:
        record = normalise(stream, row)
        assert shaped(record, fields_of(stream))
        for field in fields_of(stream):
            if field.type in ("money", "decimal") and field.name in row:
                assert Decimal(record[field.name]) == row[field.name]
            elif field.type == "list" and field.name in row:
                assert len(record[field.name]) == len(row[field.name])
            elif field.type not in ("object", "list", "money", "decimal"):
                assert record[field.name] == row.get(field.name)


@pytest.mark.parametrize("stream", [*dict.fromkeys(SAMPLES.values())])
def test_every_field_we_describe_is_in_a_documented_body(stream: str) -> None:
    rows = [row for name, other in SAMPLES.items() if other == stream for row in sample(name)[1]]

    def missing(fields: tuple[FieldSpec, ...], given: list[Any], path: str) -> list[str]:
        found = []
        for field in fields:
            inner = [row[field.name] for row in given if field.name in row]
            if not inner:
                found.append(path + field.name)
            flat = [part for entry in inner for part in (entry if isinstance(entry, list) else [entry])]
            found += missing(field.fields, flat, f"{path}{field.name}.") if inner else []
        return found

    added = ("chartOfAccount", "accountingClass", "department", "location")
    coding = {
        "bills": ("billLineItems.classifications.", "classifications."),
        "vendor_credits": ("vendorCreditLineItems.classifications.",),
    }
    expected = {path + name for path in coding.get(stream, ()) for name in added}
    beside = {"chart_of_accounts": {"fullName"}, "payments": {"currency", "creditsIncluded"}, "vendors": set[str]()}
    expected |= beside.get(stream, {"currency"})
    if stream == "bills":
        # Lines have these, the bill itself has not.
        expected |= {f"classifications.{name}" for name in ("employeeId", "jobId", "customerId")}
    assert set(missing(fields_of(stream), rows, "")) == expected


@pytest.mark.parametrize("name", ["get-bills", "get-vendors", "get-payments", "get-classifications-chart-of-accounts"])
def test_documented_pages_are_read_whole(name: str) -> None:
    body, rows = sample(name)
    stream = SAMPLES[name]
    rows = [{**row, "id": f"x{number}"} for number, row in enumerate(rows)]
    fake = FakeBill()
    text = json.dumps({**body, "results": rows, "nextPage": None}, default=float)
    fake.before = lambda r: httpx.Response(200, text=text) if r.url.path == PATHS[stream] else None
    (page,) = fake.open().read(stream, {}, None)
    assert [record["id"] for record in page.records] == [row["id"] for row in rows]
