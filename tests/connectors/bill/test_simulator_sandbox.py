"""The seeded BILL organization, golden-case scripts, and the way in over HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors._simulated import ConnectionReset
from connectors.bill.sandbox import BillSandbox, make
from connectors.bill.simulator import Fault, Mix, Options, app, build, transport
from connectors.bill.simulator.records import Delivery
from connectors.bill.simulator.serve import http_sender
from connectors.bill.simulator.world import LISTS
from engine.clock import from_iso
from engine.errors import UnknownName
from engine.serving import running
from engine.simulated import Called, Directed, Sandbox
from engine.testing import FakeClock
from tests.connectors.bill.simulator_kit import Api, api, bill, simulator

CHART = {
    "accounts": [
        {"external_id": "80000010-1", "name": "Rent", "code": "6010"},
        {"external_id": "80000011-1", "name": "Office:Supplies", "code": ""},
    ],
    "classes": [{"external_id": "80000012-1", "name": "Kitchen", "code": ""}],
}
GIVEN: dict[str, Any] = {
    "vendors": {"acme": "Acme Supply", "zoe": {"name": "Zoë", "currency": "CAD", "email": "z@example.com"}},
    "bills": {
        "one": {
            "vendor": "acme", "invoice": "A-1", "issued": "2026-03-01", "due": "2026-03-31", "memo": "March",
            "lines": [
                {"amount": "70.00", "account": "Rent", "class": "Kitchen", "memo": "front"},
                {"amount": "10.00", "account": "Office:Supplies", "department": "Bar", "times": 3},
            ],
        },
        "two": {"vendor": "acme", "invoice": "A-2", "issued": "2026-03-01", "lines": [{"amount": "50", "account": "Rent"}]},
        "waiting": {
            "vendor": "zoe", "issued": "2026-03-01", "approval": "ASSIGNED",
            "lines": [{"amount": "9.99", "account": {"name": "Client Gifts", "code": "6900"}}],
        },
    },
    "credits": {"back": {"vendor": "acme", "reference": "VC-1", "on": "2026-03-01", "lines": [{"amount": "40", "account": "Rent"}]}},
    "payments": {
        "both": {
            "on": "2026-03-01", "bills": {"one": "75.00", "two": "50.00"}, "credits": {"one": {"back": "25.00"}}, "check": "5012",
        }
    },
}  # fmt: skip


def sandbox(seed: int = 7, **options: Any) -> BillSandbox:
    return make(seed, FakeClock(from_iso("2026-03-02T14:00:00Z")), options)


def told(**changes: Any) -> BillSandbox:
    return sandbox(chart=CHART, given={**GIVEN, **changes})


def all_of(made: BillSandbox) -> dict[str, Any]:
    """Everything that the API shows, page by page as it comes."""
    client = Api(made.simulator)
    paths = ["/vendors", "/bills", "/payments", "/vendor-credits", *(f"/classifications/{kind}" for kind in LISTS)]
    return {path: client.get(path, max=100)["results"] for path in paths}


# --- seeded -----------------------------------------------------------------------------------------------------------


def test_same_seed_same_organization() -> None:
    first = all_of(sandbox(bills=40, vendors=5, chart=CHART))
    assert all_of(sandbox(bills=40, vendors=5, chart=CHART)) == first
    other = all_of(sandbox(8, bills=40, vendors=5, chart=CHART))
    assert {path: rows == first[path] for path, rows in other.items() if rows == first[path]} == {}


@pytest.mark.parametrize("seed", range(5))
def test_a_seeded_organization_has_every_kind_of_thing(seed: int) -> None:
    shown = all_of(sandbox(seed, bills=60, vendors=6, chart=CHART))
    bills, payments = shown["/bills"], shown["/payments"]
    assert len(bills) == 60
    assert len([row for row in shown["/vendors"] if not row["archived"]]) == 6
    assert {"ASSIGNED", "APPROVED"} <= {row["approvalStatus"] for row in bills}
    assert {"PAID", "UNPAID", "PARTIALLY_PAID", "SCHEDULED"} == {row["paymentStatus"] for row in bills}
    assert any(row["archived"] for row in bills)
    assert max(len(row["billPayments"]) for row in payments) > 1
    assert {"PAID", "VOID", "SCHEDULED"} == {row["status"] for row in payments}
    netted = [part for row in payments for part in row["billPayments"] if "vendorCredits" in part]
    assert len(netted) == 1
    assert {row["status"] for row in shown["/vendor-credits"]} == {"PARTIALLY_APPLIED", "NOT_APPLIED"}
    lines = [line["classifications"] for row in bills for line in row["billLineItems"]]
    accounts = {row["id"] for row in shown["/classifications/chart-of-accounts"]}
    assert {line["chartOfAccountId"] for line in lines} == accounts
    assert any("accountingClassId" in line for line in lines)
    assert any(line["amount"] < 0 for row in bills for line in row["billLineItems"])
    assert all(row["amount"] > 0 for row in bills)


def test_nothing_is_covered_beyond_its_amount() -> None:
    made = sandbox(bills=80, vendors=3, chart=CHART)
    world = made.simulator.world
    assert min(world.open_amount(key) for key in world.bills) == 0
    assert min(world.unused(key) for key in world.credits) > 0


@pytest.mark.parametrize("bills", [0, 1, 2])
def test_a_small_organization(bills: int) -> None:
    assert len(all_of(sandbox(bills=bills, vendors=0))["/bills"]) == bills


def test_gaps_are_accounts_that_the_books_lack() -> None:
    rows = all_of(sandbox(bills=1, chart=CHART, gaps=[{"external_id": "x", "name": "Client Gifts"}]))
    names = [row["name"] for row in rows["/classifications/chart-of-accounts"]]
    assert sorted(names) == ["Client Gifts", "Office", "Rent", "Supplies"]


def test_the_total_is_what_is_to_be_posted() -> None:
    made = sandbox(bills=60, vendors=6, chart=CHART)
    shown = all_of(made)
    due = {
        row["id"]: row["amount"]
        for row in shown["/bills"]
        if row["approvalStatus"] == "APPROVED" and not row["archived"]
    }
    paid = [row["amount"] for row in shown["/payments"] if row["status"] == "PAID"]
    credit = [row["amount"] for row in shown["/vendor-credits"]]
    assert made.total() == sum(due.values()) + sum(paid) - sum(credit)
    assert made.simulator.world.events == []


def test_a_mix_is_chosen() -> None:
    made = sandbox(bills=30, mix={"unapproved": 1.0, "paid": 0.0})
    assert made.total() == 0
    assert {bill.approval for bill in made.simulator.world.bills.values()} == {"ASSIGNED", "DENIED"}
    assert Mix().paid == 0.4


# --- told -------------------------------------------------------------------------------------------------------------


def test_a_script_makes_what_it_says() -> None:
    made = told()
    assert made.contents() == [
        "vendor acme",
        "vendor zoe",
        "bill one | A-1 | 100.00 | APPROVED | PAID",
        "bill two | A-2 | 50.00 | APPROVED | PAID",
        "bill waiting | INV-1002 | 9.99 | ASSIGNED | UNPAID",
        "credit back | VC-1 | 40.00 | PARTIALLY_APPLIED",
        "payment both | 125.00 | PAID | CLEARED",
    ]
    assert made.total() == Decimal(100) + 50 + 125 - 40
    shown = all_of(made)
    entry = {row["id"]: row["name"] for kind in LISTS for row in shown[f"/classifications/{kind}"]}
    one = next(row for row in shown["/bills"] if row["invoice"]["invoiceNumber"] == "A-1")
    coded = [sorted(entry[value] for value in line["classifications"].values()) for line in one["billLineItems"]]
    assert coded == [["Kitchen", "Rent"], *[["Bar", "Supplies"]] * 3]
    assert shown["/payments"][0]["disbursementInfo"]["checkDisbursement"]["checkNumber"] == 5012
    assert {row["id"] for row in shown["/bills"]} == {
        value for key, value in made.names.items() if key.startswith("bill:")
    }


@pytest.mark.parametrize(
    ("single_status", "paid"),
    [("CLEARED", 125), ("SENT", 125), ("DISBURSEMENT_FAILED_ACTION_NEEDED", 0), ("VOIDED", 0), ("FUNDING_STARTED", 0)],
)
def test_only_money_that_left_and_stayed_away_counts(single_status: str, paid: int) -> None:
    made = told()
    made.act("pay_status", {"payment": "both", "single_status": single_status})
    assert made.total() == 100 + 50 - 40 + paid


def test_what_the_flow_is_set_to_post_is_counted() -> None:
    made = told()
    made.act(
        "add_bill",
        {"more": {"vendor": "acme", "approval": "UNASSIGNED", "lines": [{"amount": "7", "account": "Rent"}]}},
    )
    made.act("pay", {"third": {"bills": {"more": "7"}, "online": False}})
    before = made.total()
    made.act("add", {"counted": {"approvals": ["APPROVED", "UNASSIGNED"]}})
    assert made.total() - before == 7
    made.act("add", {"counted": {"outside": True}})
    assert made.total() - before == 14


def test_what_tells_bill_something_is_shown_without_credentials() -> None:
    made = told()
    assert made.told(b"") is None
    assert made.told(b'{"devKey": "k", "username": "u", "password": "p"}') is None
    assert made.told(b'{"name": "New", "address": {"country": "US"}}') == {"name": "New", "address": {"country": "US"}}


def test_names_always_mean_the_same_ids() -> None:
    assert told().names == told(payments={}).names | {"payment:both": told().names["payment:both"]}
    assert all(len(value) == 20 for value in told().names.values())


def test_what_people_do() -> None:
    made = told(payments={})
    for action, value in (
        ("add_vendor", {"new": {"name": "New", "address": {"line1": "1 Main St"}}}),
        (
            "add_bill",
            {"three": {"vendor": "new", "issued": "2026-03-02", "lines": [{"amount": "5", "account": "Rent"}]}},
        ),
        ("edit_bill", {"bill": "two", "memo": "again", "lines": [{"amount": "60", "account": "Rent"}]}),
        ("approve_bill", "waiting"),
        ("archive_bill", "three"),
        ("add_credit", {"more": {"vendor": "new", "lines": [{"amount": "1", "account": "Rent"}]}}),
        ("edit_credit", {"credit": "more", "archived": True}),
        ("edit_vendor", {"vendor": "new", "archived": True}),
        ("pay", {"first": {"bills": {"two": "20"}, "status": "SCHEDULED"}, "second": {"bills": {"waiting": "9.99"}}}),
        ("pay_status", {"payment": "second", "status": "VOID"}),
        ("pay_status", {"payment": "first", "single_status": "CLEARED"}),
    ):
        made.act(action, value)
    assert made.contents() == [
        "vendor acme",
        "vendor zoe",
        "vendor new | archived",
        "bill one | A-1 | 100.00 | APPROVED | UNPAID",
        "bill two | A-2 | 60.00 | APPROVED | PARTIALLY_PAID",
        "bill waiting | INV-1002 | 9.99 | APPROVED | UNPAID",
        "bill three | INV-1003 | 5.00 | APPROVED | UNPAID | archived",
        "credit back | VC-1 | 40.00 | NOT_APPLIED",
        "credit more | VC-101 | 1.00 | NOT_APPLIED | archived",
        "payment first | 20.00 | PAID | CLEARED",
        "payment second | 9.99 | VOID | VOIDED",
    ]
    made.act("restore_bill", "three")
    made.act("approve_bill", {"bill": "three", "approval": "DENIED"})
    assert made.contents()[6] == "bill three | INV-1003 | 5.00 | DENIED | UNPAID"


def test_what_befalls_it() -> None:
    made = told()
    client = Api(made.simulator)
    made.act("expire_sessions", None)
    assert client.call("GET", "/bills").status == 401
    client = Api(made.simulator)
    made.act("fault", {"name": "throttled", "path": "/bills", "after": 1, "times": 2})
    assert made.unused() == ["fault throttled"]
    assert [client.call("GET", "/bills").status for _ in range(4)] == [200, 429, 429, 200]
    assert made.unused() == []
    made.act("options", {"limit_status": 400})
    made.act("fault", {"name": "hourly_limit"})
    assert client.call("GET", "/bills").status == 400


@pytest.mark.parametrize(
    ("action", "value", "text"),
    [
        ("dance", None, "there is no action `dance`"),
        ("archive_bill", "none", "there is no bill `none`"),
        ("add_bill", {"x": {"vendor": "nobody", "lines": []}}, "there is no vendor `nobody`"),
        ("add_bill", {"x": {"colour": "red"}}, "there is no part of bills.x `colour`"),
        (
            "edit_bill",
            {"bill": "one", "lines": [{"amount": "1", "account": "Rnt"}]},
            "there is no chart-of-accounts `Rnt`",
        ),
        ("edit_bill", {"bill": "one", "lines": [{"sum": "1"}]}, "there is no part of lines[0] `sum`"),
        ("pay", {"x": {"bills": {"one": "1"}, "credits": {"one": {"no": "1"}}}}, "there is no credit `no`"),
        ("fault", {"name": "rain"}, "there is no fault `rain`"),
        ("options", {"weather": "fine"}, "there is no part of options `weather`"),
    ],
)
def test_scripts_that_name_what_is_not_there(action: str, value: Any, text: str) -> None:
    with pytest.raises(UnknownName) as caught:
        told().act(action, value)
    assert str(caught.value).startswith(text)


def test_it_is_a_sandbox() -> None:
    made: object = told()
    assert isinstance(made, Sandbox)
    assert isinstance(made, Called)
    assert isinstance(made, Directed)
    settings, secrets = made.binding("http://localhost:1")
    options = Options()
    assert settings == {
        "base_url": "http://localhost:1",
        "environment": "sandbox",
        "username": options.username,
        "organization_id": told().simulator.world.organization_id,
    }
    assert set(secrets) == {"password", "dev_key", "webhook_key"}
    assert made.save() == '{"seed": 7}'


def test_switches_are_thrown_by_name() -> None:
    made = sandbox(bills=1, options={"limit_status": 429, "empty_page_every": 3})
    assert (made.simulator.world.options.limit_status, made.simulator.world.options.empty_page_every) == (429, 3)


# --- the way in -------------------------------------------------------------------------------------------------------


@contextmanager
def served(made: BillSandbox) -> Iterator[str]:
    """The base URL of a server that stops with the block."""
    with running(app(made.simulator)) as base:
        yield f"{base}/connect/v3"


def sign_in(client: httpx.Client, base: str, made: BillSandbox) -> None:
    settings, secrets = made.binding(base)
    body = {"username": settings["username"], "organizationId": settings["organization_id"]}
    answer = client.post(f"{base}/login", json={**body, "password": secrets["password"], "devKey": secrets["dev_key"]})
    client.headers.update({"sessionId": answer.json()["sessionId"], "devKey": secrets["dev_key"]})


def test_transport() -> None:
    made, base = told(), "https://gateway.stage.bill.com/connect/v3"
    with httpx.Client(transport=transport(made.simulator)) as client:
        sign_in(client, base, made)
        assert (
            len(client.get(f"{base}/bills", params={"filters": 'updatedTime:gte:"2026-01-01"'}).json()["results"]) == 3
        )
        made.simulator.faults.add(Fault("reset_after", at=(0,)))
        with pytest.raises(
            httpx.ReadError, match=r"^the simulated connection was closed during GET /connect/v3/bills$"
        ):
            client.get(f"{base}/bills")


@pytest.mark.acceptance
def test_app_over_loopback() -> None:
    made = told()
    with served(made) as base, httpx.Client() as client:
        sign_in(client, base, made)
        assert len(client.get(f"{base}/bills").json()["results"]) == 3
        made.simulator.faults.add(Fault("reset_before", at=(0,)))
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{base}/bills")


@pytest.mark.acceptance
def test_sender_reports_an_unreachable_endpoint() -> None:
    now = from_iso("2026-03-02T14:00:00Z")
    with served(told()) as base:
        pass
    with pytest.raises(OSError, match=r"^webhook endpoint unreachable: ConnectError$"):
        http_sender(Delivery("s", "e", "bill.created", base, b"{}", now))


def test_a_reset_is_no_answer() -> None:
    client = api(faults=[Fault("reset_before", at=(0,), path="/bills")])
    with pytest.raises(ConnectionReset):
        client.call("GET", "/bills")
    assert [(entry.path, entry.status) for entry in client.simulator.log][-1] == ("/connect/v3/bills", 0)


def test_ids_have_their_prefix_and_20_characters() -> None:
    target = simulator()
    world = target.world
    one = bill(target)
    paid = build.pay(world, {one: Decimal(1)})
    found = [
        one,
        world.bills[one].vendor_id,
        world.bills[one].lines[0].id,
        paid.id,
        paid.parts[0].id,
        world.organization_id,
    ]
    assert [value[:3] for value in found] == ["00n", "009", "bli", "stp", "blp", "008"]
    assert {len(value) for value in found} == {20}


def test_import_is_cheap() -> None:
    code = (
        "import sys, connectors.bill.simulator; print(sorted({'httpx', 'starlette', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
