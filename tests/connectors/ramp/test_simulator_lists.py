"""Paging, filters, and what bills, vendors and transactions look like in both profiles."""

from __future__ import annotations

from datetime import date

import pytest

from connectors.ramp.simulator import Account, Fault, Line, Money
from connectors.ramp.simulator.build import card_line, coded, edit_transaction, schedule_payment
from connectors.ramp.simulator.records import InventoryLine, Selection
from tests.connectors.ramp.simulator_kit import PAPER, RENT, Api, decoded, error, rent, simulator

CLASS = Account("80000020-1", "West")
JOB = Account("80000030-1", "Acme:Kitchen")


def test_pages_keep_filters_and_end() -> None:
    target = simulator()
    bills = [target.add_bill([rent(100)]).id for _ in range(5)]
    target.archive(bills[2])
    api = Api(target)
    first = api.get("/bills", page_size=2, sync_ready="true")
    url = f"https://demo-api.ramp.com/developer/v1/bills?page_size=2&sync_ready=true&start={bills[1]}"
    assert first["page"] == {"next": url}
    second = decoded(api.call("GET", url))
    assert [row["id"] for row in second["data"]] == bills[3:]
    assert second["page"] == {"next": None}


def test_default_page_has_twenty_rows() -> None:
    target = simulator()
    for _ in range(21):
        target.add_bill([rent(100)])
    page = Api(target).get("/bills")
    assert len(page["data"]) == 20
    assert page["page"]["next"].endswith(f"?start={page['data'][-1]['id']}")


def test_row_inserted_and_row_marked_between_pages() -> None:
    target = simulator()
    bills = [target.add_bill([rent(100)]).id for _ in range(3)]
    api = Api(target)
    following = api.get("/bills", page_size=2, sync_ready="true")["page"]["next"]
    api.sync("BILL_SYNC", (bills[1], "T"))  # the row that the cursor names leaves the filter
    late = target.add_bill([rent(100)]).id
    assert [row["id"] for row in decoded(api.call("GET", following))["data"]] == [bills[2], late]


def test_page_shift_fault_repeats_the_last_row() -> None:
    target = simulator(faults=[Fault("page_shift", at=(1,), path="/bills")])
    bills = [target.add_bill([rent(100)]).id for _ in range(4)]
    api = Api(target)
    following = api.get("/bills", page_size=2)["page"]["next"]
    assert [row["id"] for row in decoded(api.call("GET", following))["data"]] == [bills[1], bills[2]]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"page_size": 101}, {"page_size": ["Value must be between 2 and 100"]}),
        ({"page_size": "ten"}, {"page_size": ["Not a valid integer."]}),
        ({"start": "abc"}, {"start": ["Not a valid UUID."]}),
        ({"start": "6e3816e3-0e53-42ae-b075-bdb0adff10c4"}, {"start": ["Not a valid page cursor."]}),
        ({"sync_ready": "maybe"}, {"sync_ready": ["Not a valid boolean."]}),
        ({"vendor_id": "7"}, {"vendor_id": ["Not a valid UUID."]}),
        ({"from_created_at": "yesterday"}, {"from_created_at": ["Not a valid datetime."]}),
        ({"min_amount": "lots"}, {"min_amount": ["Not a valid number."]}),
        ({"min_amount": "NaN"}, {"min_amount": ["Not a valid number."]}),
        ({"payment_status": "HALF"}, {"payment_status": ["Must be one of: OPEN, PAID."]}),
    ],
)
def test_bad_parameters(query: dict[str, object], fields: dict[str, list[str]]) -> None:
    reply = Api(simulator()).call("GET", "/bills", **query)
    assert error(reply) == (422, "DEVELOPER_7001", "The request could not be validated.", fields)


def test_unknown_parameters_are_ignored() -> None:
    target = simulator()
    bill = target.add_bill([rent(100)]).id
    assert Api(target).ids("/bills", remote_id="no-such", colour="red") == [bill]


def test_remote_id_filter_works_since_2026() -> None:
    target = simulator("2026-08")
    target.add_bill([rent(100)])
    known = target.add_bill([rent(100)], remote_id="freshbooks:1").id
    api = Api(target)
    assert api.ids("/bills", remote_id="freshbooks:1") == [known]
    assert api.ids("/bills", invoice_number="INV-1001") == [known]
    assert api.ids("/bills", remote_id="freshbooks:2") == []


def test_sync_ready_view() -> None:
    target = simulator()
    ready = target.add_bill([rent(100)]).id
    target.add_bill([rent(100)], approval="PENDING")
    target.add_bill([rent(100)], enable_accounting_sync=False)
    gone = target.add_bill([rent(100)]).id
    target.archive(gone)
    synced_open = target.add_bill([rent(100)], sync_status="BILL_SYNCED").id
    synced_paid = target.add_bill([rent(100)], sync_status="BILL_SYNCED").id
    target.pay_bill(synced_paid)
    target.add_bill([rent(100)], sync_status="BILL_AND_PAYMENT_SYNCED")
    api = Api(target)
    assert api.ids("/bills", sync_ready="true") == [ready, synced_paid]
    assert synced_open in api.ids("/bills", sync_ready="false")
    assert api.ids("/bills", is_archived="true") == [gone]
    target.pay_bill(synced_open)
    assert api.ids("/bills", sync_ready="true") == [ready, synced_open, synced_paid]


@pytest.mark.parametrize("is_ready", [True, False])
def test_a_bill_whose_approval_ramp_does_not_tell(is_ready: bool) -> None:
    target = simulator(unstated_approval_is_ready=is_ready)
    bill = target.add_bill([rent(100)], approval=None).id
    api = Api(target)
    assert api.get(f"/bills/{bill}")["approval_status"] is None
    assert api.ids("/bills", sync_ready="true") == ([bill] if is_ready else [])


def test_payment_by_card_names_its_transactions_and_no_day_of_initiation() -> None:
    target = simulator()
    bill = target.add_bill([rent(100)]).id
    charge = target.add_transaction(Money(100)).id
    target.pay_bill(bill, paid_on=date(2026, 3, 2), method=None, charges=(charge,))
    payment = Api(target).get(f"/bills/{bill}")["payment"]
    assert (payment["payment_method"], payment["effective_date"], payment["trace_id"]) == (None, None, None)
    assert payment["payment_date"] == "2026-03-02T00:00:00+00:00"
    assert payment["details"]["transaction_ids"] == [charge]


def test_payment_that_was_planned_for_another_day() -> None:
    target = simulator()
    bill = target.add_bill([rent(100)]).id
    target.pay_bill(bill, paid_on=date(2026, 3, 2), planned_on=date(2026, 2, 27))
    payment = Api(target).get(f"/bills/{bill}")["payment"]
    assert payment["payment_date"] == "2026-02-27T00:00:00+00:00"
    assert payment["effective_date"] == "2026-03-02T00:00:00+00:00"


def test_bill_filters() -> None:
    target = simulator()
    vendor = target.add_vendor("Other").id
    small = target.add_bill([rent(100)], vendor_id=vendor, issued_on=date(2026, 1, 5)).id
    large = target.add_bill([rent(100_000)], issued_on=date(2026, 2, 5), approval="REJECTED").id
    target.pay_bill(small, paid_on=date(2026, 2, 1), method="CHECK")
    api = Api(target)
    assert api.ids("/bills", vendor_id=vendor) == [small, large]  # the first vendor is everybody's
    assert api.ids("/bills", approval_status="REJECTED") == [large]
    assert api.ids("/bills", payment_status="PAID") == [small]
    assert api.ids("/bills", payment_method="CHECK") == [small]
    assert api.ids("/bills", min_amount="1000.00") == [large]
    assert api.ids("/bills", max_amount="999.99") == [small]
    assert api.ids("/bills", from_issued_date="2026-02-05T00:00:00Z") == [large]
    assert api.ids("/bills", to_due_date="2026-02-28") == [small]
    assert api.ids("/bills", from_paid_at="2026-01-01") == [small]
    assert api.ids("/bills", sync_status="BILL_SYNCED") == []


def test_bill_with_everything() -> None:
    target = simulator()
    vendor = target.add_vendor("Café Zürich", accounting=Account("V-1", "Cafe Zurich", "CAFE")).id
    lines = [Line(1998, coded(RENT, CLASS, JOB), "Headset"), Line(95_000, coded(PAPER))]
    bill = target.add_bill(
        lines,
        vendor_id=vendor,
        inventory_lines=(InventoryLine(5, 200, coded(PAPER), "Staplers"),),
        posting_on=date(2026, 3, 1),
    )
    target.pay_bill(bill.id, paid_on=date(2026, 3, 2), minor=90_000)
    api = Api(target)
    body = api.get(f"/bills/{bill.id}")
    assert body["amount"] == {"amount": 97_998, "currency_code": "USD"}
    assert (body["accounting_date"], body["issued_at"]) == ("2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00")
    assert body["vendor"] == {
        "id": vendor, "name": "Café Zürich", "remote_code": "CAFE", "remote_id": "V-1", "remote_name": "Cafe Zurich", "type": "BUSINESS",
    }  # fmt: skip
    coding = body["line_items"][0]["accounting_field_selections"]
    assert [(item["category_info"]["type"], item["external_id"], item["name"]) for item in coding] == [
        ("GL_ACCOUNT", "80000010-1", "Rent"),
        ("COST_CENTER", "80000020-1", "West"),
        ("CUSTOMERS_JOBS", "80000030-1", "Acme:Kitchen"),
    ]
    assert coding[0]["category_info"]["external_id"] == "Category"
    assert coding[0]["external_code"] == "6010"
    assert "provider_name" not in coding[0]
    assert "type" not in coding[0]
    assert body["inventory_line_items"][0]["unit_quantity"] == 5
    assert body["payment"]["amount"] == {"amount": 90_000, "currency_code": "USD"}
    assert body["payment"]["trace_id"]["descriptor"] == "ACH Trace ID"
    assert api.get("/bills")["data"][0]["payment"]["trace_id"] is None


def test_bill_of_2026() -> None:
    target = simulator("2026-08")
    bill = target.add_bill(
        [Line(5000, (Selection("GL_ACCOUNT", RENT, "Other Tool"), *coded(None, CLASS)))], currency="JPY"
    ).id
    api = Api(target)
    body = api.get(f"/bills/{bill}")
    assert body["amount"] == {"amount": 5000, "currency_code": "JPY", "minor_unit_conversion_rate": 1}
    assert (body["enable_accounting_sync"], body["status_summary"]) == (True, "PAYMENT_DETAILS_MISSING")
    coding = body["line_items"][0]["accounting_field_selections"]
    assert [(item["provider_name"], item["external_code"]) for item in coding] == [
        ("Other Tool", "6010"),
        ("flowctl", None),
    ]
    schedule_payment(target.world, bill, date(2026, 3, 9))
    scheduled = api.get(f"/bills/{bill}")
    assert (scheduled["status"], scheduled["status_summary"]) == ("OPEN", "PAYMENT_SCHEDULED")
    assert scheduled["payment"]["payment_date"] == "2026-03-09T00:00:00+00:00"
    target.pay_bill(bill)
    assert api.get(f"/bills/{bill}")["status_summary"] == "PAYMENT_COMPLETED"
    target.archive(bill)
    assert api.get(f"/bills/{bill}")["status_summary"] == "ARCHIVED"


@pytest.mark.parametrize(("approval", "summary"), [("PENDING", "APPROVAL_PENDING"), ("REJECTED", "APPROVAL_REJECTED")])
def test_summary_of_an_unapproved_bill(approval: str, summary: str) -> None:
    target = simulator("2026-08")
    bill = target.add_bill([rent(1)], approval=approval).id
    assert Api(target).get(f"/bills/{bill}")["status_summary"] == summary


def test_vendor_of_2026() -> None:
    target = simulator("2026-08")
    vendor = target.add_vendor("Acme", country="DE").id
    body = Api(target).get(f"/vendors/{vendor}")
    assert (body["addresses"], body["external_vendor_id"], body["subsidiary"]) == ([body["address"]], None, [])
    assert body["total_spend_ytd"] == {"amount": 0, "currency_code": "USD", "minor_unit_conversion_rate": 100}


def test_pending_transaction_clears() -> None:
    target = simulator()
    row = target.add_transaction(Money(700), state="PENDING").id
    target.world.events.clear()
    edit_transaction(target.world, row, state="CLEARED", sync_status="SYNC_READY")
    assert [event.type for event in target.world.events] == ["transactions.cleared", "transactions.ready_to_sync"]
    assert Api(target).ids("/transactions", sync_status="SYNC_READY") == [row]


def test_missing_objects() -> None:
    api = Api(simulator())
    nobody = "6e3816e3-0e53-42ae-b075-bdb0adff10c4"
    names = {
        "bills": "Bill",
        "vendors": "Vendor",
        "transactions": "Transaction",
        "entities": "Entity",
        "users": "User",
        "departments": "Department",
    }
    for path, name in names.items():
        assert error(api.call("GET", f"/{path}/{nobody}")) == (404, "DEVELOPER_7004", f"{name} not found", {})
    assert error(api.call("GET", "/bills/nonsense"))[3] == {"bill_id": ["Not a valid UUID."]}


def test_vendor_filters() -> None:
    target = simulator()
    first = target.add_vendor("Müller & Söhne").id
    second = target.add_vendor("Quiet Co", is_active=False).id
    api = Api(target)
    assert api.ids("/vendors", name="müller & söhne") == [first]
    assert api.ids("/vendors", is_active="false") == [second]
    assert api.get(f"/vendors/{first}")["custom_form_collection_response"] is None
    assert [body["name"] for body in api.get("/vendors")["data"]] == ["Müller & Söhne", "Quiet Co"]


def test_transaction_states_and_default_list() -> None:
    target = simulator()
    states = ("CLEARED", "PENDING", "DECLINED", "COMPLETION")
    rows = {state: target.add_transaction(Money(1234), state=state).id for state in states}
    api = Api(target)
    assert api.ids("/transactions") == [rows["CLEARED"], rows["PENDING"], rows["COMPLETION"]]
    assert api.ids("/transactions", state="ALL") == list(rows.values())
    assert api.ids("/transactions", state="DECLINED") == [rows["DECLINED"]]
    assert api.ids("/transactions", sync_status="SYNC_READY") == [rows["CLEARED"], rows["COMPLETION"]]
    assert api.ids("/transactions", sync_ready="false") == [rows["PENDING"]]


def test_transaction_filters_and_order() -> None:
    target = simulator()
    old = target.add_transaction(Money(5000), merchant="Uber")
    target.clock.sleep(3600)
    new = target.add_transaction(Money(-200), merchant="Zoom")
    api = Api(target)
    assert api.ids("/transactions", merchant_id=new.merchant_id) == [new.id]
    assert api.ids("/transactions", from_date="2026-03-02T09:30:00") == [new.id]
    assert api.ids("/transactions", updated_after="2026-03-02T10:00:00+00:00") == [new.id]  # inclusive
    assert api.ids("/transactions", order_by_date_desc="true") == [new.id, old.id]
    assert api.ids("/transactions", order_by_amount_asc="true") == [new.id, old.id]
    assert api.ids("/transactions", min_amount="0") == [old.id]
    target.clock.sleep(60)
    edit_transaction(target.world, old.id, memo="now with a memo")
    assert api.ids("/transactions", updated_after="2026-03-02T10:01:00Z") == [old.id]
    assert api.ids("/transactions", synced_after="2026-01-01") == []
    assert api.ids("/transactions", has_no_sync_commits="true") == [old.id, new.id]


def test_refund_is_negative_and_amounts_print_two_places() -> None:
    target = simulator()
    row = target.add_transaction(Money(-9000), lines=[card_line(Money(-9000), coded(RENT))])
    reply = Api(target).call("GET", f"/transactions/{row.id}")
    assert b'"amount":-90.00,"attendees"' in reply.body
    body = decoded(reply)
    assert body["line_items"][0]["amount"] == {"amount": -9000, "currency_code": "USD"}
    assert body["accounting_field_selections"] == []


def test_foreign_transaction_in_2026() -> None:
    target = simulator("2026-08")
    lines = [card_line(Money(5435), coded(RENT), Money(5000, "EUR")), card_line(Money(3700), (), Money(4000, "EUR"))]
    row = target.add_transaction(Money(9135), lines=lines, selections=coded(PAPER))
    body = Api(target).get(f"/transactions/{row.id}")
    assert (body["amount"], body["currency_code"]) == (91.35, "USD")
    assert body["entity_amount"] == {"currency": "USD", "value": 9135}
    assert body["merchant_amount"] == {"currency": "EUR", "value": 9000}
    assert body["original_transaction_amount"] == {
        "amount": 9000,
        "currency_code": "EUR",
        "minor_unit_conversion_rate": 100,
    }
    first, second = body["line_items"]
    assert (first["amount"]["amount"], first["amount"]["currency_code"], first["converted_amount"]["amount"]) == (
        5000,
        "EUR",
        5435,
    )
    assert second["accounting_field_selections"] == []
    header = body["accounting_field_selections"][0]
    assert (header["type"], header["source"], header["provider_name"]) == ("GL_ACCOUNT", {"type": "USER"}, "flowctl")


def test_directory() -> None:
    target = simulator()
    api = Api(target)
    entity = api.get("/entities", is_primary="true")["data"][0]
    assert (entity["entity_name"], entity["currency"]) == ("Sushi Luncheonette LLC", "USD")
    assert api.ids("/entities", currency="EUR") == []
    assert [user["first_name"] for user in api.get("/users")["data"]] == ["Amélie", "Jun", "Rosa"]
    assert api.get("/users", email="user1@example.com")["data"][0]["role"] == "BUSINESS_USER"
    assert [row["name"] for row in api.get("/departments")["data"]] == ["Operations", "Kitchen"]
    assert api.get("/business")["id"] == target.world.business_id
