"""What becomes of one record: each way it can end, and the bytes of the one that goes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engine import pipeline
from engine.contract import ListObject
from engine.errors import ExpressionError, RenderError
from engine.jsontext import canonical
from engine.mapping.support import truthy
from engine.pipeline import CORRECT, Adopted, Desk, Frozen, NotReady, Parked
from engine.program import FlowProgram, compile_flow
from engine.qbxml import freeze_request
from engine.store import companies
from engine.store.base import Tx
from engine.store.records import Reason
from engine.testing import SeededIds
from tests.engine import kit
from tests.engine.kit import COMPANY, YAML, Bench, bill, flow, vendor


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


@pytest.fixture
def tx(bench: Bench) -> Iterator[Tx]:
    with bench.world.store.write() as tx:
        yield tx


def desk_of(bench: Bench, tx: Tx, program: FlowProgram | None = None) -> Desk:
    return bench.runner.batch(tx, program or bench.program, COMPANY, 1).desk


def prepared(
    bench: Bench, tx: Tx, data: dict[str, Any], stream: str = "bills", text: str | None = None
) -> pipeline.Prepared:
    program = compile_flow(flow(text)) if text else bench.program
    desk = desk_of(bench, tx, program)
    return pipeline.prepare(program.stream(stream), desk, str(data["id"]), data)


# --- out it goes


def test_a_bill_is_frozen(bench: Bench, tx: Tx) -> None:
    made = prepared(bench, tx, bill(memo="a & b"))
    assert isinstance(made, Frozen)
    guid = pipeline.guid_of(COMPANY, "shop_to_ledger", "bills", "b-1", "post")
    assert made.body.decode() == (
        f'<BillAddRq requestID="{made.operation_id}"><BillAdd><VendorRef><ListID>V-1</ListID></VendorRef>'
        "<APAccountRef><ListID>A-AP</ListID></APAccountRef><TxnDate>2026-02-27</TxnDate><RefNumber>N-b-1</RefNumber>"
        f"<Memo>a &amp; b</Memo><ExternalGUID>{guid}</ExternalGUID><ExpenseLineAdd><AccountRef><ListID>A-RENT</ListID>"
        "</AccountRef><Amount>100.00</Amount><Memo>m</Memo></ExpenseLineAdd></BillAdd></BillAddRq>"
    )
    assert (made.request, made.guid) == ("BillAdd", guid)
    assert made.operation_id == SeededIds(1).base62(22)
    mapped = json.loads(made.mapped)
    assert (mapped["amount"], mapped["vendor"]["full_name"], mapped["lines"][0]["memo"]) == (
        "100.00",
        "Grün & Söhne",
        "m",
    )
    assert made.mapped_sha256 == sha256(made.mapped.encode()).hexdigest()
    assert json.loads(made.follow_up) == {
        "mark": {"connection": "shop", "kind": "BILL", "reference": "receipt.TxnID"},
        "failures": ["failed", "deferred"],
    }


def test_a_vendor_provides_its_key(bench: Bench, tx: Tx) -> None:
    made = prepared(bench, tx, vendor("v-9"), "vendors")
    assert isinstance(made, Frozen)
    assert json.loads(made.follow_up) == {"provide": {"lookup": "vendor", "key": "v-9"}}


def test_without_a_template_the_body_is_the_mapped_record(bench: Bench, tx: Tx) -> None:
    text = YAML.replace("posted('bills', id).TxnID", "id")
    made = prepared(bench, tx, bill(status="paid"), "payments", text)
    assert isinstance(made, Frozen)
    assert (made.request, json.loads(made.body)) == ("NotePost", {"bill": "b-1", "amount": "100.00"})
    assert made.body == b'{"amount":"100.00","bill":"b-1"}'
    assert json.loads(made.follow_up) == {}


def test_the_first_variant_that_fits_is_taken(bench: Bench, tx: Tx) -> None:
    text = YAML.replace("posted('bills', id).TxnID", "id")
    companies.put_setting(tx, COMPANY, "shop_to_ledger", "card_payments", True)
    made = prepared(bench, tx, bill(status="paid", amount="500.01"), "payments", text)
    assert isinstance(made, Frozen)
    assert made.request == "CardPost"


def test_two_attempts_differ_only_in_the_operation(bench: Bench, tx: Tx) -> None:
    desk = desk_of(bench, tx)
    one, two = (pipeline.prepare(bench.program.stream("bills"), desk, "b-1", bill()) for _ in range(2))
    assert isinstance(one, Frozen)
    assert isinstance(two, Frozen)
    assert (one.guid, one.mapped_sha256) == (two.guid, two.mapped_sha256)
    assert one.operation_id != two.operation_id
    assert one.body == two.body.replace(two.operation_id.encode(), one.operation_id.encode())


def test_an_expression_s_root_is_the_whole_record(bench: Bench, tx: Tx) -> None:
    text = YAML.replace("amount: money(amount), memo: memo, class", "amount: money(amount), memo: root().number, class")
    made = prepared(bench, tx, bill(), text=text)
    assert isinstance(made, Frozen)
    assert json.loads(made.mapped)["lines"][0]["memo"] == "N-b-1"


def test_the_guid_names_company_flow_stream_record_and_phase() -> None:
    place = ("acme", "flow", "bills", "b-1", "post")
    # Written down: it is how a record is found again in a target that was written to by an earlier release.
    assert pipeline.guid_of(*place) == "{1304C7FD-1094-56F0-9890-845FABF60231}"
    others = {pipeline.guid_of(*(*place[:n], "x", *place[n + 1 :])) for n in range(5)}
    assert len(others | {pipeline.guid_of(*place)}) == 6
    assert pipeline.guid_of("a", "bc", "", "", "") != pipeline.guid_of("ab", "c", "", "", "")


# --- it stays


def test_not_selected(bench: Bench, tx: Tx) -> None:
    assert prepared(bench, tx, bill(status="draft")) == Parked(
        "skipped", (Reason("not_selected", "the bill is a draft"),)
    )
    assert prepared(bench, tx, bill(), "payments") == Parked(
        "skipped", (Reason("not_selected", "not selected: status == 'paid'"),)
    )


def test_already_there(bench: Bench, tx: Tx) -> None:
    made = prepared(bench, tx, vendor("v-1", "GRÜN & SÖHNE"), "vendors")
    assert made == Adopted({"currency": "EUR", "list_id": "V-1", "full_name": "Grün & Söhne", "number": ""})


def test_an_inactive_one_is_not_adopted(bench: Bench, tx: Tx) -> None:
    assert isinstance(prepared(bench, tx, vendor("v-2", "Retired"), "vendors"), Frozen)


def test_everything_that_is_missing_is_noted_once(bench: Bench, tx: Tx) -> None:
    lines = [{"account": name, "code": None, "amount": "50.00"} for name in ("Office", "Office", "Travel")]
    made = prepared(bench, tx, bill(vendor={"id": "v-7", "name": "Nobody"}, lines=lines, amount="150.00"))
    assert isinstance(made, Parked)
    assert made.state == "deferred"
    assert [reason.message for reason in made.reasons] == [
        "the vendor `Nobody` is not in the Vendor list of Ledger",
        "the account `Office` is not in the Account list of Ledger",
        "the account `Travel` is not in the Account list of Ledger",
    ]


def test_a_receipt_that_is_not_there_yet(bench: Bench, tx: Tx) -> None:
    made = prepared(bench, tx, bill(status="paid"), "payments")
    assert made == Parked(
        "deferred",
        (
            Reason(
                "not_posted", "bills/b-1 was never read", "it waits until that record is posted", ("posted:bills:b-1",)
            ),
        ),
    )


def test_a_check_may_miss_something_too(bench: Bench, tx: Tx) -> None:
    text = YAML.replace("sum_money(lines[].amount) == amount", "lookup('account', 'x', 'Nowhere') || amount").replace(
        "the lines do not add up to the bill", "it has an account"
    )
    made = prepared(bench, tx, bill(), text=text)
    assert isinstance(made, Parked)
    assert (made.state, [reason.code for reason in made.reasons]) == ("deferred", ["unmapped"])


def test_an_optional_object_is_missed_only_when_it_is_given(bench: Bench, tx: Tx) -> None:
    text = YAML.replace("class: null", "class: lookup_if('vendor', class_id, class_name)")
    assert isinstance(prepared(bench, tx, bill(), text=text), Frozen)
    lines = [{"account": "Rent", "amount": "100.00", "class_name": "North"}]
    made = prepared(bench, tx, bill(lines=lines), text=text)
    assert isinstance(made, Parked)
    assert [reason.message for reason in made.reasons] == ["the vendor `North` is not in the Vendor list of Ledger"]


def test_a_search_misses_nothing(bench: Bench, tx: Tx) -> None:
    text = YAML.replace(
        "memo: memo\n", "memo: find('vendor', id, number).full_name || find('vendor', `null`) || 'none'\n"
    )
    made = prepared(bench, tx, bill(), text=text)
    assert isinstance(made, Frozen)
    assert json.loads(made.mapped)["memo"] == "none"


def test_a_check_that_fails(bench: Bench, tx: Tx) -> None:
    assert prepared(bench, tx, bill(amount="99.99", lines=bill()["lines"])) == Parked(
        "failed",
        (Reason("check", "the lines do not add up to the bill", f"100.00 is not 99.99; {CORRECT}"),),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": "ten"}, "`ten` is not an amount"),
        ({"amount": 10.5}, "an amount was expected, but this is a float"),
        ({"date": "yesterday"}, "yesterday"),
    ],
)
def test_an_expression_that_fails(bench: Bench, tx: Tx, change: dict[str, Any], message: str) -> None:
    made = prepared(bench, tx, bill(**change))
    assert isinstance(made, Parked)
    assert (made.state, [reason.code for reason in made.reasons]) == ("failed", ["expression"])
    assert message in made.reasons[0].message


def test_a_template_that_fails(bench: Bench, tx: Tx, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.xml.j2").write_text("<BillAddRq>\n{{ nothing }}</BillAddRq>", encoding="utf-8")
    program = compile_flow(flow(YAML.replace("bill_add.xml.j2", "own.xml.j2"), str(tmp_path / "flow.yaml")))
    made = pipeline.prepare(program.stream("bills"), desk_of(bench, tx, program), "b-1", bill())
    assert isinstance(made, Parked)
    assert (made.state, made.reasons[0].code) == ("failed", "render")
    assert made.reasons[0].message == "own.xml.j2:2: `nothing` is not among the values of this template"


def test_a_document_that_the_target_would_refuse(bench: Bench, tx: Tx, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.xml.j2").write_text('<BillAddRq requestID="1"><Bill/></BillAddRq>', encoding="utf-8")
    program = compile_flow(flow(YAML.replace("bill_add.xml.j2", "own.xml.j2"), str(tmp_path / "flow.yaml")))
    made = pipeline.prepare(program.stream("bills"), desk_of(bench, tx, program), "b-1", bill())
    assert isinstance(made, Parked)
    assert (made.state, made.reasons[0].code) == ("failed", "render")


def test_an_object_that_no_request_can_be_made_of_may_be_named_by_a_person(
    bench: Bench, tx: Tx, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.xml.j2").write_text("<VendorAddRq/>", encoding="utf-8")
    program = compile_flow(flow(YAML.replace("vendor_add.xml.j2", "own.xml.j2"), str(tmp_path / "flow.yaml")))
    made = pipeline.prepare(program.stream("vendors"), desk_of(bench, tx, program), "v-9", vendor())
    assert isinstance(made, Parked)
    assert (made.state, made.reasons[0].code, made.reasons[0].waits_for) == (
        "deferred",
        "render",
        ("mapping:vendor:v-9",),
    )


def test_no_variant_fits(bench: Bench, tx: Tx) -> None:
    text = YAML.replace("posted('bills', id).TxnID", "id")
    made = prepared(bench, tx, bill(status="paid", amount="500.01"), "payments", text)
    assert made == Parked("failed", (Reason("no_variant", "no way of writing fits this record"),))


def test_a_list_that_was_never_read() -> None:
    with kit.bench(lists=False) as bench, bench.world.store.write() as tx:
        assert prepared(bench, tx, bill()) == NotReady(("Vendor", "Account"))
        # Not even what would be skipped is decided: the selection itself may ask a list.
        assert prepared(bench, tx, vendor(status="closed"), "vendors") == NotReady(("Vendor",))
        assert isinstance(prepared(bench, tx, bill() | {"status": "paid"}, "payments"), Parked)


@pytest.mark.parametrize("value", [None, 1, "", "x", [], {}, [1], {"a": 1}, True])
def test_nothing_that_a_record_holds_raises(bench: Bench, tx: Tx, value: object) -> None:
    for name in ("status", "number", "amount", "currency", "date", "memo", "vendor", "lines"):
        data = bill()
        data[name] = value
        assert isinstance(prepared(bench, tx, data), Frozen | Parked)
    data = bill()
    data["lines"] = [value]
    assert isinstance(prepared(bench, tx, data), Frozen | Parked)


# --- what the engine keeps of a record


def test_what_is_taken_in(bench: Bench, tx: Tx) -> None:
    data = bill()
    intake = pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), data)
    payload = canonical(data)
    assert (intake.payload, intake.payload_sha256) == (payload, sha256(payload.encode()).hexdigest())
    kept = (intake.source_id, intake.amount, intake.currency, intake.party, intake.reference, intake.dated_on)
    assert kept == ("b-1", "100.00", "EUR", "Grün & Söhne", "N-b-1", "2026-02-27")


def test_the_order_of_keys_makes_no_other_record(bench: Bench, tx: Tx) -> None:
    desk, stream = desk_of(bench, tx), bench.program.stream("bills")
    turned = dict(reversed(list(bill().items())))
    assert pipeline.take_in(stream, desk, turned) == pipeline.take_in(stream, desk, bill())


@pytest.mark.parametrize("key", [None, "", True, False, {}, [], {"a": 1}, ["x"]])
def test_a_record_without_an_id_is_refused(bench: Bench, tx: Tx, key: object) -> None:
    with pytest.raises(ExpressionError) as caught:
        pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), {**bill(), "id": key})
    assert str(caught.value) == "`key: id` gives no id for this record"


@pytest.mark.parametrize("key", ["x" * 1001, "é" * 501, "\U0001f600" * 251])
def test_an_id_that_no_store_keeps_is_refused(bench: Bench, tx: Tx, key: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), {**bill(), "id": key})
    assert str(caught.value) == f"`key: id` gives an id of more than 1,000 bytes: {key[:40]!a}..."
    assert caught.value.hint == "let `key` in the flow give the id of the record in the source, and no text of it"
    taken = pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), {**bill(), "id": key[1:]})
    assert taken.source_id == key[1:]


@pytest.mark.parametrize(("key", "text"), [("x", "x"), (0, "0"), (17, "17")])
def test_an_id_is_text(bench: Bench, tx: Tx, key: object, text: str) -> None:
    assert pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), {**bill(), "id": key}).source_id == text


def test_what_people_see_is_left_out_when_it_cannot_be_told(bench: Bench, tx: Tx) -> None:
    intake = pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), bill(number=None, currency=["EUR"]))
    assert (intake.reference, intake.currency, intake.amount) == (None, None, "100.00")
    intake = pipeline.take_in(bench.program.stream("bills"), desk_of(bench, tx), bill(amount="ten"))
    assert (intake.source_id, intake.amount) == ("b-1", None)


def test_an_amount_that_is_none_is_left_out(bench: Bench, tx: Tx) -> None:
    program = compile_flow(
        flow(YAML.replace("about: {amount: money(amount), currency", "about: {amount: number, currency"))
    )
    intake = pipeline.take_in(program.stream("bills"), desk_of(bench, tx, program), bill())
    assert (intake.amount, intake.currency) == (None, "EUR")


# --- comparing


def test_what_would_be_written_is_compared_by_digest(bench: Bench, tx: Tx) -> None:
    desk, stream = desk_of(bench, tx), bench.program.stream("bills")
    made = pipeline.prepare(stream, desk, "b-1", bill())
    assert isinstance(made, Frozen)
    assert pipeline.map_digest(stream, desk, bill(unread="x")) == made.mapped_sha256
    assert pipeline.map_digest(stream, desk, bill(memo="x")) not in (None, made.mapped_sha256)
    assert pipeline.map_digest(stream, desk, bill(amount="ten")) is None
    assert pipeline.map_digest(stream, desk, bill(vendor={"id": "v-7", "name": "Nobody"})) is None


def test_whether_a_record_is_still_wanted(bench: Bench, tx: Tx) -> None:
    desk, stream = desk_of(bench, tx), bench.program.stream("bills")
    assert pipeline.selected(stream, desk, bill()) is True
    assert pipeline.selected(stream, desk, bill(status="draft")) is False
    program = compile_flow(flow(YAML.replace("status != 'draft'", "money(status) > `1`")))
    assert pipeline.selected(program.stream("bills"), desk_of(bench, tx, program), bill()) is False


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (None, False),
        (False, False),
        ("", False),
        ([], False),
        ({}, False),
        (0, True),
        ("0", True),
        (True, True),
        ([0], True),
    ],
)
def test_what_is_true(value: object, truth: bool) -> None:
    assert truthy(value) is truth


def test_freezing_refuses_what_is_no_request() -> None:
    with pytest.raises(RenderError):
        freeze_request("BillAdd", "<BillAddRq")


def test_a_list_object_s_own_fields_do_not_hide_its_id(bench: Bench) -> None:
    bench.read_lists(vendors=[ListObject("V-1", "Grün & Söhne", data={"list_id": "other", "full_name": "other"})])
    with bench.world.store.write() as tx:
        made = prepared(bench, tx, bill())
        assert isinstance(made, Frozen)
        assert b"<VendorRef><ListID>V-1</ListID></VendorRef>" in made.body
