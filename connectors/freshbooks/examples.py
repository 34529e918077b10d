"""What a golden case may give a simulated FreshBooks: a record of each stream that can be posted."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import Json

_VENDORS = {"acme": {"name": "Acme Supply", "email": "ap@acme.example", "country": "United States", "province": "CA"}}
_GIVEN: Mapping[str, Json] = {
    "bill_vendors": {"vendors": _VENDORS},
    "bills": {
        "vendors": _VENDORS,
        "bills": {
            "one": {
                "vendor": "acme",
                "number": "A-201",
                "issued": "2026-02-20",
                "terms": 30,
                "lines": [{"amount": "120.50", "category": "Office Supplies", "memo": "Paper and toner"}],
            }
        },
    },
    "expenses": {
        "expenses": {
            "coffee": {
                "vendor": "Fogline Coffee",
                "amount": "18.40",
                "on": "2026-02-25",
                "category": "Meals",
                "notes": "Team breakfast",
            }
        }
    },
}


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for the lists that every account has."""
    return _GIVEN.get(stream, {})
