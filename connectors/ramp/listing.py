"""Ramp's lists as the engine keeps them for lookups, a hundred objects a call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors.ramp.chart import list_accounting_vendors
from connectors.ramp.client import API, RampClient
from connectors.ramp.directory import PAGE
from connectors.ramp.records import Record, normaliser
from connectors.ramp.requests import SYNCED_DAYS
from connectors.ramp.settings import Settings
from connectors.ramp.spec import ACCOUNTING_READ, STREAM_SCOPES
from engine.contract import ListObject
from engine.diagnostics import suggestion
from engine.errors import Rejected

Pages = Iterator[Sequence[ListObject]]
Reader = Callable[[RampClient, Settings], Pages]
_AMOUNT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# `NOT_SYNC_READY` holds what is not settled or not complete yet: it may be the one that is looked for all the same.
_OPEN = ("SYNC_READY", "NOT_SYNC_READY")


def list_objects(client: RampClient, settings: Settings, name: str) -> Pages:
    """All objects of a list, page by page, inactive ones included.

    Raises:
        Rejected: for a list that there is not.
    """
    reader = READERS.get(name)
    if reader is None:
        raise Rejected(f"{client.where}: there is no list `{name[:40]}`", hint=suggestion(name, tuple(READERS)))
    return reader(client, settings)


def _vendors(client: RampClient, _settings: Settings) -> Pages:
    """Without `is_active`, Ramp lists both kinds."""
    for page in client.pages(f"{API}/vendors", {"page_size": PAGE}, STREAM_SCOPES["vendors"]):
        yield [
            ListObject(
                str(row["id"]),
                _text(row.get("name")),
                active=row.get("is_active") is not False,
                number=_text(row.get("external_vendor_id")),
                data=_picked(row, "country", "state", "accounting_vendor_remote_id"),
            )
            for row in page.rows
        ]


def _accounts(client: RampClient, _settings: Settings) -> Pages:
    for page in client.pages(f"{API}/accounting/accounts", {"page_size": PAGE}, ACCOUNTING_READ, key="ramp_id"):
        yield [
            ListObject(
                str(row["id"]),
                _text(row.get("name")),
                active=row.get("is_active") is not False,
                number=_text(row.get("code")),
                data={**_picked(row, "ramp_id", "classification"), "field_id": _field_id(row)},
            )
            # One that was made without an accounting system has no id that anything could be mapped to.
            for row in page.rows
            if _text(row.get("id"))
        ]


def _entities(client: RampClient, settings: Settings) -> Pages:
    normalise = normaliser("entities", settings)
    for page in client.pages(f"{API}/entities", {"page_size": PAGE}, STREAM_SCOPES["entities"]):
        yield [
            ListObject(
                record["id"],
                record["entity_name"] or "",
                data={
                    "currency": record["currency"],
                    "is_primary": record["is_primary"],
                    "accounts": [_picked(a, "usage_type", "external_id", "external_name") for a in record["accounts"]],
                },
            )
            for record in (normalise(row) for row in page.rows)
        ]


def _open_transactions(client: RampClient, settings: Settings) -> Pages:
    asked = [{"sync_status": status} for status in _OPEN]
    return _transactions(client, settings, asked, lambda record: not _is_synced(record))


def _card_transactions(client: RampClient, settings: Settings) -> Pages:
    since = client.clock.now() - timedelta(days=SYNCED_DAYS)
    recent = {"sync_status": "SYNCED", "from_date": since.replace(microsecond=0).isoformat()}
    asked = [*({"sync_status": status} for status in _OPEN), recent]
    return _transactions(client, settings, asked, lambda _: True)


def _transactions(
    client: RampClient, settings: Settings, asked: Sequence[Mapping[str, str]], keep: Callable[[Record], bool]
) -> Pages:
    """One that leaves one status for the other while they are read may come in both; it is listed once."""
    normalise = normaliser("transactions", settings)
    seen: set[str] = set()
    scope = {} if settings.entity_id is None else {"entity_id": settings.entity_id}
    for question in asked:
        params = {**scope, **question, "page_size": PAGE}
        for page in client.pages(f"{API}/transactions", params, STREAM_SCOPES["transactions"]):
            records = [record for row in page.rows if _is_wanted(record := normalise(row), settings) and keep(record)]
            fresh = [record for record in records if record["id"] not in seen]
            seen.update(record["id"] for record in fresh)
            yield [_transaction(record) for record in fresh]


def _is_synced(record: Record) -> bool:
    return record["sync_status"] == "SYNCED" or record["synced_at"] is not None


def _is_wanted(record: Record, settings: Settings) -> bool:
    """Whether the card has paid; a filter that Ramp does not know would list everything."""
    if settings.entity_id is not None and record["entity_id"] not in (None, settings.entity_id):
        return False
    return record["state"] not in ("DECLINED", "ERROR")


def _transaction(record: Record) -> ListObject:
    holder: Mapping[str, Any] = record["card_holder"] or {}
    names = (holder.get("first_name"), holder.get("last_name"))
    parts = record["line_items"] or [record]
    moment = record["user_transaction_time"] or record["accounting_date"]
    other = _other_amount(record)
    return ListObject(
        record["id"],
        record["merchant_name"] or record["merchant_descriptor"] or "",
        data={
            # One that cannot be trusted is no amount that anything could be matched by.
            "amount": record["amount"] if _AMOUNT.fullmatch(record["amount"] or "") else None,
            "currency": record["currency"],
            "other_amount": other,
            "other_currency": record["merchant_currency"] if other is not None else None,
            "date": moment[:10] if moment else None,
            "memo": record["memo"],
            "card_holder": " ".join(name for name in names if name) or None,
            "is_coded": _has_account(record) or all(_has_account(part) for part in parts),
            "is_split": len(record["line_items"]) > 1,
            "is_synced": _is_synced(record),
        },
    )


def _other_amount(record: Record) -> str | None:
    """What the merchant charged in its own currency. It is documented of the entity's amount alone that refunds are negative."""
    amount, charged = record["amount"] or "", record["merchant_amount"] or ""
    if record["merchant_currency"] == record["currency"] or not (
        _AMOUNT.fullmatch(amount) and _AMOUNT.fullmatch(charged)
    ):
        return None
    return f"{'-' if amount.startswith('-') else ''}{charged.lstrip('-')}"


def _has_account(record: Record) -> bool:
    codings = record["accounting_field_selections"]
    return any((item["category_info"] or {}).get("type") == "GL_ACCOUNT" for item in codings)


def _field_id(row: Mapping[str, Any]) -> str | None:
    """The field that accounts are options of: `Category` in every example, and not to be taken for granted."""
    info = row.get("gl_account_category_info")
    return _text(info.get("id")) or None if isinstance(info, Mapping) else None


def _picked(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


READERS: dict[str, Reader] = {
    "vendors": _vendors,
    "accounts": _accounts,
    "accounting_vendors": list_accounting_vendors,
    "entities": _entities,
    "open_transactions": _open_transactions,
    "card_transactions": _card_transactions,
}
