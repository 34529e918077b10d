"""Compares both sides: what the source says, what we wrote, and what the target's books hold, to the cent."""

from __future__ import annotations

from engine.reconcile.asking import Spans, ask, bound, first_day, kinds_of, request
from engine.reconcile.report import Difference, Line, Report, report
from engine.reconcile.sides import countable

__all__ = [
    "Difference",
    "Line",
    "Report",
    "Spans",
    "ask",
    "bound",
    "countable",
    "first_day",
    "kinds_of",
    "report",
    "request",
]
