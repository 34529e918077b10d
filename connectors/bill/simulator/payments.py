"""Payments: list and get, those that are recorded as made elsewhere, and those that BILL itself makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connectors.bill.simulator import build, listing
from connectors.bill.simulator.auth import untrusted
from connectors.bill.simulator.bills import day_of
from connectors.bill.simulator.listing import Listing
from connectors.bill.simulator.records import FAILED, BillPayment, Payment
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

_DELIVERED = frozenset({"SENT", "DELIVERED", "CLEARED"})


def _show_part(world: World, part: BillPayment) -> JsonObject:
    used = [{"id": use.credit_id, "amount": use.amount} for use in part.credits]
    amount = part.cash if world.options.part_amounts == "net" else part.cash + part.credit
    return present({"id": part.id, "billId": part.bill_id, "amount": amount, "vendorCredits": used})


def _disbursement(payment: Payment) -> JsonObject:
    """How the money travels. ASSUMED: the days, and that what was delivered cannot be voided."""
    info: JsonObject = {"isVoidable": payment.status == "PAID" and payment.single_status not in _DELIVERED}
    days = {
        "sentDate": payment.processed_on.isoformat(),
        "arrivesByDate": (payment.processed_on + timedelta(days=5)).isoformat(),
    }
    if payment.method == "CHECK":
        info["checkDisbursement"] = present({**days, "checkNumber": payment.check_number})
    elif payment.method == "ACH":
        info["achDisbursement"] = days
    return info


def show(world: World, payment: Payment) -> JsonObject:
    """A payment as BILL prints it."""
    options, is_lone = world.options, len(payment.parts) == 1
    rate, vendor = payment.exchange_rate, world.vendors.get(payment.vendor_id)
    status = "DONE" if payment.status == "PAID" else "HOLD" if payment.single_status in FAILED else "SCHEDULED"
    credited = sum((part.credit for part in payment.parts), Decimal(0)) if options.part_amounts == "all_gross" else 0
    voids: list[JsonObject] = []
    if payment.voided_at is not None:
        moment = text_time(options, payment.voided_at)
        voids.append(
            {
                "id": world.names.fixed("void", payment.id),
                "requestedBy": world.user_id,
                "type": "VOID_ONLY",
                "status": "ACCEPTED",
                "reason": "Void requested",
                "createdTime": moment,
                "updatedTime": moment,
            }
        )
    return present(
        {
            "id": payment.id,
            "vendorId": payment.vendor_id,
            "vendorName": vendor.name if vendor else None,
            # ASSUMED: the one bill of a payment is named here as well.
            "billId": payment.parts[0].bill_id if is_lone else None,
            "billPayments": []
            if options.lone_bill_id and is_lone and not payment.parts[0].credits
            else [_show_part(world, part) for part in payment.parts],
            "description": payment.description,
            "processDate": payment.processed_on.isoformat(),
            "fundingAccount": {"type": "BANK_ACCOUNT", "id": world.bank_id} if payment.is_online else None,
            "amount": payment.cash + credited,
            "fundingAmount": payment.cash if rate is None else round(payment.cash * rate, 2),
            "exchangeRate": rate,
            "transactionNumber": payment.transaction_number,
            "confirmationNumber": payment.confirmation_number,
            "status": payment.status,
            "singleStatus": payment.single_status,
            "disbursementStatus": status,
            "disbursementType": payment.method,
            "disbursementInfo": _disbursement(payment) if payment.is_online else None,
            "onlinePayment": payment.is_online,
            "voidInfo": voids,
            "cancelRequestSubmitted": payment.status == "CANCELLED",
            "createdBy": world.user_id,
            "createdTime": text_time(options, payment.created),
            "updatedTime": text_time(options, payment.updated),
        }
    )


# ASSUMED: the fields that payments are filtered by; the vendor's list of them could not be read.
LISTING: Listing[Payment] = Listing(
    {
        "id": listing.text(lambda _, row: row.id),
        "vendorId": listing.text(lambda _, row: row.vendor_id),
        "status": listing.text(lambda _, row: row.status),
        "singleStatus": listing.text(lambda _, row: row.single_status),
        "processDate": listing.day(lambda _, row: row.processed_on),
        "amount": listing.number(lambda _, row: row.cash),
        "createdTime": listing.moment(lambda _, row: row.created),
        "updatedTime": listing.moment(lambda _, row: row.updated),
    },
    show,
)


def list_payments(world: World, request: Request) -> HttpReply:
    """GET /payments."""
    return listing.answer(world, request, list(world.payments.values()), LISTING)


def get_payment(world: World, request: Request) -> HttpReply:
    """GET /payments/{id}."""
    found = world.payments.get(request.params[0])
    if found is None:
        raise not_found()
    return reply(world.options, show(world, found))


def record_payment(world: World, request: Request) -> HttpReply:
    """POST /bills/record-payment: money that was paid outside BILL, to one bill or several of one vendor.

    ASSUMED: such a payment is PAID and CLEARED at once, and its type is CHECK.
    """
    options, body = world.options, request.json()
    items = body.get("payments")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise invalid(options, "payments", "must not be empty")
    cash: dict[str, Decimal] = {}
    for item in items:
        bill_id = text_of(options, item, "billId", needed=True) or ""
        cash[bill_id] = cash.get(bill_id, Decimal(0)) + (amount_of(options, item, "amount", needed=True) or Decimal(0))
    _check(world, text_of(options, body, "vendorId", needed=True), cash)
    to_print = body.get("toPrintCheck") is True
    fields: dict[str, Any] = {"is_online": False, "method": "CHECK", "to_print": to_print}
    made = build.pay(world, cash, on=day_of(world, body, "processDate"), **fields)
    shown = {key: item for key, item in show(world, made).items() if key != "vendorName"}
    return reply(options, {**shown, "toPrintCheck": made.to_print, "allowExport": True})


def post_payment(world: World, request: Request) -> HttpReply:
    """POST /payments: BILL pays one bill; 403 BDC_1361 without the trust of a second factor."""
    if not request.trusted:
        raise untrusted()
    options, body = world.options, request.json()
    bill_id = text_of(options, body, "billId", needed=True) or ""
    cash = {bill_id: amount_of(options, body, "amount", needed=True) or Decimal(0)}
    _check(world, text_of(options, body, "vendorId", needed=True), cash)
    made = build.pay(world, cash, on=day_of(world, body, "processDate"), status="SCHEDULED")
    if isinstance(body.get("description"), str):
        made = replace(made, description=body["description"])
        world.payments[made.id] = made
    # ASSUMED: 201, as for other objects that are made.
    return reply(options, show(world, made), 201)


def _check(world: World, vendor_id: str | None, cash: dict[str, Decimal]) -> None:
    """The bills are the vendor's, and nothing is paid twice. ASSUMED: an amount above what is open is refused."""
    options = world.options
    for bill_id, amount in cash.items():
        bill = world.bills.get(bill_id)
        if bill is None or bill.vendor_id != vendor_id:
            raise invalid(options, "billId", "is no bill of this vendor")
        if amount <= 0 or amount > world.open_amount(bill_id):
            raise invalid(options, "amount", "must be above zero, and at most what is open")
