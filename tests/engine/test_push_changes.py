"""Changes and undoings of what a called target holds, and posted records that the source no longer has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine import absent
from engine.connections import accounts
from engine.errors import Ambiguous, BadAnswer, RateLimited, Rejected, Transient
from engine.follow import Hand
from engine.operator import worklist
from engine.store import journal, records, work
from tests.engine import kit
from tests.engine.chart_kit import FLOW, NAME, Chart, ChartBench, account, chart_bench
from tests.engine.kit import AT, COMPANY, bill

HAND = Hand(COMPANY, AT, "test")
WANTED = "the source wants it again, and what was posted is archived in the target; it is not posted again"


@pytest.fixture
def bench() -> Iterator[ChartBench]:
    with chart_bench() as made:
        made.shop.listed["bills"] = [bill()]
        assert made.go() == ["find N-b-1", "write N-b-1"]
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def source(bench: ChartBench, **fields: Any) -> None:
    bench.shop.listed["bills"] = [{**item, **fields} for item in bench.shop.listed["bills"]]


def gone(bench: ChartBench, *ids: str) -> None:
    """The source lists these no more, and something else, so that the listing is not empty."""
    left = [item for item in bench.shop.listed["bills"] if item["id"] not in ids]
    bench.shop.listed["bills"] = left or [bill("b-9", status="draft")]


def reasons(row: Any) -> list[tuple[str, str]]:
    return [(reason.code, reason.message) for reason in records.load_reasons(row)]


def told(bench: ChartBench) -> list[tuple[str, str]]:
    with bench.world.store.read() as tx:
        return [(row["kind"], row["message"]) for row in work.alerts(tx, COMPANY)]


def hints(bench: ChartBench) -> list[str]:
    with bench.world.store.read() as tx:
        return [row["hint"] for row in work.alerts(tx, COMPANY)]


def receipt(bench: ChartBench) -> dict[str, str]:
    found: dict[str, str] = json.loads(bench.record("b-1")["receipt"])
    return found


# --- changes ----------------------------------------------------------------------------------------------------------


def test_a_change_is_looked_for_and_written_to_its_object(bench: ChartBench) -> None:
    first = bench.chart.asked[-1].body
    source(bench, amount="80.00", memo="late")
    assert bench.go() == ["find BillUpdate:c-1", "write BillUpdate:c-1"]
    asked = bench.chart.asked[-1]
    assert (asked.request, asked.target_id, asked.base) == ("BillUpdate", "c-1", first)
    assert asked.body == asked.whole == b'{"amount":"80.00","memo":"late","number":"N-b-1"}'
    assert bench.chart.objects == {"c-1": {"amount": "80.00", "memo": "late", "number": "N-b-1", "vendor": "v-1"}}
    record = bench.record("b-1")
    assert (record["state"], record["amount"], record["newest"]) == ("closed", "80.00", None)
    assert (receipt(bench), bench.change()["state"], told(bench)) == ({"id": "c-1"}, "closed", [])
    assert [call.posted[0].reference for call in bench.shop.calls] == ["c-1"]
    assert (kit.count(bench.world.store, "holdings"), kit.count(bench.world.store, "pushed")) == (0, 1)
    # The next one is made to what this one wrote.
    source(bench, amount="70.00")
    assert bench.go() == ["find BillUpdate:c-1", "write BillUpdate:c-1"]
    assert bench.chart.asked[-1].base == asked.body
    assert bench.go() == []


def test_an_object_that_is_as_the_change_wants_it_is_not_written(bench: ChartBench) -> None:
    bench.chart.objects["c-1"]["amount"] = "80.00"
    source(bench, amount="80.00")
    assert bench.go() == ["find BillUpdate:c-1"]
    assert (bench.record("b-1")["amount"], bench.change()["state"]) == ("80.00", "closed")


@pytest.mark.parametrize("fault", ["after", "before", "late", BadAnswer("no JSON")])
def test_a_lost_answer_of_a_change_is_looked_for_and_written_again(bench: ChartBench, fault: Any) -> None:
    source(bench, amount="80.00")
    bench.chart.faults[len(bench.chart.calls) + 1] = fault
    assert bench.go()[:2] == ["find BillUpdate:c-1", "write BillUpdate:c-1"]
    assert (bench.change()["state"], bench.record("b-1")["amount"]) == ("unknown", "100.00")
    assert bench.go() == ["find BillUpdate:c-1"]
    bench.passed(61)
    found = {"after": [], "late": ["find BillUpdate:c-1"]}.get(
        str(fault), ["find BillUpdate:c-1", "write BillUpdate:c-1"]
    )
    assert bench.go() == found
    assert (bench.change()["state"], bench.record("b-1")["amount"]) == ("closed", "80.00")
    assert bench.chart.objects["c-1"]["amount"] == "80.00"
    assert len(bench.chart.objects) == 1


def test_a_change_that_is_refused_is_for_a_person(bench: ChartBench) -> None:
    source(bench, amount="80.00")
    bench.chart.faults[len(bench.chart.calls) + 1] = Rejected("the bill is paid", code="P")
    bench.go()
    assert (bench.change()["state"], reasons(bench.change())) == ("failed", [("P", "the bill is paid")])
    assert told(bench) == [("failed", f"{NAME}/bills/N-b-1: the change of the posted record: the bill is paid")]
    source(bench, amount="100.00")
    assert bench.go() == []
    assert (bench.change()["state"], told(bench)) == ("skipped", [])


def test_a_change_that_is_refused_can_be_left_out(bench: ChartBench) -> None:
    source(bench, amount="80.00")
    bench.chart.faults[len(bench.chart.calls) + 1] = Rejected("the bill is paid", hint="then run `flowctl retry ID`")
    bench.go()
    assert hints(bench) == [
        (
            "then run `flowctl retry b-1 --company acme`; "
            "when the target is right as it is, run `flowctl reconcile --leave-out b-1 --company acme`"
        )
    ]
    with bench.world.store.write() as tx:
        assert worklist.named(tx, [bench.change()]) == []
        with pytest.raises(worklist.NotHeld):
            worklist.declare(tx, HAND, bench.change(), "c-1", "it is there")
        assert worklist.clashes(tx, COMPANY) == {bench.change()["id"]}
        assert worklist.leave_out(tx, HAND, [bench.change()], "it was paid so").refused == ()
    assert (bench.go(), bench.change()["state"], told(bench)) == ([], "skipped", [])
    assert (bench.record("b-1")["amount"], bench.chart.objects["c-1"]["amount"]) == ("100.00", "100.00")
    # What the source says next is another change.
    source(bench, amount="70.00")
    assert bench.go() == ["find BillUpdate:c-1", "write BillUpdate:c-1"]
    assert bench.record("b-1")["amount"] == "70.00"


def test_one_that_failed_before_it_was_sent_is_not_left_out(bench: ChartBench) -> None:
    source(bench, amount="none")
    bench.go()
    assert bench.change()["state"] == "failed"
    with bench.world.store.write() as tx:
        assert worklist.clashes(tx, COMPANY) == set()
        assert len(worklist.leave_out(tx, HAND, [bench.change()], "").refused) == 1


def test_a_change_in_doubt_that_is_refused_once_it_has_settled_was_not_made(bench: ChartBench) -> None:
    """A person has paid the bill meanwhile: that the bill is there does not say that it has the new amount."""
    source(bench, amount="80.00")
    paid = Rejected("the bill is paid", code="not_changeable")
    bench.chart.faults |= dict.fromkeys(range(len(bench.chart.calls) + 1, 20), paid)
    bench.chart.faults[len(bench.chart.calls) + 1] = "before"
    bench.go()
    assert bench.go() == ["find BillUpdate:c-1", "Rejected: the bill is paid"]
    assert (bench.change()["state"], [kind for kind, _ in told(bench)]) == ("unknown", ["unknown"])
    bench.passed(61)
    assert bench.go() == ["find BillUpdate:c-1"]
    assert (bench.change()["state"], reasons(bench.change())) == ("failed", [("not_changeable", "the bill is paid")])
    assert told(bench) == [("failed", f"{NAME}/bills/N-b-1: the change of the posted record: the bill is paid")]
    assert bench.record("b-1")["amount"] == bench.chart.objects["c-1"]["amount"] == "100.00"


@pytest.mark.parametrize("made", [False, True])
def test_a_change_that_is_held_is_looked_for_and_not_named(bench: ChartBench, *, made: bool) -> None:
    source(bench, amount="80.00")
    bench.chart.faults |= {len(bench.chart.calls) + number: "before" for number in range(1, 20, 2)}
    for _ in range(8):
        bench.go()
        bench.passed(61)
    assert (bench.change()["state"], [kind for kind, _ in told(bench)]) == ("unknown", ["unknown"])
    assert hints(bench) == [
        (
            "see that the target works, then run `flowctl retry b-1 --not-there --company acme`: "
            "the object is looked at once more, and changed unless it is as it is to be"
        )
    ]
    bench.chart.faults.clear()
    if made:
        bench.chart.objects["c-1"]["amount"] = "80.00"
    with bench.world.store.write() as tx:
        with pytest.raises(worklist.LookedFor) as caught:
            worklist.declare(tx, HAND, bench.change(), "c-1", "it is there")
        assert (str(caught.value), caught.value.hint) == (
            (
                f"{NAME}/bills/b-1: this is a change of what is posted, and that the posted object is there does not say "
                "that it was changed"
            ),
            "run it with --not-there: the object is looked at once more, and changed unless it is as it is to be",
        )
        worklist.declare(tx, HAND, bench.change(), None, "")
    assert bench.go() == ["find BillUpdate:c-1", *(() if made else ("write BillUpdate:c-1",))]
    assert (bench.record("b-1")["amount"], bench.chart.objects["c-1"]["amount"]) == ("80.00", "80.00")
    assert (bench.change()["state"], told(bench)) == ("closed", [])


def test_a_change_while_the_create_is_in_doubt_waits(bench: ChartBench) -> None:
    bench.shop.listed["bills"].append(bill("b-2"))
    bench.chart.faults[len(bench.chart.calls) + 1] = "late"
    bench.go()
    source(bench, amount="80.00")
    bench.shop.listed["bills"][0] = bill()
    assert bench.go() == ["find N-b-2"]
    assert bench.states()["b-2"] == "unknown"
    bench.passed(61)
    assert bench.go() == ["find N-b-2", "find BillUpdate:c-2", "write BillUpdate:c-2"]
    assert bench.chart.objects["c-2"]["amount"] == "80.00"
    assert bench.names() == ["N-b-1", "N-b-2"]


def test_what_cannot_be_changed_is_told_in_the_words_of_the_flow() -> None:
    cannot = "cannot: {vendor: it was moved to another vendor, due: the due date has changed}"
    text = FLOW.replace("request: BillUpdate}", f"request: BillUpdate, {cannot}}}")
    text = text.replace("memo: memo}", "memo: memo, due: due}")
    assert text.count("due: due}") == 1
    with chart_bench(text) as bench:
        bench.shop.listed["bills"] = [bill()]
        assert bench.go() == ["find N-b-1", "write N-b-1"]
        # A name that is in no request is watched as well.
        source(bench, due="2026-05-05", memo="m")
        assert bench.go() == []
        assert reasons(bench.change()) == [("not_changeable", "the due date has changed")]
        source(bench, due="2026-05-05", vendor={"id": "v-7", "name": "Other"})
        assert bench.go() == []
        message = "it was moved to another vendor; the due date has changed"
        assert (bench.change()["state"], reasons(bench.change())) == ("deferred", [("not_changeable", message)])
        assert told(bench) == [("deferred", f"{NAME}/bills/N-b-1: the change of the posted record: {message}")]


def test_what_the_target_cannot_change_is_for_a_person(bench: ChartBench) -> None:
    source(bench, vendor={"id": "v-7", "name": "Other"}, memo="m")
    assert bench.go() == []
    assert (bench.change()["state"], reasons(bench.change())) == (
        "deferred",
        [("not_changeable", "BillUpdate cannot change `vendor`")],
    )
    assert told(bench) == [
        ("deferred", f"{NAME}/bills/N-b-1: the change of the posted record: BillUpdate cannot change `vendor`")
    ]
    with bench.world.store.read() as tx:
        assert worklist.clashes(tx, COMPANY) == {bench.change()["id"]}
    with bench.world.store.write() as tx:
        assert worklist.leave_out(tx, HAND, [bench.change()], "done by hand").refused == ()
    assert (bench.go(), bench.change()["state"], told(bench)) == ([], "skipped", [])


# --- undoing ----------------------------------------------------------------------------------------------------------


def test_what_the_source_deletes_is_archived(bench: ChartBench) -> None:
    source(bench, status="void", vendor=None, number=None)
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    asked = bench.chart.asked[-1]
    assert (asked.request, asked.target_id, asked.body) == ("BillArchive", "c-1", b"{}")
    assert asked.base == b'{"amount":"100.00","number":"N-b-1","vendor":"v-1"}'
    record = bench.record("b-1")
    assert (record["state"], record["amount"]) == ("closed", "0.00")
    assert receipt(bench) == {"id": "c-1", "voided": "here", "undone": "archived"}
    assert reasons(record) == [("voided", "the source no longer wants it, and it was archived there")]
    with bench.world.store.read() as tx:
        last = journal.of_record(tx, bench.change()["id"])[-1]
    assert json.loads(last["detail"])["why"] == "it is archived as the source says"
    assert (bench.go(), told(bench)) == ([], [])


def test_what_a_person_has_archived_is_not_archived_again(bench: ChartBench) -> None:
    bench.chart.objects["c-1"]["archived"] = True
    source(bench, status="void")
    assert bench.go() == ["find BillArchive:c-1"]
    assert receipt(bench)["voided"] == "there"
    assert reasons(bench.record("b-1")) == [
        ("voided", "the source no longer wants it, and a person had archived it there")
    ]


@pytest.mark.parametrize("fault", ["after", "before"])
def test_a_lost_answer_of_an_undo_is_looked_for(bench: ChartBench, fault: Any) -> None:
    source(bench, status="void")
    bench.chart.faults[len(bench.chart.calls) + 1] = fault
    bench.go()
    bench.passed(61)
    bench.go()
    assert (receipt(bench)["voided"], bench.chart.objects["c-1"]["archived"]) == ("here", True)


def test_what_is_wanted_again_after_it_was_archived_is_told(bench: ChartBench) -> None:
    source(bench, status="void")
    bench.go()
    source(bench, status="open", amount="70.00")
    assert bench.go() == []
    assert told(bench) == [("drifted", f"{NAME}/bills/N-b-1: {WANTED}")]


def test_what_never_was_posted_is_not_posted_to_be_archived(bench: ChartBench) -> None:
    bench.shop.listed["bills"].append(bill("b-2", status="void"))
    assert bench.go() == []
    assert bench.reasons("b-2") == [("undone", "the source does not want it any more")]


def test_what_refers_to_an_archived_object_says_so(bench: ChartBench) -> None:
    text = FLOW.replace("memo: memo}", "memo: \"(memo && posted('bills', memo).id)\"}")
    with chart_bench(text) as made:
        made.shop.listed["bills"] = [bill(status="open")]
        made.go()
        source(made, status="void")
        made.go()
        made.shop.listed["bills"].append(bill("b-2", memo="b-1"))
        made.go()
        assert made.reasons("b-2") == [("voided", "bills/N-b-1 was posted and is archived in Chart")]


def test_a_word_for_it_that_no_connector_gives() -> None:
    with chart_bench() as made:
        made.shop.listed["vendors"] = [{"id": "a-1", "name": "A", "status": "open", "country": "x"}]
        made.go()
        made.shop.listed["vendors"][0] = {**made.shop.listed["vendors"][0], "status": "closed"}
        assert made.go() == ["find AccountHide:c-1", "write AccountHide:c-1"]
        assert [text for _, text in made.reasons("a-1", "accounts")] == [
            "the source no longer wants it, and it was taken back there"
        ]


# --- what can be brought back -----------------------------------------------------------------------------------------


@pytest.fixture
def hidden() -> Iterator[ChartBench]:
    """A bench whose account was hidden since its source closed it."""
    with chart_bench() as made:
        made.shop.listed["vendors"] = [account(1)]
        made.go()
        made.shop.listed["vendors"] = [account(1, status="closed")]
        made.go()
        assert made.chart.objects["c-1"]["archived"] is True
        yield made
        assert len(made.chart.objects) == 1
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def test_what_is_wanted_again_is_brought_back(hidden: ChartBench) -> None:
    uploaded = next(op for op in hidden.chart.made if op.request == "AccountUpload")
    hidden.shop.listed["vendors"] = [account(1)]
    assert hidden.go() == ["find AccountUpdate:c-1", "write AccountUpdate:c-1"]
    assert hidden.chart.objects["c-1"] == {"id": "a-1", "name": "Account 1", "group": "x"}
    assert hidden.chart.asked[-1].base == uploaded.body
    record = hidden.record("a-1", "accounts")
    assert (record["state"], json.loads(record["receipt"]), reasons(record)) == ("closed", {"id": "c-1"}, [])
    assert (hidden.go(), told(hidden)) == ([], [])
    # And once more, from the start.
    hidden.shop.listed["vendors"] = [account(1, status="closed")]
    assert hidden.go() == ["find AccountHide:c-1", "write AccountHide:c-1"]
    hidden.shop.listed["vendors"] = [account(1, name="Other")]
    assert hidden.go() == ["find AccountUpdate:c-1", "write AccountUpdate:c-1"]
    assert hidden.chart.objects["c-1"]["name"] == "Other"


def test_what_was_to_be_brought_back_and_is_closed_again_stays_hidden(hidden: ChartBench) -> None:
    hidden.shop.listed["vendors"] = [account(1)]
    hidden.chart.faults[len(hidden.chart.calls)] = Transient("502")
    hidden.go()
    assert hidden.change(2, "a-1", "accounts")["state"] == "intended"
    hidden.shop.listed["vendors"] = [account(1, status="closed")]
    assert (hidden.go(), hidden.change(2, "a-1", "accounts")["state"]) == ([], "skipped")
    assert (hidden.chart.objects["c-1"]["archived"], told(hidden)) == (True, [])


def test_a_lost_answer_of_bringing_back_is_looked_for(hidden: ChartBench) -> None:
    hidden.shop.listed["vendors"] = [account(1)]
    hidden.chart.faults[len(hidden.chart.calls) + 1] = "before"
    hidden.go()
    hidden.shop.listed["vendors"] = [account(1, name="Other")]
    hidden.passed(61)
    hidden.go()
    assert hidden.chart.objects["c-1"] == {"id": "a-1", "name": "Other", "group": "x"}
    assert (told(hidden), hidden.record("a-1", "accounts")["newest"]) == ([], None)


def test_bringing_back_that_was_refused_is_tried_again_by_a_person(hidden: ChartBench) -> None:
    hidden.shop.listed["vendors"] = [account(1)]
    hidden.chart.faults[len(hidden.chart.calls) + 1] = Rejected("not now")
    hidden.go()
    assert hidden.change(2, "a-1", "accounts")["state"] == "failed"
    with hidden.world.store.write() as tx:
        worklist.retry(tx, HAND, [hidden.change(2, "a-1", "accounts")], "")
    assert hidden.go() == ["find AccountUpdate:c-1", "write AccountUpdate:c-1"]
    assert told(hidden) == []


@pytest.mark.parametrize("key", ["v-1", "v-77"])
def test_what_a_person_corrects_during_a_call_that_was_not_made_is_prepared_anew(
    bench: ChartBench, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """The service says that it has enough of us: nothing was written, and what waits is what the person wants by now."""
    bench.shop.listed["bills"].append(bill("b-2"))

    def write(_self: Chart, _operation: object) -> None:
        with bench.world.store.write() as tx:
            detail = {"lookup": "vendor", "key": key, "full_name": "Right One", "list_id": "V-9"}
            journal.append(tx, COMPANY, AT, "ann", [journal.Entry("mapped", NAME, detail=detail)])
        raise RateLimited("slow down", retry_after_s=600)

    with monkeypatch.context() as patched:
        patched.setattr(Chart, "write", write)
        bench.go()
    assert bench.states()["b-2"] == ("pending" if key == "v-1" else "intended")
    bench.passed(700)
    bench.go()
    assert bench.states()["b-2"] == "closed"


# --- what a complete listing does not show ----------------------------------------------------------------------------


def test_a_posted_record_that_is_not_listed_is_asked_for_and_its_news_taken(bench: ChartBench) -> None:
    bench.shop.singles["b-1"] = bill(status="void")
    gone(bench, "b-1")
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    assert (bench.shop.gets, receipt(bench)["voided"]) == (["bills/b-1"], "here")
    # What is archived is not asked for again.
    assert (bench.go(), bench.shop.gets) == ([], ["bills/b-1"])


def test_one_that_is_merely_not_listed_stays(bench: ChartBench) -> None:
    bench.shop.singles["b-1"] = bill()
    gone(bench, "b-1")
    assert (bench.go(), bench.shop.gets, bench.states()["b-1"]) == ([], ["bills/b-1"], "closed")
    bench.shop.singles["b-1"] = bill(amount="60.00")
    assert bench.go() == ["find BillUpdate:c-1", "write BillUpdate:c-1"]


def test_what_the_source_no_longer_has_is_archived(bench: ChartBench) -> None:
    gone(bench, "b-1")
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    assert bench.chart.asked[-1].body == b"{}"
    assert receipt(bench) == {"id": "c-1", "voided": "here", "undone": "archived", "gone": "true"}
    assert reasons(bench.record("b-1")) == [("voided", "the source no longer has it, and it was archived there")]
    assert (bench.go(), bench.shop.gets, told(bench)) == ([], ["bills/b-1"], [])
    # Back as it was, it is news: nothing is posted a second time.
    bench.shop.listed["bills"] = [bill()]
    assert bench.go() == []
    assert told(bench) == [("drifted", f"{NAME}/bills/N-b-1: {WANTED}")]
    assert bench.names() == ["N-b-1"]


def test_what_comes_back_before_it_was_archived_stays(bench: ChartBench) -> None:
    gone(bench, "b-1")
    bench.chart.faults[len(bench.chart.calls)] = Transient("502")
    assert bench.go() == ["find BillArchive:c-1", "Transient: 502"]
    # It is asked for again while it waits, and stays prepared.
    assert (bench.go(), bench.change()["state"]) == ([], "intended")
    bench.shop.listed["bills"] = [bill()]
    assert bench.go() == []
    assert (bench.change()["state"], reasons(bench.change())) == (
        "skipped",
        [("taken_back", "the source says again what is posted")],
    )
    gone(bench, "b-1")
    bench.passed(61)
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]


def test_what_comes_back_while_it_is_being_archived_is_told(bench: ChartBench) -> None:
    gone(bench, "b-1")
    bench.chart.faults[len(bench.chart.calls) + 1] = "after"
    bench.go()
    assert bench.change()["state"] == "unknown"
    bench.shop.listed["bills"] = [bill()]
    assert bench.go() == ["find BillArchive:c-1"]
    assert [kind for kind, _ in told(bench)] == ["drifted"]
    assert bench.chart.objects["c-1"]["archived"] is True


def test_a_change_that_waits_gives_way_to_the_undoing(bench: ChartBench) -> None:
    source(bench, vendor={"id": "v-7", "name": "Other"})
    bench.go()
    assert bench.change()["state"] == "deferred"
    gone(bench, "b-1")
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    assert (bench.change()["state"], told(bench)) == ("closed", [])


def test_an_undoing_that_was_refused_waits_for_a_person(bench: ChartBench) -> None:
    gone(bench, "b-1")
    bench.chart.faults[len(bench.chart.calls) + 1] = Rejected("it is paid")
    bench.go()
    assert told(bench) == [("failed", f"{NAME}/bills/N-b-1: the change of the posted record: it is paid")]
    assert (bench.go(), bench.go(), bench.change()["state"]) == ([], [], "failed")
    with bench.world.store.write() as tx:
        worklist.retry(tx, HAND, [bench.change()], "")
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    assert told(bench) == []


def test_so_many_are_asked_for_in_one_read(bench: ChartBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent, "POSTED", 2)
    bench.shop.listed["bills"] = [bill(f"b-{number}") for number in range(1, 6)]
    bench.go()
    bench.shop.singles.update({item["id"]: item for item in bench.shop.listed["bills"]})
    gone(bench, *(f"b-{number}" for number in range(1, 6)))
    for _ in range(3):
        assert bench.go() == []
    assert bench.shop.gets == [f"bills/b-{number}" for number in (1, 2, 3, 4, 5, 1)]


def test_those_that_cannot_be_asked_for_have_had_their_turn(bench: ChartBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent, "POSTED", 1)
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.go()
    bench.shop.listed["bills"].append(bill("b-3"))
    bench.shop.singles["b-1"] = Rejected("not for you")
    gone(bench, "b-1", "b-2")
    bench.go()
    assert "find BillArchive:c-2" in bench.go()


def test_a_source_that_lists_nothing_undoes_nothing_that_it_does_not_know(bench: ChartBench) -> None:
    bench.shop.listed["bills"] = []
    assert (bench.go(), bench.shop.gets) == ([], ["bills/b-1"])
    said = "the source lists nothing at all, and does not know a record that is posted, as b-1: nothing is undone"
    assert told(bench) == [("drifted", f"{NAME}/bills: {said}")]
    # It is one alert as long as nothing is listed; when the source has it again, nobody need look any more.
    assert (bench.go(), bench.go(), len(told(bench))) == ([], [], 1)
    bench.shop.listed["bills"] = [bill()]
    assert (bench.go(), told(bench)) == ([], [])


def test_what_is_missed_and_then_not_listed_beside_others_is_archived(bench: ChartBench) -> None:
    bench.shop.listed["bills"] = []
    bench.go()
    gone(bench, "b-1")
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    assert told(bench) == []


def test_a_source_that_lists_nothing_may_say_itself_that_a_record_is_void(bench: ChartBench) -> None:
    bench.shop.listed["bills"] = []
    bench.shop.singles["b-1"] = bill(status="void")
    assert bench.go() == ["find BillArchive:c-1", "write BillArchive:c-1"]
    assert (receipt(bench)["voided"], told(bench)) == ("here", [])


def test_another_account_is_not_asked_for_what_was_posted_from_the_one_before(
    bench: ChartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not have them, and that says nothing."""
    monkeypatch.setattr(absent, "POSTED", 1)
    with bench.world.store.write() as tx:
        accounts.told(tx, HAND, "shop", "acct-1", "One")
    bench.world.clock.sleep(3600)
    with bench.world.store.write() as tx:
        accounts.told(tx, Hand(COMPANY, bench.world.at(), "test"), "shop", "acct-2", "Two")
    bench.world.clock.sleep(3600)
    bench.shop.listed["bills"] = [bill("b-7"), bill("b-8")]
    bench.go()
    bench.shop.listed["bills"] = [bill("b-8")]
    bench.go()
    assert (bench.shop.gets, bench.record("b-1")["state"]) == (["bills/b-7"], "closed")
    assert "archived" not in bench.chart.objects["c-1"]


def test_without_gone_nothing_is_asked_for() -> None:
    with chart_bench(FLOW.replace(" gone: true,", "")) as made:
        made.shop.listed["bills"] = [bill(), bill("b-2")]
        made.go()
        gone(made, "b-1")
        assert (made.go(), made.shop.gets) == ([], [])


def test_one_that_cannot_be_asked_for_keeps_no_other(bench: ChartBench) -> None:
    bench.shop.listed["bills"].append(bill("b-2"))
    bench.go()
    bench.shop.singles["b-1"] = Rejected("not for you")
    gone(bench, "b-1", "b-2")
    assert bench.go() == ["find BillArchive:c-2", "write BillArchive:c-2", "Rejected: not for you"]
    assert "archived" not in bench.chart.objects["c-1"]


def test_another_record_than_was_asked_for_is_not_taken(bench: ChartBench) -> None:
    bench.shop.singles["b-1"] = bill("b-7", status="void")
    gone(bench, "b-1")
    assert bench.go() == []
    assert told(bench)[0][1].startswith(f"{NAME}/bills: a record was not taken in: `b-1` was asked for and `b-7` came")


def test_a_listing_that_ends_early_asks_for_nothing(bench: ChartBench) -> None:
    gone(bench, "b-1")
    bench.shop.faults = [None, Ambiguous("cut off")]
    bench.shop.page_size = 1
    bench.go()
    assert bench.shop.gets == []
