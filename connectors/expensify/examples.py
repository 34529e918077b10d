"""What a golden case may give a simulated Expensify: reports that can be posted."""

from __future__ import annotations

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


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for the lists that every policy has."""
    return _REPORTS if stream in ("reports", "employees", "people") else {}
