"""Records: ids as text, cents to major units, two currencies, tags of both shapes, and what is missing."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from connectors.expensify import records
from connectors.expensify.amounts import major
from connectors.expensify.settings import AmountUnit
from connectors.expensify.spec import SPEC
from engine.abilities import Tried
from engine.errors import BadAnswer, ExpressionError, Rejected
from engine.money import parse_money
from engine.spec import FieldSpec
from tests.connectors.expensify.source_kit import FakeExpensify, Raw, expense, report


def made(raw: Raw, unit: AmountUnit = "minor") -> Raw:
    return records.report(raw, exported=False, unit=unit)


def one(unit: AmountUnit = "minor", /, *, currency: object = "USD", **fields: object) -> Raw:
    fields = {"currency": currency, **fields}
    raw = report(1, currency="USD", expenses=[expense(**fields)])
    only: Raw = made(raw, unit)["expenses"][0]
    return only


def shape(value: object, fields: tuple[FieldSpec, ...]) -> None:
    assert isinstance(value, dict)
    assert list(value) == [f.name for f in fields]
    for f in fields:
        if f.type == "object":
            shape(value[f.name], f.fields)
        elif f.type == "list":
            for entry in value[f.name]:
                shape(entry, f.fields)


def test_a_whole_report() -> None:
    raw = report(
        7,
        oldReportID="3397451",
        total="-2000",
        reimbursed="2026-11-20",
        created="2026-10-01",
        policyName="Acme",
        submitterUserID="17",
        submitterPayrollID="P-9",
        managerEmail="boss@example.com",
        expenses=[
            expense(
                merchant="Cafe",
                modifiedMerchant="Café",
                amount="-2000",
                created="2026-10-30",
                modifiedCreated="2026-10-31 00:00:00",
                category="Meals",
                categoryGlCode="61000",
                tag="West:Ann",
                tagGlCode="W",
                ntags=[{"level": "1", "name": "West", "glCode": "W"}, {"level": "2", "name": "Ann", "glCode": None}],
                comment="lunch",
                reimbursable="true",
                billable="false",
                companyCard="true",
                mcc="5812",
                modifiedMCC="5814",
                type="expense",
                receiptUrl="https://x/y",
                taxAmount="-150",
                taxName="VAT",
            )
        ],
    )
    assert made(raw) == {
        "reportID": "R00000000007",
        "oldReportID": "3397451",
        "reportName": "Report 7",
        "status": "Approved",
        "state": "APPROVED",
        "total": "-20.00",
        "currency": "USD",
        "created": "2026-10-01",
        "submitted": "2026-11-01",
        "approved": "2026-11-01",
        "reimbursed": "2026-11-20",
        "policyID": "DEADBEEF12345678",
        "policyName": "Acme",
        "accountEmail": "ann@example.com",
        "submitter": {"email": "ann@example.com", "userID": "17", "payrollID": "P-9"},
        "managerEmail": "boss@example.com",
        "isExported": False,
        "isOld": False,
        "expenses": [
            {
                "transactionID": "4056343049275634494",
                "merchant": "Café",
                "amount": "-20.00",
                "currency": "USD",
                "originalAmount": "-20.00",
                "originalCurrency": "USD",
                "category": "Meals",
                "categoryGlCode": "61000",
                "tag": "West:Ann",
                "tagGlCode": "W",
                "tags": [
                    {"level": 1, "name": "West", "path": "West", "glCode": "W"},
                    {"level": 2, "name": "Ann", "path": "West:Ann", "glCode": None},
                ],
                "comment": "lunch",
                "reimbursable": True,
                "billable": False,
                "companyCard": True,
                "created": "2026-10-31",
                "mcc": "5814",
                "type": "expense",
                "receiptUrl": "https://x/y",
                "taxAmount": "-1.50",
                "taxName": "VAT",
            }
        ],
    }


@pytest.mark.parametrize("blank", [None, "", " ", "0"])
def test_what_nobody_set_is_null_in_every_form(blank: object) -> None:
    record = made({**dict.fromkeys(report(1), blank), "reportID": "R1", "expenses": [dict.fromkeys(expense(), blank)]})
    spec = SPEC.stream("reports")
    assert spec is not None
    shape(record, spec.fields)
    # A 0 is an amount, and a boolean, and the absence of everything else.
    zero = blank == "0"
    only = record["expenses"][0]
    assert {k: v for k, v in record.items() if v not in (None, [], False)} == {
        "reportID": "R1",
        "submitter": {"email": None, "userID": None, "payrollID": None},
        "expenses": [only],
        **({"total": "unreadable: no currency"} if zero else {}),
    }
    assert {k: v for k, v in only.items() if v not in (None, [])} == (
        {
            **dict.fromkeys(("amount", "originalAmount", "taxAmount"), "unreadable: no currency"),
            **dict.fromkeys(("reimbursable", "billable", "companyCard"), False),
        }
        if zero
        else {"amount": "unreadable: reimbursable is unknown"}
    )


def test_a_tag_has_those_of_the_levels_above_it() -> None:
    def paths(*named: tuple[int, str | None]) -> list[str | None]:
        tags = [{"level": str(level), "name": name, "glCode": "1"} for level, name in named]
        return [tag["path"] for tag in one(ntags=tags)["tags"]]

    assert paths((1, "A"), (2, "Phase 1")) == ["A", "A:Phase 1"]
    assert paths((1, "B"), (2, "Phase 1"), (3, "X")) == ["B", "B:Phase 1", "B:Phase 1:X"]
    assert paths((2, "Phase 1"), (1, None)) == [":Phase 1", None]
    # What is below `A:B` is not what is below `A`.
    assert [paths((1, "A:B"), (2, "C"))[1], paths((1, "A"), (2, "B:C"))[1]] == [r"A\:B:C", "A:B:C"]


@pytest.mark.parametrize("flag", [None, "", " ", "maybe", "2", 7, ["true"]])
def test_an_amount_of_which_nobody_knows_who_is_owed_it_cannot_be_read(flag: object) -> None:
    only = one(amount="1050", reimbursable=flag)
    assert (only["reimbursable"], only["amount"], only["originalAmount"]) == (
        None,
        "unreadable: reimbursable is unknown",
        "10.50",
    )
    assert one(amount="1050", convertedAmount="900", reimbursable=flag)["amount"] == only["amount"]
    assert [one(amount="1050", reimbursable=known)["amount"] for known in ("true", "false", True, "No")] == [
        "10.50"
    ] * 4


@pytest.mark.parametrize(
    ("cents", "currency", "unit", "text"),
    [
        ("1050", "USD", "minor", "10.50"),
        ("123456789", "USD", "minor", "1234567.89"),
        ("5", "USD", "minor", "0.05"),
        ("-5", "EUR", "minor", "-0.05"),
        ("0", "USD", "minor", "0.00"),
        ("500", "JPY", "minor", "500"),
        ("-1", "JPY", "minor", "-1"),
        ("12345", "KWD", "minor", "12.345"),
        ("-7", "KWD", "minor", "-0.007"),
        ("50000", "JPY", "hundredths", "500.00"),
        ("1234", "KWD", "hundredths", "12.34"),
        ("1050", "USD", "hundredths", "10.50"),
        ("1050.0", "USD", "minor", "10.50"),
        (" 1050 ", "USD", "minor", "10.50"),
        ("", "USD", "minor", None),
        (None, "USD", "minor", None),
    ],
)
def test_cents_become_major_units(cents: str | None, currency: str, unit: AmountUnit, text: str | None) -> None:
    assert major(cents, currency, unit) == text


@pytest.mark.parametrize(
    "cents", ["1,050", "10.50", "1e3", "NaN", "\u221e", "--1", "+5", "0x10", "\u0661", "1" * 18, 1050, True, ["1"], {}]
)
def test_what_is_no_whole_number_fails_its_own_record_alone(cents: object) -> None:
    text = major(cents, "USD", "minor")
    assert text == "unreadable: not a whole number of cents"
    with pytest.raises(ExpressionError):
        parse_money(text)


@pytest.mark.parametrize(
    ("fields", "amount", "original"),
    [
        ({"amount": "1050"}, "10.50", "10.50"),
        ({"amount": "1050", "modifiedAmount": "900"}, "9.00", "9.00"),
        ({"amount": "1050", "modifiedAmount": "0"}, "10.50", "10.50"),
        ({"amount": "1050", "modifiedAmount": "", "convertedAmount": "0"}, "10.50", "10.50"),
        ({"amount": "1050", "modifiedAmount": "900", "convertedAmount": "950"}, "9.50", "9.00"),
        ({"amount": "-999", "modifiedAmount": "-1000", "convertedAmount": "-1080", "currency": "CAD"}, "-10.80", "-10.00"),
        ({"amount": "5000", "convertedAmount": "3321", "currency": "JPY"}, "33.21", "5000"),
        ({"amount": "5000", "convertedAmount": "1629", "currency": "KWD"}, "16.29", "5.000"),
        ({"amount": "0", "currency": "CAD"}, "0.00", "0.00"),
        ({"amount": None}, None, None),
        ({"amount": "5000", "currency": "CAD"}, "unreadable: paid in another currency, and Expensify gives no converted amount", "50.00"),
        ({"amount": "5000", "currency": None}, "unreadable: paid in another currency, and Expensify gives no converted amount", "unreadable: no currency"),
        ({"amount": "5000", "convertedAmount": "x"}, "unreadable: not a whole number of cents", "50.00"),
    ],
)  # fmt: skip
def test_an_expense_counts_at_the_reports_currency(fields: Raw, amount: str | None, original: str | None) -> None:
    only = one(**fields)
    assert (only["amount"], only["originalAmount"]) == (amount, original)


def test_tax_is_in_the_currency_that_was_paid() -> None:
    assert one(currency="JPY", amount="5000", convertedAmount="3321", taxAmount="400")["taxAmount"] == "400"
    assert one(taxAmount="100", modifiedTaxAmount="90")["taxAmount"] == "0.90"


@pytest.mark.parametrize(
    ("given", "read"),
    [("true", True), ("TRUE", True), ("1", True), ("Yes", True), (True, True), ("false", False), ("no", False), ("0", False), (False, False), ("", None), (None, None), ("maybe", None), ({}, None)],
)  # fmt: skip
def test_booleans_come_in_several_forms(given: object, read: bool | None) -> None:
    assert one(reimbursable=given)["reimbursable"] is read


def test_damaged_lists_hold_what_can_be_read() -> None:
    raw = report(1, expenses=[expense(ntags="x"), None, "y", expense(ntags=[None, {"level": "x", "name": 7}])])
    assert [e["tags"] for e in made(raw)["expenses"]] == [
        [],
        [{"level": None, "name": "7", "path": "7", "glCode": None}],
    ]
    assert made(report(1, expenses=None))["expenses"] == []


class TestLists:
    POLICIES: ClassVar[list[object]] = [
        {"id": "A", "name": "Acme", "owner": "ann@example.com", "role": "admin", "type": "corporate", "outputCurrency": "USD"},
        {"id": "B", "name": "Bergwerk", "type": "personalPolicy", "outputCurrency": ""},
        {"name": "without an id"},
        "odd",
    ]  # fmt: skip

    def read(self, stream: str, info: Any = None, /, **settings: str | int | bool) -> list[Raw]:
        vendor = FakeExpensify()
        vendor.lists = {"policyList": self.POLICIES, "policyInfo": info}
        pages = vendor.source(**settings).read(stream, {}, None)
        found = [dict(record) for page in pages for record in page.records]
        spec = SPEC.stream(stream)
        assert spec is not None
        for record in found:
            shape(record, spec.fields)
        return found

    def test_policies(self) -> None:
        first = {"id": "A", "name": "Acme", "owner": "ann@example.com", "type": "corporate", "outputCurrency": "USD"}
        second = {"id": "B", "name": "Bergwerk", "owner": None, "type": "personalPolicy", "outputCurrency": None}
        assert self.read("policies") == [first, second]
        assert self.read("policies", policies="B,A") == [second, first]

    def test_categories(self) -> None:
        entries = [
            {"name": "Meals: out", "enabled": True, "glCode": "61000", "payrollCode": "7"},
            {"name": "Phone", "enabled": False, "areCommentsRequired": False},
            {"name": ""},
            "odd",
        ]
        head = {"policyID": "A", "policyName": "Acme"}
        assert self.read("categories", {"A": {"categories": entries}, "B": {}}) == [
            {"id": "A:Meals: out", **head, "name": "Meals: out", "enabled": True, "glCode": "61000", "payrollCode": "7"},
            {"id": "A:Phone", **head, "name": "Phone", "enabled": False, "glCode": None, "payrollCode": None},
        ]  # fmt: skip

    def test_tags_come_in_two_shapes_in_one_answer(self) -> None:
        flat = [{"glCode": "", "name": "West", "enabled": True}, {"glCode": "E", "name": "West:Ann", "enabled": False}]
        levels = [
            {"name": "Region", "tags": [{"name": "North", "glCode": "N", "enabled": True}]},
            {"name": "Empty", "tags": []},
            {"name": "Job", "tags": [{"name": "North", "enabled": True}, {"name": "", "enabled": True}]},
        ]
        a, b = {"policyID": "A", "policyName": "Acme"}, {"policyID": "B", "policyName": "Bergwerk"}
        assert self.read("tags", {"A": {"tags": flat}, "B": {"tags": levels}}) == [
            {"id": "A:1:West", **a, "level": 1, "levelName": None, "name": "West", "path": "West", "enabled": True, "glCode": None},
            {"id": "A:1:West:Ann", **a, "level": 1, "levelName": None, "name": "West:Ann", "path": "West:Ann", "enabled": False, "glCode": "E"},
            {"id": "B:1:North", **b, "level": 1, "levelName": "Region", "name": "North", "path": "North", "enabled": True, "glCode": "N"},
            {"id": "B:3:North", **b, "level": 3, "levelName": "Job", "name": "North", "path": None, "enabled": True, "glCode": None},
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("rule", "path"),
        [
            ("^West$", "West:Phase 1"),
            (r"^North\ West\.$", "North West.:Phase 1"),
            ("^West:Ann$", "West:Ann:Phase 1"),
            (r"^A\\:B$", r"A\:B:Phase 1"),
            *((odd, None) for odd in ("West", "^West|East$", "^W.st$", r"^W\dst$", "^$", "", None, 7)),
        ],
    )
    def test_a_tag_that_depends_on_another_has_the_path_of_both(self, rule: object, path: str | None) -> None:
        jobs = [{"name": "Phase 1", "enabled": True, "rules": {"parentTagsFilter": rule}}]
        found = self.read(
            "tags", {"A": {"tags": [{"name": "Job", "tags": []}, {"name": "Job", "tags": jobs}]}, "B": {}}
        )
        assert [(tag["id"], tag["path"], tag["name"]) for tag in found] == [
            (f"A:2:{path or 'Phase 1'}", path, "Phase 1")
        ]

    def test_employees(self) -> None:
        people = [
            {"email": "ann@example.com", "role": "admin", "submitsTo": "boss@example.com", "employeeID": "17", "customField2": "P-9"},
            {"email": "bob@example.com", "userID": 18, "payrollID": "P-8", "firstName": "Bob", "lastName": "Berg", "forwardsTo": "x@example.com"},
            {"role": "user"},
        ]  # fmt: skip
        blank = {"policyID": "A", "policyName": "Acme", "firstName": None, "lastName": None}
        assert self.read("employees", {"A": {"employees": people}}, policies="A") == [
            {"id": "A:ann@example.com", **blank, "email": "ann@example.com", "userID": "17", "payrollID": "P-9", "role": "admin", "submitsTo": "boss@example.com", "forwardsTo": None},
            {"id": "A:bob@example.com", **blank, "email": "bob@example.com", "userID": "18", "payrollID": "P-8", "firstName": "Bob", "lastName": "Berg", "role": None, "submitsTo": None, "forwardsTo": "x@example.com"},
        ]  # fmt: skip

    def test_people_of_several_policies_come_once(self) -> None:
        in_a = [{"email": "ann@example.com", "role": "admin"}, {"email": "bob@example.com", "userID": "Bob Berg"}]
        in_b = [
            {"email": "ann@example.com", "role": "user", "userID": "17", "firstName": "Ann"},
            {"email": "cy@example.com"},
        ]
        names = {"userID": None, "payrollID": None, "firstName": None, "lastName": None}
        a, b = {"policyID": "A", "policyName": "Acme"}, {"policyID": "B", "policyName": "Bergwerk"}
        assert self.read("people", {"A": {"employees": in_a}, "B": {"employees": in_b}}) == [
            {"id": "ann@example.com", "email": "ann@example.com", **names, "userID": "17", "firstName": "Ann", "policies": [{**a, "role": "admin"}, {**b, "role": "user"}]},
            {"id": "bob@example.com", "email": "bob@example.com", **names, "userID": "Bob Berg", "policies": [{**a, "role": None}]},
            {"id": "cy@example.com", "email": "cy@example.com", **names, "policies": [{**b, "role": None}]},
        ]  # fmt: skip

    def test_credentials_are_tried_with_the_list_of_policies(self) -> None:
        vendor = FakeExpensify()
        vendor.lists = {"policyList": self.POLICIES}
        assert isinstance(vendor.source(), Tried)
        assert vendor.source().tried() == "2 policies can be read"
        assert vendor.source(policies="B").tried() == "1 policy can be read"
        with pytest.raises(Rejected, match="may not administer the policy C"):
            vendor.source(policies="B,C").tried()
        vendor.lists = {"policyList": []}
        with pytest.raises(Rejected, match="may administer no policy"):
            vendor.source().tried()

    def test_one_of_a_list_is_found_by_its_id(self) -> None:
        vendor = FakeExpensify()
        vendor.lists = {"policyList": self.POLICIES, "policyInfo": {"A": {"tags": [{"name": "West"}]}, "B": {}}}
        found = vendor.source().get("tags", "A:1:West")
        assert found is not None
        assert found["name"] == "West"
        assert vendor.source().get("tags", "A:2:West") is None

    @pytest.mark.parametrize("info", [None, [], {}, {"A": None, "B": {}}, {"A": {"tags": {}}, "B": {}}])
    def test_a_policy_that_is_left_out_is_not_taken_for_an_empty_one(self, info: object) -> None:
        with pytest.raises(BadAnswer) as caught:
            self.read("tags", info)
        assert str(caught.value) == "acme/expensify: an answer without the tags of policy A"

    def test_a_policy_that_may_not_be_administered_is_said_so(self) -> None:
        with pytest.raises(Rejected) as caught:
            self.read("categories", {}, policies="A,C")
        assert (str(caught.value), caught.value.hint) == (
            "acme/expensify: the credentials may not administer the policy C, or there is none",
            "make their account an admin of the policy, or correct the setting `policies`",
        )

    def test_an_answer_without_its_list_is_not_believed(self) -> None:
        vendor = FakeExpensify()
        vendor.lists = {"policyList": None}
        with pytest.raises(BadAnswer, match="an answer without its `policyList`"):
            list(vendor.source().read("policies", {}, None))
