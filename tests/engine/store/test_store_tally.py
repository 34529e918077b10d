"""Tallies: what happened to records by day, counted once each, in the company's days."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from engine.clock import from_iso, iso
from engine.store import companies, journal, records, tally, work
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


def test_one_that_waited_and_is_left_out_now_is_counted(store: Store) -> None:
    """Such as a bill that waited for a mapping, and was voided in the source meanwhile."""
    gone = Reason("gone", "the source no longer has it")
    with store.write() as tx:
        one, two = add(tx, ["deferred", "deferred"])
        go(tx, one, LATER, "pending", reasons=(MISSING,))
        go(tx, one, LATER, "skipped", reasons=(gone,))
        go(tx, two, LATER, "failed", "pending", reasons=(MISSING,))
        go(tx, two, LATER, "deferred", reasons=(MISSING,))
        assert counts(tx) == [
            ("2026-03-02", "deferred", 0, 3),
            ("2026-03-02", "failed", 0, 1),
            ("2026-03-02", "read", 0, 2),
            ("2026-03-02", "skipped", 0, 1),
        ]


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


@pytest.mark.parametrize("seed", range(8))
def test_the_tallies_are_what_the_journal_tells(store: Store, seed: int) -> None:
    """A random life of some records, some of it rolled back; then all is counted again from the journal alone."""
    chance = Random(seed)
    ids: list[int] = []
    at = from_iso(MONDAY)
    with store.write() as tx:
        companies.add(tx, COMPANY, "Acme", MONDAY)
        tx.run("company_zone", {"company": COMPANY, "time_zone": "America/Los_Angeles"})
        runs = [work.begin_run(tx, COMPANY, FLOW, MONDAY) for _ in range(3)]
    for turn in range(400):
        at += timedelta(seconds=chance.choice((0, 1, 50, 4000)))
        try:
            with store.write() as tx:
                made = _step(tx, chance, ids, runs, (iso(at), turn))
                _perhaps_not(chance)
            ids += made
        except Undone:
            pass
    with store.read() as tx:
        told, posted = _recounted(tx)
        found = {(one.day, one.what, one.within_s): one.number for one in tally.of(tx, COMPANY, "", ("2026", "2027"))}
        kept = {
            row["id"]: row["posted"] for row in tx.rows("runs_page", {"company": COMPANY, "before": 99, "limit": 9})
        }
    assert found == dict(told)
    assert kept == {run: posted[run] for run in runs}
    assert {what for _, what, _ in found} == {"read", "posted", "deferred", "failed", "skipped"}


class Undone(Exception):
    """Whoever wrote has changed its mind."""


def _perhaps_not(chance: Random) -> None:
    if chance.random() < 0.1:
        raise Undone


def _step(tx: Tx, chance: Random, ids: list[int], runs: list[int], when: tuple[str, int]) -> list[int]:
    """New records, or a move of one that the rules allow; the ids of the new ones."""
    at, turn = when
    if not ids or chance.random() < 0.15:
        states: list[State] = [
            chance.choice(("pending", "intended", "deferred", "failed", "skipped")) for _ in range(3)
        ]
        new = [
            NewRecord(Intake(f"t-{turn}-{n}", "{}", "0" * 64), state, (MISSING,) if state == "deferred" else ())
            for n, state in enumerate(states)
        ]
        place = records.Place(COMPANY, FLOW, "bills", chance.choice(("post", "post", "watch")))
        return records.insert(tx, place, chance.choice(runs), at, "flowctl", new)
    row = tx.one("record_get", {"id": chance.choice(ids)})
    assert row is not None
    to: State = chance.choice(sorted(records.MOVES[row["state"]]))  # type: ignore[arg-type]
    if to == "pending" and row["reasons"] != "[]" and chance.random() < 0.5:
        # It is looked at again, and keeps its reasons until that is done.
        records.move(tx, COMPANY, at, "flowctl", [Move(row, to, "woken", records.load_reasons(row))])
        return []
    said = to != "pending" and chance.random() < 0.2
    why = (Reason("absent", "it is not there"),) if said else (MISSING,) if to in ("deferred", "failed") else ()
    event = "absent" if said else "replayed" if to == "pending" else to
    records.move(tx, COMPANY, at, "flowctl", [Move(row, to, event, why)])
    return []


def _recounted(tx: Tx) -> tuple[Counter[tuple[str, str, int]], Counter[int]]:
    """What the journal tells, by day, kind and span, and how many of each run are posted."""
    told: Counter[tuple[str, str, int]] = Counter()
    posted: Counter[int] = Counter()
    read_at: dict[int, str] = {}
    woken_from: dict[int, str] = {}
    for line in journal.lines(tx, COMPANY):
        number, to, came_from, at = line["record_id"], line["state_to"], line["state_from"], line["at"]
        if number is None:
            continue
        record = tx.one("record_get", {"id": number})
        assert record is not None
        day, is_read = tally.day_in(at, "America/Los_Angeles"), line["event"] == "read"
        read_at.setdefault(number, at)
        waited, woken_from[number] = woken_from.get(number, ""), came_from if line["event"] == "woken" else ""
        if record["phase"] == "watch" and to != "posted":
            continue
        if is_read:
            told[day, "read", 0] += 1
        if to == "posted" and came_from not in ("posted", "closed", "vanished"):
            told[day, to, within_s(read_at[number], at)] += 1
            posted[record["first_run"]] += 1
        elif to in ("deferred", "failed", "skipped") and (
            is_read or (line["event"] != "absent" and (to == "failed" or waited != to))
        ):
            told[day, to, 0] += 1
    return told, posted


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
