"""What the source is told: every mark once, in calls under a key of their content, in the order of the posting."""

from __future__ import annotations

import pytest

from engine.contract import MarkCall, Marked, MarkedFailed
from engine.store import marks, records
from engine.store.base import Row, Store, Tx
from engine.store.marks import NewMark
from engine.store.records import Move, Place
from tests.engine.store.rows import AT, COMPANY, LATER, REFUSED, add, calls_due, get


def mark(
    record: Row, outcome: str = "posted", text: str = "T-1", kind: str = "BILL", connection: str = "shop"
) -> NewMark:
    return NewMark("flow", connection, kind, record["id"], record["source_id"], outcome, text)


def tell(tx: Tx, source_id: str = "b-1", outcome: str = "posted", text: str = "T-1", **where: str) -> Row:
    """A record with a mark; returns the record."""
    row = tx.one("records_by_source_id", {"company": COMPANY, "source_id": source_id}) or add(tx, source_id)
    marks.add(tx, COMPANY, mark(row, outcome, text, **where))
    return row


def calls(tx: Tx, at: str = AT) -> list[MarkCall]:
    return [marks.call_of(tx, row) for row in calls_due(tx, COMPANY, "flow", at)]


def states(tx: Tx) -> dict[str, int]:
    return {
        f"{r['outcome']} {r['state']}": r["count"] for r in tx.rows("marks_count", {"company": COMPANY, "flow": ""})
    }


def test_marks_are_grouped_by_connection_and_kind(store: Store) -> None:
    with store.write() as tx:
        for number in range(5):
            tell(tx, f"b-{number}", text=f"T-{number}")
        tell(tx, "b-9", "failed", "no vendor")
        tell(tx, "p-1", kind="PAYMENT")
        tell(tx, "o-1", connection="other")
        assert marks.group(tx, COMPANY, "other", AT, limit=4) == 0
        assert marks.group(tx, "zeta", "flow", AT, limit=4) == 0
        assert marks.group(tx, COMPANY, "flow", AT, limit=4) == 4
        assert marks.group(tx, COMPANY, "flow", AT, limit=4) == 0
        assert [(c.kind, [m.id for m in c.posted], c.failed) for c in calls(tx)] == [
            ("BILL", ["o-1"], ()),
            ("BILL", ["b-0", "b-1", "b-2", "b-3"], ()),
            ("BILL", ["b-4"], (MarkedFailed("b-9", "no vendor"),)),
            ("PAYMENT", ["p-1"], ()),
        ]
        assert states(tx) == {"posted calling": 7, "failed calling": 1}
        assert [c.posted[0] for c in calls(tx)][1] == Marked("b-0", "T-0")


def test_the_key_is_made_of_the_content(store: Store) -> None:
    with store.write() as tx:
        tell(tx, "b-1", text="T-1")
        tell(tx, "b-2", text="T-2")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (call,) = calls(tx)
        # Written down: a key that changed from one release to the next would tell everything twice.
        assert call.idempotency_key == "flowctl-77430c2d57eb2f15e5296d116333a22edd2f4686"


def test_the_same_content_is_never_two_calls(store: Store) -> None:
    with store.write() as tx:
        tell(tx)
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)
    with pytest.raises(REFUSED), store.write() as tx:
        again = {name: row[name] for name in ("company", "flow", "connection", "kind", "request", "idempotency_key")}
        tx.run("mark_call_insert", {**again, "id": 99, "at": LATER})


def test_telling_the_same_twice_is_one_mark(store: Store) -> None:
    with store.write() as tx:
        row = tell(tx)
        marks.add(tx, COMPANY, mark(row))
        assert marks.group(tx, COMPANY, "flow", AT, limit=9) == 1
        (call,) = calls_due(tx, COMPANY, "flow", AT)
        assert len(marks.finish(tx, call["id"], "done")) == 1
        marks.add(tx, COMPANY, mark(row))
        assert marks.group(tx, COMPANY, "flow", AT, limit=9) == 0
        assert states(tx) == {"posted done": 1}


def test_success_drops_failures_that_were_not_told(store: Store) -> None:
    with store.write() as tx:
        row = tell(tx, "b-1", "failed", "no vendor")
        marks.add(tx, COMPANY, mark(row, "failed", "no account"))
        assert states(tx) == {"failed dropped": 1, "failed waiting": 1}
        marks.add(tx, COMPANY, mark(row))
        assert states(tx) == {"failed dropped": 2, "posted waiting": 1}


def test_a_failure_that_comes_back_is_told_again(store: Store) -> None:
    with store.write() as tx:
        row = tell(tx, "b-1", "failed", "no vendor")
        marks.add(tx, COMPANY, mark(row, "failed", "no account"))
        marks.add(tx, COMPANY, mark(row, "failed", "no vendor"))
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        assert [call.failed for call in calls(tx)] == [(MarkedFailed("b-1", "no vendor"),)]


def test_a_failure_under_way_is_not_dropped(store: Store) -> None:
    with store.write() as tx:
        row = tell(tx, "b-1", "failed", "no vendor")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        marks.add(tx, COMPANY, mark(row))
        assert states(tx) == {"failed calling": 1, "posted waiting": 1}


def test_an_acknowledged_call_is_done(store: Store) -> None:
    with store.write() as tx:
        tell(tx, "b-1")
        tell(tx, "b-2", "failed", "x")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)
        assert [m["source_id"] for m in marks.finish(tx, row["id"], "done")] == ["b-1", "b-2"]
        assert calls(tx) == []
        assert states(tx) == {"posted done": 1, "failed done": 1}
        assert tx.rows("mark_calls_waiting", {"company": COMPANY, "flow": "flow"})[0]["count"] == 0


def test_a_refused_call_is_split_into_one_a_mark(store: Store) -> None:
    with store.write() as tx:
        for name in ("b-1", "b-2", "b-3"):
            tell(tx, name)
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)
        (whole,) = calls(tx)
        assert marks.split(tx, COMPANY, row, LATER) == 3
        alone = calls(tx)
        assert [[m.id for m in call.posted] for call in alone] == [["b-1"], ["b-2"], ["b-3"]]
        assert len({call.idempotency_key for call in (whole, *alone)}) == 4
        first = calls_due(tx, COMPANY, "flow", AT)[0]
        assert [m["state"] for m in marks.finish(tx, first["id"], "refused")] == ["refused"]
        assert states(tx) == {"posted refused": 1, "posted calling": 2}


def test_a_call_that_is_put_off_waits(store: Store) -> None:
    with store.write() as tx:
        tell(tx)
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)
        marks.later(tx, row["id"], LATER)
        assert calls(tx) == []
        (again,) = calls_due(tx, COMPANY, "flow", LATER)
        assert dict(again) == {**row, "not_before": LATER}


def test_a_call_counts_from_when_it_is_made_and_not_where_nothing_was_heard(store: Store) -> None:
    with store.write() as tx:
        tell(tx)
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)

        def attempts() -> int:
            (now,) = calls_due(tx, COMPANY, "flow", AT)
            return int(now["attempts"])

        marks.trying(tx, row["id"])
        marks.trying(tx, row["id"])
        assert attempts() == 2
        for left in (1, 0, 0):
            marks.unheard(tx, row["id"])
            assert attempts() == left


def test_what_may_have_been_heard_stays_under_its_key(store: Store) -> None:
    with store.write() as tx:
        rows = [tell(tx, f"b-{number}", text=f"T-{number}") for number in range(4)]
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)
        marks.trying(tx, row["id"])
        ids = [mark["id"] for mark in tx.rows("marks_of_call", {"call_id": row["id"]})]
        # Two of them are told elsewhere, one by hand; whoever has heard all four drops the call that is left.
        assert marks.split_off(tx, COMPANY, row, ids[:2], LATER)
        marks.told_by_hand(tx, COMPANY, ids[0], LATER)
        assert not marks.only_true(tx, COMPANY, row, LATER)
        marks.withdraw(tx, COMPANY, rows[1]["id"], LATER)
        kept, other = calls(tx)
        assert [(kept.idempotency_key == row["idempotency_key"], [m.id for m in kept.posted])] == [(True, ["b-1"])]
        assert [m.id for m in other.posted] == ["b-2", "b-3"]
        marks.told_by_hand(tx, COMPANY, ids[1], LATER)
        assert calls(tx) == [other]


def test_two_marks_of_one_call_are_told_by_hand(store: Store) -> None:
    with store.write() as tx:
        for number in range(3):
            tell(tx, f"b-{number}", text=f"T-{number}")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (row,) = calls_due(tx, COMPANY, "flow", AT)
        found = tx.rows("marks_of_call", {"call_id": row["id"]})
        # The first leaves the others in another call than the one that was read here.
        for mark in found[:2]:
            marks.told_by_hand(tx, COMPANY, mark["id"], LATER)
        assert [[m.id for m in call.posted] for call in calls(tx)] == [["b-2"]]
        assert states(tx) == {"posted done": 2, "posted calling": 1}


def test_a_payment_waits_for_the_call_that_tells_of_its_bill(store: Store) -> None:
    with store.write() as tx:
        tell(tx, "b-1", kind="BILL")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        tell(tx, "b-1", kind="A-PAYMENT")
        tell(tx, "b-2", kind="BILL")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        rows = calls_due(tx, COMPANY, "flow", AT)
        told = [(row["kind"], [m.id for m in marks.call_of(tx, row).posted]) for row in rows]
        assert told == [("BILL", ["b-1"]), ("BILL", ["b-2"])]
        marks.later(tx, rows[0]["id"], LATER)
        # The bill is put off, and so its payment is not told either.
        assert [c.kind for c in calls(tx)] == ["BILL"]
        marks.finish(tx, rows[1]["id"], "done")
        assert calls(tx) == []
        marks.finish(tx, rows[0]["id"], "done")
        assert [c.kind for c in calls(tx)] == ["A-PAYMENT"]


def test_calls_that_wait_for_each_other_go_one_by_one(store: Store) -> None:
    with store.write() as tx:
        # Told as bill then payment of one, and as payment then bill of the other: either call waits for the other one.
        tell(tx, "b-1", kind="A")
        tell(tx, "b-2", kind="B")
        tell(tx, "b-1", kind="B")
        tell(tx, "b-2", kind="A")
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        first = calls_due(tx, COMPANY, "flow", AT)
        assert [row["kind"] for row in first] == ["A"]
        marks.finish(tx, first[0]["id"], "done")
        assert [row["kind"] for row in calls_due(tx, COMPANY, "flow", AT)] == ["B"]


def test_the_first_stream_is_told_first_whatever_was_posted_first(store: Store) -> None:
    with store.write() as tx:
        pay = {name: add(tx, name, place=Place(COMPANY, "flow", "payments", "payment")) for name in ("b-1", "b-2")}
        # The payment of one was found again before its bill, so that either call would wait for the other one.
        marks.add(tx, COMPANY, mark(pay["b-1"], kind="A-PAYMENT"))
        marks.add(tx, COMPANY, mark(add(tx, "b-1")))
        marks.add(tx, COMPANY, mark(add(tx, "b-2")))
        marks.add(tx, COMPANY, mark(pay["b-2"], kind="A-PAYMENT"))
        marks.group(tx, COMPANY, "flow", AT, limit=9)

        def kinds(*streams: str) -> list[str]:
            return [row["kind"] for row in calls_due(tx, COMPANY, "flow", AT, streams)]

        assert kinds("payments", "bills") == ["A-PAYMENT"]
        # A stream that the flow has no more comes last.
        assert kinds("bills") == ["BILL"]
        assert kinds("bills", "payments") == ["BILL"]
        (bills,) = calls_due(tx, COMPANY, "flow", AT, ("bills", "payments"))
        marks.later(tx, bills["id"], LATER)
        assert kinds("bills", "payments") == []
        marks.finish(tx, bills["id"], "done")
        assert kinds("bills", "payments") == ["A-PAYMENT"]


def test_of_calls_that_wait_for_each_other_none_is_tried_alone_for_ever(store: Store) -> None:
    with store.write() as tx:
        for source_id, kind in (("b-1", "A"), ("b-2", "B"), ("b-1", "B"), ("b-2", "A"), ("b-2", "C"), ("b-3", "D")):
            tell(tx, source_id, kind=kind)
        marks.group(tx, COMPANY, "flow", AT, limit=9)

        def due(at: str) -> dict[str, int]:
            return {row["kind"]: row["id"] for row in calls_due(tx, COMPANY, "flow", at)}

        first = due(AT)
        assert list(first) == ["A", "D"]
        marks.trying(tx, first["A"])
        marks.later(tx, first["A"], LATER)
        # Neither the one that is put off, nor one that has nothing to do with them, keeps the other from its turn.
        second = due(AT)
        assert list(second) == ["B", "D"]
        marks.trying(tx, second["B"])
        marks.trying(tx, second["B"])
        marks.later(tx, second["B"], LATER)
        assert list(due(LATER)) == ["A", "D"]


def test_a_refused_mark_is_told_again_under_the_same_key(store: Store) -> None:
    with store.write() as tx:
        row = tell(tx)
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        (first,) = calls_due(tx, COMPANY, "flow", AT)
        marks.finish(tx, first["id"], "refused")
        marks.tell_again(tx, row["id"])
        assert marks.group(tx, COMPANY, "flow", AT, limit=9) == 1
        (again,) = calls_due(tx, COMPANY, "flow", AT)
        assert again["idempotency_key"] == first["idempotency_key"]
        assert [m.id for m in marks.call_of(tx, again).posted] == ["b-1"]
        marks.finish(tx, again["id"], "done")
        marks.tell_again(tx, row["id"])
        assert marks.group(tx, COMPANY, "flow", AT, limit=9) == 0


def test_what_was_posted_twice_is_told_again_under_its_present_id_alone(store: Store) -> None:
    """A person had it posted again after it was gone; the source had refused to hear of both."""
    with store.write() as tx:
        row = add(tx, "b-1", "intended")
        steps: list[tuple[records.State, str]] = [("sent", ""), ("posted", "T-2")]
        for state, target in steps:
            given = Move(get(tx, row["id"]), state, state, receipt={"TxnID": target} if target else None)
            records.move(tx, COMPANY, AT, "test", [given])
        for text in ("T-1", "T-2"):
            marks.add(tx, COMPANY, mark(row, text=text))
            marks.group(tx, COMPANY, "flow", AT, limit=9)
            (call,) = calls_due(tx, COMPANY, "flow", AT)
            marks.finish(tx, call["id"], "refused")
        assert len(tx.rows("marks_refused", {"record_id": row["id"]})) == 1
        marks.tell_again(tx, row["id"])
        marks.group(tx, COMPANY, "flow", AT, limit=9)
        assert [[one.reference for one in call.posted] for call in calls(tx)] == [["T-2"]]
