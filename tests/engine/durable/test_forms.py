"""Processes that do not know the same: each leaves to the others what only they know, and nothing of it is lost or hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.durable import alarms
from engine.durable.dbos import Dbos
from engine.durable.handing import BEAT_S, Hands
from engine.durable.port import Task, form_of
from engine.store import turns, work
from engine.store.turns import DEAD_S
from tests.engine import kit
from tests.engine.durable.kit import Held, Shared, dies, hands_of, service_of
from tests.engine.durable.test_dbos import started, wait_for
from tests.engine.kit import COMPANY, FLOW, Bench, bill

__all__ = ["started"]
NEW = "a_new_flow"
OLD_FORM = "flowctl-tasks-1"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "durable.db"


def opened(bench: Bench) -> list[tuple[str, int]]:
    with bench.world.store.read() as tx:
        return [(each.turn.work, each.turn.number) for each in turns.unended(tx)]


def alerts(bench: Bench) -> list[tuple[str, str]]:
    with bench.world.store.read() as tx:
        return [(row["subject"], row["message"]) for row in work.alerts(tx, "")]


def later(bench: Bench, *living: Hands, seconds: float = BEAT_S + 1) -> None:
    """Time passes, in which these show that they live."""
    bench.world.clock.sleep(seconds)
    for hands in living:
        hands.beat()


def test_each_takes_the_tasks_of_those_who_serve_the_same(bench: Bench) -> None:
    shared = Shared()
    one, other = Held(shared), Held(shared)
    first, second = hands_of(bench.world, one), hands_of(bench.world, other, [FLOW, NEW])
    assert (first.leads, second.leads) == (True, True)  # neither knows what the other has to hand out
    assert first.hand_out([Task("flow", COMPANY, FLOW)]) == 1
    assert second.hand_out([Task("flow", COMPANY, FLOW), Task("flow", COMPANY, NEW)]) == 1
    assert [task.flow for task in one.do()] == [FLOW]
    assert [task.flow for task in other.do()] == [NEW]


def test_what_waits_for_another_is_left_to_him_while_he_lives(bench: Bench) -> None:
    shared = Shared()
    first, second = hands_of(bench.world, Held(shared)), hands_of(bench.world, Held(shared), [FLOW, NEW])
    first.hand_out([Task("flow", COMPANY, FLOW)])
    assert second.sweep() == 0
    assert opened(bench) == [(f"flow:{FLOW}", 1)]
    dies(first)
    assert second.sweep() == 1  # now it is taken by whoever knows the flow as well
    assert opened(bench) == [(f"flow:{FLOW}", 2)]
    assert [*shared.waiting] == [key for key, form in shared.forms.items() if form == second.form]


def test_a_flow_that_one_does_not_know_waits_for_those_who_do_and_a_person_is_told(bench: Bench) -> None:
    shared = Shared()
    one, other = Held(shared), Held(shared)
    first, second = hands_of(bench.world, one), hands_of(bench.world, other, [FLOW, NEW])
    second.hand_out([Task("flow", COMPANY, NEW)])
    (task,) = shared.waiting.values()
    assert second.begin(task)
    shared.held[task.key] = second.name
    dies(second)
    assert (first.sweep(), opened(bench), first.begin(task), alerts(bench)) == (0, [(f"flow:{NEW}", 1)], False, [])
    later(bench, first, seconds=alarms.UNKNOWN_S + 1)
    first.sweep()
    assert alerts(bench) == [("unknown", f"work waits that no running process knows: flow:{NEW}")]
    third = hands_of(bench.world, other, [FLOW, NEW])
    assert (third.sweep(), opened(bench)) == (1, [(f"flow:{NEW}", 2)])
    assert [task.flow for task in other.do()] == [NEW]
    first.sweep()
    assert [subject for subject, _ in alerts(bench)] == ["processes"]


@pytest.mark.parametrize("work_", [f"flow:{NEW}", "foretell:"])
def test_what_nobody_ever_takes_up_ends_after_a_day(bench: Bench, work_: str) -> None:
    """A flow that was removed, or a kind of work of a newer flowctl that was taken back."""
    hands = hands_of(bench.world, Held())
    with bench.world.store.write(COMPANY) as tx:
        turns.open_(tx, COMPANY, work_, bench.world.at())
    assert (hands.sweep(), opened(bench)) == (0, [(work_, 1)])
    later(bench, hands, seconds=alarms.UNKNOWN_S + 1)
    hands.sweep()
    assert alerts(bench) == [("unknown", f"work waits that no running process knows: {work_}")]
    later(bench, hands, seconds=alarms.FORGOTTEN_S)
    hands.sweep()
    assert opened(bench) == []
    hands.sweep()
    assert alerts(bench) == []


def test_an_older_flowctl_and_this_one_side_by_side(bench: Bench) -> None:
    """It says nothing of its form. What it has handed out is its own while it lives, and then ours."""
    shared = Shared()
    older, executor = Held(shared, form=OLD_FORM), Held(shared)
    name = "elsewhere:7:another:0011223344556677:abcdefgh"
    with bench.world.store.write() as tx:
        tx.run("executor_seen", {"name": name, "at": bench.world.at(), "form": OLD_FORM, "serves": ""})
        turn = turns.open_(tx, COMPANY, f"flow:{FLOW}", bench.world.at())
        assert turn is not None
    older.submit([Task("flow", COMPANY, FLOW, turn.number, turn.at)])
    ticking = service_of(bench, executor)
    ticking.tick()
    assert [task.kind for task in executor.do()] == ["tidy"]
    assert opened(bench) == [(f"flow:{FLOW}", 1)]
    bench.world.clock.sleep(DEAD_S + 1)
    ticking.tick()
    assert [task.flow for task in executor.do()] == [FLOW]
    assert (opened(bench), bench.states()) == ([], {"b-1": "intended"})
    assert [task for task in shared.waiting.values() if shared.forms[task.key] == OLD_FORM] == []


def test_the_durable_engine_gives_each_form_to_those_who_take_it(started: Callable[..., Dbos], path: Path) -> None:
    """With the real engine: one process of each form after the other, on one database."""
    old, new = form_of([FLOW]), form_of([FLOW, NEW])
    done: list[str] = []

    def task(company: str) -> Task:
        return Task("flow", company, FLOW, 1, "2026-03-02T14:00:00.000000Z")

    first = started(lambda each: done.append(f"old {each.company}"), "first", form=new)
    first.stop(1)
    first._form = old  # as a process of the older form would have left it
    first.submit([task("a"), task("b")])
    first.close()
    second = started(lambda each: done.append(f"new {each.company}"), "second", form=new)
    second.submit([task("c")])
    wait_for(lambda: not second.known([new]))
    assert done == ["new c"]
    kept = {task("a").key: "", task("b").key: ""}
    assert (second.known([new]), second.known([old, new])) == ({}, kept)
    second.purge([old, new])
    assert second.known([old]) == kept
    second.stop(1)
    second.close()
    third = started(lambda each: done.append(f"old {each.company}"), "third", form=old)
    wait_for(lambda: sorted(done) == ["new c", "old a", "old b"])
    third.submit([task("d")])
    wait_for(lambda: "old d" in done and not third.known([old]))
    third.stop(1)
    third.close()
    fourth = started(lambda each: done.append(f"new {each.company}"), "fourth", form=new)
    fourth._form = old
    fourth.submit([task("e")])
    fourth.purge([new])  # nobody is left who takes them
    assert fourth.known([old, new]) == {}
