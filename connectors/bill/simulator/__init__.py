"""A BILL sandbox on this machine: the documented behaviour of BILL's v3 API over a made-up organization."""

from __future__ import annotations

from connectors.bill.simulator.core import BillSimulator, Tally
from connectors.bill.simulator.faults import Fault
from connectors.bill.simulator.ledger import Totals, totals
from connectors.bill.simulator.records import Coding, Line, Options
from connectors.bill.simulator.seed import Mix, seed_organization
from connectors.bill.simulator.serve import app, transport

__all__ = [
    "BillSimulator", "Coding", "Fault", "Line", "Mix", "Options", "Tally", "Totals", "app", "seed_organization", "totals",
    "transport",
]  # fmt: skip
