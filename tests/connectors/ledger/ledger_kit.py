"""Operations as the engine freezes them, and a ledger in a folder of the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from connectors.ledger.connection import LedgerConnection
from connectors.ledger.forms import FORMS
from connectors.ledger.settings import Settings
from engine.contract import Operation
from engine.pipeline import guid_of
from engine.qbxml.check import freeze_request
from engine.render import Templates
from engine.testing import FakeClock

AT = datetime(2026, 3, 2, 14, tzinfo=UTC)
CHART = """kind,id,name,number,type,active
Account,A-1,Accounts Payable,20000,AccountsPayable,true
Account,A-2,Checking,10100,Bank,
Account,A-3,Travel:Meals,68430,Expense,yes
Account,A-4,Software,67800,Expense,true
Vendor,V-1,Acme Supply,,,true
Class,C-1,Engineering,,,
Customer,J-1,Smith:Kitchen,,,
Employee,E-1,Jane Doe,,,no
Terms,T-1,Net 30,,,
"""
OPENED: list[LedgerConnection] = []
_TEMPLATES = Templates([])
BILL: Mapping[str, Any] = {
    "vendor": {"list_id": "V-1"},
    "ap_account": {"list_id": "A-1"},
    "date": "2026-02-27",
    "due": "2026-03-27",
    "reference": "INV-7",
    "memo": 'Ramp bill 7, "paid"\nlater',
    "lines": [
        {"account": {"list_id": "A-3"}, "amount": "20.10", "memo": "=1+1", "customer": {"list_id": "J-1"}},
        {"account": {"list_id": "A-4"}, "amount": "99.90", "memo": "-", "class": {"list_id": "C-1"}},
    ],
}


def ledger(folder: Path, form: str = "jsonl", company: str = "acme") -> LedgerConnection:
    """A connection to the ledger of a folder, with its chart."""
    chart = folder / "chart.csv"
    if not chart.exists():
        chart.write_text(CHART, "utf-8")
    made = LedgerConnection(Settings(company, folder / f"ledger.{form}", form, chart, "USD"), FakeClock())
    OPENED.append(made)
    return made


def operation(request: str, template: str, values: Mapping[str, Any], name: str = "1", attempt: int = 1) -> Operation:
    """What the engine would hand to the connector: `name` tells the record, `attempt` the operation."""
    number = f"op-{name}-{request}-{attempt}"
    guid = guid_of("acme", "flow", "stream", name, "post")
    missing = ("memo", "reference", "payee", "company", "country")
    filled = {**dict.fromkeys(missing), **values, "request_id": number, "guid": guid}
    if "lines" in values:
        filled["lines"] = [
            {**dict.fromkeys(("class", "customer", "billable")), "memo": "", **line} for line in values["lines"]
        ]
    text = _TEMPLATES.get(f"{template}.xml.j2").render(filled)
    body = freeze_request(request, text)
    return Operation(
        number, request, body, sha256(body).hexdigest(), guid, AT, target_id=str(values.get("target_id", ""))
    )


def bill(name: str = "1", **changes: Any) -> Operation:
    return operation("BillAdd", "bill_add", {**BILL, **changes}, name)


def bill_mod(target_id: str, name: str = "1", attempt: int = 1, **changes: Any) -> Operation:
    values = {**BILL, "target_id": target_id, "edit_sequence": "1", **changes}
    return operation("BillMod", "bill_mod", values, name, attempt)


def void(target_id: str, name: str = "1", kind: str = "Bill") -> Operation:
    return operation("TxnVoid", "txn_void", {"kind": kind, "target_id": target_id}, name)


def vendor(vendor_name: str, name: str = "v1") -> Operation:
    return operation("VendorAdd", "vendor_add", {"name": vendor_name}, name)


def payment(bill_id: str, amount: str, name: str = "p1") -> Operation:
    values = {
        "vendor": {"list_id": "V-1"}, "ap_account": {"list_id": "A-1"}, "bank_account": {"list_id": "A-2"},
        "date": "2026-03-01", "reference": "77", "memo": "", "bill_txn_id": bill_id, "amount": amount,
    }  # fmt: skip
    return operation("BillPaymentCheckAdd", "bill_payment_check_add", values, name)


def entries(connection: LedgerConnection) -> list[dict[str, Any]]:
    """What is in the file."""
    settings = connection.settings
    with settings.path.open("rb", buffering=0) as file:
        return [cast("dict[str, Any]", dict(whole.entry)) for whole in FORMS[settings.format].read(file, 0)]


def plain(data: object) -> Any:
    return json.loads(json.dumps(data))
