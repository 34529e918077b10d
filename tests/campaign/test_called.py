"""Campaigns against a target that we call, and which makes twice what it is told twice."""

from __future__ import annotations

from collections import Counter

import pytest

from connectors.freshbooks.simulator.records import ACTIVE, DELETED, Bill
from connectors.freshbooks.simulator.rig import _DEEDS as FRESHBOOKS_DEEDS
from connectors.freshbooks.simulator.rig import _FAULTS as FRESHBOOKS_FAULTS
from connectors.freshbooks.simulator.rig import FreshBooksRig
from connectors.ramp.simulator.target_people import DEEDS
from connectors.ramp.simulator.target_rig import FAULTS
from engine.campaign.calls import Calls
from engine.campaign.crash import FAULTS as OUR_FAULTS
from engine.campaign.play import COMPANY, Plan, Stage, play, stage_of
from engine.campaign.pushes import Pushes
from engine.campaign.run import campaign, report
from engine.store import work
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


# --- what the checks say of what people have seen ----------------------------------------------------------------------


def _posted() -> tuple[Stage, FreshBooksRig, Bill]:
    """A stage without faults on which everything is posted, its source, and a bill of it."""
    stage = stage_of(Plan(program(), focus=frozenset({"nothing"})), 3)
    stage.calm()
    source = stage.source
    assert isinstance(source, FreshBooksRig)
    return stage, source, next(iter(source.simulator.world.bills.values()))


def test_what_the_source_wants_again_after_it_was_archived_is_told_or_it_is_lost() -> None:
    stage, source, bill = _posted()
    source.simulator.world.edit_bill(bill.id, vis_state=DELETED)
    stage.work.cycle()
    source.simulator.world.edit_bill(bill.id, vis_state=ACTIVE)
    stage.work.cycle()
    assert stage.judge(3).verdict.texts == []
    subject = f"small_to_ramp/bills/{bill.id}"
    with stage.machine.world.store.write() as tx:
        assert ("drifted", subject) in {(alert["kind"], alert["subject"]) for alert in work.alerts(tx, COMPANY)}
        work.resolve_alert(tx, COMPANY, "drifted", subject, stage.machine.world.at())
    assert stage.judge(3).verdict.texts == [f"bills/{bill.id} (post) is due in the source, and voided here"]


def test_what_a_forgotten_life_of_ours_has_archived_is_unclaimed(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, source, bill = _posted()
    stage.machine.disk.copy()
    source.simulator.world.edit_bill(bill.id, vis_state=DELETED)
    stage.work.cycle()
    stage.machine.restore(0)
    source.simulator.world.edit_bill(bill.id, vis_state=ACTIVE)
    stage.work.cycle()
    verdict = stage.judge(3).verdict
    assert (verdict.texts, verdict.unclaimed) == ([], 1)
    monkeypatch.setattr(stage.machine, "restores", 0)
    (text,) = stage.judge(3).verdict.texts
    assert text.startswith(f"small_to_ramp/bills/{bill.id} is closed, and ")
    assert text.endswith(" was archived, by no person")


@pytest.mark.parametrize(("waited_s", "broken"), [(120.0, 0), (119.999999, 1)])
def test_a_write_that_has_settled_to_the_microsecond_may_go_again(
    monkeypatch: pytest.MonkeyPatch, waited_s: float, broken: int
) -> None:
    """As seconds since the start, both times are not exact: 1048620.001 - 1048500.001 is less than 120."""
    stage, _, _ = _posted()
    assert isinstance(stage.meeting, Pushes)
    calls = stage.meeting.calls
    clock, before, record = (
        stage.clock,
        len(stage.witness.broken),
        {"stream": "bills", "source_id": "1", "phase": "post"},
    )
    operation = {"id": "o", "state": "sent", "request": "BillCreate", "body": b'{"remote_id": "x"}', "target_id": ""}
    monkeypatch.setattr(Calls, "operations", lambda _self: [(record, operation)])
    clock.sleep(1_048_500.001 - clock.monotonic())
    calls.settle_s = 120
    calls.writing("bill:x")
    calls.wrote("bill:x", [], answered=False)
    clock.sleep(waited_s)
    calls.writing("bill:x")
    assert len(stage.witness.broken) - before == broken
