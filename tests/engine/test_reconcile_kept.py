"""The report of a comparison that is kept: the same as the comparison, what people decide since, and when it is made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.alerting import looking
from engine.alerting.rules import HOUSE, effective
from engine.errors import StoreBusy
from engine.evidence import Figures
from engine.follow import Hand
from engine.operator import worklist
from engine.reconcile import Report, ask, keeping
from engine.reconcile.keeper import Keeper
from engine.store import reports, spans
from engine.upkeep.pruning import prune
from tests.engine.kit import COMPANY, FLOW, Bench, bill
from tests.engine.test_reconcile import FIRST, LAST, answered, desk, shown

D = Decimal


def make(made: Bench, span: int) -> bool:
    return keeping.make(made.world, COMPANY, {FLOW: made.program}, span)


def whole(made: Bench) -> Report:
    with made.world.store.read() as tx:
        return keeping.whole(tx, COMPANY)


def span_of(made: Bench) -> int:
    with made.world.store.read() as tx:
        row = spans.newest(tx, COMPANY)
    assert row is not None
    return int(row["id"])


def kept(made: Bench) -> keeping.Kept:
    with made.world.store.read() as tx:
        of = keeping.kept(tx, COMPANY, span_of(made))
    assert of is not None
    return of


def decide(made: Bench, what: str, source_id: str) -> None:
    hand = Hand(COMPANY, made.world.at(), "cli:pat")
    row = made.record(source_id)
    with made.world.store.write(COMPANY) as tx:
        if what == "accept":
            done = worklist.accept(tx, hand, [row], "", keeping.shown(tx, COMPANY, row["id"]))
        else:
            act = {"leave out": worklist.leave_out, "again": worklist.post_again}[what]
            done = act(tx, hand, [row], "")
    assert (len(done.moved), done.refused) == (1, ())


def edited(made: Bench, *more: Figures) -> Report:
    """The first bill was edited in the books, the second one is as it was, and others."""
    first = shown(made, "b-1", total=D("90.00"), accounts=(("A-RENT", D("90.00")),))
    return answered(made, first, shown(made, "b-2"), *more)


def test_what_is_kept_is_what_the_comparison_found() -> None:
    unknown = [{"account": "Nowhere", "amount": "1.00"}]
    with desk(bill("b-1"), bill("b-2", "0.30"), bill("b-3", "1.00", lines=unknown)) as made:
        ours = replace(shown(made, "b-2"), target_id="9Z")
        live = edited(made, ours, Figures("Bill", "alien", dated_on="2026-03-01"))
        assert {item.code for item in live.differences} == {"edited", "twice"}
        assert (whole(made), make(made, span_of(made))) == (Report(COMPANY), True)
        assert whole(made) == replace(live, made_at=made.world.at())
        of = kept(made)
    assert (of.compared, of.others, of.since, of.differences, of.notes, of.decided, of.later) == (2, 1, 0, 2, 0, 0, 0)
    assert (of.is_current, [(line.state, dict(line.money)) for line in of.unposted]) == (
        True,
        [("deferred", {"EUR": D("1.00")})],
    )


def test_it_is_read_in_parts() -> None:
    bills = [bill(f"b-{n}", f"{n}.00", date=f"2026-02-{n:02}") for n in range(1, 8)]
    with desk(*bills) as made:
        answered(made, *(shown(made, f"b-{n}") for n in range(1, 4)))
        make(made, span_of(made))
        of = kept(made)
        with made.world.store.read() as tx:
            first = keeping.found(tx, of, 0, 3)
            second = keeping.found(tx, of, first[-1].place, 3)
            some = keeping.lines(tx, of.span, "month", (0, 5), everything=True)
            assert keeping.lines(tx, of.span, "month", (some[-1][0], 5), everything=True) == []
            assert keeping.lines(tx, of.span, "account", (0, 5), everything=False)[0][1].name == "Rent"
    assert [each.difference.source_id for each in (*first, *second)] == ["b-4", "b-5", "b-6", "b-7"]
    assert {(each.state_now, each.moved) for each in first} == {("posted", False)}
    assert [(line.name, str(line.source), str(line.books)) for _, line in some] == [("2026-02", "28.00", "6.00")]


def test_a_table_that_agrees_has_no_line_that_differs() -> None:
    with desk(bill("b-1")) as made:
        answered(made, shown(made, "b-1"))
        make(made, span_of(made))
        with made.world.store.read() as tx:
            assert keeping.lines(tx, span_of(made), "party", (0, 5), everything=False) == []


def test_an_edit_that_is_accepted_says_so_at_once() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        make(made, span_of(made))
        assert not whole(made).agrees
        decide(made, "accept", "b-1")
        found, of = whole(made), kept(made)
        (one,) = found.differences
        assert (one.code, one.decided, one.is_note, found.agrees) == (
            "edited",
            "accepted as it is, by cli:pat",
            True,
            True,
        )
        assert (found.shown, of.open, of.decided, of.is_current) == ({}, 0, 1, False)
        with made.world.store.read() as tx:
            assert keeping.still_open(tx, of.span) == []
        make(made, of.span)
        again = whole(made)
        assert ([item.code for item in again.differences], [item.decided for item in again.differences]) == (
            ["accepted"],
            [""],
        )


@pytest.mark.parametrize(
    ("what", "said"), [("leave out", "left out, by cli:pat"), ("again", "to be posted again, by cli:pat")]
)
def test_a_decision_about_what_is_gone_says_so_at_once(what: str, said: str) -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        target = shown(made, "b-1").target_id
        answered(made, shown(made, "b-2"))
        with made.outbox.transaction() as view:
            view.holdings.missing(COMPANY, [target])
        make(made, span_of(made))
        decide(made, what, "b-1")
        (one,) = whole(made).differences
        assert (one.code, one.decided, whole(made).agrees) == ("missing", said, True)


def test_only_what_was_decided_about_is_marked() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made, replace(shown(made, "b-1"), target_id="9Z"))
        make(made, span_of(made))
        decide(made, "accept", "b-1")
        marked = {item.code: bool(item.decided) for item in whole(made).differences}
    assert marked == {"edited": True, "twice": False}


def test_a_record_that_moved_since_is_marked_and_what_was_posted_since_is_counted() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        make(made, span_of(made))
        made.world.clock.sleep(1)
        made.shop.listed["bills"] = [bill("b-1", "130.00"), bill("b-2"), bill("b-3"), bill("b-4")]
        made.run("bills")
        made.post_all()
        of = kept(made)
        with made.world.store.read() as tx:
            (row,) = keeping.found(tx, of, 0, 10)
    assert (of.later, of.is_current, row.moved, row.state_now) == (2, False, True, "closed")
    assert of.made_at < made.world.at()


def test_a_decision_while_it_is_made_stays_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        number = span_of(made)
        make(made, number)
        put = reports.put

        def decided_first(*args: Any) -> bool:
            monkeypatch.setattr(reports, "put", put)
            decide(made, "accept", "b-1")
            return put(*args)

        monkeypatch.setattr(reports, "put", decided_first)
        assert make(made, number)
        (one,) = whole(made).differences
    assert (one.code, one.decided) == ("edited", "accepted as it is, by cli:pat")


def test_an_older_look_does_not_replace_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        number = span_of(made)
        make(made, number)
        newer = kept(made).made_at
        made.world.clock.sleep(5)
        monkeypatch.setattr(reports, "heads", lambda _tx, _company: (1, 1))
        assert not make(made, number)
        assert kept(made).made_at == newer


def test_it_goes_with_its_comparison() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        number = span_of(made)
        make(made, number)
        with made.world.store.write() as tx:
            for _ in range(12):
                ask(tx, COMPANY, FIRST, LAST, ("Bill",), "cli:pat", made.world.at())
        with made.world.store.read() as tx:
            assert (reports.get(tx, COMPANY, number), reports.findings(tx, number, 0, 9)) == (None, [])
            assert reports.sums(tx, (number, "total"), 0, 9, everything=True) == []
        assert not make(made, number)


def test_it_goes_when_the_comparison_is_pruned() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        number = span_of(made)
        make(made, number)
        made.world.clock.sleep(86400 * 400)
        prune(made.world, COMPANY, made.world.at(), "cli:pat")
        with made.world.store.read() as tx:
            assert (spans.get(tx, COMPANY, number), reports.get(tx, COMPANY, number)) == (None, None)
            assert reports.findings(tx, number, 0, 9) == []


# --- when it is made ---------------------------------------------------------------------------------------------------


def due(made: Bench, after_s: float = 0) -> list[int]:
    with made.world.store.read() as tx:
        return [span for _, span in keeping.due(tx, made.world.clock.now() + timedelta(seconds=after_s))]


def test_it_is_due_once_answered_and_anew_after_ten_minutes_when_something_happened() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        assert due(made) == []
        edited(made)
        first = span_of(made)
        assert due(made) == [first]
        make(made, first)
        assert (due(made), due(made, 86400)) == ([], [])
        decide(made, "accept", "b-1")
        assert (due(made, 599), due(made, 600)) == ([], [first])
        edited(made)
        # The older of two stays as it was made, unless somebody wants it anew.
        assert due(made, 86400) == [span_of(made)]
        with made.world.store.write() as tx:
            assert (reports.want(tx, COMPANY, first), reports.want(tx, COMPANY, 99)) == (True, False)
        assert due(made) == [span_of(made), first]


def test_what_takes_long_is_made_anew_less_often() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        number = span_of(made)
        make(made, number)
        with made.world.store.write() as tx:
            row = dict(reports.get(tx, COMPANY, number) or {})
            reports.put(tx, {**row, "took_ms": 90_000}, [], [])
        decide_later = made.world.clock.now()
        made.run("bills")
        with made.world.store.read() as tx:
            waits = [list(keeping.due(tx, decide_later + timedelta(seconds=seconds))) for seconds in (601, 1799, 1801)]
    assert waits == [[], [], [(COMPANY, number)]]


def test_for_somebody_who_waits_it_is_made_anew_when_it_is_old_and_soon_made() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        programs, number = {FLOW: made.program}, span_of(made)
        keeping.current(made.world, COMPANY, programs)
        first = kept(made)
        made.world.clock.sleep(5)
        keeping.current(made.world, COMPANY, programs)
        assert kept(made) == first
        decide(made, "accept", "b-1")
        keeping.current(made.world, COMPANY, programs)
        assert (kept(made).made_at > first.made_at, kept(made).is_current, kept(made).notes) == (True, True, 1)
        with made.world.store.write() as tx:
            row = dict(reports.get(tx, COMPANY, number) or {})
            reports.put(tx, {**row, "took_ms": 2001}, [], [])
        made.run("bills")
        keeping.current(made.world, COMPANY, programs)
        assert (kept(made).is_current, whole(made).is_current, kept(made).compared) == (False, False, 2)


def test_at_the_first_look_a_small_one_is_made_and_a_large_one_is_left_to_the_keeper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        number = span_of(made)
        monkeypatch.setattr(reports, "COUNTED", 1)
        keeping.at_first_look(made.world, COMPANY, {FLOW: made.program}, number)
        with made.world.store.read() as tx:
            assert reports.get(tx, COMPANY, number) is None
        monkeypatch.setattr(reports, "COUNTED", 2)
        keeping.at_first_look(made.world, COMPANY, {FLOW: made.program}, number)
        assert kept(made).differences == 1


def test_the_keeper_makes_what_is_due_once() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        keeper = Keeper(made.world, {FLOW: made.program})
        assert (keeper.tick(), keeper.tick(), kept(made).differences) == (1, 0, 1)
        other = Keeper(made.world, {FLOW: made.program})
        edited(made)
        assert (other.tick(), keeper.tick()) == (0, 1)
        keeper.close()
        edited(made)
        assert other.tick() == 1
        other.close()


def test_a_fault_keeps_no_other_report_from_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        edited(made)
        good = keeping.make
        first = span_of(made)

        def some(world: object, company: str, programs: object, span: int) -> bool:
            if span == first:
                raise StoreBusy("no")
            return good(world, company, programs, span)  # type: ignore[arg-type]

        monkeypatch.setattr(keeping, "make", some)
        keeper = Keeper(made.world, {FLOW: made.program})
        assert keeper.tick() == 1
        monkeypatch.setattr(keeping, "make", good)
        assert keeper.tick() == 0
        made.world.clock.sleep(600)
        assert keeper.tick() == 1
        keeper.close()


def test_the_thread_starts_and_stops() -> None:
    with desk() as made:
        keeper = Keeper(made.world, {})
        keeper.start()
        keeper.stop()
        assert keeper._thread is not None
        assert not keeper._thread.is_alive()


def test_the_alert_counts_what_is_still_open() -> None:
    with desk(bill("b-1"), bill("b-2")) as made:
        edited(made)
        make(made, span_of(made))
        with made.world.store.read() as tx:
            rule = effective(tx, HOUSE)["reconcile"]
            (one,) = looking.differences(tx, COMPANY, {}, rule)
        assert (one.rule, one.title) == ("reconcile", "the comparison from 2026-01-01 to 2026-03-31 has 1 difference")
        decide(made, "accept", "b-1")
        with made.world.store.read() as tx:
            assert list(looking.differences(tx, COMPANY, {}, rule)) == []
