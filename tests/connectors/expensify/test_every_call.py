"""The whole flow with one thing going wrong at one call: every kind of trouble at every call, nothing lost, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from connectors.expensify.simulator.faults import Fault, FaultName
from engine.campaign.__main__ import flow_program
from engine.diagnostics import Location
from engine.golden.case import Case, Step, load_case
from engine.golden.stage import COMPANY, Stage, staged
from engine.program import FlowProgram

CASE = Path(__file__).resolve().parents[2] / "flows" / "expensify_to_quickbooks" / "mark_not_confirmed"
HERE = Location("test")
# Of the first cycle, with two reports; no file is ready at first. Later cycles make more.
CALLS = 15


@cache
def program() -> FlowProgram:
    return flow_program("expensify_to_quickbooks")


def case() -> Case:
    expense = {"amount": "40.25", "category": "Travel:Meals", "on": "2026-02-19"}
    report = {"created": "2026-02-20", "submitted": "2026-02-23", "approved": "2026-02-25", "expenses": [expense]}
    steps = [Step("cycle", None, HERE), Step("clock", "+3h", HERE)] * 3
    given = {"expensify": {"reports": {"one": report, "two": report}}}
    return replace(load_case(CASE, program().flow), given=given, steps=tuple(steps))


def simulator(stage: Stage) -> Any:
    return stage.sandboxes["expensify"].simulator  # type: ignore[attr-defined]  # the sandbox's own


def play(*planned: Fault) -> tuple[dict[str, int], list[str], list[str], int]:
    """Marks by who made them, states of reports, kinds of transactions in the books, and how many calls there were."""
    with staged(case(), program()) as stage:
        for fault in planned:
            simulator(stage).faults.add(fault)
        stage.play()
        with stage.world.store.read() as tx:
            rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 1000})
        books = stage.sandboxes["books"].contents()  # type: ignore[attr-defined]  # the sandbox's own
        states = [row["state"] for row in rows if row["stream"] == "reports"]
        bought = [line.partition(" |")[0] for line in books if not line.startswith(" ")]
        struck = sum(simulator(stage).faults.counts.values())
        return dict(simulator(stage).totals().marks), states, bought, struck


def test_without_trouble_there_are_so_many_calls() -> None:
    with staged(case(), program()) as stage:
        stage.play()
        assert len(simulator(stage).log) >= CALLS
        assert [entry.kind for entry in simulator(stage).log[:CALLS]] == [
            *("get/policyList", "get/policy"),
            *("file", "download", "download"),
            *("file", "download", "download"),
            *("file", "download", "download"),
            *("mark", "file", "download", "download"),
        ]


@pytest.mark.parametrize("name", get_args(FaultName))
@pytest.mark.parametrize("index", range(CALLS))
def test_any_trouble_at_any_call_loses_nothing_and_posts_nothing_twice(name: FaultName, index: int) -> None:
    marks, states, books, struck = play(Fault(name, at=(index,)))
    assert (marks, states, books, struck) == ({"job": 2}, ["closed", "closed"], ["Bill", "Bill"], 1)
