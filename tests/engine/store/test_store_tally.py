"""Tallies: what happened to records by day, counted once each, in the company's days."""

from __future__ import annotations

import json

import pytest

from engine.store import companies, records, tally, work
from engine.store.base import Store, Tx
from engine.store.records import Intake, Move, NewRecord, Reason, State
from engine.store.tally import WITHIN_S, Count, within_s

COMPANY, FLOW = "acme", "flow"
MONDAY, LATER, TUESDAY = "2026-03-02T14:00:00.000000Z", "2026-03-02T14:07:00.000000Z", "2026-03-03T02:30:00.000000Z"
MISSING = Reason("unmapped", "no such vendor", "map it", ("mapping:vendor:v-1",))


def add(tx: Tx, states: list[State], *, phase: str = "post", run: int = 1, first: int = 0) -> list[int]:
    new = [
        NewRecord(
            Intake(f"{phase}-{first + n}", "{}", "0" * 64), state, (MISSING,) if state in ("deferred", "failed") else ()
        )
        for n, state in enumerate(states)
    ]
    return records.insert(tx, records.Place(COMPANY, FLOW, "bills", phase), run, MONDAY, "flowctl", new)


def go(tx: Tx, number: int, at: str, *path: State, reasons: tuple[Reason, ...] = ()) -> None:
    for to in path:
        row = tx.one("record_get", {"id": number})
        assert row is not None
        records.move(tx, COMPANY, at, "flowctl", [Move(row, to, to, reasons if to != "posted" else ())])


def counts(tx: Tx, flow: str = "") -> list[tuple[str, str, int, int]]:
    return [
        (one.day, one.what, one.within_s, one.number)
        for one in tally.of(tx, COMPANY, flow, ("2026-01-01", "2026-12-31"))
    ]


def test_what_is_read_and_what_becomes_of_it(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", MONDAY)
        run = work.begin_run(tx, COMPANY, FLOW, MONDAY)
        one, two, three, _ = add(tx, ["intended", "deferred", "intended", "failed"], run=run)
        go(tx, one, LATER, "sent", "posted", "closed")
        go(tx, two, LATER, "pending", "intended", "sent", "posted")
        go(tx, three, TUESDAY, "sent", "failed", reasons=(MISSING,))
        found = counts(tx)
        kept = tx.one("run_get", {"id": run})
        assert kept is not None
        assert kept["posted"] == 2
        assert tally.begin_on(tx, COMPANY) == "2026-03-02"
        assert tally.begin_on(tx, "nobody") == ""
        assert tally.of(tx, COMPANY, "other", ("2026-01-01", "2026-12-31")) == []
        assert tally.of(tx, COMPANY, FLOW, ("2026-03-03", "2026-03-03")) == [Count("2026-03-03", "failed", 0, 1)]
        assert tally.of(tx, COMPANY, FLOW, ("2026-03-01", "2026-03-31"), by_month=True) == [
            Count("2026-03", "deferred", 0, 1),
            Count("2026-03", "failed", 0, 2),
            Count("2026-03", "posted", 600, 2),
            Count("2026-03", "read", 0, 4),
        ]
    assert found == [
        ("2026-03-02", "deferred", 0, 1),
        ("2026-03-02", "failed", 0, 1),
        ("2026-03-02", "posted", 600, 2),
        ("2026-03-02", "read", 0, 4),
        ("2026-03-03", "failed", 0, 1),
    ]


def test_one_that_waits_again_is_not_counted_again(store: Store) -> None:
    with store.write() as tx:
        (number,) = add(tx, ["deferred"])
        go(tx, number, LATER, "pending", "deferred", reasons=(MISSING,))
        assert counts(tx) == [("2026-03-02", "deferred", 0, 1), ("2026-03-02", "read", 0, 1)]
        # A person tried it again: that it waits is news.
        go(tx, number, LATER, "pending")
        go(tx, number, LATER, "deferred", reasons=(MISSING,))
        assert counts(tx) == [("2026-03-02", "deferred", 0, 2), ("2026-03-02", "read", 0, 1)]


def test_what_only_compares_or_was_only_said_is_left_out(store: Store) -> None:
    with store.write() as tx:
        (watched,) = add(tx, ["deferred"], phase="watch")
        go(tx, watched, LATER, "failed", reasons=(MISSING,))
        (number,) = add(tx, ["intended"])
        go(tx, number, LATER, "sent", "unknown")
        go(tx, number, LATER, "failed", reasons=(Reason("absent", "it is not there"),))
        assert counts(tx) == [("2026-03-02", "read", 0, 1)]


def test_what_was_posted_before_is_not_posted_again(store: Store) -> None:
    with store.write() as tx:
        (number,) = add(tx, ["intended"])
        go(tx, number, LATER, "sent", "posted", "closed", "vanished", "posted")
        assert [row for row in counts(tx) if row[1] == "posted"] == [("2026-03-02", "posted", 600, 1)]


def test_a_caller_that_has_read_a_part_of_the_record(store: Store) -> None:
    with store.write() as tx:
        run = work.begin_run(tx, COMPANY, FLOW, MONDAY)
        (number,) = add(tx, ["unknown"], run=run)
        (row,) = tx.rows("records_parked", {"company": COMPANY, "state": "unknown", "flow": "", "stream": ""})
        assert "created_at" not in row.keys()  # noqa: SIM118 - a row's own `in` asks for values
        records.move(tx, COMPANY, LATER, "cli:pat", [Move(row, "posted", "posted")])
        assert [row for row in counts(tx) if row[1] == "posted"] == [("2026-03-02", "posted", 600, 1)]
        assert [
            (r["id"], r["posted"]) for r in tx.rows("runs_page", {"company": COMPANY, "before": 99, "limit": 9})
        ] == [(run, 1)]
        assert number == 1


def test_days_are_the_companys(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", MONDAY)
        tx.run("company_zone", {"company": COMPANY, "time_zone": "America/Los_Angeles"})
        (number,) = add(tx, ["intended"])
        go(tx, number, TUESDAY, "sent", "posted")  # 18:30 on Monday there
        assert counts(tx) == [("2026-03-02", "posted", 64800, 1), ("2026-03-02", "read", 0, 1)]
        tx.run("company_zone", {"company": COMPANY, "time_zone": "Nowhere/Land"})
        add(tx, ["failed"], first=5)
        assert counts(tx)[0] == ("2026-03-02", "failed", 0, 1)


def test_what_fails_leaves_no_count(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        add(tx, ["failed"])
        raise ZeroDivisionError
    with store.read() as tx:
        assert counts(tx) == []


@pytest.mark.parametrize(
    ("until", "span"),
    [
        (MONDAY, 1),
        ("2026-03-02T14:00:01.000000Z", 1),
        ("2026-03-02T14:00:01.000001Z", 2),
        ("2026-03-02T15:00:00.000000Z", 3600),
        ("2026-03-02T15:00:00.500000Z", 7200),
        ("2099-01-01T00:00:00.000000Z", 3650 * 86400),
        ("2026-03-01T00:00:00.000000Z", 1),
    ],
)
def test_spans(until: str, span: int) -> None:
    assert within_s(MONDAY, until) == span
    assert list(WITHIN_S) == sorted(set(WITHIN_S))


def test_a_run_keeps_what_it_met(store: Store) -> None:
    with store.write() as tx:
        number = work.begin_run(tx, COMPANY, FLOW, MONDAY)
        told = work.Told(({"kind": "store", "message": "busy"},), ({"what": "lists", "at": MONDAY},))
        work.finish_run(tx, number, "failed", {}, LATER, told)
        row = tx.one("run_get", {"id": number})
        assert row is not None
        assert json.loads(row["problems"]) == [{"kind": "store", "message": "busy"}]
        assert json.loads(row["steps"]) == [{"what": "lists", "at": MONDAY}]


def test_what_happens_together_is_counted_once_and_as_much(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", MONDAY)
        run = work.begin_run(tx, COMPANY, FLOW, MONDAY)
        numbers = add(tx, ["intended"] * 4, run=run)
        with tally.together(tx):
            for number in numbers[:2]:
                with tally.together(tx):
                    go(tx, number, LATER, "sent", "posted")
            go(tx, numbers[2], LATER, "sent", "failed", reasons=(MISSING,))
            go(tx, numbers[3], TUESDAY, "sent", "posted")
            assert counts(tx) == [("2026-03-02", "read", 0, 4)]
        kept = tx.one("run_get", {"id": run})
        assert kept is not None
        assert kept["posted"] == 3
        assert counts(tx) == [
            ("2026-03-02", "failed", 0, 1),
            ("2026-03-02", "posted", 600, 2),
            ("2026-03-02", "read", 0, 4),
            ("2026-03-03", "posted", 64800, 1),
        ]


def test_nothing_is_counted_of_what_broke_off(store: Store) -> None:
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", MONDAY)
        (number,) = add(tx, ["intended"])
        with pytest.raises(LookupError), tally.together(tx):
            go(tx, number, LATER, "sent", "posted")
            raise LookupError
        with tally.together(tx):
            pass
        assert counts(tx) == [("2026-03-02", "read", 0, 1)]
