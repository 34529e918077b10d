"""Records of a flow that is switched off: nothing prepares them, so they rest until it is on again, and nobody need look.

What was prepared before is still written, and what failed, is unknown or gone may still need a person; neither rests.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.store import browse, facts
from engine.store.base import Tx
from engine.store.browse import COUNTED

STATES = ("pending", "deferred")
_SWITCH = "flow:"


def off(tx: Tx, company: str) -> frozenset[str]:
    """The flows that a person has switched off."""
    rows = tx.rows("facts_named", {"company": company, "prefix": _SWITCH})
    names = [str(row["name"]) for row in rows]
    return frozenset(
        name.removeprefix(_SWITCH) for name in names if (facts.recall(tx, company, name) or {}).get("on") is False
    )


def unprepared(tx: Tx, company: str, flow: str = "") -> int:
    """How many records rest that were never prepared, of a flow or of all that are off; those that are watched are none."""
    flows = [name for name in off(tx, company) if flow in ("", name)]
    rows = [tx.one("records_resting", {"company": company, "flow": name}) for name in flows]
    return sum(int(row["count"]) for row in rows if row is not None)


def of_flow(tx: Tx, company: str, flow: str, *, most: int = COUNTED) -> int:
    """How many records of a flow rest, or would once it is off; counted no further than `most` for a stream and state."""
    streams = [stream for _, stream in browse.places(tx, company, flow)]
    return sum(browse.count(tx, company, state, flow, stream, most) for stream in streams for state in STATES)


def resting(tx: Tx, company: str) -> Mapping[str, int]:
    """How many records of each flow that is off rest, by flow in the order of their names; without those that have none."""
    counts = {flow: of_flow(tx, company, flow) for flow in sorted(off(tx, company))}
    return {flow: count for flow, count in counts.items() if count}
