"""Jobs of the types `get` and `update`, in the forms of the vendor's examples."""

from __future__ import annotations

import json
from typing import Any

from connectors.expensify.simulator.build import add_policy, add_tag
from connectors.expensify.simulator.records import Category, Tag, TagLevel
from tests.connectors.expensify.simulator_kit import Account, decoded, refusal
from tests.reference import reference

EMPLOYEES = [
    {"email": "admin@example.com", "role": "admin", "customField2": "E-1"},
    {
        "email": "ana@example.com",
        "role": "user",
        "employeeID": "Ana López",
        "customField1": "Ana López",
        "customField2": "E-7",
    },
]


def sample(name: str) -> Any:
    return json.loads(reference("expensify", name).read_text())


def test_policy_list() -> None:
    account = Account()
    made = account.get("policyList", adminOnly=True)
    assert made == {
        "policyList": [
            {
                "outputCurrency": "USD",
                "owner": "admin@example.com",
                "role": "admin",
                "name": "Acme",
                "id": account.policy.id,
                "type": "corporate",
            }
        ],
        "responseCode": 200,
    }
    example = sample("policy_list_response.json")
    assert (list(made), list(made["policyList"][0])) == (list(example), list(example["policyList"][0]))
    assert account.get("policyList", userEmail="nobody@x.y") == {
        "responseMessage": "Not authorized to authenticate as user nobody@x.y",
        "responseCode": 500,
    }


def test_policy_fields_and_both_shapes_of_tags() -> None:
    account = Account()
    categories = (Category("Phone Costs", enabled=False), Category("Travel", "6200", "P-1"))
    add_tag(account.world, account.policy.id, "Tag", Tag("Enterprise:William Riker", "E1"))
    deep = add_policy(
        account.world,
        "Deep",
        tag_shape="levels",
        categories=categories,
        levels=(TagLevel("Class", (Tag("West"),)), TagLevel("Job", (Tag("Acme:Kitchen", enabled=False),))),
    )
    bare = add_policy(account.world, "Bare")
    made = account.get(
        "policy", policyIDList=[account.policy.id, deep.id, bare.id], fields=["categories", "tags", "employees"]
    )
    assert made["responseCode"] == 200
    assert made["policyInfo"][account.policy.id] == {
        "categories": [{"name": "Meals", "areCommentsRequired": False, "enabled": True, "glCode": "6300"}],
        "tags": [{"glCode": "E1", "name": "Enterprise:William Riker", "enabled": True}],
        "employees": EMPLOYEES,
    }
    assert made["policyInfo"][deep.id] == {
        "categories": [
            {"name": "Phone Costs", "areCommentsRequired": False, "enabled": False},
            {"name": "Travel", "areCommentsRequired": False, "enabled": True, "glCode": "6200", "payrollCode": "P-1"},
        ],
        "tags": [
            {"name": "Class", "tags": [{"glCode": "", "name": "West", "enabled": True}]},
            {"name": "Job", "tags": [{"glCode": "", "name": "Acme:Kitchen", "enabled": False}]},
        ],
        "employees": EMPLOYEES[:1],
    }
    # Both forms of the vendor's own example, and its empty level.
    infos = sample("policy_getter_response.json")["policyInfo"]
    shapes = [list(info["tags"][0]) for info in infos.values()]
    assert [list(made["policyInfo"][key]["tags"][0]) for key in (account.policy.id, bare.id)] == shapes
    assert made["policyInfo"][bare.id]["tags"] == infos["3F329EA1C3809E6C"]["tags"]


def test_policy_jobs_that_are_refused() -> None:
    account = Account()
    known = account.policy.id

    def ask(**settings: Any) -> tuple[int, str]:
        made = account.get("policy", **settings)
        return made["responseCode"], made["responseMessage"]

    assert ask(fields=["tags"]) == (410, "Required parameter 'policyIDList' is missing")
    assert ask(policyIDList=[known]) == (410, "Required parameter 'fields' is missing")
    assert ask(policyIDList=[known], fields=["cards"]) == (410, "Field 'cards' is not supported")
    assert ask(policyIDList=[known, "NONE"], fields=["tags"]) == (404, "Policy NONE was not found")


def test_reimbursement_tells_what_it_skipped_inside_a_success() -> None:
    account = Account()
    ready = account.report()
    opened = [account.report(state="OPEN") for _ in range(2)]

    def reimburse(*ids: str) -> Any:
        settings = {"type": "reportStatus", "status": "REIMBURSED", "filters": {"reportIDList": ",".join(ids)}}
        return decoded(account.job({"type": "update", "inputSettings": settings}))

    skipped = [{"reason": "Report is in status 'Open'", "reportID": report.id} for report in opened]
    mixed = reimburse(ready.id, *(report.id for report in opened))
    assert mixed == {"skippedReports": skipped, "reportIDs": [ready.id], "responseCode": 200}
    assert account.world.reports[ready.id].state == "REIMBURSED"
    assert list(mixed) == list(sample("xrl-reimburse-mixed.json"))
    again = reimburse(opened[0].id)
    assert again == {"skippedReports": skipped[:1], "reportIDs": [], "responseCode": 200}
    assert list(again) == list(sample("xrl-reimburse-all-skipped.json"))
    assert reimburse("R00nobody")["skippedReports"] == [{"reason": "Report was not found", "reportID": "R00nobody"}]


def test_a_job_of_no_known_type() -> None:
    account = Account()
    refused = (200, 410, "Parameter 'type' is not valid")
    assert refusal(account.job({"type": "create", "inputSettings": {"type": "expenses"}})) == refused
    assert refusal(account.job({})) == refused
