"""Every ledger that a test opened is closed at its end."""

from collections.abc import Iterator

import pytest

from tests.connectors.ledger import ledger_kit


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while ledger_kit.OPENED:
        ledger_kit.OPENED.pop().close()
