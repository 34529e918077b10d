"""Records: one row a source record for ever, and no move but those that the life of a record knows."""

from __future__ import annotations

import itertools
import json
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Bug
from engine.store import journal, records
from engine.store.base import Store
from engine.store.records import MOVES, Move, NewRecord, Place, Reason, State
from engine.store.sqlite import SqliteStore
from tests.engine.store.rows import AT, COMPANY, LATER, PLACE, REFUSED, add, get, intake

STATES: tuple[State, ...] = get_args(State)
# Written out on its own, so that a change of the table in the code has to be made here as well.
ALLOWED = {
    ("pending", "intended"), ("pending", "deferred"), ("pending", "failed"), ("pending", "skipped"),
    ("deferred", "pending"), ("deferred", "skipped"), ("deferred", "failed"),
    ("skipped", "pending"),
    ("failed", "pending"), ("failed", "skipped"), ("failed", "intended"),
    ("pending", "posted"), ("deferred", "posted"), ("skipped", "posted"), ("failed", "posted"),
    ("intended", "sent"), ("intended", "posted"), ("intended", "failed"), ("intended", "deferred"),
    ("intended", "pending"), ("intended", "skipped"), ("intended", "unknown"), ("intended", "intended"),
    ("sent", "posted"), ("sent", "failed"), ("sent", "deferred"), ("sent", "unknown"), ("sent", "intended"),
    ("unknown", "posted"), ("unknown", "failed"), ("unknown", "deferred"), ("unknown", "sent"), ("unknown", "intended"),
    ("posted", "closed"), ("posted", "vanished"),
    ("closed", "vanished"),
    ("vanished", "posted"), ("vanished", "closed"), ("vanished", "pending"), ("vanished", "skipped"),
}  # fmt: skip


@pytest.mark.parametrize(("start", "end"), list(itertools.product(STATES, STATES)))
def test_every_pair_of_states_is_a_move_or_is_refused(store: Store, start: State, end: State) -> None:
    with store.write() as tx:
        row = add(tx, state=start)
    if (start, end) in ALLOWED:
        with store.write() as tx:
            records.move(tx, COMPANY, LATER, "test", [Move(row, end, "moved")])
        expected, lines = end, 1
    else:
        with pytest.raises(Bug) as caught, store.write() as tx:
            records.move(tx, COMPANY, LATER, "test", [Move(row, end, "moved")])
        assert str(caught.value) == f"record {row['id']} may not go from {start} to {end}"
        expected, lines = start, 0
    with store.read() as tx:
        assert get(tx, row["id"])["state"] == expected
        assert [line["event"] for line in journal.of_record(tx, row["id"])].count("moved") == lines
        assert journal.verify(tx, COMPANY) is None


def test_no_move_leads_back_to_sending_what_was_posted() -> None:
    after = {"posted"}
    while more := {end for start, end in ALLOWED if start in after} - after:
        after |= more
    # The one way leads over a record that was seen to be gone from the target.
    assert {start for start, end in ALLOWED if end in ("pending", "intended", "sent") and start in after} - {
        "pending", "intended", "sent", "unknown", "deferred", "failed", "skipped", "vanished"
    } == set()  # fmt: skip
    assert set(MOVES) == set(STATES)


def test_what_a_record_keeps(store: Store) -> None:
    reasons = (Reason("unmapped", "no such vendor", "map it", ("mapping:vendor:v-1", "list:Vendor")), Reason("x", "y"))
    with store.write() as tx:
        row = add(tx, "b-1", "deferred", reasons=reasons)
    with store.read() as tx:
        # PostgreSQL shows columns by which it finds a record besides.
        row = {name: value for name, value in dict(get(tx, row["id"])).items() if not name.endswith(("_low", "_no"))}
        assert row == {
            "id": 1, "company": "acme", "flow": "flow", "stream": "bills", "source_id": "b-1", "phase": "post",
            "state": "deferred", "payload": '{"id":"b-1"}', "payload_sha256": intake().payload_sha256,
            "mapped_sha256": None, "drifted": 0, "amount": "10.00", "currency": "EUR", "party": "Party",
            "reference": "N-b-1", "dated_on": "2026-03-01", "operation_id": None, "receipt": None, "attempts": 0,
            "seen_run": 1, "first_run": 1, "created_at": AT, "updated_at": AT, "newest": None,
            "reasons": '[{"code":"unmapped","message":"no such vendor","hint":"map it",'
                       '"waits_for":["mapping:vendor:v-1","list:Vendor"]},{"code":"x","message":"y"}]',
        }  # fmt: skip
        assert records.load_reasons(row) == reasons
        (line,) = journal.of_record(tx, row["id"])
        assert (line["event"], line["state_from"], line["state_to"]) == ("read", "", "deferred")
        assert json.loads(line["detail"]) == {
            "payload": intake().payload_sha256,
            "reasons": [r.as_json() for r in reasons],
        }


def test_a_detail_of_its_own_goes_into_the_journal(store: Store) -> None:
    with store.write() as tx:
        new = NewRecord(intake(), "intended", (), "m" * 64, "op-1", {"operation": "op-1"})
        assert records.insert(tx, PLACE, 1, AT, "test", [new]) == [1]
        assert records.insert(tx, PLACE, 1, AT, "test", []) == []
        row = get(tx, 1)
        assert (row["mapped_sha256"], row["operation_id"]) == ("m" * 64, "op-1")
        (line,) = journal.of_record(tx, 1)
        assert json.loads(line["detail"]) == {"payload": intake().payload_sha256, "operation": "op-1"}


def test_one_row_for_a_source_record_and_phase(store: Store) -> None:
    with store.write() as tx:
        add(tx)
        add(tx, place=Place(COMPANY, "flow", "bills", "payment"))
        add(tx, place=Place(COMPANY, "flow", "transactions", "post"))
        add(tx, place=Place(COMPANY, "other", "bills", "post"))
        add(tx, place=Place("zeta", "flow", "bills", "post"))
    with pytest.raises(REFUSED), store.write() as tx:
        add(tx, "b-2")
        add(tx)
    with store.read() as tx:
        assert set(records.known(tx, PLACE, ["b-1", "b-2"])) == {"b-1"}  # the other of the refused page is not there
        assert journal.verify(tx, COMPANY) is None


def test_a_page_is_refused_as_a_whole(store: Store) -> None:
    with store.write() as tx:
        add(tx)
    page = [NewRecord(intake("b-0"), "pending"), NewRecord(intake("b-1"), "pending")]
    with pytest.raises(REFUSED), store.write() as tx:
        records.insert(tx, PLACE, 1, AT, "test", page)
    with store.read() as tx:
        assert set(records.known(tx, PLACE, ["b-0", "b-1"])) == {"b-1"}


def test_known_gives_digests_of_many_ids(store: Store) -> None:
    with store.write() as tx:
        for number in range(5):
            add(tx, f"b-{number}")
    with store.read() as tx:
        found = records.known(tx, PLACE, [f"b-{n}" for n in range(3, 2000)])
        assert {key: (row["state"], row["payload_sha256"]) for key, row in found.items()} == {
            "b-3": ("pending", intake().payload_sha256),
            "b-4": ("pending", intake().payload_sha256),
        }
        assert records.known(tx, PLACE, []) == {}


def test_a_state_that_does_not_exist_is_refused(store: Store) -> None:
    with pytest.raises(REFUSED), store.write() as tx:
        add(tx, state="lost")  # type: ignore[arg-type]


def test_a_record_that_moved_meanwhile_is_not_moved_again(store: Store) -> None:
    with store.write() as tx:
        stale = add(tx)
        other = add(tx, "b-2")
        records.move(tx, COMPANY, LATER, "test", [Move(stale, "skipped", "skipped")])
    with pytest.raises(Bug) as caught, store.write() as tx:
        records.move(tx, COMPANY, LATER, "test", [Move(other, "intended", "x"), Move(stale, "intended", "x")])
    assert str(caught.value) == "record 1 is no longer pending"
    with store.read() as tx:
        assert [get(tx, number)["state"] for number in (1, 2)] == ["skipped", "pending"]


def test_a_move_keeps_what_it_does_not_name(store: Store) -> None:
    with store.write() as tx:
        row = add(tx)
        records.move(tx, COMPANY, AT, "t", [Move(row, "intended", "i", (), "digest", "op-1")])
        records.move(tx, COMPANY, AT, "t", [Move(get(tx, 1), "sent", "s", attempt=True)])
        records.move(
            tx, COMPANY, LATER, "t", [Move(get(tx, 1), "posted", "p", receipt={"TxnID": "1"}, detail={"n": 1})]
        )
        records.move(tx, COMPANY, LATER, "t", [Move(get(tx, 1), "closed", "c")])
        row = get(tx, 1)
        kept = ("mapped_sha256", "operation_id", "receipt", "attempts", "reasons", "created_at", "updated_at")
        assert [row[name] for name in kept] == ["digest", "op-1", '{"TxnID":"1"}', 1, "[]", AT, LATER]
        assert [json.loads(line["detail"]) for line in journal.of_record(tx, 1)][-2:] == [{"n": 1}, {}]


def test_refresh_keeps_what_the_source_says_now(store: Store) -> None:
    with store.write() as tx:
        row = add(tx)
        records.refresh(tx, row["id"], 7, LATER, intake("b-1", '{"id":"b-1","n":2}'))
        row = get(tx, row["id"])
        assert (row["payload"], row["seen_run"], row["updated_at"], row["created_at"]) == (
            '{"id":"b-1","n":2}', 7, LATER, AT,
        )  # fmt: skip


def waiting(*keys: str) -> tuple[Reason, ...]:
    return (Reason("unmapped", "m", "", keys),)


def test_waking_by_key(store: Store) -> None:
    with store.write() as tx:
        add(tx, "b-1", "deferred", reasons=waiting("mapping:vendor:v-1", "list:Vendor"))
        add(tx, "b-2", "deferred", reasons=waiting("mapping:vendor:v-1"))
        add(tx, "b-3", "deferred", reasons=waiting("mapping:vendor:v-10"))
        add(tx, "z-1", "deferred", reasons=waiting("mapping:vendor:v-1"), place=Place("zeta", "flow", "bills", "post"))
        assert records.wake(tx, COMPANY, LATER, "test", "mapping:vendor:v-1") == 2
        assert [get(tx, n)["state"] for n in (1, 2, 3, 4)] == ["pending", "pending", "deferred", "deferred"]
        # What woke waits for nothing any more.
        assert records.wake(tx, COMPANY, LATER, "test", "list:Vendor") == 0
        assert records.wake(tx, COMPANY, LATER, "test", "mapping:vendor:", prefix=True) == 1
        assert json.loads(journal.of_record(tx, 1)[-1]["detail"]) == {"by": "mapping:vendor:v-1"}


def test_a_record_that_leaves_waits_no_more(store: Store) -> None:
    with store.write() as tx:
        row = add(tx, "b-1", "deferred", reasons=waiting("list:Vendor"))
        records.move(tx, COMPANY, LATER, "test", [Move(row, "failed", "failed")])
        records.move(tx, COMPANY, LATER, "test", [Move(get(tx, 1), "pending", "again")])
        records.move(tx, COMPANY, LATER, "test", [Move(get(tx, 1), "deferred", "deferred", waiting("list:Account"))])
        assert records.wake(tx, COMPANY, LATER, "test", "list:Vendor") == 0
        assert records.wake(tx, COMPANY, LATER, "test", "list:Account") == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STATES)), max_size=25))
def test_random_moves_never_leave_the_table_and_are_all_in_the_journal(steps: list[tuple[int, State]]) -> None:
    store = SqliteStore(None)
    try:
        with store.write() as tx:
            for number in range(1, 4):
                add(tx, f"b-{number}")
        model: dict[int, list[str]] = {number: ["pending"] for number in range(1, 4)}
        for number, end in steps:
            try:
                with store.write() as tx:
                    records.move(tx, COMPANY, AT, "test", [Move(get(tx, number), end, "moved")])
            except Bug:
                assert (model[number][-1], end) not in ALLOWED
            else:
                assert (model[number][-1], end) in ALLOWED
                model[number].append(end)
        with store.read() as tx:
            for number, way in model.items():
                assert get(tx, number)["state"] == way[-1]
                lines = journal.of_record(tx, number)
                assert [line["state_to"] for line in lines] == way
                assert [line["state_from"] for line in lines[1:]] == way[:-1]
            assert journal.verify(tx, COMPANY) is None
    finally:
        store.close()
