"""Paging, filters and sorting of the BILL simulator."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connectors.bill.simulator import Fault, build
from connectors.bill.simulator.records import Coding
from tests.connectors.bill.simulator_kit import Api, api, bill, clock_of, decoded, error, line


def bills(client: Api, count: int) -> list[str]:
    """So many bills, a second apart, with the oldest first."""
    made = []
    for _ in range(count):
        clock_of(client.simulator).advance("+1s")
        made.append(bill(client.simulator))
    return made


UP = {"sort": "updatedTime:asc"}


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["0", "101", "-1", "x", "", "1.5"])
def test_page_sizes_that_are_refused(size: str) -> None:
    assert error(api().call("GET", "/bills", max=size)) == (400, None, "max: must be between 1 and 100")


def test_validation_may_have_a_code() -> None:
    reply = api(validation_code="BDC_1000").call("GET", "/bills", max=0)
    assert error(reply) == (400, "BDC_1000", "max: must be between 1 and 100")


def test_twenty_on_a_page_unless_told_otherwise() -> None:
    client = api()
    made = bills(client, 63)
    assert client.pages("/bills", **UP) == [made[:20], made[20:40], made[40:60], made[60:]]
    assert client.pages("/bills", max=100, **UP) == [made]
    assert client.pages("/bills", max=1, **UP) == [[one] for one in made]


def test_pages_are_disjoint_and_lead_back() -> None:
    client = api()
    made = bills(client, 5)
    first = client.get("/bills", max=2, **UP)
    second = client.get("/bills", max=2, page=first["nextPage"], **UP)
    assert "prevPage" not in first
    back = client.get("/bills", max=2, page=second["prevPage"], **UP)
    assert [row["id"] for row in back["results"]] == made[:2]
    assert [row["id"] for row in second["results"]] == made[2:4]


def test_empty_list() -> None:
    assert api().get("/bills") == {"results": []}


@pytest.mark.parametrize("page", ["x", "AAAA", "bnVsbA", ""])
def test_a_cursor_that_is_none(page: str) -> None:
    assert error(api().call("GET", "/bills", page=page)) == (400, None, "page: is no page of this list")


def test_a_cursor_belongs_to_its_question() -> None:
    client = api()
    bills(client, 3)
    cursor = client.get("/bills", max=2, **UP)["nextPage"]
    assert client.call("GET", "/bills", max=2, page=cursor, sort="updatedTime:desc").status == 400
    assert client.call("GET", "/bills", max=2, page=cursor, **UP).status == 200


@pytest.mark.parametrize(("of_session", "status"), [(False, 200), (True, 400)])
def test_a_cursor_in_another_session(of_session: bool, status: int) -> None:
    client = api(cursor_of_session=of_session)
    bills(client, 3)
    cursor = client.get("/bills", max=2, **UP)["nextPage"]
    assert Api(client.simulator).call("GET", "/bills", max=2, page=cursor, **UP).status == status


@pytest.mark.parametrize(("cursor", "missing"), [("keyset", 0), ("offset", 1)])
def test_a_row_that_moves_between_pages(cursor: str, missing: int) -> None:
    client = api(cursor=cursor)
    made = bills(client, 4)
    first = client.get("/bills", max=2, **UP)
    clock_of(client.simulator).advance("+1m")
    build.edit_bill(client.simulator.world, made[0], description="changed")
    seen = {row["id"] for row in first["results"]}
    page = first
    while "nextPage" in page:
        page = client.get("/bills", max=2, page=page["nextPage"], **UP)
        seen |= {row["id"] for row in page["results"]}
    assert len(set(made) - seen) == missing


def test_empty_pages_lead_on() -> None:
    client = api(empty_page_every=2)
    made = bills(client, 4)
    assert client.pages("/bills", max=2, **UP) == [made[:2], [], made[2:]]


@pytest.mark.parametrize(("trailing", "last"), [(False, []), (True, [[]])])
def test_a_full_last_page(trailing: bool, last: list[Any]) -> None:
    client = api(trailing_page=trailing)
    made = bills(client, 4)
    assert client.pages("/bills", max=2, **UP) == [made[:2], made[2:], *last]


def test_faults_of_pages() -> None:
    client = api()
    made = bills(client, 4)
    client.simulator.faults.add(Fault("empty_page", at=(0,)))
    client.simulator.faults.add(Fault("page_repeat", at=(2,)))
    assert client.pages("/bills", max=2, **UP) == [[], made[:2], [made[1], *made[2:]]]
    cursor = client.get("/bills", max=1, **UP)["nextPage"]
    client.simulator.faults.add(Fault("cursor_loop", at=(0,)))
    assert client.get("/bills", max=1, page=cursor, **UP)["nextPage"] == cursor


# --- sorting ----------------------------------------------------------------------------------------------------------


def test_sorting() -> None:
    client = api()
    world = client.simulator.world
    names = ["b", "a", "a"]
    ids = []
    for name in names:
        clock_of(client.simulator).advance("+1m")
        ids.append(build.add_vendor(world, name).id)
    assert client.ids("/vendors", sort="createdTime:asc") == ids
    assert client.ids("/vendors", sort="createdTime:desc") == ids[::-1]
    assert client.ids("/vendors", sort="name:asc,createdTime:desc") == [ids[2], ids[1], ids[0]]
    assert client.pages("/vendors", sort="name:desc,createdTime:asc", max=1) == [[ids[0]], [ids[1]], [ids[2]]]
    assert client.ids("/vendors") == ids[::-1]


def test_default_order_is_a_switch() -> None:
    client = api(default_sort="createdTime:asc")
    assert client.ids("/bills") == bills(client, 0)
    made = bills(client, 2)
    assert client.ids("/bills") == made


@pytest.mark.parametrize("sort", ["updatedTime", "updatedTime:up", "nothing:asc", "updatedTime:asc,"])
def test_orders_that_are_refused(sort: str) -> None:
    text = "sort: must be field:asc or field:desc, of a field that can be sorted by"
    assert error(api().call("GET", "/bills", sort=sort)) == (400, None, text)


# --- filters ----------------------------------------------------------------------------------------------------------


def test_filters_of_moments_quoted_or_not() -> None:
    client = api()
    made = bills(client, 3)
    moment = client.get(f"/bills/{made[1]}")["updatedTime"]
    for value in (moment, f'"{moment}"', moment.replace("+00:00", "Z")):
        assert client.ids("/bills", filters=f"updatedTime:gte:{value}", **UP) == made[1:]
        assert client.ids("/bills", filters=f"updatedTime:gt:{value}", **UP) == made[2:]
        assert client.ids("/bills", filters=f"updatedTime:lte:{value}", **UP) == made[:2]
        assert client.ids("/bills", filters=f"updatedTime:lt:{value}", **UP) == made[:1]
    day = client.simulator.world.now.date().isoformat()
    assert client.ids("/bills", filters=f"updatedTime:gte:{day}", **UP) == made


def test_unquoted_values_may_be_refused() -> None:
    client = api(unquoted_values=False)
    text = "filters: the value of `updatedTime` must be quoted"
    assert error(client.call("GET", "/bills", filters="updatedTime:gte:2026-03-02")) == (400, None, text)
    assert client.ids("/bills", filters='updatedTime:gte:"2026-03-02",archived:eq:false') == []


def test_filters_are_joined() -> None:
    client = api()
    first, second, third = bills(client, 3)
    build.archive_bill(client.simulator.world, second)
    assert client.ids("/bills", filters="archived:eq:true") == [second]
    joined = f'archived:eq:false,id:in:"{first},{second}"'
    assert client.ids("/bills", filters=joined) == [first]
    assert client.ids("/bills", filters=f'id:nin:"{first}, {second}"') == [third]
    assert sorted(client.ids("/bills", filters=f"id:ne:{first}")) == sorted([second, third])


def test_filters_of_bills() -> None:
    client = api()
    world = client.simulator.world
    account = build.add_entry(world, "chart-of-accounts", "Rent").id
    one = bill(client.simulator, due_on=date(2026, 4, 1), coding=Coding(account=account), pay_from=account)
    two = bill(client.simulator, due_on=date(2026, 5, 1))
    build.pay(world, {two: Decimal(100)})
    assert client.ids("/bills", filters='dueDate:lte:"2026-04-01"') == [one]
    assert client.ids("/bills", filters='dueDate:eq:"2026-05-01"') == [two]
    assert client.ids("/bills", filters="paymentStatus:eq:PAID") == [two]
    assert client.ids("/bills", filters='paymentStatus:in:"UNPAID,SCHEDULED"') == [one]
    assert client.ids("/bills", filters=f"classifications.chartOfAccountId:eq:{account}") == [one]
    assert client.ids("/bills", filters=f"payFromChartOfAccountId:eq:{account}") == [one]
    assert client.ids("/bills", filters=f"vendorId:ne:{world.bills[one].vendor_id}") == []


def test_names_are_found_whole_or_by_their_beginning() -> None:
    client = api()
    ids = {
        name: build.add_vendor(client.simulator.world, name).id for name in ('Acme, "Best"', "Acme", "ACME", "Zoë: it")
    }
    assert client.ids("/vendors", filters='name:eq:"Acme"') == [ids["Acme"]]
    assert client.ids("/vendors", filters=r'name:eq:"Acme, \"Best\""') == [ids['Acme, "Best"']]
    assert client.ids("/vendors", filters='name:eq:"Zoë: it"') == [ids["Zoë: it"]]
    assert set(client.ids("/vendors", filters='name:sw:"Acme"')) == {ids["Acme"], ids['Acme, "Best"']}
    folding = api(name_ignores_case=True)
    for name in ("Acme", "ACME"):
        build.add_vendor(folding.simulator.world, name)
    assert len(folding.ids("/vendors", filters='name:eq:"acme"')) == 2
    assert len(folding.ids("/vendors", filters='name:sw:"aC"')) == 2


@pytest.mark.parametrize(
    ("path", "filters", "problem"),
    [
        ("/bills", "approvalStatus:eq:APPROVED", "a field that cannot be filtered by"),
        ("/bills", "amount:gte:1", "a field that cannot be filtered by"),
        ("/bills", "archived:ne:true", "an operator that `archived` does not take"),
        ("/vendors", "name:in:a", "an operator that `name` does not take"),
        ("/bills", "archived:eq:yes", "the value of `archived` cannot be read"),
        ("/bills", "updatedTime:gte:soon", "the value of `updatedTime` cannot be read"),
        ("/payments", "amount:gte:much", "the value of `amount` cannot be read"),
        ("/bills", "archived", "must be field:op:value"),
        ("/bills", "archived:eq:true,", "must be field:op:value"),
        ("/bills", "id:in:a,b", "must be field:op:value"),
        ("/vendors", 'name:eq:"open', "must be field:op:value"),
    ],
)
def test_filters_that_are_refused(path: str, filters: str, problem: str) -> None:
    assert error(api().call("GET", path, filters=filters)) == (400, None, f"filters: {problem}")


def test_approval_can_be_filtered_by_when_told_so() -> None:
    client = api(filter_approval=True)
    one = bill(client.simulator)
    bill(client.simulator, approval="DENIED")
    assert client.ids("/bills", filters="approvalStatus:eq:APPROVED") == [one]


def test_filters_of_payments() -> None:
    client = api()
    world = client.simulator.world
    one, two = bill(client.simulator), bill(client.simulator)
    first = build.pay(world, {one: Decimal(10)}, on=date(2026, 1, 1)).id
    second = build.pay(world, {two: Decimal(20)}, status="SCHEDULED", on=date(2026, 2, 1)).id
    assert client.ids("/payments", filters="amount:gte:15") == [second]
    assert client.ids("/payments", filters="status:eq:PAID") == [first]
    assert client.ids("/payments", filters='singleStatus:in:"SCHEDULED,VOIDED"') == [second]
    assert client.ids("/payments", filters="processDate:lt:2026-02-01") == [first]


# --- the look of values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "amount", "text"),
    [
        ("float", "100", "100.0"),
        ("float", "228.99", "228.99"),
        ("float", "0.1", "0.1"),
        ("float", "12345678.12", "12345678.12"),
        ("java", "228.99", "228.99"),
        ("java", "9999999.99", "9999999.99"),
        ("java", "10000000", "1.0E7"),
        ("java", "12345678.12", "1.234567812E7"),
    ],
)
def test_amounts_are_numbers(numbers: str, amount: str, text: str) -> None:
    client = api(numbers=numbers)
    one = bill(client.simulator, amount)
    assert f'"amount":{text},'.encode() in client.call("GET", f"/bills/{one}").body
    assert client.get(f"/bills/{one}")["amount"] == Decimal(amount)


def test_negative_amounts_in_both_styles() -> None:
    for numbers, text in (("float", b"-20000000.5"), ("java", b"-2.00000005E7")):
        client = api(numbers=numbers)
        made = build.add_bill(client.simulator.world, [line("30000000"), line("-20000000.5")])
        assert b'"amount":' + text in client.call("GET", f"/bills/{made.id}").body


@pytest.mark.parametrize(("moments", "ending"), [("offset", ".000+00:00"), ("z", ".000Z")])
def test_moments(moments: str, ending: str) -> None:
    client = api(moments=moments)
    one = bill(client.simulator)
    assert client.get(f"/bills/{one}")["createdTime"].endswith(ending)


def test_unset_fields_are_omitted() -> None:
    client = api()
    made = build.add_bill(client.simulator.world, [line("1")], invoice_number=None, invoiced_on=None)
    shown = decoded(client.call("GET", f"/bills/{made.id}"))
    absent = {"description", "invoice", "classifications", "approvers", "purchaseOrderNumber", "exchangeRate"}
    assert not absent & set(shown)
    assert json.dumps(shown["billLineItems"]) == json.dumps([{"id": made.lines[0].id, "amount": 1.0}])
