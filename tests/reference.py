"""Finds the third-party reference material beside the project; tests that need it skip with a reason where it is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def reference(*parts: str) -> Path:
    """The path of a reference file or folder, or a skip that says what is missing."""
    path = SHARED.joinpath("reference", *parts)
    if not path.exists():
        pytest.skip(f"reference material is not here: {'/'.join(parts)}")
    return path
