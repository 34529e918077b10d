"""Both sides compared: what the source says, what was posted, what the books hold; every difference with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial

import pytest

from connectors.qbwc.figures import figures
from engine.contract import ListObject, OperationOutcome
from engine.errors import UnknownName
from engine.evidence import Countable, Figures, Seen, Sighting, Span
from engine.follow import Hand
from engine.operator import worklist
from engine.pipeline import guid_of
from engine.reconcile import Difference, Line, Report, Spans, ask, countable, kinds_of, report
from engine.registry import registered
from engine.spec import RequestSpec
from engine.store import facts, holdings, spans
from engine.store.sqlite import SqliteStore
from tests.engine.kit import ACCOUNTS, COMPANY, FLOW, LEDGER, YAML, Bench, LedgerConnector, bench, bill
from tests.engine.test_changes import costs, of
from tests.stores import raw

D = Decimal
CHANGE = "request: BillAdd, template: bill_add.xml.j2, change: {request: BillMod, template: bill_mod.xml.j2}"
PUT_BACK = (
    "put it back in QuickBooks, or correct the source to match, or accept it as it is with `flowctl reconcile --accept b-1 "
    "--company acme`; flowctl never overwrites what a person entered there"
)
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)


@dataclass(slots=True)
class Counting(LedgerConnector):
    """The ledger, whose requests are those of QuickBooks."""

    def figures(self, request: str, body: bytes) -> Figures:
        return figures(request, body)


@contextmanager
def desk(*bills: dict[str, object], post: bool = True, changes: bool = False) -> Iterator[Bench]:
    """A company whose bills were posted; with `changes`, the flow sends what the source changes later."""
    spec = replace(LEDGER, requests=(*LEDGER.requests, RequestSpec("BillMod", "change a bill")))
    text = YAML.replace("request: BillAdd, template: bill_add.xml.j2", CHANGE) if changes else YAML
    with bench(text) as made, registered({"ledger": Counting(spec)}):
        more = (ListObject("A-FOOD", "Food", number="6300"),)
        made.read_lists(accounts=(*ACCOUNTS, *more))
        made.shop.listed["bills"] = list(bills)
        made.run("bills")
        if post:
            made.post_all()
        yield made


def shown(made: Bench, source_id: str, **changes: object) -> Figures:
    """What the books would say of a record that was posted as it is."""
    record = made.record(source_id)
    with made.world.store.read() as tx:
        row = tx.one("operation_get", {"id": record["operation_id"]})
        held = holdings.of_record(tx, record["id"])
    assert row is not None
    return replace(figures(row["request"], bytes(row["body"])), target_id=held[-1]["target_id"], **changes)  # type: ignore[arg-type]


def answered(made: Bench, *told: Figures, first: date = FIRST, last: date = LAST) -> Report:
    """The report after the books have told these."""
    with made.world.store.write() as tx:
        number = ask(tx, COMPANY, first, last, ("Bill",), "cli:pat", made.world.at())
        view = Spans(tx, made.world.at(), "web-connector")
        view.store(COMPANY, number, told)
        view.finish(COMPANY, number)
    return reported(made)


def reported(made: Bench) -> Report:
    with made.world.store.read() as tx:
        return report(tx, COMPANY, {FLOW: made.program})


def only(found: Report) -> Difference:
    (one,) = found.differences
    return one


def sums(line: Line) -> tuple[str, str, str, str]:
    return line.name, str(line.source), str(line.journal), str(line.books)


# --- the request -------------------------------------------------------------------------------------------------------


def test_a_request_replaces_one_that_waits_and_reads_the_names_anew() -> None:
    with desk() as made, made.world.store.write() as tx:
        first = ask(tx, COMPANY, FIRST, LAST, ("Bill",), "cli:pat", made.world.at())
        second = ask(tx, COMPANY, FIRST, LAST, ("Bill", "Check"), "cli:pat", made.world.at())
        view = Spans(tx, made.world.at(), "web-connector")
        assert view.wanted(COMPANY) == Span(second, FIRST, LAST, ("Bill", "Check"))
        view.store(COMPANY, first, [Figures("Bill", "1A")])
        view.finish(COMPANY, first)
        assert [row["state"] for n in (first, second) if (row := spans.get(tx, COMPANY, n))] == ["replaced", "asked"]
        assert spans.figures(tx, first) == []
        due = {row["list"]: row["due"] for row in tx.rows("lists_of", {"company": COMPANY})}
        assert due == {"Account": 1, "Vendor": 1}
        view.finish(COMPANY, second)
        assert view.wanted(COMPANY) is None


def test_what_a_session_told_and_did_not_finish_is_forgotten() -> None:
    kept = Figures("Bill", "1A", "guid", "V-1", "N", "2026-02-01", D("1.10"), (("A-RENT", D("1.10")),))
    with desk() as made:
        with made.world.store.write() as tx:
            number = ask(tx, COMPANY, FIRST, LAST, ("Bill",), "cli:pat", made.world.at())
        for ticket, told in (("one", Figures("Bill", "9Z")), ("two", kept)):
            with made.outbox.transaction() as view:
                view.sessions.open(COMPANY, ticket, {})
                view.reconciling.store(COMPANY, number, [told])
        with made.world.store.read() as tx:
            assert spans.figures(tx, number) == [kept]
        with made.outbox.transaction() as view:
            view.sessions.open(COMPANY, "three", {})
            view.reconciling.finish(COMPANY, number)
        with made.world.store.read() as tx:
            assert spans.figures(tx, number) == []


def test_old_answers_are_thrown_away() -> None:
    with desk() as made, made.world.store.write() as tx:
        numbers = []
        for _ in range(14):
            numbers.append(ask(tx, COMPANY, FIRST, LAST, ("Bill",), "cli:pat", made.world.at()))
            Spans(tx, made.world.at(), "web-connector").store(COMPANY, numbers[-1], [Figures("Bill", "1A")])
        there = [number for number in numbers if spans.get(tx, COMPANY, number) is not None]
        assert there == numbers[-11:]
        assert [spans.figures(tx, number) != [] for number in numbers] == [False] * 3 + [True] * 11


def test_only_kinds_with_figures_of_polled_connections_are_asked_for() -> None:
    with desk() as made, made.world.store.read() as tx:
        assert kinds_of(tx, COMPANY, {FLOW: made.program}) == ("Bill",)
        assert kinds_of(tx, COMPANY, {}) == ()
        assert isinstance(countable(tx, COMPANY), Countable)
    with desk(bill()) as made, made.world.store.read() as tx:
        assert kinds_of(tx, COMPANY, {}) == ("Bill",)  # it was written once, whatever the flows say now
    with bench() as plain, plain.world.store.read() as tx:
        assert countable(tx, COMPANY) is None


def test_what_was_ever_written_is_found_without_looking_at_all_of_it() -> None:
    """As many steps of the database for five thousand objects as for five."""
    with desk() as made:
        store = made.world.store
        if not isinstance(store, SqliteStore):
            pytest.skip("only SQLite counts its steps")
        counted = []
        for first, last in ((0, 5), (5, 5000)):
            raw(store, "PRAGMA foreign_keys = OFF", *(
                f"INSERT INTO holdings (company, target_id, record_id, kind, seq, state) "
                f"VALUES ('{COMPANY}', 'T-{number}', {number}, '{('Bill', 'Check', 'Vendor')[number % 3]}', {number}, 'there')"
                for number in range(first, last)
            ))  # fmt: skip
            steps: list[None] = []
            with store.read(COMPANY) as tx:
                store.connection.set_progress_handler(partial(steps.append, None), 1)
                assert kinds_of(tx, COMPANY, {}) == ("Bill", "Check")
                store.connection.set_progress_handler(None, 1)
            counted.append(len(steps))
        assert 0 < counted[0] == counted[1]


def test_before_an_answer_only_the_request_is_known() -> None:
    with desk(bill()) as made:
        assert reported(made) == Report(COMPANY)
        with made.world.store.write() as tx:
            number = ask(tx, COMPANY, FIRST, LAST, ("Bill",), "cli:pat", made.world.at())
        assert reported(made) == Report(COMPANY, asked=Span(number, FIRST, LAST, ("Bill",)))
        assert not reported(made).agrees
        with made.world.store.write() as tx:
            Spans(tx, made.world.at(), "web-connector").finish(COMPANY, number, "3120: no")
        assert reported(made) == Report(COMPANY, problem="3120: no")
        with made.world.store.read() as tx, pytest.raises(UnknownName):
            report(tx, "nobody", {})


# --- agreement ---------------------------------------------------------------------------------------------------------


def test_three_sides_agree_to_the_cent() -> None:
    two = [{"account": "Rent", "amount": "0.10"}, {"account": "Food", "amount": "0.20"}]
    with desk(bill("b-1"), bill("b-2", "0.30", lines=two, date="2026-03-05")) as made:
        found = answered(made, shown(made, "b-1"), shown(made, "b-2"), Figures("Bill", "alien", dated_on="2026-03-01"))
    assert (found.agrees, found.differences, found.compared, found.others, found.since) == (True, (), 2, 1, 0)
    assert [sums(line) for line in found.totals] == [("", "100.30", "100.30", "100.30")]
    tables = {name: [sums(line) for line in lines] for name, lines in found.tables.items()}
    assert tables == {
        "party": [("Grün & Söhne", "100.30", "100.30", "100.30")],
        "account": [("Food", "0.20", "0.20", "0.20"), ("Rent", "100.10", "100.10", "100.10")],
        "month": [("2026-02", "100.00", "100.00", "100.00"), ("2026-03", "0.30", "0.30", "0.30")],
        "kind": [("Bill", "100.30", "100.30", "100.30")],
    }
    assert {line.currency for lines in found.tables.values() for line in lines} == {"EUR"}


def test_days_outside_the_span_do_not_count() -> None:
    with desk(bill("b-1"), bill("b-2", "7.00", date="2026-04-01")) as made:
        found = answered(made, shown(made, "b-1"))
    assert (found.agrees, found.compared, str(found.totals[0].books)) == (True, 1, "100.00")


def test_a_list_id_and_a_name_are_one_account() -> None:
    with desk(bill("b-1")) as made:
        by_name = shown(made, "b-1", party="grün & söhne", accounts=(("Rent", D("100.00")),))
        found = answered(made, by_name)
    assert (found.agrees, found.differences) == (True, ())


def test_a_number_that_the_books_gave_is_no_edit() -> None:
    with desk(bill("b-1", number=None)) as made:
        assert answered(made, shown(made, "b-1", reference="1001")).agrees


# --- differences -------------------------------------------------------------------------------------------------------


def test_an_edit_in_the_books_is_told_field_by_field() -> None:
    with desk(bill("b-1"), bill("b-2", "5.00")) as made:
        changed = shown(
            made,
            "b-1",
            total=D("120.50"),
            party="V-2",
            dated_on="2026-03-01",
            reference="X",
            accounts=(("A-FOOD", D("120.50")),),
        )
        found = answered(made, changed, shown(made, "b-2"))
        record = made.record("b-1")
    one = only(found)
    assert not found.agrees
    assert one == Difference(
        "edited",
        "edited in QuickBooks after it was posted: amount 100.00 -> 120.50; account Rent 100.00 -> 0.00; account Food 0.00 -> 120.50; "
        "party Grün & Söhne -> Retired; date 2026-02-27 -> 2026-03-01; number N-b-1 -> X",
        PUT_BACK,
        "Bill",
        FLOW,
        "bills",
        "b-1",
        record["id"],
        changed.target_id,
        "N-b-1",
        "Grün & Söhne",
        "EUR",
        D("100.00"),
        D("100.00"),
        D("120.50"),
    )
    assert [sums(line) for line in found.tables["party"]] == [
        ("Grün & Söhne", "105.00", "105.00", "5.00"),
        ("Retired", "0", "0", "120.50"),
    ]
    assert [str(line.difference) for line in found.totals] == ["20.50"]


def test_a_voided_entry_is_guessed() -> None:
    with desk(bill("b-1")) as made:
        found = answered(made, shown(made, "b-1", total=D("0.00"), accounts=()))
    assert only(found).what.endswith("amount 100.00 -> 0.00; account Rent 100.00 -> 0.00 (voided?)")


def test_what_the_books_do_not_show_is_missing() -> None:
    with desk(bill("b-1"), bill("b-2", "5.00")) as made:
        found = answered(made, shown(made, "b-2"))
        one = only(found)
        assert (one.code, one.source_id, one.source, one.journal, one.books) == (
            "missing",
            "b-1",
            D("100.00"),
            D("100.00"),
            None,
        )
        assert one.what == (
            "QuickBooks shows nothing of it from 2026-01-01 to 2026-03-31: it was deleted there, or given another date"
        )
        with made.outbox.transaction() as view:
            view.holdings.missing(COMPANY, [one.target_id])
        one = only(reported(made))
        assert (one.what, one.do) == (
            "it was posted and is no longer in QuickBooks",
            "run `flowctl reconcile --company acme --post-again b-1` or `flowctl reconcile --company acme --leave-out b-1`",
        )
        assert [row["source_id"] for row in reported(made).vanished] == ["b-1"]


def test_what_was_posted_after_the_books_were_read_is_not_missing() -> None:
    with desk(bill("b-1")) as made:
        first = shown(made, "b-1")
        with made.world.store.write() as tx:
            number = ask(tx, COMPANY, FIRST, LAST, ("Bill",), "cli:pat", made.world.at())
            Spans(tx, made.world.at(), "web-connector").store(COMPANY, number, [first])
        made.world.clock.sleep(1)
        made.shop.listed["bills"].append(bill("b-2", "5.00"))
        made.run("bills")
        made.post_all()
        with made.world.store.write() as tx:
            Spans(tx, made.world.at(), "web-connector").finish(COMPANY, number)
        found = reported(made)
    assert (found.agrees, found.compared, found.since) == (True, 1, 1)


def test_what_was_changed_there_after_the_books_were_read_is_not_compared() -> None:
    with desk(bill("b-1"), bill("b-2", "5.00"), changes=True) as made:
        told = [shown(made, "b-1"), shown(made, "b-2")]
        before = answered(made, *told)
        made.world.clock.sleep(1)
        made.shop.listed["bills"] = [bill("b-1", "130.00", date="2026-03-02"), bill("b-2", "5.00")]
        made.run("bills")
        waits = reported(made)
        made.post_all()
        after = reported(made)
        newer = shown(made, "b-1")
        assert answered(made, newer, told[1]).agrees
        edited = answered(made, replace(newer, total=D("131.00")), told[1])
    assert before.agrees
    assert only(waits).what == (
        "the source changed after it was posted: amount 100.00 -> 130.00; account Rent 100.00 -> 130.00; "
        "date 2026-02-27 -> 2026-03-02; the next session changes it there"
    )
    assert (after.agrees, after.compared, after.since) == (True, 1, 1)
    assert (newer.total, newer.dated_on, newer.party) == (D("130.00"), "2026-03-02", "V-1")
    assert only(edited).what == "edited in QuickBooks after it was posted: amount 130.00 -> 131.00"


def test_the_source_changed_after_posting() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        made.shop.listed["bills"] = [bill("b-1", "130.00")]
        made.run("bills")
        found = answered(made, told)
    one = only(found)
    assert (one.code, one.source, one.journal, one.books) == ("changed", D("130.00"), D("100.00"), D("100.00"))
    assert one.what == (
        "the source changed after it was posted: amount 100.00 -> 130.00; account Rent 100.00 -> 130.00; "
        "the flow does not send changes of it"
    )
    assert one.do == "correct the entry in QuickBooks by hand"
    assert [sums(line) for line in found.totals] == [("", "130.00", "100.00", "100.00")]


def test_a_change_that_was_made_on_both_sides_agrees() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1", total=D("130.00"), accounts=(("A-RENT", D("130.00")),))
        made.shop.listed["bills"] = [bill("b-1", "130.00")]
        made.run("bills")
        found = answered(made, told)
    one = only(found)
    assert (one.code, one.is_note, found.agrees) == ("settled", True, True)
    assert one.what == "the source changed after it was posted, and QuickBooks was corrected to the same figures"


def test_a_change_that_cannot_be_mapped_counts_with_its_own_amount() -> None:
    lines = [{"account": "Nowhere", "amount": "130.00"}]
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        made.shop.listed["bills"] = [bill("b-1", "130.00", lines=lines)]
        made.run("bills")
        found = answered(made, told)
        with made.world.store.read() as tx:
            alone = report(tx, COMPANY, {})
    one = only(found)
    assert (one.code, one.source, one.journal) == ("changed", D("130.00"), D("100.00"))
    assert "its accounts are not known: the account `Nowhere` is not in the Account list of" in one.what
    assert [sums(line) for line in found.tables["account"]] == [
        ("(not known)", "130.00", "0", "0"),
        ("Rent", "0", "100.00", "100.00"),
    ]
    assert "the flow `shop_to_ledger` is not here to say what it would write" in only(alone).what


def accept(made: Bench, found: Report) -> None:
    with made.world.store.write() as tx:
        at = made.world.at()
        done = worklist.accept(tx, Hand(COMPANY, at, "cli:pat"), [made.record("b-1")], "right so", found.shown)
    assert len(done.moved) == 1


def test_what_was_booked_elsewhere_is_accepted_as_the_books_showed_it() -> None:
    with desk(bill("b-1")) as made:
        moved = shown(made, "b-1", accounts=(("A-FOOD", D("100.00")),))
        found = answered(made, moved)
        assert (only(found).code, only(found).do) == ("edited", PUT_BACK)
        accept(made, found)
        again = answered(made, moved)
        other = answered(made, replace(moved, accounts=(("A-FOOD", D("60.00")), ("A-RENT", D("40.00")))))
    what = "edited in QuickBooks after it was posted: account Rent 100.00 -> 0.00; account Food 0.00 -> 100.00"
    assert (only(again).code, only(again).what, again.agrees, again.shown) == ("accepted", what, True, {})
    assert [sums(line) for line in again.tables["account"]] == [
        ("Food", "0", "0", "100.00"),
        ("Rent", "100.00", "100.00", "0"),
    ]
    assert only(other).code == "edited"


def test_what_the_source_took_back_counts_as_nothing_there() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        made.shop.listed["bills"] = [bill("b-1", status="draft")]
        made.run("bills")
        one = only(answered(made, told))
        voided = answered(made, replace(told, total=D(0), accounts=()))
    assert (one.code, one.source, one.journal, one.books) == ("changed", D(0), D("100.00"), D("100.00"))
    assert one.what == (
        "the source changed after it was posted: amount 100.00 -> 0.00; account Rent 100.00 -> 0.00; the bill is a draft, "
        "and the flow does not take it back"
    )
    assert (
        one.do == "when it is not to be in QuickBooks, void or delete it there by hand; else correct it in the source"
    )
    assert only(voided).code == "settled"


@pytest.mark.parametrize("is_change", [True, False], ids=["a change", "the first"])
def test_what_is_taken_back_while_it_is_under_way_is_told(*, is_change: bool) -> None:
    with desk(bill("b-1"), changes=True, post=is_change) as made:
        now = costs("150.00") if is_change else {}
        made.shop.listed["bills"] = [bill("b-1", **now)]
        made.run("bills")
        sent = made.send()
        assert sent is not None
        made.shop.listed["bills"] = [bill("b-1", status="draft", **now)]
        made.run("bills")
        made.settle(sent)
        for _ in range(2):
            made.run("bills")
            made.post_all()
        assert [kind for kind, _, _ in made.alerts()] == ["drifted"]
        assert not answered(made, shown(made, "b-1")).agrees


def test_a_change_that_was_left_out_hides_no_withdrawal() -> None:
    with desk(bill("b-1"), changes=True) as made:
        told = shown(made, "b-1")
        made.shop.listed["bills"] = [bill("b-1", **costs("150.00"))]
        made.run("bills")
        sent = made.send()
        assert sent is not None
        made.settle(sent, OperationOutcome(sent.operations[0].id, "failed", code="3000", message="no"))
        with made.world.store.write() as tx:
            hand = Hand(COMPANY, made.world.at(), "test")
            assert len(worklist.leave_out(tx, hand, [of(made)], "").moved) == 1
        assert answered(made, told).agrees
        made.shop.listed["bills"] = [bill("b-1", status="draft", **costs("150.00"))]
        made.run("bills")
        found = answered(made, told)
        assert [kind for kind, _, _ in made.alerts()] == ["drifted"]
    assert (found.agrees, only(found).code, only(found).source) == (False, "changed", D(0))
    assert only(found).what.endswith("the bill is a draft, and the flow does not take it back")


def test_what_was_accepted_before_the_books_were_asked_counts_for_what_was_seen_of_it() -> None:
    with desk(bill("b-1")) as made:
        moved = shown(made, "b-1", total=D("120.00"), accounts=(("A-RENT", D("120.00")),))
        with made.outbox.transaction() as view:
            seen = Seen(moved.target_id, "2", ("memo `x` there, `m` here", "amount 120.00 there, 100.00 here"))
            view.holdings.seen(COMPANY, [seen])
        accept(made, reported(made))
        more = replace(moved, total=D("121.00"))
        dated = replace(moved, dated_on="2026-03-03")
        elsewhere = shown(made, "b-1", accounts=(("A-FOOD", D("100.00")),))
        codes = [only(answered(made, told)).code for told in (moved, more, dated, elsewhere, shown(made, "b-1"))]
        assert codes == ["accepted", "edited", "edited", "edited", "accepted"]
        accept(made, answered(made, more))
        with made.outbox.transaction() as view:
            view.holdings.seen(COMPANY, [Seen(moved.target_id, "4", ("amount 122.00 there, 100.00 here",))])
        accept(made, answered(made, shown(made, "b-1")))
        assert only(answered(made, replace(moved, total=D("122.00")))).code == "accepted"


def test_a_change_of_words_alone_is_a_note() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        made.shop.listed["bills"] = [bill("b-1", memo="other words")]
        made.run("bills")
        found = answered(made, told)
    assert (only(found).code, found.agrees) == ("noted", True)
    assert (
        only(found).what
        == "the source changed after it was posted: not its figures; the flow does not send changes of it"
    )


def test_a_source_record_that_changed_before_this_version_is_said_to_be_unknown() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        scope = {
            "id": made.record("b-1")["id"],
            "payload": None,
            "payload_sha256": "x",
            "seen_run": 1,
            "at": made.world.at(),
        }
        with made.world.store.write() as tx:
            tx.run("record_drift", scope)
        found = answered(made, told)
    assert only(found).what == (
        "the source changed after it was posted: what it says now was not kept; the next run reads it again; "
        "the flow does not send changes of it"
    )


def test_a_second_object_with_the_same_marker_counts_twice() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        found = answered(made, told, replace(told, target_id="9Z", reference="", party=""))
    one = only(found)
    assert (one.code, one.target_id, one.source, one.books, one.source_id) == ("twice", "9Z", None, D("100.00"), "b-1")
    assert (one.number, one.party) == ("N-b-1", "Grün & Söhne")  # the books call it nothing
    assert [sums(line) for line in found.totals] == [("", "100.00", "100.00", "200.00")]


def test_a_record_that_has_two_objects_counts_once_on_our_side() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        with made.world.store.write() as tx:
            holdings.add(tx, COMPANY, made.world.at(), made.record("b-1")["id"], Sighting("Bill", "9Z"))
        found = answered(made, told, replace(told, target_id="9Z"))
    assert only(found).code == "twice"
    assert [sums(line) for line in found.totals] == [("", "100.00", "100.00", "200.00")]


@pytest.mark.parametrize("known", [True, False])
def test_a_record_that_was_found_there_counts_as_what_would_be_written(known: bool) -> None:
    with bench(lists=False) as made, registered({"ledger": Counting()}):
        # As after a copy of this store was put back: what wrote the object is not here.
        made.shop.listed["bills"] = [bill("b-1")]
        made.run("bills")
        guid = guid_of(COMPANY, FLOW, "bills", "b-1", "post").strip("{}").lower()
        with made.outbox.transaction() as view:
            seen = Sighting("Bill", "1A", "1", guid)
            view.holdings.sighted(COMPANY, "Bill", [seen], scanned_at=made.world.clock.now())
        assert made.states() == {"b-1": "posted"}
        made.read_lists()
        shares = (("A-RENT", D("100.00")),)
        told = Figures("Bill", "1A", guid, "V-1", "N-b-1", "2026-02-27", D("100.00"), shares)
        programs = {FLOW: made.program} if known else {}
        answered(made, told)
        with made.world.store.read() as tx:
            found = report(tx, COMPANY, programs)
        assert (found.agrees, found.differences, found.compared) == (True, (), 1)
        answered(made, replace(told, total=D("99.00"), accounts=(("A-RENT", D("99.00")),)))
        with made.world.store.read() as tx:
            one = only(report(tx, COMPANY, programs))
    account = "; account Rent 100.00 -> 99.00" if known else ""
    assert one.what == f"edited in QuickBooks after it was posted: amount 100.00 -> 99.00{account}"


def test_an_object_of_a_record_that_was_not_posted() -> None:
    with desk(bill("b-1"), post=False) as made:
        record = made.record("b-1")
        with made.world.store.read() as tx:
            row = tx.one("operation_get", {"id": record["operation_id"]})
        assert row is not None
        found = answered(made, replace(figures("BillAdd", bytes(row["body"])), target_id="1A"))
    one = only(found)
    assert (one.code, one.what) == ("unknown_there", "it is in QuickBooks although its record is intended")
    assert [(line.state, line.records, dict(line.money)) for line in found.unposted] == [
        ("intended", 1, {"EUR": D("100.00")})
    ]


def test_a_marker_that_nobody_here_knows() -> None:
    ours = Figures(
        "Bill", "1A", "7b2c1e0a-1111-5222-8333-444455556666", "V-1", "N", "2026-03-01", D(3), (("A-RENT", D(3)),)
    )
    theirs = replace(ours, target_id="1B", guid="7b2c1e0a-1111-4222-8333-444455556666")
    with desk(bill("b-1")) as made:
        found = answered(made, shown(made, "b-1"), ours, theirs)
    one = only(found)
    assert (one.code, one.target_id, one.record, one.currency, found.others) == ("stranger", "1A", None, "EUR", 1)
    assert [sums(line) for line in found.totals] == [("", "100.00", "100.00", "103.00")]


def test_what_was_edited_besides_money_is_a_note() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        with made.outbox.transaction() as view:
            view.holdings.seen(COMPANY, [Seen(told.target_id, "2", ("memo `a` is now `b`",))])
        found = answered(made, told)
    assert found.agrees
    assert only(found).what == "changed in QuickBooks, the figures are the same: memo `a` is now `b`"


def test_records_that_wait_are_summed_and_not_compared() -> None:
    unknown = [{"account": "Nowhere", "amount": "1.00"}]
    bills = [bill("b-1", "1.00", lines=unknown), bill("b-2", "1.00", lines=unknown, date="2026-04-02"), bill("b-3")]
    with desk(*bills, post=False) as made:
        found = answered(made)
    assert [(line.stream, line.state, line.records, dict(line.money)) for line in found.unposted] == [
        ("bills", "deferred", 1, {"EUR": D("1.00")}),
        ("bills", "intended", 1, {"EUR": D("100.00")}),
    ]
    assert (found.agrees, found.compared) == (True, 0)


def test_a_halt_stands_in_front() -> None:
    with desk(bill("b-1")) as made:
        told = shown(made, "b-1")
        with made.world.store.write() as tx:
            facts.remember(tx, COMPANY, made.world.at(), "halt", {"why": "restored", "records": 1})
        found = answered(made, told)
    assert (found.halted, found.agrees, found.differences) == ("restored", False, ())
