"""What a person must know of: what is open, and what is over."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.panel.web import Answer, Ask, Page, Shown
from engine.store import alerts
from engine.store.base import Row, Tx

_SIZE = 50
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


def _alerts(ask: Ask) -> Answer:
    company, is_over = str(ask.where["company"]), ask.query.get("show") == "over"
    behind = ask.query.get("behind", "")
    before = int(behind) if _ID.fullmatch(behind) else alerts.BEYOND
    with ask.world.store.read() as tx:
        found = alerts.page(tx, company, before, _SIZE + 1, is_over=is_over)
        rows = list(_linked(tx, company, found[:_SIZE]))
    following = found[_SIZE - 1]["id"] if len(found) > _SIZE else None
    return Shown("alerts.html", {"rows": rows, "is_over": is_over, "following": following})


def _linked(tx: Tx, company: str, rows: Iterable[Row]) -> Iterable[tuple[Row, int | None]]:
    """Each alert with the number of the record that it is about, where it is about one."""
    for row in rows:
        parts = row["subject"].split("/", 2)
        found: list[Row] = []
        if len(parts) == 3:
            scope = {"company": company, "flow": parts[0], "stream": parts[1], "source_id": parts[2]}
            found = tx.rows("record_find_any_phase", scope)
        yield row, found[0]["id"] if found else None


PAGES = (Page("/c/{company}/alerts", _alerts, tab="Alerts"),)
