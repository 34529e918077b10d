"""Vendors, bills, payments, vendor credits and the lists of the BILL simulator."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connectors.bill.simulator import build
from connectors.bill.simulator.world import LISTS
from tests.connectors.bill.simulator_kit import Api, api, bill, clock_of, error, line

ACME = {"name": "Acme Supply", "address": {"line1": "1 Main St", "city": "San José", "country": "US"}}


def vendor(client: Api, name: str = "Acme Supply") -> str:
    return build.add_vendor(client.simulator.world, name).id


def states(client: Api, bill_id: str) -> dict[str, Any]:
    """What a bill says of its payments; amounts as text."""
    row = client.get(f"/bills/{bill_id}")
    names = ("paidAmount", "scheduledAmount", "creditAmount", "dueAmount")
    return {"status": row["paymentStatus"], **{name: float(row[name]) for name in names}}


# --- vendors ----------------------------------------------------------------------------------------------------------


def test_a_vendor_is_made_and_changed() -> None:
    client = api()
    body = {
        **ACME,
        "accountType": "PERSON",
        "email": "a@example.com",
        "phone": "1",
        "accountNumber": "C-1",
        "billCurrency": "CAD",
        "paymentInformation": {"payeeName": "Acme Inc."},
        "additionalInfo": {"companyName": "Acme Holdings"},
    }
    reply = client.call("POST", "/vendors", body)
    assert reply.status == 201
    made = client.get(f"/vendors/{client.ids('/vendors')[0]}")
    assert {
        name: made[name] for name in ("name", "accountType", "email", "phone", "accountNumber", "billCurrency")
    } == {name: body[name] for name in ("name", "accountType", "email", "phone", "accountNumber", "billCurrency")}
    assert made["address"] == {**ACME["address"], "countryName": "United States"}  # type: ignore[dict-item]  # of texts
    assert made["paymentInformation"]["payeeName"] == "Acme Inc."
    assert made["additionalInfo"]["companyName"] == "Acme Holdings"
    assert made["balance"]["amount"] == 0
    clock_of(client.simulator).advance("+1m")
    changed = client.ok("PATCH", f"/vendors/{made['id']}", {"phone": "2"})
    assert (changed["phone"], changed["email"]) == ("2", "a@example.com")
    assert changed["updatedTime"] > made["updatedTime"]
    assert changed["createdTime"] == made["createdTime"]


def test_the_same_vendor_twice_makes_two() -> None:
    client = api()
    first, second = (client.ok("POST", "/vendors", ACME)["id"] for _ in range(2))
    assert first != second
    assert sorted(client.ids("/vendors", filters='name:eq:"Acme Supply"')) == sorted([first, second])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "name: must not be null"),
        ({**ACME, "name": " "}, "name: must be a text that is not blank"),
        ({"name": "Acme"}, "address: must not be null"),
        ({**ACME, "address": "1 Main St"}, "address: must be an object"),
        ({**ACME, "accountType": "SHOP"}, "accountType: must be one of BUSINESS, PERSON, NONE"),
        ([], "The request body could not be read."),
    ],
)
def test_vendors_that_are_refused(body: object, problem: str) -> None:
    client = api()
    assert error(client.call("POST", "/vendors", body)) == (400, None, problem)
    assert not client.simulator.world.vendors


def test_the_address_may_be_optional() -> None:
    assert api(vendor_address_required=False).call("POST", "/vendors", {"name": "Acme"}).status == 201


def test_vendors_are_archived_and_restored() -> None:
    client = api()
    one = vendor(client)
    assert client.ok("POST", f"/vendors/{one}/archive")["archived"] is True
    again = client.ok("POST", f"/vendors/{one}/archive")
    assert again["archived"] is True
    assert client.ids("/vendors", filters="archived:eq:true") == [one]
    assert client.ok("POST", f"/vendors/{one}/restore")["archived"] is False
    assert [event.type for event in client.simulator.world.events] == [
        "vendor.created",
        "vendor.archived",
        "vendor.restored",
    ]


def test_a_vendors_balance_is_what_is_open() -> None:
    client = api()
    one = vendor(client)
    first = bill(client.simulator, "100", vendor_id=one)
    bill(client.simulator, "20", vendor_id=one)
    build.pay(client.simulator.world, {first: Decimal(30)})
    assert client.get(f"/vendors/{one}")["balance"]["amount"] == 90


@pytest.mark.parametrize(
    "path",
    ["/vendors/x", "/bills/x", "/payments/x", "/vendor-credits/x", *(f"/classifications/{kind}/x" for kind in LISTS)],
)
def test_what_is_not_there(path: str) -> None:
    assert error(api().call("GET", path)) == (404, "BDC_1205", "Object not found.")


# --- bills ------------------------------------------------------------------------------------------------------------


def bill_body(client: Api, *amounts: float, **fields: Any) -> dict[str, Any]:
    return {
        "vendorId": next(iter(client.simulator.world.vendors), None) or vendor(client),
        "dueDate": "2026-12-31",
        "billLineItems": [{"amount": amount, "description": f"line {index}"} for index, amount in enumerate(amounts)],
        "invoice": {"invoiceNumber": "202601", "invoiceDate": "2026-12-01"},
        **fields,
    }


def test_a_bill_is_made() -> None:
    client = api()
    made = client.ok("POST", "/bills", bill_body(client, 149, 79.99))
    assert "vendorName" not in made
    assert client.get(f"/bills/{made['id']}") == {**made, "vendorName": "Acme Supply"}
    assert (made["amount"], made["approvalStatus"], made["paymentStatus"]) == (
        Decimal("228.99"),
        "UNASSIGNED",
        "UNPAID",
    )
    assert [row["amount"] for row in made["billLineItems"]] == [149, Decimal("79.99")]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"vendorId": "00901AAAAAAAAAAAAAAA"}, "vendorId: is no vendor"),
        ({"dueDate": "soon"}, "dueDate: must be a day such as 2026-03-02"),
        ({"invoice": None}, "invoice: must not be null"),
        ({"billLineItems": []}, "billLineItems: must not be empty"),
        ({"billLineItems": [{"amount": "much"}]}, "amount: must be a number"),
        ({"billLineItems": [{"amount": 1.001}]}, "amount: must be a number"),
        ({"billLineItems": [{"amount": True}]}, "amount: must be a number"),
        (
            {"billLineItems": [{"amount": 1, "classifications": {"chartOfAccountId": "no"}}]},
            "chartOfAccountId: is not in its list",
        ),
    ],
)
def test_bills_that_are_refused(changes: dict[str, Any], problem: str) -> None:
    client = api()
    assert error(client.call("POST", "/bills", bill_body(client, 1, **changes))) == (400, None, problem)


def test_put_replaces_the_lines_and_keeps_their_ids() -> None:
    client = api()
    made = client.ok("POST", "/bills", bill_body(client, 10, 20))
    kept = made["billLineItems"][1]["id"]
    lines = [{"id": kept, "amount": 25}, {"amount": 5}]
    clock_of(client.simulator).advance("+1m")
    changed = client.ok("PUT", f"/bills/{made['id']}", bill_body(client, billLineItems=lines))
    assert [row["amount"] for row in changed["billLineItems"]] == [25, 5]
    assert changed["billLineItems"][0]["id"] == kept
    assert changed["billLineItems"][1]["id"] not in {row["id"] for row in made["billLineItems"]}
    assert changed["updatedTime"] > made["updatedTime"]
    strange = bill_body(client, billLineItems=[{"id": "bli00000000000000000", "amount": 1}])
    assert error(client.call("PUT", f"/bills/{made['id']}", strange))[2] == "billLineItems.id: is no line of this bill"


def test_patch_changes_what_is_sent() -> None:
    client = api()
    made = client.ok("POST", "/bills", bill_body(client, 10, 20))
    first, second = (row["id"] for row in made["billLineItems"])
    changed = client.ok(
        "PATCH", f"/bills/{made['id']}", {"description": "by hand", "billLineItems": [{"id": second, "amount": 21}]}
    )
    assert [(row["id"], row["amount"]) for row in changed["billLineItems"]] == [(first, 10), (second, 21)]
    assert (changed["amount"], changed["description"], changed["dueDate"]) == (31, "by hand", "2026-12-31")
    refused = client.call("PATCH", f"/bills/{made['id']}", {"billLineItems": [{"amount": 1}]})
    assert error(refused) == (400, None, "billLineItems.id: is no line of this bill")


def test_bills_are_archived_and_restored() -> None:
    client = api()
    one = bill(client.simulator)
    clock_of(client.simulator).advance("+1m")
    archived = client.ok("POST", f"/bills/{one}/archive")
    clock_of(client.simulator).advance("+1m")
    assert client.ok("POST", f"/bills/{one}/archive") == archived
    assert archived["archived"] is True
    assert client.ok("POST", f"/bills/{one}/restore")["archived"] is False


@pytest.mark.parametrize("touches", [True, False])
def test_approval(touches: bool) -> None:
    client = api(approval_touches=touches)
    one = bill(client.simulator, approval="ASSIGNED")
    assert client.ok("GET", "/bill-approvals/pending-user-approvals")["bills"][0]["billId"] == one
    before = client.get(f"/bills/{one}")
    assert [item["status"] for item in before["approvers"]] == ["WAITING"]
    client.simulator.world.events.clear()
    clock_of(client.simulator).advance("+1m")
    actions = [{"billId": one, "action": "APPROVE", "comment": "fine"}]
    assert client.ok("POST", "/bill-approvals/actions", actions) == {"status": "SUCCESS"}
    after = client.get(f"/bills/{one}")
    assert (after["approvalStatus"], [item["status"] for item in after["approvers"]]) == ("APPROVED", ["APPROVED"])
    assert (after["updatedTime"] > before["updatedTime"]) is touches
    assert [event.type for event in client.simulator.world.events] == (["bill.updated"] if touches else [])
    assert client.ok("GET", "/bill-approvals/pending-user-approvals") == {"bills": []}
    client.ok("POST", "/bill-approvals/actions", [{"billId": one, "action": "DENY"}])
    assert client.get(f"/bills/{one}")["approvalStatus"] == "DENIED"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], (400, None, "actions: must be a list that is not empty")),
        ({}, (400, None, "actions: must be a list that is not empty")),
        ([{"billId": "no", "action": "APPROVE"}], (404, "BDC_1205", "Object not found.")),
    ],
)
def test_actions_that_are_refused(body: object, expected: tuple[int, str | None, str]) -> None:
    assert error(api().call("POST", "/bill-approvals/actions", body)) == expected


def test_an_action_that_is_none() -> None:
    client = api()
    one = bill(client.simulator, approval="ASSIGNED")
    reply = client.call("POST", "/bill-approvals/actions", [{"billId": one, "action": "BURN"}])
    assert error(reply) == (400, None, "action: must be APPROVE or DENY")


# --- payments ---------------------------------------------------------------------------------------------------------


def test_a_payment_on_its_way() -> None:
    client = api()
    world = client.simulator.world
    one = bill(client.simulator, "100")
    made = build.pay(world, {one: Decimal(100)}, status="SCHEDULED", on=date(2026, 3, 2))
    nothing = {"paidAmount": 0, "scheduledAmount": 0, "creditAmount": 0, "dueAmount": 100}
    assert states(client, one) == {**nothing, "status": "SCHEDULED", "scheduledAmount": 100}
    for status, single, expected in (
        ("PAID", "PROCESSED", {"status": "PAID", "paidAmount": 100, "dueAmount": 0}),
        (None, "CLEARED", {"status": "PAID", "paidAmount": 100, "dueAmount": 0}),
        # CLEARED is not the end.
        (None, "DISBURSEMENT_FAILED_ACTION_NEEDED", {"status": "PAID", "paidAmount": 100, "dueAmount": 0}),
        ("VOID", None, {"status": "UNPAID"}),
    ):
        before = client.get(f"/bills/{one}")["updatedTime"]
        clock_of(client.simulator).advance("+1m")
        build.set_payment(world, made.id, status, single)  # type: ignore[arg-type]  # of the table above
        assert states(client, one) == {**nothing, **expected}
        assert client.get(f"/bills/{one}")["updatedTime"] > before
    shown = client.get(f"/payments/{made.id}")
    assert (shown["status"], shown["singleStatus"]) == ("VOID", "VOIDED")
    assert [item["type"] for item in shown["voidInfo"]] == ["VOID_ONLY"]


@pytest.mark.parametrize(
    ("single", "status"),
    [
        ("FUNDING_STARTED", "SCHEDULED"), ("SENT", "PAID"), ("VOIDED", "VOID"), ("FUNDING_FAILED_VOIDED", "VOID"),
        ("CANCELED", "CANCELLED"), ("FUNDING_FAILED_ACTION_NEEDED", "SCHEDULED"),
    ],
)  # fmt: skip
def test_the_status_that_belongs_to_a_single_status(single: str, status: str) -> None:
    client = api()
    made = build.pay(client.simulator.world, {bill(client.simulator): Decimal(1)})
    build.set_payment(client.simulator.world, made.id, None, single)
    shown = client.get(f"/payments/{made.id}")
    assert (shown["singleStatus"], shown["status"]) == (single, status)


@pytest.mark.parametrize("spelling", ["PARTIALLY_PAID", "PARTIAL"])
def test_a_part_of_a_bill(spelling: str) -> None:
    client = api(partial=spelling)
    one = bill(client.simulator, "100")
    build.pay(client.simulator.world, {one: Decimal("33.33")})
    assert states(client, one) == {
        "status": spelling, "paidAmount": 33.33, "scheduledAmount": 0, "creditAmount": 0, "dueAmount": 66.67,
    }  # fmt: skip


def test_a_payment_need_not_touch_its_bills() -> None:
    client = api(payment_touches=False)
    one = bill(client.simulator, "100")
    before = client.get(f"/bills/{one}")
    clock_of(client.simulator).advance("+1m")
    build.pay(client.simulator.world, {one: Decimal(100)})
    after = client.get(f"/bills/{one}")
    assert (after["paymentStatus"], after["updatedTime"]) == ("PAID", before["updatedTime"])


@pytest.mark.parametrize(("amounts", "part", "total"), [("net", 70, 120), ("gross", 100, 120), ("all_gross", 100, 150)])
def test_one_payment_of_two_bills_with_a_credit(amounts: str, part: int, total: int) -> None:
    client = api(part_amounts=amounts)
    world = client.simulator.world
    one, two = bill(client.simulator, "100"), bill(client.simulator, "50")
    credit = build.add_credit(world, world.bills[one].vendor_id, [line("40")])
    made = build.pay(
        world, {one: Decimal(70), two: Decimal(50)}, {one: {credit.id: Decimal(30)}}, method="CHECK", check_number=5012
    )
    shown = client.get(f"/payments/{made.id}")
    assert "billId" not in shown
    assert shown["amount"] == total
    assert [(row["billId"], row["amount"], row.get("vendorCredits")) for row in shown["billPayments"]] == [
        (one, part, [{"id": credit.id, "amount": 30}]),
        (two, 50, None),
    ]
    assert shown["disbursementInfo"]["checkDisbursement"]["checkNumber"] == 5012
    assert states(client, one) == {
        "status": "PAID", "paidAmount": 70, "scheduledAmount": 0, "creditAmount": 30, "dueAmount": 0,
    }  # fmt: skip
    kept = client.get(f"/vendor-credits/{credit.id}")
    assert (kept["appliedAmount"], kept["status"]) == (30, "PARTIALLY_APPLIED")
    assert kept["usage"] == [{"billId": one, "paymentId": made.id, "amount": 30}]


@pytest.mark.parametrize("lone", [False, True])
def test_two_shapes_of_a_payment_of_one_bill(lone: bool) -> None:
    client = api(lone_bill_id=lone)
    one = bill(client.simulator)
    made = build.pay(client.simulator.world, {one: Decimal(1)})
    shown = client.get(f"/payments/{made.id}")
    assert shown["billId"] == one
    assert ("billPayments" in shown) is not lone
    credit = build.add_credit(client.simulator.world, client.simulator.world.bills[one].vendor_id, [line("40")])
    netted = build.pay(client.simulator.world, {one: Decimal(1)}, {one: {credit.id: Decimal(2)}})
    assert "billPayments" in client.get(f"/payments/{netted.id}")


def test_a_payment_is_recorded() -> None:
    client = api()
    one, two = bill(client.simulator, "100"), bill(client.simulator, "50")
    body = {
        "vendorId": client.simulator.world.bills[one].vendor_id,
        "processDate": "2026-03-01",
        "toPrintCheck": True,
        "payments": [{"billId": one, "amount": 70}, {"billId": two, "amount": 50}],
    }
    reply = client.call("POST", "/bills/record-payment", body)
    assert reply.status == 200
    made = client.get(f"/payments/{client.ids('/payments')[0]}")
    assert (made["onlinePayment"], made["status"], made["amount"], made["processDate"]) == (
        False,
        "PAID",
        120,
        "2026-03-01",
    )
    assert "fundingAccount" not in made
    assert states(client, one)["dueAmount"] == 30
    over = {**body, "payments": [{"billId": one, "amount": 30.01}]}
    problem = "amount: must be above zero, and at most what is open"
    assert error(client.call("POST", "/bills/record-payment", over)) == (400, None, problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"payments": []}, "payments: must not be empty"),
        ({"payments": [{"billId": "no", "amount": 1}]}, "billId: is no bill of this vendor"),
        ({"vendorId": "no"}, "billId: is no bill of this vendor"),
        ({"processDate": None}, "processDate: must not be null"),
    ],
)
def test_recorded_payments_that_are_refused(changes: dict[str, Any], problem: str) -> None:
    client = api()
    one = bill(client.simulator)
    vendor_id = client.simulator.world.bills[one].vendor_id
    body = {"vendorId": vendor_id, "processDate": "2026-03-01", "payments": [{"billId": one, "amount": 1}], **changes}
    assert error(client.call("POST", "/bills/record-payment", body)) == (400, None, problem)
    assert not client.simulator.world.payments


# --- credits and lists ------------------------------------------------------------------------------------------------


def test_a_credit_comes_free_when_its_payment_is_voided() -> None:
    client = api()
    world = client.simulator.world
    one = bill(client.simulator, "100")
    credit = build.add_credit(
        world, world.bills[one].vendor_id, [line("40")], given_on=date(2026, 3, 1), reference="VC-9"
    )

    def applied() -> tuple[str, Decimal]:
        row = client.get("/vendor-credits")["results"][0]
        return row["status"], row["appliedAmount"]

    assert applied() == ("NOT_APPLIED", Decimal(0))
    made = build.pay(world, {one: Decimal(60)}, {one: {credit.id: Decimal(40)}}, status="SCHEDULED")
    assert applied() == ("IN_PROCESS", Decimal(40))
    build.set_payment(world, made.id, "PAID")
    assert applied() == ("FULLY_APPLIED", Decimal(40))
    clock_of(client.simulator).advance("+1m")
    before = client.get("/vendor-credits")["results"][0]["updatedTime"]
    build.set_payment(world, made.id, "VOID")
    assert applied() == ("NOT_APPLIED", Decimal(0))
    assert client.get("/vendor-credits")["results"][0]["updatedTime"] > before


def test_credits_are_archived() -> None:
    client = api()
    credit = build.add_credit(client.simulator.world, vendor(client), [line("40")])
    build.edit_credit(client.simulator.world, credit.id, archived=True)
    assert client.ids("/vendor-credits", filters="archived:eq:true") == [credit.id]


def test_lists() -> None:
    client = api()
    world = client.simulator.world
    made = {kind: build.add_entry(world, kind, f"one of {kind}", "6100").id for kind in LISTS}
    for kind, entry_id in made.items():
        assert client.ids(f"/classifications/{kind}") == [entry_id]
        shown = client.get(f"/classifications/{kind}/{entry_id}")
        assert shown["name"] == f"one of {kind}"
        assert shown.get("account") == ({"type": "EXPENSE", "number": "6100"} if kind == "chart-of-accounts" else None)


def test_an_account_is_made() -> None:
    client = api()
    path = "/classifications/chart-of-accounts"
    reply = client.call(
        "POST", path, {"name": "Prepaid", "account": {"type": "OTHER_CURRENT_ASSET", "number": "1-020"}}
    )
    assert reply.status == 201
    assert client.ids(path, filters='name:eq:"Prepaid"') == client.ids(path)
    assert error(client.call("POST", path, {"name": "x"})) == (400, None, "account: must not be null")
    refused = client.call("POST", path, {"name": "x", "account": {"type": "COFFEE"}})
    assert error(refused) == (400, None, "account.type: is no type of account")
