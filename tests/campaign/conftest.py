"""Schedules are played on PostgreSQL where the tests run on it: on its own kind of disk, and not in databases that are lent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.campaign import pgdisk, setting
from engine.campaign.pgdisk import PostgresDisk
from tests import stores


@pytest.fixture(scope="package", autouse=True)
def _played_on(request: pytest.FixtureRequest) -> Iterator[None]:
    if not stores.ON_POSTGRES:
        yield
        return
    with stores.in_memory():
        pgdisk.use(request.getfixturevalue("postgres"))
        yield
        pgdisk.use(None)
        for key in [key for key in setting._disks if key[3]]:
            disk = setting._disks.pop(key)
            assert isinstance(disk, PostgresDisk)
            disk.connection.close()
