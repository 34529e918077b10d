"""A posted record whose source changes: the change is a record of its own, and what is posted is never lost from sight."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine import intake
from engine.contract import Json, ListObject, MessageSet, OperationOutcome
from engine.follow import Hand
from engine.operator import worklist
from engine.store import holdings as kept
from engine.store import journal, lists, outbox, records, work
from engine.store.base import Row
from tests import stores
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW, VENDORS, YAML, Bench, bill, vendor

ODD = {"id": "v-7", "name": "Nobody"}
HAND = Hand(COMPANY, AT, "test")
WITH_CHANGE = YAML.replace(
    "write: {to: ledger, request: BillAdd, template: bill_add.xml.j2}",
    "write: {to: ledger, request: BillAdd, template: bill_add.xml.j2, "
    "change: {request: BillMod, template: bill_mod.xml.j2}}",
).replace(
    "write: {to: ledger, request: VendorAdd, template: vendor_add.xml.j2}",
    "write: {to: ledger, request: VendorAdd, template: vendor_add.xml.j2, "
    "change: {request: VendorMod, template: vendor_mod.xml.j2}}",
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(WITH_CHANGE) as made:
        made.shop.listed["bills"] = [bill()]
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def costs(amount: str) -> dict[str, Any]:
    """What makes a bill cost something else."""
    return {"amount": amount, "lines": [{"account": "Rent", "code": "6100", "amount": amount, "memo": "m"}]}


def change(bench: Bench, **fields: Any) -> dict[str, int]:
    """The bill is another one when it is next read."""
    bench.shop.listed["bills"] = [{**item, **fields} for item in bench.shop.listed["bills"]]
    return bench.run("bills")["bills"]


def post(bench: Bench, state: str = "posted") -> None:
    bench.run("bills")
    assert bench.post_all() == 1
    if state == "closed":
        bench.runner.tell(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == state


def of(bench: Bench, number: int = 1, source_id: str = "b-1", stream: str = "bills") -> Row:
    """The change with a number."""
    with bench.world.store.read() as tx:
        row = tx.one(
            "record_find",
            {"company": COMPANY, "flow": FLOW, "stream": stream, "source_id": source_id, "phase": f"post+{number}"},
        )
    assert row is not None
    return row


def count_of(bench: Bench) -> int:
    with bench.world.store.read() as tx:
        return len(tx.rows("record_changes", {**_scope("b-1"), "phase": "post"}))


def _scope(source_id: str) -> dict[str, str]:
    return {"company": COMPANY, "flow": FLOW, "stream": "bills", "source_id": source_id}


def operations(bench: Bench, row: Row) -> list[tuple[str, str, str]]:
    with bench.world.store.read() as tx:
        rows = tx.rows("operations_of_record", {"record_id": row["id"]})
    return [(each["request"], each["state"], json.loads(each["mapped"])["amount"]) for each in rows]


def operation(bench: Bench, row: Row) -> Row:
    with bench.world.store.read() as tx:
        found = tx.one("operation_get", {"id": row["operation_id"]})
    assert found is not None
    return found


def reasons(row: Row) -> list[tuple[str, str]]:
    return [(reason.code, reason.message) for reason in records.load_reasons(row)]


def send(bench: Bench) -> MessageSet:
    made = bench.send()
    assert made is not None
    return made


def settle(bench: Bench, made: MessageSet, outcome: str = "posted", **more: Any) -> None:
    """What the ledger says of the one modify under way."""
    (one,) = made.operations
    if outcome == "posted":
        more["receipt"] = {"TxnID": one.target_id, "EditSequence": "9"}
    bench.settle(made, OperationOutcome(one.id, outcome, **more))  # type: ignore[arg-type]  # a name of an outcome


def texts(bench: Bench) -> list[str]:
    with bench.world.store.read() as tx:
        return [row["message"] for row in work.alerts(tx, COMPANY)]


# --- a change is made


@pytest.mark.parametrize("state", ["posted", "closed"])
def test_a_change_is_a_record_of_its_own(bench: Bench, state: str) -> None:
    post(bench, state)
    before = bench.record("b-1")
    assert change(bench, **costs("80.00")) == {"read": 1, "intended": 1}
    record, made = bench.record("b-1"), of(bench)
    assert (record["state"], record["amount"], record["drifted"]) == ("closed", "100.00", 0)
    assert record["payload"] == before["payload"]
    assert json.loads(record["newest"])["amount"] == "80.00"
    assert (made["state"], made["amount"], made["newest"]) == ("intended", "80.00", None)
    first, modify = operation(bench, record), operation(bench, made)
    receipt = json.loads(record["receipt"])
    assert (modify["request"], modify["target_id"], modify["base_id"]) == ("BillMod", receipt["TxnID"], first["id"])
    assert (modify["guid"], json.loads(modify["follow_up"])) == (first["guid"], {})
    assert bytes(modify["body"]).startswith(
        f'<BillModRq requestID="{modify["id"]}"><BillMod><TxnID>{receipt["TxnID"]}</TxnID>'
        f"<EditSequence>1</EditSequence><VendorRef>".encode()
    )
    assert b"ExternalGUID" not in bytes(modify["body"])
    assert bench.alerts() == []
    # Read as it is, it is no news.
    assert bench.run("bills")["bills"] == {"read": 1}


def test_what_the_target_is_handed(bench: Bench) -> None:
    post(bench)
    first = operation(bench, bench.record("b-1"))
    change(bench, **costs("80.00"))
    with bench.outbox.transaction() as desk:
        (one,) = desk.operations.next(COMPANY, 9)
    assert (one.target_id, one.base) == (json.loads(bench.record("b-1")["receipt"])["TxnID"], bytes(first["body"]))
    assert one.whole == one.body == bytes(operation(bench, of(bench))["body"])


def test_bytes_that_were_amended_are_sent_and_the_whole_stays_known(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    whole = bytes(operation(bench, of(bench))["body"])
    for part in (b"<BillModRq>1</BillModRq>", b"<BillModRq>2</BillModRq>"):
        with bench.world.store.write() as tx:
            outbox.amend(tx, of(bench)["operation_id"], part)
        with bench.outbox.transaction() as desk:
            (one,) = desk.operations.next(COMPANY, 9)
        assert (one.body, one.whole) == (part, whole)
    settle(bench, send(bench))
    change(bench, **costs("70.00"))
    with bench.outbox.transaction() as desk:
        (two,) = desk.operations.next(COMPANY, 9)
    assert two.base == whole


def test_a_posted_change_brings_the_record_up_to_date(bench: Bench) -> None:
    post(bench)
    receipt = json.loads(bench.record("b-1")["receipt"])
    change(bench, **costs("80.00"), number="N-2")
    settle(bench, send(bench))
    record, made = bench.record("b-1"), of(bench)
    assert (made["state"], made["operation_id"]) == ("closed", record["operation_id"])
    assert (record["state"], record["amount"], record["reference"]) == ("closed", "80.00", "N-2")
    assert (record["newest"], record["payload"], record["mapped_sha256"]) == (
        None,
        made["payload"],
        made["mapped_sha256"],
    )
    assert json.loads(record["receipt"]) == {**receipt, "EditSequence": "9"}
    # The source is told once, of the record; a change adds to the books what it adds.
    bench.runner.tell(bench.program, COMPANY)
    assert [[each.id for each in call.posted] for call in bench.shop.calls] == [["b-1"]]
    with bench.world.store.read() as tx:
        lines = [json.loads(row["detail"]) for row in journal.lines(tx, COMPANY) if row["event"] == "posted"]
    assert [(line["amount"], line.get("total"), line.get("changes")) for line in lines] == [
        ("100.00", None, None), ("-20.00", "80.00", record["id"]),
    ]  # fmt: skip
    assert bench.run("bills")["bills"] == {"read": 1}


def test_a_change_follows_a_change(bench: Bench) -> None:
    post(bench)
    for number, amount in enumerate(("80.00", "70.00", "100.00"), 1):
        before = bench.record("b-1")["operation_id"]
        change(bench, **costs(amount))
        assert operation(bench, of(bench, number))["base_id"] == before
        settle(bench, send(bench))
    assert (bench.record("b-1")["amount"], count_of(bench)) == ("100.00", 3)
    assert b"<EditSequence>9</EditSequence>" in bytes(operation(bench, of(bench, 3))["body"])
    assert bench.alerts() == []


def test_the_source_is_told_of_the_record_while_its_change_waits(bench: Bench) -> None:
    post(bench)
    change(bench, vendor=ODD)
    assert of(bench)["state"] == "deferred"
    bench.runner.tell(bench.program, COMPANY)
    assert (bench.record("b-1")["state"], of(bench)["state"]) == ("closed", "deferred")
    assert [(call.posted[0].id, call.failed) for call in bench.shop.calls] == [("b-1", ())]


def test_a_created_vendor_is_changed_by_its_list_id(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor("v-9", "New Vendor"), vendor("v-1", "Grün & Söhne")]
    bench.run("vendors")
    made = send(bench)
    bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"ListID": "V-9", "EditSequence": "1"}))
    bench.shop.listed["vendors"] = [vendor("v-9", "Newer Vendor"), vendor("v-1", "Grün & Söhne AG")]
    bench.run("vendors")
    modify = operation(bench, of(bench, 1, "v-9", "vendors"))
    assert (modify["request"], modify["target_id"]) == ("VendorMod", "V-9")
    assert b"<ListID>V-9</ListID>" in bytes(modify["body"])
    with bench.world.store.read() as tx:
        # One that was adopted is not ours to change.
        scope = {**_scope("v-1"), "stream": "vendors", "phase": "post"}
        assert tx.rows("record_changes", scope) == []
    made = send(bench)
    bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"ListID": "V-9", "EditSequence": "2"}))
    assert of(bench, 1, "v-9", "vendors")["state"] == "closed"
    with bench.world.store.read() as tx:
        assert {row["source_key"]: row["list_id"] for row in lists.mappings(tx, COMPANY, FLOW)}["v-9"] == "V-9"


# --- a change that waits


def test_a_further_change_refreshes_the_one_that_waits(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    change(bench, **costs("70.00"))
    assert operations(bench, of(bench)) == [("BillMod", "cancelled", "80.00"), ("BillMod", "waiting", "70.00")]
    assert (of(bench)["amount"], count_of(bench)) == ("70.00", 1)
    settle(bench, send(bench))
    assert (bench.record("b-1")["amount"], bench.record("b-1")["newest"]) == ("70.00", None)


def test_what_alters_nothing_written_keeps_the_change_that_waits(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    change(bench, unread="x")
    assert operations(bench, of(bench)) == [("BillMod", "waiting", "80.00")]
    settle(bench, send(bench))
    assert (bench.record("b-1")["newest"], count_of(bench)) == (None, 1)
    assert json.loads(bench.record("b-1")["payload"])["unread"] == "x"


@pytest.mark.parametrize("start", [costs("80.00"), {"vendor": ODD}, {"amount": "1.00"}])
def test_a_change_that_the_source_takes_back_is_not_made(bench: Bench, start: dict[str, Any]) -> None:
    post(bench)
    change(bench, **start)
    change(bench, **bill())
    assert (of(bench)["state"], reasons(of(bench))) == (
        "skipped",
        [("taken_back", "the source says again what is posted")],
    )
    assert (bench.record("b-1")["newest"], bench.alerts(), bench.send()) == (None, [], None)
    # The next one is made of the same row.
    change(bench, **costs("70.00"))
    assert (of(bench)["state"], count_of(bench)) == ("intended", 1)


def test_a_change_waits_for_what_it_misses(bench: Bench) -> None:
    post(bench)
    assert change(bench, vendor=ODD) == {"read": 1, "deferred": 1}
    assert bench.alerts() == [("deferred", f"{FLOW}/vendor/v-7", 1)]
    assert texts(bench) == [
        f"{FLOW}/bills/N-b-1: the change of the posted record: the vendor `Nobody` is not in the Vendor list of Ledger"
    ]
    bench.read_lists(vendors=[*VENDORS, ListObject("V-7", "Nobody")])
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
    assert (of(bench)["state"], bench.alerts()) == ("intended", [])
    assert b"<ListID>V-7</ListID>" in bytes(operation(bench, of(bench))["body"])


def test_a_change_that_fails_a_check_is_told_to_people_and_not_to_the_source(bench: Bench) -> None:
    post(bench, "closed")
    change(bench, amount="1.00")
    assert (bench.record("b-1")["state"], of(bench)["state"]) == ("closed", "failed")
    assert texts(bench) == [f"{FLOW}/bills/N-b-1: the change of the posted record: the lines do not add up to the bill"]
    bench.runner.tell(bench.program, COMPANY)
    assert [call.failed for call in bench.shop.calls] == [()]
    change(bench, **costs("80.00"))
    assert (of(bench)["state"], bench.alerts()) == ("intended", [])


def test_lists_that_were_never_read_are_waited_for(bench: Bench) -> None:
    post(bench)
    stores.raw(bench.world.store, "UPDATE lists SET loaded_at = NULL")
    assert change(bench, **costs("80.00"))["pending"] == 1
    assert change(bench, **costs("70.00"))["pending"] == 1
    bench.read_lists()
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
    assert operations(bench, of(bench)) == [("BillMod", "waiting", "70.00")]


# --- no change can be made


def test_one_that_is_no_longer_selected_is_for_a_person(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    assert change(bench, **costs("70.00"), status="draft")["drifted"] == 1
    assert (of(bench)["state"], reasons(of(bench))) == ("skipped", [("not_selected", "the bill is a draft")])
    assert bench.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]
    record = bench.record("b-1")
    assert (record["drifted"], json.loads(record["newest"])["amount"], record["amount"]) == (1, "70.00", "100.00")
    change(bench, status="open")
    assert (of(bench)["state"], bench.alerts(), bench.record("b-1")["drifted"]) == ("intended", [], 0)


def test_without_a_way_to_change_it_a_person_is_told_and_what_the_source_says_is_kept() -> None:
    with kit.bench() as bench:
        bench.shop.listed["bills"] = [bill()]
        post(bench)
        change(bench, **costs("80.00"))
        assert bench.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]
        assert json.loads(bench.record("b-1")["newest"])["amount"] == "80.00"
        assert count_of(bench) == 0
        change(bench, **bill())
        assert (bench.alerts(), bench.record("b-1")["newest"]) == ([], None)


def test_what_has_vanished_is_not_changed(bench: Bench) -> None:
    post(bench, "closed")
    with bench.world.store.write() as tx:
        records.move(tx, COMPANY, AT, "test", [records.Move(bench.record("b-1"), "vanished", "vanished")])
    change(bench, **costs("80.00"))
    assert (count_of(bench), bench.alerts()) == (0, [("drifted", f"{FLOW}/bills/b-1", 1)])
    assert json.loads(bench.record("b-1")["newest"])["amount"] == "80.00"


def test_what_would_be_written_by_another_request_is_for_a_person() -> None:
    two = WITH_CHANGE.replace(
        "write: {to: ledger, request: BillAdd, template: bill_add.xml.j2, "
        "change: {request: BillMod, template: bill_mod.xml.j2}}",
        'write: {to: ledger, one_of: [{when: "amount > `500`", request: NotePost}, {request: BillAdd, '
        "template: bill_add.xml.j2, change: {request: BillMod, template: bill_mod.xml.j2}}]}",
    )
    with kit.bench(two) as bench:
        bench.shop.listed["bills"] = [bill()]
        post(bench)
        change(bench, **costs("900.00"))
        assert reasons(of(bench)) == [("other_kind", "it would be written by NotePost now, and was posted by BillAdd")]
        assert bench.alerts() == [("failed", f"{FLOW}/bills/b-1", 1)]


def test_a_condition_of_later_changes_is_not_one_of_the_first_write() -> None:
    """What is new goes on to the checks; of what is posted, a person is told."""
    later = WITH_CHANGE.replace("say: the bill is a draft}", "say: the bill is a draft, for: later}")
    with kit.bench(later) as bench:
        bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", status="draft")]
        bench.run("bills")
        assert bench.states() == {"b-1": "intended", "b-2": "intended"}
        assert bench.post_all() == 2
        change(bench, status="draft")
        assert bench.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]
        with bench.world.store.read(COMPANY) as tx:
            assert "the bill is a draft" in work.alerts(tx, COMPANY)[0]["message"]


def test_what_is_there_as_another_kind_of_object_is_changed_by_a_person(bench: Bench) -> None:
    """A person has named it: a modify of a bill would name something that is no bill."""
    post(bench)
    with bench.world.store.write() as tx:
        record = bench.record("b-1")
        kept.keep(tx, COMPANY, AT, record, "CreditCardCharge", json.loads(record["receipt"]))
    assert change(bench, **costs("80.00")) == {"read": 1, "failed": 1}
    made = of(bench)
    assert (made["state"], operations(bench, made)) == ("failed", [])
    assert reasons(made) == [
        ("other_kind", "it would have been posted by BillAdd, and what a person named is a CreditCardCharge")
    ]
    with bench.world.store.write() as tx:
        assert worklist.clashes(tx, COMPANY) == {of(bench)["id"]}
        assert len(worklist.leave_out(tx, HAND, [of(bench)], "by hand").moved) == 1
    assert (of(bench)["state"], bench.alerts()) == ("skipped", [])


def test_a_condition_of_the_first_write_is_not_one_of_a_change() -> None:
    told = WITH_CHANGE.replace(
        """      - {only: "status != 'draft'", say: the bill is a draft}
""",
        """      - {only: "status != 'told'", say: the bill was told, for: first}
      - {only: "status != 'draft'", say: the bill is a draft}
""",
    )
    with kit.bench(told) as bench:
        bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", status="told")]
        bench.run("bills")
        assert bench.states() == {"b-1": "intended", "b-2": "skipped"}
        bench.post_all()
        bench.shop.listed["bills"] = [bill("b-1")]
        change(bench, **costs("80.00"), status="told")
        assert of(bench)["state"] == "intended"
        change(bench, unread=1)
        assert operations(bench, of(bench)) == [("BillMod", "waiting", "80.00")]
        change(bench, status="draft")
        assert reasons(of(bench)) == [("not_selected", "the bill is a draft")]


@pytest.mark.parametrize("flow", [WITH_CHANGE, YAML])
def test_a_posted_record_that_would_not_be_taken_any_more_is_reported(flow: str) -> None:
    """Also where nothing that is written has changed, and where nothing could change it."""
    with kit.bench(flow) as bench:
        bench.shop.listed["bills"] = [bill()]
        post(bench, "closed")
        change(bench, status="draft")
        assert bench.record("b-1")["drifted"]
        with bench.world.store.read() as tx:
            (alert,) = work.alerts(tx, COMPANY)
        message = f"{FLOW}/bills/N-b-1: the bill is a draft, and it is posted already: it stays as it is"
        assert (alert["kind"], alert["message"]) == ("drifted", message)
        change(bench, status="open")
        assert (bench.record("b-1")["drifted"], bench.alerts()) == (0, [])


# --- the source changes while a change is under way


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_further_change_while_one_is_under_way_follows_it(bench: Bench, *, in_doubt: bool) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    made = send(bench)
    if in_doubt:
        with bench.outbox.transaction() as desk:
            desk.operations.doubt(COMPANY, made.id, "no answer")
    change(bench, **costs("70.00"))
    assert operations(bench, of(bench)) == [("BillMod", "sent", "80.00")]
    settle(bench, made)
    record = bench.record("b-1")
    assert (record["amount"], json.loads(record["newest"])["amount"]) == ("80.00", "70.00")
    assert (of(bench)["state"], of(bench, 2)["state"]) == ("closed", "pending")
    # Without the source being asked again.
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
    assert (of(bench, 2)["amount"], operations(bench, of(bench, 2))) == ("70.00", [("BillMod", "waiting", "70.00")])
    settle(bench, send(bench))
    assert (bench.record("b-1")["amount"], bench.record("b-1")["newest"], bench.alerts()) == ("70.00", None, [])


def test_what_is_taken_back_while_it_is_under_way_is_changed_back(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    made = send(bench)
    change(bench, **bill())
    settle(bench, made)
    bench.runner.prepare(bench.program, COMPANY)
    assert operations(bench, of(bench, 2)) == [("BillMod", "waiting", "100.00")]


@pytest.mark.parametrize("news", [{"unread": "x"}, costs("80.00")])
def test_what_is_under_way_and_still_right_needs_no_other(bench: Bench, news: dict[str, Any]) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    made = send(bench)
    change(bench, **costs("70.00"))
    change(bench, **costs("80.00"))
    change(bench, **news)
    settle(bench, made)
    assert (count_of(bench), bench.record("b-1")["newest"]) == (1, None)
    assert bench.alerts() == []


@pytest.mark.parametrize("outcome", ["failed", "deferred"])
def test_what_is_tried_again_is_what_the_source_says_now(bench: Bench, outcome: str) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    made = send(bench)
    change(bench, **costs("70.00"))
    hint = "correct one of the two, then run `flowctl retry ID`"
    settle(bench, made, outcome, code="edited_there", message="it was changed there", hint=hint)
    assert of(bench)["state"] == outcome
    with bench.world.store.read() as tx:
        (alert,) = work.alerts(tx, COMPANY)
    assert alert["message"] == f"{FLOW}/bills/N-b-1: the change of the posted record: it was changed there"
    assert alert["hint"] == "correct one of the two, then run `flowctl retry b-1 --company acme`"
    bench.runner.tell(bench.program, COMPANY)
    assert [call.failed for call in bench.shop.calls] == [()]
    with bench.world.store.write() as tx:
        worklist.retry(tx, HAND, [of(bench)], "")
    bench.runner.prepare(bench.program, COMPANY)
    assert operations(bench, of(bench))[-1] == ("BillMod", "waiting", "70.00")
    assert bench.alerts() == []


def test_what_the_target_was_too_busy_for_is_made_anew(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    made = send(bench)
    change(bench, **bill())
    settle(bench, made, "retry", code="3175", message="locked")
    bench.runner.prepare(bench.program, COMPANY)
    assert (of(bench)["state"], reasons(of(bench))[0][0], bench.send()) == ("skipped", "taken_back", None)
    assert bench.record("b-1")["newest"] is None


def test_a_change_that_does_not_fit_any_more_is_not_prepared(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    made = send(bench)
    change(bench, **costs("70.00"), status="draft")
    settle(bench, made)
    bench.runner.prepare(bench.program, COMPANY)
    assert (of(bench, 2)["state"], reasons(of(bench, 2))[0][0]) == ("skipped", "not_selected")
    assert bench.alerts() == [("drifted", f"{FLOW}/bills/b-1", 1)]


# --- the source changes while the record itself is under way


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_change_follows_the_record_that_was_under_way(bench: Bench, *, in_doubt: bool) -> None:
    bench.run("bills")
    made = send(bench)
    if in_doubt:
        with bench.outbox.transaction() as desk:
            desk.operations.doubt(COMPANY, made.id, "no answer")
    change(bench, **costs("80.00"))
    assert (bench.record("b-1")["drifted"], bench.alerts(), count_of(bench)) == (1, [], 0)
    assert "drifted" in bench.journal("b-1")
    bench.settle(made)
    record = bench.record("b-1")
    assert (record["amount"], record["drifted"], json.loads(record["newest"])["amount"]) == ("100.00", 0, "80.00")
    assert json.loads(record["payload"])["amount"] == "100.00"
    bench.runner.prepare(bench.program, COMPANY)
    assert (of(bench)["amount"], operations(bench, of(bench))) == ("80.00", [("BillMod", "waiting", "80.00")])


def test_what_was_taken_back_while_the_record_was_under_way_is_forgotten(bench: Bench) -> None:
    bench.run("bills")
    made = send(bench)
    change(bench, **costs("80.00"))
    change(bench, **bill())
    bench.settle(made)
    record = bench.record("b-1")
    assert (record["drifted"], record["newest"], count_of(bench), bench.alerts()) == (0, None, 0, [])


# --- read by itself


def recheck(bench: Bench, data: Json | None) -> None:
    with bench.world.store.write() as tx:
        batch = bench.runner.batch(tx, bench.program, COMPANY, 9)
        intake.recheck(batch, bench.program.stream("bills"), of(bench), data)


def test_a_change_that_is_not_listed_is_asked_for_by_itself(bench: Bench) -> None:
    post(bench)
    change(bench, vendor=ODD)
    bench.shop.singles["b-1"] = {**bench.shop.listed["bills"][0], **costs("60.00")}
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert bench.shop.gets == ["bills/b-1"]
    assert (of(bench)["state"], json.loads(bench.record("b-1")["newest"])["amount"]) == ("deferred", "60.00")
    seen = of(bench)["seen_run"]
    bench.run("bills")
    assert of(bench)["seen_run"] == seen + 1
    bench.shop.singles["b-1"] = bill()
    bench.run("bills")
    assert (of(bench)["state"], bench.alerts()) == ("skipped", [])


def test_a_change_whose_source_is_gone_is_not_made(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    recheck(bench, None)
    assert (of(bench)["state"], reasons(of(bench))) == ("skipped", [("gone", "the source no longer has it")])
    assert bench.send() is None
    # Should it come back, it is news.
    assert bench.run("bills")["bills"] == {"read": 1, "intended": 1}


def test_another_record_than_was_asked_for_is_not_taken(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    recheck(bench, bill("b-2"))
    assert of(bench)["state"] == "intended"
    assert bench.alerts() == [("failed", f"{FLOW}/bills", 1)]


# --- the record it changes is no longer there


def test_a_change_of_what_has_vanished_is_not_prepared(bench: Bench) -> None:
    post(bench, "closed")
    change(bench, vendor=ODD)
    with bench.world.store.write() as tx:
        records.move(tx, COMPANY, AT, "test", [records.Move(bench.record("b-1"), "vanished", "vanished")])
    bench.read_lists(vendors=[*VENDORS, ListObject("V-7", "Nobody")])
    bench.runner.prepare(bench.program, COMPANY)
    assert reasons(of(bench)) == [("not_there", "the record that it changes is vanished")]
    with bench.world.store.write() as tx:
        records.move(tx, COMPANY, AT, "test", [records.Move(bench.record("b-1"), "closed", "back")])
    bench.run("bills")
    assert of(bench)["state"] == "intended"


@pytest.mark.parametrize("decide", [worklist.post_again, worklist.leave_out])
def test_a_change_that_waits_to_be_sent_goes_with_the_record_that_a_person_decides_about(
    bench: Bench, decide: Callable[..., object]
) -> None:
    post(bench, "closed")
    change(bench, **costs("80.00"))
    assert of(bench)["state"] == "intended"
    with bench.world.store.write() as tx:
        records.move(tx, COMPANY, AT, "test", [records.Move(bench.record("b-1"), "vanished", "vanished")])
        decide(tx, Hand(COMPANY, AT, "user:pat"), [bench.record("b-1")], "the backup")
    assert (of(bench)["state"], reasons(of(bench))) == (
        "skipped", [("not_there", "what it was to change is gone from the target")],
    )  # fmt: skip
    with bench.outbox.transaction() as desk:
        assert not [one.request for one in desk.operations.next(COMPANY, 9) if one.request == "BillMod"]


@pytest.mark.parametrize("news", [costs("80.00"), {"vendor": ODD}, {"amount": "1.00"}])
def test_a_record_that_is_posted_anew_needs_no_change(bench: Bench, news: dict[str, Any]) -> None:
    post(bench, "closed")
    change(bench, **news)
    with bench.world.store.write() as tx:
        vanished = bench.record("b-1")
        records.move(tx, COMPANY, AT, "test", [records.Move(vanished, "vanished", "vanished")])
    bench.shop.listed["bills"] = []
    bench.shop.singles["b-1"] = bill()
    with bench.world.store.write() as tx:
        records.move(tx, COMPANY, AT, "test", [records.Move(bench.record("b-1"), "pending", "retried")])
    bench.runner.prepare(bench.program, COMPANY)
    with bench.outbox.transaction() as desk:
        found = desk.operations.next(COMPANY, 9)
    (add,) = (one for one in found if one.request == "BillAdd")
    made = MessageSet("set-x", add.body, add.sha256, (add,), ticket_hash="t")
    with bench.outbox.transaction() as desk:
        desk.operations.freeze(COMPANY, made)
        desk.operations.settle(COMPANY, made.id, [kit.posted(add.id)], b"")
    assert (of(bench)["state"], reasons(of(bench))[0][0]) == ("skipped", "posted_anew")
    assert bench.send() is None


# --- what others see


def test_changes_stand_aside_where_records_are_meant(bench: Bench) -> None:
    post(bench)
    change(bench, **costs("80.00"))
    settle(bench, send(bench))
    with bench.world.store.read() as tx:
        amounts = tx.rows("record_amounts", {"company": COMPANY, "flow": FLOW})
        found = tx.rows("record_find_any_phase", _scope("b-1"))
        assert records.changed_by(tx, of(bench))["id"] == bench.record("b-1")["id"]
    assert [(row["stream"], row["amount"]) for row in amounts if row["stream"] == "bills"] == [("bills", "80.00")]
    assert [row["phase"] for row in found] == ["post"]
