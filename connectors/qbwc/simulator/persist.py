"""A company file as JSON text and back, so that a sandbox keeps its books between runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connectors.qbwc.simulator.company import Books, CompanyFile
from connectors.qbwc.simulator.model import (
    Applied,
    Behaviour,
    DataExt,
    Deleted,
    Line,
    ListObject,
    Preferences,
    StoredAnswer,
    Txn,
    VirtualClock,
)
from engine.clock import Clock

FORMAT = 1


def to_json(company: CompanyFile) -> str:
    """The whole company file; equal files give equal texts."""
    books = company.books
    content = {
        "format": FORMAT,
        "path": company.path,
        "seed": company.seed,
        "now": company.clock.now(),
        "preferences": asdict(company.preferences),
        "behaviour": asdict(company.behaviour),
        "locks": company.locks,
        "lists": [asdict(item) for item in books.lists.values()],
        "txns": [asdict(txn) for txn in books.txns.values()],
        "deleted": [asdict(entry) for entry in books.deleted],
        "data_ext": [asdict(ext) for ext in books.data_ext.values()],
        "data_ext_defs": [[owner, name, list(kinds)] for (owner, name), kinds in books.data_ext_defs.items()],
        "recovery": {app: {key: asdict(kept) for key, kept in sets.items()} for app, sets in books.recovery.items()},
        "counters": books.counters,
    }
    return json.dumps(content, default=_plain, ensure_ascii=False, indent=1)


def from_json(text: str, *, clock: Clock | None = None) -> CompanyFile:
    """The company file that `to_json` wrote; without a clock, virtual time goes on from where it stopped."""
    content: dict[str, Any] = json.loads(text)
    if content.get("format") != FORMAT:
        raise ValueError(f"the company file has format {content.get('format')}; this version reads format {FORMAT}")
    company = CompanyFile(
        content["path"],
        seed=content["seed"],
        preferences=_preferences(content["preferences"]),
        behaviour=Behaviour(**content["behaviour"]),
        clock=clock or VirtualClock(datetime.fromisoformat(content["now"])),
    )
    company.locks = dict(content["locks"])
    books = Books(
        lists={item["list_id"]: ListObject(**_times(item)) for item in content["lists"]},
        txns={item["txn_id"]: _txn(item) for item in content["txns"]},
        deleted=[Deleted(**_times(item)) for item in content["deleted"]],
        data_ext={(e["owner_id"].lower(), e["object_id"], e["name"]): DataExt(**e) for e in content["data_ext"]},
        data_ext_defs={(owner, name): tuple(kinds) for owner, name, kinds in content["data_ext_defs"]},
        recovery={app: {k: StoredAnswer(**v) for k, v in sets.items()} for app, sets in content["recovery"].items()},
        counters=dict(content["counters"]),
    )
    company.load(books)
    return company


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _times(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: datetime.fromisoformat(value) if key.endswith("_at") else value for key, value in item.items()}


def _preferences(item: Mapping[str, Any]) -> Preferences:
    closing = item["closing_date"]
    return Preferences(
        **{
            **item,
            "qbxml_versions": tuple(item["qbxml_versions"]),
            "closing_date": date.fromisoformat(closing) if closing else None,
        }
    )


def _txn(item: Mapping[str, Any]) -> Txn:
    applied = (
        Applied(
            a["txn_id"],
            Decimal(a["amount"]),
            Decimal(a["discount"]),
            a["discount_account"],
            tuple((credit, Decimal(used)) for credit, used in a.get("credits", ())),
        )
        for a in item["applied"]
    )
    return Txn(
        **{
            **_times(item),
            "date": date.fromisoformat(item["date"]),
            "amount": Decimal(item["amount"]),
            "lines": tuple(Line(**{**line, "amount": Decimal(line["amount"])}) for line in item["lines"]),
            "applied": tuple(applied),
        }
    )
