"""Bills: list, get, create, change, archive, restore and approve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from connectors.bill.simulator import build, listing
from connectors.bill.simulator.listing import Listing
from connectors.bill.simulator.records import Bill, Coding, Line
from connectors.bill.simulator.wire import (
    JsonObject,
    Request,
    amount_of,
    invalid,
    not_found,
    present,
    reply,
    text_of,
    text_time,
)
from connectors.bill.simulator.world import World
from engine.contract import HttpReply

# BILL's names of what a line is coded to, and ours.
_CODING = {
    "chartOfAccountId": "account",
    "accountingClassId": "tag",
    "departmentId": "department",
    "locationId": "location",
}


def payment_status(world: World, bill: Bill) -> str:
    """What the payments of a bill make of it. ASSUMED: which of two that fit is shown."""
    done = world.covered(bill.id)
    if done.scheduled:
        return "SCHEDULED"
    if not done.cash and not done.credit:
        return "UNPAID"
    return "PAID" if done.cash + done.credit >= bill.amount else world.options.partial


def show_coding(coding: Coding) -> JsonObject:
    """What something is coded to."""
    return present({name: getattr(coding, ours) for name, ours in _CODING.items()})


def show_line(line: Line) -> JsonObject:
    """A line of a bill or of a vendor credit."""
    return present(
        {
            "id": line.id,
            "amount": line.amount,
            "quantity": line.quantity,
            "price": line.price,
            "description": line.description,
            "classifications": show_coding(line.coding),
        }
    )


def show(world: World, bill: Bill) -> JsonObject:
    """A bill as BILL prints it."""
    options, done = world.options, world.covered(bill.id)
    vendor = world.vendors.get(bill.vendor_id)
    invoiced = bill.invoiced_on.isoformat() if bill.invoiced_on else None
    rate = bill.exchange_rate
    return present(
        {
            "id": bill.id,
            "archived": bill.archived,
            "vendorId": bill.vendor_id,
            "vendorName": vendor.name if vendor else None,
            "amount": bill.amount,
            # ASSUMED: the amount in the organization's currency.
            "fundingAmount": bill.amount if rate is None else round(bill.amount * rate, 2),
            "paidAmount": done.cash,
            # ASSUMED: what is scheduled is still due.
            "dueAmount": bill.amount - done.cash - done.credit,
            "scheduledAmount": done.scheduled,
            "creditAmount": done.credit,
            "exchangeRate": rate,
            "description": bill.description,
            "dueDate": bill.due_on.isoformat(),
            "invoice": present({"invoiceNumber": bill.invoice_number, "invoiceDate": invoiced}),
            "billLineItems": [show_line(line) for line in bill.lines],
            "payFromChartOfAccountId": bill.pay_from,
            "paymentStatus": payment_status(world, bill),
            "approvalStatus": bill.approval,
            "createdTime": text_time(options, bill.created),
            "updatedTime": text_time(options, bill.updated),
            "classifications": show_coding(bill.coding),
            "approvers": [
                {
                    "userId": item.user_id,
                    "status": item.status,
                    "approverOrder": item.order,
                    "statusChangedTime": text_time(options, item.changed),
                }
                for item in bill.approvers
            ],
            "purchaseOrderNumber": bill.purchase_order,
        }
    )


LISTING: Listing[Bill] = Listing(
    {
        "id": listing.text(lambda _, row: row.id),
        "archived": listing.flag(lambda _, row: row.archived),
        "vendorId": listing.text(lambda _, row: row.vendor_id),
        "dueDate": listing.day(lambda _, row: row.due_on),
        "paymentStatus": listing.text(payment_status),
        "createdTime": listing.moment(lambda _, row: row.created),
        "updatedTime": listing.moment(lambda _, row: row.updated),
        "payFromChartOfAccountId": listing.text(lambda _, row: row.pay_from),
        "classifications.chartOfAccountId": listing.text(lambda _, row: row.coding.account),
        "classifications.accountingClassId": listing.text(lambda _, row: row.coding.tag),
        "classifications.departmentId": listing.text(lambda _, row: row.coding.department),
        "classifications.locationId": listing.text(lambda _, row: row.coding.location),
    },
    show,
)
_WITH_APPROVAL = Listing({**LISTING.fields, "approvalStatus": listing.text(lambda _, row: row.approval)}, show)


def list_bills(world: World, request: Request) -> HttpReply:
    """GET /bills."""
    chosen = _WITH_APPROVAL if world.options.filter_approval else LISTING
    return listing.answer(world, request, [bill for bill in world.bills.values() if bill.listed], chosen)


def get_bill(world: World, request: Request) -> HttpReply:
    """GET /bills/{id}."""
    return reply(world.options, show(world, _find(world, request)))


def post_bill(world: World, request: Request) -> HttpReply:
    """POST /bills. ASSUMED: without an approval policy a new bill is UNASSIGNED; the answer has no vendor's name."""
    body = request.json()
    fields = _given(world, body, whole=True)
    made = build.add_bill(world, fields.pop("lines"), approval="UNASSIGNED", **fields)
    return reply(world.options, {key: item for key, item in show(world, made).items() if key != "vendorName"}, 201)


def put_bill(world: World, request: Request) -> HttpReply:
    """PUT /bills/{id}: the set of lines is replaced; a line that is sent with its id keeps it."""
    found = _find(world, request)
    fields = _given(world, request.json(), whole=True)
    known = {line.id for line in found.lines}
    if any(line.id not in known for line in fields["lines"] if line.id):
        raise invalid(world.options, "billLineItems.id", "is no line of this bill")
    made = build.edit_bill(world, found.id, **fields)
    return reply(world.options, show(world, made))


def patch_bill(world: World, request: Request) -> HttpReply:
    """PATCH /bills/{id}: only what is sent changes; lines that are sent with their id are changed, and none is added."""
    found, body = _find(world, request), request.json()
    fields = _given(world, body, whole=False)
    changed = {line.id: line for line in fields.pop("lines", ())}
    if set(changed) - {line.id for line in found.lines}:
        raise invalid(world.options, "billLineItems.id", "is no line of this bill")
    if changed:
        fields["lines"] = tuple(changed.get(line.id, line) for line in found.lines)
    return reply(world.options, show(world, build.edit_bill(world, found.id, **fields)))


def archive_bill(world: World, request: Request) -> HttpReply:
    """POST /bills/{id}/archive; once more is no error."""
    return reply(world.options, show(world, build.archive_bill(world, _find(world, request).id)))


def restore_bill(world: World, request: Request) -> HttpReply:
    """POST /bills/{id}/restore."""
    return reply(world.options, show(world, build.archive_bill(world, _find(world, request).id, is_archived=False)))


def post_actions(world: World, request: Request) -> HttpReply:
    """POST /bill-approvals/actions: `[{billId, action, comment}]`. ASSUMED: the actions are APPROVE and DENY."""
    options, body = world.options, request.value()
    items = body if isinstance(body, list) else []
    if not items or not all(isinstance(item, dict) for item in items):
        raise invalid(options, "actions", "must be a list that is not empty")
    for item in items:
        if item.get("billId") not in world.bills:
            raise not_found()
        if item.get("action") not in ("APPROVE", "DENY"):
            raise invalid(options, "action", "must be APPROVE or DENY")
    for item in items:
        build.approve_bill(world, item["billId"], "APPROVED" if item["action"] == "APPROVE" else "DENIED")
    return reply(options, {"status": "SUCCESS"})


def pending(world: World, _request: Request) -> HttpReply:
    """GET /bill-approvals/pending-user-approvals: what waits for this user."""
    waiting = [
        {"billId": bill.id, "vendorId": bill.vendor_id, "amount": bill.amount, "dueDate": bill.due_on.isoformat()}
        for bill in world.bills.values()
        if bill.approval in ("ASSIGNED", "APPROVING") and not bill.archived
    ]
    return reply(world.options, {"bills": waiting})


def _find(world: World, request: Request) -> Bill:
    found = world.bills.get(request.params[0])
    if found is None:
        raise not_found()
    return found


# --- what is sent -----------------------------------------------------------------------------------------------------


def _given(world: World, body: JsonObject, *, whole: bool) -> dict[str, Any]:
    """The fields of a body in our own terms; all that a bill needs when it is `whole`."""
    options = world.options
    fields: dict[str, Any] = {}
    if whole or "vendorId" in body:
        fields["vendor_id"] = text_of(options, body, "vendorId", needed=True)
        if fields["vendor_id"] not in world.vendors:
            raise invalid(options, "vendorId", "is no vendor")
    if whole or "dueDate" in body:
        fields["due_on"] = day_of(world, body, "dueDate")
    if whole or "invoice" in body:
        invoice = body.get("invoice")
        if not isinstance(invoice, dict):
            raise invalid(options, "invoice", "must not be null")
        fields["invoice_number"] = text_of(options, invoice, "invoiceNumber", needed=True)
        fields["invoiced_on"] = day_of(world, invoice, "invoiceDate")
    if whole or "billLineItems" in body:
        items = body.get("billLineItems")
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise invalid(options, "billLineItems", "must not be empty")
        fields["lines"] = tuple(_line(world, item) for item in items)
    if "description" in body:
        fields["description"] = text_of(options, body, "description")
    if isinstance(body.get("classifications"), dict):
        fields["coding"] = _coding(world, body["classifications"])
    return fields


def _line(world: World, item: Mapping[str, Any]) -> Line:
    options = world.options
    coding = item.get("classifications")
    return Line(
        amount_of(options, item, "amount", needed=True) or Decimal(0),
        _coding(world, coding) if isinstance(coding, dict) else Coding(),
        text_of(options, item, "description"),
        id=text_of(options, item, "id") or "",
    )


def _coding(world: World, given: JsonObject) -> Coding:
    options = world.options
    kinds = zip(_CODING.items(), world.lists.values(), strict=True)
    found = {}
    for (name, ours), entries in kinds:
        value = text_of(options, given, name)
        if value and value not in entries:
            raise invalid(options, name, "is not in its list")
        found[ours] = value or ""
    return replace(Coding(), **found)


def day_of(world: World, body: JsonObject, name: str) -> date:
    """A calendar day of a request body."""
    value = text_of(world.options, body, name, needed=True) or ""
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise invalid(world.options, name, "must be a day such as 2026-03-02") from error
