"""What a golden case may give a simulated BILL: a record of each stream that can be posted."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import Json

_VENDORS = {"granite": {"name": "Granite Peak Supply Co.", "address": {"country": "US"}}}
_BILLS = {
    "vendors": _VENDORS,
    "bills": {
        "valves": {
            "vendor": "granite",
            "invoice": "GP-2201",
            "issued": "2026-02-20",
            "due": "2026-03-22",
            "memo": "Replacement valves",
            "lines": [{"amount": "1050.00", "account": "Office Supplies", "memo": "12 valves"}],
        }
    },
}
_GIVEN: Mapping[str, Json] = {
    "vendors": {"vendors": _VENDORS},
    "bills": _BILLS,
    "payments": {
        **_BILLS,
        "payments": {"first": {"on": "2026-02-27", "bills": {"valves": "1050.00"}, "method": "CHECK", "check": "1044"}},
    },
    "vendor_credits": {
        "vendors": _VENDORS,
        "credits": {
            "back": {
                "vendor": "granite",
                "reference": "GP-CM7",
                "on": "2026-02-24",
                "lines": [{"amount": "50.00", "account": "Office Supplies", "memo": "One valve returned"}],
            }
        },
    },
}
_VENDOR = b'{"name":"Granite Peak Supply Co.","address":{"line1":"1 Quarry Road","city":"Denver","country":"US"}}'


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for the lists that code bills."""
    return _GIVEN.get(stream, {})


def example_body(request: str) -> bytes | None:
    """A body that BILL takes, as it is frozen."""
    return _VENDOR if request == "VendorCreate" else None
