"""Bills in Ramp: entered once whatever gets lost, never over another's bill, changed and archived only where Ramp can."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.ramp.billing import AmountsDiffer
from connectors.ramp.simulator import Line
from connectors.ramp.simulator.build import coded
from connectors.ramp.simulator.records import Bill, Profile
from engine.contract import Operation, Receipt, Target
from engine.errors import Ambiguous, AuthRefused, NotAsSent, Rejected, RunError
from tests.connectors.http_kit import reply
from tests.connectors.ramp.target_kit import CODING, PAPER, PROFILES, RENT, Bench, operation

each = pytest.mark.parametrize("profile", PROFILES)


def create(bench: Bench, **fields: Any) -> Operation:
    return operation("BillCreate", bench.bill(**fields))


def only_bill(bench: Bench) -> Bill:
    (found,) = bench.world.bills.values()
    return found


def refusal(error: RunError) -> tuple[str, str | None]:
    return str(error), error.hint


def selections(option: str) -> list[dict[str, str]]:
    return [{"field_external_id": "Category", "field_option_external_id": option}]


@each
def test_a_bill_is_entered_as_the_profile_wants_it(profile: Profile) -> None:
    bench = Bench(profile)
    assert isinstance(bench.ramp, Target)
    receipt = bench.push(create(bench, memo="Rent", posting_date="2026-11-30", vendor_memo="thanks", coding=CODING))
    entity, vendor = bench.world.primary_entity().id, bench.world.vendors[bench.vendor]
    own: dict[str, Any] = {"use_default_vendor_contact": True, "vendor_memo": "thanks"}
    if profile == "2025-08":
        own = {"vendor_contact_id": vendor.contact_id, "payment_method": "UNSPECIFIED"}
    assert bench.sent("/bills") == [
        {
            "vendor_id": bench.vendor,
            "entity_id": entity,
            "invoice_number": "INV-7",
            "invoice_currency": "USD",
            "issued_at": "2026-11-02",
            "due_at": "2026-12-02",
            "remote_id": "freshbooks:a1:bill:7",
            "memo": "Rent",
            "posting_date": "2026-11-30",
            "line_items": [
                {"amount": "1050.50", "memo": "November", "accounting_field_selections": selections("6010")},
                {"amount": "0.25", "accounting_field_selections": selections("6020")},
            ],
            "accounting_field_selections": selections("6010"),
            **own,
        }
    ]
    made = only_bill(bench)
    assert (receipt, made.minor, made.by_api) == (Receipt({"id": made.id}), 105075, True)
    assert made.lines == (Line(105050, coded(RENT), "November"), Line(25, coded(PAPER)))


@each
def test_calls_are_few(profile: Profile) -> None:
    bench = Bench(profile)
    bench.push(create(bench))
    bench.tape.clear()
    bench.push(create(bench, remote_id="freshbooks:a1:bill:8", invoice_number="INV-8"))
    # Where bills cannot be asked for by their remote id, all are listed once for the connection.
    looks = 1 if profile == "2025-08" else 3
    assert bench.calls() == [*["GET /bills"] * looks, "POST /bills"]


@each
@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("JPY", "1050", 1050), ("KWD", "1.234", 1234), ("USD", "0", 0), ("EUR", "7.1", 710)],
)
def test_amounts_have_the_places_of_their_currency(profile: Profile, currency: str, amount: str, minor: int) -> None:
    bench = Bench(profile)
    made = create(bench, invoice_currency=currency, line_items=[{"amount": amount}])
    assert bench.ramp.find(made) is None
    bench.ramp.write(made)
    assert (only_bill(bench).minor, only_bill(bench).currency) == (minor, currency)
    assert bench.ramp.find(made) == Receipt({"id": only_bill(bench).id})


@each
@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "truncated"])
def test_a_lost_answer_is_found_and_not_entered_again(profile: Profile, fault: str) -> None:
    bench = Bench(profile)
    made = create(bench)
    bench.fault(fault, "POST", "/bills")
    assert bench.ramp.find(made) is None
    with pytest.raises(Ambiguous):
        bench.ramp.write(made)
    assert bench.open().find(made) == Receipt({"id": only_bill(bench).id})


@each
@pytest.mark.parametrize("fault", ["timeout_before", "server_error", "html_error", "reset_before"])
def test_a_failure_that_wrote_nothing_is_in_doubt_and_not_there(profile: Profile, fault: str) -> None:
    bench = Bench(profile)
    made = create(bench)
    bench.fault(fault, "POST", "/bills")
    with pytest.raises(Ambiguous):
        bench.ramp.write(made)
    assert bench.ramp.find(made) is None
    assert bench.world.bills == {}


@each
def test_a_bill_of_the_same_number_that_is_not_ours_stops_it(profile: Profile) -> None:
    bench = Bench(profile)
    theirs = bench.simulator.add_bill(
        [Line(105075)],
        vendor_id=bench.vendor,
        invoice_number="inv-7",
        issued_on=datetime(2026, 11, 5, tzinfo=UTC).date(),
    )
    # Ramp's own filter for the number minds the case; the list of the vendor's bills does not.
    bench.simulator.edit_bill(theirs.id, invoice_number="INV-7" if profile == "2026-08" else "inv-7")
    with pytest.raises(Rejected) as caught:
        bench.ramp.find(create(bench))
    assert refusal(caught.value) == (
        (
            "acme/ramp: BillCreate: Ramp has this bill, or another of its number already, of the vendor "
            f"{bench.vendor}: {theirs.id}"
        ),
        "when it is the same, run `flowctl retry ID --there ID-THERE`; else correct one of the two numbers",
    )
    bench.simulator.archive(theirs.id)
    assert bench.ramp.find(create(bench)) is None


@each
def test_a_bill_of_another_vendor_with_the_same_number_is_no_matter(profile: Profile) -> None:
    bench = Bench(profile)
    other = bench.simulator.add_vendor("Someone Else").id
    bench.simulator.add_bill([Line(105075)], vendor_id=other, invoice_number="INV-7")
    assert bench.ramp.find(create(bench)) is None


@each
def test_several_with_our_id_are_never_written_over(profile: Profile) -> None:
    bench = Bench(profile)
    made = create(bench)
    bench.ramp.write(made)
    bench.ramp.write(made)
    first, second = bench.world.bills
    with pytest.raises(Ambiguous) as caught:
        bench.ramp.find(made)
    assert refusal(caught.value) == (
        f"acme/ramp: BillCreate: Ramp has several bills with the remote id freshbooks:a1:bill:7: {first}, {second}",
        "archive in Ramp all but one of them",
    )
    bench.simulator.archive(second)
    assert bench.ramp.find(made) == Receipt({"id": first})


@each
def test_an_archived_bill_is_not_entered_again(profile: Profile) -> None:
    bench = Bench(profile)
    receipt = bench.push(create(bench))
    bench.simulator.archive(receipt.ids["id"])
    with pytest.raises(Rejected) as caught:
        bench.open().find(create(bench))
    assert (str(caught.value), caught.value.code) == (
        f"acme/ramp: BillCreate: Ramp has the bill, and it is archived there: {receipt.ids['id']}",
        "archived",
    )


def test_a_server_that_ignores_the_remote_id_is_noticed() -> None:
    """Ramp answers a parameter that it does not know with the first page of everything."""
    bench = Bench("2025-08", settings={"api_profile": "2026-08"})
    other = bench.simulator.add_bill([Line(100)], vendor_id=bench.vendor, invoice_number="INV-1").id
    assert bench.ramp.find(create(bench)) is None
    ours = replace(
        bench.world.bills[other], id="11111111-1111-4111-8111-111111111111", remote_id="freshbooks:a1:bill:7"
    )
    bench.world.bills[ours.id] = replace(ours, lines=(Line(105075),), invoice_number="INV-7")
    assert bench.open().find(create(bench)) == Receipt({"id": ours.id})


@each
def test_a_bill_of_ours_is_found_whoever_it_is_of_by_now(profile: Profile) -> None:
    """Its source was corrected after it was entered, and what knew of that was lost: another vendor, another day."""
    bench = Bench(profile)
    receipt = bench.push(create(bench))
    elsewhere = bench.simulator.add_vendor("Acme Supply Two").id
    anew = create(bench, vendor_id=elsewhere, issued_at="2025-01-02", due_at="2025-02-02")
    assert bench.open().find(anew) == receipt
    # In one and the same connection it is looked for again when it is in doubt.
    assert bench.ramp.find(replace(anew, sent_before=True)) == receipt
    bench.simulator.archive(receipt.ids["id"])
    with pytest.raises(Rejected) as caught:
        bench.ramp.find(replace(anew, sent_before=True))
    assert caught.value.code == "archived"


@pytest.mark.parametrize(("profile", "most"), [("2025-08", 20), ("2026-08", 84)])
def test_a_number_may_be_so_long(profile: Profile, most: int) -> None:
    bench = Bench(profile)
    bench.push(create(bench, invoice_number="9" * most))
    with pytest.raises(Rejected) as caught:
        bench.push(create(bench, invoice_number="9" * (most + 1), remote_id="other"))
    assert refusal(caught.value) == (
        f"acme/ramp: BillCreate: `invoice_number` has {most + 1} characters, and Ramp takes {most}",
        f"shorten it in the flow: `limit(..., `{most}`)`",
    )


@each
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"line_items": []}, "without lines"),
        ({"line_items": [{"amount": "-1.00"}]}, "`line_items[0]`: `amount` is negative, and Ramp takes no such line"),
        (
            {"line_items": [{"amount": "1.005"}]},
            "`line_items[0]`: `amount` 1.005 has more than the 2 decimals of USD",
        ),
        (
            {"line_items": [{"amount": "1.5"}], "invoice_currency": "JPY"},
            "`line_items[0]`: `amount` 1.5 has more than the 0 decimals of JPY",
        ),
        ({"line_items": [{"amount": "x"}]}, "`line_items[0]`: `amount`: `x` is not an amount"),
        ({"issued_at": "2026-13-01"}, "`issued_at` is no date"),
        ({"invoice_currency": "dollars"}, "`invoice_currency` is no currency code"),
        ({"memo": "x" * 1001}, "`memo` has 1,001 characters, and Ramp takes 1,000"),
        ({"remote_id": " "}, "without `remote_id`"),
        ({"paid": {"method": "BARTER", "on": "2026-11-02"}}, "`paid`: `BARTER` is no way of Ramp's to have paid"),
        ({"coding": CODING * 2}, "a field is coded twice"),
    ],
)
def test_what_ramp_would_refuse_is_refused_before(profile: Profile, fields: dict[str, Any], text: str) -> None:
    bench = Bench(profile)
    with pytest.raises(Rejected) as caught:
        bench.ramp.write(create(bench, **fields))
    assert str(caught.value) == f"acme/ramp: BillCreate: {text}"
    assert bench.writes() == []


@each
def test_an_option_that_ramp_does_not_have_is_refused(profile: Profile) -> None:
    bench = Bench(profile)
    with pytest.raises(Rejected) as caught:
        bench.push(create(bench, coding=[{"field_id": "Category", "option_id": "6900"}]))
    assert caught.value.code == "DEVELOPER_7123"
    assert caught.value.hint == (
        "map the coding to an option that is active in Ramp, or upload it there; then run `flowctl retry ID`"
    )


# --- payment and drafts -----------------------------------------------------------------------------------------------


@each
def test_a_paid_bill_says_how_and_when(profile: Profile) -> None:
    bench = Bench(profile)
    bench.push(create(bench, paid={"method": "check", "on": "2026-11-03"}))
    (body,) = bench.sent("/bills")
    assert (body["payment_method"], body["payment_details"]) == (
        "PAID_MANUALLY",
        {"manual_payment_method": "CHECK", "payment_date": "2026-11-03"},
    )
    made = only_bill(bench)
    assert made.payment is not None
    assert (made.status, made.payment.manual, made.payment.minor) == ("PAID", "CHECK", 105075)


@each
def test_an_open_bill_is_not_taken_for_a_paid_one(profile: Profile) -> None:
    bench = Bench(profile)
    one = bench.push(create(bench)).ids["id"]
    paid = create(bench, paid={"method": "CASH", "on": "2026-11-02"})
    with pytest.raises(Rejected) as caught:
        bench.ramp.find(paid)
    assert refusal(caught.value) == (
        f"acme/ramp: BillCreate: Ramp has the bill {one}, and it is not paid there",
        "mark it as paid in Ramp, so that it is not paid twice; then run `flowctl retry ID`",
    )
    bench.simulator.pay_bill(one)
    assert bench.ramp.find(paid) == Receipt({"id": one})


def test_unpaid_bills_are_paid_as_the_setting_says() -> None:
    bench = Bench("2026-08", settings={"unpaid_bills": "vendor_default"})
    bench.push(create(bench))
    assert bench.sent("/bills")[0]["use_default_payment_method"] is True
    bench.push(create(bench, remote_id="r-2", invoice_number="8", payment_method="ONE_TIME_CARD"))
    second = bench.sent("/bills")[1]
    assert (second["payment_method"], second.get("use_default_payment_method")) == ("ONE_TIME_CARD", None)


def test_a_draft_is_found_by_its_vendor_and_number_and_later_as_the_bill_it_became() -> None:
    bench = Bench("2026-08", settings={"unpaid_bills": "draft"})
    bench.fault("timeout_after", "POST", "/bills/drafts")
    with pytest.raises(Ambiguous):
        bench.push(create(bench))
    (draft,) = bench.world.drafts.values()
    assert bench.push(create(bench)) == Receipt({"id": draft.id})
    assert bench.writes() == ["POST /bills/drafts"]
    change = operation("BillUpdate", bench.bill(memo="now with a memo"), draft.id)
    assert bench.push(change) == Receipt({"id": draft.id})
    assert bench.world.drafts[draft.id].memo == "now with a memo"
    from connectors.ramp.simulator.billing import complete_draft

    bill = complete_draft(bench.world, draft.id)
    assert bench.push(create(bench)) == Receipt({"id": bill.id})
    later = operation("BillUpdate", bench.bill(memo="later"), draft.id)
    assert bench.push(later) == Receipt({"id": bill.id})
    assert bench.world.bills[bill.id].memo == "later"


def test_a_draft_with_another_amount_is_not_ours() -> None:
    bench = Bench("2026-08")
    bench.push(create(bench, draft=True, remote_id="someone:else", line_items=[{"amount": "3.00"}]))
    (draft,) = bench.world.drafts
    with pytest.raises(Rejected) as caught:
        bench.push(create(bench, draft=True))
    assert str(caught.value).endswith(f"of its number already, of the vendor {bench.vendor}: {draft}")


def test_the_older_profile_makes_no_drafts() -> None:
    bench = Bench("2025-08")
    with pytest.raises(Rejected) as caught:
        bench.push(create(bench, draft=True))
    assert str(caught.value) == "acme/ramp: BillCreate: profile 2025-08 cannot make drafts"
    assert bench.writes() == []


# --- amounts that differ ----------------------------------------------------------------------------------------------


def hundredfold(bench: Bench) -> None:
    """A Ramp that takes major units for minor ones."""

    def change(request: Any, answer: Any) -> Any:
        if request.method == "POST" and request.url.path.endswith("/bills"):
            made = only_bill(bench)
            bench.world.bills[made.id] = replace(made, lines=(Line(made.minor * 100),))
            from connectors.ramp.simulator.bills import show_bill

            return reply(201, show_bill(bench.world, bench.world.bills[made.id]))
        return answer

    bench.change = change


@each
def test_a_mistaken_unit_holds_the_connection_and_the_bill_is_never_entered_twice(profile: Profile) -> None:
    bench = Bench(profile)
    hundredfold(bench)
    with pytest.raises(AmountsDiffer) as caught:
        bench.push(create(bench))
    made = only_bill(bench).id
    text = f"acme/ramp: BillCreate: Ramp shows 105075.00 USD for the bill {made}, and 1050.75 USD was sent"
    assert str(caught.value) == text
    # The engine leaves a connection alone after this error, and the operation stays in doubt.
    assert isinstance(caught.value, NotAsSent)
    with pytest.raises(AmountsDiffer) as again:
        bench.push(create(bench))
    assert str(again.value) == text
    assert bench.writes() == ["POST /bills"]
    bench.simulator.edit_bill(made, lines=(Line(105075),))
    assert bench.push(create(bench)) == Receipt({"id": made})


@each
def test_a_bill_whose_amount_a_person_changed_fails_alone(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    bench.simulator.edit_bill(made, lines=(Line(99900),))
    with pytest.raises(Rejected) as caught:
        bench.push(create(bench))
    assert refusal(caught.value) == (
        f"acme/ramp: BillCreate: Ramp shows 999.00 USD for the bill {made}, and 1050.75 USD was sent",
        "correct the bill in Ramp, or the record in its source; then run `flowctl retry ID`",
    )


# --- what a bill belongs to -------------------------------------------------------------------------------------------


def test_a_vendor_without_a_contact_gets_no_bill_in_2025() -> None:
    bench = Bench("2025-08")
    bench.change = lambda request, answer: (
        reply(200, {"data": [], "page": {"next": None}}) if request.url.path.endswith("/contacts") else answer
    )
    with pytest.raises(Rejected) as caught:
        bench.push(create(bench))
    assert str(caught.value) == f"acme/ramp: the vendor {bench.vendor} has no contact in Ramp, and a bill needs one"


@each
def test_the_entity_is_the_bodys_else_the_settings_else_the_main_one(profile: Profile) -> None:
    bench = Bench(profile)
    main = bench.world.primary_entity()
    second = replace(main, id="22222222-2222-4222-8222-222222222222", is_primary=False)
    third = replace(second, id="33333333-3333-4333-8333-333333333333")
    bench.world.entities |= {second.id: second, third.id: third}
    bench.ramp.write(create(bench))
    bench.ramp.write(create(bench, entity_id=second.id))
    bench.open(entity_id=third.id).write(create(bench))
    assert [body["entity_id"] for body in bench.sent("/bills")] == [main.id, second.id, third.id]


@each
def test_a_scope_that_is_not_granted_is_named(profile: Profile) -> None:
    scopes = tuple(s for s in Bench(profile).world.options.scopes if s != "bills:write")
    bench = Bench(profile, options={"scopes": scopes})
    with pytest.raises(AuthRefused) as caught:
        bench.push(create(bench))
    assert str(caught.value) == "acme/ramp: scopes that were not granted: bills:write"


# --- changes ----------------------------------------------------------------------------------------------------------


@each
def test_only_what_differs_is_changed(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench, memo="old", posting_date="2026-11-05")).ids["id"]
    lines = [{"amount": "7.00", "memo": "new", "coding": CODING}]
    body = bench.bill(line_items=lines, due_at="2026-12-24", posting_date="2026-11-05")
    change = operation("BillUpdate", body, made, base=bench.bill(memo="old", posting_date="2026-11-05"))
    assert bench.push(change) == Receipt({"id": made})
    sent = {"amount": "7.00", "memo": "new", "accounting_field_selections": selections("6010")}
    assert bench.sent(f"/bills/{made}", "PATCH") == [{"due_at": "2026-12-24", "memo": None, "line_items": [sent]}]
    bench.tape.clear()
    assert bench.push(change) == Receipt({"id": made})
    assert bench.writes() == []


@each
def test_coding_of_others_stays_and_ours_is_taken_out(profile: Profile) -> None:
    bench = Bench(profile)
    both = [*CODING, {"field_id": "Class", "option_id": "west"}]
    before = bench.bill(line_items=[{"amount": "5.00", "coding": both}])
    made = bench.push(operation("BillCreate", before)).ids["id"]
    after = bench.bill(line_items=[{"amount": "5.00", "coding": CODING}])
    # Who does not know that the class was ours leaves it alone.
    assert bench.ramp.find(operation("BillUpdate", after, made)) == Receipt({"id": made})
    bench.push(operation("BillUpdate", after, made, base=before))
    assert [line.selections for line in bench.world.bills[made].lines] == [coded(RENT)]


@each
def test_a_bill_may_move_to_another_vendor_with_its_contact(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    other = bench.simulator.add_vendor("Other")
    bench.push(operation("BillUpdate", bench.bill(vendor_id=other.id), made))
    assert bench.sent(f"/bills/{made}", "PATCH") == [{"vendor_id": other.id, "vendor_contact_id": other.contact_id}]
    assert bench.world.bills[made].vendor_id == other.id


@each
@pytest.mark.parametrize(
    ("state", "why"),
    [({"status": "PAID"}, "is paid"), ({"sync_status": "BILL_SYNCED"}, "is in the books already")],
)
def test_a_bill_that_is_paid_or_synced_is_not_changed(profile: Profile, state: dict[str, Any], why: str) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    bench.world.change_bill(made, **state)
    assert bench.ramp.find(operation("BillUpdate", bench.bill(), made)) == Receipt({"id": made})
    with pytest.raises(Rejected) as caught:
        bench.ramp.find(operation("BillUpdate", bench.bill(memo="x", due_at="2027-01-01"), made))
    assert refusal(caught.value) == (
        f"acme/ramp: BillUpdate: the bill {made} {why}, and cannot be changed: due_at, memo",
        "change it in Ramp by hand where that is wanted, then run `flowctl retry ID`",
    )


@each
def test_a_currency_cannot_be_changed(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    with pytest.raises(Rejected) as caught:
        bench.push(operation("BillUpdate", bench.bill(invoice_currency="EUR"), made))
    assert str(caught.value) == (
        f"acme/ramp: BillUpdate: the bill {made} is in USD, and its currency cannot be changed to EUR"
    )


@each
def test_a_lost_answer_to_a_change_is_found(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    bench.fault("timeout_after", "PATCH", "/bills")
    change = operation("BillUpdate", bench.bill(memo="x"), made)
    with pytest.raises(Ambiguous):
        bench.push(change)
    assert bench.ramp.find(change) == Receipt({"id": made})


@each
def test_a_bill_that_is_gone_cannot_be_changed(profile: Profile) -> None:
    bench = Bench(profile)
    gone = "44444444-4444-4444-8444-444444444444"
    with pytest.raises(Rejected) as caught:
        bench.push(operation("BillUpdate", bench.bill(), gone))
    assert str(caught.value) == f"acme/ramp: BillUpdate: Ramp has no bill {gone} any more, or it is archived"


# --- archiving --------------------------------------------------------------------------------------------------------


@each
def test_a_bill_is_archived_once(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    undo = operation("BillArchive", {}, made)
    bench.fault("timeout_after", "DELETE", "/bills")
    with pytest.raises(Ambiguous):
        bench.push(undo)
    assert bench.push(undo) == Receipt({"id": made})
    assert bench.writes() == ["POST /bills", f"DELETE /bills/{made}"]
    assert bench.world.bills[made].archived_at is not None
    del bench.world.bills[made]
    assert bench.push(undo) == Receipt({"id": made})


@each
def test_a_bill_that_a_person_archived_first_is_done(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]

    def archive_first(request: Any, answer: Any) -> Any:
        """Just after the last look, and before our call."""
        if request.method == "GET" and bench.world.bills[made].archived_at is None:
            bench.simulator.archive(made)
        return answer

    bench.change = archive_first
    assert bench.ramp.write(operation("BillArchive", {}, made)) == Receipt({"id": made})
    assert bench.writes() == ["POST /bills", f"DELETE /bills/{made}"]


@each
def test_a_paid_bill_is_not_archived(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench, paid={"on": "2026-11-03"})).ids["id"]
    with pytest.raises(Rejected) as caught:
        bench.push(operation("BillArchive", {}, made))
    assert refusal(caught.value) == (
        f"acme/ramp: BillArchive: the bill {made} is paid, and Ramp archives no paid bill",
        "in Ramp, take back its payment or enter a vendor credit; then run `flowctl retry ID`",
    )
    assert bench.writes() == ["POST /bills"]


@each
def test_a_bill_of_a_batch_payment_is_refused_by_ramp(profile: Profile) -> None:
    bench = Bench(profile)
    made = bench.push(create(bench)).ids["id"]
    bench.world.change_bill(made, in_batch=True)
    with pytest.raises(Rejected) as caught:
        bench.push(operation("BillArchive", {}, made))
    assert caught.value.code == "DEVELOPER_7098"
    assert str(caught.value).endswith(f": the bill {made} is not archived")
    assert bench.world.bills[made].archived_at is None


def test_a_draft_is_deleted_by_a_person() -> None:
    bench = Bench("2026-08")
    made = bench.push(create(bench, draft=True)).ids["id"]
    with pytest.raises(Rejected) as caught:
        bench.push(operation("BillArchive", {}, made))
    assert str(caught.value) == f"acme/ramp: BillArchive: {made} is a draft, which only a person can delete"


def test_an_unknown_request_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        Bench("2026-08").ramp.find(operation("BillCreat", {}))
    assert str(caught.value) == "acme/ramp: there is no request `BillCreat`"
