"""A FreshBooks sandbox on this machine: the documented behaviour of FreshBooks' API over a made-up account."""

from __future__ import annotations

from connectors.freshbooks.simulator.core import FreshBooksSimulator
from connectors.freshbooks.simulator.faults import Fault
from connectors.freshbooks.simulator.records import Line, Options
from connectors.freshbooks.simulator.seed import seed_account
from connectors.freshbooks.simulator.serve import app, transport

__all__ = ["Fault", "FreshBooksSimulator", "Line", "Options", "app", "seed_account", "transport"]
