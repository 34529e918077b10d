"""The connector's export template in Python: JSON equal to what FreeMarker makes of `template.ftl` and the same data.

FreeMarker itself needs Java. A test holds this module against the real one; the template is known by its SHA-256, so no
other one, and no other version of it, is ever taken for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

# Java's `trim` cuts these; Python's `strip` would also cut a no-break space.
_BLANK = "".join(map(chr, range(0x21)))
_REPORT = (
    "reportID", "oldReportID", "reportName", "status", "state", "total", "currency", "created", "submitted", "approved",
    "reimbursed", "policyID", "policyName", "accountEmail", "submitterUserID", "submitterPayrollID", "managerEmail",
)  # fmt: skip
_EXPENSE = (
    "transactionID", "merchant", "modifiedMerchant", "amount", "modifiedAmount", "convertedAmount", "currency", "created",
    "modifiedCreated", "category", "categoryGlCode", "tag", "tagGlCode", "comment", "reimbursable", "billable", "mcc",
    "modifiedMCC", "type", "taxAmount", "modifiedTaxAmount", "taxName",
)  # fmt: skip


def recognised(template: str) -> bool:
    """Whether a template is the connector's own, as it is installed now."""
    own = resources.files("connectors.expensify").joinpath("template.ftl").read_bytes()
    return hashlib.sha256(template.encode()).digest() == hashlib.sha256(own).digest()


def render(reports: Sequence[Mapping[str, Any]]) -> bytes:
    """The file's bytes; `reports` as `data.report_model` makes them."""
    made = {"template": "flowctl-2", "reports": [_report(item) for item in reports]}
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def _report(of: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {name: _scalar(of, name) for name in _REPORT}
    listed = of.get("transactionList")
    made["expenses"] = [_expense(item) for item in listed] if isinstance(listed, list) else []
    return made


def _expense(of: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {name: _scalar(of, name) for name in _EXPENSE}
    made["ntags"] = [
        {"level": str(level), "name": _scalar(of, f"ntag{level}"), "glCode": _scalar(of, f"ntag{level}GlCode")}
        for level in range(1, 21)
        if _given(of, f"ntag{level}") or _given(of, f"ntag{level}GlCode")
    ]
    made["companyCard"] = _flag(_given(of, "bank") or _given(of, "cardNumber"))
    receipt = of.get("receiptObject")
    made["receiptUrl"] = _scalar(receipt, "url") if isinstance(receipt, Mapping) else None
    return made


def _scalar(of: Mapping[str, Any], name: str) -> str | None:
    """The macro `scalar`."""
    value = of.get(name)
    if isinstance(value, bool):
        return _flag(value)
    return str(value) if isinstance(value, (str, int)) else None


def _given(of: Mapping[str, Any], name: str) -> bool:
    """The function `given`."""
    value = of.get(name)
    if isinstance(value, (bool, int)):
        return bool(value)
    return isinstance(value, str) and value.strip(_BLANK) not in {"", "0", "false"}


def _flag(value: bool) -> str:
    return "true" if value else "false"
