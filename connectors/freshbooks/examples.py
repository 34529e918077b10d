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

_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "bill_vendors": {"vendor_id": "vendorid", "vendor": "vendor_name", "email": "primary_contact_email", "country": ""},
    "bills": {
        "select": "vis_state == `0`",
        "vendor_id": "vendorid",
        "vendor": "vendor.vendor_name",
        "vendors": "bill_vendors",
        "amount": "total_amount.amount",
        "currency": "currency_code",
        "due": "due_date",
        "reference": "bill_number",
        "line.account_id": "categoryid",
        "line.account": "category",
        "line.amount": "total_amount.amount",
    },
    "expenses": {
        "select": "vis_state == `0`",
        "vendor_id": "vendor",
        "vendor": "vendor",
        "amount": "amount.amount",
        "currency": "amount.code",
        "date": "date",
        "reference": "id",
    },
}


def example(stream: str) -> Json:
    """`given` of a case with one record of the stream; empty for the lists that every account has."""
    return _GIVEN.get(stream, {})


def meanings(stream: str) -> Mapping[str, str]:
    """What the fields of a stream mean to most targets."""
    return _MEANINGS.get(stream, {})


def example_webhook() -> tuple[Mapping[str, str], bytes]:
    """An event as FreshBooks signs it."""
    from connectors.freshbooks.sandbox import VERIFIER
    from connectors.freshbooks.simulator.webhooks import signature

    body = b"name=bill.update&object_id=1001&account_id=acc&business_id=1&identity_id=1234&user_id=1"
    kind = "application/x-www-form-urlencoded"
    return {"content-type": kind, "x-freshbooks-hmac-sha256": signature(VERIFIER, body)}, body
