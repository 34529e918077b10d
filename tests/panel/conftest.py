"""Each test has a panel of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import kit as engine_kit
from tests.panel import chromium, kit
from tests.panel.kit import Office


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with engine_kit.logging():
        yield


@pytest.fixture
def office() -> Iterator[Office]:
    with kit.office() as made:
        yield made


@pytest.fixture
def no_chromium() -> None:
    """Skip where nothing can be shown."""
    if problem := chromium.problem():
        pytest.skip(problem)
