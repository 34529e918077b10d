"""No transaction of a large company touches more than so many records: whoever has a call to answer waits for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine import follow
from engine.errors import Transient
from engine.intake import AT_ONCE
from engine.jsontext import canonical
from engine.store.base import statements
from engine.store.sqlite import SqliteStore, SqliteTx
from tests.engine import kit
from tests.engine.kit import COMPANY, Bench, bill

pytestmark = pytest.mark.only_sqlite("all others wait for its transactions, and these are measured")

MANY = 2 * AT_ONCE + 30


@dataclass(slots=True)
class Touched:
    """How many records each transaction has added or moved, and how many marks it has read or changed; none without any."""

    records: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    _records: int = 0
    _marks: int = 0

    def end(self) -> None:
        self.records += [self._records] * bool(self._records)
        self.marks += [self._marks] * bool(self._marks)
        self._records = self._marks = 0

    def take(self) -> tuple[list[int], list[int]]:
        found = self.records, self.marks
        self.records, self.marks = [], []
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made, kit.logging():
        made.shop.page_size = MANY
        made.shop.listed["bills"] = [bill(f"b-{number}") for number in range(MANY)]
        yield made


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> Touched:
    found = Touched()
    run, many, rows, end = SqliteTx.run, SqliteTx.many, SqliteTx.rows, SqliteStore.end

    def counting_run(self: SqliteTx, name: str, params: Any) -> int:
        found._records += name == "record_move"
        return run(self, name, params)

    def counting_many(self: SqliteTx, name: str, params: Any) -> None:
        values = list(params)
        found._records += len(values) * (name == "record_insert")
        found._marks += len(values) * (name == "marks_into_call")
        many(self, name, values)

    def counting_rows(self: SqliteTx, name: str, params: Any) -> list[Any]:
        given = rows(self, name, params)
        found._marks += len(given) * (name == "mark_subjects")
        return given

    def counting_end(self: SqliteStore, *, keep: bool) -> None:
        is_outermost = self._depth == 1
        end(self, keep=keep)
        if is_outermost:
            found.end()

    for name, value in (("run", counting_run), ("many", counting_many), ("rows", counting_rows)):
        monkeypatch.setattr(SqliteTx, name, value)
    monkeypatch.setattr(SqliteStore, "end", counting_end)
    return found


def test_a_large_page_is_read_in_pieces(bench: Bench, touched: Touched) -> None:
    assert bench.run("bills")["bills"] == {"read": MANY, "intended": MANY}
    # The payments are not selected; they are records all the same.
    assert touched.take()[0] == [AT_ONCE, AT_ONCE, 30] * 2
    bench.shop.listed["bills"] = [{**each, "memo": "new"} for each in bench.shop.listed["bills"]]
    assert bench.run("bills")["bills"]["read"] == MANY
    assert max(touched.take()[0]) <= 3 * AT_ONCE  # withdrawn, and prepared anew


def test_what_waits_is_prepared_in_pieces(touched: Touched) -> None:
    with kit.bench(lists=False) as bench, kit.logging():
        bench.shop.listed["bills"] = [bill(f"b-{number}") for number in range(MANY)]
        bench.run("bills")
        bench.read_lists()
        touched.take()
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == MANY
        # The payments ask for no list, and were prepared at once.
        assert touched.take()[0] == [AT_ONCE, AT_ONCE, 30]


def test_what_was_posted_is_told_and_closed_in_pieces(
    bench: Bench, touched: Touched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.telling.MARKS_A_CALL", 110)
    bench.run("bills")
    bench.post_all()
    touched.take()
    assert bench.runner.tell(bench.program, COMPANY) == (MANY, [])
    records, marks = touched.take()
    assert [len(call.posted) for call in bench.shop.calls] == [110, 20]
    assert records == [AT_ONCE, AT_ONCE, 10, 20]
    # Put into calls one by one, and then what each of them tells is looked at by itself.
    assert marks == [110, 20] * 2


def test_a_process_that_is_killed_between_two_pieces_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read or closed before stays; the rest is done by the next run, and nothing twice."""
    bench.shop.page_size = AT_ONCE
    bench.shop.faults = [None, Transient("the line broke"), *[Transient("still broken")] * 4]
    broken = bench.runner.run(bench.program, COMPANY, streams=("bills",))
    assert [str(error) for error in broken.errors] == ["still broken"] * 2
    assert len(bench.states()) == AT_ONCE
    bench.run("bills")
    assert len(bench.states()) == MANY
    bench.post_all()
    with monkeypatch.context() as patch:
        closed: list[Any] = []

        def close(*given: Any) -> None:
            closed.append(given)
            if len(closed) > AT_ONCE + 5:
                raise KeyboardInterrupt
            follow.close(*given)

        patch.setattr("engine.telling.close", close)
        with pytest.raises(KeyboardInterrupt):
            bench.runner.tell(bench.program, COMPANY)
    assert sorted(bench.states().values()).count("closed") == AT_ONCE
    assert bench.runner.tell(bench.program, COMPANY) == (MANY, [])
    assert set(bench.states().values()) == {"closed"}
    first, again = bench.shop.calls
    assert first == again


def test_a_page_with_two_records_under_one_key_is_taken_whole(bench: Bench, touched: Touched) -> None:
    """Between two pieces the first of them could be sent, and each read would then find the one after the other."""
    twins = [bill("b-0", memo="another"), bill("b-1")]
    bench.shop.page_size = MANY + 2
    bench.shop.listed["bills"] += twins
    counts = bench.run("bills")["bills"]
    assert (counts["read"], counts["seen_twice"]) == (MANY + 2, 1)
    assert touched.take()[0][0] == MANY
    assert bench.record("b-0")["payload"] == canonical(twins[0])
    assert [alert[:2] for alert in bench.alerts()][:1] == [("ambiguous", "shop_to_ledger/bills/b-0")]


def test_a_call_of_a_session_looks_at_few_of_the_operations_that_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kinds are found from one to the next, and no more are counted than a bar of progress needs."""
    bench.shop.listed["bills"] = bench.shop.listed["bills"][:7]
    bench.shop.listed["vendors"] = [kit.vendor()]
    bench.run()
    monkeypatch.setattr("engine.desk._MOST_COUNTED", 3)
    with bench.outbox.transaction() as desk:
        assert desk.operations.backlog(COMPANY) == 8  # from the first number to the last
        assert desk.unsent.kinds(COMPANY) == ("VendorAdd", "BillAdd")
    made = bench.send(5)
    assert made is not None
    bench.settle(made)
    with bench.outbox.transaction() as desk:
        assert desk.operations.backlog(COMPANY) == 3
        assert desk.unsent.kinds(COMPANY) == ("BillAdd",)
    bench.post_all()
    with bench.outbox.transaction() as desk:
        assert (desk.operations.backlog(COMPANY), desk.unsent.kinds(COMPANY)) == (0, ())


def test_however_many_wait_the_questions_of_a_call_take_as_many_steps(bench: Bench) -> None:
    store = bench.world.store
    assert isinstance(store, SqliteStore)
    every, found = bench.shop.listed["bills"], []
    for count in (60, MANY):
        bench.shop.listed["bills"] = every[:count]
        bench.run("bills")
        scope = {"company": COMPANY, "connection": "ledger", "at": "~", "limit": 50}
        asked = ("operations_kinds", "operations_backlog", "operations_span", "operations_none")
        found.append([steps(store, name, scope) for name in asked])
    assert found[0] == found[1]


def steps(store: SqliteStore, name: str, scope: dict[str, object]) -> int:
    """How many steps SQLite's machine takes for a statement."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    store.connection.set_progress_handler(step, 1)
    try:
        store.connection.execute(statements()[name], scope).fetchall()
    finally:
        store.connection.set_progress_handler(None, 1)
    return taken
