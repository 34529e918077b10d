"""Holds the rows that a list shows against what it counts: FreshBooks counts rows that the user may not see."""

from __future__ import annotations

from dataclasses import field

from connectors.freshbooks.client import RawPage
from engine.dataclass import dataclass


@dataclass(slots=True)
class Count:
    """One complete list, page by page; `hidden` is None until its last page was read."""

    where: str = ""
    ids: set[str] = field(default_factory=set)
    hidden: int | None = None
    _total: int | None = None

    def add(self, page: RawPage, key: str) -> None:
        """A page of the list. What was added while it was read is counted by the later pages, and perhaps not shown."""
        self.where = page.where
        self._total = page.total if self._total is None else min(self._total, page.total)
        self.ids.update(str(row.get(key)) for row in page.rows)
        if page.next is None:
            self.hidden = max(self._total - len(self.ids), 0)
