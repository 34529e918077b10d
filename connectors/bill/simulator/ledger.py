"""What BILL believes is to be in the books: counted from its own state, independent of what the engine says."""

from __future__ import annotations

from decimal import Decimal

from connectors.bill.simulator.records import FAILED, Bill, Payment, VendorCredit
from connectors.bill.simulator.world import World
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums in major units: bills that are approved, payments that were made in money, vendor credits."""

    bills: Decimal
    payments: Decimal
    credits: Decimal


def is_due_bill(world: World, bill: Bill) -> bool:
    """Whether a bill is to be in the books: approved, and not archived."""
    return bill.approval in world.counted.approvals and not bill.archived


def is_due_payment(world: World, payment: Payment) -> bool:
    """Whether a payment is to be in the books: its money has left and did not come back, and its bills are there."""
    made = payment.status == "PAID" and payment.single_status not in FAILED
    ours = payment.is_online or world.counted.outside
    return made and ours and all(is_due_bill(world, world.bills[part.bill_id]) for part in payment.parts)


def is_due_credit(credit: VendorCredit) -> bool:
    """Whether a vendor credit is to be in the books."""
    return not credit.archived


def totals(world: World) -> Totals:
    """The totals now."""
    zero = Decimal(0)
    return Totals(
        sum((bill.amount for bill in world.bills.values() if is_due_bill(world, bill)), zero),
        sum((payment.cash for payment in world.payments.values() if is_due_payment(world, payment)), zero),
        sum((credit.amount for credit in world.credits.values() if is_due_credit(credit)), zero),
    )
