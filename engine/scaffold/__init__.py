"""Writes projects, flows and connectors that work as they are."""
