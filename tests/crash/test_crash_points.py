"""A slice of the campaign of docs/reference/crash-points.md: real processes, struck at real system calls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.crash import strace
from tests.crash.__main__ import USUAL
from tests.crash.campaign import MODES, campaign, crew, points_of, report
from tests.crash.play import count, play
from tests.crash.points import START, Group, Point, named, plan
from tests.crash.stage import stage

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.only_sqlite("calls of the system on a file are struck"),
]
POINTS = 24


def test_a_slice_of_the_campaign(tmp_path: Path) -> None:
    reason = strace.why_not()
    if reason:
        pytest.skip(f"{reason}, so no system call was struck")
    with crew(2, tmp_path) as staff:
        summary = campaign(staff, points_of(staff.count(MODES), POINTS, 1, USUAL))
    assert "\n".join(report(result) for result in summary.failing) == ""
    assert summary.points == POINTS
    assert summary.counts["killed"] > 0
    assert summary.counts["eio"] > 0
    assert summary.counts["enospc"] > 0
    assert summary.counts["unreached"] <= POINTS // 4


# A commit that failed is taken for one that succeeded.
LIAR = """
import engine.store.sqlite as planted
def _commit(self, commit=planted.SqliteStore._commit):
    try:
        commit(self)
    except planted.sqlite3.OperationalError:
        pass
planted.SqliteStore._commit = _commit
"""


def test_a_server_that_promises_in_vain_is_found(tmp_path: Path) -> None:
    reason = strace.why_not()
    if reason:
        pytest.skip(f"{reason}, so no system call was struck")
    with stage(tmp_path) as on:
        # The server's thread: it begins after the worker's, and how many there are between is no matter.
        last = max(group.thread for group in count(on, "persist").calls if group.call == "fdatasync")
        on.plant = LIAR
        result = play(on, named(f"persist/{last}/fdatasync/1/eio"))
    found = result.wrong
    assert result.struck.happened
    # The first thing that is made durable is the webhook that wakes the worker.
    assert found[0].startswith("webhook event ")
    assert found[0].endswith(" was accepted and is not there")


def test_points_are_spread_over_every_group() -> None:
    groups = Counter(
        {Group("persist", START, "pwrite64"): 16, Group("persist", 1, "fdatasync"): 100, Group("wal", 2, "write"): 4}
    )
    points = plan(groups, moments=40, count=60, seed=3)
    assert len(points) == 60
    assert Counter(point.group for point in points).keys() == groups.keys()
    for point in points:
        assert 0 <= point.nth <= (40 if point.lasts else groups[point.group])
    assert {point.fault for point in points} == {"kill", "eio", "enospc", "full", "broken"}
    assert not any(point.lasts for point in points if point.group.thread == START)
    # A flush is never out of room.
    assert not any(point.fault == "enospc" for point in points if point.group.call == "fdatasync")
    assert points == plan(groups, moments=40, count=60, seed=3)
    assert points != plan(groups, moments=40, count=60, seed=4)


def test_fewer_points_than_groups() -> None:
    groups = Counter({Group("persist", 1, call): 10 for call in ("pwrite64", "fdatasync", "write")})
    assert len(plan(groups, moments=9, count=2, seed=1)) == 2


def test_a_point_is_found_again_by_its_name() -> None:
    point = Point(Group("wal", 2, "fdatasync"), 17, "eio")
    assert str(point) == "wal/2/fdatasync/17/eio"
    assert named(str(point)) == point
    assert point.injections == ["fdatasync:error=EIO:when=17"]
    assert named("persist/2/pwrite64/3/full").injections == [
        "pwrite64:error=ENOSPC:when=1+",
        "write:error=ENOSPC:when=1+",
        "?ftruncate:error=ENOSPC:when=1+",
    ]


@pytest.mark.parametrize(
    ("line", "killed", "expected"),
    [
        (
            "77 fdatasync(5</a/flowctl.db-journal>) = -1 EIO (Input/output error) (INJECTED)\n",
            False,
            strace.Struck(True, "fdatasync", "flowctl.db-journal"),
        ),
        (
            'pwrite64(5</a/flowctl.db>, ""..., 8192, 0) = 8192\n+++ killed by SIGKILL +++\n',
            True,
            strace.Struck(True, "pwrite64", "flowctl.db"),
        ),
        ('77 pwrite64(5</a/flowctl.db>, ""..., 8192, 0) = 8192\n', False, strace.Struck(False)),
    ],
)
def test_a_log_tells_what_was_struck(tmp_path: Path, line: str, killed: bool, expected: strace.Struck) -> None:
    log = tmp_path / "log"
    log.write_text(line)
    assert strace.struck(log, killed=killed) == expected
