"""Credentials, limits, what is no job at all, and everything that can go wrong on the way."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from connectors._simulated import ConnectionReset
from connectors.expensify.simulator import Fault
from connectors.expensify.simulator.faults import FaultName
from connectors.expensify.simulator.wire import FORM
from tests.connectors.expensify.simulator_kit import Account, decoded, refusal

LIMITS = ((5, 10.0), (20, 60.0))
OLD = "You have been rate-limited. Please try again later or contact help@expensify.com for assistance."
LIST = {"type": "get", "inputSettings": {"type": "policyList"}}


@pytest.mark.parametrize("code", [401, 403, 500])
def test_wrong_credentials(code: int) -> None:
    account = Account(wrong_credentials=code)
    wrong = {"partnerUserID": "aa_sandbox_example_com", "partnerUserSecret": "wrong"}
    assert refusal(account.job({**LIST, "credentials": wrong})) == (200, code, "Authentication error")
    assert refusal(account.job({**LIST, "credentials": {}})) == (200, code, "Authentication error")
    nothing = (200, 410, "Required parameter 'credentials' is missing")
    assert refusal(account.job({**LIST, "credentials": None})) == nothing
    assert account.world.files == {}


def test_what_is_no_job() -> None:
    account = Account()
    missing = (200, 410, "Required parameter 'requestJobDescription' is missing")
    broken = (200, 410, "requestJobDescription is not valid JSON")
    assert refusal(account.post({"template": "x"})) == missing
    assert refusal(account.post({})) == missing
    assert refusal(account.post({"requestJobDescription": "{}"}, kind="application/json")) == missing
    assert refusal(account.post({"requestJobDescription": "{"})) == broken
    assert refusal(account.post({"requestJobDescription": "[]"})) == broken
    assert account.post({"requestJobDescription": "{}"}, kind=f"{FORM}; charset=utf-8").status == 200
    assert account.post({}, path="/elsewhere").status == 404
    assert account.post({}, method="GET").status == 405


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("status", (429, b"Too Many Requests")),
        ("envelope", (200, json.dumps({"responseMessage": OLD, "responseCode": 429}, separators=(",", ":")).encode())),
    ],
)
def test_five_calls_in_ten_seconds(form: str, expected: tuple[int, bytes]) -> None:
    account = Account(limits=LIMITS, limited=form)
    assert [decoded(account.job(LIST))["responseCode"] for _ in range(5)] == [200] * 5
    refused = account.job(LIST)
    assert (refused.status, refused.body) == expected
    account.clock.sleep(9.5)
    assert account.job(LIST) == refused
    account.clock.sleep(0.5)
    assert decoded(account.job(LIST))["responseCode"] == 200
    assert (account.simulator.traffic.refused, account.simulator.traffic.highest) == (2, {10.0: 7, 60.0: 8})


def test_twenty_calls_in_sixty_seconds() -> None:
    account = Account(limits=LIMITS, limited="envelope")
    codes = []
    for _ in range(25):
        codes.append(decoded(account.job(LIST))["responseCode"])
        account.clock.sleep(2.5)
    # The first call leaves its window 60 seconds after it came, with the 25th.
    assert codes == [200] * 20 + [429] * 4 + [200]


def test_refused_calls_count_when_the_switch_says_so() -> None:
    account = Account(limits=((2, 10.0),), limited="envelope", refused_calls_count=True)
    codes = []
    for _ in range(5):
        codes.append(decoded(account.job(LIST))["responseCode"])
        account.clock.sleep(4)
    assert codes == [200, 200, 429, 429, 429]


def test_both_wordings_come_when_mixed() -> None:
    account = Account(limits=((0, 10.0),))
    assert {account.job(LIST).status for _ in range(2)} == {200, 429}


def test_calls_are_counted_by_kind() -> None:
    account = Account()
    report = account.report()
    account.export()
    account.export(reportIDList=report.id, mark="flowctl")
    account.get("policyList")
    account.get("policy", policyIDList=[account.policy.id], fields=["tags"])
    counts = {"file": 1, "download": 2, "mark": 1, "get/policyList": 1, "get/policy": 1}
    assert account.simulator.traffic.by_kind == counts
    assert [entry.kind for entry in account.simulator.log] == [
        "file", "download", "mark", "download", "get/policyList", "get/policy",
    ]  # fmt: skip


# --- faults ---


ENVELOPES = [("server_error", 500), ("oddity", 666), ("partial", 207), ("not_found", 404), ("forbidden", 403)]


@pytest.mark.parametrize(("name", "code"), ENVELOPES)
def test_envelopes_inside_http_200(name: FaultName, code: int) -> None:
    account = Account(faults=[Fault(name, at=(0,))])
    answer = account.file()
    assert refusal(answer)[:2] == (200, code)
    assert account.world.files == {}
    assert account.file().body.startswith(b"export")


@pytest.mark.parametrize(("name", "status"), [("html_error", 502), ("html_ok", 200), ("timeout_before", 504)])
def test_pages_instead_of_answers(name: FaultName, status: int) -> None:
    account = Account(faults=[Fault(name, at=(0,))])
    answer = account.file()
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html")
    assert answer.body.startswith(b"<!doctype html>")
    assert account.world.files == {}


@pytest.mark.parametrize(("name", "ran"), [("reset_before", False), ("reset_after", True)])
def test_an_answer_that_is_lost(name: FaultName, ran: bool) -> None:
    account = Account(faults=[Fault(name, at=(0,), job="mark")])
    report = account.report()
    with pytest.raises(ConnectionReset, match=r"^the simulated connection was closed during a job of the kind mark$"):
        account.file(reportIDList=report.id, mark="flowctl")
    assert bool(account.world.marks) is ran
    assert account.simulator.log[-1].status == 0
    account.file(reportIDList=report.id, mark="flowctl")
    assert len(account.world.marks) == 1


def test_a_timeout_after_the_job_ran() -> None:
    account = Account(faults=[Fault("timeout_after", at=(0,), job="mark")])
    report = account.report()
    assert account.file(reportIDList=report.id, mark="flowctl").status == 504
    assert [mark.report_id for mark in account.world.marks] == [report.id]


def test_a_file_that_is_cut_off() -> None:
    account = Account(faults=[Fault("truncated", at=(0,), job="download")])
    account.report()
    name = account.file().body.decode()
    cut, whole = account.download(name), account.download(name)
    assert cut.body == whole.body[: len(whole.body) // 2]


def test_a_report_that_comes_twice_in_one_file() -> None:
    account = Account(faults=[Fault("duplicated", at=(0,), job="file")])
    first, second = account.report(day=20), account.report(day=10)
    assert account.ids() == [first.id, second.id, first.id]
    assert account.ids() == [first.id, second.id]


def test_a_download_that_is_not_ready_yet_once_more() -> None:
    account = Account(faults=[Fault("never_ready", at=(0, 1), job="download")], not_ready="empty")
    name = account.file().body.decode()
    assert [bool(account.download(name).body) for _ in range(3)] == [False, False, True]


def test_a_report_that_changes_between_export_and_download() -> None:
    account = Account(faults=[Fault("changed_meanwhile", at=(0,), job="download")])
    report = account.report(account.expense(1050), account.expense(200, currency="EUR", converted=220))
    assert account.export()[0]["total"] == "1270"
    changed = account.export()[0]
    assert (changed["total"], changed["state"], changed["approved"]) == ("1370", "APPROVED", "2026-03-02 09:00:00")
    assert account.world.reports[report.id].expenses[0].modified_minor == 1150


def test_slow_answers_take_the_clocks_time() -> None:
    account = Account(faults=[Fault("slow", at=(0,), seconds=45.0)])
    before = account.clock.monotonic()
    account.file()
    assert account.clock.monotonic() - before == 45.0


def test_rate_limits_can_be_planned() -> None:
    account = Account(faults=[Fault("rate_limited", at=(0, 1))])
    assert {account.job(LIST).status for _ in range(2)} == {200, 429}
    assert decoded(account.job(LIST))["responseCode"] == 200


def test_every_fault_by_chance_repeats_with_its_seed() -> None:
    def seen() -> list[Any]:
        faults = [Fault(name, probability=0.1) for name in get_args(FaultName)]
        account = Account(faults=faults)
        account.report()
        found: list[Any] = []
        for number in range(120):
            try:
                answer = account.download("x") if number % 3 else account.file()
                found.append((answer.status, answer.body))
            except ConnectionReset:
                found.append("reset")
        found.append(dict(account.simulator.faults.counts))
        return found

    assert seen() == seen()
    assert set(seen()[-1]) == set(get_args(FaultName))
