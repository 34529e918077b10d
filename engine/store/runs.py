"""Runs, a page at a time, and what became of what one read first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field

from engine.dataclass import dataclass
from engine.store.base import Row, Tx

BEYOND = (1 << 63) - 1
# So many records of a run are looked at to say what became of them.
LOOKED_AT = 5000


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `counts` are by stream; `posted` is how many of the records that it read first are posted by now."""

    number: int
    company: str
    flow: str
    started_at: str
    ended_at: str
    outcome: str
    counts: Mapping[str, Mapping[str, int]]
    posted: int = 0
    problems: tuple[Mapping[str, str], ...] = field(default=())
    steps: tuple[Mapping[str, str], ...] = field(default=())

    def count(self, name: str) -> int:
        """A count over all streams."""
        return sum(counts.get(name, 0) for counts in self.counts.values())


def page(tx: Tx, company: str, flow: str, before: int, limit: int) -> list[Run]:
    """Those with a number below `before`, the newest first; without a flow those of all."""
    scope = {"company": company, "before": before, "limit": limit}
    rows = tx.rows("runs_page_of", {**scope, "flow": flow}) if flow else tx.rows("runs_page", scope)
    return [_run(row) for row in rows]


def get(tx: Tx, company: str, number: int) -> Run | None:
    """A run of the company; None when it has none of this number."""
    row = tx.one("run_get", {"id": number})
    return _run(row) if row is not None and row["company"] == company else None


def flows(tx: Tx, company: str) -> list[str]:
    """The flows that ever ran."""
    found, after = [], ""
    while (row := tx.one("browse_run_flow_next", {"company": company, "after": after})) and row["name"] is not None:
        found.append(after := str(row["name"]))
    return found


def became(tx: Tx, number: int) -> Mapping[str, Mapping[str, int]]:
    """How many of the records that a run read first are in each state now, by stream; of its first `LOOKED_AT`."""
    found: dict[str, dict[str, int]] = {}
    for row in tx.rows("run_became", {"run": number, "limit": LOOKED_AT}):
        found.setdefault(row["stream"], {})[row["state"]] = row["count"]
    return found


def _run(row: Row) -> Run:
    return Run(
        row["id"],
        row["company"],
        row["flow"],
        row["started_at"],
        row["ended_at"] or "",
        row["outcome"],
        json.loads(row["counts"]),
        row["posted"],
        tuple(json.loads(row["problems"])),
        tuple(json.loads(row["steps"])),
    )
