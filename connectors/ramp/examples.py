"""What a golden case may give a simulated Ramp: a record of each stream that can be posted."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from engine.contract import Json

_VENDORS = {"granite": {"name": "Granite Peak Supply Co.", "country": "US"}}
_BILL = {
    "vendor": "granite",
    "invoice": "GP-2201",
    "issued": "2026-02-20",
    "due": "2026-03-22",
    "memo": "Replacement valves",
    "lines": [{"amount": "1050.00", "account": "Office Supplies", "memo": "12 valves"}],
}
_VENDOR = b'{"name":"Granite Peak Supply Co.","country":"US","email":"ap@granite.example","external_vendor_id":"conformance-1"}'
_GIVEN: Mapping[str, Json] = {
    "": {"settings": {"vendor_country": "US", "vendor_email": "ap@example.com"}},
    "vendors": {"vendors": _VENDORS},
    "bills": {"vendors": _VENDORS, "bills": {"valves": _BILL}},
    "BILL_PAYMENT_SYNC": {"vendors": _VENDORS, "bills": {"valves": {**_BILL, "paid": {"on": "2026-02-26"}}}},
    "transactions": {
        "transactions": {
            "paper": {
                "merchant": "Paper Mill",
                "amount": "23.45",
                "on": "2026-02-27",
                "memo": "Printer paper",
                "account": "Office Supplies",
            }
        }
    },
    "reimbursements": {
        "reimbursements": {
            "taxi": {
                "merchant": "Corner Taxi",
                "amount": "31.80",
                "on": "2026-02-25",
                "memo": "Airport",
                "account": "Office Supplies",
            }
        }
    },
    "transfers": {"transfers": {"statement": {"amount": "2000.00", "on": "2026-02-28"}}},
    "cashbacks": {"cashbacks": {"february": {"amount": "17.50", "on": "2026-02-28"}}},
    "vendor_credits": {
        "vendors": _VENDORS,
        "vendor_credits": {
            "returned": {
                "vendor": "granite",
                "on": "2026-02-21",
                "reference": "CR-7",
                "lines": [{"amount": "50.00", "account": "Office Supplies", "memo": "One valve"}],
            }
        },
    },
}

_GL = "accounting_field_selections[?category_info.type == 'GL_ACCOUNT'] | [0]"
_CODED = {"define.gl": _GL, "lines": "line_items", "line.account_id": "gl(@).external_id", "line.account": "gl(@).name"}
_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "vendors": {"vendor_id": "id", "vendor": "name", "country": "country", "amount": "", "lines": ""},
    "bills": {
        **_CODED,
        "with": "{sync_ready: true}",
        "select": "sync_status == 'NOT_SYNCED'",
        "vendors": "vendors",
        "date": "accounting_date || issued_at",
    },
    "transactions": {
        **_CODED,
        "with": "{sync_status: SYNC_READY}",
        "select": "state == 'CLEARED'",
        "vendor_id": "merchant_id",
        "vendor": "merchant_name",
        "date": "accounting_date || user_transaction_time",
        "reference": "last(replace(id, '-', ''), `11`)",
        "vendors": "",
    },
    "reimbursements": {**_CODED, "with": "{sync_status: SYNC_READY}", "vendors": ""},
}


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for streams that every business has records of."""
    return _GIVEN.get(stream, {})


def meanings(stream: str) -> Mapping[str, str]:
    """What the fields of a stream mean to most targets."""
    return _MEANINGS.get(stream, {})


def example_body(request: str) -> bytes | None:
    """A body that Ramp takes, as it is frozen."""
    return _VENDOR if request == "VendorCreate" else None


def example_webhook() -> tuple[Mapping[str, str], bytes]:
    """An event as Ramp signs it."""
    from connectors.ramp.sandbox import WEBHOOK_SECRET

    body = b'{"id":"event-1","type":"bills.paid","object":{"id":"00000000-0000-4000-8000-000000000001"}}'
    digest = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-ramp-webhook-id": "event-1", "x-ramp-signature": digest}, body
