"""The exact form posts, and what the limits are asked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import parse_qs

import connectors.expensify
from connectors.expensify.jobs import Credentials, Selection, export, form
from engine.contract import MarkCall, Marked, Rate
from tests.connectors.expensify.source_kit import SECRET, USER, FakeExpensify, report

TEMPLATE = (Path(connectors.expensify.__file__).parent / "template.ftl").read_text(encoding="utf-8")
CREDENTIALS = {"partnerUserID": USER, "partnerUserSecret": SECRET}


def test_a_read_of_reports_asks_for_those_not_marked_and_then_for_those_approved_lately() -> None:
    vendor = FakeExpensify(report(1))
    list(vendor.source(policies="A1, B2").read("reports", {}, None))
    name = "export00000000-0000-4000-8000-000000000000.json"
    assert vendor.forms == [
        {
            "requestJobDescription": '{"type":"file","credentials":{"partnerUserID":"aa_canary_user",'
            '"partnerUserSecret":"canary-secret"},"onReceive":{"immediateResponse":["returnRandomFileName"]},'
            '"inputSettings":{"type":"combinedReportData","reportState":"APPROVED,REIMBURSED,ARCHIVED","limit":"500",'
            '"filters":{"policyIDList":"A1,B2","startDate":"2025-11-22","endDate":"2026-11-22",'
            '"markedAsExported":"flowctl"}},"outputSettings":{"fileExtension":"json"}}',
            "template": TEMPLATE,
        },
        {
            "requestJobDescription": '{"type":"download","credentials":{"partnerUserID":"aa_canary_user",'
            f'"partnerUserSecret":"canary-secret"}},"fileName":"{name}","fileSystem":"integrationServer"}}'
        },
        {
            "requestJobDescription": '{"type":"file","credentials":{"partnerUserID":"aa_canary_user",'
            '"partnerUserSecret":"canary-secret"},"onReceive":{"immediateResponse":["returnRandomFileName"]},'
            '"inputSettings":{"type":"combinedReportData","reportState":"APPROVED,REIMBURSED,ARCHIVED","limit":"500",'
            '"filters":{"policyIDList":"A1,B2","approvedAfter":"2026-10-21"}},'
            '"outputSettings":{"fileExtension":"json"}}',
            "template": TEMPLATE,
        },
        {
            "requestJobDescription": '{"type":"download","credentials":{"partnerUserID":"aa_canary_user",'
            '"partnerUserSecret":"canary-secret"},"fileName":"export00000001-0000-4000-8000-000000000000.json",'
            '"fileSystem":"integrationServer"}'
        },
        {
            "requestJobDescription": '{"type":"file","credentials":{"partnerUserID":"aa_canary_user",'
            '"partnerUserSecret":"canary-secret"},"onReceive":{"immediateResponse":["returnRandomFileName"]},'
            '"inputSettings":{"type":"combinedReportData","reportState":"APPROVED,REIMBURSED,ARCHIVED","limit":"500",'
            '"filters":{"policyIDList":"A1,B2","approvedAfter":"2025-11-22","markedAsExported":"flowctl"}},'
            '"outputSettings":{"fileExtension":"json"}}',
            "template": TEMPLATE,
        },
        {
            "requestJobDescription": '{"type":"download","credentials":{"partnerUserID":"aa_canary_user",'
            '"partnerUserSecret":"canary-secret"},"fileName":"export00000002-0000-4000-8000-000000000000.json",'
            '"fileSystem":"integrationServer"}'
        },
    ]


def test_one_report_is_asked_for_in_every_state() -> None:
    vendor = FakeExpensify(report(1))
    vendor.source().get("reports", "R00000000001")
    assert vendor.jobs[0] == {
        "type": "file",
        "credentials": CREDENTIALS,
        "onReceive": {"immediateResponse": ["returnRandomFileName"]},
        "inputSettings": {
            "type": "combinedReportData",
            "reportState": "OPEN,SUBMITTED,APPROVED,REIMBURSED,ARCHIVED",
            "limit": "2",
            "filters": {"reportIDList": "R00000000001", "markedAsExported": "flowctl"},
        },
        "outputSettings": {"fileExtension": "json"},
    }


def test_a_mark_is_the_finish_of_an_export_and_only_of_that() -> None:
    vendor = FakeExpensify(report(1), report(2))
    ids = ("R00000000001", "R00000000002")
    vendor.source(export_label="Büro & Söhne").mark(
        MarkCall("MARK_AS_EXPORTED", "key", tuple(Marked(i, f"T-{i}") for i in ids))
    )
    marking, confirming = (job for job in vendor.jobs if job["type"] == "file")
    assert marking["onFinish"] == [{"actionName": "markAsExported", "label": "Büro & Söhne"}]
    assert marking["inputSettings"]["filters"] == {"reportIDList": "R00000000001,R00000000002"}
    assert "onFinish" not in confirming
    assert confirming["inputSettings"]["filters"] == {
        "reportIDList": "R00000000001,R00000000002",
        "markedAsExported": "Büro & Söhne",
    }


def test_lists_are_read_from_policies_that_may_be_administered() -> None:
    vendor = FakeExpensify()
    vendor.lists = {"policyList": [{"id": f"P{n}"} for n in range(21)], "policyInfo": {f"P{n}": {} for n in range(21)}}
    list(vendor.source().read("tags", {}, None))
    assert vendor.jobs == [
        {"type": "get", "credentials": CREDENTIALS, "inputSettings": {"type": "policyList", "adminOnly": True}},
        {
            "type": "get",
            "credentials": CREDENTIALS,
            "inputSettings": {
                "type": "policy",
                "fields": ["categories", "tags", "employees"],
                "policyIDList": [f"P{n}" for n in range(20)],
            },
        },
        {
            "type": "get",
            "credentials": CREDENTIALS,
            "inputSettings": {"type": "policy", "fields": ["categories", "tags", "employees"], "policyIDList": ["P20"]},
        },
    ]


def test_a_form_survives_any_text() -> None:
    label = 'a&b=c+d%41 "\\ ü 😀'
    body = form(Credentials("u", 's&"\\'), export(Selection(report_ids=("R1",)), 5, mark=label))
    fields = parse_qs(body, strict_parsing=True)
    job = json.loads(fields["requestJobDescription"][0])
    assert job["onFinish"][0]["label"] == label
    assert job["credentials"] == {"partnerUserID": "u", "partnerUserSecret": 's&"\\'}
    assert fields["template"] == [TEMPLATE]


def test_every_call_asks_for_the_limits_of_the_credentials() -> None:
    vendor = FakeExpensify(report(1))
    list(vendor.source().read("reports", {}, None))
    name = f"expensify:{hashlib.sha256(b'aa_canary_user').hexdigest()[:16]}"
    assert vendor.limits.asked == [(name, (Rate(5, 10.0), Rate(20, 60.0)), 0)] * 6
