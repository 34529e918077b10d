"""Card transactions: coded, annotated and given a receipt, each part once and only where it is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.ramp.codings import multipart
from connectors.ramp.simulator import Account, Money
from connectors.ramp.simulator.build import card_line, coded
from connectors.ramp.simulator.records import Profile
from connectors.ramp.simulator.transactions import show_transaction
from engine.contract import Operation, Receipt
from engine.errors import Ambiguous, Rejected
from tests.connectors.http_kit import reply
from tests.connectors.ramp.target_kit import CODING, PAPER, PNG, PROFILES, RENT, Bench, Papers, operation

each = pytest.mark.parametrize("profile", PROFILES)
RECEIPT = {"connection": "freshbooks", "stream": "expenses", "id": "77"}


def code(transaction_id: str, **fields: Any) -> Operation:
    body = {"transaction_id": transaction_id, "coding": CODING, "memo": "Rent", "receipt": RECEIPT, **fields}
    return operation("TransactionCode", {name: value for name, value in body.items() if value is not None})


def swipe(bench: Bench, **fields: Any) -> str:
    return bench.simulator.add_transaction(Money(5000), **fields).id


@each
def test_all_three_parts_are_done(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    assert bench.push(code(one)) == Receipt({"id": one})
    assert bench.writes() == ["POST /accounting/codings", f"POST /memos/{one}", "POST /receipts"]
    field_id, option_id = bench.world.names.fixed("field", "GL_ACCOUNT"), bench.world.accounts["6010"].id
    assert bench.sent("/accounting/codings") == [
        {
            "object_type": "TRANSACTION",
            "object_id": one,
            "accounting_field_selections": [{"field_id": field_id, "field_option_id": option_id}],
        }
    ]
    row, (receipt,) = bench.world.transactions[one], bench.world.receipts.values()
    assert (row.lines[0].selections, row.memo, row.receipts) == (coded(RENT), "Rent", (receipt.id,))
    assert (receipt.user_id, receipt.media_type, receipt.size) == (row.user_id, "image/png", 8)
    bench.tape.clear()
    assert bench.push(code(one)) == Receipt({"id": one})
    assert bench.calls() == [f"GET /transactions/{one}"]


@each
@pytest.mark.parametrize("part", ["/accounting/codings", "/memos", "/receipts"])
def test_a_lost_answer_leaves_no_part_twice(profile: Profile, part: str) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    bench.fault("timeout_after", "POST", part)
    with pytest.raises(Ambiguous):
        bench.push(code(one))
    assert bench.push(code(one)) == Receipt({"id": one})
    assert bench.writes() == ["POST /accounting/codings", f"POST /memos/{one}", "POST /receipts"]


@each
def test_the_key_of_a_receipt_is_that_of_the_operation(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    bench.push(code(one))
    # Should Ramp not show the receipt yet, the same key makes it take the file only once.
    bench.world.change_transaction(one, receipts=())
    bench.push(code(one))
    assert len(bench.world.receipts) == 1
    assert bench.tape[-1].body == next(s.body for s in bench.tape if s.path.endswith("/receipts"))


@each
def test_what_a_card_holder_wrote_and_attached_stays(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench, memo="Lunch with Ada", receipts=("55555555-5555-4555-8555-555555555555",))
    bench.push(code(one))
    assert bench.writes() == ["POST /accounting/codings"]
    assert bench.world.transactions[one].memo == "Lunch with Ada"


@each
def test_another_account_is_exchanged_and_other_fields_stay(profile: Profile) -> None:
    bench = Bench(profile)
    west = Account("C-1", "West")
    one = swipe(bench, lines=[card_line(Money(5000), coded(PAPER, west))])
    bench.push(code(one))
    assert set(bench.world.transactions[one].lines[0].selections) == set(coded(RENT, west))


@each
@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("key", ["accounting_field_selections", "accounting_coding_selections"])
def test_the_name_of_the_list_is_found_out(profile: Profile, key: str, refuses: bool) -> None:
    bench = Bench(profile, options={"coding_key": key, "refuse_unknown_coding_key": refuses})
    one = swipe(bench)
    bench.push(code(one, memo=None, receipt=None))
    assert bench.world.transactions[one].lines[0].selections == coded(RENT)
    assert [next(reversed(body)) for body in bench.sent("/accounting/codings")][-1] == key


@each
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"sync_status": "SYNCED"}, "it is in the books already; not done: coding, memo, receipt"),
        ({"state": "DECLINED"}, "Ramp shows it as declined"),
        (
            {"lines": [card_line(Money(2000)), card_line(Money(3000))]},
            "it is split in 2, and only a person can code the splits",
        ),
    ],
)
def test_a_transaction_that_cannot_be_coded_is_refused(profile: Profile, fields: dict[str, Any], text: str) -> None:
    bench = Bench(profile)
    one = swipe(bench, **fields)
    with pytest.raises(Rejected) as caught:
        bench.push(code(one))
    assert str(caught.value) == f"acme/ramp: TransactionCode: {one}: {text}"
    assert bench.writes() == []


@each
def test_one_that_is_done_and_synced_is_done(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    bench.push(code(one))
    bench.simulator.export_button(one)
    assert bench.push(code(one)) == Receipt({"id": one})


@each
def test_one_that_is_gone_is_refused(profile: Profile) -> None:
    gone = "44444444-4444-4444-8444-444444444444"
    with pytest.raises(Rejected) as caught:
        Bench(profile).push(code(gone))
    assert str(caught.value) == f"acme/ramp: TransactionCode: {gone}: Ramp has no such transaction any more"


@each
def test_an_option_that_is_not_active_is_refused(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    with pytest.raises(Rejected) as caught:
        bench.push(code(one, coding=[{"field_id": "Category", "option_id": "6900"}]))
    assert str(caught.value) == (
        "acme/ramp: TransactionCode: the option `6900` of the field `Category` is not active in Ramp"
    )
    assert bench.writes() == []


def test_a_coding_that_ramp_takes_and_does_not_show_is_refused() -> None:
    bench = Bench("2026-08")
    one = swipe(bench)

    def change(request: Any, answer: Any) -> Any:
        row = bench.world.transactions[one]
        bench.world.transactions[one] = replace(row, lines=(card_line(Money(5000)),))
        return answer

    bench.change = change
    with pytest.raises(Rejected) as caught:
        bench.push(code(one))
    assert str(caught.value) == (
        f"acme/ramp: TransactionCode: Ramp took the coding of the transaction {one} and does not show it"
    )


@each
@pytest.mark.parametrize(
    ("receipt", "text"),
    [
        (RECEIPT, "`receipt`: the file's media type is none"),
        ({"stream": "expenses", "id": "77"}, "`receipt`: without `connection`"),
        ({"connection": "freshbooks", "id": "77"}, "`receipt`: without `stream`"),
        ({"connection": "freshbooks", "stream": "expenses"}, "`receipt`: without `id`"),
    ],
)
def test_a_file_that_is_none_is_refused(profile: Profile, receipt: dict[str, str], text: str) -> None:
    bench = Bench(profile, papers=Papers(replace(PNG, media_type="png")))
    with pytest.raises(Rejected) as caught:
        bench.push(code(swipe(bench), receipt=receipt))
    assert str(caught.value) == f"acme/ramp: TransactionCode: {text}"


@each
def test_a_receipt_is_read_where_it_is_when_it_is_needed(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    assert bench.papers is not None
    bench.push(code(one))
    assert bench.papers.asked == [("freshbooks", "expenses", "77")]
    bench.push(code(one))
    assert bench.papers.asked == [("freshbooks", "expenses", "77")]


@each
def test_a_receipt_that_was_taken_away_is_left_out(profile: Profile) -> None:
    bench = Bench(profile, papers=Papers(None))
    one = swipe(bench)
    assert bench.push(code(one)) == Receipt({"id": one})
    assert bench.writes() == ["POST /accounting/codings", f"POST /memos/{one}"]


def test_without_other_connections_there_is_no_receipt() -> None:
    bench = Bench("2026-08", papers=None)
    with pytest.raises(Rejected) as caught:
        bench.push(code(swipe(bench)))
    assert str(caught.value) == "acme/ramp: TransactionCode: `receipt`: no other connection is within reach"


@each
def test_a_coded_transaction_is_coded_anew(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench)
    bench.push(code(one))
    other = [{"field_id": "Category", "option_id": "6020"}]
    body = {"coding": other, "memo": "Another one", "receipt": RECEIPT}
    again = replace(operation("TransactionCodeUpdate", body), target_id=one)
    assert bench.push(again) == Receipt({"id": one})
    row = bench.world.transactions[one]
    assert (row.lines[0].selections, row.memo, len(row.receipts)) == (coded(PAPER), "Rent", 1)


def test_the_upload_is_form_data_and_an_attachment() -> None:
    boundary, body = multipart({"idempotency_key": "k"}, ("r.png", "image/png", b"\x00\r\n"))
    assert (
        body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="idempotency_key"\r\n\r\nk\r\n'
            f'--{boundary}\r\nContent-Disposition: attachment; name="receipt"; filename="r.png"\r\n'
            "Content-Type: image/png\r\n\r\n\x00\r\n"
            f"\r\n--{boundary}--\r\n"
        ).encode()
    )


# --- lists ------------------------------------------------------------------------------------------------------------


def listed(bench: Bench, name: str) -> list[Any]:
    return [item for page in bench.ramp.list_objects(name) for item in page]


@each
def test_lists_are_read_a_hundred_at_a_time(profile: Profile) -> None:
    bench = Bench(profile)
    for number in range(150):
        bench.simulator.add_vendor(f"Vendor {number}", is_active=bool(number % 2), external_id=f"v-{number}")
    found = listed(bench, "vendors")
    assert (len(found), len([v for v in found if not v.active])) == (151, 75)
    assert found[1].number == ("v-0" if profile == "2026-08" else "")
    assert bench.calls() == ["GET /vendors", "GET /vendors"]
    assert "page_size=100" in bench.tape[-1].query


@each
def test_accounts_say_the_field_that_they_are_options_of(profile: Profile) -> None:
    bench = Bench(profile)
    rent, _, closed = listed(bench, "accounts")
    assert (rent.list_id, rent.full_name, rent.number, rent.active) == ("6010", "Rent", "6010", True)
    ramp_id = bench.world.accounts["6010"].id
    assert rent.data == {"ramp_id": ramp_id, "classification": "EXPENSE", "field_id": "Category"}
    assert (closed.full_name, closed.active) == ("Closed", False)


@each
def test_entities_have_their_accounts(profile: Profile) -> None:
    bench = Bench(profile)
    entity = bench.world.primary_entity()
    accounts = (("BILL_PAY_BANK_ACCOUNT", Account("A-2", "Checking")),)
    bench.world.entities[entity.id] = replace(entity, accounts=accounts)
    (found,) = listed(bench, "entities")
    bank = {"usage_type": "BILL_PAY_BANK_ACCOUNT", "external_id": "A-2", "external_name": "Checking"}
    assert (found.list_id, found.data) == (entity.id, {"currency": "USD", "is_primary": True, "accounts": [bank]})


@each
def test_card_transactions_are_those_and_what_was_synced_of_late(profile: Profile) -> None:
    bench = Bench(profile)
    ready, synced = swipe(bench), swipe(bench, sync_status="SYNCED")
    swipe(bench, sync_status="SYNCED", happened_at=bench.world.now - timedelta(days=91))
    swipe(bench, state="DECLINED", sync_status="NOT_SYNC_READY")
    found = {item.list_id: item.data["is_synced"] for item in listed(bench, "card_transactions")}
    assert found == {ready: False, synced: True}


@each
def test_one_that_is_synced_and_coded_so_is_done_without_its_memo(profile: Profile) -> None:
    bench = Bench(profile)
    one = swipe(bench, lines=[card_line(Money(5000), coded(RENT))], sync_status="SYNCED")
    assert bench.push(code(one)) == Receipt({"id": one})
    assert bench.writes() == []


@each
def test_open_transactions_are_those_that_are_not_synced(profile: Profile) -> None:
    bench = Bench(profile)
    happened = bench.world.now
    ready = swipe(bench, merchant="Uber", memo="Taxi")
    pending = bench.simulator.add_transaction(Money(-1050, "JPY"), state="PENDING", merchant="Shop").id
    split = [card_line(Money(1000), coded(RENT)), card_line(Money(2000))]
    parts = bench.simulator.add_transaction(Money(3000), lines=split, merchant="Two").id
    swipe(bench, state="DECLINED", sync_status="NOT_SYNC_READY")
    swipe(bench, sync_status="SYNCED")
    common = {
        "currency": "USD",
        "other_amount": None,
        "other_currency": None,
        "date": happened.date().isoformat(),
        "memo": None,
        "is_coded": False,
        "is_split": False,
        "is_synced": False,
    }
    found = {item.list_id: (item.full_name, item.data) for item in listed(bench, "open_transactions")}
    holders = [f"{u.first_name} {u.last_name}" for u in bench.world.users.values()]
    assert found == {
        ready: ("Uber", {**common, "amount": "50.00", "memo": "Taxi", "card_holder": holders[0]}),
        parts: ("Two", {**common, "amount": "30.00", "is_split": True, "card_holder": holders[2]}),
        pending: ("Shop", {**common, "amount": "-1050", "currency": "JPY", "card_holder": holders[1]}),
    }


@each
@pytest.mark.parametrize(
    ("settled", "charged", "other"),
    [(1840, Money(1700, "EUR"), ("17.00", "EUR")), (-1840, Money(1700, "EUR"), ("-17.00", "EUR")),
     (-1840, Money(-1700, "JPY"), ("-1700", "JPY")), (1840, Money(1700, "USD"), (None, None))],
)  # fmt: skip
def test_what_the_merchant_charged_in_its_own_currency(
    profile: Profile, settled: int, charged: Money, other: tuple[str | None, str | None]
) -> None:
    bench = Bench(profile)
    bench.simulator.add_transaction(Money(settled), original=charged)
    (found,) = listed(bench, "card_transactions")
    assert (found.data["other_amount"], found.data["other_currency"]) == other
    assert found.data["currency"] == "USD"


def test_a_filter_that_is_ignored_lists_no_synced_transaction() -> None:
    bench = Bench("2026-08")
    swipe(bench, sync_status="SYNCED", synced_at=bench.world.now)
    mine = swipe(bench)
    inner = bench.world.transactions

    def change(request: Any, answer: Any) -> Any:
        if request.url.path.endswith("/transactions"):
            rows = [show_transaction(bench.world, row) for row in inner.values()]
            for row in rows:
                row["amount"] = float(row["amount"])
            return reply(200, {"data": rows, "page": {"next": None}})
        return answer

    bench.change = change
    assert [item.list_id for item in listed(bench, "open_transactions")] == [mine]


@each
def test_an_amount_that_cannot_be_trusted_is_none(profile: Profile) -> None:
    bench = Bench(profile)
    swipe(bench)

    def damage(request: Any, answer: Any) -> Any:
        if not request.url.path.endswith("/transactions"):
            return answer
        body = answer.json()
        for row in body["data"]:
            row |= {"amount": "50", "entity_amount": {"currency": "USD", "value": "x"}}
        return reply(200, body)

    bench.change = damage
    assert [item.data["amount"] for item in listed(bench, "open_transactions")] == [None]


def test_an_unknown_list_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        listed(Bench("2026-08"), "vendor")
    assert str(caught.value) == "acme/ramp: there is no list `vendor`"
