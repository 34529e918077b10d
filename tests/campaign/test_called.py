"""Campaigns against a target that we call, and which makes twice what it is told twice."""

from __future__ import annotations

from collections import Counter

import pytest

from connectors.freshbooks.simulator.rig import _DEEDS as FRESHBOOKS_DEEDS
from connectors.freshbooks.simulator.rig import _FAULTS as FRESHBOOKS_FAULTS
from connectors.ramp.simulator.target_people import DEEDS
from connectors.ramp.simulator.target_rig import FAULTS
from engine.campaign.crash import FAULTS as OUR_FAULTS
from engine.campaign.play import Plan, play
from engine.campaign.run import campaign, report
from tests.campaign.plants_of_calling import CALLED, FOCUS
from tests.campaign.push_flow import program

SLICE = 200
ENOUGH = 250


def test_a_slice_of_the_campaign_of_a_called_target_is_clean() -> None:
    summary = campaign(Plan(program()), range(1, SLICE + 1), jobs=2)
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
    assert summary.counts["changed"] > SLICE // 10
    # Everything that can go wrong did; a campaign's agent, and what there is of one, is another flow's.
    expected = {*OUR_FAULTS, *FRESHBOOKS_DEEDS, *FRESHBOOKS_FAULTS, *DEEDS, *FAULTS}
    expected -= {"crash_before_call", "crash_after_call", "worker_meanwhile"}
    assert expected - set(summary.faults) == set()


def test_a_seed_repeats_exactly() -> None:
    plan = Plan(program())
    assert [report(play(plan, seed)) for seed in (7, 8)] == [report(play(plan, seed)) for seed in (7, 8)]


def test_without_faults_everything_is_posted_and_at_rest() -> None:
    plan = Plan(program(), focus=frozenset({"nothing"}))
    for seed in range(10):
        result = play(plan, seed)
        assert (result.failed, result.faults, result.verdict.unclaimed) == (False, Counter(), 0), report(result)
        assert result.verdict.posted > 0


@pytest.mark.parametrize("name", CALLED)
def test_a_planted_bug_is_found(name: str) -> None:
    plan = Plan(program(), focus=FOCUS.get(name, frozenset()), keeps=False)
    with pytest.MonkeyPatch.context() as patch:
        CALLED[name](patch)
        found = next((seed for seed in range(1, ENOUGH) if play(plan, seed).failed), None)
    assert found is not None
    # The same schedule is clean without the bug: it is the bug that was found.
    assert not play(plan, found).failed
