"""Bills: their JSON, their list with its filters, and one bill."""

from __future__ import annotations

from collections.abc import Callable

from connectors.ramp.simulator.coding import bill_selection
from connectors.ramp.simulator.records import Bill, InventoryLine, Line, Money, Payment
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    amount,
    check_uuid,
    choice,
    decimal,
    flag,
    identifier,
    major,
    midnight,
    moment,
    not_found,
    page,
    reply,
    text_time,
    within,
)
from connectors.ramp.simulator.world import World, bill_ready
from engine.contract import HttpReply

APPROVALS = ("APPROVED", "INITIALIZED", "PENDING", "REJECTED", "TERMINATED")
SYNC_STATUSES = ("BILL_AND_PAYMENT_SYNCED", "BILL_SYNCED", "NOT_SYNCED")


def list_bills(world: World, request: Request) -> HttpReply:
    """GET /bills."""
    keep = _filter(world, request)
    return page(request, list(world.bills.values()), keep, lambda bill: show_bill(world, bill))


def get_bill(world: World, request: Request) -> HttpReply:
    """GET /bills/{id}; only here the payment carries its trace id."""
    bill = world.bills.get(check_uuid(request.params[0], "bill_id"))
    if bill is None:
        raise not_found("Bill")
    body = show_bill(world, bill)
    if bill.payment is not None and not bill.payment.by_card:
        trace = world.names.fixed("trace", bill.id).replace("-", "")[:15].upper()
        body["payment"]["trace_id"] = {"descriptor": f"{bill.payment.method} Trace ID", "trace_id": trace}
    return reply(200, body)


def _filter(world: World, request: Request) -> Callable[[Bill], bool]:
    approval = choice(request, "approval_status", APPROVALS)
    status = choice(request, "payment_status", ("OPEN", "PAID"))
    sync = choice(request, "sync_status", SYNC_STATUSES)
    vendor = identifier(request, "vendor_id")
    entity = identifier(request, "entity_id")
    ready = flag(request, "sync_ready")
    archived = flag(request, "is_archived") or False
    method = request.get("payment_method")
    in_range = _ranges(request)
    # Both came in 2026; an older server ignores what it does not know and answers the first page of everything.
    later = request.profile == "2026-08"
    remote_id = request.get("remote_id") if later else None
    number = request.get("invoice_number") if later else None
    draft = identifier(request, "draft_bill_id") if later else None

    def keep(bill: Bill) -> bool:
        # First, since one bill is asked for among ten thousand, and that often.
        if (remote_id is not None and remote_id != bill.remote_id) or (
            number is not None and number != bill.invoice_number
        ):
            return False
        same = (
            (approval, bill.approval),
            (status, bill.status),
            (sync, bill.sync_status),
            (vendor, bill.vendor_id),
            (entity, bill.entity_id),
            (method, bill.payment.method if bill.payment else "UNSPECIFIED"),
            (draft, bill.draft_id),
        )
        return (
            all(wanted is None or wanted == value for wanted, value in same)
            and (bill.archived_at is not None) is archived
            and (ready is None or bill_ready(world, bill) is ready)
            and in_range(bill)
        )

    return keep


def _ranges(request: Request) -> Callable[[Bill], bool]:
    created = moment(request, "from_created_at"), moment(request, "to_created_at")
    due = moment(request, "from_due_date"), moment(request, "to_due_date")
    issued = moment(request, "from_issued_date"), moment(request, "to_issued_date")
    paid = moment(request, "from_paid_at"), moment(request, "to_paid_at")
    sums = decimal(request, "min_amount"), decimal(request, "max_amount")

    def keep(bill: Bill) -> bool:
        return (
            within(bill.created_at, *created)
            and within(midnight(bill.due_on), *due)
            and within(midnight(bill.issued_on), *issued)
            and within(bill.paid_at, *paid)
            and within(major(Money(bill.minor, bill.currency)), *sums)
        )

    return keep


def show_bill(world: World, bill: Bill) -> JsonObject:
    """A bill as the API prints it."""
    vendor = world.vendors[bill.vendor_id]
    owner = world.users[bill.owner_id]
    account = vendor.accounting
    body: JsonObject = {
        "accounting_date": text_time(bill.posting_on or bill.issued_on),
        "accounting_field_selections": [bill_selection(world, item) for item in bill.selections],
        "amount": amount(Money(bill.minor, bill.currency), world.profile),
        "approval_status": bill.approval,
        "archived_at": text_time(bill.archived_at),
        "bill_owner": {"first_name": owner.first_name, "id": owner.id, "last_name": owner.last_name},
        "created_at": text_time(bill.created_at),
        "deep_link_url": bill.deep_link_url,
        "due_at": text_time(bill.due_on),
        "entity_id": bill.entity_id,
        "fx_conversion_rate": "1.0",
        "id": bill.id,
        "inventory_line_items": [_inventory_line(world, bill, line) for line in bill.inventory_lines],
        "invoice_number": bill.invoice_number,
        "invoice_urls": [f"https://receipts.ramp.example/{bill.id}.pdf"],
        "issued_at": text_time(bill.issued_on),
        "line_items": [_line(world, bill, line) for line in bill.lines],
        "memo": bill.memo,
        "paid_at": text_time(bill.paid_at),
        "payment": None if bill.payment is None else _payment(world, bill, bill.payment),
        "posting_date": text_time(bill.posting_on),
        "remote_id": bill.remote_id,
        "status": bill.status,
        "sync_status": bill.sync_status,
        "vendor": {
            "id": vendor.id,
            "name": vendor.name,
            "remote_code": account.code if account and account.code else None,
            "remote_id": account.external_id if account else None,
            "remote_name": account.name if account else None,
            "type": vendor.kind,
        },
        "vendor_contact_id": vendor.contact_id,
        "vendor_memo": bill.vendor_memo,
    }
    if world.profile == "2026-08":
        body |= _since_2026(bill)
    return body


def _since_2026(bill: Bill) -> JsonObject:
    if bill.archived_at is not None:
        summary = "ARCHIVED"
    elif bill.status == "PAID":
        summary = "PAYMENT_COMPLETED"
    elif bill.approval not in ("APPROVED", None):
        summary = "APPROVAL_REJECTED" if bill.approval == "REJECTED" else "APPROVAL_PENDING"
    else:
        summary = "PAYMENT_SCHEDULED" if bill.payment else "PAYMENT_DETAILS_MISSING"
    return {
        "applied_vendor_credits": [],
        "draft_bill_created_at": text_time(bill.created_at) if bill.draft_id else None,
        "draft_bill_id": bill.draft_id,
        "enable_accounting_sync": bill.enable_accounting_sync,
        "item_receipt_ids": [],
        "purchase_order_id": None,
        "status_summary": summary,
    }


def _line(world: World, bill: Bill, line: Line) -> JsonObject:
    body: JsonObject = {
        "accounting_field_selections": [bill_selection(world, item) for item in line.selections],
        "amount": amount(Money(line.minor, bill.currency), world.profile),
        "memo": line.memo,
    }
    if world.profile == "2026-08":
        body |= {"item_receipt_line_item_ids": [], "purchase_order_line_item_id": None}
    return body


def _inventory_line(world: World, bill: Bill, line: InventoryLine) -> JsonObject:
    quantity = "unit_quantity" if world.profile == "2025-08" else "quantity"
    return {
        "accounting_field_selections": [bill_selection(world, item) for item in line.selections],
        "amount": amount(Money(line.quantity * line.unit_minor, bill.currency), world.profile),
        "memo": line.memo,
        "unit_price": amount(Money(line.unit_minor, bill.currency), world.profile),
        quantity: line.quantity,
    }


def _details(world: World, bill: Bill, payment: Payment) -> JsonObject:
    if payment.manual:
        return {"manual_payment_method": payment.manual}
    if payment.by_card:
        limit = world.names.fixed("spend_limit", payment.id)
        return {"spend_limit_id": limit, "transaction_ids": list(payment.charges)}
    return {
        "approval_status": "APPROVED",
        "source_bank_account_id": world.names.fixed("bank_account", bill.entity_id),
        "vendor_account_id": world.names.fixed("vendor_account", bill.vendor_id),
    }


def _payment(world: World, bill: Bill, payment: Payment) -> JsonObject:
    body: JsonObject = {
        "amount": amount(Money(payment.minor, bill.currency), world.profile),
        "details": _details(world, bill, payment),
        # The real day is told of payments that are not by card; the other one is the planned day there.
        "effective_date": None if payment.by_card else text_time(payment.paid_on),
        "payment_date": text_time(payment.planned_on or payment.paid_on),
        "payment_method": payment.method,
        "trace_id": None,
    }
    if world.profile == "2026-08":
        body |= {"customer_friendly_payment_id": payment.id.replace("-", "")[:8].upper(), "id": payment.id}
    return body
