"""Makes records from what our template and the policy jobs give: exactly the fields the spec describes.

Ids are text and money is text in major units. What is missing or empty is null, a list is empty; an amount that cannot
be trusted is a text that `money()` refuses, so that one damaged report fails alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.expensify.amounts import currency, given, major, unreadable
from connectors.expensify.settings import AmountUnit
from connectors.expensify.spec import SPEC

Record = dict[str, Any]
Raw = Mapping[str, Any]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# One path as a regular expression: whatever has a meaning there is escaped.
_PARENT = re.compile(r"\^((?:[^\\^$.|?*+()\[\]{}]|\\[^A-Za-z0-9])+)\$")
_TRUE = frozenset({"true", "1", "yes", "y"})
_FALSE = frozenset({"false", "0", "no", "n"})


def report(raw: Raw, *, exported: bool, old: bool = False, unit: AmountUnit) -> Record:
    """A record of the stream `reports` from one report of a file."""
    code = currency(raw.get("currency"))
    return {
        "reportID": _text(raw.get("reportID")),
        "oldReportID": _text(raw.get("oldReportID")),
        "reportName": _text(raw.get("reportName")),
        "status": _text(raw.get("status")),
        "state": _text(raw.get("state")),
        "total": major(raw.get("total"), code, unit),
        "currency": code,
        "created": _day(raw.get("created")),
        "submitted": _day(raw.get("submitted")),
        "approved": _day(raw.get("approved")),
        "reimbursed": _day(raw.get("reimbursed")),
        "policyID": _text(raw.get("policyID")),
        "policyName": _text(raw.get("policyName")),
        "accountEmail": _text(raw.get("accountEmail")),
        "submitter": {
            "email": _text(raw.get("accountEmail")),
            "userID": _text(raw.get("submitterUserID")),
            "payrollID": _text(raw.get("submitterPayrollID")),
        },
        "managerEmail": _text(raw.get("managerEmail")),
        "isExported": exported,
        "isOld": old,
        "expenses": [_expense(entry, code, unit) for entry in _objects(raw.get("expenses"))],
    }


def _expense(raw: Raw, report_currency: str | None, unit: AmountUnit) -> Record:
    paid_in = currency(raw.get("currency"))
    paid = _either(raw, "modifiedAmount", "amount")
    tax = _either(raw, "modifiedTaxAmount", "taxAmount")
    return {
        "transactionID": _text(raw.get("transactionID")),
        "merchant": _text(raw.get("modifiedMerchant")) or _text(raw.get("merchant")),
        "amount": _amount(raw, paid, report_currency, unit),
        "currency": report_currency,
        "originalAmount": major(paid, paid_in, unit),
        "originalCurrency": paid_in,
        "category": _text(raw.get("category")),
        "categoryGlCode": _text(raw.get("categoryGlCode")),
        "tag": _text(raw.get("tag")),
        "tagGlCode": _text(raw.get("tagGlCode")),
        "tags": _expense_tags(_objects(raw.get("ntags"))),
        "comment": _text(raw.get("comment")),
        "reimbursable": _boolean(raw.get("reimbursable")),
        "billable": _boolean(raw.get("billable")),
        "companyCard": _boolean(raw.get("companyCard")),
        "created": _day(raw.get("modifiedCreated")) or _day(raw.get("created")),
        "mcc": _text(raw.get("modifiedMCC")) or _text(raw.get("mcc")),
        "type": _text(raw.get("type")),
        "receiptUrl": _text(raw.get("receiptUrl")),
        "taxAmount": major(tax, paid_in, unit),
        "taxName": _text(raw.get("taxName")),
    }


def _amount(raw: Raw, paid: object, code: str | None, unit: AmountUnit) -> str | None:
    """The converted amount where Expensify gives one, else the amount as paid when it is in the report's currency."""
    if _boolean(raw.get("reimbursable")) is None:
        # Whoever sums up what employees are owed would count it as paid by the company.
        return unreadable("reimbursable is unknown")
    if given(raw.get("convertedAmount")):
        return major(raw.get("convertedAmount"), code, unit)
    if given(paid) and currency(raw.get("currency")) != code:
        return unreadable("paid in another currency, and Expensify gives no converted amount")
    return major(paid, code, unit)


def _expense_tags(entries: list[Raw]) -> list[Record]:
    found = [(_level(entry.get("level")), _text(entry.get("name")), entry) for entry in entries]
    names = {level: name for level, name, _ in found}
    return [
        {
            "level": level,
            "name": name,
            "path": name and _path([names.get(above) or "" for above in range(1, level or 1)], name),
            "glCode": _text(entry.get("glCode")),
        }
        for level, name, entry in found
    ]


def _path(above: list[str], name: str) -> str:
    """The tag below those of the levels above it. A colon in one of those is marked, so that `A:B` is not `A` and `B`."""
    return ":".join([*(each.replace(":", "\\:") for each in above), name])


def _either(raw: Raw, first: str, second: str) -> object:
    return raw.get(first) if given(raw.get(first)) else raw.get(second)


def policies(answer: Raw) -> list[Record]:
    """Records of the stream `policies` from the answer of a policy list."""
    names = _names("policies")
    made = [{name: _text(entry.get(name)) for name in names} for entry in _objects(answer.get("policyList"))]
    return [record for record in made if record["id"]]


def categories(policy: Record, info: Raw) -> Iterator[Record]:
    """Records of the stream `categories` of one policy."""
    for entry in _objects(info.get("categories")):
        if name := _text(entry.get("name")):
            yield {
                **_head(policy, name),
                "name": name,
                "enabled": _boolean(entry.get("enabled")),
                "glCode": _text(entry.get("glCode")),
                "payrollCode": _text(entry.get("payrollCode")),
            }


def tags(policy: Record, info: Raw) -> Iterator[Record]:
    """Records of the stream `tags` of one policy: a list of tags, or a list of levels which hold them (FACTS.md)."""
    level = 0
    for entry in _objects(info.get("tags")):
        if "tags" not in entry:
            yield from _tags(policy, 1, None, [entry])
            continue
        level += 1
        yield from _tags(policy, level, _text(entry.get("name")), _objects(entry.get("tags")))


def _tags(policy: Record, level: int, level_name: str | None, entries: list[Raw]) -> Iterator[Record]:
    for entry in entries:
        if name := _text(entry.get("name")):
            above = _above(entry)
            path = name if level == 1 else above and f"{above}:{name}"
            yield {
                **_head(policy, f"{level}:{path or name}"),
                "level": level,
                "levelName": level_name,
                "name": name,
                "path": path,
                "enabled": _boolean(entry.get("enabled")),
                "glCode": _text(entry.get("glCode")),
            }


def _above(entry: Raw) -> str | None:
    """The path of the tag that a tag depends on, when Expensify tells it.

    ASSUMED: as in the vendor's own app, `rules.parentTagsFilter` is a regular expression of that one path.
    """
    rules = entry.get("rules")
    told = _PARENT.fullmatch(str(rules.get("parentTagsFilter"))) if isinstance(rules, dict) else None
    return re.sub(r"\\(.)", r"\1", told[1]) if told else None


def employees(policy: Record, info: Raw) -> Iterator[Record]:
    """Records of the stream `employees` of one policy; the two custom fields are known by several names."""
    for entry in _objects(info.get("employees")):
        if email := _text(entry.get("email")):
            yield {
                **_head(policy, email),
                "email": email,
                "userID": _first(entry, "userID", "employeeUserID", "employeeID", "customField1"),
                "payrollID": _first(entry, "payrollID", "employeePayrollID", "customField2"),
                **{
                    name: _text(entry.get(name))
                    for name in ("firstName", "lastName", "role", "submitsTo", "forwardsTo")
                },
            }


def people(members: Iterable[Record]) -> Iterator[Record]:
    """Records of the stream `people` from those of `employees`."""
    by_email: dict[str, list[Record]] = {}
    for member in members:
        by_email.setdefault(member["email"], []).append(member)
    for email, found in by_email.items():
        yield {
            "id": email,
            "email": email,
            **{
                name: next((member[name] for member in found if member[name]), None)
                for name in ("userID", "payrollID", "firstName", "lastName")
            },
            "policies": [{name: member[name] for name in ("policyID", "policyName", "role")} for member in found],
        }


def _head(policy: Record, key: str) -> Record:
    return {"id": f"{policy['id']}:{key}", "policyID": policy["id"], "policyName": policy["name"]}


def _names(stream: str) -> tuple[str, ...]:
    spec = SPEC.stream(stream)
    assert spec is not None
    return tuple(f.name for f in spec.fields)


def _objects(value: object) -> list[Raw]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _first(entry: Raw, *names: str) -> str | None:
    return next((text for name in names if (text := _text(entry.get(name)))), None)


def _text(value: object) -> str | None:
    """Text as it is, a number as its digits. Empty is null, and so is 0, which stands where a text was never set."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and value.strip() not in ("", "0") else None


def _day(value: object) -> str | None:
    """The day of a date or a time, which Expensify writes as `2026-07-03 10:11:12`."""
    return value[:10] if isinstance(value, str) and _DAY.match(value) else None


def _boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    return True if word in _TRUE else (False if word in _FALSE else None)


def _level(value: object) -> int | None:
    return int(value) if isinstance(value, str) and re.fullmatch(r"[1-9]\d?", value, re.ASCII) else None
