"""Two connectors as the flow checks see them: a source like Ramp and a target like QuickBooks, cut down to what tests name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.contract import Binding, Tools
from engine.diagnostics import Diagnostic
from engine.registry import registered
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, MarkSpec, RequestSpec, StreamSpec


@dataclass(slots=True)
class FakeConnector:
    spec: ConnectorSpec

    def check(self, binding: Binding) -> list[Diagnostic]:
        return []

    def open(self, binding: Binding, tools: Tools) -> Any:
        return None


_VENDOR = FieldSpec(
    "vendor", "object", "who is owed", fields=(FieldSpec("id", "id", "its id"), FieldSpec("name", "text", "its name"))
)
_LINES = FieldSpec(
    "line_items",
    "list",
    "its lines",
    fields=(FieldSpec("amount", "money", "amount"), FieldSpec("memo", "text", "memo")),
    of="object",
)
BILL = (
    FieldSpec("id", "id", "its id", required=True),
    FieldSpec("status", "text", "open or paid", choices=("OPEN", "PAID")),
    FieldSpec("invoice_number", "text", "number on the invoice"),
    FieldSpec("amount", "money", "total"),
    FieldSpec("currency", "text", "currency"),
    FieldSpec("issued_at", "datetime", "invoice date"),
    _VENDOR,
    _LINES,
)
VENDOR = (
    FieldSpec("id", "id", "its id", required=True),
    FieldSpec("name", "text", "its name"),
    FieldSpec("is_active", "boolean", "false when switched off"),
)
SOURCE = ConnectorSpec(
    name="ramp",
    title="Ramp",
    help="bills and vendors",
    streams=(
        StreamSpec(
            "bills",
            "bills",
            "id",
            BILL,
            filters=(
                FieldSpec("sync_ready", "boolean", "only what waits"),
                FieldSpec("status", "text", "only this status", choices=("OPEN", "PAID")),
                FieldSpec("limit", "integer", "how many"),
            ),
            webhooks=("bills.approved", "bills.paid"),
        ),
        StreamSpec("vendors", "vendors", "id", VENDOR, changes="since"),
    ),
    marks=(
        MarkSpec("BILL_SYNC", "a bill was posted", ("bills",)),
        MarkSpec("QUIET_SYNC", "a bill was posted; failures cannot be told", ("bills",), failures=False),
    ),
    webhooks=("bills.approved", "bills.paid", "vendors.updated"),
)
_OBJECT = (
    FieldSpec("list_id", "id", "ListID"),
    FieldSpec("full_name", "text", "name"),
    FieldSpec("currency", "text", "currency"),
)
_CHARGE = (FieldSpec("amount", "money", "amount"), FieldSpec("date", "date", "when it was charged"))
TARGET = ConnectorSpec(
    name="qbwc",
    title="QuickBooks",
    help="posts",
    requests=(
        RequestSpec("BillAdd", "enter a bill"),
        RequestSpec("BillMod", "change a bill"),
        RequestSpec("VendorAdd", "add a vendor"),
        RequestSpec("VendorMod", "change a vendor"),
        RequestSpec("TxnVoid", "void a transaction", undoes=("Bill",)),
        RequestSpec("NotePost", "leave a note", documents="json", receipt=("TxnID",)),
        RequestSpec(
            "NotePut",
            "leave a note",
            documents="json",
            fields=(
                FieldSpec("title", "text", "what it is about", required=True),
                FieldSpec("amount", "money", "amount", required=True),
                FieldSpec("due", "date", "when it is due"),
                FieldSpec("paid", "boolean", "whether it is paid"),
                FieldSpec("parts", "list", "its parts", fields=(FieldSpec("sum", "money", "amount", required=True),)),
            ),
        ),
    ),
    tells=(FieldSpec("home_currency", "text", "its own currency"),),
    lists=(
        ListSpec("Vendor", "vendors", _OBJECT),
        ListSpec("Account", "accounts", _OBJECT),
        ListSpec("Terms", "terms"),
        ListSpec("Charge", "card charges", (*_OBJECT, *_CHARGE)),
    ),
    delivery="pull",
)


@contextmanager
def fake_connectors() -> Iterator[None]:
    """Offer the two under the names of the real ones."""
    with registered({"ramp": FakeConnector(SOURCE), "qbwc": FakeConnector(TARGET)}):
        yield
