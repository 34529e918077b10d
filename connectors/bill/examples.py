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

_ACCOUNT = {
    "line.account_id": "(classifications.chartOfAccountId || root().classifications.chartOfAccountId)",
    "line.account": "(classifications.chartOfAccount.name || root().classifications.chartOfAccount.name)",
    "line.memo": "(description || '')",
}
_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "vendors": {"vendor_id": "id", "vendor": "name", "country": "address.country", "amount": "", "lines": ""},
    "bills": {
        **_ACCOUNT,
        "select": "approvalStatus == 'APPROVED' && !archived",
        "vendors": "vendors",
        "currency": "(currency || 'USD')",
    },
    "vendor_credits": {
        "line.account_id": "classifications.chartOfAccountId",
        "line.account": "classifications.chartOfAccount.name",
        "line.memo": "(description || '')",
        "reference": "referenceNumber",
        "select": "!archived",
        "vendors": "vendors",
        "currency": "(currency || 'USD')",
    },
}


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for the lists that code bills."""
    return _GIVEN.get(stream, {})


def example_body(request: str) -> bytes | None:
    """A body that BILL takes, as it is frozen."""
    return _VENDOR if request == "VendorCreate" else None


def meanings(stream: str) -> Mapping[str, str]:
    """What the fields of a stream mean to most targets."""
    return _MEANINGS.get(stream, {})


def example_webhook() -> tuple[Mapping[str, str], bytes]:
    """An event as BILL signs it."""
    from connectors.bill.sandbox import WEBHOOK_KEY
    from connectors.bill.simulator.webhooks import signature

    body = b'{"metadata":{"eventId":"event-1","eventType":"bill.updated"},"bill":{"id":"00n01"}}'
    return {"content-type": "application/json", "x-bill-sha-signature": signature(WEBHOOK_KEY, body)}, body
