"""Reading: pages that are numbered, errors under HTTP 200, whole scans and days, and times in the right zone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.freshbooks.records import normalise
from connectors.freshbooks.simulator import Fault, Line
from connectors.freshbooks.spec import PLACES, SPEC
from connectors.freshbooks.times import moment
from engine.contract import MarkCall
from engine.errors import AuthRefused, BadAnswer, RateLimited, Rejected, RunError, Transient
from tests.connectors.freshbooks.freshbooks_kit import Noted, Place, ids, opened, reply
from tests.reference import reference

WHERE = "acme/freshbooks: GET /accounting/account"


def read(place: Place, stream: str = "bills", checkpoint: str | None = None, **filters: Any) -> list[Any]:
    with opened(place, page_size=2) as connection:
        return list(connection.read(stream, filters, checkpoint))


# --- pages ------------------------------------------------------------------------------------------------------------


def test_all_pages_of_bills_and_no_watermark() -> None:
    place = Place(newest_first=False)
    made = [place.bill() for _ in range(5)]
    pages = read(place)
    assert ids(pages) == made
    assert [len(page.records) for page in pages] == [2, 2, 1, 0]
    assert [page.checkpoint is None for page in pages] == [False, False, False, True]
    assert place.queries("/bills/bills") == [
        *({"page": str(number), "per_page": "2"} for number in (1, 2, 3)),
        {"page": "1", "per_page": "2", "search[vis_state]": "1"},
    ]


def test_a_cap_on_pages_is_heeded() -> None:
    place = Place(page_most=1, newest_first=False)
    made = [place.bill() for _ in range(3)]
    assert ids(read(place)) == made


def test_reading_goes_on_where_it_stopped() -> None:
    place = Place(newest_first=False)
    made = [place.bill() for _ in range(5)]
    first = read(place)[0]
    assert ids(read(place, "bills", first.checkpoint)) == made[2:]


def test_an_old_place_in_a_list_is_not_trusted() -> None:
    place = Place(newest_first=False)
    made = [place.bill() for _ in range(5)]
    first = read(place)[0]
    place.clock.sleep(3601)
    assert ids(read(place, "bills", first.checkpoint)) == made


@pytest.mark.parametrize("checkpoint", ["", "x", "[]", '{"of": 1}', '{"of":"bills:x","since":null}'])
def test_a_checkpoint_that_says_nothing_begins_anew(checkpoint: str) -> None:
    place = Place()
    made = place.bill()
    assert ids(read(place, "bills", checkpoint)) == [made]


def test_a_row_that_goes_while_the_list_is_read_hides_no_other() -> None:
    place = Place(Fault("row_gone", at=(0,), path="/bills/bills"))
    made = [place.bill() for _ in range(6)]
    found = ids(read(place))
    assert set(found) == set(made)


def test_a_list_that_repeats_itself_ends() -> None:
    place = Place()
    for _ in range(5):
        place.bill()
    shown = place.account("GET", "bills/bills", None, "per_page=2")[1]

    def same(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/bills/bills"):
            return None
        shown["response"]["result"]["page"] = int(request.url.params["page"])
        return reply(200, shown)

    place.before = same
    with pytest.raises(BadAnswer, match="the list repeats itself and would never end"):
        read(place)


def test_a_list_that_shrinks_for_ever_ends() -> None:
    place = Place()
    totals = iter(range(1000, 0, -1))

    def shrinking(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/bills/bills"):
            return None
        page, total = int(request.url.params["page"]), next(totals)
        row = {"id": total}
        return reply(200, {"response": {"result": {"bills": [row], "page": page, "pages": 500, "total": total}}})

    place.before = shrinking
    with pytest.raises(BadAnswer, match="the list becomes shorter all the time"):
        read(place)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "no page with `bills`"),
        ({"bills": [1]}, "no page with `bills`"),
        ({"bills": []}, "a page without `page`"),
        ({"bills": [], "page": 1, "pages": True}, "a page without `pages`"),
        ({"bills": [], "page": 1, "pages": 1, "total": -1}, "a page without `total`"),
        ({"bills": [], "page": 2, "pages": 3, "total": 0}, "page 2 of 3 where page 1 was asked for"),
        ({"bills": [{}], "page": 1, "pages": 1, "total": 1}, "a row without a `id`"),
    ],
)
def test_an_answer_of_another_shape(result: Any, said: str) -> None:
    place = Place()
    place.before = lambda r: reply(200, {"response": {"result": result}}) if "/bills/" in r.url.path else None
    with pytest.raises(BadAnswer) as caught:
        read(place)
    assert str(caught.value) == f"{WHERE}/{place.world.account_id}/bills/bills: 200: {said}"


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "option", "said"),
    [
        ("bills", "has_bills", "the user or the plan has no access to bills (41001)"),
        ("bill_vendors", "has_vendors", "the user or the plan has no access to bill vendors (31001)"),
        ("expenses", "has_expenses", "not permitted (1003; fields object)"),
    ],
)
def test_what_the_plan_lacks_is_no_empty_list(stream: str, option: str, said: str) -> None:
    place = Place(**{option: False})
    with pytest.raises(AuthRefused) as caught:
        read(place, stream)
    place_of = PLACES[stream][0]
    expected = said.replace("; fields object", "")
    assert str(caught.value) == f"{WHERE}/{place.world.account_id}/{place_of}: 200: {expected}"
    denied = "; or correct the setting `account_id`, when it names another account" if "1003" in said else ""
    assert (
        caught.value.hint
        == f"give the FreshBooks user the role for it, or the account a plan that has it{denied}; then run it again"
    )


def test_rows_that_are_counted_and_never_shown() -> None:
    place = Place(hides_all=True)
    for _ in range(16):
        place.bill()
    with pytest.raises(AuthRefused, match="FreshBooks counts 16 and shows none of them"):
        read(place)


def withheld(connection: Any, stream: str) -> str | None:
    found = connection.withheld(stream)
    return None if found is None else found.message


def test_some_hidden_rows_do_not_stop_the_rest_and_are_told() -> None:
    place = Place(hidden=3)
    made = [place.bill() for _ in range(5)]
    with opened(place, page_size=2) as connection:
        assert withheld(connection, "bills") is None
        assert sorted(ids(list(connection.read("bills", {}, None)))) == sorted(made)
        said = f"{WHERE}/{place.world.account_id}/bills/bills: 200: FreshBooks counts 8 and shows 5 of them"
        assert withheld(connection, "bills") == said
        told = connection.withheld("bills")
        assert told is not None
        assert told.hint.startswith("give the FreshBooks user a role that may see them")
        # What is not there may be one of those.
        with pytest.raises(Rejected) as caught:
            connection.get("bills", "999")
        assert str(caught.value) == f"{said}; whether 999 was deleted cannot be told"
        place.world.options = replace(place.world.options, hidden=0)
        list(connection.read("bills", {}, None))
        assert (withheld(connection, "bills"), connection.get("bills", "999")) == ("", None)


def test_a_read_that_goes_on_over_the_same_connection_is_counted_whole() -> None:
    place = Place(newest_first=False)
    for _ in range(5):
        place.bill()
    with opened(place, page_size=2) as connection:
        first = next(iter(connection.read("bills", {}, None)))
        assert withheld(connection, "bills") is None
        list(connection.read("bills", {}, first.checkpoint))
        assert withheld(connection, "bills") == ""
    with opened(place, page_size=2) as connection:  # how many the pages before had is not known
        list(connection.read("bills", {}, first.checkpoint))
        assert withheld(connection, "bills") is None


def test_what_comes_or_goes_while_a_list_is_read_is_not_hidden() -> None:
    for change in ("add", "delete"):
        place = Place()
        made = [place.bill() for _ in range(4)]
        with opened(place, page_size=2) as connection:
            pages = connection.read("bills", {}, None)
            next(pages)
            if change == "add":
                place.bill()
            else:
                place.world.edit_bill(int(made[-1]), vis_state=1)
            list(pages)
            assert withheld(connection, "bills") == ""


def test_changes_alone_say_nothing_of_what_is_hidden() -> None:
    place = Place(hidden=2)
    place.expense()
    watermark = read(place, "expenses")[-1].checkpoint
    with opened(place, page_size=2) as connection:
        list(connection.read("expenses", {}, watermark))
        assert withheld(connection, "expenses") is None


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("accounting_old", Rejected),
        ("accounting_old_but_200", AuthRefused),
        ("accounting_new", Rejected),
        ("accounting_business", Rejected),
        ("events_422", Rejected),
        ("events_401", AuthRefused),
        ("auth_401", AuthRefused),
    ],
)
def test_every_family_of_errors(name: str, error: type[RunError]) -> None:
    given = json.loads(reference("freshbooks", "errors.json").read_text())[name]
    place = Place()
    place.before = lambda r: reply(given["http"], given["body"]) if "/bills/" in r.url.path else None
    with pytest.raises(error) as caught:
        read(place)
    assert "12345" not in str(caught.value)
    with opened(place) as connection:
        if given["http"] == 404:
            assert connection.get("bills", "12345") is None


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (200, {"response": {"errors": [{"errno": 99999, "field": "x"}]}}, Rejected, "refused (99999; fields x)"),
        (200, {"response": {"errors": {"errno": 1015, "field": "page"}}}, Rejected, "refused (1015; fields page)"),
        (200, {"error": "unauthenticated"}, AuthRefused, "the access token is not accepted, and it is new"),
        (200, {"code": 5, "details": []}, Rejected, "refused"),
        (200, {"response": []}, BadAnswer, "no `response` in the answer"),
        (200, [], BadAnswer, "no `response` in the answer"),
        (403, {"response": {"errors": [{"errno": 1038, "field": "a"}]}}, AuthRefused, "not permitted (1038; fields a)"),
        (429, {}, RateLimited, "too many requests"),
        (503, {}, Transient, "the server failed"),
        (400, None, BadAnswer, "refused with a page that is no answer of FreshBooks' API"),
    ],
)
def test_answers_that_are_no_success(status: int, body: Any, error: type[RunError], said: str) -> None:
    place = Place()
    answer = httpx.Response(status, content=b"<html>") if body is None else reply(status, body)
    place.before = lambda r: answer if "/bills/" in r.url.path else None
    with pytest.raises(error) as caught:
        read(place)
    assert type(caught.value) is error
    assert str(caught.value) == f"{WHERE}/{place.world.account_id}/bills/bills: {status}: {said}"


def test_the_fault_of_permission_for_a_while() -> None:
    place = Place(Fault("error_200", at=(0,), path="/bills"))
    with pytest.raises(AuthRefused, match="200: not permitted"):
        read(place, "bills")


# --- changes ----------------------------------------------------------------------------------------------------------


def test_expenses_leave_a_watermark_and_are_asked_for_by_day() -> None:
    place = Place()
    place.clock.sleep(14 * 3600 + 5 * 60)  # 23:05 in UTC, 18:05 in New York
    old, new = place.expense(updated=datetime(2026, 11, 3, tzinfo=UTC)), place.expense()
    pages = read(place, "expenses")
    assert sorted(ids(pages)) == [old, new]
    watermark = pages[-1].checkpoint
    assert watermark is not None
    assert json.loads(watermark)["since"] == "2026-11-21T23:05:00.000000Z"
    place.clock.sleep(4 * 86_400)
    changed = place.expense()
    place.requests.clear()
    found = read(place, "expenses", watermark)
    asked = {"page": "1", "per_page": "2", "include[]": "attachment", "search[updated_min]": "2026-11-20"}
    assert place.queries("/expenses/expenses") == [asked, {**asked, "search[vis_state]": "1"}]
    assert sorted(ids(found)) == [new, changed]


def test_the_day_of_a_watermark_is_that_of_new_york() -> None:
    place = Place()
    place.clock.sleep(18 * 3600)  # 03:00 in UTC of the next day, 22:00 in New York
    place.expense()
    watermark = read(place, "expenses")[-1].checkpoint
    place.requests.clear()
    read(place, "expenses", watermark)
    assert place.queries("/expenses/expenses")[0]["search[updated_min]"] == "2026-11-20"


def test_a_watermark_is_never_later_than_the_read_began() -> None:
    place = Place()
    place.expense(updated=datetime(2026, 11, 22, tzinfo=UTC))
    watermark = read(place, "expenses")[-1].checkpoint
    assert watermark is not None
    assert json.loads(watermark)["since"] == "2026-11-21T09:00:00.000000Z"


def test_an_empty_answer_keeps_the_watermark() -> None:
    place = Place()
    place.expense()
    watermark = read(place, "expenses")[-1].checkpoint
    place.clock.sleep(9 * 86_400)
    place.world.expenses.clear()
    assert read(place, "expenses", watermark)[-1].checkpoint == watermark


@pytest.mark.parametrize(
    ("stream", "text", "expected"),
    [
        ("bills", "2021-09-01 15:30:29", "2021-09-01 15:30:29+00:00"),
        ("bill_vendors", "2021-06-17 12:08:25", "2021-06-17 12:08:25+00:00"),
        ("expenses", "2019-12-02 12:36:05", "2019-12-02 17:36:05+00:00"),
        ("expenses", "2026-07-01 12:00:00", "2026-07-01 16:00:00+00:00"),
        # The hour that comes twice is taken for the earlier one.
        ("expenses", "2026-11-01 01:30:00", "2026-11-01 05:30:00+00:00"),
        ("expenses", "2026-11-01T01:30:00Z", "2026-11-01 01:30:00+00:00"),
        ("categories", "2019-01-07 09:00:00", "2019-01-07 14:00:00+00:00"),
        ("expenses", "soon", "None"),
        ("expenses", "2026-13-01 00:00:00", "None"),
        ("expenses", "0001-01-01 00:00:00+23:00", "None"),
        ("expenses", None, "None"),
    ],
)
def test_each_field_has_its_zone(stream: str, text: str | None, expected: str) -> None:
    assert str(moment(stream, text)) == expected


# --- records ----------------------------------------------------------------------------------------------------------


def test_the_sample_of_a_bill() -> None:
    shown = json.loads(reference("freshbooks", "bill_list_response.json").read_text(), parse_float=Decimal)
    record = normalise("bills", shown["response"]["result"]["bills"][0])
    assert {key: record[key] for key in ("id", "vendorid", "due_offset_days", "due_date", "status", "vis_state")} == {
        "id": "43221133", "vendorid": "1563", "due_offset_days": 25, "due_date": "2021-09-26", "status": "unpaid", "vis_state": 0,
    }  # fmt: skip
    assert record["total_amount"] == {"amount": "1500.00", "code": "CAD"}
    assert record["created_at"] == "2021-09-01T15:30:29Z"
    assert record["attachment"] is None
    line = record["lines"][0]
    assert (line["categoryid"], line["quantity"], line["unit_cost"], line["tax_amount1"]) == (
        "3696445", "10", {"amount": "150.00", "code": "CAD"}, None,
    )  # fmt: skip
    assert (record["vendor"]["vendorid"], record["vendor"]["street2"]) == ("1563", None)


def test_the_sample_of_an_expense() -> None:
    shown = json.loads(reference("freshbooks", "expense.json").read_text())["response"]["result"]["expense"]
    record = normalise("expenses", shown)
    assert record == {
        "account_id": None, "category": None, "id": "43221133", "expenseid": "43221133", "categoryid": "3012676", "staffid": "1", "clientid": "0", "projectid": "0",
        "invoiceid": None, "transactionid": None, "vendor": None, "date": "2019-10-10",
        "amount": {"amount": "2000.00", "code": "USD"}, "attachment": None, "taxName1": None, "taxPercent1": None, "taxAmount1": None,
        "taxName2": None, "taxPercent2": None, "taxAmount2": None, "notes": "", "account_name": "", "bank_name": "", "status": 0,
        "has_receipt": False, "is_cogs": False, "isduplicate": False, "updated": "2019-12-02T17:36:05Z", "vis_state": 0,
    }  # fmt: skip


@pytest.mark.parametrize("stream", list(PLACES))
def test_records_have_the_fields_of_the_spec(stream: str) -> None:
    place = Place(text_ids=True)
    category = place.world.add_category("Rent")
    place.world.add_account("Rent", "6010")
    place.bill()
    place.world.add_expense(Decimal("12.30"), category.id)
    (record,) = read(place, stream)[0].records
    spec = SPEC.stream(stream)
    assert spec is not None
    assert list(record) == [field.name for field in spec.fields]
    with opened(place) as connection:
        assert connection.get(stream, record[spec.key]) == record
        assert connection.get(stream, "999999") is None


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"lines": "x"}, "unreadable: `lines` has a wrong shape"),
        ({"lines": [None]}, "unreadable: `lines` has a wrong shape"),
        ({"lines": [{"amount": "5"}]}, "unreadable: `amount` has a wrong shape"),
        ({"total_amount": {"amount": "1e3", "code": "USD"}}, "unreadable: not a number"),
        ({"total_amount": {"amount": True, "code": "USD"}}, "unreadable: not a number"),
        ({"total_amount": {"amount": 10**15, "code": "USD"}}, "unreadable: too large, or too many digits"),
        ({"total_amount": {"amount": Decimal("10.50"), "code": "USD"}}, "10.50"),
        ({"total_amount": {"amount": "-0.10", "code": "USD"}}, "-0.10"),
    ],
)
def test_a_record_that_cannot_be_read_whole_says_so(broken: dict[str, Any], said: str) -> None:
    record = normalise("bills", {"id": 1, "total_amount": {"amount": "5.00", "code": "USD"}, **broken})
    assert record["total_amount"] == {"amount": said, "code": "USD"}


def test_filters_are_applied_here() -> None:
    place = Place()
    one = place.bill()
    other = str(place.world.add_bill(place.world.add_vendor("Other").id, [Line(Decimal(1))], currency="CAD").id)
    gone = place.bill()
    place.world.edit_bill(int(gone), vis_state=1)
    assert ids(read(place, currency_code="CAD")) == [other]
    assert sorted(ids(read(place, vis_state=0))) == [one, other]
    assert ids(read(place, vis_state=1)) == [gone]
    vendor = str(place.world.bills[int(one)].vendor_id)
    assert ids(read(place, vendorid=vendor, vis_state=0)) == [one]
    assert not [q for q in place.queries("/bills/bills") if set(q) - {"page", "per_page", "search[vis_state]"}]
    place.expense(has_receipt=True)
    assert len(ids(read(place, "expenses", has_receipt=True))) == 1
    assert ids(read(place, "expenses", has_receipt=False)) == []


def test_a_filter_that_does_not_exist() -> None:
    with pytest.raises(Rejected) as caught:
        read(Place(), "bills", updated_min="2026-01-01")
    assert str(caught.value) == "acme/freshbooks: `bills` has no filter `updated_min`"


# --- deleted and archived ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [True, False])
def test_a_deleted_bill_by_its_id(shown: bool) -> None:
    place = Place(shows_deleted=shown)
    made = place.bill()
    place.world.edit_bill(int(made), vis_state=1)
    with opened(place) as connection:
        found = connection.get("bills", made)
    assert (found and found["vis_state"]) == (1 if shown else None)


@pytest.mark.parametrize("stream", ["bills", "expenses"])
def test_deleted_and_archived_ones_are_listed(stream: str) -> None:
    place = Place(newest_first=False)
    make, edit = (place.bill, place.world.edit_bill) if stream == "bills" else (place.expense, place.world.edit_expense)
    made = [make() for _ in range(9)]
    states = [0, 1, 2] * 3
    for number, state in zip(made, states, strict=True):
        edit(int(number), vis_state=state)
    pages = read(place, stream)
    found = [(record["id"], record["vis_state"]) for page in pages for record in page.records]
    assert found == [
        *((number, state) for number, state in zip(made, states, strict=True) if state != 1),
        *((number, 1) for number, state in zip(made, states, strict=True) if state == 1),
    ]
    for page in pages[:-1]:  # each checkpoint goes on with the rest
        rest = read(place, stream, page.checkpoint)
        after = found[found.index((page.records[-1]["id"], page.records[-1]["vis_state"])) + 1 :]
        assert [(record["id"], record["vis_state"]) for one in rest for record in one.records] == after
    assert ids(read(place, stream, vis_state=2)) == [
        number for number, state in zip(made, states, strict=True) if state == 2
    ]


def test_only_what_was_deleted_is_one_list() -> None:
    place = Place()
    place.bill()
    gone = place.bill()
    place.world.edit_bill(int(gone), vis_state=1)
    assert ids(read(place, vis_state=1)) == [gone]
    assert place.queries("/bills/bills") == [{"page": "1", "per_page": "2", "search[vis_state]": "1"}]


@pytest.mark.parametrize("stream", ["bills", "expenses"])
def test_a_list_that_does_not_know_the_question_is_not_read_twice(stream: str) -> None:
    place = Place(filters_by_state=False)
    made = [place.bill() if stream == "bills" else place.expense() for _ in range(5)]
    pages = read(place, stream)
    assert sorted(ids(pages)) == sorted(made)
    assert len(place.queries(f"/{stream}/{stream}")) == 4
    assert (pages[-1].checkpoint is None) == (stream == "bills")  # expenses leave their watermark all the same


def test_a_deleted_expense_is_among_the_changes() -> None:
    place = Place()
    kept, gone = place.expense(), place.expense()
    watermark = read(place, "expenses")[-1].checkpoint
    place.clock.sleep(4 * 86_400)
    place.world.edit_expense(int(gone), vis_state=1)
    found = read(place, "expenses", watermark)
    assert {record["id"]: record["vis_state"] for page in found for record in page.records} == {kept: 0, gone: 1}


# --- the account ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["membership", "role", "client"])
def test_the_account_is_found(where: Any) -> None:
    place = Place(account_in=where)
    made = place.bill()
    assert ids(read(place)) == [made]


def test_several_accounts_need_a_choice() -> None:
    place = Place()
    businesses = [{"business": {"account_id": name}} for name in ("aaa", "bbb", "aaa")]
    place.before = lambda r: (
        reply(200, {"response": {"business_memberships": businesses}}) if r.url.path.endswith("/me") else None
    )
    with pytest.raises(Rejected) as caught:
        read(place)
    assert str(caught.value) == (
        "acme/freshbooks: GET /auth/api/v1/users/me: 200: the FreshBooks user has 2 accounts: aaa, bbb"
    )
    assert caught.value.hint == "run `flowctl connect freshbooks --company acme --set account_id=ID` with one of them"


NOT_CONNECTED = (
    "acme/freshbooks: GET /auth/api/v1/users/me: 200: the FreshBooks user has {}, and not `{}`, which was connected: "
    "nothing is read"
)


@pytest.mark.parametrize(
    "asked",
    [
        lambda connection: list(connection.read("bills", {}, None)),
        lambda connection: connection.get("bills", "1002"),
        lambda connection: connection.get("accounts", "1"),
        lambda connection: connection.document("bills", "1002"),
        lambda connection: connection.subscribe("https://sync.example.com", ["bill"]),
        lambda connection: connection.tried(),
    ],
)
def test_another_account_than_the_one_that_answered_first_is_not_asked(asked: Any) -> None:
    """Its user has left a business, and was invited to another one: there, a bill of the first one is nowhere."""
    place = Place()
    place.bill()
    place.owner = Noted()
    assert len(ids(read(place))) == 1
    first = place.world.account_id
    assert place.owner.account == first
    place.world.move_user("zz9")
    place.bill()
    with pytest.raises(AuthRefused) as caught, opened(place) as connection:
        asked(connection)
    assert str(caught.value) == NOT_CONNECTED.format("the account `zz9`", first)
    assert caught.value.hint == (
        "give the FreshBooks user that account again, or run `flowctl connect freshbooks --company acme` and allow it as a "
        "user who has it; with `--yes` when the other account is meant from now on"
    )
    assert not place.queries("/account/zz9/")
    place.world.move_user(first)
    assert len(ids(read(place))) == 1


def test_of_several_accounts_the_one_that_was_connected_is_read() -> None:
    place = Place()
    made, first = place.bill(), place.world.account_id
    place.owner = Noted(first)
    accounts = ["aaa", first]
    place.before = lambda r: (
        reply(200, {"response": {"business_memberships": [{"business": {"account_id": name}} for name in accounts]}})
        if r.url.path.endswith("/me")
        else None
    )
    assert ids(read(place)) == [made]
    for left, said in ((["aaa", "bbb"], "2 accounts: aaa, bbb"), ([], "no account")):
        accounts[:] = left
        with pytest.raises(AuthRefused) as caught:
            read(place)
        assert str(caught.value) == NOT_CONNECTED.format(said, first)


def test_an_account_of_the_settings_is_asked_whatever_was_noted() -> None:
    place = Place()
    made = place.bill()
    place.owner = Noted("other")
    with opened(place, account_id=place.world.account_id) as connection:
        assert ids(list(connection.read("bills", {}, None))) == [made]
    assert place.owner.account == "other"


def test_what_a_try_shows() -> None:
    place = Place()
    place.bill()
    place.expense()
    place.expense()
    with opened(place) as connection:
        assert connection.tried() == f"account {place.world.account_id}: 1 bills, 2 expenses"


def test_what_freshbooks_cannot_do() -> None:
    with opened(Place()) as connection:
        with pytest.raises(Rejected, match="FreshBooks takes no marks"):
            connection.mark(MarkCall("any", "key"))
        with pytest.raises(Rejected, match="there is no stream `invoices`"):
            connection.read("invoices", {}, None).__next__()
        with pytest.raises(Rejected, match="an id that FreshBooks cannot have given"):
            connection.get("bills", "../users")


def test_ten_thousand_bills_are_a_hundred_calls() -> None:
    place = Place()
    for _ in range(10_000):
        place.bill(issued_on=date(2026, 11, 1))
    with opened(place) as connection:
        assert sum(len(page.records) for page in connection.read("bills", {}, None)) == 10_000
    assert place.simulator.tally.kinds["GET bills/bills"] == 101  # one of them for what was deleted


# --- what a row does not say ------------------------------------------------------------------------------------------


def test_records_say_whose_account_they_are_of() -> None:
    place = Place()
    made = place.bill()
    with opened(place) as connection:
        for stream, key in (("bills", made), ("bill_vendors", None), ("expenses", None)):
            records = [record for page in connection.read(stream, {}, None) for record in page.records]
            assert {record["account_id"] for record in records} <= {place.world.account_id}
            assert key is None or [record["id"] for record in records] == [key]
        found = connection.get("bills", made)
        assert found is not None
        assert (found["account_id"], "account_id" in found["vendor"]) == (place.world.account_id, False)


def test_expenses_have_the_name_of_their_category_which_is_read_once() -> None:
    place = Place()
    with place.simulator.changing() as world:
        meals = world.add_category("Meals").id
        for category in (meals, meals, 77, 0):
            world.add_expense(Decimal(5), category)
        ids_of = list(world.expenses)
    with opened(place) as connection:
        records = [record for page in connection.read("expenses", {}, None) for record in page.records]
        one = connection.get("expenses", str(ids_of[0]))
    assert [record["category"] for record in sorted(records, key=lambda r: int(r["id"]))] == [
        "Meals",
        "Meals",
        None,
        None,
    ]
    assert one is not None
    assert one["category"] == "Meals"
    assert len(place.queries("/expenses/categories")) == 1
