"""The connectors that every test of this folder sees unless it starts a process."""

from __future__ import annotations

from tests.lsp.kit import connectors

__all__ = ["connectors"]
