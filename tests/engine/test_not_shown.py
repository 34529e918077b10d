"""What a source takes and does not show: the others are done, it is told again under another key, a person hears of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.errors import NotShown, Rejected, Transient
from engine.evidence import Seen
from engine.follow import Hand
from engine.operator import elsewhere, toldthere, worklist
from engine.store import marks, work
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made, kit.logging():
        made.shop.page_size = 9
        yield made


def posted(bench: Bench, *ids: str) -> None:
    bench.shop.listed["bills"] = [bill(each) for each in ids]
    bench.run("bills")
    bench.post_all()


def hidden(*ids: str) -> NotShown:
    return NotShown(f"not shown: {', '.join(ids)}", ids, hint="look there")


def tell(bench: Bench, *faults: BaseException | None) -> int:
    """Tell what is due, a while later; returns what was acknowledged."""
    bench.shop.mark_faults = list(faults)
    bench.world.clock.sleep(5400)
    return bench.runner.tell(bench.program, COMPANY)[0]


def told(bench: Bench) -> list[list[str]]:
    return [[mark.id for mark in call.posted] for call in bench.shop.calls]


def keys(bench: Bench) -> list[str]:
    return [call.idempotency_key for call in bench.shop.calls]


def test_one_that_does_not_show_keeps_no_other_from_being_done(bench: Bench) -> None:
    posted(bench, "b-1", "b-2", "b-3")
    assert tell(bench, hidden("b-2")) == 2
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed", "b-2": "posted", "b-3": "closed"}, [])
    assert bench.runner.tell(bench.program, COMPANY) == (0, [])  # not at once
    assert tell(bench) == 1
    assert told(bench) == [["b-1", "b-2", "b-3"], ["b-2"]]
    assert len({*keys(bench)}) == 2
    assert (bench.states()["b-2"], bench.alerts()) == ("closed", [])


def test_one_alone_is_told_once_more_as_it_was_then_under_new_keys_and_a_person_hears_of_it(bench: Bench) -> None:
    posted(bench, "b-1")
    for _ in range(3):
        tell(bench, hidden("b-1"))
    assert bench.alerts() == [("connection", f"{FLOW}/shop/BILL", 3)]
    tell(bench, hidden("b-1"))
    assert bench.alerts() == [("mark", f"{FLOW}/BILL/b-1", 1)]
    first, again, *renewed = keys(bench)
    assert first == again
    assert len({first, *renewed}) == 3
    with bench.world.store.read(COMPANY) as tx:
        (alert,) = tx.rows("alerts_open", {"company": COMPANY})
    assert alert["message"].startswith(f"{FLOW}/BILL/")
    assert alert["message"].endswith(": told again and again, and the source does not show it: not shown: b-1")
    assert alert["hint"] == (
        "look there; it is told again by itself; "
        "or mark it there by hand, then run `flowctl replay b-1 --told --company acme`"
    )
    assert tell(bench) == 1
    assert (bench.states(), bench.alerts(), len({*keys(bench)})) == ({"b-1": "closed"}, [], 4)


@pytest.mark.parametrize("fault", [Transient("503"), Killed()])
def test_what_may_still_be_taken_keeps_its_key_and_a_new_one_is_kept_before_the_call(
    bench: Bench, fault: BaseException
) -> None:
    posted(bench, "b-1")
    tell(bench, hidden("b-1"))
    tell(bench, hidden("b-1"))
    for _ in range(2):  # under the new key, and nobody knows whether it was heard
        if isinstance(fault, Killed):
            with pytest.raises(Killed):
                tell(bench, fault)
        else:
            tell(bench, fault)
    tell(bench)
    assert len({*keys(bench)[:2]}) == len({*keys(bench)[2:]}) == 1
    assert len({*keys(bench)}) == 2
    assert bench.states() == {"b-1": "closed"}


def test_of_a_call_of_which_nothing_shows_each_is_told_alone(bench: Bench) -> None:
    """Some vendor may take a call, and then do nothing of it since one of its records is not ready."""
    posted(bench, "b-1", "b-2")
    tell(bench, hidden("b-1", "b-2"))
    tell(bench, hidden("b-1", "b-2"))
    assert tell(bench, None, hidden("b-2")) == 1
    assert told(bench) == [["b-1", "b-2"], ["b-1", "b-2"], ["b-1"], ["b-2"]]
    assert keys(bench)[0] == keys(bench)[1]
    assert len({*keys(bench)}) == 3
    assert bench.states() == {"b-1": "closed", "b-2": "posted"}


def posted_again(bench: Bench, source_id: str) -> tuple[str, str]:
    """Somebody deletes what was posted, and a person has it posted again; the ids of before and of now."""
    before = json.loads(bench.record(source_id)["receipt"])["TxnID"]
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, [before])
    with bench.world.store.write() as tx:
        worklist.post_again(tx, Hand(COMPANY, bench.world.at(), "test"), [bench.record(source_id)], "")
    with bench.outbox.transaction() as desk:
        assert desk.operations.refill(COMPANY) == 1
    assert bench.post_all() == 1
    return before, json.loads(bench.record(source_id)["receipt"])["TxnID"]


def references(bench: Bench, source_id: str) -> list[str]:
    return [mark.reference for call in bench.shop.calls for mark in call.posted if mark.id == source_id]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("no", [hidden("b-1"), Rejected("not that one")])
def test_what_is_posted_again_while_it_is_told_is_told_anew_once_the_source_does_not_know_it(
    bench: Bench, no: Exception, alone: bool
) -> None:
    posted(bench, *(["b-1"] if alone else ["b-1", "b-2", "b-3"]))
    tell(bench, Transient("503"))  # nobody knows whether it was heard
    before, now = posted_again(bench, "b-1")
    # The call as it was, since it may have been heard.
    tell(bench, no)
    for _ in range(3):
        tell(bench)
    assert references(bench, "b-1") == [before, before, now]
    assert (set(bench.states().values()), bench.alerts()) == ({"closed"}, [])


def test_what_is_posted_again_while_it_is_told_is_not_told_anew_where_the_source_knows(bench: Bench) -> None:
    posted(bench, "b-1")
    tell(bench, Transient("503"))
    before, _ = posted_again(bench, "b-1")
    for _ in range(3):
        tell(bench)
    assert references(bench, "b-1") == [before] * 2
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])


def newer_file(bench: Bench, there: str, gone: str) -> None:
    """The newer company file was opened again: one object is there, the other was never made in it."""
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(there, "", ())])
        desk.holdings.missing(COMPANY, [gone])


def test_what_a_person_finds_elsewhere_is_told_under_that_id_whatever_came_between(bench: Bench) -> None:
    posted(bench, "b-1")
    first, second = posted_again(bench, "b-1")
    newer_file(bench, first, second)
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, [first])
    with bench.world.store.write() as tx:
        elsewhere.found(tx, Hand(COMPANY, bench.world.at(), "test"), bench.record("b-1"), "C-1", "")
    for _ in range(3):
        tell(bench)
    assert (references(bench, "b-1"), bench.states()) == (["C-1"], {"b-1": "closed"})


def test_an_id_that_the_source_refused_before_takes_nothing_out_of_a_call(bench: Bench) -> None:
    posted(bench, "b-1")
    tell(bench, Rejected("not ready yet"))
    first, second = posted_again(bench, "b-1")
    tell(bench, Transient("503"))
    newer_file(bench, first, second)
    tell(bench, Rejected("nor this one"))
    with bench.world.store.read() as tx:
        (alert,) = (row for row in work.alerts(tx, COMPANY) if row["kind"] == "mark")
    assert alert["message"].endswith("the source refused to be told: nor this one")


def test_a_source_that_names_nothing_of_the_call_has_shown_nothing(bench: Bench) -> None:
    posted(bench, "b-1", "b-2")
    assert tell(bench, hidden("B-1")) == 0
    assert bench.states() == {"b-1": "posted", "b-2": "posted"}


def test_who_dies_before_all_that_shows_is_closed_tells_it_again_as_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_given: object) -> None:
        raise Killed

    posted(bench, "b-1", "b-2")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("engine.telling.close", killed)
        tell(bench, hidden("b-2"))
    assert tell(bench, hidden("b-2")) == 1
    first, second = bench.shop.calls
    assert first == second
    assert bench.states() == {"b-1": "closed", "b-2": "posted"}


def test_another_process_that_was_told_yes_meanwhile_is_right(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    posted(bench, "b-1")
    real = kit.Shop.mark

    def mark(self: kit.Shop, call: object) -> None:
        monkeypatch.undo()
        assert tell(bench) == 1
        self.mark_faults = [hidden("b-1")]
        real(self, call)  # type: ignore[arg-type]

    monkeypatch.setattr(kit.Shop, "mark", mark)
    assert tell(bench) == 0
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])


def test_a_payment_waits_for_its_own_bill_alone(bench: Bench) -> None:
    """Both payments are in one call; that of the bill that does not show waits, the other does not."""
    posted(bench, "b-1", "b-2")
    tell(bench, hidden("b-2"))
    with bench.world.store.write(COMPANY) as tx:
        for name in ("b-1", "b-2"):
            number = bench.record(name)["id"]
            marks.add(tx, COMPANY, marks.NewMark(FLOW, "shop", "A_PAYMENT", number, name, "posted", f"P-{name}"))
    tell(bench, hidden("b-2"))
    kinds = [(call.kind, [m.id for m in call.posted]) for call in bench.shop.calls[1:]]
    assert kinds == [("BILL", ["b-2"]), ("A_PAYMENT", ["b-1"])]
    tell(bench)
    kinds = [(call.kind, [m.id for m in call.posted]) for call in bench.shop.calls[3:]]
    assert kinds == [("BILL", ["b-2"]), ("A_PAYMENT", ["b-2"])]


def test_a_person_may_say_that_the_source_knows_once_there_is_an_alert(bench: Bench) -> None:
    posted(bench, "b-1")
    hand = Hand(COMPANY, bench.world.at(), "person")
    for refused in (1, 1, 1, 0):
        tell(bench, hidden("b-1"))
        with bench.world.store.write(COMPANY) as tx:
            done = toldthere.told_there(tx, hand, [bench.record("b-1")], "marked there")
        assert len(done.refused) == refused
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])
    count = len(bench.shop.calls)
    tell(bench)
    assert len(bench.shop.calls) == count


def test_what_is_refused_under_a_new_key_goes_to_a_person(bench: Bench) -> None:
    posted(bench, "b-1")
    tell(bench, hidden("b-1"))
    tell(bench, hidden("b-1"))
    tell(bench, Rejected("archived"))
    assert ("mark", f"{FLOW}/BILL/b-1", 1) in bench.alerts()
