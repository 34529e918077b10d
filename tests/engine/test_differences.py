"""What differs, field by field: lists pair their items, objects of the target count by their id, and texts stay short."""

from __future__ import annotations

from typing import Any

import pytest

from engine.differences import Difference, differences, shown, told

RENT = {"list_id": "8-1", "full_name": "Rent"}
TRAVEL = {"list_id": "8-2", "full_name": "Travel:Meals"}


def texts(was: Any, now: Any) -> list[str]:
    return [str(each) for each in differences(was, now)]


@pytest.mark.parametrize(
    ("was", "now", "found"),
    [
        ({"total": "1.00"}, {"total": "1.00"}, []),
        ({"total": "1.00"}, {"total": "2.00"}, ["total: 1.00 -> 2.00"]),
        ({"memo": None}, {"memo": "a"}, ["memo: nothing -> a"]),
        ({"memo": "a"}, {}, ["memo: a -> nothing"]),
        ({"billable": False}, {"billable": True}, ["billable: no -> yes"]),
        ({"account": RENT}, {"account": {**RENT, "full_name": "Rent (old)"}}, []),
        ({"account": RENT}, {"account": TRAVEL}, ["account: Rent -> Travel:Meals"]),
        ({"account": RENT}, {"account": None}, ["account: Rent -> nothing"]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ["a.b.c: 1 -> 2"]),
        ({"tags": ["x", "y"]}, {"tags": ["y"]}, ["tags[0]: x -> nothing"]),
        ({"a": [1]}, {"a": "1"}, ["a: 1 -> 1"]),
    ],
)
def test_each_field_that_differs(was: Any, now: Any, found: list[str]) -> None:
    assert texts(was, now) == found


def test_a_line_that_is_new_leaves_the_others_as_they_are() -> None:
    lines = [{"amount": "1.00", "account": RENT}, {"amount": "2.00", "account": RENT}]
    new = {"amount": "9.00", "account": TRAVEL, "memo": None}
    assert texts({"lines": lines}, {"lines": [new, *lines]}) == [
        "lines[0]: nothing -> amount 9.00, account Travel:Meals"
    ]
    assert texts({"lines": lines}, {"lines": lines[1:]}) == ["lines[0]: amount 1.00, account Rent -> nothing"]
    changed = [{**lines[0], "amount": "1.50"}, lines[1]]
    assert texts({"lines": lines}, {"lines": changed}) == ["lines[0].amount: 1.00 -> 1.50"]


def test_long_values_are_cut_and_stay_on_one_line() -> None:
    assert shown("a\nb  c") == "a b c"
    assert shown("x" * 100) == "x" * 59 + "…"
    assert shown(["a", None, 3]) == "a, nothing, 3"


def test_a_person_is_told_the_first_ones_and_how_many_more() -> None:
    found = [Difference(f"f{number}", "1", "2") for number in range(10)]
    assert told(found[:2]) == "f0: 1 -> 2; f1: 1 -> 2"
    assert told(found) == "; ".join(f"f{number}: 1 -> 2" for number in range(8)) + "; and 2 more"
    assert told([]) == ""
