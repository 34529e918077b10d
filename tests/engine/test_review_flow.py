"""ramp_to_quickbooks as an accountant reads it: what must never be posted by itself, and what a person is told instead."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engine import intake
from engine.contract import ListObject, MessageSet, OperationOutcome
from engine.desk import StoreOutbox
from engine.flowlang.flowfile import parse_flow
from engine.program import FlowProgram, compile_flow
from engine.runner import Runner
from engine.store import companies, records
from engine.testing import memory_world
from engine.world import World

COMPANY = "acme"
AT = "2026-03-02T14:00:00.000000Z"
ACCOUNTS = [ListObject(f"A-{n}", name) for n, name in enumerate(("Accounts Payable", "Checking", "Ramp Card", "Rent"))]
CODING = [{"category_info": {"type": "GL_ACCOUNT"}, "external_id": "A-3", "name": "Rent", "external_code": None}]
LINE = {"amount": "100.00", "currency": "USD", "memo": None, "accounting_field_selections": CODING}


@pytest.fixture(scope="module")
def program() -> FlowProgram:
    path = Path("flows/ramp_to_quickbooks.yaml")
    loaded = parse_flow(path.read_bytes(), str(path)).flow
    assert loaded is not None
    return compile_flow(loaded)


@pytest.fixture
def world() -> Iterator[World]:
    made = memory_world()
    with made.store.write() as tx:
        companies.add(tx, COMPANY, COMPANY, AT)
        companies.put_connection(tx, COMPANY, "books", "qbwc", {"user": "acme"}, AT)
    yield made
    made.store.close()


def bill(**changes: Any) -> dict[str, Any]:
    return {
        "id": "b-1", "invoice_number": "INV-1", "amount": "100.00", "currency": "USD", "vendor": {"id": "v-1", "name": "Acme"},
        "issued_at": "2026-02-27T00:00:00Z", "due_at": None, "accounting_date": None, "paid_at": None, "archived_at": None,
        "status": "OPEN", "approval_status": "APPROVED", "sync_status": "NOT_SYNCED", "enable_accounting_sync": None,
        "memo": None, "remote_id": None, "accounting_field_selections": [], "line_items": [LINE],
        "inventory_line_items": [], "payment": None, "applied_vendor_credits": [], "foreign_provider": None, **changes,
    }  # fmt: skip


BANK = ("ACH", "CHECK", "DOMESTIC_WIRE", "INTERNATIONAL", "LOCAL_BANK_TRANSFER", "RTP", "SWIFT")
OWN_BANK = ("CHECK", "CROSS_BORDER_PAYMENT", "DIRECT_DEBIT", "DOMESTIC_WIRE_TRANSFER")
CARDS = ("AUTOMATIC_CARD_PAYMENT", "CARD", "ONE_TIME_CARD", "ONE_TIME_CARD_DELIVERY")


def payment(method: str | None = "ACH", manual: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "amount": "100.00", "currency": "USD", "payment_date": "2026-03-01T00:00:00Z", "payment_method": method,
        "details": {"manual_payment_method": manual}, **changes,
    }  # fmt: skip


def taken(world: World, program: FlowProgram, stream: str, data: dict[str, Any]) -> tuple[str, list[str]]:
    """State and reasons of the record."""
    with world.store.write() as tx:
        batch = Runner(world).batch(tx, program, COMPANY, 1)
        intake.take_page(batch, program.stream(stream), [data])
        scope = {"company": COMPANY, "flow": program.flow.name, "stream": stream, "source_id": data["id"]}
        (row,) = tx.rows("record_find_any_phase", scope)
    return row["state"], [reason.message for reason in records.load_reasons(row)]


@pytest.fixture
def books(world: World, program: FlowProgram) -> World:
    """The lists are read and the bill is posted."""
    with StoreOutbox(world, {program.flow.name: program}).transaction() as desk:
        desk.books.store_page(COMPANY, "Vendor", [ListObject("V-1", "Acme")], first=True, last=True)
        desk.books.store_page(COMPANY, "Account", ACCOUNTS, first=True, last=True)
        for name in ("Class", "Customer"):
            desk.books.store_page(COMPANY, name, [], first=True, last=True)
    return world


def post(world: World, program: FlowProgram) -> None:
    assert taken(world, program, "bills", bill()) == ("intended", [])
    with StoreOutbox(world, {program.flow.name: program}).transaction() as desk:
        operations = desk.operations.next(COMPANY, 9)
        body = b"".join(op.body for op in operations)
        desk.operations.freeze(COMPANY, MessageSet("s" * 22, body, sha256(body).hexdigest(), operations))
        outcomes = [OperationOutcome(op.id, "posted", {"TxnID": "T-1", "EditSequence": "1"}) for op in operations]
        desk.operations.settle(COMPANY, "s" * 22, outcomes, b"")


@pytest.mark.parametrize(
    ("changes", "say"),
    [
        ({"foreign_provider": "NetSuite"}, "another integration coded the bill in Ramp; code it there for this one"),
        ({"inventory_line_items": [LINE]}, "the bill has inventory lines; enter it in QuickBooks by hand"),
        ({"amount": "100.01"}, "the lines do not add up to the bill"),
        ({"amount": "0.00", "line_items": [{**LINE, "amount": "0.00"}]},
         "QuickBooks takes no bill of zero or less; enter it there as a vendor credit"),
        ({"currency": "EUR"}, "the bill's currency is not the vendor's currency in QuickBooks"),
    ],
)  # fmt: skip
def test_a_bill_that_a_person_must_enter(books: World, program: FlowProgram, changes: dict[str, Any], say: str) -> None:
    assert taken(books, program, "bills", bill(**changes)) == ("failed", [say])


@pytest.mark.parametrize(
    ("approval", "state"),
    [
        ("APPROVED", "intended"),
        ("PENDING", "skipped"),
        ("INITIALIZED", "skipped"),
        ("REJECTED", "skipped"),
        ("TERMINATED", "skipped"),
        (None, "failed"),
        ("", "failed"),
        ("APPROVED_BY_A_LATER_API", "failed"),
    ],
)
def test_a_bill_is_posted_once_it_is_approved_and_left_out_once_it_is_not(
    books: World, program: FlowProgram, approval: str | None, state: str
) -> None:
    said = {"intended": [], "skipped": ["the bill is not approved"], "failed": [NOT_TOLD]}
    assert taken(books, program, "bills", bill(approval_status=approval)) == (state, said[state])


NOT_TOLD = (
    "Ramp does not say whether the bill is approved: approve it there or enter it in QuickBooks by hand, or see what "
    "`unstated_approval` does"
)
BY_CARD = (
    "a card paid the bill, so no check is written: pay it in QuickBooks from the card's account by hand, and see that the "
    "card's charge is not there as an expense as well"
)
BY_HAND = (
    "the bill was paid in cash, with a credit, from a wallet or by a card outside Ramp, so no check is written: enter the "
    "payment in QuickBooks by hand"
)
UNKNOWN = (
    "Ramp does not say in a way known here how the bill was paid, so no check is written: look at the payment in Ramp, and "
    "enter it in QuickBooks by hand"
)
CHARGED: dict[str, Any] = {"details": {"manual_payment_method": None, "transaction_ids": ["t-1"]}}


@pytest.mark.parametrize(
    ("changes", "state", "reasons"),
    [
        ({"payment": payment()}, "intended", []),
        ({"payment": payment("PAID_MANUALLY", "CHECK")}, "intended", []),
        *(({"payment": payment(method)}, "intended", []) for method in BANK),
        *(({"payment": payment("PAID_MANUALLY", manual)}, "intended", []) for manual in OWN_BANK),
        *(({"payment": payment(method)}, "failed", [BY_CARD]) for method in CARDS),
        *(({"payment": payment(method, **CHARGED)}, "failed", [BY_CARD]) for method in ("ACH", None, "PIGEON_POST")),
        *(({"payment": payment(method)}, "failed", [UNKNOWN]) for method in ("UNSPECIFIED", "PIGEON_POST", "ach", "", None)),
        ({"payment": None, "paid_at": "2026-03-01T10:00:00Z"}, "failed", [UNKNOWN]),
        ({"payment": payment(details=None)}, "intended", []),
        ({"payment": payment("PAID_MANUALLY", details=None)}, "failed", [UNKNOWN]),
        ({"payment": payment("PAID_MANUALLY", "OTHER")}, "failed", [UNKNOWN]),
        ({"payment": payment("PAID_MANUALLY", "PIGEON_POST")}, "failed", [UNKNOWN]),
        ({"payment": payment(None, "CHECK")}, "failed", [UNKNOWN]),
        ({"payment": payment("ACH", "OTHER")}, "failed", [UNKNOWN]),
        ({"payment": payment("CRYPTO_WALLET_TRANSFER")}, "failed", [BY_HAND]),
        ({"payment": payment(payment_date=None)}, "failed",
         ["Ramp does not say when the bill was paid; enter the payment in QuickBooks by hand"]),
        ({"payment": payment("VENDOR_CREDIT")}, "failed", [BY_HAND]),
        ({"payment": payment("PAID_MANUALLY", "NON_RAMP_CREDIT_CARD")}, "failed", [BY_HAND]),
        ({"payment": payment("PAID_MANUALLY", "CASH")}, "failed", [BY_HAND]),
        ({"payment": None, "applied_vendor_credits": [{"id": "c", "amount": "100.00"}]}, "failed", [BY_HAND]),
        ({"payment": payment(amount="60.00"), "applied_vendor_credits": [{"id": "c", "amount": "40.00"}]}, "intended", []),
        ({"payment": payment("PAID_MANUALLY", "PAID_IN_ERP")}, "skipped", ["the payment was entered in QuickBooks"]),
        ({"payment": payment(), "enable_accounting_sync": False}, "skipped", ["the bill is kept out of accounting in Ramp"]),
        ({"payment": payment(currency="EUR")}, "failed", ["the payment is in another currency than the bill"]),
        ({"payment": payment(amount="9.00"), "amount": "10.00"}, "intended", []),  # as numbers, not as texts
        ({"payment": payment(amount="100.01")}, "failed", ["the payment is larger than the bill"]),
    ],
)  # fmt: skip
def test_which_payments_leave_the_bank(
    books: World, program: FlowProgram, changes: dict[str, Any], state: str, reasons: list[str]
) -> None:
    post(books, program)
    paid = bill(status="PAID", sync_status="BILL_SYNCED", **changes)
    assert taken(books, program, "bill_payments", paid) == (state, reasons)


@pytest.mark.parametrize(
    ("days", "dated"),
    [
        ({"effective_date": "2026-03-04T00:00:00Z", "payment_date": "2026-03-01T00:00:00Z"}, "2026-03-04"),
        ({"effective_date": None, "payment_date": "2026-03-01T00:00:00Z"}, "2026-03-01"),
        ({"effective_date": None, "payment_date": None}, "2026-03-05"),
    ],
)
def test_a_check_has_the_day_on_which_the_payment_was_made(
    books: World, program: FlowProgram, days: dict[str, Any], dated: str
) -> None:
    post(books, program)
    paid = bill(status="PAID", sync_status="BILL_SYNCED", paid_at="2026-03-05T10:00:00Z", payment=payment(**days))
    assert taken(books, program, "bill_payments", paid) == ("intended", [])
    with StoreOutbox(books, {program.flow.name: program}).transaction() as desk:
        (check,) = desk.operations.next(COMPANY, 9)
    assert f"<TxnDate>{dated}</TxnDate>".encode() in check.body
