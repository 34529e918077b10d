"""Which object of a list each record was matched with: one record an object, from being prepared on, and for ever once posted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.dataclass import dataclass
from engine.errors import Bug
from engine.jsontext import plain
from engine.store.base import Row, Tx


@dataclass(frozen=True, slots=True)
class Claim:
    """An object, as expressions see it, that a record was matched with in the list of a lookup."""

    lookup: str
    list_id: str
    object: Mapping[str, Any]


def put(tx: Tx, record: Row, claim: Claim) -> None:
    """Keep a claim, in the transaction that prepares the record. `records.move` releases it.

    Raises:
        Bug: when another record has the object.
    """
    scope = {name: record[name] for name in ("company", "flow", "stream", "source_id")}
    mine = {"lookup": claim.lookup, "list_id": claim.list_id, "record_id": record["id"], "object": plain(claim.object)}
    if tx.run("claim_put", {**scope, **mine}) != 1:
        raise Bug(f"record {record['id']} was matched with {claim.list_id}, which another record has")


def holder(tx: Tx, company: str, flow: str, lookup: str, list_id: str) -> Row | None:
    """The claim on an object, if there is one: `stream`, `source_id`."""
    return tx.one("claim_get", {"company": company, "flow": flow, "lookup": lookup, "list_id": list_id})


def of_record(tx: Tx, record_id: int, lookup: str) -> Row | None:
    """What a record was matched with, or None."""
    return tx.one("claim_of_record", {"record_id": record_id, "lookup": lookup})
