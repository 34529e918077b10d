"""Small things that are remembered from one session to the next, JSON under a name."""

from __future__ import annotations

from typing import Any

from engine.contract import Json
from engine.jsontext import own, plain
from engine.store.base import Tx


def recall(tx: Tx, company: str, name: str) -> dict[str, Any] | None:
    """What was remembered under a name."""
    row = tx.one("fact_get", {"company": company, "name": name})
    if row is None:
        return None
    found: dict[str, Any] = own(row["value"])
    return found


def remember(tx: Tx, company: str, at: str, name: str, value: Json) -> None:
    """Remember something, in place of what stood under the name."""
    tx.run("fact_put", {"company": company, "name": name, "value": plain(dict(value)), "at": at})


def forget(tx: Tx, company: str, name: str) -> None:
    """Remember it no longer."""
    tx.run("fact_drop", {"company": company, "name": name})


def forget_file(tx: Tx, company: str) -> None:
    """Forget all that was learnt of the company file: the next one is looked through from the start."""
    tx.run("facts_forget", {"company": company})
