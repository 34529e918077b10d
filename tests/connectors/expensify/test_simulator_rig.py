"""The rig of a campaign: the same for the same seed, with every deed and fault, and the truth at the end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, get_args
from urllib.parse import urlencode

import httpx
import pytest

from connectors.expensify.simulator.faults import FaultName
from connectors.expensify.simulator.rig import _DEEDS, ExpensifyRig, make_rig
from connectors.expensify.simulator.wire import FORM, PATH
from engine.rigs import SourceRig, Told
from tests.connectors.expensify.simulator_kit import TEMPLATE, StillClock

CHART = {
    "accounts": [{"external_id": "8-1", "name": "Travel", "code": "6200"}],
    "classes": [{"external_id": "C-1", "name": "West"}],
    "customers": [{"external_id": "J-1", "name": "Acme:Kitchen"}],
    "vendors": [{"external_id": "V-1", "name": "Acme Supply"}],
}
NOTHING = {"chart": CHART, "focus": ["nothing"]}


def rig_of(seed: int, **options: Any) -> ExpensifyRig:
    return make_rig(seed, StillClock(), {"chart": CHART, **options})


def mark(rig: ExpensifyRig, ids: str, heard: list[Any], **changes: Any) -> httpx.Response:
    def hears(key: str, told: Any, failed: Any) -> None:
        before = {report_id for report_id, labels in rig.simulator.world.labels.items() if labels}
        heard.append((key, list(told), list(failed), before))

    world = rig.simulator.world
    job = {
        "type": "file",
        "credentials": {
            "partnerUserID": world.options.partner_user_id,
            "partnerUserSecret": world.options.partner_user_secret,
        },
        "onReceive": {"immediateResponse": ["returnRandomFileName"]},
        "inputSettings": {"type": "combinedReportData", "filters": {"reportIDList": ids}},
        "outputSettings": {"fileExtension": "json"},
        "onFinish": [{"actionName": "markAsExported", "label": "flowctl"}],
        **changes,
    }
    form = urlencode({"requestJobDescription": json.dumps(job), "template": TEMPLATE})
    with httpx.Client(transport=rig.transport(hears)) as client:
        return client.post(f"http://localhost{PATH}", content=form, headers={"content-type": FORM})


def test_same_seed_same_life() -> None:
    def life(seed: int) -> tuple[Any, ...]:
        rig = rig_of(seed)
        done = [rig.befall() for _ in range(12)]
        return done, list(rig.wanted()), rig.simulator.faults.faults, rig.simulator.world.options

    assert life(3) == life(3)
    assert life(3) != life(4)
    assert isinstance(rig_of(3), SourceRig)


def test_a_mark_is_heard_before_it_is_acted_on_and_told_once() -> None:
    rig = rig_of(5, focus=["nothing"])
    report_id = rig.add_report("APPROVED").id
    heard: list[Any] = []
    for _ in range(2):
        assert mark(rig, report_id, heard).status_code == 200
        rig.simulator.clock.sleep(30)
        rig.told()
    told = [Told("reports", "post", report_id, None)]
    assert [(item[1], item[2], item[3]) for item in heard] == [(told, [], set()), (told, [], {report_id})]
    assert heard[0][0] == heard[1][0]
    assert list(rig.told()) == told
    assert {w.id: w.standing for w in rig.wanted()}[report_id] == "told"


def test_what_tells_nothing_is_not_heard() -> None:
    rig = rig_of(5, focus=["nothing"])
    heard: list[Any] = []
    mark(rig, "R00x", heard, test="true")
    mark(rig, "R00x", heard, onFinish=[])
    mark(rig, "", heard)
    mark(rig, "R00x", heard, inputSettings={"type": "combinedReportData", "filters": None})
    with httpx.Client(transport=rig.transport(lambda *_: heard.append(1))) as client:
        assert client.post(f"http://localhost{PATH}", content=b"\xff\xfe").json()["responseCode"] == 410
    assert heard == []


def test_standings_and_amounts() -> None:
    rig = rig_of(6, focus=["nothing"])
    report = rig.add_report("APPROVED")
    world = rig.simulator.world

    def stands() -> str:
        return {w.id: w.standing for w in rig.wanted()}[report.id]

    assert stands() == "due"
    world.change_report(report.id, state="OPEN")
    assert stands() == "off"
    world.change_report(report.id, state="ARCHIVED")
    rig.look()
    world.change_report(report.id, expenses=report.expenses[:1])
    rig.look()
    world.mark(report.id, "flowctl", "hand")
    assert stands() == "by_hand"
    amounts = {w.id: w.amounts for w in rig.wanted()}[report.id]
    assert {report.total, world.reports[report.id].total} <= amounts
    assert rig.deliver(lambda *_: 200) == []


def test_every_deed_happens_and_calm_ends_them() -> None:
    seen: Counter[str] = Counter()
    for seed in range(25):
        rig = rig_of(seed, often=dict.fromkeys(_DEEDS, 0.9))
        for _ in range(8):
            rig.befall()
        seen.update(rig.counts())
        rig.calm()
        assert rig.befall() == []
        assert all(report.minor > 0 for report in rig.simulator.world.reports.values())
    assert {name for name in seen if seen[name]} == set(_DEEDS)


def test_every_fault_is_planned_by_some_seed() -> None:
    planned = {fault.name for seed in range(60) for fault in rig_of(seed).simulator.faults.faults}
    assert planned == set(get_args(FaultName)) - {"forbidden", "not_found"}
    assert rig_of(1, focus=["nothing"]).simulator.faults.faults == []
    only = [fault.name for fault in rig_of(1, focus=["reset_after"]).simulator.faults.faults]
    assert only == ["reset_after"]
    without = {fault.name for seed in range(60) for fault in rig_of(seed, without=["slow"]).simulator.faults.faults}
    assert without == planned - {"slow"}


@pytest.mark.parametrize("seed", range(8))
def test_a_plain_world_can_be_posted_at_once(seed: int) -> None:
    rig = rig_of(seed, often={"plain": 1.0, "edit_memo": 1.0, "edit_amount": 1.0, "edit_coding": 1.0, "late_bill": 1.0})
    assert not {"reopen", "export", "delete", "late_report"} & set(rig.deeds)
    for _ in range(4):
        rig.befall()
    assert {wanted.standing for wanted in rig.wanted()} == {"due"}
    world = rig.simulator.world
    assert {e.category.name for r in world.reports.values() for e in r.expenses if e.category} == {"Travel"}
    assert {r.email for r in world.reports.values()} == {"acme.supply.0@example.com"}


def test_the_campaigns_names_for_more_records() -> None:
    rig = rig_of(2, often={"late_bill": 0.9, "twin_bill": 0.8})
    assert (rig.deeds["late_report"], rig.deeds["twin_report"]) == (0.9, 0.8)


def test_without_books_there_is_still_a_category() -> None:
    rig = make_rig(1, StillClock(), {"focus": ["nothing"]})
    assert [category.name for category in rig.chart.categories] == ["Client Gifts"]
    assert rig.wanted()
