"""What follows from each outcome: states, operations, lookups, marks, alerts, and who wakes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine import follow
from engine.contract import ListObject, MessageSet, OperationOutcome
from engine.follow import Hand
from engine.operator import worklist
from engine.store import journal, lists, records
from engine.store.records import Reason
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW, VENDORS, Bench, bill, vendor


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def sent(bench: Bench) -> MessageSet:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    return made


def answer(bench: Bench, made: MessageSet, outcome: str, **more: object) -> None:
    (operation,) = made.operations
    bench.settle(made, OperationOutcome(operation.id, outcome, **more))  # type: ignore[arg-type]


def operation_state(bench: Bench) -> str:
    with bench.world.store.read() as tx:
        row = tx.one("operation_get", {"id": bench.record("b-1")["operation_id"]})
    assert row is not None
    return str(row["state"])


def marks(bench: Bench) -> list[tuple[str, str, str]]:
    with bench.world.store.read() as tx:
        rows = tx.rows(
            "marks_waiting",
            {"company": COMPANY, "flow": FLOW, "connection": "shop", "kind": "BILL", "request": "", "limit": 9},
        )
    return [(row["source_id"], row["outcome"], row["text"]) for row in rows]


# --- outcomes


def test_posted(bench: Bench) -> None:
    made = sent(bench)
    operation = made.operations[0]
    answer(bench, made, "posted", receipt={"TxnID": "T-1", "EditSequence": "9"}, code="0")
    record = bench.record("b-1")
    assert (record["state"], json.loads(record["receipt"])) == ("posted", {"TxnID": "T-1", "EditSequence": "9"})
    assert operation_state(bench) == "done"
    assert marks(bench) == [("b-1", "posted", "T-1")]
    with bench.world.store.read() as tx:
        line = journal.of_record(tx, record["id"])[-1]
    assert json.loads(line["detail"]) == {
        "operation": operation.id, "sha256": operation.sha256, "code": "0",
        "receipt": {"TxnID": "T-1", "EditSequence": "9"}, "amount": "100.00",
    }  # fmt: skip


def test_posted_with_nobody_to_tell_is_closed(bench: Bench) -> None:
    bench.shop.listed["bills"] = []
    bench.shop.listed["vendors"] = [vendor()]
    bench.run("vendors")
    assert bench.post_all() == 1
    assert bench.record("v-9", "vendors")["state"] == "closed"
    assert bench.journal("v-9", "vendors")[-2:] == ["posted", "closed"]


def test_a_created_object_answers_lookups_at_once(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor()]
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-9", "name": "Called otherwise"}), bill("b-2", status="paid")]
    bench.run()
    assert bench.states() == {"b-1": "deferred", "b-2": "intended"}
    made = bench.send(1)
    assert made is not None
    assert made.operations[0].request == "VendorAdd"
    bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"ListID": "L-1", "FullName": "NEW VENDOR"}))
    assert bench.states()["b-1"] == "pending"  # it woke
    with bench.world.store.read() as tx:
        (row,) = lists.mappings(tx, COMPANY, FLOW)
        assert (row["source_key"], row["list_id"], row["full_name"], row["origin"], row["label"]) == (
            "v-9", "L-1", "NEW VENDOR", "created", "New Vendor",
        )  # fmt: skip
        found = lists.named(tx, COMPANY, "Vendor", "new vendor")
        assert found is not None
        assert found.list_id == "L-1"
    assert bench.post_all() == 1
    assert bench.states("payments")["b-2"] == "pending"  # the bill that it pays was posted
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 2
    assert bench.post_all() == 2
    assert (bench.states()["b-1"], bench.states("payments")["b-2"]) == ("posted", "closed")


def test_a_created_object_whose_name_is_not_told_has_the_source_s(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor()]
    bench.run("vendors")
    bench.post_all()
    with bench.world.store.read() as tx:
        assert [row["full_name"] for row in lists.mappings(tx, COMPANY, FLOW)] == ["New Vendor"]


def test_retry(bench: Bench) -> None:
    made = sent(bench)
    answer(bench, made, "retry", message="the file is locked", retry_after_s=60)
    record = bench.record("b-1")
    assert (record["state"], record["attempts"], operation_state(bench)) == ("intended", 1, "waiting")
    assert bench.reasons("b-1") == [("retry", "the file is locked")]
    assert (bench.alerts(), marks(bench)) == ([], [])
    assert bench.send() is None  # not before a minute
    bench.world.clock.sleep(60)
    again = bench.send()
    assert again is not None
    assert again.operations[0].body == made.operations[0].body
    assert again.operations[0].sent_before is True


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("mapped", "the mapping of `v-1` was changed while it was under way"),
        ("unmapped", "the mapping of `v-1` was changed while it was under way"),
        ("setting", "the setting `card_payments` was changed while it was under way"),
        ("another", ""),
        ("as it was", ""),
        ("before", ""),
    ],
)
def test_what_a_person_corrects_while_it_is_under_way_is_not_sent_as_it_was(bench: Bench, case: str, why: str) -> None:
    """QuickBooks refuses it as busy, so it did not run: it is prepared anew, with what the person has said."""
    bench.read_lists(vendors=(*VENDORS, ListObject("V-9", "Right One")))
    hand, flow = Hand(COMPANY, AT, "ann"), bench.program.flow

    def say() -> None:
        with bench.world.store.write() as tx:
            to = ("Right One", "V-9") if case == "mapped" else ("Grün & Söhne", "V-1")
            if case == "setting":
                worklist.put_setting(tx, hand, flow, "card_payments", value=True)
                # The newest change of a setting may be of another flow.
                journal.append(tx, COMPANY, AT, "ann", [journal.Entry("setting", "other", detail={"setting": "x"})])
            elif case == "unmapped":
                assert worklist.drop_mapping(tx, hand, flow, "vendor", "v-1")
            else:
                key = "v-77" if case == "another" else "v-1"
                worklist.save_mapping(tx, hand, flow, lists.Mapping(FLOW, "vendor", key, *to))

    if case == "unmapped":
        with bench.world.store.write() as tx:
            worklist.save_mapping(tx, hand, flow, lists.Mapping(FLOW, "vendor", "v-1", "Grün & Söhne", "V-1"))
    if case == "before":
        say()
    made = sent(bench)
    if case != "before":
        say()
    answer(bench, made, "retry", code="3175", message="in use", retry_after_s=60)
    with bench.world.store.read() as tx:
        newest = json.loads(journal.of_record(tx, bench.record("b-1")["id"])[-1]["detail"])
    assert (newest.get("why", ""), bench.record("b-1")["state"]) == (why, "pending" if why else "intended")
    bench.world.clock.sleep(60)
    bench.run("bills")
    again = bench.send()
    assert again is not None
    assert (b"V-9" in again.operations[0].body) is (case == "mapped")
    assert (again.operations[0].body == made.operations[0].body) is (case in {"another", "as it was", "before"})


@pytest.mark.parametrize(
    ("outcome", "code", "state", "operation"),
    [
        ("failed", "3140", "failed", "done"),
        ("deferred", "3140", "deferred", "cancelled"),
        ("held", "3180", "failed", "held"),
    ],
)
def test_refused(bench: Bench, outcome: str, code: str, state: str, operation: str) -> None:
    answer(
        bench, sent(bench), outcome, code=code, message="no such account", hint="make it", waits_for=("list:Account",)
    )
    assert (bench.record("b-1")["state"], operation_state(bench)) == (state, operation)
    with bench.world.store.read() as tx:
        row = tx.one("record_get", {"id": bench.record("b-1")["id"]})
        assert row is not None
        assert records.load_reasons(row) == (Reason(code, "no such account", "make it", ("list:Account",)),)
        assert row["attempts"] == 1
    assert bench.alerts() == [(state, "shop_to_ledger/bills/b-1", 1)]
    assert marks(bench) == [("b-1", "failed", "No such account. Make it")]


def test_a_code_is_not_needed(bench: Bench) -> None:
    answer(bench, sent(bench), "failed", message="no")
    assert bench.reasons("b-1") == [("failed", "no")]


@pytest.mark.parametrize("doubted", [False, True])
def test_held_without_an_answer_is_unknown(bench: Bench, doubted: bool) -> None:
    made = sent(bench)
    if doubted:
        with bench.outbox.transaction() as desk:
            desk.operations.doubt(COMPANY, made.id, "no answer")
    answer(bench, made, "held", code="unproven", message="nobody can tell", hint="look there")
    assert (bench.record("b-1")["state"], operation_state(bench)) == ("unknown", "held")
    assert bench.alerts() == [("unknown", "shop_to_ledger/bills/b-1", 1)]
    assert marks(bench) == []
    assert bench.send() is None


def test_what_was_deferred_wakes_and_is_frozen_anew(bench: Bench) -> None:
    made = sent(bench)
    answer(bench, made, "deferred", code="3140", message="gone", waits_for=("list:Account",))
    bench.read_lists()
    assert bench.states() == {"b-1": "pending"}
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
    again = bench.send()
    assert again is not None
    assert again.operations[0].id != made.operations[0].id
    assert again.operations[0].guid == made.operations[0].guid
    bench.settle(again)
    assert bench.alerts() == []
    assert marks(bench) == [("b-1", "posted", f"T-{again.operations[0].id[:4]}")]


# --- telling


def test_a_gap_that_fills_by_itself_is_told_to_nobody(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor()]
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-9", "name": "New Vendor"})]
    bench.run("vendors", "bills")
    assert bench.reasons("b-1") == [("not_posted", "the vendor `New Vendor` is being created")]
    assert (bench.alerts(), marks(bench)) == ([], [])
    assert bench.shop.calls == []


def test_the_source_reads_sentences(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-7", "name": "Nobody"})]
    bench.run("bills")
    (call,) = bench.shop.calls
    assert call.failed[0].message == (
        "The vendor `Nobody` is not in the Vendor list of Ledger. Add it there, or have it mapped in flowctl"
    )


def test_a_long_story_is_cut(bench: Bench) -> None:
    lines = [{"account": f"No Account {n}", "amount": "1.00"} for n in range(100)]
    bench.shop.listed["bills"] = [bill(amount="100.00", lines=lines)]
    bench.run("bills")
    assert len(bench.shop.calls[0].failed[0].message) == 500


def test_a_flow_that_tells_only_failures() -> None:
    text = kit.YAML.replace("failures: [failed, deferred]", "failures: [failed]")
    with kit.bench(text) as bench:
        bench.shop.listed["bills"] = [
            bill(vendor={"id": "v-7", "name": "Nobody"}),
            bill("b-2", amount="1.00", lines=[]),
        ]
        bench.run("bills")
        assert [m.id for call in bench.shop.calls for m in call.failed] == ["b-2"]


# --- a person's mapping


def test_a_mapping_wakes_who_waited_for_it(bench: Bench) -> None:
    bench.shop.listed["bills"] = [
        bill("b-1", vendor={"id": "v-7", "name": "Nobody"}), bill("b-2", vendor={"id": "v-6", "name": "Else"}),
    ]  # fmt: skip
    bench.run("bills")
    with bench.world.store.write() as tx:
        row = lists.Mapping(FLOW, "vendor", "v-7", "Grün & Söhne", "V-1")
        assert follow.map_value(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, row) == 1
    assert bench.states() == {"b-1": "pending", "b-2": "deferred"}
    assert [alert[1] for alert in bench.alerts()] == ["shop_to_ledger/vendor/v-6"]
    with bench.world.store.read() as tx:
        line = next(line for line in journal.lines(tx, COMPANY) if line["event"] == "mapped")
    assert (line["actor"], line["flow"], json.loads(line["detail"])) == (
        "ann", FLOW, {"lookup": "vendor", "key": "v-7", "full_name": "Grün & Söhne", "list_id": "V-1"},
    )  # fmt: skip
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("receipt.TxnID", "T-1"),
        ("receipt.Nothing", ""),
        ("join('-', [receipt.TxnID, 'x'])", "T-1-x"),
        ("receipt.Count", "7"),
    ],
)
def test_a_reference_is_an_expression_over_the_receipt(reference: str, text: str) -> None:
    with kit.bench(kit.YAML.replace("reference: receipt.TxnID", f'reference: "{reference}"')) as bench:
        bench.shop.listed["bills"] = [bill()]
        made = sent(bench)
        answer(bench, made, "posted", receipt={"TxnID": "T-1", "Count": "7"})
        assert marks(bench) == [("b-1", "posted", text)]


# --- objects that could not be created


def creating(bench: Bench, *names: tuple[str, str]) -> MessageSet:
    """Vendors under way; a bill waits for the first."""
    bench.shop.listed["vendors"] = [vendor(key, name) for key, name in names]
    bench.shop.listed["bills"] = [bill(vendor={"id": names[0][0], "name": names[0][1]})]
    bench.run()
    made = bench.send()
    assert made is not None
    return made


@pytest.mark.parametrize("outcome", ["failed", "deferred"])
def test_who_waits_for_an_object_that_was_refused_looks_again(bench: Bench, outcome: str) -> None:
    made = creating(bench, ("v-9", "New Vendor"))
    answer(bench, made, outcome, code="3100", message="the name is in use")
    assert bench.states() == {"b-1": "pending"}
    bench.runner.prepare(bench.program, COMPANY)
    assert [code for code, _ in bench.reasons("b-1")] == ["unmapped"]
    # A person names another object in its place, and both go on.
    with bench.world.store.write() as tx:
        row = lists.Mapping(FLOW, "vendor", "v-9", "Grün & Söhne", "V-1")
        follow.map_value(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, row)
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.states() == {"b-1": "intended"}


def test_records_that_would_provide_one_object_do_not_wake_one_another_when_it_is_refused() -> None:
    """Two card transactions of one merchant, whose vendor is inactive in QuickBooks: each waits until somebody acts."""
    with kit.bench(
        kit.YAML.replace("provide: {lookup: vendor, key: id}", "provide: {lookup: vendor, key: name}")
    ) as bench:
        made = creating(bench, ("v-9", "One"), ("v-8", "One"))
        more = {"code": "3100", "message": "it is inactive", "waits_for": ("list:Vendor",)}
        bench.settle(made, *(OperationOutcome(each.id, "deferred", **more) for each in made.operations))  # type: ignore[arg-type]
        assert bench.states("vendors") == {"v-9": "deferred", "v-8": "deferred"}
        with bench.world.store.write() as tx:
            row = lists.Mapping(FLOW, "vendor", "One", "Grün & Söhne", "V-1")
            follow.map_value(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, row)
        assert bench.states("vendors") == {"v-9": "pending", "v-8": "pending"}


def test_a_name_that_two_sources_share_is_given_to_the_first_only(bench: Bench) -> None:
    made = creating(bench, ("v-9", "One"), ("v-8", "Two"))
    first, second = made.operations
    same = {"ListID": "L-1", "FullName": "Shared"}
    bench.settle(made, OperationOutcome(first.id, "posted", same), OperationOutcome(second.id, "posted", same))
    assert bench.states("vendors") == {"v-9": "closed", "v-8": "deferred"}
    assert bench.reasons("v-8", "vendors") == [("name_taken", "`Two` and `One` have the same name there: `Shared`")]
    with bench.world.store.read() as tx:
        assert [row["source_key"] for row in lists.mappings(tx, COMPANY, FLOW)] == ["v-9"]


def test_a_retry_waits_longer_each_time_and_not_for_ever(bench: Bench) -> None:
    made: MessageSet | None = sent(bench)
    waits: list[float] = []
    while made is not None and len(waits) < 100:
        answer(bench, made, "retry", code="3176", message="in use", retry_after_s=60)
        if bench.record("b-1")["state"] != "intended":
            break
        start = bench.world.clock.monotonic()
        while (made := bench.send()) is None:
            bench.world.clock.sleep(30)
        waits.append(bench.world.clock.monotonic() - start)
    assert waits[:3] == [60, 120, 240]
    assert waits == sorted(waits)
    assert len(waits) == follow.MOST_TRIES - 1
    assert bench.reasons("b-1") == [("gave_up", f"in use (tried {follow.MOST_TRIES} times)")]
    assert bench.alerts() == [("failed", "shop_to_ledger/bills/b-1", 1)]


def test_a_mapping_takes_back_what_was_prepared_without_it(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(), bill("b-2", vendor={"id": "v-5", "name": "Grün & Söhne"})]
    bench.run("bills")
    before = bench.record("b-1")["operation_id"]
    with bench.world.store.write() as tx:
        lists.add(tx, COMPANY, "Vendor", ListObject("V-9", "Other"))
        row = lists.Mapping(FLOW, "vendor", "v-1", "Other", "V-9")
        follow.map_value(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, row)
    assert bench.states() == {"b-1": "pending", "b-2": "intended"}
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.record("b-1")["operation_id"] != before
    made = bench.send()
    assert made is not None
    assert [b"<ListID>V-9</ListID>" in op.body for op in made.operations].count(True) == 1
    with bench.world.store.write() as tx:  # what was sent is not taken back
        row = lists.Mapping(FLOW, "vendor", "v-1", "Grün & Söhne", "V-1")
        follow.map_value(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, row)
    assert set(bench.states().values()) == {"sent"}


@pytest.mark.parametrize("key", ["'eu', vendor.id", "'eu', vendor.id, vendor.name"])
def test_a_mapping_of_a_key_that_is_made_of_parts_takes_back_what_was_prepared_without_it(key: str) -> None:
    text = kit.YAML.replace("lookup('vendor', vendor.id, ", f"lookup('vendor', join(':', [{key}]), ")
    assert text != kit.YAML
    with kit.bench(text) as bench:
        bench.shop.listed["bills"] = [bill(), bill("b-2", vendor={"id": "v-5", "name": "Acme"})]
        bench.read_lists([*kit.VENDORS, ListObject("V-7", "Acme")])
        bench.run("bills")
        assert bench.states() == {"b-1": "intended", "b-2": "intended"}
        with bench.world.store.write() as tx:
            row = lists.Mapping(FLOW, "vendor", "eu:v-5:Acme" if "name" in key else "eu:v-5", "Acme", "V-7")
            follow.map_value(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, row)
        assert bench.states() == {"b-1": "intended", "b-2": "pending"}


@pytest.mark.parametrize("by", ["setting('card_payments')", "inner(@)", "outer(@)", "outermost(@)"])
def test_a_setting_wakes_what_a_condition_left_out_however_it_asks_for_it(by: str) -> None:
    text = kit.YAML.replace(
        "lookups:",
        "define:\n  outermost: outer(@)\n  outer: inner(@)\n  inner: setting('card_payments')\nlookups:",
        1,
    ).replace("only: \"status != 'draft'\", say: the bill is a draft", f'only: "{by}", say: left out')
    with kit.bench(text) as bench:
        bench.shop.listed["bills"] = [bill()]
        bench.run("bills")
        assert bench.states() == {"b-1": "skipped"}
        with bench.world.store.write() as tx:
            assert worklist.put_setting(tx, Hand(COMPANY, AT, "ann"), bench.program.flow, "card_payments", True) == 1
        bench.run("bills")
        assert bench.states() == {"b-1": "intended"}


def test_an_alert_calls_a_record_without_a_number_as_people_do(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("5f0c2b7e-1111-2222-3333-444455556666", number=None, lines=[])]
    bench.run("bills")
    with bench.world.store.read(COMPANY) as tx:
        (message,) = [row["message"] for row in tx.rows("alerts_open", {"company": COMPANY})]
    assert message == "shop_to_ledger/bills/Grün & Söhne · 100.00 EUR · 2026-02-27: the lines do not add up to the bill"
