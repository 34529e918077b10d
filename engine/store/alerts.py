"""Alerts, a page at a time, the newest first."""

from __future__ import annotations

from engine.dataclass import dataclass
from engine.store.base import Row, Tx

BEYOND = (1 << 63) - 1
# So many alerts are looked at for one page of what is over, and so many of the same thing are counted.
LOOKED_AT, COUNTED = 500, 1000


@dataclass(frozen=True, slots=True)
class Past:
    """A thing that is over: as it was last, since when, and how often it was so; `COUNTED` may be more."""

    last: Row
    first_at: str
    often: int


@dataclass(frozen=True, slots=True)
class Over:
    """A page of what is over, each thing once; older ones begin below `following`, which is None for the last page."""

    found: tuple[Past, ...]
    following: int | None


def page(tx: Tx, company: str, before: int, limit: int, *, is_over: bool) -> list[Row]:
    """Those with a number below `before`: open ones, or those that are over."""
    name = "browse_alerts_over" if is_over else "browse_alerts_open"
    return tx.rows(name, {"company": company, "before": before, "limit": limit})


def over(tx: Tx, company: str, before: int, limit: int) -> Over:
    """Things that were over last below a number, the newest first; what came again since stands on an earlier page."""
    rows = tx.rows("alerts_over_keys", {"company": company, "before": before, "limit": LOOKED_AT})
    seen: set[tuple[str, str]] = set()
    found: list[Past] = []
    last = before
    for row in rows:
        if len(found) == limit:
            return Over(tuple(found), last)
        last, key = row["id"], (row["kind"], row["subject"])
        if key in seen:
            continue
        seen.add(key)
        scope = {"company": company, "kind": row["kind"], "subject": row["subject"], "most": COUNTED}
        of = tx.one("alerts_over_of", scope)
        newest = tx.one("alert_get", {"id": row["id"]})
        if of is not None and newest is not None and of["newest"] == row["id"]:
            found.append(Past(newest, of["first_at"], of["often"]))
    return Over(tuple(found), last if len(rows) == LOOKED_AT else None)
