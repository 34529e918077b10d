"""An Expensify sandbox on this machine: the documented behaviour of the Integration Server over a made-up account."""

from __future__ import annotations

from connectors.expensify.simulator.core import ExpensifySimulator
from connectors.expensify.simulator.faults import Fault
from connectors.expensify.simulator.ledger import Totals
from connectors.expensify.simulator.records import (
    Category,
    Employee,
    Expense,
    Options,
    Policy,
    Report,
    Tag,
    TagLevel,
)
from connectors.expensify.simulator.seed import Chart, Mix, seed_business
from connectors.expensify.simulator.serve import app, transport

__all__ = [
    "Category", "Chart", "Employee", "Expense", "ExpensifySimulator", "Fault", "Mix", "Options", "Policy", "Report", "Tag",
    "TagLevel", "Totals", "app", "seed_business", "transport",
]  # fmt: skip
