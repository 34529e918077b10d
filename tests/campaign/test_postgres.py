"""Schedules of faults on PostgreSQL: played as on SQLite, with the same end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.campaign import pgdisk, setting
from engine.campaign.__main__ import flow_program
from engine.campaign.pgdisk import PostgresDisk
from engine.campaign.play import Plan, play
from engine.errors import Bug
from engine.store import companies, journal
from engine.store.base import Tx
from engine.store.private import PrivatePostgres
from tests.engine.store.rows import AT

PLAN = Plan(flow_program("ramp_to_quickbooks"))


@pytest.fixture
def server(postgres: PrivatePostgres) -> Iterator[PrivatePostgres]:
    before = pgdisk.server()
    pgdisk.use(postgres)
    yield postgres
    pgdisk.use(before)
    if before is not None:
        return
    for key in [key for key in setting._disks if key[3]]:
        disk = setting._disks.pop(key)
        assert isinstance(disk, PostgresDisk)
        disk.connection.close()


def test_schedules_end_as_on_sqlite(server: PrivatePostgres) -> None:
    assert pgdisk.server() is server
    found = [play(PLAN, seed) for seed in (3, 4, 5)]
    pgdisk.use(None)
    expected = [play(PLAN, seed) for seed in (3, 4, 5)]
    assert [(one.failed, dict(one.faults), one.verdict.posted, one.timeline) for one in found] == [
        (False, dict(one.faults), one.verdict.posted, one.timeline) for one in expected
    ]


def put(tx: Tx, name: str) -> None:
    companies.add(tx, name, name, AT)
    journal.append(tx, name, AT, "test", [journal.Entry("made")])


def names(disk: PostgresDisk) -> list[str]:
    """Whose journals there are; what companies there are is no secret."""
    return [row["company"] for row in disk.look("journal_companies", {})]


def test_a_disk_forgets_restores_and_keeps(server: PrivatePostgres) -> None:
    disk = PostgresDisk(pgdisk.database(server, 0))
    put(disk.tx, "a")
    disk.keep()
    assert disk.tx.one("counter_take", {"name": "record", "count": 5}) == {"value": 5}
    disk.copy()
    disk.enter(("b",), writes=True)
    put(disk.tx, "b")
    assert names(disk) == ["b"]
    disk.join(("b",))
    for other in (("c",), ()):
        with pytest.raises(Bug):
            disk.join(other)
    disk.leave(keep=True, writes=True)
    disk.enter((), writes=True)
    put(disk.tx, "lost")
    disk.leave(keep=False, writes=True)
    assert (names(disk), disk.changes()) == (["a", "b"], 9)
    disk.restore(0)
    assert names(disk) == ["a"]
    disk.enter(("nobody",), writes=False)
    assert names(disk) == []
    disk.leave(keep=True, writes=False)
    put(disk.tx, "c")
    disk.begin()
    assert names(disk) == ["a"]
    assert disk.tx.one("counter_take", {"name": "record", "count": 1}) == {"value": 1}
    disk.connection.close()
