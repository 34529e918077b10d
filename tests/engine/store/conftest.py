"""The store that every contract test gets: one parameter a backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.base import Store
from engine.store.sqlite import SqliteStore


@pytest.fixture(params=["sqlite-memory", "sqlite-file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = SqliteStore(None if request.param == "sqlite-memory" else tmp_path / "flowctl.db")
    yield made
    made.close()
