"""Accounting syncs, the accounting connection, Ramp's own buttons, and the totals Ramp believes in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.ramp.simulator import Account, Money
from connectors.ramp.simulator.build import add_transaction, card_line, coded
from connectors.ramp.simulator.ledger import Totals
from connectors.ramp.simulator.syncs import click_sync
from connectors.ramp.simulator.wire import ApiError
from tests.connectors.ramp.simulator_kit import RENT, Api, decoded, error, rent, simulator

REFUSED = "Some objects cannot be synced."
NOBODY = "6e3816e3-0e53-42ae-b075-bdb0adff10c4"


def test_bill_and_then_its_payment() -> None:
    target = simulator()
    bill = target.add_bill([rent(1050)]).id
    target.pay_bill(bill)
    api = Api(target)
    early = api.sync("BILL_PAYMENT_SYNC", (bill, "P-1"), key="p")
    assert error(early) == (400, "DEVELOPER_7098", REFUSED, {bill: ["Bill must be synced before its payment."]})
    assert api.sync("BILL_SYNC", (bill, "T-1"), key="b").status == 201
    assert api.get(f"/bills/{bill}")["sync_status"] == "BILL_SYNCED"
    assert api.sync("BILL_PAYMENT_SYNC", (bill, "P-1"), key="p").status == 201  # a refused call used no key
    assert api.get(f"/bills/{bill}")["sync_status"] == "BILL_AND_PAYMENT_SYNCED"
    marks = [(mark.kind, mark.object_id, mark.reference, mark.key) for mark in target.world.marks]
    assert marks == [("BILL_SYNC", bill, "T-1", "b"), ("BILL_PAYMENT_SYNC", bill, "P-1", "p")]
    assert api.ids("/bills", sync_ready="true") == []


def test_payment_before_its_bill_when_switched() -> None:
    target = simulator(payment_needs_bill=False)
    bill = target.add_bill([rent(1050)]).id
    target.pay_bill(bill)
    assert Api(target).sync("BILL_PAYMENT_SYNC", (bill, "P-1")).status == 201
    assert target.world.bills[bill].sync_status == "BILL_AND_PAYMENT_SYNCED"


def test_same_key_and_body_answers_the_same_sync() -> None:
    target = simulator()
    row = target.add_transaction(Money(500)).id
    api = Api(target)
    first = api.sync("TRANSACTION_SYNC", (row, "T-1"))
    second = api.sync("TRANSACTION_SYNC", (row, "T-1"))
    assert (second.status, second.body) == (201, first.body)
    assert len(target.world.marks) == 1
    assert api.get(f"/transactions/{row}")["synced_at"] == "2026-03-02T09:00:00+00:00"


def test_same_key_with_another_body() -> None:
    target = simulator()
    rows = [target.add_transaction(Money(500)).id for _ in range(2)]
    api = Api(target)
    assert api.sync("TRANSACTION_SYNC", (rows[0], "T-1")).status == 201
    reply = api.sync("TRANSACTION_SYNC", (rows[1], "T-2"))
    message = "The idempotency key was used with a different request."
    assert error(reply) == (400, "DEVELOPER_7098", message, {"idempotency_key": ["Already used."]})
    lenient = simulator(refuse_key_reuse=False)
    rows = [lenient.add_transaction(Money(500)).id for _ in range(2)]
    api = Api(lenient)
    first = api.sync("TRANSACTION_SYNC", (rows[0], "T-1"))
    assert api.sync("TRANSACTION_SYNC", (rows[1], "T-2")).body == first.body
    assert [mark.object_id for mark in lenient.world.marks] == [rows[0]]


def test_what_cannot_be_marked() -> None:
    target = simulator()
    api = Api(target)
    waiting = target.add_bill([rent(1)], approval="PENDING").id
    archived = target.archive(target.add_bill([rent(1)]).id).id
    unwanted = target.add_bill([rent(1)], enable_accounting_sync=False).id
    done = target.add_bill([rent(1)], sync_status="BILL_SYNCED").id
    unpaid = target.add_bill([rent(1)]).id
    pending = target.add_transaction(Money(1), state="PENDING").id
    spent = target.add_transaction(Money(1), sync_status="SYNCED").id
    wrong = {
        ("BILL_SYNC", waiting): "Bill is not ready to sync.",
        ("BILL_SYNC", archived): "Bill is not ready to sync.",
        ("BILL_SYNC", unwanted): "Bill is not ready to sync.",
        ("BILL_SYNC", done): "Bill is already synced.",
        ("BILL_PAYMENT_SYNC", unpaid): "Bill payment is not ready to sync.",
        ("BILL_PAYMENT_SYNC", done): "Bill is not ready to sync.",
        ("TRANSACTION_SYNC", pending): "Transaction is not ready to sync.",
        ("TRANSACTION_SYNC", spent): "Transaction is already synced.",
        ("TRANSACTION_SYNC", unpaid): "TRANSACTION_SYNC is not valid for this object.",
        ("BILL_SYNC", pending): "BILL_SYNC is not valid for this object.",
        ("TRANSFER_SYNC", pending): "TRANSFER_SYNC is not valid for this object.",
        ("BILL_SYNC", NOBODY): "Object not found.",
    }
    for (kind, object_id), text in wrong.items():
        reply = api.sync(kind, (object_id, "T"), key=f"{kind}{object_id}")
        assert error(reply) == (400, "DEVELOPER_7098", REFUSED, {object_id: [text]})
    assert target.world.marks == []


def test_one_bad_object_refuses_all_or_not() -> None:
    for all_or_nothing in (True, False):
        target = simulator(sync_all_or_nothing=all_or_nothing)
        good = target.add_transaction(Money(1)).id
        reply = Api(target).sync("TRANSACTION_SYNC", (good, "T-1"), (NOBODY, "T-2"))
        assert reply.status == (400 if all_or_nothing else 201)
        assert [mark.object_id for mark in target.world.marks] == ([] if all_or_nothing else [good])


def test_marking_again_when_switched() -> None:
    target = simulator(refuse_resync=False)
    row = target.add_transaction(Money(1)).id
    bill = target.add_bill([rent(1)]).id
    api = Api(target)
    for key in ("a", "b"):
        assert api.sync("TRANSACTION_SYNC", (row, "T-1"), key=key).status == 201
        assert api.sync("BILL_SYNC", (bill, "T-2"), key=f"{key}{key}").status == 201
    assert [mark.key for mark in target.world.marks] == ["a", "aa"]


def test_same_object_twice_in_a_call_is_marked_once() -> None:
    target = simulator()
    row = target.add_transaction(Money(1)).id
    assert Api(target).sync("TRANSACTION_SYNC", (row, "T-1"), (row, "T-1")).status == 201
    assert len(target.world.marks) == 1


def test_failures_are_recorded_and_the_object_stays_ready() -> None:
    target = simulator()
    good, bad = (target.add_transaction(Money(1)).id for _ in range(2))
    api = Api(target)
    reply = api.sync("TRANSACTION_SYNC", (good, "T-1"), failed={bad: "The period is closed."})
    assert reply.status == 201
    assert [(item.object_id, item.message) for item in target.world.failed] == [(bad, "The period is closed.")]
    assert api.ids("/transactions", sync_status="SYNC_READY") == [bad]
    assert api.sync("TRANSACTION_SYNC", (bad, "T-2"), key="later").status == 201


def test_unknown_failure_is_refused() -> None:
    reply = Api(simulator()).sync("BILL_SYNC", failed={NOBODY: "x"})
    assert error(reply)[3] == {NOBODY: ["Object not found."]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {},
            {
                "idempotency_key": ["Missing data for required field."],
                "sync_type": ["Missing data for required field."],
            },
        ),
        ({"idempotency_key": 7, "sync_type": "BILL_SYNC"}, {"idempotency_key": ["Not a valid string."]}),
        (
            {"idempotency_key": "k", "sync_type": "BILL_SYNC"},
            {"successful_syncs": ["Missing data for required field."]},
        ),
        (
            {"idempotency_key": "k", "sync_type": "BILL_SYNC", "successful_syncs": []},
            {"successful_syncs": ["Length must be between 1 and 5000."]},
        ),
        (
            {"idempotency_key": "k", "sync_type": "BILL_SYNC", "failed_syncs": {}},
            {"failed_syncs": ["Not a valid list."]},
        ),
        (
            {"idempotency_key": "k", "sync_type": "BILL_SYNC", "successful_syncs": [{"id": NOBODY}, 7]},
            {
                "successful_syncs.0": ["reference_id: Missing data for required field."],
                "successful_syncs.1": ["Invalid input type."],
            },
        ),
        (
            {"idempotency_key": "k", "sync_type": "BILL_SYNC", "failed_syncs": [{"id": NOBODY, "error": "no"}, {}]},
            {
                "failed_syncs.0": ["error.message: Missing data for required field."],
                "failed_syncs.1": ["id: Missing data for required field."],
            },
        ),
        (
            {
                "idempotency_key": "k",
                "sync_type": "BILL_SYNC",
                "failed_syncs": [{"id": "7", "error": {"message": "m"}}],
            },
            {"id": ["Not a valid UUID."]},
        ),
    ],
)
def test_malformed_syncs(body: dict[str, Any], fields: dict[str, list[str]]) -> None:
    reply = Api(simulator()).call("POST", "/accounting/syncs", body)
    assert error(reply) == (422, "DEVELOPER_7001", "The request could not be validated.", fields)


def test_more_than_5000_are_refused() -> None:
    reply = Api(simulator()).sync("BILL_SYNC", *[(NOBODY, "T")] * 5001)
    assert error(reply)[3] == {"successful_syncs": ["Length must be between 1 and 5000."]}


def test_sync_types_of_each_profile() -> None:
    old, new = Api(simulator()), Api(simulator("2026-08"))
    assert error(old.sync("ACCRUAL_SYNC", (NOBODY, "T")))[0] == 400
    status, _code, _message, fields = error(new.sync("ACCRUAL_SYNC", (NOBODY, "T")))
    assert status == 422
    kinds = (
        "BILL_PAYMENT_SYNC, BILL_SYNC, BROKERAGE_ORDER_SYNC, REIMBURSEMENT_SYNC, STATEMENT_CREDIT_SYNC, TRANSACTION_SYNC, "
        "TRANSFER_SYNC, WALLET_TRANSFER_SYNC"
    )
    assert fields == {"sync_type": [f"Must be one of: {kinds}."]}


def test_body_that_is_no_json_object() -> None:
    api = Api(simulator())
    assert error(api.call("POST", "/accounting/syncs", [1]))[3] == {"_schema": ["Invalid input type."]}
    assert error(api.call("POST", "/accounting/syncs"))[3] == {"_schema": ["Invalid JSON body."]}


def test_deep_link_is_kept_on_the_bill() -> None:
    target = simulator()
    bill = target.add_bill([rent(1)]).id
    api = Api(target)
    item = {"id": bill, "reference_id": "T-1", "deep_link_url": "https://books.example/T-1"}
    body = {"idempotency_key": "k", "sync_type": "BILL_SYNC", "successful_syncs": [item]}
    assert api.call("POST", "/accounting/syncs", body).status == 201
    assert api.get(f"/bills/{bill}")["deep_link_url"] == "https://books.example/T-1"


def test_no_connection_and_direct_connection_refuse_syncs() -> None:
    for options, text in (
        ({"provider": None}, "There is no active accounting connection for this business."),
        (
            {"connection": "DIRECT"},
            "Objects cannot be marked as synced while a direct accounting integration is connected.",
        ),
    ):
        target = simulator(**options)
        bill = target.add_bill([rent(1)]).id
        assert error(Api(target).sync("BILL_SYNC", (bill, "T"))) == (400, "DEVELOPER_7098", text, {})


def test_incumbent_answers_a_newcomer() -> None:
    api = Api(simulator(provider="Other Tool"))
    reply = api.call("POST", "/accounting/connection", {"remote_provider_name": "flowctl"})
    assert (reply.status, decoded(reply)["remote_provider_name"]) == (201, "Other Tool")
    assert len(api.get("/accounting/all-connections")["connections"]) == 1


def test_connection_life() -> None:
    target = simulator("2026-08", provider=None)
    api = Api(target)
    assert api.get("/accounting/connection") == {}
    assert error(api.call("DELETE", "/accounting/connection"))[:3] == (
        404,
        "DEVELOPER_7004",
        "Accounting connection not found",
    )
    made = decoded(api.call("POST", "/accounting/connection", {"remote_provider_name": "flowctl"}))
    assert made == {
        "connection_type": "API",
        "created_at": "2026-03-02T09:00:00+00:00",
        "id": made["id"],
        "is_active": True,
        "is_ready_to_migrate": False,
        "last_linked_at": "2026-03-02T09:00:00+00:00",
        "remote_provider_name": "flowctl",
        "settings": {
            "entity_selection_enabled": False,
            "reimbursement_sync_button_enabled": False,
            "transaction_accounting_vendor_creation_on_sync_enabled": False,
            "transaction_sync_button_enabled": False,
            "vendor_credits_enabled": False,
        },
        "status": "linked",
    }
    assert api.call("DELETE", "/accounting/connection").status == 204
    tombstone = api.get(f"/accounting/connection/{made['id']}")
    assert (tombstone["status"], tombstone["is_active"], tombstone["settings"]) == ("unlinked", False, None)
    other = decoded(api.call("POST", "/accounting/connection", {"remote_provider_name": "Next"}))
    refused = api.call("POST", f"/accounting/connection/{made['id']}/reactivate")
    assert error(refused) == (400, "DEVELOPER_7098", "Another accounting connection is active.", {})
    api.call("DELETE", "/accounting/connection")
    back = api.call("POST", f"/accounting/connection/{made['id']}/reactivate")
    assert (back.status, decoded(back)["status"]) == (200, "linked")
    states = [(item["id"], item["is_active"]) for item in api.get("/accounting/all-connections")["connections"]]
    assert states == [(made["id"], True), (other["id"], False)]


def test_csv_connection_is_upgraded_and_direct_keeps_its_seat() -> None:
    target = simulator("2026-08", provider="Universal CSV", connection="CSV")
    before = target.world.connection()
    made = decoded(Api(target).call("POST", "/accounting/connection", {"remote_provider_name": "flowctl"}))
    assert before is not None
    assert (made["id"], made["connection_type"], made["remote_provider_name"]) == (before.id, "API", "flowctl")
    direct = Api(simulator(provider="Xero", connection="DIRECT"))
    reply = direct.call("POST", "/accounting/connection", {"remote_provider_name": "flowctl"})
    assert error(reply)[:3] == (400, "DEVELOPER_7098", "A direct accounting integration is already connected.")


def test_connection_settings() -> None:
    target = simulator("2026-08")
    api = Api(target)
    active = target.world.connection()
    assert active is not None
    path = f"/accounting/connection/{active.id}"
    changed = api.call("PATCH", path, {"settings": {"vendor_credits_enabled": True}})
    assert decoded(changed)["settings"]["vendor_credits_enabled"] is True
    bad = api.call("PATCH", path, {"settings": {"colour": "red"}})
    assert error(bad)[3] == {"colour": ["Unknown field."]}
    assert error(api.call("PATCH", path, {"settings": []}))[3] == {"settings": ["Invalid input type."]}
    assert error(api.call("POST", "/accounting/connection", {}))[3] == {
        "remote_provider_name": ["Missing data for required field."]
    }
    assert error(api.call("GET", f"/accounting/connection/{NOBODY}"))[2] == "Accounting connection not found"
    assert api.call("DELETE", "/accounting/connection").status == 204
    assert error(api.call("PATCH", path, {}))[2] == "Settings can be changed on an active API connection only."
    assert Api(simulator()).call("GET", path).status == 404  # came in 2026


def test_transaction_that_needs_an_accounting_vendor() -> None:
    target = simulator("2026-08")
    api = Api(target)
    active = target.world.connection()
    assert active is not None
    settings = {"transaction_accounting_vendor_creation_on_sync_enabled": True}
    assert api.call("PATCH", f"/accounting/connection/{active.id}", {"settings": settings}).status == 200
    bare = target.add_transaction(Money(500)).id
    line = card_line(Money(500), coded(RENT, merchant=Account("V-1", "Blue Bottle")))
    named = target.add_transaction(Money(500), lines=[line]).id
    assert api.get(f"/transactions/{bare}")["requires_accounting_vendor_creation_to_sync"] is True
    assert "requires_accounting_vendor_creation_to_sync" not in api.get(f"/transactions/{named}")
    text = "Transaction requires an accounting vendor before it can be synced."
    assert error(api.sync("TRANSACTION_SYNC", (bare, "T-1")))[3] == {bare: [text]}
    assert api.sync("TRANSACTION_SYNC", (named, "T-2")).status == 201


def test_export_button_marks_without_notice() -> None:
    target = simulator()
    row = target.add_transaction(Money(500)).id
    bill, paid = (target.add_bill([rent(100)]).id for _ in range(2))
    target.pay_bill(paid)
    target.export_button(row, bill, paid)
    assert [target.world.bills[id_].sync_status for id_ in (bill, paid)] == ["BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED"]
    assert target.world.transactions[row].sync_status == "SYNCED"
    assert target.world.marks == []
    late = Api(target).sync("TRANSACTION_SYNC", (row, "T-1"))
    assert error(late)[3] == {row: ["Transaction is already synced."]}


def test_sync_button_fails_rows_after_five_minutes() -> None:
    target = simulator("2026-08")
    with pytest.raises(ApiError, match=r"^400 DEVELOPER_7098: The sync button is not enabled for this connection\.$"):
        click_sync(target.world)
    api = Api(target)
    active = target.world.connection()
    assert active is not None
    api.call("PATCH", f"/accounting/connection/{active.id}", {"settings": {"transaction_sync_button_enabled": True}})
    rows = [target.add_transaction(Money(500)).id for _ in range(2)]
    request = click_sync(target.world)
    assert target.world.events[-1].detail == (("sync_request_id", request),)
    target.clock.sleep(299)
    api.sync("TRANSACTION_SYNC", (rows[0], "T-1"))
    assert target.world.failed == []
    target.clock.sleep(1)
    assert target.totals().failed == {"TRANSACTION_SYNC": 1}
    assert target.world.failed[0].message == "The accounting integration did not respond in time."
    assert api.ids("/transactions", sync_status="SYNC_READY") == [rows[1]]
    assert api.sync("TRANSACTION_SYNC", (rows[1], "T-2"), key="late").status == 201


def test_totals_are_ramps_own_belief() -> None:
    target = simulator()
    whole = target.add_bill([rent(1050), rent(1)]).id
    part = target.add_bill([rent(3000)]).id
    yen = target.add_bill([rent(1200)], currency="JPY").id
    target.add_bill([rent(99_999)])
    for bill, minor in ((whole, None), (part, 2000)):
        target.pay_bill(bill, minor=minor)
    refund = target.add_transaction(Money(-250)).id
    charge = target.add_transaction(Money(10_000)).id
    target.add_transaction(Money(1))
    add_transaction(target.world, Money(7), state="PENDING")
    api = Api(target)
    api.sync("BILL_SYNC", (whole, "1"), (part, "2"), (yen, "3"), key="1")
    api.sync("BILL_PAYMENT_SYNC", (part, "4"), key="2")
    api.sync("TRANSACTION_SYNC", (refund, "5"), (charge, "6"), key="3")
    target.export_button(whole)
    assert target.totals() == Totals(
        bills={"USD": Decimal("40.51"), "JPY": Decimal(1200)},
        bill_payments={"USD": Decimal("30.51")},
        transactions={"USD": Decimal("97.50")},
        marks={"BILL_SYNC": 3, "BILL_PAYMENT_SYNC": 1, "TRANSACTION_SYNC": 2},
        failed={},
        exported={"BILL_PAYMENT_SYNC": 1},
        ready={"BILL_SYNC": 1, "TRANSACTION_SYNC": 1},
    )
