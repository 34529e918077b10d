"""Tells whether the amounts of a payment that uses vendor credits hold what the credits cover.

No document of BILL says so (FACTS.md, Objects), and three readings are possible: amounts without the credits, parts with
them and a total without, both with them. The payment's own sums tell the second; for the others, the bills are asked.

What a bill still owes tells together with its other payments. Which of those are counted in it by now is not asked, for
it may be told late: where one of them is as large as the credits, both readings fit, and nothing is told. What was told
before of the same payment stays (`stays_with` in the spec).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from connectors.bill.records import Record
from engine.errors import ExpressionError
from engine.money import parse_money

_Bill = Callable[[str], Record | None]
_Others = Callable[[Record, str], Sequence[Record]]
# Of so many payments of one bill, every sum is tried.
_MOST_OTHERS = 12


def tell(payment: Record, bill_of: _Bill, others_of: _Others) -> None:
    """Fill in `creditsIncluded` of a payment; bills are asked for only where the sums leave it open.

    `others_of` gives what payments other than the one of an id name of a bill. It is None where nothing tells: the sums fit
    nothing, or both readings.
    """
    try:
        payment["creditsIncluded"] = _included(payment, bill_of, others_of)
    except ExpressionError:  # an amount that cannot be read: the flow refuses it aloud
        payment["creditsIncluded"] = None


def _included(payment: Record, bill_of: _Bill, others_of: _Others) -> bool | None:
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
    told = {_told(payment, part, bill_of, others_of) for part in parts if _credit(part)}
    return told.pop() if len(told) == 1 else None


def _told(payment: Record, part: Record, bill_of: _Bill, others_of: _Others) -> bool | None:
    """What the bill says: this part covers its amount alone, or that and the credits, and other payments the rest."""
    if [each["billId"] for each in payment["billPayments"]].count(part["billId"]) > 1:
        return None
    # The bill first: a payment that is made between the two is then among the others, counted or not.
    bill = bill_of(part["billId"]) if part["billId"] else None
    if bill is None or bill["amount"] is None or bill["dueAmount"] is None or bill["creditAmount"] is None:
        return None
    others = others_of(bill, payment["id"])
    if len(others) > _MOST_OTHERS:
        return None
    amounts, used = [parse_money(each["amount"] or "0") for each in others], [_credit(each) for each in others]
    amount, credit = parse_money(part["amount"] or "0"), _credit(part)
    # ASSUMED: `creditAmount` is all that credits cover of the bill, those of its payments among it. A credit that was applied
    # without a payment then leaves a sum that fits no payments, and nothing is told. Did BILL count such credits alone, one
    # as large as this part's would fit by chance, and the wrong reading could be told. The vendor credits do not help: a
    # bill names none, and `usage` is known of those alone that a payment names.
    if parse_money(bill["creditAmount"]) - credit not in _sums(used):
        return None
    rest = parse_money(bill["amount"]) - parse_money(bill["dueAmount"]) - amount
    is_with = rest in _sums(amounts)
    is_without = rest - credit in _sums(one + other for one, other in zip(amounts, used, strict=True))
    return is_with if is_with != is_without else None


def _sums(amounts: Iterable[Decimal]) -> set[Decimal]:
    """What some of these may come to, none and all of them included."""
    found = {Decimal(0)}
    for amount in amounts:
        found |= {before + amount for before in found}
    return found


def _credit(part: Record) -> Decimal:
    return sum((parse_money(use["amount"] or "0") for use in part["vendorCredits"]), Decimal(0))
