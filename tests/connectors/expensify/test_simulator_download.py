"""Jobs of the type `download`: a file that is not ready says so in three ways, and one that is ready is bytes."""

from __future__ import annotations

import json

import pytest

from connectors.expensify.simulator.build import reapprove
from connectors.expensify.simulator.records import NotReady
from engine.contract import HttpReply
from tests.connectors.expensify.simulator_kit import Account, refusal

HTML_404 = (404, "text/html", b"<html><body><h1>404 Not Found</h1></body></html>")
EMPTY = (200, "text/plain", b"")
ENVELOPE = (200, "text/plain", b'{"responseMessage":"File not found","responseCode":404}')


def seen(reply: HttpReply) -> tuple[int, str, bytes]:
    return reply.status, reply.headers["content-type"], reply.body


@pytest.mark.parametrize(("form", "expected"), [("404", HTML_404), ("empty", EMPTY), ("envelope", ENVELOPE)])
def test_not_ready_for_so_many_polls(form: NotReady, expected: tuple[int, str, bytes]) -> None:
    account = Account(ready_after_polls=2, not_ready=form)
    report = account.report()
    name = account.file().body.decode()
    assert [seen(account.download(name)) for _ in range(2)] == [expected] * 2
    answers = [account.download(name) for _ in range(2)]
    assert answers[0] == answers[1]
    assert [row["reportID"] for row in json.loads(answers[0].body)["reports"]] == [report.id]


def test_not_ready_for_so_many_seconds_by_the_clock() -> None:
    account = Account(ready_after_s=30.0, not_ready="empty")
    name = account.file().body.decode()
    account.clock.sleep(29.5)
    assert seen(account.download(name)) == EMPTY
    account.clock.sleep(0.5)
    assert account.download(name).body == b'{"template":"flowctl-2","reports":[]}'


def test_mixed_forms_take_turns() -> None:
    account = Account(ready_after_polls=4)
    name = account.file().body.decode()
    found = [seen(account.download(name)) for _ in range(4)]
    assert set(found) == {HTML_404, EMPTY, ENVELOPE}
    assert len(set(found[:3])) == 3


def test_a_name_that_was_never_handed_out_is_never_ready() -> None:
    account = Account(not_ready="envelope")
    assert [refusal(account.download("exportnothing.json")) for _ in range(3)] == [(200, 404, "File not found")] * 3


def test_what_a_download_needs() -> None:
    account = Account()
    missing = (200, 410, "Required parameter 'fileName' is missing")
    assert refusal(account.job({"type": "download", "fileSystem": "integrationServer"})) == missing
    system = (200, 410, "Parameter 'fileSystem' is not valid")
    assert refusal(account.job({"type": "download", "fileName": "a", "fileSystem": "reconciliation"})) == system


def test_a_file_holds_what_was_there_when_its_job_ran() -> None:
    account = Account()
    report = account.report(account.expense(1050))
    name = account.file().body.decode()
    reapprove(account.world, report.id, expenses=(account.expense(2000),))
    assert json.loads(account.download(name).body)["reports"][0]["total"] == "1050"
    assert account.export()[0]["total"] == "2000"
