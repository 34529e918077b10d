"""What else comes out of Ramp: records, passes over both directions, marks, and vendors that are coded before a sync."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.ramp import CONNECTOR
from connectors.ramp.coding import CODINGS
from connectors.ramp.records import normaliser
from connectors.ramp.settings import read_settings
from connectors.ramp.simulator import Fault, Money, Options, Others, RampSimulator, outbuild, seed_others, transport
from connectors.ramp.simulator.faults import FaultName
from connectors.ramp.simulator.records import Line, Profile
from connectors.ramp.source import RampSource
from connectors.ramp.webhooks import sign
from engine.clock import SystemIds
from engine.contract import Event, MarkCall, Marked, MarkedFailed, Tools
from engine.errors import Rejected, Transient
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits
from tests.connectors.ramp.source_kit import FakeRamp, binding, coding, ids, money, refusal, reimbursement, uuid

SECRETS = {"client_id": "ramp_id_sandbox", "client_secret": "sandbox-secret", "webhook_secret": "ramp_sec_here"}
PROFILES: list[Profile] = ["2025-08", "2026-08"]
RULE = "transaction_accounting_vendor_creation_on_sync_enabled"


def connect(simulator: RampSimulator, **settings: str | int | bool) -> RampSource:
    options = {"environment": "sandbox", "api_profile": simulator.world.profile, "page_size": 2, **settings}
    tools = Tools(simulator.clock, SystemIds(), MemoryTokens(), NotedLimits(), transport(simulator))
    return CONNECTOR.open(binding(SECRETS, **options), tools)


def business(profile: Profile, *faults: Fault, **options: Any) -> RampSimulator:
    simulator = RampSimulator(7, ManualClock(), profile=profile, options=Options(**options), faults=faults)
    seed_others(simulator, Others(9, 5, 3))
    return simulator


def record(stream: str, row: dict[str, Any], **options: str) -> dict[str, Any]:
    return normaliser(stream, read_settings(binding(**options)))(row)


# --- records


def test_a_reimbursement_of_2025() -> None:
    made = record("reimbursements", reimbursement(1, Decimal("42.50")), api_profile="2025-08")
    assert {name: value for name, value in made.items() if value not in (None, [])} == {
        "id": uuid(1), "direction": "BUSINESS_TO_USER", "type": "OUT_OF_POCKET", "state": "REIMBURSED",
        "amount": "42.50", "currency": "USD", "payee_amount": "42.50", "payee_currency": "USD",
        "original_amount": "39.00", "original_currency": "EUR", "user_id": uuid(801),
        "user_full_name": "Jun Takahashi", "user_email": "jun@example.com", "merchant": "Hôtel Lutetia",
        "transaction_date": "2026-11-03", "sync_status": "SYNC_READY", "entity_id": uuid(700),
        "waypoints": ["Genève"], "receipts": [uuid(950)],
        "line_items": [
            {
                "amount": "42.50", "currency": "USD", "amount_source": "given", "original_amount": "42.50",
                "original_currency": "USD", "memo": "Night",
                "accounting_field_selections": made["line_items"][0]["accounting_field_selections"],
            }
        ],
    }  # fmt: skip
    assert made["line_items"][0]["accounting_field_selections"][0]["external_id"] == "80000002-1"


def test_a_reimbursement_of_2026_has_its_amounts_under_other_names() -> None:
    row = reimbursement(
        1, entity_amount={"currency": "USD", "value": 4250}, merchant_amount={"currency": "EUR", "value": 3900}
    )
    for gone in ("amount", "currency", "original_reimbursement_amount"):
        del row[gone]
    row["payee_amount"] = {"currency": "USD", "value": 4250}
    made = record("reimbursements", row)
    assert made == record("reimbursements", reimbursement(1, Decimal("42.50")), api_profile="2025-08")


def test_a_line_in_a_foreign_currency_is_the_whole_when_it_is_alone() -> None:
    lines = [{"amount": money(3900, "EUR")}]
    one = record("reimbursements", reimbursement(1, Decimal("42.50"), line_items=lines))
    assert [(line["amount"], line["currency"], line["amount_source"]) for line in one["line_items"]] == [
        ("42.50", "USD", "transaction")
    ]
    two = record("reimbursements", reimbursement(1, Decimal("42.50"), line_items=lines * 2))
    assert [(line["amount"], line["currency"], line["amount_source"]) for line in two["line_items"]] == [
        ("unreadable: split in EUR", "EUR", "none")
    ] * 2


def test_another_integrations_coding_is_seen() -> None:
    lines = [
        {"amount": money(4250), "accounting_field_selections": [coding("GL_ACCOUNT", "1", "x", provider_name="Other")]}
    ]
    assert (
        record("reimbursements", reimbursement(1, line_items=lines), provider_name="flowctl")["foreign_provider"]
        == "Other"
    )
    credit = {"id": uuid(1), "total_amount": money(1), "expense_line_items": lines}
    assert record("vendor_credits", credit, provider_name="flowctl")["foreign_provider"] == "Other"


def test_a_vendor_credit() -> None:
    row = {
        "id": uuid(1), "vendor_id": uuid(2), "reference_number": "CN-7", "reference_bill_id": None,
        "total_amount": money(10_000), "remaining_amount": money(2_500), "total_applied_amount": money(7_500),
        "accounting_date": "2026-11-03", "created_at": "2026-11-03T10:00:00+00:00", "entity_id": uuid(700),
        "accounting_field_selections": [], "applied_bills": [{"amount": money(7_500), "bill_id": uuid(3)}],
        "applied_draft_bills": [], "expense_line_items": [{"amount": money(9_000), "memo": "Returned"}],
        "inventory_line_items": [{"unit_price": money(500), "unit_quantity": 2, "memo": None}],
    }  # fmt: skip
    assert record("vendor_credits", row) == {
        "id": uuid(1), "vendor_id": uuid(2), "reference_number": "CN-7", "reference_bill_id": None,
        "total_amount": "100.00", "remaining_amount": "25.00", "total_applied_amount": "75.00", "currency": "USD",
        "accounting_date": "2026-11-03", "created_at": "2026-11-03T10:00:00+00:00", "entity_id": uuid(700),
        "accounting_field_selections": [],
        "applied_bills": [{"bill_id": uuid(3), "amount": "75.00", "currency": "USD"}],
        "expense_line_items": [
            {"amount": "90.00", "currency": "USD", "memo": "Returned", "accounting_field_selections": []}
        ],
        "inventory_line_items": [
            {"unit_price": "5.00", "quantity": "2", "memo": None, "accounting_field_selections": []}
        ],
        "foreign_provider": None,
    }  # fmt: skip


# --- reading


@pytest.mark.parametrize("profile", PROFILES)
def test_everything_is_read_with_the_amounts_of_the_simulators_ledger(profile: Profile) -> None:
    simulator = business(profile)
    source, world = connect(simulator), simulator.world
    pages = list(source.read("reimbursements", {"direction": "ALL", "sync_status": "SYNC_READY"}, None))
    found = {r["id"]: Decimal(r["amount"]).scaleb(2) for page in pages for r in page.records}
    assert found == {row.id: row.paid.minor for row in world.reimbursements.values()}
    for page in pages:
        for row in page.records:
            assert sum(Decimal(line["amount"]) for line in row["line_items"]) == Decimal(row["amount"])
    for stream, rows in (("transfers", world.transfers), ("cashbacks", world.cashbacks)):
        read = {
            r["id"]: r["amount"]
            for page in source.read(stream, {"sync_status": "SYNC_READY"}, None)
            for r in page.records
        }
        assert {key: Decimal(text).scaleb(2) for key, text in read.items()} == {
            key: row.amount.minor for key, row in rows.items()
        }


@pytest.mark.parametrize("profile", PROFILES)
def test_one_direction_is_read_unless_both_are_asked_for(profile: Profile) -> None:
    source = connect(business(profile))

    def directions(**filters: str) -> list[str]:
        rows = [r for page in source.read("reimbursements", filters, None) for r in page.records]
        return [str(r["direction"]) for r in rows]

    assert directions() == ["BUSINESS_TO_USER"] * 6
    assert directions(direction="USER_TO_BUSINESS") == ["USER_TO_BUSINESS"] * 3
    assert directions(direction="ALL") == ["BUSINESS_TO_USER"] * 6 + ["USER_TO_BUSINESS"] * 3


def test_a_read_of_both_directions_goes_on_from_every_checkpoint() -> None:
    source = connect(business("2026-08"))
    filters = {"direction": "ALL"}
    pages = list(source.read("reimbursements", filters, None))
    assert pages[-1].checkpoint is None
    for number, page in enumerate(pages[:-1]):
        assert page.checkpoint is not None
        rest = list(source.read("reimbursements", filters, page.checkpoint))
        assert [r["id"] for p in rest for r in p.records] == [r["id"] for p in pages[number + 1 :] for r in p.records]


def test_a_checkpoint_of_the_second_pass_whose_row_is_gone_begins_that_pass_again() -> None:
    ramp = FakeRamp(reimbursements=[reimbursement(n, direction="USER_TO_BUSINESS") for n in range(1, 6)])
    source = ramp.source()
    pages = list(source.read("reimbursements", {"direction": "ALL"}, None))
    checkpoint = pages[-2].checkpoint
    ramp.before = lambda request: refusal(422, "DEVELOPER_7001") if "start" in request.url.params else None
    ramp.rows_a_page = 9
    ramp.script.requests.clear()
    assert ids(list(source.read("reimbursements", {"direction": "ALL"}, checkpoint))) == [uuid(n) for n in range(1, 6)]
    assert [r.url.params["direction"] for r in ramp.script.requests] == ["USER_TO_BUSINESS"] * 2


def test_a_state_is_looked_for_here_and_never_asked_of_ramp() -> None:
    ramp = FakeRamp(reimbursements=[reimbursement(1), reimbursement(2, state="DRAFT")])
    assert ids(list(ramp.source().read("reimbursements", {"state": "DRAFT"}, None))) == [uuid(2)]
    assert "state" not in ramp.script.requests[-1].url.params


def test_vendor_credits_are_read_one_and_all() -> None:
    simulator = business("2026-08")
    vendor = simulator.add_vendor("Granite").id
    made = outbuild.add_credit(simulator.world, vendor, [Line(10_000)], reference="CN-7")
    used = outbuild.add_credit(simulator.world, vendor, [Line(5)], applied=((uuid(1), 5),))
    source = connect(simulator)
    assert ids(list(source.read("vendor_credits", {"vendor_id": vendor}, None))) == [made.id]
    assert ids(list(source.read("vendor_credits", {"include_fully_used": True}, None))) == [made.id, used.id]
    one = source.get("vendor_credits", made.id)
    assert one is not None
    assert (one["reference_number"], one["total_amount"], one["remaining_amount"]) == ("CN-7", "100.00", "100.00")


# --- marks


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("kind", "table"),
    [("REIMBURSEMENT_SYNC", "reimbursements"), ("TRANSFER_SYNC", "transfers"), ("STATEMENT_CREDIT_SYNC", "cashbacks")],
)
def test_every_kind_is_marked_and_read_back(profile: Profile, kind: str, table: str) -> None:
    simulator = business(profile)
    rows = simulator.world.tables()[table]
    call = MarkCall(kind, "key-1", tuple(Marked(key, f"TXN-{key}") for key in rows))
    connect(simulator).mark(call)
    assert [(mark.kind, mark.object_id, mark.reference) for mark in simulator.world.marks] == [
        (kind, key, f"TXN-{key}") for key in rows
    ]
    assert simulator.totals().ready.get(kind) is None
    connect(simulator).mark(MarkCall(kind, "key-2", call.posted))  # refused as synced, and shown so
    assert len(simulator.world.marks) == len(rows)


def test_the_sync_type_of_cashbacks_is_a_setting() -> None:
    simulator = business("2025-08", cashback_sync_type="ACCRUAL_SYNC")
    row = next(iter(simulator.world.cashbacks))
    call = MarkCall("STATEMENT_CREDIT_SYNC", "key-1", (Marked(row, "D-1"),))
    with pytest.raises(Rejected):
        connect(simulator).mark(call)
    connect(simulator, cashback_sync_type="ACCRUAL_SYNC").mark(call)
    assert [(mark.kind, mark.object_id) for mark in simulator.world.marks] == [("ACCRUAL_SYNC", row)]


def test_calls_are_cut_into_chunks_each_under_a_key_of_its_own() -> None:
    def keys(count: int, **settings: int) -> list[tuple[str, int]]:
        ramp = FakeRamp()
        items = tuple(Marked(uuid(n), "T") for n in range(count))
        ramp.source(confirm_marks=False, **settings).mark(MarkCall("TRANSFER_SYNC", "key", items))
        return [(sync["idempotency_key"], len(sync["successful_syncs"])) for sync in ramp.synced]

    assert keys(501) == [("key-0", 500), ("key-1", 1)]
    assert keys(501, sync_chunk=5000) == [("key", 501)]
    assert keys(5, sync_chunk=2) == [("key-2-0", 2), ("key-2-1", 2), ("key-2-2", 1)]


def test_settings_that_cannot_be_are_said() -> None:
    good = {"client_id": "x", "client_secret": "y", "webhook_secret": "z"}

    def said(**settings: str | int) -> list[str]:
        return [f"{d.level}[{d.code}] {d.where}: {d.message}" for d in CONNECTOR.check(binding(good, **settings))]

    assert said(sync_chunk=0) == ["error[R002] sync_chunk: must be a whole number from 1 to 5000"]
    assert said(sync_chunk=5001) == ["error[R002] sync_chunk: must be a whole number from 1 to 5000"]
    assert said(cashback_sync_type="cashback") == [
        "error[R002] cashback_sync_type: `cashback` is no sync type of Ramp's"
    ]
    assert said(sync_button="yes") == ["error[R002] sync_button: must be true or false"]


# --- vendors that Ramp wants before a sync


def wanting(*faults: Fault, **options: Any) -> tuple[RampSimulator, list[str]]:
    simulator = RampSimulator(7, ManualClock(), profile="2026-08", options=Options(**options), faults=faults)
    outbuild.switch(simulator.world, **{RULE: True})
    return simulator, [simulator.add_transaction(Money(500)).id for _ in range(2)]


def told(*transaction_ids: str) -> MarkCall:
    named = (("vendor_id", "80000050-1"), ("vendor_name", "Blue Bottle"))
    return MarkCall(
        "TRANSACTION_SYNC",
        f"key-{transaction_ids[0]}",
        tuple(Marked(key, f"T-{key}", named) for key in transaction_ids),
    )


def coded(simulator: RampSimulator) -> list[list[str]]:
    rows = simulator.world.transactions.values()
    return [
        [i.account.name for i in (*row.selections, *(s for line in row.lines for s in line.selections))] for row in rows
    ]


def test_a_vendor_is_uploaded_and_coded_once_before_the_sync() -> None:
    simulator, rows = wanting()
    connect(simulator).mark(told(*rows))
    assert coded(simulator) == [["Blue Bottle"], ["Blue Bottle"]]
    assert [mark.object_id for mark in simulator.world.marks] == rows
    writes = [f"{line.method} {line.path}" for line in simulator.log if line.method != "GET"]
    assert writes == [
        "POST /developer/v1/token",
        "POST /developer/v1/accounting/vendors",
        f"POST {CODINGS}",
        f"POST {CODINGS}",
        "POST /developer/v1/accounting/syncs",
    ]


def test_a_vendor_that_is_there_is_taken_and_switched_on_again() -> None:
    simulator, rows = wanting()
    source = connect(simulator)
    source.mark(told(rows[0]))
    kept = simulator.world.accounting_vendors()
    kept.put(replace(kept.rows[0], is_active=False))
    source.mark(told(rows[1]))
    assert [(row.external_id, row.is_active) for row in kept.rows] == [("80000050-1", True)]
    assert len(simulator.world.marks) == 2


def test_nothing_is_coded_where_ramp_does_not_want_it() -> None:
    simulator, rows = wanting()
    outbuild.switch(simulator.world, **{RULE: False})
    connect(simulator).mark(told(*rows))
    assert (coded(simulator), len(simulator.world.marks)) == ([[], []], 2)


def test_without_a_vendor_of_the_flow_ramp_refuses_the_transaction() -> None:
    simulator, rows = wanting()
    with pytest.raises(Rejected) as caught:
        connect(simulator).mark(MarkCall("TRANSACTION_SYNC", "key-1", (Marked(rows[0], "T-1"),)))
    assert caught.value.hint == (
        "look at the record in Ramp: it must be approved, ready to sync and not archived, a payment follows its bill, "
        "and a transaction may need an accounting vendor; a direct accounting connection takes no marks from others"
    )
    assert simulator.world.marks == []


LOST: list[FaultName] = ["timeout_before", "timeout_after", "reset_before", "reset_after", "truncated", "server_error"]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("path", ["/accounting/vendors", "/accounting/codings", "/accounting/syncs", "/transactions/"])
@pytest.mark.parametrize("at", [0, 1])
def test_no_fault_at_any_step_codes_or_marks_twice(fault: FaultName, path: str, at: int) -> None:
    simulator, rows = wanting(Fault(fault, at=(at,), path=path))
    unsent: set[bool] = set()
    for _ in range(6):
        try:
            connect(simulator).mark(told(*rows))
        except (Transient, Rejected) as error:
            unsent.add(error.unsent)
            continue
        break
    # Until the sync Ramp has not heard that anything is posted: what is told may still become another thing.
    assert unsent <= {path != "/accounting/syncs"}
    assert coded(simulator) == [["Blue Bottle"], ["Blue Bottle"]]
    assert list(simulator.world.accounting_vendors().ids) == ["80000050-1"]
    assert [mark.object_id for mark in simulator.world.marks] == rows


@pytest.mark.parametrize("key", ["accounting_field_selections", "accounting_coding_selections"])
@pytest.mark.parametrize("refused", [True, False])
def test_whichever_name_ramp_has_for_the_selections_the_coding_arrives(key: str, refused: bool) -> None:
    simulator, rows = wanting(coding_key=key, refuse_unknown_coding_key=refused)
    connect(simulator).mark(told(*rows))
    assert coded(simulator) == [["Blue Bottle"], ["Blue Bottle"]]
    assert len(simulator.world.marks) == 2


# --- the sync button


def pressed(simulator: RampSimulator) -> tuple[str, Event]:
    """Press the button for reimbursements; the request and the event that comes of it."""
    outbuild.switch(simulator.world, reimbursement_sync_button_enabled=True)
    source = connect(simulator)
    made = source.subscribe("https://hooks.example.com/ramp", ["reimbursements.sync_requested"])
    heard: list[object] = []

    def receive(delivery: Any) -> int:
        headers = {name.lower(): value for name, value in dict(delivery.headers).items()}
        heard.append(CONNECTOR.verify(binding(SECRETS, sync_button=True), headers, delivery.body))
        return 200

    simulator.deliver(receive)
    source.verify_subscription(made.id, heard.pop().challenge)  # type: ignore[attr-defined]  # the test fails if it is none
    request = simulator.click_sync("reimbursements")
    simulator.deliver(receive)
    (event,) = heard
    assert isinstance(event, Event)
    return request, event


def test_a_press_of_the_button_is_answered_in_several_calls() -> None:
    simulator = business("2026-08", webhook_secret="ramp_sec_here")
    request, event = pressed(simulator)
    assert (event.type, event.request, event.answer_s) == ("reimbursements.sync_requested", request, 300)
    source = connect(simulator)
    filters: dict[str, str | bool] = {"direction": "ALL", "requested_to_sync": True}
    wanted = [r["id"] for page in source.read("reimbursements", filters, None) for r in page.records]
    assert sorted(wanted) == sorted(simulator.world.reimbursements)
    posted = tuple(Marked(key, "B-1") for key in wanted[:4])
    source.mark(MarkCall("REIMBURSEMENT_SYNC", "key-1", posted, request=request))
    assert [r["id"] for page in source.read("reimbursements", filters, None) for r in page.records] == wanted[4:]
    failed = tuple(MarkedFailed(key, "No account.") for key in wanted[4:])
    source.mark(MarkCall("REIMBURSEMENT_SYNC", "key-2", failed=failed, request=request))
    simulator.clock.sleep(301)
    assert simulator.totals().failed == {"REIMBURSEMENT_SYNC": 5}  # ours alone; none timed out


def test_an_answer_that_comes_too_late_is_told_without_its_request() -> None:
    simulator = business("2026-08", webhook_secret="ramp_sec_here")
    request, _ = pressed(simulator)
    simulator.clock.sleep(301)
    row = next(iter(simulator.world.reimbursements))
    connect(simulator).mark(MarkCall("REIMBURSEMENT_SYNC", "key-1", (Marked(row, "B-1"),), request=request))
    assert [(mark.object_id, mark.key, mark.request) for mark in simulator.world.marks] == [(row, "key-1-late", "")]
    assert simulator.totals().failed == {"REIMBURSEMENT_SYNC": 9}


@pytest.mark.parametrize(("kind", "button"), [("transactions.cleared", True), ("transactions.sync_requested", False)])
def test_other_events_and_a_button_that_is_off_carry_no_request(kind: str, button: bool) -> None:
    event = {"id": "e-1", "type": kind, "object": {"id": "t-1", "sync_request_id": "r-1"}}
    body = json.dumps(event).encode()
    headers = {"x-ramp-signature": sign("ramp_sec_here", body)}
    assert CONNECTOR.verify(binding(SECRETS, sync_button=button), headers, body) == Event("e-1", kind, "t-1")


def test_only_events_that_may_be_read_are_subscribed_to() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/webhooks"):
            return None
        asked.append(json.loads(request.content))
        return httpx.Response(201, json={"id": uuid(1), "status": "pending_verification", "secret": "ramp_sec_x"})

    ramp = FakeRamp(scopes="reimbursements:read")
    ramp.before = answer
    ramp.source().subscribe("https://hooks.example.com/ramp")
    assert asked[0]["event_types"] == [
        "reimbursements.batch_payment_reimbursed",
        "reimbursements.ready_for_review",
        "reimbursements.ready_to_sync",
        "reimbursements.sync_requested",
    ]
