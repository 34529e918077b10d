"""What records miss, grouped by the mapping that would help: counted from an index alone, whatever their number."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dataclass import dataclass
from engine.store.base import Row, Tx
from engine.store.browse import lowered


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that a lookup does not know; `count` records miss it, the first of which has the number `first_id`."""

    flow: str
    lookup: str
    key: str
    label: str
    count: int
    first_id: int

    @property
    def wait_key(self) -> str:
        """What the records wait for."""
        return f"mapping:{self.lookup}:{self.key}"


def groups(tx: Tx, company: str) -> list[Missing]:
    """Everything that is missing, the most missed first."""
    found = [_missing(row) for row in tx.rows("missing_groups", {"company": company})]
    return sorted(found, key=lambda each: (-each.count, each.flow, each.lookup, each.key))


def group(tx: Tx, company: str, flow: str, lookup: str, key: str) -> Missing | None:
    """One value that is missing; None when no record misses it (any more)."""
    row = tx.one("missing_group", {"company": company, "flow": flow, "wait_key": f"mapping:{lookup}:{key}"})
    return _missing(row) if row is not None else None


def amounts(tx: Tx, company: str, it: Missing, limit: int) -> list[tuple[str, str]]:
    """Currency and amount, as decimal text, of the records that miss it, at most so many."""
    rows = tx.rows("missing_amounts", {**_scope(company, it), "limit": limit})
    return [(row["currency"] or "", row["amount"]) for row in rows]


def records(tx: Tx, company: str, it: Missing, after: int, limit: int) -> list[Row]:
    """The records that miss it, the oldest first, behind the number `after`; without their payloads."""
    return tx.rows("missing_records", {**_scope(company, it), "after": after, "limit": limit})


def mappings_page(tx: Tx, place: tuple[str, str, str], text: str, after: str, limit: int) -> list[Row]:
    """Rows of a lookup table that hold the text, in the order of their keys; `place` is company, flow and lookup."""
    company, flow, lookup = place
    escaped = lowered(text).replace("!", "!!").replace("%", "!%").replace("_", "!_")
    scope = {"company": company, "flow": flow, "lookup": lookup, "after": after, "limit": limit}
    return tx.rows("mappings_page", {**scope, "text": f"%{escaped}%" if text else ""})


def mapping_counts(tx: Tx, company: str) -> Mapping[tuple[str, str], Row]:
    """How many rows each lookup table has, and when the newest was saved; by flow and lookup."""
    return {(row["flow"], row["lookup"]): row for row in tx.rows("mapping_counts", {"company": company})}


def _scope(company: str, it: Missing) -> dict[str, object]:
    return {"company": company, "flow": it.flow, "wait_key": it.wait_key}


def _missing(row: Row) -> Missing:
    lookup, _, key = str(row["wait_key"]).removeprefix("mapping:").partition(":")
    return Missing(row["flow"], lookup, key, row["label"], row["count"], row["first_id"])
