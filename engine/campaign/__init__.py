"""Deterministic simulation: whole schedules of faults from one integer, and what must be true after each."""
