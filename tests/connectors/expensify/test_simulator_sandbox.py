"""The sandbox: an account as a golden case gives it, what people do to it, and what it believes to be exported."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from connectors.expensify.sandbox import ExpensifySandbox, make
from connectors.expensify.simulator.data import report_model
from connectors.expensify.simulator.wire import PATH
from engine.errors import UnknownName
from engine.simulated import Called, Directed, Sandbox
from tests.connectors.expensify.simulator_kit import StillClock

CHART = {
    "accounts": [{"external_id": "8-1", "name": "Travel", "code": "6200"}],
    "classes": [{"external_id": "C-1", "name": "West", "code": "W"}],
    "customers": [{"external_id": "J-1", "name": "Acme:Kitchen", "code": None}],
    "vendors": [{"external_id": "V-1", "name": "Ana López"}, {"external_id": "V-2", "name": "Acme Supply"}],
}
GIVEN: dict[str, Any] = {
    "policies": {
        "us": {"name": "Acme USA", "tags": "levels", "categories": ["Travel"], "levels": {"Class": ["West"], "Customer": []}},
        "jp": {"currency": "JPY", "id": "DEADBEEF12345678"},
    },
    "employees": {"ana": {"name": "Ana López", "email": "ana@x.y", "payroll": "E-1", "policies": ["us"]}, "bo": "Bo Li"},
    "reports": {
        "march": {
            "employee": "ana",
            "policy": "us",
            "name": "March trip",
            "state": "REIMBURSED",
            "created": "2026-02-20",
            "submitted": "2026-02-21",
            "approved": "2026-02-23",
            "reimbursed": "2026-02-25",
            "expenses": [
                {"amount": "12.50", "category": "Travel", "tags": ["West", "Acme:Kitchen"], "on": "2026-02-19", "times": 2},
                {"amount": "100", "currency": "EUR", "converted": "108.00", "card": "4111XXXXXXXX1111", "mcc": 5812},
                {"amount": "-3.00", "category": {"name": "Gifts"}, "merchant": "Shell", "reimbursable": False},
                {"amount": "20.00", "modified": "25.00", "billable": True, "comment": "lunch", "tax": "1.50"},
            ],
        },
        "yen": {"policy": "jp", "employee": "bo", "id": "R00abcdefghi", "expenses": [{"amount": "1200"}], "labels": ["flowctl"]},
    },
    "download": {"polls": 0, "as": "empty"},
    "options": {"flags": "text"},
}  # fmt: skip


def given(**parts: Any) -> ExpensifySandbox:
    return make(7, StillClock(), {"given": parts, "chart": CHART})


def test_it_is_what_the_engine_calls_a_sandbox() -> None:
    made = make(7, StillClock(), {})
    assert isinstance(made, Sandbox)
    assert isinstance(made, Called)
    assert isinstance(made, Directed)
    assert made.binding("http://localhost:1") == (
        {"base_url": "http://localhost:1", "partner_user_id": "aa_sandbox_example_com", "amount_unit": "hundredths"},
        {"partner_user_secret": "sandbox-secret"},
    )
    assert made.save() == '{"seed": 7}'


def test_what_a_case_gives() -> None:
    sandbox = given(**GIVEN)
    world = sandbox.simulator.world
    march = world.reports[sandbox.names["report:march"]]
    assert sandbox.contents() == [
        "report march | REIMBURSED | 155.00 USD | not exported",
        "report yen | APPROVED | 1200 JPY | flowctl by hand",
    ]
    assert (world.options.not_ready, world.options.ready_after_polls, world.options.flags) == ("empty", 0, "text")
    shown = report_model(world, march)
    lines = [
        tuple(
            line.get(name) or None for name in ("amount", "category", "categoryGlCode", "tag", "ntag2", "reimbursable")
        )
        for line in shown["transactionList"]
    ]
    assert lines == [
        (1250, "Travel", "6200", "West:Acme:Kitchen", "Acme:Kitchen", "true"),
        (1250, "Travel", "6200", "West:Acme:Kitchen", "Acme:Kitchen", "true"),
        (10000, None, None, None, None, "false"),
        (-300, "Gifts", None, None, None, "false"),
        (2000, None, None, None, None, "true"),
    ]
    assert [expense.counts for expense in march.expenses] == [1250, 1250, 10800, -300, 2500]
    dates = [str(moment)[:10] for moment in (march.created, march.submitted, march.approved, march.reimbursed)]
    assert dates == ["2026-02-20", "2026-02-21", "2026-02-23", "2026-02-25"]
    policy = world.policies[march.policy_id]
    assert [category.name for category in policy.categories] == ["Travel", "Gifts"]
    assert [(level.name, [tag.name for tag in level.tags]) for level in policy.levels] == [
        ("Class", ["West"]), ("Customer", ["Acme:Kitchen"]),
    ]  # fmt: skip
    assert policy.members == ("admin@example.com", "ana@x.y", "bo.1@example.com")
    assert sandbox.total() == 0  # somebody else has marked the one that is


@pytest.mark.parametrize(
    ("counts", "march", "all_card"),
    # 12.50 twice and 25.00 are owed; -3.00 of Gifts is on the other side of a journal entry, and so is the card's 105.00.
    [("owed", "50.00", "100.00"), ("spent", "158.00", "100.00"), ({"jp": "spent"}, "50.00", "100.00"), ({"us": "spent"}, "158.00", "100.00")],
)  # fmt: skip
def test_its_total_is_of_what_a_job_has_marked(counts: Any, march: str, all_card: str) -> None:
    reports = {
        **GIVEN["reports"],
        "card": {"policy": "us", "expenses": [{"amount": "100.00", "card": "4111XXXXXXXX1111"}]},
    }
    sandbox = given(**{**GIVEN, "reports": reports, "counts": counts})
    world = sandbox.simulator.world
    for name in ("march", "card"):
        world.mark(sandbox.names[f"report:{name}"], "flowctl", "job")
    assert sandbox.total() == Decimal(march) + Decimal(all_card)
    world.mark(sandbox.names["report:yen"], "flowctl", "job")
    assert sandbox.total() == Decimal(march) + Decimal(all_card) + 1200


def test_what_counts_is_a_known_word() -> None:
    with pytest.raises(UnknownName, match="there is no kind of `counts` `total`"):
        given(counts="total")


def test_what_a_call_tells_is_read_without_its_credentials() -> None:
    sandbox = given()
    job = {
        "type": "file",
        "credentials": {"partnerUserID": "a", "partnerUserSecret": "b"},
        "inputSettings": {"filters": {"reportIDList": "R1"}},
        "onFinish": [{"actionName": "markAsExported", "label": "flowctl"}],
    }
    body = urlencode({"requestJobDescription": json.dumps(job), "template": "..."}).encode()
    assert sandbox.told(body) == {name: part for name, part in job.items() if name != "credentials"}
    reads = urlencode({"requestJobDescription": json.dumps({**job, "onFinish": []})}).encode()
    assert [sandbox.told(body) for body in (reads, b"", b"\xff")] == [None, None, None]


def test_ids_belong_to_names() -> None:
    first, second = (
        given(reports={"a": {"expenses": []}}),
        given(reports={"b": {"expenses": []}, "a": {"expenses": []}}),
    )
    assert first.names["report:a"] == second.names["report:a"]
    assert first.names["policy:main"] == second.names["policy:main"]


def acts(*actions: tuple[str, Any], state: str = "APPROVED") -> ExpensifySandbox:
    sandbox = given(reports={"a": {"state": state, "expenses": [{"amount": "10.00"}]}})
    for action, value in actions:
        sandbox.act(action, value)
    return sandbox


LINES: list[tuple[list[tuple[str, Any]], list[str]]] = [
    ([("reopen", "a")], ["report a | OPEN | 10.00 USD | not exported"]),
    ([("reopen", "a"), ("submit", ["a"])], ["report a | SUBMITTED | 10.00 USD | not exported"]),
    ([("reopen", "a"), ("approve", "a"), ("reimburse", "a")], ["report a | REIMBURSED | 10.00 USD | not exported"]),
    ([("close", "a")], ["report a | ARCHIVED | 10.00 USD | not exported"]),
    ([("label", {"reports": ["a"], "label": "x"}), ("label", "a")], ["report a | APPROVED | 10.00 USD | x by hand, flowctl by hand"]),
    ([("delete_report", "a")], []),
    ([("edit_report", {"report": "a", "expenses": [{"amount": "1"}]})], ["report a | APPROVED | 1.00 USD | not exported"]),
    (
        [("label", "a"), ("reapprove", {"report": "a", "expenses": [{"amount": "12.34"}]})],
        ["report a | APPROVED | 12.34 USD | flowctl by hand"],
    ),
    (
        [("add_report", {"b": {"expenses": [{"amount": "5"}]}}), ("add", {"reports": {"c": {"expenses": [{"amount": "6"}]}}})],
        [f"report {name} | APPROVED | {total}.00 USD | not exported" for name, total in (("a", 10), ("b", 5), ("c", 6))],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("actions", "lines"), LINES)
def test_what_people_do(actions: list[tuple[str, Any]], lines: list[str]) -> None:
    assert acts(*actions).contents() == lines


def test_reapproval_is_dated_now_and_keeps_what_followed() -> None:
    sandbox = given(
        reports={"a": {"state": "REIMBURSED", "created": "2026-01-05", "approved": "2026-01-07", "expenses": []}}
    )
    sandbox.act("reapprove", {"report": "a", "name": "Again"})
    report = sandbox.simulator.world.reports[sandbox.names["report:a"]]
    assert (report.name, report.state, str(report.approved)) == ("Again", "REIMBURSED", "2026-03-02 09:00:00+00:00")


def test_policies_grow() -> None:
    sandbox = acts(
        ("add_category", {"name": "Travel"}),
        ("add_category", {"policy": "main", "name": "Rent", "code": "6010", "enabled": False}),
        ("add_tag", {"name": "West"}),
        ("add_employee", {"bo": {"name": "Bo Li", "role": "auditor"}}),
        ("download", {"polls": 3, "seconds": 5.0, "as": "404"}),
    )
    world = sandbox.simulator.world
    (policy,) = world.policies.values()
    assert [(c.name, c.gl_code, c.enabled) for c in policy.categories] == [
        ("Travel", "6200", True),
        ("Rent", "6010", False),
    ]
    assert [(level.name, [(tag.name, tag.gl_code) for tag in level.tags]) for level in policy.levels] == [
        ("Tag", [("West", "W")])
    ]
    assert [(p.email, p.role) for p in world.employees.values()] == [
        ("admin@example.com", "admin"), ("ana.0@example.com", "user"), ("bo.1@example.com", "auditor"),
    ]  # fmt: skip
    assert (world.options.ready_after_polls, world.options.ready_after_s, world.options.not_ready) == (3, 5.0, "404")


def test_faults_that_never_happened_are_told() -> None:
    sandbox = acts(("fault", {"name": "server_error", "job": "get", "times": 2}), ("fault", {"name": "oddity"}))
    with httpx.Client(transport=sandbox.transport()) as client:
        job = {"type": "get", "inputSettings": {"type": "policyList"}}
        answer = client.post(f"http://localhost{PATH}", data={"requestJobDescription": json.dumps(job)})
    assert answer.json()["responseCode"] == 500
    assert sandbox.unused() == ["fault oddity"]


MISTAKES: list[tuple[str, Any, str]] = [
    ("fly", None, "there is no action `fly`"),
    ("reopen", "b", "there is no report `b`"),
    ("add_report", {"b": {"expensses": []}}, "there is no part of reports.b `expensses`"),
    ("add_report", {"b": {"policy": "uk", "expenses": []}}, "there is no policy `uk`"),
    ("add_report", {"b": {"expenses": [{"price": "1"}]}}, "there is no part of expenses[0] `price`"),
    ("add", {"policies": {"x": {"title": "y"}}}, "there is no part of policies.x `title`"),
    ("download", {"forever": True}, "there is no part of download `forever`"),
]


@pytest.mark.parametrize(("action", "value", "message"), MISTAKES)
def test_mistakes_of_a_case_are_named(action: str, value: Any, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        acts((action, value))
    assert str(caught.value) == message


def test_a_demo_is_coded_to_the_books() -> None:
    options = {"bills": 6, "vendors": 8, "chart": CHART, "gaps": [{"external_id": "g-1", "name": "Client Gifts"}]}
    world = make(7, StillClock(), options).simulator.world
    assert len(world.reports) == 6
    assert [person.user_id for person in world.employees.values()][1:] == ["Ana López", "Acme Supply"]
    expenses = [expense for report in world.reports.values() for expense in report.expenses]
    assert {expense.category.name for expense in expenses if expense.category} == {"Travel", "Client Gifts"}
    assert {tag.name for expense in expenses for tag in expense.tags} <= {"West", "Acme:Kitchen"}
    assert world.options.ready_after_polls == 0
