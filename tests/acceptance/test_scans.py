"""A second run sends only what has changed, however much there is, and an unchanged one sends nothing."""

from __future__ import annotations

import pytest

from benchmarks import freshbooks_scan, ramp_chart
from benchmarks.apart import Taken

pytestmark = pytest.mark.acceptance

# `python -m benchmarks ramp_chart freshbooks_scan` does the same with 75,000 entries and 10,000 bills.
SHARE, BILLS = 50, 120
# Reading Ramp's own objects, which there are none of, is the same in each run.
OUT = {
    "GET /accounting/all-connections": 1,
    "GET /bills": 2,  # those that are ready, and those that were archived
    "GET /cashbacks": 1,
    "GET /entities": 1,
    "GET /reimbursements": 2,
    "GET /transactions": 1,
    "GET /transfers": 1,
    "GET /vendors": 1,
}


def test_a_chart_of_accounts_is_pushed_once_and_then_only_what_has_changed() -> None:
    first, changed, unchanged = ramp_chart.simulate(SHARE)
    assert _writes(first) == {
        "POST /accounting/accounts": 1,
        "POST /accounting/field-options": 2,
        "POST /accounting/fields": 2,
        "POST /accounting/vendors": 2,
    }
    assert _writes(changed) == {
        "PATCH /accounting/accounts/*": 1,
        "PATCH /accounting/field-options/*": 4,
        "PATCH /accounting/vendors/*": 10,
    }
    assert unchanged.calls == OUT
    assert [done.written for done in (first, changed, unchanged)] == [1500, 15, 0]


def test_bills_are_read_by_the_page_and_only_the_changed_one_is_sent() -> None:
    first, unchanged, changed = freshbooks_scan.simulate(BILLS)
    # By its remote id, the same among archived ones, and by its number: then it is entered.
    assert (first.calls["GET /bills"], first.calls["POST /bills"]) == (3 * BILLS, BILLS)
    assert (unchanged.writes, unchanged.all_calls) == (0, 13)
    assert (changed.written, _writes(changed)) == (1, {"PATCH /bills/*": 1})


def _writes(done: Taken) -> dict[str, int]:
    return {call: count for call, count in done.calls.items() if not call.startswith("GET ")}
