"""What holds for every test: generated examples are judged by what they find, not by how busy the machine is.

And the private PostgreSQL, for those that ask for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from engine.errors import Bug
from engine.store.sqlite import SqliteTx

if TYPE_CHECKING:
    from engine.store.private import PrivatePostgres

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Codes and titles of companies are no secret from one another.
_OF_ALL = ("companies_all",)


def _of_its_own(asked: Callable[..., Any]) -> Callable[..., Any]:
    """Every row that a transaction is given is of a company that it named, as row-level security has it on PostgreSQL."""

    @wraps(asked)
    def checked(tx: SqliteTx, name: str, params: Any) -> Any:
        found = asked(tx, name, params)
        for row in (found if isinstance(found, list) else [found]) if tx.of and found and name not in _OF_ALL else ():
            if "company" in row.keys() and row["company"] not in tx.of:  # noqa: SIM118 - a row is no mapping
                raise Bug(f"{name} gave a row of `{row['company']}` to a transaction of {tx.of}")
        return found

    return checked


SqliteTx.rows = _of_its_own(SqliteTx.rows)  # type: ignore[method-assign]
SqliteTx.one = _of_its_own(SqliteTx.one)  # type: ignore[method-assign]


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
