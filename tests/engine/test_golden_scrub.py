"""The rules of scrubbing: what each field becomes, that the same stays the same, and what is reported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.golden.scrub import Scrubber
from engine.golden.scrubrules import EMAIL_LIKE, UUID
from engine.spec import FieldSpec


def one(name: str, value: Any, *spec: FieldSpec, keep: frozenset[str] = frozenset(), **more: Any) -> Any:
    """What a field of a bill becomes."""
    return Scrubber(keep, **more).record({name: value}, spec, "bills")[name]


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("access_token", "abc", "scrubbed-secret-1"),
        ("apiKey", "abc", "scrubbed-secret-1"),
        ("Authorization", "Bearer abc", "scrubbed-secret-1"),
        ("session_id", "abc", "scrubbed-secret-1"),
        ("x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "scrubbed-secret-1"),
        ("x", "sk_live_4242424242424242", "scrubbed-secret-1"),
        ("x", "-----BEGIN PRIVATE KEY-----\nMIIE", "scrubbed-secret-1"),
        ("x", "a1" * 30, "scrubbed-secret-1"),
        ("email", "Ana", "person1@example.com"),
        ("x", "ana@canary.example", "person1@example.com"),
        ("memo", "call Ana", "Text 1"),
        ("vendor_memo", "für Ana", "Text 1 é"),
        ("unheard_of", "whatever it is", "Text 1"),
        ("first_name", "Ana", "Person 1"),
        ("cardHolder", "Ana", "Person 1"),
        ("name", "Acme", "Name 1"),
        ("vendorName", "Acme", "Vendor 1"),
        ("merchant_name", "JOHN_SMITH_1", "Vendor 1"),
        ("category", "Meals", "Account 1"),
        ("street", "1 Main St", "Address 1"),
        ("zipOrPostalCode", "94999", "Address 1"),
        ("birthdate", "1980-01-02", "Person 1"),
        ("dateofbirth", "1980-01-02", "Person 1"),
        ("lat", "37.7749", "Address 1"),
        ("refreshtoken", "abc", "scrubbed-secret-1"),
        ("receiptUrl", "https://x.test/?token=1", "https://example.com/1"),
        ("x", "https://x.test/?token=1", "https://example.com/1"),
        # Kept, since nothing private can be in them.
        ("created_at", "2026-03-02T14:00:00.123+00:00", "2026-03-02T14:00:00.123+00:00"),
        ("status", "Approved", "Approved"),
        ("sync_status", "NOT_SYNCED", "NOT_SYNCED"),
        ("state", "CLEARED", "CLEARED"),
        ("currency", "USD", "USD"),
        ("country", "DE", "DE"),
        ("language", "en", "en"),
        ("amount", "120.50", "120.50"),
        ("fx_rate", "1.0825", "1.0825"),
        ("mcc", "5812", "5812"),
        ("quantity", 3, 3),
        ("is_active", True, True),
        ("nothing", None, None),
        ("empty", "", ""),
        ("clientid", "0", "0"),
    ],
)
def test_what_a_field_becomes(name: str, value: Any, becomes: Any) -> None:
    assert one(name, value) == becomes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phone", "+1 (415) 555-0142"),
        ("x", "+14155550142"),
        ("account_number", "C-4008"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("x", "DE89370400440532013000"),
        ("x", "4242 4242 4242 4242"),
        ("last_four", "4242"),
        ("ssn", "078-05-1120"),
        ("x", "078-05-1120"),
        ("ein", "12-3456789"),
        ("x", "12-3456789"),
        ("invoice_number", "INV/2026-001"),
        ("glCode", "64900"),
        ("id", "00nxMwHCFD4J7ZRJQT3r"),
        ("remote_id", "80000066-1772460000"),
        ("state", "Ohio"),
    ],
)
def test_what_keeps_its_shape_and_nothing_else(name: str, value: str) -> None:
    found = one(name, value)
    assert found != value
    if name != "state":
        assert len(found) == len(value)
        same = [(a.isdigit(), a.isalpha()) == (b.isdigit(), b.isalpha()) for a, b in zip(found, value, strict=True)]
        assert all(same)


def test_numbers_keep_their_length() -> None:
    found = one("vendor_id", 1026)
    assert isinstance(found, int)
    assert found != 1026
    assert len(str(found)) == 4
    assert one("phone", 4155550142) != 4155550142
    assert one("amount", Decimal("1.50"), factor=3) == Decimal("4.50")


def test_the_same_stays_the_same_however_it_is_written() -> None:
    scrubber = Scrubber()
    record = scrubber.record(
        {
            "vendor": {"id": "v-77", "name": "Acme Supply"},
            "vendor_id": "v-77",
            "remote_name": "  ACME  supply ",
            "policyID": "5FE5EF84",
            "composed": {"id": "5FE5EF84:Acme Supply"},
            "other": {"id": "v-78", "name": "Other"},
        }
    )
    assert record["vendor_id"] == record["vendor"]["id"]
    assert record["remote_name"] == record["vendor"]["name"] == "Vendor 1"
    assert record["composed"]["id"] == f"{record['policyID']}:Vendor 1"
    assert record["other"]["id"] != record["vendor"]["id"]
    assert scrubber.text("Acme Supply", "name", "Vendor") == "Vendor 1"


def test_parts_of_a_name_are_scrubbed_apart() -> None:
    scrubber = Scrubber(frozenset({"freshbooks"}))
    record = scrubber.record({"category": "Travel:Meals", "other_category": "Meals", "remote_id": "freshbooks:1026"})
    assert record["category"] == "Account 1:Account 2"
    assert record["other_category"] == "Account 2"
    assert record["remote_id"].startswith("freshbooks:")
    assert "1026" not in record["remote_id"]


def test_what_the_flow_names_is_kept() -> None:
    assert one("category", "Office Supplies", keep=frozenset({"Office Supplies"})) == "Office Supplies"
    # But not what is a secret, or an address of mail, by its own looks.
    assert one("memo", "a@b.test", keep=frozenset({"a@b.test"})) == "person1@example.com"


def test_what_the_connector_says_of_a_field_counts() -> None:
    assert one("x", "open", FieldSpec("x", "text", "", choices=("open", "paid"))) == "open"
    assert one("x", "ajar", FieldSpec("x", "text", "", choices=("open", "paid"))) == "Text 1"
    assert one("x", "12.00", FieldSpec("x", "money", ""), factor=2) == "24.00"
    assert one("x", "abc", FieldSpec("x", "text", "", secret=True)) == "scrubbed-secret-1"
    assert one("x", "Zoe", FieldSpec("x", "id", "")) != "Zoe"
    inner = FieldSpec("lines", "list", "", fields=(FieldSpec("cost", "money", ""),), of="object")
    assert one("lines", [{"cost": "1.50"}], inner, factor=2) == [{"cost": "3.00"}]


def test_a_secret_of_the_vault_anywhere_in_a_value() -> None:
    assert one("status", "x-hunter22-y", secrets=("hunter22",)) == "scrubbed-secret-1"


def test_data_in_the_place_of_a_field_s_name() -> None:
    made = Scrubber().record({"by": {"ana@canary.example": 1, "plain": 2}})
    assert list(made["by"]) == ["person1@example.com", "plain"]


def test_long_texts_stay_long() -> None:
    found = one("memo", "x" * 5000)
    assert 4990 <= len(found) <= 5000


def test_ids_that_are_uuids_stay_uuids() -> None:
    found = one("id", "39a0fe02-93d3-4b96-a6ca-b4f22dee2640")
    assert UUID.fullmatch(found)
    assert found[14] == "4"


def test_very_short_ids_stay_different() -> None:
    scrubber = Scrubber()
    found = [scrubber.record({"id": str(n)})["id"] for n in range(1, 60)]
    assert len(set(found)) == 59


def test_nesting_without_end() -> None:
    value: Any = "ana@canary.example"
    for _ in range(100):
        value = {"x": value}
    assert "canary" not in str(Scrubber().record(value))


def test_the_report_says_what_was_done_and_no_value() -> None:
    scrubber = Scrubber(factor=2)
    scrubber.record({"email": "a@b.test", "memo": "x", "amount": "1.00", "lines": [{"memo": "x"}, {"memo": "y"}]})
    assert [(each.kind, each.values, each.different, each.fields) for each in scrubber.report()] == [
        ("email", 1, 1, ("email",)),
        ("text", 3, 2, ("memo", "lines.memo")),
        ("amount", 1, 1, ("amount",)),
    ]
    assert dict(scrubber.originals()) == {"a@b.test": "email"}


_PRIVATE = st.sampled_from(
    ["ana@canary.example", "Zanzibar Quokka", "+1 415 555 0142", "4242424242424242", "078-05-1120", "1 Canary Wharf"]
)
_NAMES = st.sampled_from(["x", "name", "memo", "vendor", "id", "code", "number", "state", "status", "type", "value"])
_FLAT = st.dictionaries(_NAMES, _PRIVATE, max_size=4)
_RECORDS = st.dictionaries(_NAMES, _PRIVATE | _FLAT | st.lists(_PRIVATE | _FLAT, max_size=3), max_size=4)


# The first draw reads the source of all that was imported, which takes seconds on a slow machine.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_RECORDS)
def test_nothing_private_is_left_whatever_the_fields_are_called(record: dict[str, Any]) -> None:
    scrubber = Scrubber()
    text = str(scrubber.record(record))
    for private in ("canary", "Canary", "Quokka", "Zanzibar", "555 0142", "4242424242424242", "078-05-1120"):
        assert private not in text
    assert text == str(Scrubber().record(record))
    assert EMAIL_LIKE.search(text.replace("@example.com", "")) is None


def test_a_number_after_a_text_of_the_same_digits_stays_a_number() -> None:
    made = Scrubber().record({"memo": "4155552671", "phone": 4155552671, "cell": 4155552671})
    assert made == {"memo": "Text 1", "phone": 7884160526, "cell": 7884160526}


def test_what_is_no_number_that_could_be_written_out_stays() -> None:
    record = {"id": float("inf"), "key": Decimal("1E+9999")}
    assert Scrubber().record(record) == record
    assert str(Scrubber().record({"id": Decimal("NaN")})["id"]) == "NaN"


def test_short_numbers_are_private_by_the_name_of_the_field() -> None:
    given = {
        "phone": {"number": 5551234},
        "tel": 5551234,
        "postalcode": 94103,
        "accountnumber": 1234567,
        "bank": {"account": {"number": 7654321}},
        "cards": [{"number": 4242}],
    }
    made = Scrubber().record(given)
    assert made == {
        "phone": {"number": 7884160},
        "tel": 7884160,
        "postalcode": 95999,
        "accountnumber": 1566064,
        "bank": {"account": {"number": 5722728}},
        "cards": [{"number": 7837}],
    }


def test_a_private_number_may_not_stand_elsewhere() -> None:
    scrubber = Scrubber()
    scrubber.record({"ssn": 123456789})
    assert scrubber.originals() == {"123456789": "tax"}


def test_keys_that_are_data() -> None:
    scrubber = Scrubber(secrets=("hush-hush",))
    made = scrubber.record({"DE89370400440532013000": 1, "sk_live_abcdefgh12345678": 2, "of_hush-hush": "x"})
    assert made == {
        "AA84160526810713118552": 1,
        "qq_xsza_dbecabqg53046122": 2,
        "scrubbed-secret-1": "scrubbed-secret-2",
    }


def test_a_declared_field_keeps_its_name_whatever_a_text_says() -> None:
    made = Scrubber().record({"memo": "amount", "amount": "12.00"}, (FieldSpec("amount", "money", ""),))
    assert made == {"memo": "Text 1", "amount": "12.00"}
