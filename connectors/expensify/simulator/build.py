"""Adding and changing single objects the way Expensify's users do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from connectors.expensify.simulator.records import (
    APPROVED_STATES,
    Category,
    Employee,
    Expense,
    Policy,
    Report,
    State,
    Tag,
    TagLevel,
)
from connectors.expensify.simulator.world import ADMIN, World


def add_policy(world: World, name: str, *, key: str = "", **fields: Any) -> Policy:
    """A new policy; `fields` are those of `records.Policy`."""
    made = Policy(world.names.policy(key), name, ADMIN.email, members=(ADMIN.email,))
    made = replace(made, **fields)
    world.policies[made.id] = made
    return made


def add_category(world: World, policy_id: str, category: Category) -> None:
    """Add a category to a policy, or exchange the one of the same name."""
    kept = tuple(item for item in world.policies[policy_id].categories if item.name != category.name)
    world.change_policy(policy_id, categories=(*kept, category))


def add_tag(world: World, policy_id: str, level: str, tag: Tag) -> None:
    """Add a tag to a level of a policy, or exchange the one of the same name; a level that is new comes last."""
    policy = world.policies[policy_id]
    if level not in {item.name for item in policy.levels}:
        policy = world.change_policy(policy_id, levels=(*policy.levels, TagLevel(level)))
    levels = tuple(
        TagLevel(item.name, (*(t for t in item.tags if (t.name, t.below) != (tag.name, tag.below)), tag))
        if item.name == level
        else item
        for item in policy.levels
    )
    world.change_policy(policy_id, levels=levels)


def add_employee(world: World, employee: Employee, policy_ids: Sequence[str]) -> None:
    """A person who is a member of these policies."""
    world.employees[employee.email] = employee
    for policy_id in policy_ids:
        members = world.policies[policy_id].members
        if employee.email not in members:
            world.change_policy(policy_id, members=(*members, employee.email))


def expense(world: World, minor: int, created: date, *, currency: str = "USD", **fields: Any) -> Expense:
    """An expense with an id of its own; `fields` are those of `records.Expense`."""
    return replace(Expense(world.names.transaction(), minor, currency, created), **fields)


def add_report(
    world: World,
    expenses: Sequence[Expense],
    *,
    policy_id: str,
    email: str,
    state: State = "APPROVED",
    key: str = "",
    **fields: Any,
) -> Report:
    """A new report, approved unless told otherwise, in the policy's currency; `fields` are those of `records.Report`."""
    now = world.now
    done = state in APPROVED_STATES
    made = Report(
        id=world.names.report(key),
        old_id=world.names.old_report(key),
        name=f"Expense Report to {now.date()}",
        policy_id=policy_id,
        email=email,
        currency=world.policies[policy_id].currency,
        state=state,
        created=now,
        submitted=None if state == "OPEN" else now,
        approved=now if done else None,
        reimbursed=now if state == "REIMBURSED" else None,
        approver=world.policies[policy_id].owner if done else "",
        expenses=tuple(expenses),
    )
    made = replace(made, **fields)
    world.reports[made.id] = made
    return made


def submit(world: World, report_id: str) -> Report:
    """The submitter hands it in."""
    return world.change_report(report_id, state="SUBMITTED", submitted=world.now)


def approve(world: World, report_id: str) -> Report:
    """The approver approves it; a report that was not submitted is submitted first."""
    report = world.reports[report_id]
    return world.change_report(
        report_id,
        state="APPROVED",
        submitted=report.submitted or world.now,
        approved=world.now,
        approver=world.policies[report.policy_id].owner,
    )


def reopen(world: World, report_id: str) -> Report:
    """It is open again, whatever was done with it; see `Options.reopen_clears_labels`."""
    if world.options.reopen_clears_labels:
        world.labels.pop(report_id, None)
    return world.change_report(report_id, state="OPEN", submitted=None, approved=None, reimbursed=None, approver="")


def reapprove(world: World, report_id: str, **changes: Any) -> Report:
    """Reopen a report, change it, and let it be approved again; one that was reimbursed or closed is so again."""
    before = world.reports[report_id]
    reopen(world, report_id)
    world.change_report(report_id, **changes)
    approve(world, report_id)
    return world.change_report(report_id, state=before.state if before.state in APPROVED_STATES else "APPROVED")


def reimburse(world: World, report_id: str) -> Report:
    """It is paid back."""
    return world.change_report(report_id, state="REIMBURSED", reimbursed=world.now)


def close(world: World, report_id: str) -> Report:
    """It is closed: nothing is left to be paid back."""
    return world.change_report(report_id, state="ARCHIVED")


def raise_first(world: World, report_id: str, minor: int = 100) -> Report:
    """Reopen a report, let its first expense cost more, and approve it again."""
    report = world.reports[report_id]
    first, *others = report.expenses
    changed = replace(
        first,
        modified_minor=(first.minor if first.modified_minor is None else first.modified_minor) + minor,
        converted=None if first.converted is None else first.converted + minor,
    )
    return reapprove(world, report_id, expenses=(changed, *others))
