from __future__ import annotations

import json
from collections import Counter

import pytest

from engine.campaign.__main__ import flow_program, main
from engine.campaign.crash import FAULTS as OUR_FAULTS
from engine.campaign.invariants import INVARIANTS, table
from engine.campaign.play import Plan, play
from engine.campaign.run import campaign, report
from engine.errors import UnknownName

FLOW = flow_program("ramp_to_quickbooks")
SLICE = 500


def test_a_slice_of_the_campaign_is_clean() -> None:
    summary = campaign(Plan(FLOW), range(1, SLICE + 1), jobs=2)
    found = summary.as_json()
    assert {name: found[name] for name in ("schedules", "lost", "duplicated", "wrong_file", "cents_off", "stuck")} == {
        "schedules": SLICE,
        "lost": 0,
        "duplicated": 0,
        "wrong_file": 0,
        "cents_off": 0,
        "stuck": 0,
    }
    assert (found["failing_seeds"], found["invariants_broken"]) == ([], {})
    assert sum(summary.faults.values()) > 5 * SLICE
    assert summary.counts["posted"] > 3 * SLICE
    # Nearly everything that can go wrong did, in so many schedules.
    assert len(summary.faults) > 45
    assert set(OUR_FAULTS) <= set(summary.faults)


def test_a_seed_repeats_exactly() -> None:
    plan = Plan(FLOW)
    assert [report(play(plan, seed)) for seed in (7, 8)] == [report(play(plan, seed)) for seed in (7, 8)]


def test_without_faults_everything_is_posted_and_at_rest() -> None:
    plan = Plan(FLOW, focus=frozenset({"nothing"}))
    for seed in range(10):
        result = play(plan, seed)
        assert (result.failed, result.faults, result.verdict.vanished_unseen) == (False, Counter(), 0), report(result)
        assert result.verdict.posted > 0


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", "2", "--seed", "3", "--jobs", "1"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["schedules"], found["failing"], found["failing_seeds"]) == (2, 0, [])


def test_verbose_prints_the_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", "1", "--seed", "3", "-v"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed 3: ")
    assert lines[-1] == "nothing was wrong"
    assert any("BillAddRq" in line for line in lines)


def test_a_flow_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownName, match="there is no flow `nope`"):
        flow_program("nope")


def test_every_invariant_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert [item.number for item in INVARIANTS] == list(range(1, 29))
    assert main(["--invariants"]) == 0
    assert capsys.readouterr().out == table() + "\n"
