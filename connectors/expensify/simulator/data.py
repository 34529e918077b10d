"""Reports as an export template sees them: the documented fields of the vendor's data model, oddities included.

Fields: `reference/expensify/FACTS.md`, "Template". A value is a text, a whole number, a boolean, a list or an object; a
field without a value is missing, `""` or 0 (`Options.absent`).
"""

from __future__ import annotations

import zlib
from datetime import date, datetime
from typing import Any

from connectors.expensify.simulator.records import STATUSES, Employee, Expense, Options, Report
from connectors.expensify.simulator.world import World
from engine.money import exponent

Model = dict[str, Any]


def report_model(world: World, report: Report) -> Model:
    """One element of `reports`."""
    options, policy = world.options, world.policies[report.policy_id]
    who = world.employees.get(report.email, Employee(report.email, report.email))
    boss = world.employees.get(report.approver or policy.owner, Employee(policy.owner, policy.owner))
    first, _, last = boss.name.partition(" ")
    approved = _moment(report.approved)
    found: Model = {
        "reportID": report.id,
        "oldReportID": report.old_id,
        "reportName": report.name,
        "accountEmail": report.email,
        "accountID": zlib.crc32(report.email.encode()),
        "entryID": report.old_id,
        "status": STATUSES[report.state],
        "state": report.state,
        "total": _shown(options, report.minor, report.currency),
        "currency": report.currency,
        "created": _moment(report.created),
        "submitted": _moment(report.submitted),
        "approved": approved,
        "reimbursed": _moment(report.reimbursed),
        "policyID": policy.id,
        "policyName": policy.name,
        "managerEmail": boss.email,
        "managerUserID": boss.user_id,
        "managerPayrollID": boss.payroll_id,
        "manager": {"firstName": first, "lastName": last, "fullName": boss.name},
        "approvers": [{"email": report.approver, "date": approved}] if approved else [],
        "actionList": [],
        "customField": {},
        "isACHReimbursed": _flag(options, report.state == "REIMBURSED"),
        "submitterUserID": who.user_id,
        "submitterPayrollID": who.payroll_id,
        "employeeCustomField1": who.user_id,
        "transactionList": [_expense_model(options, report, expense) for expense in report.expenses],
    }
    return _thinned(options, report.id, found)


def _expense_model(options: Options, report: Report, expense: Expense) -> Model:
    home = report.currency
    names = [tag.name for tag in expense.tags]
    is_foreign = expense.currency != home
    # ASSUMED: what needs no conversion comes with one only now and then; a hash decides, so that it never changes.
    converted = is_foreign or (expense.converted is not None) or _draw(expense.id, "convertedAmount") % 3 == 0
    found: Model = {
        "transactionID": expense.id,
        "reportID": report.id,
        "type": "Expense",
        "merchant": expense.merchant,
        "modifiedMerchant": expense.modified_merchant or "",
        "amount": _shown(options, expense.minor, expense.currency),
        "modifiedAmount": _shown(options, expense.modified_minor, expense.currency),
        "convertedAmount": _shown(options, expense.counts, home) if converted else None,
        "currency": expense.currency,
        "created": expense.created.isoformat(),
        "modifiedCreated": "" if expense.modified_created is None else expense.modified_created.isoformat(),
        "inserted": _moment(report.created),
        "category": expense.category.name if expense.category else "",
        "categoryGlCode": expense.category.gl_code if expense.category else "",
        "categoryPayrollCode": expense.category.payroll_code if expense.category else "",
        # ASSUMED: several levels are joined by colons, as a flat tag with parents is ("Enterprise:William Riker").
        "tag": ":".join(names),
        "tagGlCode": ":".join(tag.gl_code for tag in expense.tags) if any(t.gl_code for t in expense.tags) else "",
        "comment": expense.comment,
        "reimbursable": _flag(options, expense.reimbursable),
        "billable": _flag(options, expense.billable),
        "bank": expense.bank,
        "cardNumber": expense.card,
        "mcc": expense.mcc,
        "receiptObject": {"url": expense.receipt_url} if expense.receipt_url else None,
        "taxAmount": _shown(options, expense.tax_minor, expense.currency),
        "modifiedTaxAmount": None,
        "taxName": expense.tax_name,
    }
    if len(expense.tags) > 1:
        for level, tag in enumerate(expense.tags, 1):
            found[f"ntag{level}"] = tag.name
            found[f"ntag{level}GlCode"] = tag.gl_code
    return _thinned(options, expense.id, found)


# What a template would hardly compare with 0.
_NUMBERS = frozenset({"modifiedAmount", "convertedAmount", "taxAmount", "modifiedTaxAmount", "mcc"})


def _thinned(options: Options, key: str, found: Model) -> Model:
    """The same with every value that is not there in one of its forms."""
    made: Model = {}
    for name, value in found.items():
        if value is not None and value != "":
            made[name] = value
            continue
        form = options.absent
        if form == "mixed":
            form = ("missing", "empty", "zero")[_draw(key, name) % 3]
        if form == "zero" and name in _NUMBERS:
            made[name] = 0
        elif form != "missing":
            made[name] = ""
    return made


def _draw(key: str, name: str) -> int:
    return zlib.crc32(f"{key}:{name}".encode())


def _shown(options: Options, minor: int | None, currency: str) -> int | None:
    """An amount as Expensify counts it."""
    if minor is None or options.amounts == "minor":
        return minor
    places = exponent(currency)
    scale: int = 10 ** abs(2 - places)
    return minor * scale if places <= 2 else minor // scale


def _flag(options: Options, value: bool | None) -> bool | str | None:
    if value is None or options.flags == "boolean":
        return value
    return "true" if value else "false"


def _moment(moment: datetime | date | None) -> str:
    """As in the vendor's examples: `2026-07-03 10:11:12`."""
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")
