from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ramp import CONNECTOR
from connectors.ramp.amounts import _any_object, from_number, from_object
from connectors.ramp.records import normaliser
from connectors.ramp.settings import read_settings
from engine.errors import ExpressionError
from engine.money import parse_money
from engine.spec import FieldSpec
from tests.connectors.ramp.source_kit import Row, bill, binding, coding, money, transaction, uuid
from tests.reference import reference


def record(stream: str, row: Row, **options: str) -> dict[str, Any]:
    return normaliser(stream, read_settings(binding(**options)))(row)


@pytest.mark.parametrize(
    ("value", "amount", "currency"),
    [
        (money(105000), "1050.00", "USD"),
        (money(-5), "-0.05", "USD"),
        (money(0), "0.00", "USD"),
        (money(1050, "JPY"), "1050", "JPY"),
        (money(1050, "KWD"), "1.050", "KWD"),
        (money(-1, "KWD"), "-0.001", "KWD"),
        ({"value": 9000, "currency": "eur"}, "90.00", "EUR"),
        ({"amount": Decimal("9000.0"), "currency_code": "USD"}, "90.00", "USD"),
        ({**money(10500), "minor_unit_conversion_rate": 100}, "105.00", "USD"),
        ({**money(10500, "UGX"), "minor_unit_conversion_rate": 100}, "105.00", "UGX"),
        ({**money(10500), "minor_unit_conversion_rate": 7}, "105.00", "USD"),
        (None, None, None),
        (90, "unreadable: no currency", None),
        ({"amount": 100}, "unreadable: no currency", None),
        (money(100, "US"), "unreadable: no currency", None),
        ({"amount": Decimal("90.5"), "currency_code": "USD"}, "unreadable: not in whole minor units", "USD"),
        ({"amount": "9000", "currency_code": "USD"}, "unreadable: not in whole minor units", "USD"),
        ({"amount": True, "currency_code": "USD"}, "unreadable: not in whole minor units", "USD"),
        ({"amount": None, "currency_code": "USD"}, "unreadable: not in whole minor units", "USD"),
        (money(10**17), "unreadable: too large", "USD"),
        ({"amount": Decimal("1E+400"), "currency_code": "USD"}, "unreadable: not in whole minor units", "USD"),
    ],
)
def test_amounts_in_minor_units(value: object, amount: str | None, currency: str | None) -> None:
    assert from_object(value) == (amount, currency)


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        (Decimal("90.0"), "USD", "90.00"),
        (90, "USD", "90.00"),
        (Decimal("-12.5"), "USD", "-12.50"),
        (Decimal("12.340000000000002"), "USD", "12.34"),
        (Decimal("-0.0"), "USD", "0.00"),
        (Decimal("1050.0"), "JPY", "1050"),
        (Decimal("12.345"), "USD", "unreadable: more than 2 decimals"),
        (Decimal("10.5"), "JPY", "unreadable: more than 0 decimals"),
        (Decimal("1E+400"), "USD", "unreadable: too large"),
        (Decimal("1E-400"), "USD", "0.00"),
        (Decimal("NaN"), "USD", "unreadable: too large"),
        ("90.0", "USD", "unreadable: not a number"),
        (True, "USD", "unreadable: not a number"),
        (90, None, "unreadable: no currency"),
        (None, "USD", None),
    ],
)
def test_amounts_in_major_units(value: object, currency: str | None, amount: str | None) -> None:
    assert from_number(value, currency) == (amount, currency)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.sampled_from(["USD", "JPY", "KWD"]))
def test_every_amount_is_exact(minor: int, currency: str) -> None:
    text, _ = from_object(money(minor, currency))
    assert text is not None
    places = {"USD": 2, "JPY": 0, "KWD": 3}[currency]
    assert Decimal(text).scaleb(places) == minor
    assert -Decimal(text).as_tuple().exponent == places  # type: ignore[operator]  # finite by the line above


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "amount": st.integers(-200, 200) | st.integers() | st.booleans() | st.decimals() | st.text(max_size=3),
            "currency_code": st.sampled_from(["USD", "usd", "EUR", "JPY", "KWD", "US", ["USD"], None]),
            "value": st.integers(),
            "currency": st.sampled_from(["USD", "JPY"]),
            "minor_unit_conversion_rate": st.sampled_from([1, 10, 100, 1000, True, None, "100", Decimal(100)]),
        },
    )
)
def test_the_short_way_to_an_amount_agrees_with_the_long_one(value: dict[str, object]) -> None:
    assert from_object(value) == _any_object(value)


def test_an_unreadable_amount_fails_its_own_record() -> None:
    with pytest.raises(ExpressionError):
        parse_money(record("bills", bill(1, amount={"amount": 1}))["amount"])


def test_a_bill() -> None:
    gl = coding("GL_ACCOUNT", "80000001-1", "Office", external_code="6000", provider_name="flowctl", type="GL_ACCOUNT")
    payment = {
        "id": uuid(77),
        "amount": money(104000),
        "payment_date": "2026-11-20T00:00:00+00:00",
        "effective_date": None,
        "payment_method": "CARD",
        "details": {"transaction_ids": [uuid(78)], "spend_limit_id": uuid(79)},
        "customer_friendly_payment_id": "P-1",
        "trace_id": None,
    }
    inventory = {
        "amount": money(300),
        "unit_price": money(100),
        "unit_quantity": 3,
        "accounting_field_selections": [],
        "memo": None,
    }
    row = bill(
        1,
        105300,
        payment=payment,
        line_items=[{"amount": money(105000), "memo": "Paper", "accounting_field_selections": [gl]}],
        inventory_line_items=[inventory],
        applied_vendor_credits=[{"id": uuid(80), "amount": money(1000)}],
    )
    empty = dict.fromkeys(
        ("posting_date", "paid_at", "status_summary", "enable_accounting_sync", "memo", "vendor_memo")
    )
    empty |= dict.fromkeys(("remote_id", "deep_link_url", "fx_conversion_rate", "foreign_provider", "archived_at"))
    assert record("bills", row) == {
        **empty,
        "id": uuid(1),
        "invoice_number": "INV-1",
        "amount": "1053.00",
        "currency": "USD",
        "vendor": {
            "id": uuid(500),
            "name": "Amélie & Söhne",
            "remote_id": None,
            "remote_code": None,
            "remote_name": None,
            "type": "BUSINESS",
        },
        "issued_at": "2026-11-01T00:00:00+00:00",
        "due_at": "2026-12-01T00:00:00+00:00",
        "accounting_date": "2026-11-01T00:00:00+00:00",
        "created_at": "2026-11-02T10:00:00+00:00",
        "status": "OPEN",
        "approval_status": "APPROVED",
        "sync_status": "NOT_SYNCED",
        "entity_id": uuid(700),
        "accounting_field_selections": [],
        "line_items": [
            {
                "amount": "1050.00",
                "currency": "USD",
                "memo": "Paper",
                "purchase_order_line_item_id": None,
                "accounting_field_selections": [
                    {
                        "id": uuid(901),
                        "external_id": "80000001-1",
                        "external_code": "6000",
                        "name": "Office",
                        "provider_name": "flowctl",
                        "category_info": {
                            "id": uuid(900),
                            "external_id": "Category",
                            "name": "Category",
                            "type": "GL_ACCOUNT",
                        },
                    }
                ],
            }
        ],
        "inventory_line_items": [
            {
                "amount": "3.00",
                "currency": "USD",
                "unit_price": "1.00",
                "quantity": "3",
                "memo": None,
                "purchase_order_line_item_id": None,
                "accounting_field_selections": [],
            }
        ],
        "payment": {
            "id": uuid(77),
            "customer_friendly_payment_id": "P-1",
            "amount": "1040.00",
            "currency": "USD",
            "payment_date": "2026-11-20T00:00:00+00:00",
            "effective_date": None,
            "payment_method": "CARD",
            "trace_id": None,
            "details": {"manual_payment_method": None, "transaction_ids": [uuid(78)]},
        },
        "applied_vendor_credits": [{"id": uuid(80), "amount": "10.00", "currency": "USD"}],
    }


def amounts(row: Row, **options: str) -> tuple[object, ...]:
    made = record("transactions", row, **options)
    return made["amount"], made["currency"], made["merchant_amount"], made["merchant_currency"]


def entity(value: int, currency: str = "USD") -> dict[str, object]:
    return {"value": value, "currency": currency}


def test_transaction_amounts_of_both_profiles() -> None:
    assert amounts(transaction(1, Decimal("90.0")), api_profile="2025-08") == ("90.00", "USD", None, None)
    assert amounts(transaction(1, Decimal("90.0"))) == ("90.00", "USD", None, None)
    assert amounts(transaction(1, None, currency_code=None, entity_amount=entity(9000))) == ("90.00", "USD", None, None)
    both = transaction(1, Decimal("90.0"), entity_amount=entity(9000), merchant_amount=entity(8300, "EUR"))
    assert amounts(both) == amounts(both, api_profile="2025-08") == ("90.00", "USD", "83.00", "EUR")
    original = transaction(1, 90, original_transaction_amount=money(8300, "EUR"))
    assert amounts(original) == ("90.00", "USD", "83.00", "EUR")


def test_a_refund_is_negative_by_the_entitys_amount() -> None:
    assert amounts(transaction(1, Decimal("-90.0")))[0] == "-90.00"
    assert amounts(transaction(1, 90, entity_amount=entity(-9000)))[0] == "-90.00"
    assert amounts(transaction(1, 90, entity_amount=entity(-9000)), api_profile="2025-08")[0] == "-90.00"


def test_two_amounts_that_differ_are_refused() -> None:
    # The fault seen elsewhere: dollars read as cents.
    row = transaction(1, 9000, entity_amount=entity(9000))
    assert amounts(row)[:2] == ("unreadable: two amounts that differ", "USD")


def test_an_entity_and_a_card_of_two_currencies_follow_the_profile() -> None:
    row = transaction(1, 90, entity_amount=entity(12400, "CAD"))
    assert amounts(row)[:2] == ("124.00", "CAD")
    assert amounts(row, api_profile="2025-08")[:2] == ("90.00", "USD")


def splits(*lines: object, **fields: object) -> list[tuple[object, ...]]:
    names = ("amount", "currency", "amount_source", "original_amount", "original_currency")
    made = record("transactions", transaction(1, 90, line_items=list(lines), **fields))
    return [tuple(line[name] for name in names) for line in made["line_items"]]


def test_a_split_is_given_in_the_transactions_currency() -> None:
    usd, eur = money(9000), money(8300, "EUR")
    assert splits({"amount": eur, "converted_amount": usd}) == [("90.00", "USD", "converted", "83.00", "EUR")]
    assert splits({"amount": usd, "converted_amount": None}) == [("90.00", "USD", "given", "90.00", "USD")]
    assert splits({"amount": usd, "converted_amount": eur}) == [("90.00", "USD", "given", "90.00", "USD")]
    assert splits({"amount": eur}) == [("90.00", "USD", "transaction", "83.00", "EUR")]
    assert splits({}) == [("90.00", "USD", "transaction", None, None)]
    assert splits({"amount": eur}, {"amount": eur}) == [("unreadable: split in EUR", "EUR", "none", "83.00", "EUR")] * 2
    assert splits({}, {"amount": usd}) == [
        ("unreadable: split in no currency", None, "none", None, None),
        ("90.00", "USD", "given", "90.00", "USD"),
    ]
    assert splits(None, 7, {"amount": usd}) == [("90.00", "USD", "given", "90.00", "USD")]


def test_coding_of_another_integration_is_marked_when_we_know_our_own_name() -> None:
    foreign = coding("GL_ACCOUNT", "426", "Office", provider_name="Other Books")
    ours = coding("GL_ACCOUNT", "427", "Office", provider_name=" FLOWCTL ")
    row = bill(1, line_items=[{"amount": money(1), "accounting_field_selections": [ours, foreign]}])
    assert record("bills", row)["foreign_provider"] is None
    assert record("bills", row, provider_name="flowctl")["foreign_provider"] == "Other Books"
    assert (
        record("bills", bill(1, accounting_field_selections=[ours]), provider_name="flowctl")["foreign_provider"]
        is None
    )
    assert (
        record("bills", bill(1, accounting_field_selections=[foreign]), provider_name="flowctl")["foreign_provider"]
        == "Other Books"
    )
    split = transaction(1, line_items=[{"amount": money(9000), "accounting_field_selections": [foreign]}])
    assert record("transactions", split, provider_name="flowctl")["foreign_provider"] == "Other Books"
    assert "foreign_provider" not in record("vendors", {"id": uuid(1)}, provider_name="flowctl")


def test_nothing_but_the_described_fields_is_kept() -> None:
    text = json.dumps(
        [
            record("bills", bill(1)),
            record("users", {"id": uuid(1), "phone": "canary", "custom_fields": [{"name": "canary"}]}),
        ]
    )
    assert "Private" not in text
    assert "receipts.example" not in text
    assert "canary" not in text


# --- every record has exactly the shape that its spec describes ----------------------------------------------------------


def misfits(fields: tuple[FieldSpec, ...], made: Mapping[str, Any], path: str = "") -> Iterator[str]:
    if list(made) != [f.name for f in fields] and set(made) != {f.name for f in fields}:
        yield f"{path}: {sorted(set(made) ^ {f.name for f in fields})}"
        return
    for field in fields:
        value, place = made[field.name], f"{path}.{field.name}"
        if field.type == "list":
            if not isinstance(value, list):
                yield place
            for item in value:
                if field.fields:
                    yield from misfits(field.fields, item, place)
                elif not isinstance(item, str):
                    yield place
        elif field.type == "object":
            if value is not None:
                yield from misfits(field.fields, value, place)
        elif value is not None and not isinstance(value, bool if field.type == "boolean" else str):
            yield place


STREAMS = {s.name: s for s in CONNECTOR.spec.streams}
SAMPLE_OF = {
    "vendors": "ApiVendorDetailResource",
    "bills": "Bill",
    "transactions": "Transaction",
    "entities": "ApiEntityResource",
    "users": "User",
    "departments": "Department",
    "reimbursements": "Reimbursement",
}


@pytest.mark.parametrize("stream", sorted(SAMPLE_OF))
@pytest.mark.parametrize("profile", ["2025-08", "2026-08"])
def test_ramps_own_examples_become_records_of_the_described_shape(stream: str, profile: str) -> None:
    examples = json.loads(reference("ramp", "EXAMPLES-2025-08.json").read_text(), parse_float=Decimal)
    made = record(stream, examples[SAMPLE_OF[stream]], api_profile=profile)
    assert list(misfits(STREAMS[stream].fields, made)) == []
    assert made["id"] == examples[SAMPLE_OF[stream]]["id"]


def test_ramps_own_examples_have_the_right_amounts() -> None:
    examples = json.loads(reference("ramp", "EXAMPLES-2025-08.json").read_text(), parse_float=Decimal)
    made = record("bills", examples["Bill"])
    assert (made["amount"], [line["amount"] for line in made["line_items"]]) == ("969.93", ["19.98", "949.95"])
    card = record("transactions", examples["Transaction"])
    assert (card["amount"], [line["amount"] for line in card["line_items"]]) == ("90.00", ["40.00", "50.00"])
    spent = record("reimbursements", examples["Reimbursement"])
    assert (spent["amount"], [line["amount"] for line in spent["line_items"]]) == ("484.46", ["434.46", "50.00"])


def schemas(fields: tuple[FieldSpec, ...]) -> set[str]:
    return {f.name for f in fields} | {name for f in fields for name in schemas(f.fields)}


NAMES = sorted(
    {name for s in STREAMS.values() for name in schemas(s.fields)}
    | {"value", "currency_code", "entity_amount", "unit_quantity"}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["USD", "JPY"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=12), st.booleans())
def test_no_json_makes_a_record_of_another_shape(stream: str, row: dict[str, Any], guard: bool) -> None:
    options = {"provider_name": "flowctl"} if guard else {}
    made = record(stream, row, **options)
    assert list(misfits(STREAMS[stream].fields, made)) == []
    json.dumps(made)
