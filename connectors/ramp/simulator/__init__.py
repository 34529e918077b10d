"""A Ramp sandbox on this machine: the documented behaviour of Ramp's Developer API over a made-up business."""

from __future__ import annotations

from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.faults import Fault
from connectors.ramp.simulator.ledger import Totals
from connectors.ramp.simulator.records import Account, Line, Money, Options, Selection
from connectors.ramp.simulator.seed import DEFAULT_CHART, Mix, Others, Tags, seed_business, seed_others
from connectors.ramp.simulator.serve import app, transport

__all__ = [
    "DEFAULT_CHART", "Account", "Fault", "Line", "Mix", "Money", "Options", "Others", "RampSimulator", "Selection", "Tags",
    "Totals", "app", "seed_business", "seed_others", "transport",
]  # fmt: skip
