from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.bill.simulator.rig import _DEEDS as BILL_DEEDS
from connectors.bill.simulator.rig import _FAULTS as BILL_FAULTS
from connectors.bill.simulator.rig import _ON_THE_WAY as BILL_ON_THE_WAY
from connectors.expensify.simulator.rig import _DEEDS as EXPENSIFY_DEEDS
from connectors.expensify.simulator.rig import _FAULTS as EXPENSIFY_FAULTS
from connectors.expensify.simulator.rig import ExpensifyRig
from connectors.freshbooks.simulator.rig import _DEEDS as FRESHBOOKS_DEEDS
from connectors.freshbooks.simulator.rig import _FAULTS as FRESHBOOKS_FAULTS
from connectors.qbwc.simulator import FAULTS as BOOKS_FAULTS
from connectors.qbwc.simulator.clerk import DEEDS as CLERKS_DEEDS
from connectors.qbwc.simulator.rig import _OWN
from connectors.ramp.simulator.both_rig import DEEDS as DEEDS_OF_BOTH
from connectors.ramp.simulator.rig import _DEEDS, _FAULTS, _ON_THE_WAY
from connectors.ramp.simulator.target_people import DEEDS as PEOPLE_IN_RAMP
from connectors.ramp.simulator.target_rig import FAULTS as RAMP_FAULTS
from engine.campaign.__main__ import flow_program, main
from engine.campaign.crash import FAULTS as OUR_FAULTS
from engine.campaign.invariants import INVARIANTS, table
from engine.campaign.play import Plan, play
from engine.campaign.publish import HEADING, NoResult, PartsApart, publish
from engine.campaign.run import campaign, report
from engine.campaign.setting import STAGE_FAULTS
from engine.errors import UnknownName
from engine.rigs import Told
from engine.telemetry import committed
from tests.stores import ON_POSTGRES

FLOW = flow_program("ramp_to_quickbooks")
# What two processors play in three minutes on a fast day, and in four on a slow one; everything that can go wrong does, by
# a wide margin. Of the seeds after them a hundred thousand and more are played by `make campaign`, whose results
# docs/reference publishes.
# PostgreSQL takes five times as long for one.
SLICE = 300 if ON_POSTGRES else 5_000
SLICE_OF_EXPENSIFY = 200
SLICE_OF_BILL = 150
SLICE_OF_FRESHBOOKS = 200
SLICE_OF_ACCOUNTING = 60


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
    assert summary.counts["changed"] > SLICE // 30
    # Everything that can go wrong did, in so many schedules; in the few on PostgreSQL most of it.
    expected = {*OUR_FAULTS, *STAGE_FAULTS, *BOOKS_FAULTS, *_OWN, *_DEEDS, *_ON_THE_WAY, *_FAULTS} - {
        "switch_file_unseen"
    }
    missed = expected - set(summary.faults)
    assert len(missed) <= (len(expected) // 10 if ON_POSTGRES else 0), missed


def test_a_slice_of_expensifys_campaign_is_clean() -> None:
    summary = campaign(Plan(flow_program("expensify_to_quickbooks")), range(1, SLICE_OF_EXPENSIFY + 1), jobs=2)
    found = summary.as_json()
    assert {name: found[name] for name in ("schedules", "lost", "duplicated", "wrong_file", "cents_off", "stuck")} == {
        "schedules": SLICE_OF_EXPENSIFY,
        "lost": 0,
        "duplicated": 0,
        "wrong_file": 0,
        "cents_off": 0,
        "stuck": 0,
    }
    assert (found["failing_seeds"], found["invariants_broken"]) == ([], {})
    assert sum(summary.faults.values()) > 5 * SLICE_OF_EXPENSIFY
    assert summary.counts["posted"] > 3 * SLICE_OF_EXPENSIFY
    # Everything that can go wrong at Expensify did; of what is common to all flows the slice above speaks.
    assert {*EXPENSIFY_DEEDS, *EXPENSIFY_FAULTS} - set(summary.faults) == set()


def test_a_mark_without_a_reference_is_not_held_against_one() -> None:
    """And one with a reference still is: the same schedule, with a source that says what it was told."""
    plan = Plan(flow_program("expensify_to_quickbooks"), focus=frozenset({"nothing"}))
    assert play(plan, 1).failed is False
    told = ExpensifyRig.told

    def claims(rig: ExpensifyRig) -> list[Told]:
        return [replace(item, reference="1-1") for item in told(rig)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExpensifyRig, "told", claims)
        result = play(plan, 1)
    assert {number for number, _ in result.broken} == {14}
    assert all("the source has 1-1 for reports/" in text for _, text in result.broken)


def test_a_seed_repeats_exactly() -> None:
    plan = Plan(FLOW)
    assert [report(play(plan, seed)) for seed in (7, 8)] == [report(play(plan, seed)) for seed in (7, 8)]


def test_nothing_waits_for_a_commit_when_a_schedule_is_over() -> None:
    """What waits for one holds the whole world of its schedule; a campaign has two hundred thousand of them."""
    play(Plan(FLOW), 7)
    assert committed.held() == 0


def test_without_faults_everything_is_posted_and_at_rest() -> None:
    plan = Plan(FLOW, focus=frozenset({"nothing"}))
    for seed in range(10):
        result = play(plan, seed)
        assert (result.failed, result.faults, result.verdict.unclaimed) == (False, Counter(), 0), report(result)
        assert result.verdict.posted > 0


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", "2", "--seed", "3", "--jobs", "1"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["schedules"], found["first_seed"], found["failing"], found["failing_seeds"]) == (2, 3, 0, [])


def test_a_result_is_published_in_its_section_alone(tmp_path: Path) -> None:
    page, output = tmp_path / "page.md", tmp_path / "output.txt"
    other = f"{HEADING}: ramp_to_quickbooks\n\nkept\n"
    page.write_text(f"# Page\n\nwords\n\n{HEADING}: bill_to_quickbooks\n\nold\n\n{other}", encoding="utf-8")
    counts = dict.fromkeys(("lost", "duplicated", "wrong_file", "cents_off", "stuck", "unclaimed", "parked"), 0)
    counts |= {"schedules": 1200, "first_seed": 7, "faults": 15000, "posted": 9000, "changed": 30, "failing": 0}
    found = {
        **counts,
        "flow": "bill_to_quickbooks",
        "seconds": 61.5,
        "faults_by_name": {"race": 2},
        "failing_seeds": [],
        "invariants_broken": {},
    }
    output.write_text("noise\n" + json.dumps(found) + "\n", encoding="utf-8")
    text = publish([output], page)
    assert text.startswith(
        f"{HEADING}: bill_to_quickbooks\n\n`make campaign FLOW=bill_to_quickbooks SCHEDULES=1200 SEED=7`"
    )
    assert page.read_text(encoding="utf-8") == f"# Page\n\nwords\n\n{text}\n{other}"
    assert "| `posted` | 9,000 |" in text
    assert "No schedule failed, and no invariant was broken." in text
    found |= {"failing": 1, "failing_seeds": [9], "invariants_broken": {"12": 1}}
    output.write_text(json.dumps(found), encoding="utf-8")
    assert "Failing seeds: 9. Invariants broken: 12 (1)." in publish([output], page)
    later = tmp_path / "later.txt"
    part = {**found, "first_seed": 1207, "schedules": 10, "faults_by_name": {"race": 1, "slow": 4}, "failing_seeds": []}
    later.write_text(json.dumps(part), encoding="utf-8")
    whole = publish([output, later], page, "abc1234")
    assert "seeds 7 to 1216 at commit `abc1234`: 1,210 schedules, 30,000 faults, 123.0 seconds." in whole
    assert "| `posted` | 18,000 |" in whole
    assert whole.endswith("| `race` | 3 |\n| `slow` | 4 |\n")
    for changed, reason in (({"first_seed": 1300}, "the next is 1207"), ({"flow": "other"}, "it is of other")):
        later.write_text(json.dumps({**part, **changed}), encoding="utf-8")
        with pytest.raises(PartsApart, match=reason):
            publish([output, later], page)
    output.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(NoResult, match="the last line is not what a campaign prints"):
        publish([output], page)


def test_a_slice_of_the_campaign_of_bill_is_clean() -> None:
    summary = campaign(Plan(flow_program("bill_to_quickbooks")), range(1, SLICE_OF_BILL + 1), jobs=2)
    found = summary.as_json()
    assert {name: found[name] for name in ("schedules", "lost", "duplicated", "wrong_file", "cents_off", "stuck")} == {
        "schedules": SLICE_OF_BILL,
        "lost": 0,
        "duplicated": 0,
        "wrong_file": 0,
        "cents_off": 0,
        "stuck": 0,
    }
    assert (found["failing_seeds"], found["invariants_broken"]) == ([], {})
    assert summary.counts["posted"] > 3 * SLICE_OF_BILL
    assert summary.counts["changed"] > SLICE_OF_BILL // 30
    # Everything that can go wrong at BILL did; what can go wrong besides is looked for with the other flow.
    assert {*BILL_DEEDS, *BILL_FAULTS, *BILL_ON_THE_WAY} - set(summary.faults) == set()


def test_a_slice_of_the_campaign_of_freshbooks_is_clean() -> None:
    """Ramp is called, and makes twice what it is told twice; tests/campaign/test_called.py plants bugs in that."""
    summary = campaign(Plan(flow_program("freshbooks_to_ramp")), range(1, SLICE_OF_FRESHBOOKS + 1), jobs=2)
    found = summary.as_json()
    assert {name: found[name] for name in ("schedules", "lost", "duplicated", "wrong_file", "cents_off", "stuck")} == {
        "schedules": SLICE_OF_FRESHBOOKS,
        "lost": 0,
        "duplicated": 0,
        "wrong_file": 0,
        "cents_off": 0,
        "stuck": 0,
    }
    assert (found["failing_seeds"], found["invariants_broken"]) == ([], {})
    assert summary.counts["posted"] > 3 * SLICE_OF_FRESHBOOKS
    assert summary.counts["changed"] > SLICE_OF_FRESHBOOKS // 10
    # Everything that can go wrong on both sides did; what can befall us besides is looked for with the other flows.
    assert {*FRESHBOOKS_DEEDS, *FRESHBOOKS_FAULTS, *PEOPLE_IN_RAMP, *RAMP_FAULTS} - set(summary.faults) == set()


def test_a_slice_of_the_campaign_of_ramps_accounting_is_clean() -> None:
    """QuickBooks' lists go into Ramp, and what is ready there comes out: Ramp is read, written to and told."""
    summary = campaign(Plan(flow_program("ramp_accounting")), range(1, SLICE_OF_ACCOUNTING + 1), jobs=2)
    found = summary.as_json()
    assert {name: found[name] for name in ("schedules", "lost", "duplicated", "wrong_file", "cents_off", "stuck")} == {
        "schedules": SLICE_OF_ACCOUNTING,
        "lost": 0,
        "duplicated": 0,
        "wrong_file": 0,
        "cents_off": 0,
        "stuck": 0,
    }
    assert (found["failing_seeds"], found["invariants_broken"]) == ([], {})
    assert summary.counts["posted"] > 15 * SLICE_OF_ACCOUNTING
    assert summary.counts["changed"] > SLICE_OF_ACCOUNTING // 10
    # Everything that can befall the chart, the seat and what else is posted did.
    assert {*DEEDS_OF_BOTH, *CLERKS_DEEDS, "vendor_rule"} - set(summary.faults) == set()


@pytest.mark.parametrize(
    ("bugs", "says"),
    [
        pytest.param(
            {"engine.push.require_seat": False, "engine.opened.require_seat": False},
            "while the accounting seat is not ours",
            id="no look at the seat",
        ),
        pytest.param({"connectors.ramp.chart.changes": {}}, "and the source shows", id="no change reaches Ramp"),
    ],
)
def test_what_is_wrong_in_ramps_chart_is_found(
    monkeypatch: pytest.MonkeyPatch, bugs: Mapping[str, object], says: str
) -> None:
    """Writing while another program has the seat, and leaving the chart as it was: without the bug the seed is clean."""
    plan = Plan(flow_program("ramp_accounting"))

    def wrong(seed: int) -> bool:
        result = play(plan, seed)
        return any(says in text for text in (*result.verdict.texts, *(text for _, text in result.broken)))

    with monkeypatch.context() as planted:
        for name, answer in bugs.items():
            planted.setattr(name, lambda *_args, _answer=answer, **_named: _answer)
        seed = next(seed for seed in range(1, 400) if wrong(seed))
    assert not play(plan, seed).failed


def test_a_vendor_that_is_made_twice_in_bill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes to BILL without a look before: the rig says so, and without that bug the same seed is clean."""
    plan = Plan(flow_program("bill_to_quickbooks"))
    with monkeypatch.context() as planted:
        planted.setattr("connectors.bill.source.find_vendor", lambda *_: None)
        seed = next(seed for seed in range(1, 400) if play(plan, seed).verdict.duplicated)
    assert not play(plan, seed).failed


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
    assert [item.number for item in INVARIANTS] == list(range(1, 30))
    assert main(["--invariants"]) == 0
    assert capsys.readouterr().out == table() + "\n"
