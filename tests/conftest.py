"""What holds for every test: generated examples are judged by what they find, not by how busy the machine is.

And the private PostgreSQL, for those that ask for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from engine.store.private import PrivatePostgres

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A server of this process's own."""
    from tests import postgres_kit

    with postgres_kit.migrated() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PrivatePostgres) -> str:
    """The address of an empty database of the newest schema."""
    from tests import postgres_kit

    return postgres_kit.emptied(postgres)
