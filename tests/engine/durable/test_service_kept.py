"""The worker with an executor that keeps its tasks: found, handed out, done elsewhere, and never twice at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from engine.durable.handing import Hands
from engine.durable.port import ExecutorFailed, Task
from engine.errors import StoreBusy, StoreDamaged
from engine.runner import Runner
from engine.service import BEGIN_AGAIN_S, Service
from engine.store import turns, work
from tests.engine import kit
from tests.engine.durable.kit import Held, Shared, service_of
from tests.engine.kit import COMPANY, FLOW, Bench, bill


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def done(executor: Held) -> list[str]:
    return [task.work for task in executor.do()]


def reads(bench: Bench) -> list[str]:
    found = [stream for stream, _, _ in bench.shop.reads]
    bench.shop.reads.clear()
    return found


def logged(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    return [(line["event"], line.get("error", "")) for line in map(json.loads, capsys.readouterr().err.splitlines())]


def test_work_is_done_once_when_the_executor_does_it(bench: Bench) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    assert ticking.tick() == []
    assert reads(bench) == []
    ticking.tick()  # what waits already is not handed out again
    assert done(executor) == ["tidy:", f"flow:{FLOW}"]
    assert reads(bench) == ["vendors", "bills"]
    ticking.tick()
    assert done(executor) == []
    bench.post_all()
    ticking.tick()
    assert done(executor) == [f"flow:{FLOW}"]
    assert bench.states() == {"b-1": "closed"}


def test_two_processes_do_the_work_of_one(bench: Bench) -> None:
    shared = Shared()
    one, other = Held(shared), Held(shared)
    first, second = service_of(bench, one), service_of(bench, other)
    first.tick()
    second.tick()
    assert done(other) == ["tidy:", f"flow:{FLOW}"]
    assert done(one) == []
    assert reads(bench) == ["vendors", "bills"]
    first.stop()
    second.stop()
    with bench.world.store.read() as tx:
        assert turns.executors(tx) == []


def test_a_task_that_comes_late_does_nothing(bench: Bench) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()
    (tidy, late) = executor.shared.waiting.values()
    executor.do()
    reads(bench)
    assert executor.handle is not None
    for task in (tidy, late, Task("flow", COMPANY, FLOW, late.number + 7, late.at)):
        executor.handle(task)
    assert reads(bench) == []


def test_whoever_was_taken_for_dead_keeps_nothing_of_what_it_reads(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was stopped in the middle of a page, and goes on after another has taken over."""
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()
    turn = next(t for t in executor.shared.waiting.values() if t.kind == "flow")
    read = type(bench.shop).read

    def stopped(*args: object) -> Iterator[object]:
        for page in read(*args):  # type: ignore[arg-type]
            with bench.world.store.write() as tx:
                turns.again(tx, turns.Turn(COMPANY, turn.work, turn.number, turn.at), bench.world.at())
            yield page

    type(bench.shop).read = stopped  # type: ignore[method-assign, assignment]
    try:
        executor.do()
    finally:
        type(bench.shop).read = read  # type: ignore[method-assign]
    assert bench.states() == {}
    assert [event for event, _ in logged(capsys)] == ["left to another"]
    with bench.world.store.read() as tx:
        assert [(each.turn.number, each.executor) for each in turns.unended(tx)] == [(2, "")]


def test_a_fault_in_one_company_ends_neither_the_worker_nor_the_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Held()
    ticking = service_of(bench, executor)

    def broken(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(Runner, "run", broken)
    ticking.tick()
    assert done(executor) == ["tidy:", f"flow:{FLOW}"]
    ((event, error),) = logged(capsys)
    assert (event, error.startswith("ZeroDivisionError: odd")) == ("task failed", True)
    with bench.world.store.read() as tx:
        assert turns.unended(tx) == []


def test_a_damaged_store_stops_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()

    def damaged(*_args: object, **_more: object) -> None:
        raise StoreDamaged("broken")

    monkeypatch.setattr(Runner, "run", damaged)
    executor.do()
    with pytest.raises(StoreDamaged):
        ticking.tick()


def test_what_was_claimed_and_not_read_for_want_of_the_store_is_due_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()

    def busy(*_args: object, **_more: object) -> None:
        raise StoreBusy("full")

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "run", busy)
        executor.do()
    ticking.tick()
    executor.do()
    assert reads(bench) == ["vendors", "bills"]


def test_an_executor_that_cannot_be_started_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    start, faults = Held.start, [ExecutorFailed("no database")]

    def failing(self: Held, *args: object) -> None:
        if faults:
            raise faults.pop()
        start(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Held, "start", failing)
    with pytest.raises(ExecutorFailed):
        ticking.tick()
    assert (ticking.tick(), executor.shared.waiting) == ([], {})
    bench.world.clock.sleep(BEGIN_AGAIN_S)
    ticking.tick()
    assert done(executor) == ["tidy:", f"flow:{FLOW}"]


def test_a_task_that_hangs_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Held()
    ticking: Service = service_of(bench, executor)
    ticking._thread = threading.current_thread()
    ticking._beat()
    ticking.tick()
    seen: list[float] = []

    def slow(*_args: object, **_more: object) -> None:
        bench.world.clock.sleep(1000)
        seen.append(ticking.silent_s)
        raise StoreBusy("at last")

    monkeypatch.setattr(Runner, "run", slow)
    executor.do()
    assert seen == [1000]
    ticking._beat()
    assert ticking.silent_s == 0


def handed_back(bench: Bench, other: Held) -> list[str]:
    """What another process on the same engine does at once, when the first has ended: nobody is told of anything."""
    with bench.world.store.read() as tx:
        assert work.alerts(tx, "") == []
        assert {each.turn.number for each in turns.unended(tx)} == {2}
        assert turns.executors(tx) == []
    second = service_of(bench, other)
    second.tick()
    found = done(other)
    second.stop()
    return found


def test_what_comes_while_it_is_stopping_is_given_to_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()
    monkeypatch.setattr(Held, "stop", lambda self, _timeout_s: bool(self.do()))
    ticking.stop()
    monkeypatch.undo()
    assert reads(bench) == []
    assert handed_back(bench, Held(executor.shared)) == ["tidy:", f"flow:{FLOW}"]
    assert reads(bench) == ["vendors", "bills"]


def test_what_has_not_ended_in_time_is_given_to_others_and_comes_too_late(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()
    read = type(bench.shop).read

    def stopped(*args: object) -> Iterator[object]:
        for page in read(*args):  # type: ignore[arg-type]
            ticking.stop()
            yield page

    with monkeypatch.context() as patch:
        patch.setattr(type(bench.shop), "read", stopped)
        executor.do()
    assert bench.states() == {}
    assert [event for event, _ in logged(capsys)] == ["handed back", "left to another"]
    reads(bench)
    assert handed_back(bench, Held(executor.shared)) == [f"flow:{FLOW}", "tidy:"]
    assert (reads(bench), bench.states()) == (["vendors", "bills"], {"b-1": "intended"})


def test_when_the_store_is_gone_it_ends_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = Held()
    ticking = service_of(bench, executor)
    ticking.tick()

    def busy(*_args: object) -> None:
        raise StoreBusy("full")

    with monkeypatch.context() as patch:
        patch.setattr(Hands, "hand_back", busy)
        ticking.stop()
    assert logged(capsys) == [("not handed back", "full")]
    assert executor.handle is None
    again = service_of(bench, Held())
    again.tick()
    assert again.executor.known(
        [again._hands.form]
    )  # the turn was open, and the engine knew nothing of it: it was handed out anew
    again.stop()


def test_who_hands_out_work_gives_it_up_and_another_does_so_at_once(bench: Bench) -> None:
    shared = Shared()
    first, second = service_of(bench, Held(shared)), service_of(bench, Held(shared))
    first.tick()
    second.tick()
    assert (first._hands.leads, second._hands.leads) == (True, False)
    first.stop()
    second.tick()
    assert second._hands.leads
    second.stop()
