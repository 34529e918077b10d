"""What reports come to in books that post them, worked out from the reports alone: nothing here asks what anybody posted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from connectors.expensify.simulator.records import Report
from connectors.expensify.simulator.world import World
from engine.money import from_minor

# `owed`: what the employee gets; `spent`: all of it, as a journal entry shows it on its debit side.
Counts = Literal["owed", "spent"]


def owed(report: Report) -> int:
    """What the employee is owed, in minor units; negative when he owes it."""
    return sum(expense.counts for expense in report.expenses if expense.reimbursable)


def spent(report: Report) -> int:
    """The debits of a balanced entry, in minor units: an expense account for each category, tags, and billable or not.

    What was given back on one of them stands on the other side; so does what the employee or the card's company owes.
    """
    coded: Counter[tuple[str, tuple[str, ...], bool]] = Counter()
    for expense in report.expenses:
        tags = tuple(tag.name for tag in expense.tags[:2])
        coded[expense.category.name if expense.category else "", tags, expense.billable] += expense.counts
    back = owed(report)
    return sum(amount for amount in (*coded.values(), -back, back - report.minor) if amount > 0)


def amount_of(report: Report, counts: Counts) -> Decimal:
    """What a report comes to, in major units; one that owes its employee nothing counts as what was spent."""
    back = owed(report)
    return from_minor(spent(report) if counts == "spent" or back == 0 else back, report.currency)


def total_told(world: World, by_policy: Mapping[str, Counts], otherwise: Counts) -> Decimal:
    """The sum of the reports that a job has marked as exported. `by_policy` says what counts, by a policy's id."""
    reports = (world.reports[report_id] for report_id in world.told if report_id in world.reports)
    amounts = (amount_of(report, by_policy.get(report.policy_id, otherwise)) for report in reports)
    return sum(amounts, Decimal(0))
