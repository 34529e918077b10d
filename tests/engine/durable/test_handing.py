"""Turns: each piece of work is handed out once, what died is taken up again, and who comes too late changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.durable import alarms, handing
from engine.durable.handing import Hands
from engine.durable.port import Task
from engine.errors import StaleLease, StoreBusy
from engine.reading import reading
from engine.store import turns, work
from engine.store.base import Tx
from engine.store.turns import Turn
from tests.engine import kit
from tests.engine.durable.kit import Held, Shared, dies, hands_of
from tests.engine.kit import COMPANY, FLOW, Bench

TASK = Task("flow", COMPANY, FLOW)
WORK = f"flow:{FLOW}"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


def opened(bench: Bench) -> list[tuple[str, int, str]]:
    with bench.world.store.read() as tx:
        return [(each.turn.work, each.turn.number, each.executor) for each in turns.unended(tx)]


def only(executor: Held) -> Task:
    (task,) = executor.shared.waiting.values()
    return task


def alerts(bench: Bench) -> list[str]:
    with bench.world.store.read() as tx:
        return [row["message"] for row in work.alerts(tx, "")]


def two(bench: Bench) -> tuple[Hands, Held, Hands, Held]:
    """Two processes on one store and one engine; the first hands out work."""
    shared = Shared()
    first, second = Held(shared), Held(shared)
    return hands_of(bench.world, first), first, hands_of(bench.world, second), second


def test_work_is_handed_out_once_until_it_has_ended(bench: Bench) -> None:
    executor = Held()
    hands = hands_of(bench.world, executor)
    assert [hands.hand_out([TASK]), hands.hand_out([TASK])] == [1, 0]
    task = only(executor)
    assert (task.number, task.key) == (1, f"{COMPANY}/{WORK}/1/{task.at}")
    assert [hands.begin(task), hands.begin(task)] == [True, False]
    assert opened(bench) == [(WORK, 1, hands.name)]
    assert hands.hand_out([TASK]) == 0
    hands.end(task)
    assert opened(bench) == []
    assert hands.hand_out([TASK]) == 1
    assert opened(bench) == [(WORK, 2, "")]


def test_one_process_hands_out_and_another_once_that_has_ended(bench: Bench) -> None:
    first, _, second, _ = two(bench)
    assert [first.leads, second.leads] == [True, False]
    first.close()
    bench.world.clock.sleep(handing.BEAT_S + 1)
    assert second.beat()
    with bench.world.store.read() as tx:
        assert [row["name"] for row in turns.executors(tx)] == [second.name]


def test_what_a_dead_process_had_begun_is_handed_out_anew_and_a_person_is_told(bench: Bench) -> None:
    first, one, second, other = two(bench)
    first.hand_out([TASK])
    late = only(one)
    assert first.begin(late)
    one.shared.held[late.key] = first.name
    lost: list[tuple[str, str]] = []
    second.lost = lambda _tx, company, flow, _gone: lost.append((company, flow))
    assert second.sweep() == 0  # it lives
    dies(first)
    assert second.sweep() == 1
    task = only(other)
    assert (task.number, lost, other.shared.held) == (2, [(COMPANY, FLOW)], {})
    assert second.begin(task)
    assert alerts(bench) == ["a process ended and left 1 pieces of work behind; they were taken up again"]
    bench.world.clock.sleep(alarms.STRANDED_S + 1)
    with bench.world.store.write() as tx:
        turns.beat(tx, second.name, bench.world.at(), second.form)
    assert (second.sweep(), alerts(bench)) == (0, [])
    # It was not dead after all: whatever it still has in its hands is refused, in the transaction that would keep it.
    with pytest.raises(StaleLease, match="another has taken over"), bench.world.store.write() as tx:
        first.still(late)(tx)
    with bench.world.store.write() as tx:
        second.still(task)(tx)
    first.end(late)
    assert opened(bench) == [(WORK, 2, second.name)]


def test_a_process_that_is_silent_for_long_is_taken_for_dead(bench: Bench) -> None:
    first, one, second, _ = two(bench)
    first.hand_out([TASK])
    assert first.begin(only(one))
    bench.world.clock.sleep(turns.DEAD_S + 1)
    with bench.world.store.write() as tx:
        turns.beat(tx, second.name, bench.world.at(), second.form)
    assert second.sweep() == 1
    assert opened(bench) == [(WORK, 2, "")]


def test_others_may_read_what_a_dead_process_was_reading(bench: Bench) -> None:
    first, one, second, _ = two(bench)
    first.hand_out([TASK])
    assert first.begin(only(one))
    with reading(bench.world, COMPANY, FLOW, "shop/bills") as held:
        # Its holder is of the process that is about to be taken for dead.
        bench.world.clock.sleep(turns.DEAD_S + 1)
        with bench.world.store.write() as tx:
            turns.beat(tx, second.name, bench.world.at(), second.form)
        second.sweep()
        with reading(bench.world, COMPANY, FLOW, "shop/bills"):
            pass
        with pytest.raises(Exception, match="another process has read"), bench.world.store.write() as tx:
            held.hold(tx)


def test_what_the_engine_has_lost_is_handed_out_anew_and_nobody_is_alarmed(bench: Bench) -> None:
    executor = Held()
    hands = hands_of(bench.world, executor)
    hands.hand_out([TASK, Task("tidy", "")])
    executor.shared.waiting.clear()  # its database was deleted
    assert hands.sweep() == 2
    assert [(t.kind, t.company, t.flow, t.number) for t in executor.shared.waiting.values()] == [
        ("tidy", "", "", 2),
        ("flow", COMPANY, FLOW, 2),
    ]
    assert alerts(bench) == []
    assert hands.sweep() == 0


def test_what_a_dead_process_was_given_and_never_began_blocks_nobody(bench: Bench) -> None:
    first, one, second, _ = two(bench)
    first.hand_out([TASK])
    one.shared.held[only(one).key] = first.name
    dies(first)
    assert second.sweep() == 1
    assert (only(one).number, one.shared.held) == (2, {})


def test_what_a_living_process_was_given_and_never_begins_is_handed_out_anew(bench: Bench) -> None:
    executor = Held()
    hands = hands_of(bench.world, executor)
    hands.hand_out([TASK])
    executor.shared.held[only(executor).key] = hands.name
    assert hands.sweep() == 0
    bench.world.clock.sleep(handing.STUCK_S + 1)
    assert hands.sweep() == 1


def test_an_end_that_could_not_be_noted_is_noted_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Held()
    hands = hands_of(bench.world, executor)
    hands.hand_out([TASK])
    task = only(executor)
    assert hands.begin(task)

    def busy(*_args: object) -> None:
        raise StoreBusy("locked")

    with monkeypatch.context() as patch:
        patch.setattr(turns, "end", busy)
        hands.end(task)
    assert opened(bench) == [(WORK, 1, hands.name)]
    bench.world.clock.sleep(handing.BEAT_S + 1)
    hands.beat()
    assert opened(bench) == []


def test_a_turn_of_another_life_of_the_store_is_no_turn(bench: Bench) -> None:
    """After a restored backup the numbers begin anew where they were: the time of the turn tells them apart."""
    with bench.world.store.write() as tx:
        made = turns.open_(tx, COMPANY, WORK, bench.world.at())
        assert made is not None
        before = Turn(COMPANY, WORK, made.number, "2020-01-01T00:00:00.000000Z")
        assert not turns.begin(tx, before, "me")
        turns.end(tx, before)
        assert turns.begin(tx, made, "me")
        assert turns.again(tx, before, bench.world.at()) is None


def test_a_company_that_is_held_keeps_no_other_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Held()
    hands = hands_of(bench.world, executor)
    monkeypatch.setattr(handing, "BATCH", 1)
    open_ = turns.open_

    def busy(tx: Tx, company: str, *more: str) -> Turn | None:
        if company == "aaa":
            raise StoreBusy("held")
        return open_(tx, company, *more)

    monkeypatch.setattr(turns, "open_", busy)
    assert hands.hand_out([Task("flow", "aaa", FLOW), TASK]) == 1
    assert only(executor).company == COMPANY
    assert hands.under_way() == {(COMPANY, WORK)}
