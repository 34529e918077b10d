from __future__ import annotations

import json
import random
from typing import Any

import pytest

from connectors.qbwc.simulator.persist import to_json
from connectors.qbwc.simulator.rig import QuickBooksRig
from engine.campaign.__main__ import flow_program
from engine.campaign.play import COMPANY, Plan, Stage, silent, stage_of
from engine.store import journal

# A restore of the store, and a worker that goes by the schedule, are one for all companies in it.
PLAN = Plan(flow_program("ramp_to_quickbooks"), without=frozenset({"restore_ours", "by_schedule"}))
STEPS = ("cycle", "run", "session", "tell", "prepare", "person")


@pytest.mark.parametrize("seed", [3, 17, 40, 58, 81, 102])
def test_a_company_runs_the_same_whether_another_one_is_there_or_not(seed: int) -> None:
    alone = told(stage_of(PLAN, seed))
    stage = stage_of(PLAN, seed)
    beside = stage_of(PLAN, seed + 1000, "neighbour", stage.machine.disk)
    between_its_calls(stage, beside, random.Random(seed))
    for mine, before in zip(told(stage), alone, strict=True):
        assert mine == before
    # The other one was not idle, and its own books are right too.
    assert any("AddRq" in line or "QueryRq" in line for line in beside.witness.timeline)
    beside.machine.chaos.is_off = False
    with silent():
        beside.calm()
        assert not beside.judge(seed).failed


def between_its_calls(stage: Stage, neighbour: Stage, chance: random.Random) -> None:
    """The neighbour works between any two calls of the company, with all its own faults."""
    meanwhile = stage.machine.meanwhile
    neighbour.take("cycle")

    def busy(fault: str, *given: Any) -> None:
        if fault == "worker_meanwhile" and chance.random() < 0.3:
            neighbour.befall()
            neighbour.take(chance.choice(STEPS))
            neighbour.clock.advance("+20m")
        meanwhile(fault, *given)

    stage.machine.meanwhile = busy  # type: ignore[method-assign, assignment]


def told(stage: Stage) -> tuple[list[str], list[str], str, list[str]]:
    """The timeline, the journal, the books and the findings; numbers of records are those of the whole store."""
    with silent():
        stage.storm()
        stage.calm()
        result = stage.judge(0)
    numbers: dict[int, int] = {}
    lines = []
    for line in journal.lines(stage.machine.tx, COMPANY):
        kept = {name: line[name] for name in line.keys() if "hash" not in name}  # noqa: SIM118 - a row is no dict
        if kept["record_id"] is not None:
            kept["record_id"] = numbers.setdefault(kept["record_id"], len(numbers))
        detail = json.loads(kept["detail"] or "{}")
        if "changes" in detail:
            detail["changes"] = numbers.setdefault(detail["changes"], len(numbers))
        lines.append(json.dumps({**kept, "detail": detail}))
    assert isinstance(stage.books, QuickBooksRig)
    assert journal.verify(stage.machine.tx, COMPANY) is None
    return result.timeline, lines, to_json(stage.books.sandbox.company), result.verdict.texts
