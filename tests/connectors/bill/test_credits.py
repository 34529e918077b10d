"""Whether the amounts of a payment hold its vendor credits: told by the sums, the bill and the bill's other payments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connectors.bill.bill_kit import FakeBill, Row, bill

_ONE, _CREDIT = "00n00000000000000001", "vcr00000000000000001"


def payment(number: int, amount: object, credit: object = 0, **fields: object) -> Row:
    used = [{"id": _CREDIT, "amount": credit}] if credit else []
    return {
        "id": f"stp{number:017d}",
        "billPayments": [{"id": f"blp{number:017d}", "billId": _ONE, "amount": amount, "vendorCredits": used}],
        "amount": amount,
        "status": "PAID",
        "singleStatus": "CLEARED",
        "createdTime": f"2026-11-20T10:{number:02d}:00.000+00:00",
        "updatedTime": f"2026-11-20T10:{number:02d}:00.000+00:00",
        **fields,
    }


def told(due: object, credit: object, *payments: Row, **fields: Any) -> bool | None:
    """What is said of the first payment when the bill of 300.00 still owes this much."""
    fake = FakeBill(bills=[bill(1, 300.0, dueAmount=due, creditAmount=credit, **fields)], payments=payments)
    record = fake.open().get("payments", payments[0]["id"])
    assert record is not None
    said = record["creditsIncluded"]
    assert said is None or isinstance(said, bool)
    return said


@pytest.mark.parametrize(("due", "is_with"), [(200.0, True), (180.0, False), (190.0, None)])
def test_the_bill_of_one_payment_tells(due: float, is_with: bool | None) -> None:
    assert told(due, 20.0, payment(1, 100.0, 20.0)) is is_with


def test_what_is_assumed_of_the_credits_of_a_bill() -> None:
    """That they are all that cover it. Another one, applied by itself, is noticed when it is counted beside this one."""
    assert told(180.0, 40.0, payment(1, 100.0, 20.0)) is None
    # Counted alone, and as large by chance, it would be taken for this one: the guide says so.
    assert told(180.0, 20.0, payment(1, 100.0, 20.0)) is False


@pytest.mark.parametrize("first", [payment(1, 80.0, 20.0), payment(1, 100.0, 20.0)])
@pytest.mark.parametrize("status", ["PAID", "SCHEDULED", "SOMETHING_NEW"])
def test_another_payment_as_large_as_the_credit_leaves_it_open(first: Row, status: str) -> None:
    # Of 120.00 that are covered, either 100.00 are net and all is this payment's, or it is 100.00 and the other one's 20.00.
    due = 300 - first["amount"] - 20
    assert told(due, 20.0, first, payment(2, 20.0, status=status)) is None


def test_two_others_that_come_to_the_credit_leave_it_open() -> None:
    assert told(180.0, 20.0, payment(1, 100.0, 20.0), payment(2, 5.0), payment(3, 15.0)) is None


@pytest.mark.parametrize(("due", "is_with"), [(150.0, True), (130.0, False), (200.0, True), (180.0, False)])
def test_another_payment_of_another_amount_tells_as_well_counted_or_not(due: float, is_with: bool) -> None:
    assert told(due, 20.0, payment(1, 100.0, 20.0), payment(2, 50.0)) is is_with


@pytest.mark.parametrize(("due", "is_with"), [(200.0, True), (180.0, False)])
def test_a_void_payment_with_the_same_credit_is_no_hindrance(due: float, is_with: bool) -> None:
    assert told(due, 20.0, payment(1, 100.0, 20.0), payment(2, 100.0, 20.0, status="VOID")) is is_with


def test_a_credit_that_no_payment_uses_leaves_it_open() -> None:
    # 20.00 of the 120.00 are of a credit that was applied by itself.
    assert told(180.0, 40.0, payment(1, 100.0, 20.0)) is None


@pytest.mark.parametrize("credit", [None, 0, 300.0])
def test_a_sum_of_credits_that_means_something_else_tells_nothing(credit: object) -> None:
    assert told(200.0, credit, payment(1, 100.0, 20.0)) is None


def test_a_bill_that_is_paid_twice_by_one_payment_tells_nothing() -> None:
    first = payment(1, 120.0, 20.0)
    (part,) = first["billPayments"]
    first["billPayments"] = [{**part, "amount": 100.0}, {**part, "amount": 20.0, "vendorCredits": []}]
    assert told(180.0, 20.0, first) is None


def test_more_payments_of_a_bill_than_are_tried_tell_nothing() -> None:
    others = [payment(number, 0.5) for number in range(2, 15)]
    assert told(200.0, 20.0, payment(1, 100.0, 20.0), *others) is None


def test_an_amount_of_another_payment_that_cannot_be_read_tells_nothing() -> None:
    assert told(200.0, 20.0, payment(1, 100.0, 20.0), payment(2, "1e3x")) is None


def test_payments_are_listed_once_and_then_what_has_changed_since() -> None:
    later = payment(3, 20.0)
    rows = [payment(1, 100.0, 20.0), payment(2, 50.0)]
    fake = FakeBill(9, bills=[bill(1, 300.0, dueAmount=150.0, creditAmount=20.0)], payments=rows)
    asked: list[str] = []

    def noted(request: Any) -> None:
        if request.url.path.endswith("/payments"):
            asked.append(str(request.url.params.get("filters", "")))

    fake.before = noted
    source = fake.open(overlap_minutes=5)
    assert [source.get("payments", rows[0]["id"])["creditsIncluded"] for _ in range(2)] == [True, True]  # type: ignore[index]
    fake.lists["payments"] = [*rows, later]
    fake.lists["bills"] = [bill(1, 300.0, dueAmount=130.0, creditAmount=20.0)]
    assert source.get("payments", rows[0]["id"])["creditsIncluded"] is None  # type: ignore[index]
    # From the day of the bill, and then from the newest change, each with the overlap.
    assert asked == [
        'updatedTime:gte:"2026-11-02T09:55:00.000Z"',
        'updatedTime:gte:"2026-11-20T09:57:00.000Z"',
        'updatedTime:gte:"2026-11-20T09:57:00.000Z"',
    ]


def test_nothing_is_listed_for_a_payment_without_credits() -> None:
    fake = FakeBill(payments=[payment(1, 100.0)])
    record = fake.open().get("payments", f"stp{1:017d}")
    assert record is not None
    assert record["creditsIncluded"] is False
    assert not {"/connect/v3/payments", f"/connect/v3/bills/{_ONE}"} & {*fake.calls()}
