"""Jobs of the types `get` and `update`: policies with their categories, tags and members, and reimbursement."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from connectors.expensify.simulator import build
from connectors.expensify.simulator.records import STATUSES, Category, Employee, Policy, Tag
from connectors.expensify.simulator.wire import ApiError, Job, JsonObject, missing, reply, section
from connectors.expensify.simulator.world import World
from engine.contract import HttpReply

_FIELDS = ("categories", "reportFields", "tags", "tax", "employees")


def list_policies(world: World, job: Job) -> HttpReply:
    """get/policyList: policies that the account's owner may see."""
    _refuse_user(world, job.settings)
    rows = [
        {
            "outputCurrency": policy.currency,
            "owner": policy.owner,
            "role": "admin",
            "name": policy.name,
            "id": policy.id,
            "type": policy.type,
        }
        for policy in world.policies.values()
    ]
    return reply({"policyList": rows, "responseCode": 200})


def get_policies(world: World, job: Job) -> HttpReply:
    """get/policy: the fields that were asked for, of each policy that was."""
    settings = job.settings
    _refuse_user(world, settings)
    wanted, fields = settings.get("policyIDList"), settings.get("fields")
    if not isinstance(wanted, list) or not wanted:
        raise missing("policyIDList")
    if not isinstance(fields, list) or not fields:
        raise missing("fields")
    for name in fields:
        if name not in _FIELDS:
            raise ApiError(410, f"Field '{name}' is not supported")
    found: JsonObject = {}
    for policy_id in wanted:
        policy = world.policies.get(policy_id)
        # ASSUMED: one unknown policy spoils the whole job.
        if policy is None:
            raise ApiError(404, f"Policy {policy_id} was not found")
        found[policy.id] = {name: _field(world, policy, name) for name in fields}
    return reply({"responseCode": 200, "policyInfo": found})


def reimburse(world: World, job: Job) -> HttpReply:
    """update/reportStatus: from Approved only; what is skipped is told in a list, inside an answer that says 200."""
    settings = job.settings
    status = settings.get("status")
    if status != "REIMBURSED":
        raise ApiError(410, f"Status '{status}' is not supported")
    listed = section(settings, "filters").get("reportIDList")
    if not isinstance(listed, str) or not listed:
        raise missing("reportIDList")
    done: list[str] = []
    skipped: list[JsonObject] = []
    for report_id in (part.strip() for part in listed.split(",")):
        report = world.reports.get(report_id)
        if report is None:
            skipped.append({"reason": "Report was not found", "reportID": report_id})
        elif report.state != "APPROVED":
            skipped.append({"reason": f"Report is in status '{STATUSES[report.state]}'", "reportID": report_id})
        else:
            build.reimburse(world, report_id)
            done.append(report_id)
    lists: JsonObject = {"skippedReports": skipped} if skipped else {}
    return reply({**lists, "reportIDs": done, "responseCode": 200})


def _refuse_user(world: World, settings: JsonObject) -> None:
    user = settings.get("userEmail")
    if user is not None and user not in world.employees:
        raise ApiError(500, f"Not authorized to authenticate as user {user}")


def _field(world: World, policy: Policy, name: str) -> Any:
    if name == "categories":
        return [_category(item) for item in policy.categories]
    if name == "tags":
        return _tags(policy)
    if name == "employees":
        return [_employee(world.employees[email]) for email in policy.members]
    if name == "reportFields":
        return [{"values": [], "name": "title", "type": "formula"}]
    return {}


def _category(item: Category) -> JsonObject:
    made: JsonObject = {"name": item.name, "areCommentsRequired": False, "enabled": item.enabled}
    if item.gl_code:
        made["glCode"] = item.gl_code
    if item.payroll_code:
        made["payrollCode"] = item.payroll_code
    return made


def _tags(policy: Policy) -> list[JsonObject]:
    """Both shapes of the vendor's own example; a policy without tags has an empty level."""
    if policy.tag_shape == "flat" and policy.levels:
        return _flat(tag for level in policy.levels for tag in level.tags)
    if not policy.levels:
        return [{"name": "Tags", "tags": []}]
    return [{"name": level.name, "tags": _flat(level.tags)} for level in policy.levels]


def _flat(tags: Iterable[Tag]) -> list[JsonObject]:
    """ASSUMED: a tag that depends on another says so as in the vendor's own app, where it is listed for each of them."""
    return [
        {
            "glCode": tag.gl_code,
            "name": tag.name,
            "enabled": tag.enabled,
            **({"rules": {"parentTagsFilter": f"^{re.escape(tag.below)}$"}} if tag.below else {}),
        }
        for tag in tags
    ]


def _employee(item: Employee) -> JsonObject:
    """ASSUMED: the fields of a member; the vendor documents only what can be written of one."""
    made: JsonObject = {"email": item.email, "role": item.role}
    for name, value in (
        ("submitsTo", item.submits_to),
        ("employeeID", item.user_id),
        ("customField1", item.user_id),
        ("customField2", item.payroll_id),
    ):
        if value:
            made[name] = value
    return made
