"""Semantic rules over a loaded flow, one rule a file."""
