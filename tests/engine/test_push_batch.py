"""Many operations in one call: found and written together, each once, whatever is lost, refused, or dies in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from engine.contract import OperationOutcome, Receipt
from engine.errors import AuthExpired, AuthRefused, BadAnswer, FlowctlError, RateLimited, Rejected, Transient
from engine.pushing import many, steps
from engine.service import Service
from engine.store import journal, records, work
from engine.store.base import Row
from tests.engine import kit
from tests.engine.chart_kit import NAME, Chart, ChartBench, account, chart_bench
from tests.engine.kit import AT, COMPANY
from tests.engine.push_kit import Crash, DyingStore

FAULTS: tuple[Any, ...] = (
    "before", "after", "late", "late", "late", Transient("502"), RateLimited("slow", retry_after_s=30), AuthExpired("out"), BadAnswer("?"),
    Rejected("not now"),
)  # fmt: skip


def accounts(bench: ChartBench, count: int, group: str = "x") -> None:
    bench.shop.listed["vendors"] = [account(number, group) for number in range(1, count + 1)]


@pytest.fixture
def bench() -> Iterator[ChartBench]:
    with chart_bench() as made:
        accounts(made, 6)
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def states(bench: ChartBench) -> dict[str, str]:
    return bench.states("accounts")


def all_closed(count: int) -> dict[str, str]:
    return {f"a-{number}": "closed" for number in range(1, count + 1)}


def lines(bench: ChartBench, source_id: str) -> list[tuple[str, str, str]]:
    with bench.world.store.read() as tx:
        found = journal.of_record(tx, bench.record(source_id, "accounts")["id"])
    return [(line["event"], line["state_from"], line["state_to"]) for line in found]


# --- the straight way -------------------------------------------------------------------------------------------------


def test_all_are_looked_for_once_and_written_together(bench: ChartBench) -> None:
    assert bench.go() == ["find_all 6", "write_all a-1 a-2 a-3 a-4", "write_all a-5 a-6"]
    assert states(bench) == all_closed(6)
    assert bench.chart.objects["c-6"] == {"group": "x", "id": "a-6", "name": "Account 6"}
    assert [json.loads(bench.record(f"a-{n}", "accounts")["receipt"])["id"] for n in range(1, 7)] == [
        f"c-{n}" for n in range(1, 7)
    ]
    assert lines(bench, "a-5") == [
        ("read", "", "intended"), ("sent", "intended", "sent"), ("posted", "sent", "posted"), ("closed", "posted", "closed"),
    ]  # fmt: skip
    assert bench.go() == []


def test_only_what_has_one_value_travels_together(bench: ChartBench) -> None:
    bench.shop.listed["vendors"] = [account(n, group) for n, group in enumerate(("x", "y", "x", None, "y"), 1)]  # type: ignore[arg-type]
    assert bench.go() == ["find_all 5", "write_all a-1 a-3", "write_all a-2 a-5", "write_all a-4"]


def test_what_is_there_already_is_taken_over(bench: ChartBench) -> None:
    bench.chart.objects["theirs"] = {"id": "a-2"}
    assert bench.go() == ["find_all 6", "write_all a-1 a-3 a-4 a-5", "write_all a-6"]
    assert json.loads(bench.record("a-2", "accounts")["receipt"]) == {"id": "theirs"}
    with bench.world.store.read() as tx:
        (found,) = [x for x in journal.of_record(tx, bench.record("a-2", "accounts")["id"]) if x["event"] == "posted"]
    assert json.loads(found["detail"])["found"] is True


def test_a_change_goes_alone(bench: ChartBench) -> None:
    bench.go()
    bench.shop.listed["vendors"][1] = account(2, name="Other")
    bench.shop.listed["vendors"].append(account(7))
    assert bench.go() == ["find AccountUpdate:c-2", "write AccountUpdate:c-2", "find_all 1", "write_all a-7"]


def test_a_target_that_takes_one_at_a_time_gets_one_at_a_time() -> None:
    @dataclass(slots=True)
    class Single:
        clock: Any
        calls: list[str]

        def find(self, operation: Any) -> Receipt | None:
            self.calls.append("find")
            return None

        def write(self, operation: Any) -> Receipt:
            self.calls.append("write")
            return Receipt({"id": operation.id})

    with chart_bench(chart=lambda clock: Single(clock, [])) as made:  # type: ignore[arg-type]
        accounts(made, 2)
        assert made.go() == ["find", "write", "find", "write"]


def test_other_requests_go_beside_them(bench: ChartBench) -> None:
    bench.shop.listed["bills"] = [kit.bill()]
    assert bench.go() == [
        "find_all 6", "write_all a-1 a-2 a-3 a-4", "write_all a-5 a-6", "find N-b-1", "write N-b-1",
    ]  # fmt: skip


def test_more_than_are_looked_for_at_once(bench: ChartBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "MOST", 5)
    assert bench.go() == ["find_all 5", "write_all a-1 a-2 a-3 a-4", "write_all a-5", "find_all 1", "write_all a-6"]


def test_a_call_counts_once_against_what_a_tick_may_do(bench: ChartBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.durable.tasks.PUSH_AT_ONCE", 2)
    ticking = Service(bench.world, {NAME: bench.program})
    counts = [sum(report.pushed for report in ticking.tick()) for _ in range(3)]
    assert counts == [4, 2, 0]
    assert bench.chart.calls == ["find_all 6", "write_all a-1 a-2 a-3 a-4", "find_all 2", "write_all a-5 a-6"]


# --- what is lost -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["after", "before", "late", BadAnswer("no JSON")])
def test_a_lost_answer_leaves_all_of_the_call_in_doubt(bench: ChartBench, fault: Any) -> None:
    bench.chart.faults[1] = fault
    bench.go()
    assert states(bench) == {f"a-{n}": "unknown" if n < 5 else "closed" for n in range(1, 7)}
    assert lines(bench, "a-1")[1:] == [("sent", "intended", "sent"), ("in_doubt", "sent", "unknown")]
    assert bench.go() == ["find_all 4"]
    bench.passed(61)
    again = {"after": [], "late": ["find_all 4"]}.get(str(fault), ["find_all 4", "write_all a-1 a-2 a-3 a-4"])
    assert bench.go() == again
    assert (states(bench), bench.names()) == (all_closed(6), [f"a-{n}" for n in range(1, 7)])


def test_an_answer_that_is_short_or_names_no_id_leaves_them_in_doubt(
    bench: ChartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = Chart.write_all
    monkeypatch.setattr(Chart, "write_all", lambda chart, operations: wrote(chart, operations)[1:])
    assert bench.go()[3:] == [
        "BadAnswer: the target answered 3 of 4 operations", "BadAnswer: the target answered 1 of 2 operations",
    ]  # fmt: skip
    monkeypatch.setattr(Chart, "write_all", wrote)
    assert set(states(bench).values()) == {"unknown"}
    assert bench.go() == ["find_all 6"]
    assert (states(bench), len(bench.chart.objects)) == (all_closed(6), 6)


def test_one_object_for_two_is_for_a_person(bench: ChartBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chart, "write_all", lambda _chart, operations: [Receipt({"id": "same"}) for _ in operations])
    accounts(bench, 2)
    bench.go()
    assert states(bench) == {"a-1": "closed", "a-2": "unknown"}
    assert bench.alerts() == [("unknown", f"{NAME}/accounts/a-2", 1)]


def test_after_five_lost_writes_a_person_decides(bench: ChartBench) -> None:
    accounts(bench, 3)
    bench.chart.faults.update(dict.fromkeys(range(60), "before"))
    for _ in range(8):
        bench.go()
        bench.passed(61)
    assert sum(call.startswith("write_all") for call in bench.chart.calls) == 5
    assert (set(states(bench).values()), len(bench.alerts())) == ({"unknown"}, 3)
    bench.chart.faults.clear()
    assert bench.go() == []


# --- what is refused --------------------------------------------------------------------------------------------------


def test_the_one_that_is_refused_is_found_by_halves(bench: ChartBench) -> None:
    accounts(bench, 4)
    bench.chart.bad = {"a-3": "the name is taken"}
    assert bench.go() == [
        "find_all 4", "write_all a-1 a-2 a-3 a-4", "write_all a-1 a-2", "write_all a-3 a-4", "write_all a-3",
        "write_all a-4",
    ]  # fmt: skip
    assert states(bench) == {"a-1": "closed", "a-2": "closed", "a-3": "failed", "a-4": "closed"}
    assert bench.reasons("a-3", "accounts") == [("rejected", "the name is taken")]
    assert bench.alerts() == [("failed", f"{NAME}/accounts/a-3", 1)]
    assert lines(bench, "a-4") == [
        ("read", "", "intended"), ("sent", "intended", "sent"), ("retry", "sent", "intended"),
        ("sent", "intended", "sent"), ("retry", "sent", "intended"), ("sent", "intended", "sent"),
        ("posted", "sent", "posted"), ("closed", "posted", "closed"),
    ]  # fmt: skip
    assert bench.record("a-4", "accounts")["attempts"] == 0
    assert bench.go() == []


def test_several_bad_ones_are_all_found(bench: ChartBench) -> None:
    bench.chart.bad = dict.fromkeys(("a-1", "a-4", "a-6"), "no such class")
    bench.go()
    assert states(bench) == {f"a-{n}": "failed" if n in (1, 4, 6) else "closed" for n in range(1, 7)}
    assert bench.names() == ["a-2", "a-3", "a-5"]


def test_what_is_refused_alike_for_all_is_not_tried_for_each(bench: ChartBench) -> None:
    accounts(bench, 40)
    bench.chart.bad = {"*": "the connection is disabled"}
    assert bench.go() == [
        "find_all 40", "write_all a-1 a-2 a-3 a-4", "write_all a-1 a-2", "write_all a-1", "write_all a-2",
        "write_all a-3 a-4", "write_all a-3", "Rejected: the connection is disabled",
    ]  # fmt: skip
    assert states(bench) == {f"a-{n}": "failed" if n < 4 else "intended" for n in range(1, 41)}
    assert ("connection", f"{NAME}/chart/write", 1) in bench.alerts()
    bench.chart.bad.clear()
    bench.go()
    assert states(bench) == {f"a-{n}": "failed" if n < 4 else "closed" for n in range(1, 41)}
    assert ("connection", f"{NAME}/chart/write", 1) not in bench.alerts()


def test_refusals_in_other_words_are_single_ones(bench: ChartBench) -> None:
    bench.chart.bad = {f"a-{n}": f"text {n}" for n in range(1, 7)}
    bench.go()
    assert set(states(bench).values()) == {"failed"}
    assert [code for n in range(1, 7) for code in bench.reasons(f"a-{n}", "accounts")] == [
        ("rejected", f"text {n}") for n in range(1, 7)
    ]


# --- faults of the connection -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Transient("502"), AuthExpired("out"), AuthRefused("no"), RateLimited("slow")])
@pytest.mark.parametrize("index", [0, 1])
def test_a_fault_of_the_connection_is_no_fault_of_any_record(bench: ChartBench, error: Exception, index: int) -> None:
    bench.chart.faults[index] = error
    assert bench.go()[-1] == f"{type(error).__name__}: {error}"
    assert len(bench.chart.calls) == index + 1
    assert set(states(bench).values()) == {"intended"}
    alerted = [] if isinstance(error, RateLimited) else [("connection", f"{NAME}/chart/write", 1)]
    assert bench.alerts() == alerted
    bench.passed(61)
    assert bench.go() == ["find_all 6", "write_all a-1 a-2 a-3 a-4", "write_all a-5 a-6"]
    assert (states(bench), bench.alerts()) == (all_closed(6), [])
    assert bench.record("a-1", "accounts")["attempts"] == 0


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("error", [Transient("502"), RateLimited("slow", retry_after_s=600)])
def test_what_a_person_corrects_during_a_call_that_was_not_made_is_prepared_anew(
    bench: ChartBench, monkeypatch: pytest.MonkeyPatch, error: Exception, count: int
) -> None:
    """Alone it is tried again by itself, with others it is put back; what was not corrected waits as it is."""
    accounts(bench, count)

    def write_all(_self: Chart, _operations: object) -> None:
        with bench.world.store.write() as tx:
            detail = {"lookup": "vendor", "key": "a-1", "full_name": "Right One", "list_id": "V-9"}
            journal.append(tx, COMPANY, AT, "ann", [journal.Entry("mapped", NAME, detail=detail)])
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Chart, "write_all", write_all)
        assert bench.go()[-1] == f"{type(error).__name__}: {error}"
    assert states(bench) == {f"a-{n}": "pending" if n == 1 else "intended" for n in range(1, count + 1)}
    why = "the mapping of `a-1` was changed while it was under way"
    with bench.world.store.read() as tx:
        newest = journal.of_record(tx, bench.record("a-1", "accounts")["id"])[-1]
    assert (newest["event"], json.loads(newest["detail"])["why"]) == ("changed", why)
    bench.passed(4000)
    bench.go()
    assert states(bench) == all_closed(count)


def test_what_the_target_chokes_on_is_found_after_a_while(bench: ChartBench) -> None:
    bench.chart.chokes = "a-2"
    for _ in range(3):
        assert bench.go() == ["find_all 6", "write_all a-1 a-2 a-3 a-4", "Transient: 500"]
        bench.passed(4000)
    assert bench.go() == [
        "find_all 6", "write_all a-1 a-2 a-3 a-4", "write_all a-1 a-2", "write_all a-1", "write_all a-2",
        "write_all a-3 a-4", "write_all a-5 a-6", "Transient: 500",
    ]  # fmt: skip
    assert states(bench) == {**all_closed(6), "a-2": "intended"}
    assert bench.reasons("a-2", "accounts") == [("retry", "500")]
    assert bench.alerts() == []
    for _ in range(12):
        bench.passed(4000)
        bench.go()
    assert bench.reasons("a-2", "accounts") == [("gave_up", "500 (tried 12 times)")]


def test_what_is_in_doubt_and_cannot_be_asked_for_stays_so(bench: ChartBench) -> None:
    bench.chart.faults.update({1: "after", 2: "after", 3: BadAnswer("no JSON")})
    bench.go()
    assert bench.go() == ["find_all 6", "BadAnswer: no JSON"]
    assert set(states(bench).values()) == {"unknown"}
    assert bench.alerts() == [("connection", f"{NAME}/chart/write", 1)]
    assert bench.go() == ["find_all 6"]
    assert (states(bench), bench.alerts()) == (all_closed(6), [])


# --- one process at a time --------------------------------------------------------------------------------------------


def test_who_has_lost_the_lease_while_looking_writes_nothing(
    bench: ChartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Chart.find_all

    def slow(chart: Any, operations: Any) -> Any:
        receipts = found(chart, operations)
        bench.passed(100_000)
        with bench.world.store.write() as tx:
            work.take_lease(tx, f"push:{COMPANY}/chart", "elsewhere:1:x", bench.world.clock.now(), 300)
        return receipts

    monkeypatch.setattr(Chart, "find_all", slow)
    assert bench.go() == ["find_all 6", f"StaleLease: {COMPANY}/chart: another process is writing"]
    assert bench.chart.objects == {}


def test_what_another_process_has_moved_meanwhile_is_left_out(
    bench: ChartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Chart.find_all

    def find_all(chart: Any, operations: Any) -> Any:
        receipts = found(chart, operations)
        with bench.world.store.write() as tx:
            row = bench.record("a-2", "accounts")
            tx.run(
                "operations_state", {"ids": json.dumps([row["operation_id"]]), "state": "cancelled", "not_before": ""}
            )
            records.move(tx, COMPANY, kit.AT, "test", [records.Move(row, "pending", "changed")])
        return receipts

    monkeypatch.setattr(Chart, "find_all", find_all)
    bench.go()
    assert bench.chart.calls[1] == "write_all a-1 a-3 a-4"
    assert bench.names().count("a-2") <= 1


# --- a process that dies ----------------------------------------------------------------------------------------------


def dying(bench: ChartBench, at: int, *, after: bool) -> DyingStore:
    store = DyingStore(bench.world.store, at, after)
    bench.world = replace(bench.world, store=store)
    return store


def recovered(bench: ChartBench, bad: Sequence[str] = ()) -> None:
    for _ in range(4):
        bench.go()
        bench.passed(400)
    assert states(bench) == {name: "failed" if name in bad else "closed" for name in all_closed(6)}
    assert bench.names() == [name for name in all_closed(6) if name not in bad]
    with bench.world.store.read() as tx:
        assert journal.verify(tx, COMPANY) is None
        posted = [row["source_id"] for row in journal.lines(tx, COMPANY) if row["event"] == "posted"]
    assert sorted(posted) == bench.names()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("bad", [(), ("a-2",)])
def test_a_process_that_dies_at_any_transaction_writes_each_once(bad: Sequence[str], *, after: bool) -> None:
    with chart_bench() as bench:
        accounts(bench, 6)
        bench.chart.bad = dict.fromkeys(bad, "bad")
        store = dying(bench, 10_000, after=False)
        bench.go()
        count = store.count
    assert count > 15
    for at in range(count):
        with chart_bench() as bench:
            accounts(bench, 6)
            bench.chart.bad = dict.fromkeys(bad, "bad")
            whole = bench.world
            dying(bench, at, after=after)
            with pytest.raises(Crash):
                bench.go()
                pytest.fail(f"transaction {at} was never reached")
            bench.world = whole
            recovered(bench, bad)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [None, "before", "after", "late"])
def test_a_process_that_dies_at_any_call_writes_each_once(when: str, fault: Any) -> None:
    for at in range(6):
        with chart_bench() as bench:
            accounts(bench, 6)
            bench.chart.bad = {"a-3": "bad"}
            if fault:
                bench.chart.faults[2] = fault
            bench.chart.dies = (at, when)
            with suppress(Crash):
                bench.go()
            bench.chart.dies = None
            recovered(bench, ["a-3"])


def troubled(seed: int) -> None:
    """Faults, refusals and deaths from a seed, at calls and at transactions; in the end each is there once."""
    chance = Random(seed)
    with chart_bench() as bench:
        accounts(bench, 9)
        for _ in range(10):
            calls = len(bench.chart.calls)
            bench.chart.faults = {n: chance.choice(FAULTS) for n in range(calls, calls + 12) if chance.random() < 0.4}
            bench.chart.bad = {f"a-{chance.randrange(1, 10)}": "bad"} if chance.random() < 0.3 else {}
            whole = bench.world
            if chance.random() < 0.5:
                dying(bench, chance.randrange(25), after=chance.random() < 0.5)
            elif chance.random() < 0.5:
                bench.chart.dies = (calls + chance.randrange(8), chance.choice(["before", "after"]))
            with suppress(Crash):
                bench.go()
            bench.world, bench.chart.dies = whole, None
            bench.passed(chance.choice([1, 20, 40, 90, 4000]))
        bench.chart.faults, bench.chart.bad = {}, {}
        for _ in range(6):
            bench.go()
            bench.passed(7300)
        names, found = bench.names(), states(bench)
        assert len(names) == len(set(names)), seed
        assert {name for name, state in found.items() if state == "closed"} == set(names), seed
        assert set(found.values()) <= {"closed", "failed", "unknown"}, seed
        assert len(found) == 9, seed
        with bench.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_whatever_happens_each_is_written_once(first: int) -> None:
    for seed in range(first, first + 20):
        troubled(seed)


def _no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "may_write_again", lambda *_: True)


def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chart, "find_all", lambda *_: {})


def _lost_is_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubt(link: Any, rows: Sequence[Row], why: str) -> Sequence[Row]:
        steps.settle(link, [(row, OperationOutcome(row["id"], "retry", message=why, retry_after_s=1)) for row in rows])
        return rows

    monkeypatch.setattr(steps, "doubt", doubt)


def _not_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "sent", lambda _link, rows: rows)
    monkeypatch.setattr(steps, "doubt", lambda _link, rows, _why: rows)


@pytest.mark.parametrize("plant", [_no_settling, _no_search, _lost_is_failed, _not_durable])
def test_a_planted_fault_of_the_protocol_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    for seed in range(60):
        try:
            troubled(seed)
        except (AssertionError, FlowctlError):
            return
    pytest.fail("no seed finds it")
