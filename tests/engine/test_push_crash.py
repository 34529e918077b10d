"""A process that dies anywhere while it writes to a called target, and starts again: each record is written once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from engine.contract import OperationOutcome
from engine.errors import AuthExpired, BadAnswer, FlowctlError, RateLimited, Transient
from engine.pushing import steps
from engine.store import journal
from engine.store.base import Row
from tests.engine.kit import COMPANY, bill
from tests.engine.push_kit import CloudBench, Crash, cloud_bench, dying, operation, run

FAULTS: tuple[Any, ...] = (
    "before", "after", "late", Transient("502"), RateLimited("slow", retry_after_s=30), AuthExpired("out"), BadAnswer("?"),
)  # fmt: skip


def recovered(bench: CloudBench, *, lost: bool = False) -> None:
    """The process is started again until nothing moves."""
    for _ in range(4):
        report = run(bench)
        assert lost or report.errors == ()
        bench.passed(400)
    assert bench.titles() == ["Grün & Söhne", "N-b-1", "N-b-2"]
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}
    told = [mark.id for call in bench.shop.calls for mark in call.posted]
    assert sorted(set(told)) == ["b-1", "b-2"]
    assert len({call.idempotency_key for call in bench.shop.calls}) <= 2
    with bench.world.store.read() as tx:
        assert journal.verify(tx, COMPANY) is None
        assert [row["event"] for row in journal.lines(tx, COMPANY)].count("posted") == 3


def two_bills(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]


def transactions() -> int:
    with cloud_bench() as bench:
        two_bills(bench)
        store = dying(bench, 10_000, after=False)
        run(bench)
        return store.count


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_at_any_transaction_writes_each_once(*, after: bool, lost: bool) -> None:
    count = transactions()
    assert count > 20
    for at in range(count):
        with cloud_bench() as bench:
            two_bills(bench)
            if lost:
                bench.cloud.faults[1] = "after"
            whole = bench.world
            dying(bench, at, after=after)
            with pytest.raises(Crash):
                run(bench)
                pytest.fail(f"transaction {at} was never reached")
            bench.world = whole
            recovered(bench, lost=lost)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [None, "before", "after", "late"])
def test_a_process_that_dies_at_any_call_writes_each_once(when: str, fault: Any) -> None:
    for at in range(4):
        with cloud_bench() as bench:
            two_bills(bench)
            if fault:
                bench.cloud.faults[1] = fault
            bench.cloud.dies = (at, when)
            with suppress(Crash):
                bench.runner.run(bench.program, COMPANY)
            bench.cloud.dies = None
            recovered(bench, lost=bool(fault))


def test_a_crash_is_no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the search before each write, the tests above do find a second object."""
    monkeypatch.setattr("tests.engine.push_kit.Cloud.find", lambda *_: None)
    with cloud_bench() as bench:
        two_bills(bench)
        bench.cloud.dies = (1, "after")
        with pytest.raises(Crash):
            bench.runner.run(bench.program, COMPANY)
        bench.cloud.dies = None
        for _ in range(3):
            bench.passed(400)
            run(bench)
        assert len(bench.titles()) > 3


def troubled(seed: int) -> None:
    """Faults and deaths from a seed, at calls and at transactions; in the end each bill is there once."""
    chance = Random(seed)
    with cloud_bench() as bench:
        bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(1, 5)]
        for _ in range(12):
            calls = len(bench.cloud.calls)
            for number in range(calls, calls + 12):
                if chance.random() < 0.4:
                    bench.cloud.faults[number] = chance.choice(FAULTS)
            whole = bench.world
            if chance.random() < 0.5:
                dying(bench, chance.randrange(25), after=chance.random() < 0.5)
            elif chance.random() < 0.5:
                bench.cloud.dies = (calls + chance.randrange(8), chance.choice(["before", "after"]))
            with suppress(Crash):
                bench.runner.run(bench.program, COMPANY)
            bench.world, bench.cloud.dies = whole, None
            bench.passed(chance.choice([1, 20, 40, 90, 4000]))
        bench.cloud.faults.clear()
        for _ in range(6):
            run(bench)
            bench.passed(7300)
        assert bench.titles() == ["Grün & Söhne", *(f"N-b-{n}" for n in range(1, 5))], seed
        assert set(bench.states().values()) <= {"closed", "unknown"}, seed
        held = [name for name, state in bench.states().items() if state == "unknown"]
        assert all(operation(bench, name)["state"] == "held" for name in held), seed
        with bench.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_whatever_happens_each_is_written_once(first: int) -> None:
    for seed in range(first, first + 20):
        troubled(seed)


def _no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "may_write_again", lambda *_: True)


def _not_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`sent` is noted only once the call has come back."""
    monkeypatch.setattr(steps, "sent", lambda _link, rows: rows)
    monkeypatch.setattr(steps, "doubt", lambda _link, rows, _why: rows)


def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.engine.push_kit.Cloud.find", lambda *_: None)


def _lost_is_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost answer is taken for a fault after which the same is simply sent again."""

    def doubt(link: Any, rows: Sequence[Row], why: str) -> Sequence[Row]:
        steps.settle(link, [(row, OperationOutcome(row["id"], "retry", message=why, retry_after_s=1)) for row in rows])
        return rows

    monkeypatch.setattr(steps, "doubt", doubt)


@pytest.mark.parametrize("plant", [_no_settling, _not_durable, _no_search, _lost_is_failed])
def test_a_planted_fault_of_the_protocol_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(60):
        try:
            troubled(seed)
        except (AssertionError, FlowctlError):
            return
    pytest.fail("no seed finds it")
