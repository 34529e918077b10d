"""What holds for every test: generated examples are judged by what they find, not by how busy the machine is.

And the private PostgreSQL, for those that ask for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from engine.store.sqlite import SqliteTx

if TYPE_CHECKING:
    from engine.store.private import PrivatePostgres

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Codes and titles of companies are no secret from one another.
_OF_ALL = ("companies_all",)


def _is_its_own(tx: SqliteTx, row: Any) -> bool:
    """Whether a transaction is given a row: one of a company that it named, as row-level security has it on PostgreSQL."""
    return not tx.of or "company" not in row.keys() or row["company"] in tx.of  # noqa: SIM118 - a row is no mapping


def _rows(tx: SqliteTx, name: str, params: Any) -> Any:
    return [row for row in _ROWS(tx, name, params) if name in _OF_ALL or _is_its_own(tx, row)]


def _one(tx: SqliteTx, name: str, params: Any) -> Any:
    found = _ONE(tx, name, params)
    return found if found is None or _is_its_own(tx, found) else None


_ROWS, _ONE = SqliteTx.rows, SqliteTx.one
SqliteTx.rows, SqliteTx.one = _rows, _one  # type: ignore[method-assign]


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
