"""What people call a record: its number, or who, how much and when; an id only where nothing else is known."""

from __future__ import annotations

from decimal import Decimal

from engine.store.base import Row


def called(row: Row) -> str:
    """A record's title: `INV-17`, or `Granite Peak · 59.50 USD · 2026-03-01` for one without a number."""
    if row["reference"]:
        return str(row["reference"])
    known = [str(text) for text in (row["party"], _amount(row), row["dated_on"]) if text]
    # A day alone, or an amount alone, tells it from no other.
    return " · ".join(known) if len(known) > 1 or row["party"] else str(row["source_id"])


def _amount(row: Row) -> str:
    if row["amount"] is None:
        return ""
    try:
        exact = Decimal(row["amount"])
    except ArithmeticError:
        return str(row["amount"])
    shown = f"{exact:,f}" if exact.is_finite() and abs(exact.adjusted()) < 40 else str(exact)
    return f"{shown} {row['currency'] or ''}".rstrip()
