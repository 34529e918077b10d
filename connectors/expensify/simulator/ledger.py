"""What Expensify itself believes to be exported: counted from its own state, independent of what the engine says."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

from connectors.expensify.simulator.records import APPROVED_STATES
from connectors.expensify.simulator.world import World
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums per currency in major units of the reports that are marked as exported, by job or by hand.

    `marks` counts reports by who marked them first; `waiting` are approved, reimbursed or closed, and not marked.
    """

    exported: dict[str, Decimal]
    marks: dict[str, int]
    waiting: int


def totals(world: World) -> Totals:
    """The totals now."""
    exported: defaultdict[str, Decimal] = defaultdict(Decimal)
    marks: Counter[str] = Counter()
    waiting = 0
    for report in world.reports.values():
        labels = world.labels.get(report.id, {})
        if labels:
            exported[report.currency] += report.total
            marks[next(iter(labels.values()))] += 1
        elif report.state in APPROVED_STATES:
            waiting += 1
    return Totals(dict(exported), dict(marks), waiting)
