"""Stops and replays at targets that are called: nothing new is written, what is in doubt is only looked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.errors import Rejected
from engine.follow import Hand
from engine.operator import onhold, pausing, replaying
from engine.service import Service
from engine.store import outbox, records
from engine.store.records import Move, Reason
from tests.engine.kit import AT, COMPANY, bill
from tests.engine.push_kit import NAME, CloudBench, cloud_bench, operation, run

HAND = Hand(COMPANY, AT, "test")


@pytest.fixture
def bench() -> Iterator[CloudBench]:
    with cloud_bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def pause(bench: CloudBench, flow: str) -> None:
    with bench.world.store.write() as tx:
        pausing.pause(tx, HAND, flow, "wait")


def resume(bench: CloudBench, flow: str) -> None:
    with bench.world.store.write() as tx:
        pausing.resume(tx, HAND, flow)


def replay(bench: CloudBench) -> list[str]:
    """Replay the bill; why not, empty when it goes on."""
    with bench.world.store.write() as tx:
        done = replaying.replay(tx, Hand(COMPANY, bench.world.at(), "test"), [bench.record("b-1")])
    return [why for _, why in done.refused]


def run_without_writing(bench: CloudBench) -> None:
    """The bill is prepared, and nobody has written it."""
    runner = bench.runner
    runner.push_limit = 0
    runner.run(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "intended"


@pytest.mark.parametrize("flow", ["", NAME])
def test_nothing_new_is_written_while_it_is_paused(bench: CloudBench, flow: str) -> None:
    run_without_writing(bench)
    pause(bench, flow)
    before = len(bench.cloud.calls)
    for _ in range(3):
        Service(bench.world, {NAME: bench.program}).tick()
        bench.passed(7200)
    assert len(bench.cloud.calls) == before
    resume(bench, flow)
    run(bench)
    assert bench.titles() == ["Grün & Söhne", "N-b-1"]


@pytest.mark.parametrize("flow", ["", NAME])
def test_what_is_in_doubt_is_looked_for_and_not_written_again_while_it_is_paused(bench: CloudBench, flow: str) -> None:
    bench.cloud.faults[1] = "before"
    run(bench)
    assert bench.record("b-1")["state"] == "unknown"
    pause(bench, flow)
    for _ in range(3):
        bench.passed(7200)
        Service(bench.world, {NAME: bench.program}).tick()
    assert bench.cloud.calls[2:] == ["find N-b-1"] * len(bench.cloud.calls[2:])
    assert len(bench.cloud.calls) > 2
    assert bench.record("b-1")["state"] == "unknown"
    resume(bench, flow)
    bench.passed(7200)
    run(bench)
    assert (bench.titles(), bench.record("b-1")["state"]) == (["Grün & Söhne", "N-b-1"], "closed")


def test_what_is_held_is_not_written(bench: CloudBench) -> None:
    run_without_writing(bench)
    with bench.world.store.write() as tx:
        onhold.hold(tx, HAND, [bench.record("b-1")], "wait")
    run(bench)
    assert bench.titles() == ["Grün & Söhne"]
    with bench.world.store.write() as tx:
        onhold.release(tx, HAND, [bench.record("b-1")])
    run(bench)
    assert bench.titles() == ["Grün & Söhne", "N-b-1"]


def test_what_was_refused_is_replayed_as_it_was(bench: CloudBench) -> None:
    bench.cloud.faults[1] = Rejected("the month is closed", code="E7")
    run(bench)
    assert bench.record("b-1")["state"] == "failed"
    before = operation(bench)["sha256"]
    assert replay(bench) == []
    run(bench)
    assert (bench.record("b-1")["state"], operation(bench)["sha256"]) == ("closed", before)
    assert bench.titles() == ["Grün & Söhne", "N-b-1"]


@pytest.mark.parametrize("is_there", [True, False])
def test_what_never_was_answered_is_looked_for_first(bench: CloudBench, *, is_there: bool) -> None:
    """It was given up after as many writes without an answer as there may be; the last of them may have come through."""
    bench.cloud.faults[1] = "after" if is_there else "before"
    run(bench)
    with bench.world.store.write() as tx:
        row = bench.record("b-1")
        outbox.put(tx, row["operation_id"], "held")
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        records.explain(tx, full, (Reason("unanswered", "it was written 5 times without an answer"),))
    assert replay(bench) == []
    assert bench.record("b-1")["state"] == "unknown"
    assert replay(bench) == ["its outcome is found out by itself; the same request goes on when it is not there"]
    bench.passed(7200)
    run(bench)
    assert (bench.titles(), bench.record("b-1")["state"]) == (["Grün & Söhne", "N-b-1"], "closed")
    assert bench.cloud.calls[2] == "find N-b-1"
    assert bench.cloud.calls.count("write N-b-1") == (1 if is_there else 2)


def test_what_was_given_up_is_written_again_once_somebody_replays_it(bench: CloudBench) -> None:
    """Every write was lost before it arrived, so it is not there: a replay writes it, and may be given up anew."""
    for number in range(200):
        bench.cloud.faults[number] = "before"
    for _ in range(8):
        run(bench)
        bench.passed(7200)
    assert operation(bench)["state"] == "held"
    lost = bench.cloud.calls.count("write N-b-1")
    assert lost == 5
    assert replay(bench) == []
    run(bench)
    assert (operation(bench)["state"], bench.cloud.calls.count("write N-b-1")) == ("sent", lost + 1)
    bench.cloud.faults.clear()
    bench.passed(7200)
    run(bench)
    assert (bench.titles(), bench.record("b-1")["state"]) == (["Grün & Söhne", "N-b-1"], "closed")


def test_a_refusal_of_a_moved_record_is_said(bench: CloudBench) -> None:
    """What failed and was left out since is not to be written."""
    bench.cloud.faults[1] = Rejected("the month is closed", code="E7")
    run(bench)
    with bench.world.store.write() as tx:
        row = tx.one("record_get", {"id": bench.record("b-1")["id"]})
        assert row is not None
        records.move(tx, COMPANY, AT, "test", [Move(row, "skipped", "left_out")])
    assert replay(bench) == ["it is not to be written"]
