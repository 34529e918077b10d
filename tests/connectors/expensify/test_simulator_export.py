"""Jobs of the type `file`: which reports they choose, what they refuse, and what they mark."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from connectors.expensify.simulator.build import reopen
from tests.connectors.expensify.simulator_kit import TEMPLATE, Account, decoded, refusal
from tests.reference import reference

ALL = {"reportState": "OPEN,SUBMITTED,APPROVED,REIMBURSED,ARCHIVED"}


def test_the_answer_is_a_bare_name_as_plain_text() -> None:
    account = Account()
    answer = account.file()
    sample = reference("expensify", "xrl-file-submit.txt").read_text().strip()
    shape = "export[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
    assert re.fullmatch(rf"{shape}\.json", answer.body.decode())
    assert re.fullmatch(rf"{shape}\.csv", sample)


def test_states() -> None:
    account = Account()
    made = {
        state: account.report(state=state).id for state in ("OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED")
    }
    assert set(account.ids()) == {made[state] for state in ("APPROVED", "REIMBURSED", "ARCHIVED")}
    for state, report_id in made.items():
        assert account.ids({"reportState": state}) == [report_id]
    assert set(account.ids({"reportState": None})) == set(made.values())
    shown = {row["state"]: row["status"] for row in account.export(ALL)}
    assert shown == {
        "OPEN": "Open", "SUBMITTED": "Processing", "APPROVED": "Approved", "REIMBURSED": "Reimbursed", "ARCHIVED": "Closed",
    }  # fmt: skip
    assert refusal(account.file({"reportState": "APPROVED,CLOSED"})) == (200, 410, "Status 'CLOSED' is not supported")


def test_days_are_those_of_submission_or_creation_whichever_came_last() -> None:
    account = Account()
    old, new = account.report(day=30), account.report(day=5)
    begun_early = account.report(day=5, created=old.created)
    never_submitted = account.report(day=30, state="OPEN")
    assert set(account.ids(startDate="2026-02-20")) == {new.id, begun_early.id}
    assert account.ids(startDate="2026-01-01", endDate="2026-02-10") == [old.id]
    assert account.ids(startDate="2026-01-31", endDate="2026-01-31") == [old.id]
    assert account.ids({"reportState": "OPEN"}, startDate="2026-01-31") == [never_submitted.id]


@pytest.mark.parametrize("inclusive", [True, False])
def test_approved_after(inclusive: bool) -> None:
    account = Account(approved_after_inclusive=inclusive)
    account.report(day=11)
    on_the_day, later = account.report(day=10), account.report(day=9)
    waiting = account.report(day=1, state="SUBMITTED")
    found = account.ids(ALL, approvedAfter="2026-02-20")
    assert set(found) == ({on_the_day.id, later.id} if inclusive else {later.id})
    assert waiting.id not in found


def test_ids_policies_and_their_combination() -> None:
    account = Account()
    first, second = account.report(), account.report()
    other = replace(account.policy, id="DEADBEEF12345678", name="Other")
    account.world.policies[other.id] = other
    third = account.report(policy_id=other.id)
    assert set(account.ids(reportIDList=f"{first.id}, {third.id},R00nobody")) == {first.id, third.id}
    assert account.ids(reportIDList=second.old_id) == [second.id]
    assert account.ids(policyIDList=other.id, startDate="2026-01-01") == [third.id]
    assert account.ids(reportIDList=first.id, policyIDList=other.id) == []


def test_limit_is_a_text_and_keeps_the_oldest() -> None:
    account = Account()
    made = [account.report(day=day).id for day in (30, 20, 10)]
    assert account.ids({"limit": "2"}) == made[:2]
    account.world.options = replace(account.world.options, newest_first=True)
    assert account.ids({"limit": "2"}) == made[:0:-1]
    refused = (200, 410, "Parameter 'limit' is not valid")
    assert [refusal(account.file({"limit": value})) for value in (2, "0", "-1", "two", True)] == [refused] * 5
    account.world.options = replace(account.world.options, number_limit="taken")
    assert len(account.ids({"limit": 2})) == 2


def test_an_anchor_is_needed_and_a_year_is_the_most() -> None:
    account = Account()
    anchor = "One of the parameters 'reportIDList', 'startDate', 'approvedAfter' is required"
    assert refusal(account.file(markedAsExported="flowctl")) == (200, 410, anchor)
    assert refusal(account.file(endDate="2026-03-01")) == (200, 410, anchor)
    needed = (200, 410, "Required parameter 'endDate' is missing")
    assert refusal(account.file(startDate="2025-01-01")) == needed
    assert refusal(account.file(approvedAfter="2025-01-01")) == needed
    long = (200, 410, "The date range must not exceed one year")
    assert refusal(account.file(startDate="2025-01-01", endDate="2026-02-01")) == long
    assert refusal(account.file(startDate="2026-02-01", endDate="2026-01-01")) == long
    assert account.ids(startDate="2024-01-01", endDate="2024-12-31") == []
    day = (200, 410, "Parameter 'startDate' is not valid")
    assert [refusal(account.file(startDate=text)) for text in ("2026-02-30", "1/2/2026", 5)] == [day] * 3


def test_the_label_filter_and_the_job_that_marks() -> None:
    account = Account()
    first, second = account.report(), account.report()
    assert account.ids(reportIDList=first.id, mark="flowctl") == [first.id]
    assert account.ids(startDate="2026-01-01", markedAsExported="flowctl") == [second.id]
    assert set(account.ids(startDate="2026-01-01", markedAsExported="other")) == {first.id, second.id}
    assert set(account.ids()) == {first.id, second.id}
    # A second mark changes nothing.
    account.file(reportIDList=first.id, mark="flowctl")
    assert [(mark.report_id, mark.label, mark.by) for mark in account.world.marks] == [(first.id, "flowctl", "job")]
    # Whatever became of it: the label stays, unless the switch says otherwise.
    reopen(account.world, first.id)
    assert account.ids({"reportState": "OPEN"}, reportIDList=first.id, markedAsExported="flowctl") == []
    account.world.options = replace(account.world.options, reopen_clears_labels=True)
    reopen(account.world, first.id)
    assert account.ids({"reportState": "OPEN"}, reportIDList=first.id, markedAsExported="flowctl") == [first.id]


def test_a_mark_can_come_later_than_the_file() -> None:
    account = Account(marks_after_s=20.0)
    report = account.report()
    account.file(reportIDList=report.id, mark="flowctl")
    assert account.ids(reportIDList=report.id, markedAsExported="flowctl") == [report.id]
    account.clock.sleep(20)
    assert account.ids(reportIDList=report.id, markedAsExported="flowctl") == []


def test_the_test_flag_skips_the_mark_and_is_a_text() -> None:
    account = Account()
    report = account.report()

    def marked(test: object) -> bool:
        account.world.labels.clear()
        account.file(reportIDList=report.id, mark="flowctl", test=test)
        return bool(account.world.labels.get(report.id))

    assert [marked(test) for test in ("true", "false")] == [False, True]
    # What no source proves, in its three forms.
    assert [marked(test) for test in (True, False)] == [True, True]
    account.world.options = replace(account.world.options, boolean_test="taken")
    assert [marked(test) for test in (True, False)] == [False, True]
    account.world.options = replace(account.world.options, boolean_test="refused")
    assert [marked(test) for test in (True, False)] == [False, False]
    assert refusal(account.file(test="yes")) == (200, 410, "Parameter 'test' is not valid")


REFUSED: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({"onReceive": None}, (410, "Required parameter 'onReceive' is missing")),
    ({"onReceive": {"immediateResponse": ["returnFile"]}}, (410, "Parameter 'immediateResponse' is not valid")),
    ({"inputSettings": None}, (410, "Required parameter 'inputSettings' is missing")),
    ({"inputSettings": []}, (410, "Parameter 'inputSettings' is not valid")),
    ({"inputSettings": {"type": "other"}}, (410, "Parameter 'type' is not valid")),
    ({"inputSettings": {"type": "combinedReportData"}}, (410, "Required parameter 'filters' is missing")),
    (
        {"inputSettings": {"type": "combinedReportData", "employeeEmail": "user@domain.com"}},
        (500, "Not authorized to authenticate as user user@domain.com"),
    ),
    ({"outputSettings": None}, (410, "Required parameter 'outputSettings' is missing")),
    ({"outputSettings": {"fileExtension": "docx"}}, (410, "Parameter 'fileExtension' is not valid")),
    ({"outputSettings": {"fileExtension": "pdf"}}, (410, "Parameter 'fileExtension' is not valid")),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED)
def test_refused_jobs(changes: dict[str, Any], expected: tuple[int, str]) -> None:
    job = {
        "type": "file",
        "onReceive": {"immediateResponse": ["returnRandomFileName"]},
        "inputSettings": {"type": "combinedReportData", "filters": {"startDate": "2026-01-01"}},
        "outputSettings": {"fileExtension": "json"},
        **changes,
    }
    assert refusal(Account().job(job, TEMPLATE)) == (200, *expected)


def test_only_the_connectors_own_template_is_rendered() -> None:
    account = Account()
    known = (410, "This sandbox renders the template of flowctl's Expensify connector, and no other")
    assert refusal(account.file(template=TEMPLATE + " ")) == (200, *known)
    assert refusal(account.file(template="")) == (200, *known)
    assert refusal(account.file(template=None)) == (200, 410, "Required parameter 'template' is missing")
    assert account.world.files == {}


def test_envelopes_have_the_form_of_the_vendors() -> None:
    samples = json.loads(reference("expensify", "errors.json").read_text())
    account = Account()
    made = [
        decoded(account.file({"employeeEmail": "user@domain.com"})),
        account.get("policy", fields=["tags"]),
        decoded(account.job({"type": "update", "inputSettings": {"type": "reportStatus", "status": "APPROVED"}})),
    ]
    assert made == samples[:3]
