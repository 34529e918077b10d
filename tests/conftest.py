"""What holds for every test: examples are judged by what they find, and the files that take longest begin first.

And the private PostgreSQL, for those that ask for one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from engine.store.sqlite import SqliteTx
from tests import stores
from tests.timings import TABLE

if TYPE_CHECKING:
    from engine.store.private import PrivatePostgres

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Codes and titles of companies are no secret from one another.
_OF_ALL = ("companies_all",)


def _is_its_own(tx: SqliteTx, row: Any) -> bool:
    """Whether a transaction is given a row: one of a company that it named, as row-level security has it on PostgreSQL."""
    return "company" not in row.keys() or row["company"] in tx.of  # noqa: SIM118 - a row is no mapping


def _rows(self: SqliteTx, name: str, params: Any) -> Any:
    found = _ROWS(self, name, params)
    # The transactions of a campaign name nobody, and read a hundred rows for each that another test reads.
    return found if not self.of or name in _OF_ALL else [row for row in found if _is_its_own(self, row)]


def _one(self: SqliteTx, name: str, params: Any) -> Any:
    found = _ONE(self, name, params)
    return found if found is None or not self.of or _is_its_own(self, found) else None


_ROWS, _ONE = SqliteTx.rows, SqliteTx.one
SqliteTx.rows, SqliteTx.one = _rows, _one  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _backend(request: pytest.FixtureRequest) -> Iterator[None]:
    """With FLOWCTL_TEST_STORE=postgres every world and every home of a test has its store in a database of its own."""
    if not stores.ON_POSTGRES:
        yield
        return
    from tests import postgres_kit

    with closing(postgres_kit.Databases(request.getfixturevalue("postgres"))) as databases, stores.lent(databases):
        yield


@pytest.fixture(autouse=True)
def _homes(request: pytest.FixtureRequest) -> Iterator[None]:
    """The databases of the homes of a test are for others when it is over."""
    yield
    folder = request.node.funcargs.get("tmp_path") if stores.ON_POSTGRES else None
    if folder is not None:
        stores.give_back(folder)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What is about SQLite itself is not run on PostgreSQL, and says why."""
    if stores.ON_POSTGRES:
        for marker in item.iter_markers("only_sqlite"):
            pytest.skip(f"only on SQLite: {marker.args[0]}")


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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the files of a run on several workers, those that take longest first; the tests of a file keep their order.

    A worker takes the next file when it is done with its own. Were a long one among the last, the others would stand
    idle at the end: `make test` gives whole files to workers, since their fixtures are shared. Every worker sorts for
    itself, and all must come to the same order: so it rests on a file that is kept, and not on the last run.
    """
    if not hasattr(config, "workerinput"):
        return
    seconds: dict[str, float] = json.loads(TABLE.read_text(encoding="utf-8"))
    items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], 0.0))
