"""What a golden case may give a simulated Expensify: reports that can be posted."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import Json

_REPORTS = {
    "employees": {"ana": {"name": "Ana Lopez", "email": "ana@example.com", "user": "E-7"}},
    "reports": {
        "trip": {
            "name": "Trip to Denver",
            "created": "2026-02-20",
            "submitted": "2026-02-23",
            "approved": "2026-02-25",
            "expenses": [
                {"amount": "80.00", "category": "Office Supplies", "on": "2026-02-19", "merchant": "Paper Mill"}
            ],
        }
    },
}

_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "people": {"vendor_id": "email", "vendor": "email", "amount": "", "lines": ""},
    "reports": {
        "select": 'contains(`["APPROVED", "REIMBURSED", "ARCHIVED"]`, state)',
        "first": "!isExported",
        "vendor_id": "accountEmail",
        "vendor": "accountEmail",
        "vendors": "people",
        "date": "approved || submitted",
        "reference": "last(reportID, `11`)",
        "memo": "reportName",
        "line.account_id": "category",
        "line.account": "category",
        "line.memo": "merchant",
    },
}


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for the lists that every policy has."""
    return _REPORTS if stream in ("reports", "employees", "people") else {}


def meanings(stream: str) -> Mapping[str, str]:
    """What the fields of a stream mean to most targets."""
    return _MEANINGS.get(stream, {})
