"""What a person looks for in a target to say whether a record is there: kind, whose, day, amount, number, memo, marker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from engine import registry
from engine.dataclass import dataclass
from engine.pipeline import guid_of
from engine.store import companies, holdings, records
from engine.store.base import Row, Tx

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Where the memo of a request stands in what flows map.
_MEMOS = ("memo", "private_note", "description")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where to look, for what (names and values), and what keeps a person's word from being taken now, if anything."""

    where: str
    marks: tuple[tuple[str, str], ...]
    waits: str = ""


def evidence(tx: Tx, row: Row) -> Evidence | None:
    """What to look for; None for a record about whose object nobody is in doubt."""
    if row["state"] not in ("unknown", "vanished"):
        return None
    operation = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    where = _title(tx, operation) if operation is not None else "the target"
    return Evidence(where, tuple(_marks(row, operation)), _waits(row, operation))


def _marks(row: Row, operation: Row | None) -> Iterator[tuple[str, str]]:
    if operation is not None:
        kind = holdings.kind_of(operation["request"])
        yield "kind", _WORD.sub(" ", kind).lower()
    mapped = json.loads(operation["mapped"] or "{}") if operation is not None else {}
    said = mapped if isinstance(mapped, dict) else {}
    if row["party"]:
        yield "vendor or party", row["party"]
    if row["dated_on"]:
        yield "date", row["dated_on"]
    if row["amount"] is not None:
        yield "amount", f"{row['amount']} {row['currency'] or ''}".rstrip()
    number = said.get("reference") or row["reference"]
    if number:
        yield "number", str(number)
    memo = next((said[name] for name in _MEMOS if isinstance(said.get(name), str) and said[name]), "")
    if memo:
        yield "memo", memo
    if operation is not None and operation["guid"]:
        yield "external id", guid_of(row["company"], row["flow"], row["stream"], row["source_id"], row["phase"])
    target_id = holdings.target_of(json.loads(row["receipt"] or "{}"))
    if target_id:
        yield "id that it had", target_id


def _waits(row: Row, operation: Row | None) -> str:
    """Why nobody's word is asked for: what became of it is still being found out."""
    if row["state"] != "unknown" or (operation is not None and operation["state"] == "held"):
        return ""
    if records.is_change(row):
        return "What became of this change is found out by itself at the next contact with the target; nobody has to decide."
    return (
        "What became of it is found out by itself at the next contact with the target: it is looked for there, and sent "
        "once more only when it is not there. Nobody has to decide yet."
    )


def _title(tx: Tx, operation: Row) -> str:
    made = companies.connectors(tx, operation["company"])
    connector = registry.find(made.get(operation["connection"], ""))
    return connector.spec.title.partition(" (")[0] if connector is not None else str(operation["connection"])
