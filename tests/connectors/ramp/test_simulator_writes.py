"""What the simulator takes, and refuses, of bills, drafts, vendors, coding, memos and receipts."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.ramp.codings import multipart
from connectors.ramp.simulator import Account, Money, RampSimulator
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.records import Profile
from engine.contract import HttpReply
from tests.connectors.ramp.simulator_kit import RENT, Api, decoded, error, simulator
from tests.connectors.ramp.target_kit import PROFILES

each = pytest.mark.parametrize("profile", PROFILES)


class Shop:
    """A business with a vendor, an account and a client."""

    def __init__(self, profile: Profile, **options: Any) -> None:
        self.simulator: RampSimulator = simulator(profile, **options)
        self.world = self.simulator.world
        add_account(self.world, RENT)
        add_account(self.world, Account("off", "Off"), is_active=False)
        self.vendor = self.simulator.add_vendor("Acme Supplies")
        self.api = Api(self.simulator)

    def body(self, **fields: Any) -> dict[str, Any]:
        own: dict[str, Any] = {"use_default_vendor_contact": True}
        if self.world.profile == "2025-08":
            own = {"vendor_contact_id": self.vendor.contact_id, "payment_method": "UNSPECIFIED"}
        body = {
            "vendor_id": self.vendor.id,
            "entity_id": self.world.primary_entity().id,
            "invoice_number": "7",
            "invoice_currency": "USD",
            "issued_at": "2026-03-01",
            "due_at": "2026-03-31",
            "line_items": [{"amount": "10.50"}, {"amount": 2}],
            **own,
            **fields,
        }
        return {name: value for name, value in body.items() if value != "-"}

    def post(self, **fields: Any) -> HttpReply:
        return self.api.call("POST", "/bills", self.body(**fields))


def fields_of(reply: HttpReply) -> dict[str, list[str]]:
    status, code, _, fields = error(reply)
    assert (status, code) == (422, "DEVELOPER_7001")
    return fields


@each
def test_a_bill_is_the_sum_of_its_lines_approved_at_once(profile: Profile) -> None:
    shop = Shop(profile)
    body = decoded(shop.post(remote_id="r-1"))
    assert (body["amount"]["amount"], body["approval_status"], body["status"]) == (1250, "APPROVED", "OPEN")
    assert [line["amount"]["amount"] for line in body["line_items"]] == [1050, 200]
    # Nothing makes two equal calls one.
    assert decoded(shop.post(remote_id="r-1"))["id"] != body["id"]
    found = shop.api.ids("/bills", remote_id="r-2")
    assert len(found) == (0 if profile == "2026-08" else 2)


@each
@pytest.mark.parametrize(("currency", "amount", "minor"), [("JPY", 1050, 1050), ("KWD", "1.234", 1234)])
def test_amounts_are_in_major_units_of_their_currency(profile: Profile, currency: str, amount: Any, minor: int) -> None:
    body = decoded(Shop(profile).post(invoice_currency=currency, line_items=[{"amount": amount}]))
    assert body["amount"]["amount"] == minor


@each
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"vendor_name": "Acme"}, {"vendor_name": ["Unknown field."]}),
        ({"due_at": "-"}, {"due_at": ["Missing data for required field."]}),
        ({"due_at": "31.3.2026"}, {"due_at": ["Not a valid date."]}),
        ({"invoice_currency": "usd"}, {"invoice_currency": ["Must be one of: AED, AFN, ALL, and others."]}),
        ({"line_items": []}, {"line_items": ["Missing data for required field."]}),
        ({"line_items": [{"memo": "x"}]}, {"line_items.0.amount": ["Missing data for required field."]}),
        ({"line_items": [{"amount": "-1"}]}, {"line_items.0.amount": ["Must be greater than or equal to 0."]}),
        ({"line_items": [{"amount": "1.005"}]}, {"line_items.0.amount": ["More than 2 decimals."]}),
        ({"line_items": [{"amount": {"amount": 1}}]}, {"line_items.0.amount": ["Not a valid number."]}),
        ({"line_items": [{"amount": 1, "gl": "x"}]}, {"gl": ["Unknown field."]}),
        ({"memo": "x" * 1001}, {"memo": ["Longer than maximum length 1000."]}),
        ({"payment_method": "PAID_MANUALLY"}, {"payment_details": ["Required for payment method PAID_MANUALLY."]}),
        ({"payment_method": "ACH"}, {"payment_details": ["Required for payment method ACH."]}),
        (
            {"payment_method": "PAID_MANUALLY", "payment_details": {"manual_payment_method": "CASH"}},
            {"payment_date": ["Missing data for required field."]},
        ),
    ],
)
def test_a_bill_of_another_shape_is_refused(profile: Profile, fields: Any, wrong: dict[str, list[str]]) -> None:
    shop = Shop(profile)
    assert fields_of(shop.post(**fields)) == wrong
    assert shop.world.bills == {}


def test_the_profiles_want_different_fields() -> None:
    missing = ["Missing data for required field."]
    old = {"vendor_contact_id": "-", "payment_method": "-"}
    assert fields_of(Shop("2025-08").post(**old)) == {"payment_method": missing, "vendor_contact_id": missing}
    assert fields_of(Shop("2025-08").post(vendor_memo="x")) == {"vendor_memo": ["Unknown field."]}
    assert fields_of(Shop("2025-08").post(invoice_number="9" * 21)) == {
        "invoice_number": ["Longer than maximum length 20."]
    }
    assert fields_of(Shop("2026-08").post(invoice_number="9" * 85)) == {
        "invoice_number": ["Longer than maximum length 84."]
    }
    assert fields_of(Shop("2026-08").post(use_default_vendor_contact="-")) == {
        "vendor_contact_id": ["Required unless use_default_vendor_contact is true."]
    }


@each
@pytest.mark.parametrize(
    ("field", "option", "code"), [("Nope", "1", "DEVELOPER_7122"), ("Category", "off", "DEVELOPER_7123")]
)
def test_coding_that_is_not_known_is_refused(profile: Profile, field: str, option: str, code: str) -> None:
    chosen = [{"field_external_id": field, "field_option_external_id": option}]
    reply = Shop(profile).post(line_items=[{"amount": 1, "accounting_field_selections": chosen}])
    assert error(reply)[:2] == (400, code)


@each
def test_what_belongs_to_nobody_is_refused(profile: Profile) -> None:
    shop = Shop(profile)
    nobody = "44444444-4444-4444-8444-444444444444"
    assert error(shop.post(vendor_id=nobody))[:3] == (404, "DEVELOPER_7004", "Vendor not found")
    assert error(shop.post(entity_id=nobody))[:3] == (404, "DEVELOPER_7004", "Entity not found")
    other = shop.simulator.add_vendor("Other").contact_id
    reply = shop.post(vendor_contact_id=other, **({"use_default_vendor_contact": "-"} if profile == "2026-08" else {}))
    assert error(reply)[:3] == (400, "DEVELOPER_7098", "The vendor contact does not belong to the vendor.")


def test_options_that_exclude_each_other_are_refused() -> None:
    shop = Shop("2026-08")
    for fields, text in (
        (
            {"remote_id": "r", "enable_accounting_sync": False},
            "enable_accounting_sync must be True when remote_id is provided.",
        ),
        (
            {"vendor_contact_id": shop.vendor.contact_id},
            "use_default_vendor_contact and vendor_contact_id exclude each other.",
        ),
        (
            {"use_default_payment_method": True, "payment_method": "ONE_TIME_CARD"},
            "use_default_payment_method excludes payment_method and payment_details.",
        ),
    ):
        assert error(shop.post(**fields))[:3] == (400, "DEVELOPER_7098", text)


@each
def test_a_change_takes_no_field_of_a_create(profile: Profile) -> None:
    shop = Shop(profile)
    one = decoded(shop.post(memo="old"))["id"]
    for name in ("invoice_currency", "payment_details"):
        assert fields_of(shop.api.call("PATCH", f"/bills/{one}", {name: "x"})) == {name: ["Unknown field."]}
    body = decoded(shop.api.call("PATCH", f"/bills/{one}", {"line_items": [{"amount": "3"}], "memo": None}))
    assert (body["amount"]["amount"], len(body["line_items"]), body["memo"]) == (300, 1, None)


@each
def test_a_bill_that_is_paid_is_neither_changed_nor_deleted(profile: Profile) -> None:
    shop = Shop(profile)
    details = {"manual_payment_method": "CASH", "payment_date": "2026-03-02"}
    paid = decoded(shop.post(payment_method="PAID_MANUALLY", payment_details=details))
    assert (paid["status"], paid["paid_at"], paid["payment"]["details"]) == (
        "PAID",
        "2026-03-02T14:02:28+00:00",
        {"manual_payment_method": "CASH"},
    )
    path = f"/bills/{paid['id']}"
    assert error(shop.api.call("PATCH", path, {"memo": "x"}))[:2] == (400, "DEVELOPER_7098")
    assert error(shop.api.call("DELETE", path))[:2] == (400, "DEVELOPER_7098")


@each
def test_deleting_archives(profile: Profile) -> None:
    shop = Shop(profile)
    one = decoded(shop.post())["id"]
    assert shop.api.call("DELETE", f"/bills/{one}").status == 204
    assert shop.api.get(f"/bills/{one}")["archived_at"] is not None
    assert (shop.api.ids("/bills"), shop.api.ids("/bills", is_archived="true")) == ([], [one])
    assert shop.api.call("DELETE", f"/bills/{one}").status == 404


def test_drafts_are_of_2026() -> None:
    assert Shop("2025-08").api.call("POST", "/bills/drafts", {}).status == 404
    shop = Shop("2026-08")
    assert fields_of(shop.api.call("POST", "/bills/drafts", {})) == {"vendor_id": ["Missing data for required field."]}
    made = decoded(shop.api.call("POST", "/bills/drafts", {"vendor_id": shop.vendor.id}))
    assert (made["status"], made["amount"], made["invoice_number"]) == ("DRAFT", None, None)
    path = f"/bills/drafts/{made['id']}"
    changed = decoded(shop.api.call("PATCH", path, {"line_items": [{"amount": 4}], "issued_at": "2026-03-01"}))
    assert (changed["amount"]["amount"], changed["issued_at"]) == (400, "2026-03-01T00:00:00+00:00")
    window = {"from_issued_date": "2026-03-01", "to_issued_date": "2026-03-01"}
    assert shop.api.ids("/bills/drafts", vendor_id=shop.vendor.id, **window) == [made["id"]]
    assert shop.api.ids("/bills") == []


@each
def test_a_vendor_needs_an_email_a_country_and_in_2025_an_owner(profile: Profile) -> None:
    shop = Shop(profile)
    missing = ["Missing data for required field."]
    wanted = {"business_vendor_contacts": missing, "country": missing}
    owner = {"vendor_owner_id": missing} if profile == "2025-08" else {}
    assert fields_of(shop.api.call("POST", "/vendors", {"name": "N"})) == {**wanted, **owner}
    body = {"name": "N", "country": "CA", "vendor_owner_id": next(iter(shop.world.users))}
    assert fields_of(shop.api.call("POST", "/vendors", {**body, "business_vendor_contacts": {}})) == {"email": missing}
    contact = {"email": "a@b.example", "first_name": "A"}
    made = decoded(shop.api.call("POST", "/vendors", {**body, "business_vendor_contacts": contact}))
    (shown,) = shop.api.get(f"/vendors/{made['id']}/contacts")["data"]
    assert (shown["email"], shown["first_name"], shown["is_default"]) == ("a@b.example", "A", True)
    path = f"/vendors/{made['id']}"
    assert fields_of(shop.api.call("PATCH", path, {"name": "M"})) == {"name": ["Unknown field."]}
    assert decoded(shop.api.call("PATCH", path, {"is_active": False}))["is_active"] is False
    assert fields_of(shop.api.call("POST", "/vendors", {**body, "business_vendor_contacts": contact, "name": ""})) == {
        "name": ["Shorter than minimum length 1."]
    }


@each
def test_a_coding_is_by_ramps_own_ids(profile: Profile) -> None:
    shop = Shop(profile)
    row = shop.simulator.add_transaction(Money(5000)).id
    (account, _) = shop.api.get("/accounting/accounts")["data"]
    chosen = {"field_id": account["gl_account_category_info"]["ramp_id"], "field_option_id": account["ramp_id"]}
    body: dict[str, Any] = {"object_type": "TRANSACTION", "object_id": row, "accounting_coding_selections": [chosen]}
    assert shop.api.call("POST", "/accounting/codings", body).status == 201
    (line,) = shop.api.get(f"/transactions/{row}")["line_items"]
    assert [item["external_id"] for item in line["accounting_field_selections"]] == [RENT.external_id]
    wrong = {**body, "accounting_coding_selections": [{**chosen, "field_option_id": RENT.external_id}]}
    assert error(shop.api.call("POST", "/accounting/codings", wrong))[:2] == (400, "DEVELOPER_7123")
    assert fields_of(shop.api.call("POST", "/accounting/codings", {**body, "object_type": "BILL"})) == {
        "object_type": ["Must be one of: TRANSACTION."]
    }
    shop.simulator.export_button(row)
    assert error(shop.api.call("POST", "/accounting/codings", body))[:2] == (400, "DEVELOPER_7098")


@each
def test_a_memo_is_short(profile: Profile) -> None:
    shop = Shop(profile)
    row = shop.simulator.add_transaction(Money(5000)).id
    assert decoded(shop.api.call("POST", f"/memos/{row}", {"memo": "x"})) == {"id": row, "memo": "x"}
    assert shop.api.get(f"/transactions/{row}")["memo"] == "x"
    assert fields_of(shop.api.call("POST", f"/memos/{row}", {"memo": "x" * 256})) == {
        "memo": ["Longer than maximum length 255."]
    }


@each
def test_a_receipt_is_taken_once_for_a_key(profile: Profile) -> None:
    shop = Shop(profile)
    row, user = shop.simulator.add_transaction(Money(5000)).id, next(iter(shop.world.users))
    parts = {"idempotency_key": "k", "transaction_id": row, "user_id": user}
    upload = multipart(parts, ("r.png", "image/png", b"x"))
    first, second = (decoded(shop.api.upload("/receipts", *upload))["id"] for _ in range(2))
    assert first == second
    assert shop.api.get(f"/transactions/{row}")["receipts"] == [first]
    assert fields_of(shop.api.call("POST", "/receipts", parts)) == {
        "_schema": ["The request must be multipart/form-data."]
    }
    assert fields_of(shop.api.upload("/receipts", *multipart(parts, ("r.png", "image/png", b"")))) == {
        "receipt": ["Missing data for required field."]
    }
    del parts["user_id"]
    assert fields_of(shop.api.upload("/receipts", *multipart(parts, ("r.png", "image/png", b"x")))) == {
        "user_id": ["Missing data for required field."]
    }


@each
def test_accounts_are_listed_with_their_field(profile: Profile) -> None:
    shop = Shop(profile)
    rent, off = shop.api.get("/accounting/accounts")["data"]
    assert (rent["id"], rent["code"], off["is_active"]) == (RENT.external_id, "6010", False)
    assert rent["gl_account_category_info"]["id"] == "Category"
    assert shop.api.ids("/accounting/accounts", is_active="true") == [RENT.external_id]
    assert shop.api.ids("/accounting/accounts", remote_id="off") == ["off"]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/bills", "bills:write"),
        ("POST", "/vendors", "vendors:write"),
        ("POST", "/memos/x", "memos:write"),
        ("POST", "/receipts", "receipts:write"),
        ("POST", "/accounting/codings", "accounting:write"),
    ],
)
def test_every_write_needs_its_scope(method: str, path: str, scope: str) -> None:
    shop = Shop("2026-08")
    api = Api(shop.simulator, scopes="bills:read")
    assert error(api.call(method, path, {}))[:3] == (
        403,
        "DEVELOPER_7100",
        f"These scopes are not allowed for this token: {scope}",
    )


# --- the sandbox ------------------------------------------------------------------------------------------------------


def test_a_sandbox_shows_and_sums_what_was_entered() -> None:
    from connectors.ramp.sandbox import make
    from tests.connectors.ramp.simulator_kit import StillClock

    given = {
        "profile": "2026-08",
        "accounts": {"6010": {"name": "Rent", "code": "6010"}, "6020": "Paper"},
        "vendors": {"acme": {"name": "Acme", "external_id": "v-1", "email": "ap@acme.example"}},
        "transactions": {"taxi": {"merchant": "Uber", "amount": "12.00", "on": "2026-03-01", "account": "Paper"}},
    }
    sandbox = make(7, StillClock(), {"given": given})
    world, api = sandbox.simulator.world, Api(sandbox.simulator)
    vendor = next(iter(world.vendors.values()))
    assert sandbox.total() == 0
    chosen = [{"field_external_id": "Category", "field_option_external_id": "6010"}]
    body = {
        "vendor_id": vendor.id,
        "use_default_vendor_contact": True,
        "entity_id": world.primary_entity().id,
        "invoice_number": "7",
        "invoice_currency": "USD",
        "issued_at": "2026-03-01",
        "due_at": "2026-03-31",
        "memo": "March",
        "remote_id": "freshbooks:7",
        "line_items": [{"amount": "10.50", "memo": "flat", "accounting_field_selections": chosen}],
    }
    api.call("POST", "/bills", body)
    api.call("POST", "/bills/drafts", {**body, "remote_id": "freshbooks:8"})
    row = next(iter(world.transactions))
    field_id, option_id = world.names.fixed("field", "GL_ACCOUNT"), world.accounts["6010"].id
    coding = [{"field_id": field_id, "field_option_id": option_id}]
    api.call(
        "POST",
        "/accounting/codings",
        {"object_type": "TRANSACTION", "object_id": row, "accounting_field_selections": coding},
    )
    api.call(
        "POST", "/vendors", {"name": "New", "country": "CA", "business_vendor_contacts": {"email": "n@new.example"}}
    )
    assert sandbox.contents() == [
        "transaction taxi | Uber | CLEARED | SYNC_READY",
        "entered vendor New | no id | CA | n@new.example",
        "entered bill freshbooks:7 | Acme | 7 | 10.50 USD | 2026-03-01 due 2026-03-31 | OPEN | March",
        "  10.50 | Rent | flat",
        "entered draft freshbooks:8 | Acme | 7 | 10.50 USD | 2026-03-01 due 2026-03-31",
        "  10.50 | Rent | flat",
        "coded transaction taxi | Rent | no memo | 0 receipts",
    ]
    assert str(sandbox.total()) == "33.00"
    sandbox.act("complete_draft", "freshbooks:8")
    sandbox.act("pay_entered", "freshbooks:7")
    sandbox.act("archive_entered", "freshbooks:8")
    bill, archived = world.bills.values()
    assert (bill.status, archived.archived_at is not None, str(sandbox.total())) == ("PAID", True, "22.50")
    # What is synced is counted as synced, and once.
    world.change_bill(bill.id, sync_status="BILL_SYNCED")
    sandbox.simulator.export_button(row)
    assert str(sandbox.total()) == "22.50"


def test_a_sandbox_without_books_has_accounts() -> None:
    from connectors.ramp.sandbox import make
    from tests.connectors.ramp.simulator_kit import StillClock

    sandbox = make(7, StillClock(), {"bills": 1, "transactions": 0})
    assert [item.account.name for item in sandbox.simulator.world.accounts.values()][:2] == [
        "Office Supplies",
        "Travel Expense",
    ]
    settings, _ = sandbox.binding("http://127.0.0.1:1")
    assert settings["vendor_owner"] == "user0@example.com"
