"""What the source undoes: reconciled at nothing on every side, known again after a restore, never posted to be undone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connectors.qbwc.figures import figures
from engine.contract import ListObject, OperationOutcome
from engine.evidence import VOIDED_THERE, Figures, Sighting, plain_guid
from engine.follow import Hand
from engine.operator import worklist
from engine.overview import overview
from engine.pipeline import guid_of
from engine.reconcile.sides import nothing
from engine.registry import registered
from engine.spec import RequestSpec
from engine.store import holdings, marks, records, work
from tests.engine.kit import ACCOUNTS, AT, COMPANY, FLOW, LEDGER, YAML, Bench, bench, bill
from tests.engine.test_changes import change, costs, of, operation, post, reasons, send, settle
from tests.engine.test_reconcile import Counting, answered, only, shown, sums

UNDO = "undo: {when: status == 'void', request: TxnVoid, template: txn_void.xml.j2}"
ALONE = YAML.replace("template: bill_add.xml.j2}", f"template: bill_add.xml.j2, {UNDO}}}")
BOTH = YAML.replace(
    "template: bill_add.xml.j2}",
    f"template: bill_add.xml.j2, change: {{request: BillMod, template: bill_mod.xml.j2}}, {UNDO}}}",
)
HAND = Hand(COMPANY, AT, "test")
SPEC = replace(LEDGER, requests=(*LEDGER.requests, RequestSpec("TxnVoid", "void", undoes=("Bill",))))


@contextmanager
def undoing(text: str = BOTH, *, posted: bool = True) -> Iterator[Bench]:
    with bench(text) as made, registered({"ledger": Counting(SPEC)}):
        made.read_lists(accounts=(*ACCOUNTS, ListObject("A-FOOD", "Food", number="6300")))
        made.shop.listed["bills"] = [bill()]
        if posted:
            post(made, "closed")
        yield made


def voided(made: Bench, **outcome: Any) -> None:
    """The source voids the bill, and the ledger has done it."""
    change(made, status="void")
    settle(made, send(made), **outcome)


# --- what is prepared


def test_the_undo_is_a_change_of_its_own_and_maps_nothing() -> None:
    with undoing() as made:
        record = made.record("b-1")
        # What the map would need is not there any more.
        assert change(made, status="void", vendor={"id": "v-7", "name": "Nobody"}) == {"read": 1, "intended": 1}
        one = operation(made, of(made))
        receipt = json.loads(record["receipt"])
        assert (one["request"], one["target_id"], one["base_id"]) == (
            "TxnVoid",
            receipt["TxnID"],
            record["operation_id"],
        )
        assert bytes(one["body"]).decode() == (
            f'<TxnVoidRq requestID="{one["id"]}"><TxnVoidType>Bill</TxnVoidType><TxnID>{receipt["TxnID"]}</TxnID>'
            "</TxnVoidRq>"
        )
        assert (json.loads(one["mapped"]), json.loads(one["follow_up"])) == ({"kind": "Bill"}, {"undo": True})
        assert one["guid"] == operation(made, record)["guid"]
        # Read as it is, or with news of no meaning, it stays as it was prepared.
        assert change(made, unread="x") == {"read": 1}
        assert operation(made, of(made))["id"] == one["id"]


def test_after_a_modify_the_last_bytes_are_the_base() -> None:
    with undoing() as made:
        change(made, **costs("80.00"))
        settle(made, send(made))
        change(made, status="void")
        one = operation(made, of(made, 2))
        assert (one["request"], one["base_id"]) == ("TxnVoid", made.record("b-1")["operation_id"])
        assert b"<TxnVoidType>Bill</TxnVoidType>" in bytes(one["body"])
        with made.outbox.transaction() as desk:
            (handed,) = desk.operations.next(COMPANY, 9)
        assert handed.base.startswith(b"<BillModRq")


@pytest.mark.parametrize("first", [{"status": "void"}, costs("80.00")])
def test_a_change_becomes_an_undo_and_the_other_way_round(first: dict[str, Any]) -> None:
    with undoing() as made:
        change(made, **first)
        was = operation(made, of(made))["request"]
        second = {"status": "void"} if was == "BillMod" else {"status": "open", **costs("80.00")}
        change(made, **second)
        assert {was, operation(made, of(made))["request"]} == {"BillMod", "TxnVoid"}
        assert made.alerts() == []


def test_without_a_change_the_undo_alone_is_made() -> None:
    with undoing(ALONE) as made:
        change(made, **costs("80.00"))
        assert made.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]
        voided(made)
        assert (records.is_voided(made.record("b-1")), made.alerts()) == (True, [])


def test_what_is_not_selected_any_more_and_not_undone_is_told() -> None:
    with undoing(ALONE) as made:
        # Nothing that is written has changed.
        change(made, status="draft")
        assert made.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]
        change(made, status="open")
        assert made.alerts() == []


def test_a_condition_that_cannot_be_told_is_for_a_person() -> None:
    with undoing(BOTH.replace("status == 'void'", "money(code) > `1`")) as made:
        change(made, code="x")
        assert of(made)["state"] == "failed"
        assert [code for code, _ in reasons(of(made))] == ["expression"]
        assert [kind for kind, _, _ in made.alerts()] == ["failed"]


def test_what_cannot_be_told_of_a_voided_record_is_not_said_to_be_wanted_again() -> None:
    with undoing(BOTH.replace("status == 'void'", "money(code) > `1`")) as made:
        change(made, code="2")
        settle(made, send(made))
        assert (records.is_voided(made.record("b-1")), made.alerts()) == (True, [])
        change(made, code="x")
        with made.world.store.read() as tx:
            (told,) = [row["message"] for row in work.alerts(tx, COMPANY)]
        assert told == (
            f"{FLOW}/bills/N-b-1: it is voided in the target, and whether the source still says so cannot be told: "
            "`money(code) > `1``: money(): `x` is not an amount; nothing is done"
        )
        change(made, code="3")
        assert made.alerts() == []
        change(made, code="1")
        assert made.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]


def test_what_the_source_has_undone_is_not_posted_first() -> None:
    with undoing(posted=False) as made:
        change(made, status="void")
        assert (made.record("b-1")["state"], made.reasons("b-1")) == (
            "skipped",
            [("undone", "the source has voided it already")],
        )
        change(made, status="open")
        assert made.record("b-1")["state"] == "intended"
        change(made, status="void")
        assert (made.record("b-1")["state"], made.send()) == ("skipped", None)


def test_what_was_undone_while_it_was_under_way_is_undone_next() -> None:
    with undoing(posted=False) as made:
        made.run("bills")
        under_way = send(made)
        change(made, status="void")
        assert made.alerts() == []
        made.settle(under_way)
        assert made.runner.prepare(made.program, COMPANY)["intended"] == 1
        assert operation(made, of(made))["request"] == "TxnVoid"


# --- what follows


@pytest.mark.parametrize(("code", "by"), [("", "here"), (VOIDED_THERE, "there")])
def test_the_record_says_that_it_is_voided(code: str, by: str) -> None:
    with undoing() as made:
        voided(made, code=code)
        record = made.record("b-1")
        assert (record["state"], record["amount"]) == ("closed", "0.00")
        assert json.loads(record["receipt"])["voided"] == by
        assert [reason.code for reason in records.load_reasons(record)] == ["voided"]
        with made.world.store.write() as tx:
            refused = worklist.retry(tx, HAND, [record], "").refused
        assert refused[0][1].startswith("it is posted, and the source knows (the source has voided it, and ")
        with made.world.store.read() as tx:
            found = overview(tx, COMPANY, made.world.clock)
            states = found.states
            assert found.voided == 1
        assert [dict(found.money) for found in states if found.state == "closed"] == [{"EUR": Decimal("0.00")}]


def test_one_that_the_source_was_not_told_of_is_told_and_stays_voided() -> None:
    with undoing(posted=False) as made:
        post(made)
        with made.world.store.write() as tx:
            marks.withhold(tx, made.record("b-1")["id"])
        voided(made)
        assert made.record("b-1")["state"] == "posted"
        with made.world.store.write() as tx:
            assert marks.revive(tx, made.record("b-1")["id"])
        made.runner.tell(made.program, COMPANY)
        record = made.record("b-1")
        assert (record["state"], records.is_voided(record)) == ("closed", True)
        assert [reason.code for reason in records.load_reasons(record)] == ["voided"]


def test_what_waits_with_its_id_is_taken_back() -> None:
    with undoing() as made:
        txn_id = json.loads(made.record("b-1")["receipt"])["TxnID"]
        made.shop.listed["bills"] = [*made.shop.listed["bills"], bill("b-2", memo=txn_id)]
        made.run("bills")
        first = made.record("b-2")["operation_id"]
        made.shop.listed["bills"] = [bill(status="void"), made.shop.listed["bills"][1]]
        made.run("bills")
        one = operation(made, of(made))
        with made.outbox.transaction() as desk:
            desk.unsent.conclude(COMPANY, OperationOutcome(one["id"], "posted", {"TxnID": txn_id}), b"")
        assert (made.record("b-2")["state"], made.record("b-2")["operation_id"]) == ("pending", first)


def test_a_person_who_named_another_object_decides() -> None:
    with undoing() as made:
        change(made, status="void")
        under_way = send(made)
        (one,) = under_way.operations
        assert one.request == "TxnVoid"
        made.settle(under_way, OperationOutcome(one.id, "held", code="unclear", message="?"))
        assert of(made)["state"] == "unknown"
        with made.world.store.write() as tx:
            worklist.declare(tx, HAND, of(made), one.target_id, "")
        assert records.is_voided(made.record("b-1"))


# --- both sides


def test_every_side_counts_nothing() -> None:
    with undoing() as made:
        before = shown(made, "b-1")
        voided(made)
        found = answered(made, nothing(before))
        note = only(found)
        assert (note.code, note.what) == ("noted", "it was voided in QuickBooks, as the source says")
        assert found.agrees
        assert [sums(line) for line in found.totals] == [("", "0.00", "0.00", "0.00")]


def test_while_the_void_waits_the_source_counts_nothing() -> None:
    with undoing() as made:
        change(made, status="void")
        found = answered(made, replace(shown(made, "b-1")))
        (line,) = found.totals
        assert sums(line) == ("", "0.00", "100.00", "100.00")
        told = only(found)
        assert told.code == "changed"
        assert told.what.startswith("the source changed after it was posted: amount 100.00 -> 0")
        assert told.do == "nothing: it follows by itself"


def test_an_object_that_has_its_amount_again_is_a_difference() -> None:
    with undoing() as made:
        before = shown(made, "b-1")
        voided(made)
        assert [item.code for item in answered(made, before).differences] == ["edited"]


def test_a_source_that_takes_it_back_counts_again() -> None:
    with undoing() as made:
        before = shown(made, "b-1")
        voided(made)
        change(made, status="open")
        found = answered(made, nothing(before))
        (line,) = found.totals
        assert sums(line) == ("", "100.00", "0.00", "0.00")
        assert [item.code for item in found.differences] == ["changed"]


def test_figures_of_a_void() -> None:
    body = b'<TxnVoidRq requestID="x"><TxnVoidType>Bill</TxnVoidType><TxnID>1-1</TxnID></TxnVoidRq>'
    assert figures("TxnVoid", body) == Figures("Bill", "1-1", voids=True)


# --- after a restore


@pytest.mark.parametrize(("status", "kinds"), [("void", []), ("open", ["edited"])])
def test_a_voided_object_of_an_earlier_life(status: str, kinds: list[str]) -> None:
    with undoing(posted=False) as made:
        change(made, status=status)
        made.read_lists()
        with made.world.store.write() as tx:
            waiting = made.record("b-1")["operation_id"]
            if waiting:
                # What waits is held against what is there before it is sent; here the record is open.
                tx.run(
                    "operation_state", {"id": waiting, "state": "cancelled", "message_set_id": None, "not_before": ""}
                )
                records.move(tx, COMPANY, AT, "test", [records.Move(made.record("b-1"), "pending", "changed")])
        guid = plain_guid(guid_of(COMPANY, FLOW, "bills", "b-1", "post"))
        data = {"TxnID": "T-9", "Memo": "VOID: m", "voided": "true"}
        sighting = Sighting("Bill", "T-9", "5", guid, data, "N-b-1", "2026-02-27", Decimal("0.00"))
        with made.outbox.transaction() as desk:
            desk.holdings.sighted(COMPANY, "Bill", [sighting], scanned_at=made.world.clock.now())
        record = made.record("b-1")
        assert (record["state"] in ("posted", "closed"), records.is_voided(record)) == (True, status == "void")
        assert [kind for kind, _, _ in made.alerts()] == kinds
        with made.world.store.read() as tx:
            (row,) = holdings.of_record(tx, record["id"])
        assert bool(holdings.differences(row)) is bool(kinds)
