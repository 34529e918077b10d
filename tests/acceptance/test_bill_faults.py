"""BILL fails at every call of a whole run, QuickBooks' answers are lost at every write: nothing is lost, nothing is twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.bill.sandbox import BillSandbox
from connectors.bill.simulator import Fault
from connectors.bill.simulator.faults import FaultName
from connectors.qbwc.sandbox import QuickBooksSandbox
from engine.campaign.__main__ import flow_program
from engine.clock import from_iso
from engine.diagnostics import Location
from engine.golden.case import Case, Step
from engine.golden.stage import COMPANY, Stage, staged
from engine.store import work

FLOW = "bill_to_quickbooks"
PROGRAM = flow_program(FLOW)
START = from_iso("2026-03-02T14:00:00Z")
# The session ends; BILL asks to slow down, in a body or by a status; the answer does not arrive.
BILLS_FAULTS: tuple[FaultName, ...] = (
    "session_expired",
    "hourly_limit",
    "concurrency_limit",
    "throttled",
    "reset_after",
)
BOOKS_FAULTS = ("answer_lost", "answer_and_store_lost", "die_after")

_ONE = {"vendor": "granite", "invoice": "A-1", "issued": "2026-02-20"}
_TWO = {"vendor": "granite", "invoice": "A-2", "issued": "2026-02-21"}
GIVEN = {
    "bill": {
        "vendors": {"granite": {"name": "Granite Peak Supply Co."}},
        "bills": {
            "one": {**_ONE, "lines": [{"amount": "100.10", "account": "Rent"}]},
            "two": {
                **_TWO,
                "lines": [{"amount": "60.00", "account": "Rent"}, {"amount": "0.05", "account": "Utilities"}],
            },
            "three": {**_TWO, "invoice": "A-3", "lines": [{"amount": "7.00", "account": "Rent"}]},
        },
        "credits": {
            "back": {
                "vendor": "granite",
                "reference": "CM-1",
                "on": "2026-02-22",
                "lines": [{"amount": "10.00", "account": "Rent"}],
            }
        },
        "payments": {
            "part": {"on": "2026-02-23", "bills": {"one": "40.00"}},
            "many": {
                "on": "2026-02-24",
                "bills": {"one": "60.10", "two": "50.05"},
                "credits": {"two": {"back": "10.00"}},
            },
        },
    },
    # One vendor that BILL lacks, and is to have.
    "books": {"vendors": ["Acme Supply"]},
}
# What people do in BILL once everything is posted.
LATER: tuple[tuple[str, Any], ...] = (
    ("pay_status", {"payment": "part", "status": "VOID"}),
    ("pay", {"again": {"on": "2026-03-03", "bills": {"one": "40.00"}}}),
    ("edit_bill", {"bill": "three", "lines": [{"amount": "8.00", "account": "Rent"}]}),
)
HERE = Location("here")
# Pauses longer than BILL counts calls, and than QuickBooks' lists are believed.
CYCLE = (Step("cycle", None, HERE), Step("clock", "+4h30m", HERE))
STEPS = (*CYCLE * 2, *(Step("bill", each, HERE) for each in LATER), *CYCLE * 2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a whole run ended, whatever order things came in."""

    books: list[str]
    vendors: list[str]
    records: dict[tuple[str, str, str], str]
    alerts: list[str]
    calls: int
    at_once: int


@contextmanager
def business() -> Iterator[tuple[Stage, BillSandbox, QuickBooksSandbox]]:
    """A small business, connected, before anything was read."""
    case = Case(FLOW, "faults", Path(), "", START, 1, STEPS, {"vendors_to_bill": True}, (), GIVEN)
    with staged(case, PROGRAM) as stage:
        bill, books = stage.sandboxes["bill"], stage.sandboxes["books"]
        assert isinstance(bill, BillSandbox)
        assert isinstance(books, QuickBooksSandbox)
        yield stage, bill, books


def live_through(stage: Stage, bill: BillSandbox, books: QuickBooksSandbox) -> Outcome:
    """Everything is read and posted; then people change it; then that is posted too."""
    stage.play()
    calls = bill.simulator.tally.total
    # What failed in the last cycle is done in one more.
    replace(stage, case=replace(stage.case, steps=CYCLE)).play()
    with stage.world.store.read() as tx:
        rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 1000})
        alerts = [f"{row['kind']}: {row['message']}" for row in work.alerts(tx, COMPANY)]
    records = {
        (row["stream"], row["source_id"], row["phase"]): row["state"] for row in rows if row["stream"] != "accounts"
    }
    return Outcome(
        _by_transaction(books.contents()),
        sorted(vendor.name for vendor in bill.simulator.world.vendors.values()),
        records,
        alerts,
        calls,
        bill.simulator.tally.most_at_once,
    )


def _by_transaction(lines: list[str]) -> list[str]:
    """Transactions with what belongs to them, in an order of their own."""
    found: list[str] = []
    for line in lines:
        if line.startswith(" "):
            found[-1] += "\n" + line
        else:
            found.append(line)
    return sorted(found)


@pytest.fixture(scope="module")
def clean() -> Outcome:
    with business() as made:
        return live_through(*made)


def said_of(outcome: Outcome) -> tuple[object, ...]:
    return outcome.books, outcome.vendors, outcome.alerts, sorted(outcome.records.values())


def test_a_clean_run(clean: Outcome) -> None:
    assert (clean.vendors, clean.alerts) == (["Acme Supply", "Granite Peak Supply Co."], [])
    bills, checks = (
        " | Granite Peak Supply Co. | Accounts Payable | ",
        " | Granite Peak Supply Co. | Accounts Payable | Checking | ",
    )
    paid = "    pays Bill A-1 60.10, open 0.00\n    pays Bill A-2 50.05, open 0.00\n        with credit CM-1 10.00, left 0.00"
    said = [re.sub(r" (\| due|\|( VOID:)? BILL) .*", r"\2", text) for text in clean.books]
    assert said == [
        f"Bill | 2026-02-20 | A-1{bills}100.10\n    ExpenseLine | Rent | 100.10",
        f"Bill | 2026-02-21 | A-2{bills}60.05\n    ExpenseLine | Rent | 60.00\n    ExpenseLine | Utilities | 0.05",
        f"Bill | 2026-02-21 | A-3{bills}8.00\n    ExpenseLine | Rent | 8.00",
        f"BillPaymentCheck | 2026-02-23 | BR0YBJHM{checks}0.00 VOID:",
        f"BillPaymentCheck | 2026-02-24 | MMUNPXK1{checks}110.15\n{paid}",
        f"BillPaymentCheck | 2026-03-03 | AN5USG5W{checks}40.00\n    pays Bill A-1 40.00, open 0.00",
        f"VendorCredit | 2026-02-22 | CM-1{bills}10.00\n    ExpenseLine | Rent | 10.00",
    ]
    assert clean.calls >= 30


@pytest.mark.parametrize("name", BILLS_FAULTS)
def test_bill_fails_at_every_call(clean: Outcome, name: FaultName) -> None:
    wrong = []
    for index in range(clean.calls):
        with business() as (stage, bill, books):
            bill.simulator.faults.add(Fault(name, at=(index,)))
            found = live_through(stage, bill, books)
            assert bill.unused() == []
            assert found.at_once == 1
            if said_of(found) != said_of(clean):
                wrong.append((index, found))
    assert wrong == []


@pytest.mark.parametrize("name", BOOKS_FAULTS)
def test_quickbooks_answers_are_lost_at_every_write(clean: Outcome, name: str) -> None:
    struck = 0
    for number in range(1, 30):
        with business() as (stage, bill, books):
            books.act("fault", {"name": name, "number": number})
            found = live_through(stage, bill, books)
            if books.unused():
                break
            struck += 1
            assert said_of(found) == said_of(clean), number
    assert struck >= 5
