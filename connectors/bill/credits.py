"""Tells whether the amounts of a payment that uses vendor credits hold what the credits cover.

No document of BILL says so (FACTS.md, Objects), and three readings are possible: amounts without the credits, parts with
them and a total without, both with them. The payment's own sums tell the second; for the others, the bills are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from connectors.bill.records import Record
from engine.errors import ExpressionError
from engine.money import parse_money

_Bill = Callable[[str], Record | None]


def tell(payment: Record, bill_of: _Bill) -> None:
    """Fill in `creditsIncluded` of a payment; bills are asked for only where the sums leave it open.

    It is None where nothing tells: the sums fit nothing, or a bill is covered by other payments too.
    """
    try:
        payment["creditsIncluded"] = _included(payment, bill_of)
    except ExpressionError:  # an amount that cannot be read: the flow refuses it aloud
        payment["creditsIncluded"] = None


def _included(payment: Record, bill_of: _Bill) -> bool | None:
    parts = payment["billPayments"]
    credited = sum((_credit(part) for part in parts), Decimal(0))
    if not credited:
        return False
    given = sum((parse_money(part["amount"] or "0") for part in parts), Decimal(0))
    total = parse_money(payment["amount"] or "0")
    if given == total + credited:
        return True
    if given != total:
        return None
    told = {_told(part, bill_of) for part in parts if _credit(part)}
    return told.pop() if len(told) == 1 else None


def _told(part: Record, bill_of: _Bill) -> bool | None:
    """What the bill says: all that covers it is the part's amount alone, or that and the credits."""
    bill = bill_of(part["billId"]) if part["billId"] else None
    if bill is None or bill["amount"] is None or bill["dueAmount"] is None:
        return None
    covered = parse_money(bill["amount"]) - parse_money(bill["dueAmount"])
    amount = parse_money(part["amount"] or "0")
    if covered == amount + _credit(part):
        return False
    return True if covered == amount else None


def _credit(part: Record) -> Decimal:
    return sum((parse_money(use["amount"] or "0") for use in part["vendorCredits"]), Decimal(0))
