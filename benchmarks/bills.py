"""Generated Ramp bills as the API would send them, page by page, and the lists of a company file to post them into."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from engine.contract import ListObject

PAGE = 100
ACCOUNTS = 60
VENDORS = 400
CLASSES = 12


def lists() -> dict[str, list[ListObject]]:
    """The cached lists."""
    fixed = [("80001001-1", "Accounts Payable"), ("80001002-1", "Checking"), ("80001003-1", "Ramp Card")]
    return {
        "Account": [ListObject(i, n) for i, n in fixed]
        + [ListObject(f"8000{i:04d}-1", f"Expense {i}", number=str(6000 + i)) for i in range(ACCOUNTS)],
        "Vendor": [ListObject(f"9000{i:04d}-1", f"Vendor {i}") for i in range(VENDORS)],
        "Class": [ListObject(f"7000{i:04d}-1", f"Class {i}") for i in range(CLASSES)],
        "Customer": [],
    }


def pages(count: int, seed: int = 1) -> Iterator[bytes]:
    """Bodies of `GET /bills`, 100 bills each: three quarters with one line, the others with two to four."""
    chance = random.Random(seed)
    for start in range(0, count, PAGE):
        rows = [_bill(chance, number) for number in range(start, min(start + PAGE, count))]
        yield json.dumps({"data": rows, "page": {"next": None}}).encode()


def _bill(chance: random.Random, number: int) -> dict[str, object]:
    lines = [_line(chance, n) for n in range(chance.choice((1, 1, 1, 2 + number % 3)))]
    total = sum(line["amount"]["amount"] for line in lines)  # type: ignore[index]  # as _line makes it
    vendor = chance.randrange(VENDORS)
    uuid = f"{chance.getrandbits(32):08x}-0000-4000-8000-{number:012d}"
    return {
        "id": uuid,
        "invoice_number": f"INV-{number:06d}",
        "amount": {"amount": total, "currency_code": "USD"},
        "vendor": {"id": f"vendor-{vendor}", "name": f"Vendor {vendor}", "remote_id": None, "type": "BUSINESS"},
        "issued_at": "2026-03-01T00:00:00+00:00",
        "due_at": "2026-03-31T00:00:00+00:00",
        "accounting_date": "2026-03-02T00:00:00+00:00",
        "created_at": "2026-03-01T08:00:00+00:00",
        "status": "OPEN",
        "approval_status": "APPROVED",
        "sync_status": "NOT_SYNCED",
        "memo": "Monthly service",
        "remote_id": None,
        "entity_id": "entity-1",
        "accounting_field_selections": [],
        "line_items": lines,
    }


def _line(chance: random.Random, number: int) -> dict[str, object]:
    selections = [_selection("GL_ACCOUNT", "Category", f"8000{chance.randrange(ACCOUNTS):04d}-1")]
    if chance.random() < 0.5:
        selections.append(_selection("COST_CENTER", "Class", f"7000{chance.randrange(CLASSES):04d}-1"))
    return {
        "amount": {"amount": chance.randrange(100, 500_000), "currency_code": "USD"},
        "memo": f"line {number + 1}",
        "accounting_field_selections": selections,
    }


def _selection(kind: str, field: str, external_id: str) -> dict[str, object]:
    return {
        "id": "option",
        "external_id": external_id,
        "external_code": None,
        "name": "as coded in Ramp",
        "provider_name": "flowctl",
        "category_info": {"id": "field", "external_id": field, "name": field, "type": kind},
    }
