"""What a process finds unfinished when it starts: it takes up what died, and leaves what others are doing, on both stores."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from engine.clock import iso
from engine.durable.lookback import Left, left
from engine.holders import drop_name, machine, take_counted_name, take_name
from engine.reading import READING_S, reading
from engine.service import CLAIM_S, Service
from engine.store import turns, work
from engine.store.base import Tx
from engine.store.postgres import PostgresStore
from engine.testing import _Making, make_stores_with
from tests.engine import kit
from tests.engine.durable.kit import Held, service_of
from tests.engine.kit import COMPANY, FLOW, Bench, bill

FAR = f"elsewhere:7:{machine()}:0011223344556677:abcdefgh"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    before = _Making.make
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        make_stores_with(lambda: PostgresStore(url))
    try:
        with kit.bench() as made:
            made.shop.listed["bills"] = [bill()]
            yield made
    finally:
        make_stores_with(before)


@pytest.fixture
def other() -> Iterator[str]:
    """The name of a run that a living process of this machine does."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield f"{socket.gethostname()}:{child.pid}:{machine()}:0011223344556677:1"
    child.kill()
    child.communicate()


def under_way(bench: Bench, process: str) -> None:
    """Another process has claimed all streams, and begun a run."""
    with bench.world.store.write(COMPANY) as tx:
        work.begin_run(tx, COMPANY, FLOW, bench.world.at(), process)
        claim(bench, tx)


def claim(bench: Bench, tx: Tx) -> None:
    for stream in work.due_streams(
        tx, COMPANY, FLOW, tuple(s.name for s in bench.program.flow.streams), bench.world.at()
    ):
        work.schedule(tx, COMPANY, FLOW, stream, iso(bench.world.clock.now() + timedelta(seconds=CLAIM_S)))


def outcomes(bench: Bench) -> list[str]:
    with bench.world.store.read(COMPANY) as tx:
        return [row["outcome"] for row in tx.rows("runs_recent", {"company": COMPANY, "flow": "", "limit": 9})]


def found(bench: Bench) -> Left:
    with bench.world.store.read() as tx:
        return left(bench.world, tx)


def started(bench: Bench, process: str) -> tuple[list[str], int]:
    """A process without a durable engine starts while that run is under way: outcomes of runs, and what it has read."""
    under_way(bench, process)
    Service(bench.world, {FLOW: bench.program}).tick()
    return outcomes(bench), len(bench.shop.reads)


def test_what_a_killed_process_was_reading_is_read_at_once(bench: Bench) -> None:
    name = take_name(bench.world.ids)
    drop_name(name)
    assert started(bench, name) == (["done", "lost"], 2)


def test_what_another_process_of_this_machine_is_reading_is_left_to_it(bench: Bench, other: str) -> None:
    assert started(bench, other) == (["running"], 0)


def test_what_a_thread_of_this_process_is_reading_is_left_to_it(bench: Bench) -> None:
    name = take_counted_name()
    assert started(bench, name) == (["running"], 0)
    drop_name(name)


def test_with_a_durable_engine_the_same_holds(bench: Bench, other: str) -> None:
    under_way(bench, other)
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()
    executor.do()
    assert (outcomes(bench), bench.shop.reads) == (["running"], [])
    ticking.stop()


def test_a_process_elsewhere_lives_while_it_shows_so(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        turns.beat(tx, FAR, bench.world.at(), "any")
    assert started(bench, f"{FAR.rpartition(':')[0]}:1") == (["running"], 0)
    bench.world.clock.sleep(turns.DEAD_S + 1)
    assert found(bench) == Left(frozenset({(COMPANY, FLOW, f"{FAR.rpartition(':')[0]}:1")}), doubtful=False)


@pytest.mark.parametrize("process", [FAR, ""], ids=["elsewhere", "of an older flowctl"])
def test_of_a_process_that_never_shows_itself_nobody_knows_for_a_while(bench: Bench, process: str) -> None:
    assert started(bench, process) == (["running"], 0)
    assert found(bench) == Left(frozenset(), doubtful=True)
    bench.world.clock.sleep(READING_S + 1)
    with reading(bench.world, COMPANY, FLOW, "shop/bills?"):
        assert found(bench) == Left(frozenset(), doubtful=True)
    assert found(bench) == Left(frozenset({(COMPANY, FLOW, process)}), doubtful=False)


def test_what_was_in_doubt_is_looked_at_again(bench: Bench) -> None:
    under_way(bench, FAR)
    ticking = Service(bench.world, {FLOW: bench.program})
    ticking.tick()
    assert outcomes(bench) == ["running"]
    bench.world.clock.sleep(READING_S + 1)
    ticking.tick()
    assert outcomes(bench) == ["done", "lost"]


def test_a_claim_of_somebody_who_has_the_turn_stands(bench: Bench) -> None:
    with bench.world.store.write(COMPANY) as tx:
        turns.open_(tx, COMPANY, f"flow:{FLOW}", bench.world.at())
        claim(bench, tx)
    Service(bench.world, {FLOW: bench.program}).tick()
    assert bench.shop.reads == []


def test_a_run_that_ends_is_nobodys_any_more(bench: Bench) -> None:
    bench.run()
    assert (outcomes(bench), found(bench)) == (["done"], Left(frozenset(), doubtful=False))
