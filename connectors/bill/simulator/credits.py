"""Vendor credits: list and get, with what payments used of them."""

from __future__ import annotations

from decimal import Decimal

from connectors.bill.simulator import listing
from connectors.bill.simulator.bills import show_line
from connectors.bill.simulator.listing import Listing
from connectors.bill.simulator.records import UNDER_WAY, VendorCredit
from connectors.bill.simulator.wire import JsonObject, Request, not_found, present, reply, text_time
from connectors.bill.simulator.world import World
from engine.contract import HttpReply


def show(world: World, credit: VendorCredit) -> JsonObject:
    """A vendor credit as BILL prints it."""
    options, uses = world.options, world.uses_of(credit.id)
    applied = sum((amount for _, _, amount in uses), Decimal(0))
    status = "NOT_APPLIED"
    if any(payment.status in UNDER_WAY for payment, _, _ in uses):
        status = "IN_PROCESS"
    elif applied:
        # ASSUMED: the name of what lies between the two ends.
        status = "FULLY_APPLIED" if applied >= credit.amount else "PARTIALLY_APPLIED"
    return present(
        {
            "id": credit.id,
            "vendorId": credit.vendor_id,
            "referenceNumber": credit.reference,
            "creditDate": credit.given_on.isoformat(),
            "description": credit.description,
            "archived": credit.archived,
            "applyToChartOfAccountId": credit.apply_to_account,
            "amount": credit.amount,
            "appliedAmount": applied,
            "status": status,
            "createdTime": text_time(options, credit.created),
            "updatedTime": text_time(options, credit.updated),
            "vendorCreditLineItems": [show_line(line) for line in credit.lines],
            "usage": [
                {"billId": bill_id, "paymentId": payment.id, "amount": amount} for payment, bill_id, amount in uses
            ],
        }
    )


# ASSUMED: the fields that vendor credits are filtered by; no source lists them.
LISTING: Listing[VendorCredit] = Listing(
    {
        "id": listing.text(lambda _, row: row.id),
        "vendorId": listing.text(lambda _, row: row.vendor_id),
        "archived": listing.flag(lambda _, row: row.archived),
        "creditDate": listing.day(lambda _, row: row.given_on),
        "createdTime": listing.moment(lambda _, row: row.created),
        "updatedTime": listing.moment(lambda _, row: row.updated),
    },
    show,
)


def list_credits(world: World, request: Request) -> HttpReply:
    """GET /vendor-credits."""
    return listing.answer(world, request, list(world.credits.values()), LISTING)


def get_credit(world: World, request: Request) -> HttpReply:
    """GET /vendor-credits/{id}."""
    found = world.credits.get(request.params[0])
    if found is None:
        raise not_found()
    return reply(world.options, show(world, found))
