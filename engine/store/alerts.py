"""Alerts, a page at a time, the newest first."""

from __future__ import annotations

from engine.store.base import Row, Tx

BEYOND = (1 << 63) - 1


def page(tx: Tx, company: str, before: int, limit: int, *, is_over: bool) -> list[Row]:
    """Those with a number below `before`: open ones, or those that are over."""
    name = "browse_alerts_over" if is_over else "browse_alerts_open"
    return tx.rows(name, {"company": company, "before": before, "limit": limit})
