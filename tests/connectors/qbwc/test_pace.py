"""How many requests go together, learned from how long answers took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.qbwc.pace import Pace, after, after_trouble, initial, remembered, take, weight_of
from connectors.qbwc.state import Options
from engine.contract import Operation
from tests.connectors.qbwc.memory_outbox import bill, operation

LINE = "<ExpenseLineAdd><Amount>1.00</Amount></ExpenseLineAdd>"


@pytest.mark.parametrize(
    ("known", "batch", "pace"),
    [
        (None, 0, Pace(1, 50)),
        ({"limit": 64}, 0, Pace(32, 50)),
        ({"limit": 1}, 0, Pace(1, 50)),
        ({"limit": 5000}, 0, Pace(50, 50)),
        ({"limit": "many"}, 0, Pace(1, 50)),
        ({}, -3, Pace(1, 50)),
        ({"limit": 64}, 1, Pace(32, 1)),
        ({"limit": 64}, 20, Pace(32, 20)),
        (None, 900, Pace(1, 50)),
    ],
)
def test_a_session_begins_at_half_of_what_the_last_one_came_to(
    known: dict[str, object] | None, batch: int, pace: Pace
) -> None:
    assert initial(known, Options(batch=batch)) == pace


def test_what_is_remembered_is_small() -> None:
    assert remembered(Pace(48, 100)) == {"limit": 48}


@pytest.mark.parametrize(
    ("limit", "weight", "seconds", "clean", "then"),
    [
        (1, 1, 1.7, True, 2),
        (16, 16, 4.7, True, 32),
        (32, 32, 7.4, True, 50),
        (64, 64, 7.5, True, 64),
        (64, 64, 15.0, True, 64),
        (64, 64, 30.0, True, 32),
        (64, 64, 1000.0, True, 1),
        (64, 3, 1.0, True, 64),
        (32, 16, 1.0, True, 32),
        (32, 17, 1.0, True, 50),
        (64, 3, 16.0, True, 2),
        (64, 64, 1.0, False, 64),
        (64, 64, 30.0, False, 32),
        (64, 64, -5.0, True, 64),
        (1, 21, 20.0, True, 1),
    ],
)
def test_quick_answers_double_and_slow_ones_shrink(
    limit: int, weight: int, seconds: float, clean: bool, then: int
) -> None:
    assert after(Pace(limit), weight, seconds, clean=clean) == Pace(then)


@pytest.mark.parametrize(("limit", "then"), [(100, 25), (7, 1), (1, 1)])
def test_trouble_leaves_a_quarter(limit: int, then: int) -> None:
    assert after_trouble(Pace(limit, 50)) == Pace(then, 50)


def test_a_request_weighs_by_its_lines() -> None:
    assert weight_of((bill(1), bill(2))) == 2
    assert weight_of((operation(1, LINE * 200),)) == 21
    journal = "<JournalDebitLine><Amount>1.00</Amount></JournalDebitLine><JournalCreditLine/>"
    assert weight_of((operation(1, journal * 10, "JournalEntryAdd"),)) == 3
    payment = "<AppliedToTxnAdd><TxnID>1</TxnID></AppliedToTxnAdd>"
    assert weight_of((operation(1, payment * 10, "BillPaymentCheckAdd"),)) == 2


def test_as_many_go_together_as_the_limit_allows() -> None:
    bills = [bill(number) for number in range(150)]
    assert [take(Pace(limit), bills) for limit in (1, 2, 32, 100)] == [1, 2, 32, 50]
    assert take(Pace(100, 7), bills) == 7
    assert take(Pace(100), bills[:3]) == 3
    assert take(Pace(100), []) == 0


def test_a_heavy_request_goes_alone() -> None:
    heavy = operation(1, LINE * 200)
    assert take(Pace(5), [heavy, bill(2)]) == 1
    assert take(Pace(5), [bill(2), heavy]) == 1
    assert take(Pace(30), [bill(2), heavy, bill(3)]) == 3


def test_a_document_stays_below_half_a_mebibyte() -> None:
    big = operation(1, f"<Memo>{'x' * 200_000}</Memo>")
    assert take(Pace(100), [big, big, big]) == 2
    assert take(Pace(100), [operation(1, f"<Memo>{'x' * 600_000}</Memo>"), bill(1)]) == 1


def test_two_changes_of_one_object_never_go_together() -> None:
    one, other = (replace(bill(number), request="BillMod", target_id=target) for number, target in ((1, "A"), (2, "B")))
    assert take(Pace(100), [one, other, replace(other, target_id="A")]) == 2


def void(number: int, target: str) -> Operation:
    return replace(bill(number), request="TxnVoid", target_id=target)


def test_a_void_goes_alone() -> None:
    one, other = void(1, "A"), void(2, "B")
    assert take(Pace(100), [one, other]) == 1
    assert take(Pace(100), [one, bill(3)]) == 1
    assert take(Pace(100), [bill(3), bill(4), one, bill(5)]) == 2


def test_a_change_never_goes_with_what_names_its_object_before_it() -> None:
    paid = operation(1, "<AppliedToTxnAdd><TxnID>1A-7</TxnID></AppliedToTxnAdd>", "BillPaymentCheckAdd")
    change = replace(bill(2), request="BillMod", target_id="1A-7")
    assert take(Pace(100), [paid, change]) == 1
    assert take(Pace(100), [paid, bill(3), change, bill(4)]) == 2
    assert take(Pace(100), [change, paid, bill(3)]) == 3
    assert take(Pace(100), [paid, replace(change, target_id="1A-8"), bill(3)]) == 3
