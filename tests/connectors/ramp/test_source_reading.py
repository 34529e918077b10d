from __future__ import annotations

import contextlib
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ramp import CONNECTOR
from connectors.ramp.filters import sent
from connectors.ramp.outspec import PATHS
from engine.contract import Connector, MarkCall, Marked, Page, Source, Webhooks
from engine.errors import (
    AuthExpired,
    AuthRefused,
    BadAnswer,
    RateLimited,
    Rejected,
    RunError,
    SettingMissing,
    Transient,
)
from tests.connectors.http_kit import everything_said, reply
from tests.connectors.ramp.openapi import ramp_2025
from tests.connectors.ramp.source_kit import (
    HOST,
    FakeRamp,
    bill,
    binding,
    ids,
    refusal,
    reimbursement,
    transaction,
    uuid,
)

BILLS = [bill(n) for n in range(1, 8)]
ALL = [uuid(n) for n in range(1, 8)]


def test_it_is_a_connector_a_source_and_takes_webhooks() -> None:
    connector: Connector = CONNECTOR
    assert isinstance(CONNECTOR, Webhooks)
    source = FakeRamp().source()
    assert isinstance(source, Source)
    assert connector.spec.name == "ramp"
    source.close()


def test_all_pages_are_read_in_order_and_each_can_be_resumed() -> None:
    ramp = FakeRamp(bills=BILLS)
    source = ramp.source(page_size=50)
    pages = list(source.read("bills", {"sync_ready": True, "vendor_id": None}, None))
    assert ids(pages) == ALL
    assert [len(p.records) for p in pages] == [2, 2, 2, 1]
    assert [p.checkpoint is None for p in pages] == [False, False, False, True]
    assert str(ramp.script.requests[1].url) == f"{HOST}/developer/v1/bills?sync_ready=true&page_size=50"
    for number, page in enumerate(pages[:-1]):
        rest = list(source.read("bills", {"sync_ready": True}, page.checkpoint))
        assert ids(rest) == ALL[2 * number + 2 :]
    # A checkpoint of another question is no use: everything is read.
    assert ids(list(source.read("bills", {}, pages[1].checkpoint))) == ALL
    assert ids(list(source.read("bills", {"sync_ready": True}, "bills:rubbish https://evil.example/"))) == ALL


def test_a_checkpoint_whose_row_is_gone_starts_again() -> None:
    ramp = FakeRamp(bills=BILLS)
    source = ramp.source()
    checkpoint = next(source.read("bills", {}, None)).checkpoint
    ramp.before = lambda r: (
        refusal(400, "DEVELOPER_7001", start=["unknown"]) if "start=" + uuid(2) in str(r.url) else None
    )
    with pytest.raises(Rejected):  # not the checkpoint's fault: the list itself leads there
        list(source.read("bills", {}, None))
    left = [None, refusal(400, "DEVELOPER_7001", start=["unknown"])]
    ramp.before = lambda _: left.pop() if left else None
    assert ids(list(source.read("bills", {}, checkpoint))) == ALL


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("code", ["DEVELOPER_7028", "DEVELOPER_7002", ""])
def test_a_token_that_expires_at_any_request_costs_one_repetition_and_no_record(index: int, code: str) -> None:
    ramp = FakeRamp(bills=BILLS)
    count = 0

    def expire(request: httpx.Request) -> httpx.Response | None:
        nonlocal count
        count += 1
        return refusal(401, code) if count == index + 1 else None

    ramp.before = expire
    assert ids(list(ramp.source().read("bills", {}, None))) == ALL
    assert ramp.minted == (2 if index < 4 else 1)
    assert len(ramp.calls()) == (5 if index < 4 else 4)


def test_a_fresh_token_that_is_refused_too_is_not_asked_for_a_third_time() -> None:
    ramp = FakeRamp(bills=BILLS)
    ramp.before = lambda _: refusal(401, "DEVELOPER_7028")
    with pytest.raises(AuthExpired) as caught:
        list(ramp.source().read("bills", {}, None))
    expected = "acme/ramp: GET /developer/v1/bills: 401 (trace trace-1): the token is not accepted (DEVELOPER_7028)"
    assert str(caught.value) == expected
    assert ramp.minted == 2


def html(status: int) -> httpx.Response:
    return httpx.Response(status, html="<h1>canary-body</h1>")


FAULTS: list[tuple[Callable[[], httpx.Response], type[RunError], str]] = [
    (lambda: reply(429, {}, {"Retry-After": "4"}), RateLimited, "429 (trace trace-1): too many requests"),
    (lambda: html(429), RateLimited, "429: too many requests"),
    (lambda: refusal(500, "DEVELOPER_7000"), Transient, "500 (trace trace-1): the server failed"),
    (lambda: html(502), Transient, "502: the server failed"),
    (lambda: html(504), Transient, "504: the server failed"),
    (lambda: html(200), BadAnswer, "200: the answer cannot be trusted: an HTML page instead of JSON"),
    (lambda: html(403), BadAnswer, "403: refused with a page that is no answer of Ramp's API"),
    (lambda: html(404), BadAnswer, "404: refused with a page that is no answer of Ramp's API"),
    (
        lambda: httpx.Response(200, content=b'{"data": [{"id": "canary'),
        Transient,
        "200: the answer was lost (the answer was cut off)",
    ),
    (
        lambda: httpx.Response(200, content=b'{"data": NaN}'),
        BadAnswer,
        "200: the answer cannot be trusted: NaN or Infinity",
    ),
    (
        lambda: httpx.Response(200, content=b'{"data": [], "data": []}'),
        BadAnswer,
        "200: the answer cannot be trusted: the same key twice in one object",
    ),
    (lambda: reply(200, {"data": []}), BadAnswer, "200 (trace trace-1): no page with `data` and `page.next`"),
    (
        lambda: reply(200, {"data": {}, "page": {"next": None}}),
        BadAnswer,
        "200 (trace trace-1): no page with `data` and `page.next`",
    ),
    (
        lambda: reply(200, {"data": [], "page": {"next": 7}}),
        BadAnswer,
        "200 (trace trace-1): no page with `data` and `page.next`",
    ),
    (lambda: reply(200, ["canary"]), BadAnswer, "200 (trace trace-1): no page with `data` and `page.next`"),
    (
        lambda: reply(200, {"data": [{}], "page": {"next": None}}),
        BadAnswer,
        "200 (trace trace-1): a row without an `id`",
    ),
    (
        lambda: reply(200, {"data": [7], "page": {"next": None}}),
        BadAnswer,
        "200 (trace trace-1): a row without an `id`",
    ),
    (
        lambda: refusal(
            403, "DEVELOPER_7100", "These scopes are not allowed for this token: accounting:write bills:read canary"
        ),
        AuthRefused,
        "403 (trace trace-1): the token lacks scopes: accounting:write, bills:read",
    ),
    (
        lambda: refusal(403, "DEVELOPER_7100", "canary"),
        AuthRefused,
        "403 (trace trace-1): the token lacks scopes: not named",
    ),
    (lambda: refusal(403, "DEVELOPER_7999"), AuthRefused, "403 (trace trace-1): not permitted"),
    (
        lambda: refusal(422, "DEVELOPER_7001", page_size=["canary-body"], **{"canary body!": ["x"]}),
        Rejected,
        "422 (trace trace-1): the request does not have the shape Ramp wants (DEVELOPER_7001; fields page_size; error id err-1)",
    ),
    (lambda: refusal(400, "DEVELOPER_9999"), Rejected, "400 (trace trace-1): refused (DEVELOPER_9999; error id err-1)"),
    (lambda: refusal(400, "canary body"), Rejected, "400 (trace trace-1): refused"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), FAULTS)
@pytest.mark.parametrize("at", [1, 3])
def test_faults_while_paging_keep_what_was_read_and_can_be_resumed(
    fault: Callable[[], httpx.Response], kind: type[RunError], text: str, at: int
) -> None:
    ramp = FakeRamp(bills=BILLS)
    count = 0

    def strike(_: httpx.Request) -> httpx.Response | None:
        nonlocal count
        count += 1
        return fault() if count == at else None

    ramp.before = strike
    source, pages = ramp.source(), list[Page]()
    with pytest.raises(RunError) as caught:
        pages.extend(source.read("bills", {}, None))  # keeps what came before the fault
    assert type(caught.value) is kind
    assert str(caught.value) == f"acme/ramp: GET /developer/v1/bills: {text}"
    assert "canary" not in everything_said(caught.value)
    rest = source.read("bills", {}, pages[-1].checkpoint if pages else None)
    assert ids(pages) + ids(list(rest)) == ALL


LINKS: list[tuple[str, str]] = [
    (
        "https://evil.example/developer/v1/bills?start=1",
        "acme/ramp: Ramp sent a link that leads away from https://api.ramp.com; not followed",
    ),
    (
        "https://demo-api.ramp.com/developer/v1/bills?start=1",
        "acme/ramp: Ramp sent a link that leads away from https://api.ramp.com; not followed",
    ),
    (
        "http://api.ramp.com/developer/v1/bills?start=1",
        "acme/ramp: Ramp sent a link that leads away from https://api.ramp.com; not followed",
    ),
    (
        "http://127.0.0.1/developer/v1/bills?start=1",
        "acme/ramp: Ramp sent a link that leads away from https://api.ramp.com; not followed",
    ),
    (
        "//evil.example/developer/v1/bills?start=1",
        "acme/ramp: Ramp sent a link that leads away from https://api.ramp.com; not followed",
    ),
    (
        f"{HOST}/developer/v1/users?start=1",
        "acme/ramp: GET /developer/v1/bills: 200 (trace trace-1): the link to the next page leads to another list",
    ),
    (
        f"{HOST}/developer/v1/bills",
        "acme/ramp: GET /developer/v1/bills: 200 (trace trace-1): the link to the next page leads to another list",
    ),
]


@pytest.mark.parametrize(("link", "text"), LINKS)
def test_a_next_page_elsewhere_is_refused(link: str, text: str) -> None:
    ramp = FakeRamp(bills=BILLS)
    ramp.before = lambda _: reply(200, {"data": [BILLS[0]], "page": {"next": link}})
    with pytest.raises(BadAnswer) as caught:
        list(ramp.source().read("bills", {}, None))
    assert str(caught.value) == text
    assert len(ramp.calls()) == 1


@pytest.mark.parametrize(
    "link", [uuid(2), f"?start={uuid(2)}&page_size=100", f"/developer/v1/bills?start={uuid(2)}&page_size=100"]
)
def test_a_bare_cursor_or_a_relative_link_is_followed(link: str) -> None:
    ramp = FakeRamp(rows_a_page=100, bills=BILLS)
    first = [reply(200, {"data": BILLS[:2], "page": {"next": link}})]
    ramp.before = lambda _: first.pop() if first else None
    assert ids(list(ramp.source().read("bills", {"sync_status": "NOT_SYNCED"}, None))) == ALL
    assert ramp.script.requests[-1].url.params["start"] == uuid(2)
    assert ramp.script.requests[-1].url.params["page_size"] == "100"


def test_pages_that_repeat_end_the_read() -> None:
    ramp = FakeRamp(bills=BILLS)
    count = 0

    def same_rows(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return reply(200, {"data": BILLS[:2], "page": {"next": f"{HOST}/developer/v1/bills?start={count}"}})

    ramp.before = same_rows
    with pytest.raises(BadAnswer) as caught:
        list(ramp.source().read("bills", {}, None))
    assert (
        str(caught.value)
        == "acme/ramp: GET /developer/v1/bills: 200 (trace trace-1): the list repeats itself and would never end"
    )
    assert count == 2

    links = iter(["?start=a", "?start=b", "?start=a"])
    ramp.before = lambda _: reply(200, {"data": [], "page": {"next": next(links)}})
    with pytest.raises(BadAnswer):
        list(ramp.source().read("bills", {}, None))

    def empty(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return reply(200, {"data": [], "page": {"next": f"?start={count}"}})

    ramp.before, count = empty, 0
    with pytest.raises(BadAnswer):
        list(ramp.source().read("bills", {}, None))
    assert count == 21


def test_an_empty_page_in_the_middle_is_passed() -> None:
    ramp = FakeRamp(bills=BILLS)
    first = [reply(200, {"data": [], "page": {"next": f"?start={uuid(1)}"}})]
    ramp.before = lambda _: first.pop() if first else None
    assert ids(list(ramp.source().read("bills", {}, None))) == ALL[1:]


def test_a_row_inserted_between_pages_is_not_skipped() -> None:
    rows = list(BILLS)
    ramp = FakeRamp(bills=rows)
    read = []
    for page in ramp.source().read("bills", {}, None):
        read += [r["id"] for r in page.records]
        if len(read) == 2:
            rows.insert(0, bill(99))  # every later row moves down by one
    assert set(ALL) <= set(read)


# --- filters -----------------------------------------------------------------------------------------------------------

READY = [
    bill(1),
    bill(2, sync_status="BILL_AND_PAYMENT_SYNCED"),
    bill(3, sync_status="BILL_SYNCED", status="PAID"),
    bill(4, sync_status="BILL_SYNCED"),
    bill(5, approval_status="PENDING"),
    bill(6, approval_status=None),
    bill(7, archived_at="2026-11-05T00:00:00+00:00"),
    bill(8, enable_accounting_sync=False),
    bill(9, vendor={"id": uuid(501), "name": "Other"}, entity_id=uuid(701)),
    bill(
        10,
        sync_status="BILL_SYNCED",
        payment={"amount": {"amount": 105000, "currency_code": "USD"}, "payment_date": None},
    ),
    # What Ramp may say one day: whether that is approved is for the flow to say, and aloud.
    bill(11, approval_status="APPROVED_BY_A_LATER_API"),
]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"sync_ready": True}, [1, 3, 6, 9, 10, 11]),
        ({"sync_ready": False}, list(range(1, 12))),
        ({"sync_status": "BILL_SYNCED"}, [3, 4, 10]),
        ({"approval_status": "APPROVED"}, [1, 2, 3, 4, 6, 7, 8, 9, 10]),
        ({"payment_status": "PAID"}, [3]),
        ({"is_archived": True}, [7]),
        ({"is_archived": False}, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]),
        ({"entity_id": uuid(701)}, [9]),
        ({"from_created_at": "2026-11-03"}, []),
        ({"from_created_at": "2026-11-02T10:00:00Z"}, list(range(1, 12))),
    ],
)
def test_rows_of_a_server_that_ignores_the_filter_are_dropped(filters: dict[str, str | bool], kept: list[int]) -> None:
    assert ids(list(FakeRamp(rows_a_page=100, bills=READY).source().read("bills", filters, None))) == [
        uuid(n) for n in kept
    ]


def test_transaction_filters() -> None:
    rows = [
        transaction(1),
        transaction(2, sync_status="SYNCED"),
        transaction(3, state="DECLINED"),
        transaction(4, card_holder={"user_id": uuid(899), "department_id": uuid(851)}),
        transaction(5, card_holder=None),
    ]
    source = FakeRamp(rows_a_page=100, transactions=rows).source()

    def read(**filters: str) -> list[str]:
        return [i[-1] for i in ids(list(source.read("transactions", filters, None)))]

    assert read(sync_status="SYNC_READY") == ["1", "3", "4", "5"]
    assert read(state="CLEARED") == ["1", "2", "4", "5"]
    assert read(state="ALL") == ["1", "2", "3", "4", "5"]
    assert read(user_id=uuid(899)) == ["4", "5"]
    assert read(department_id=uuid(850)) == ["1", "2", "3", "5"]


SAMPLES: dict[str, dict[str, object]] = {
    "vendors": {"id": uuid(1), "is_active": True, "created_at": "2026-11-02T10:00:00+00:00"},
    "bills": bill(1),
    "transactions": transaction(1, entity_id=uuid(700)),
    "entities": {"id": uuid(1), "is_primary": True, "currency": "USD"},
    "users": {
        "id": uuid(1),
        "role": "BUSINESS_USER",
        "department_id": uuid(2),
        "location_id": uuid(3),
        "entity_id": uuid(4),
    },
    "reimbursements": reimbursement(1),
    "transfers": {"id": uuid(1), "sync_status": "SYNCED", "status": "COMPLETED", "entity_id": uuid(4)},
    "cashbacks": {"id": uuid(1), "sync_status": "SYNCED", "entity_id": uuid(4)},
    "vendor_credits": {
        "id": uuid(1),
        "vendor_id": uuid(5),
        "entity_id": uuid(4),
        "created_at": "2026-11-02T10:00:00+00:00",
    },
}
# What no row says of itself.
UNSAID = frozenset({"sync_ready", "requested_to_sync", "include_fully_used"})
OTHER: dict[str, str | bool] = {"boolean": False, "text": "OTHER", "id": uuid(999), "datetime": "2027-01-01T00:00:00Z"}


def test_every_filter_drops_the_rows_that_say_the_contrary() -> None:
    for stream in CONNECTOR.spec.streams:
        for spec in stream.filters:
            ramp = FakeRamp()
            ramp.lists = {stream.name: [SAMPLES[stream.name]]}
            source = ramp.source()
            contrary = True if spec.name == "is_archived" else OTHER[spec.type]
            expected = [uuid(1)] if spec.name in UNSAID else []
            assert ids(list(source.read(stream.name, {spec.name: contrary}, None))) == expected, (
                stream.name,
                spec.name,
            )


def test_the_entity_of_the_settings_is_asked_for_where_a_stream_knows_it() -> None:
    ramp = FakeRamp(bills=READY, vendors=[])
    source = ramp.source(entity_id=uuid(701))
    assert ids(list(source.read("bills", {}, None))) == [uuid(9)]
    assert ramp.script.requests[1].url.params["entity_id"] == uuid(701)
    list(source.read("vendors", {}, None))
    assert "entity_id" not in ramp.script.requests[-1].url.params


def test_unknown_names_are_refused_before_anything_is_sent() -> None:
    ramp = FakeRamp()
    source = ramp.source()
    with pytest.raises(Rejected) as caught:
        list(source.read("bills", {"sync_redy": True}, None))
    assert str(caught.value) == "acme/ramp: `bills` has no filter `sync_redy`"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean `sync_ready`? known: ")
    with pytest.raises(Rejected) as caught:
        list(source.read("bils", {}, None))
    assert str(caught.value) == "acme/ramp: there is no stream `bils`"
    assert ramp.script.requests == []


# --- one record ----------------------------------------------------------------------------------------------------------


def test_one_record_is_found_missing_or_refused() -> None:
    ramp = FakeRamp(bills=BILLS)
    source = ramp.source()
    found = source.get("bills", uuid(3))
    assert found is not None
    assert found["invoice_number"] == "INV-3"
    assert source.get("bills", uuid(404)) is None
    for odd in ("", "..", "../users", "a/b", "a?b", "x" * 65, "\u0661"):
        with pytest.raises(Rejected) as caught:
            source.get("bills", odd)
        assert str(caught.value) == "acme/ramp: an id that Ramp cannot have given"
    assert len(ramp.calls()) == 2


def test_a_page_of_a_proxy_is_no_proof_that_a_record_is_gone() -> None:
    ramp = FakeRamp(bills=BILLS)
    for answer in (html(404), reply(404, {"message": "no route"}), reply(404, ["x"])):
        ramp.before = lambda _, answer=answer: answer  # type: ignore[misc]  # the default binds this turn's answer
        with pytest.raises(RunError):
            ramp.source().get("bills", uuid(3))


def test_another_object_than_asked_for_is_refused() -> None:
    ramp = FakeRamp(bills=BILLS)
    ramp.before = lambda _: reply(200, BILLS[4])
    with pytest.raises(BadAnswer) as caught:
        ramp.source().get("bills", uuid(3))
    assert str(caught.value) == "acme/ramp: Ramp answered with another object than was asked for (bills)"


# --- scopes and settings ---------------------------------------------------------------------------------------------------


def test_only_the_streams_whose_scope_was_dropped_are_refused() -> None:
    ramp = FakeRamp(scopes="bills:read", bills=BILLS, users=[])
    source = ramp.source()
    assert ids(list(source.read("bills", {}, None))) == ALL
    with pytest.raises(AuthRefused) as caught:
        list(source.read("users", {}, None))
    assert str(caught.value) == "acme/ramp: scopes that were not granted: users:read"
    assert source.granted() == {"bills:read"}


def test_the_granted_scopes_are_of_today() -> None:
    ramp = FakeRamp(scopes="bills:read", bills=BILLS)
    assert ramp.source().granted() == {"bills:read"}
    assert ramp.source().granted() == {"bills:read"}
    assert ramp.calls() == ["GET /developer/v1/bills"] * 2  # the second token was kept, and still one page was read
    assert str(ramp.script.requests[-1].url) == f"{HOST}/developer/v1/bills?page_size=2"
    assert ramp.minted == 1


def test_a_kept_token_is_not_enough_when_ramp_is_down_or_takes_the_scope_back() -> None:
    ramp = FakeRamp(scopes="bills:read", bills=BILLS)
    assert ramp.source().granted() == {"bills:read"}
    ramp.before = lambda _: reply(503, {})
    with pytest.raises(Transient):
        ramp.source().granted()
    lacking = {"error_v2": {"error_code": "DEVELOPER_7100", "message": "bills:read"}}
    ramp.before = lambda _: reply(403, lacking)
    with pytest.raises(AuthRefused) as caught:
        ramp.source().granted()
    assert str(caught.value).endswith("the token lacks scopes: bills:read")


def test_an_app_that_may_read_nothing_is_asked_for_a_new_token() -> None:
    ramp = FakeRamp(scopes="accounting:write")
    assert ramp.source().granted() == {"accounting:write"}
    before = ramp.minted
    assert ramp.source().granted() == {"accounting:write"}
    assert (ramp.minted, ramp.calls()) == (before + 1, [])


def test_missing_credentials_are_named() -> None:
    with pytest.raises(SettingMissing) as caught:
        FakeRamp().source({"client_id": "x"})
    assert str(caught.value) == "acme/ramp: not given: `client_secret`"


def test_check_reports_everything_at_once() -> None:
    wrong = binding(
        {}, environment="prod", page_size=101, confirm_marks="yes", scopes="bills", base_url="https://evil.example/x"
    )
    assert [str(d) for d in CONNECTOR.check(wrong)] == [
        "acme/ramp: error[R001]: client_id: is not given\n  hint: run `flowctl connect ramp --company acme`",
        "acme/ramp: error[R001]: client_secret: is not given\n  hint: run `flowctl connect ramp --company acme`",
        "acme/ramp: error[R002]: environment: `prod` is not one of its values\n  hint: known: production, sandbox",
        "acme/ramp: error[R002]: page_size: must be a whole number from 2 to 100\n  hint: leave it out for 100",
        "acme/ramp: error[R002]: confirm_marks: must be true or false\n  hint: leave it out for true",
        (
            "acme/ramp: error[R002]: base_url: must name one of these hosts: api.ramp.com, demo-api.ramp.com, "
            "or this machine\n  hint: leave it out for https://api.ramp.com"
        ),
        (
            "acme/ramp: error[R002]: scopes: `bills` is no scope\n"
            "  hint: scopes are separated by spaces, for example accounting:read accounting:write"
        ),
        (
            "acme/ramp: warning[R003]: webhook_secret: is not given, so every webhook is refused\n"
            "  hint: records are found at the next poll; give the secret to hear of them at once"
        ),
    ]
    assert CONNECTOR.check(binding()) == []
    with pytest.raises(Rejected) as caught:
        FakeRamp().source(page_size=1)
    assert str(caught.value) == "acme/ramp: page_size: must be a whole number from 2 to 100"


def test_the_environment_chooses_the_host() -> None:
    ramp = FakeRamp(vendors=[])
    list(ramp.source(environment="sandbox").read("vendors", {}, None))
    assert {r.url.host for r in ramp.script.requests} == {"demo-api.ramp.com"}
    list(ramp.source(base_url="http://127.0.0.1:9/").read("vendors", {}, None))
    assert str(ramp.script.requests[-1].url) == "http://127.0.0.1:9/developer/v1/vendors?page_size=100"


def test_the_rate_of_requests_stays_below_ramps() -> None:
    rows = [bill(n) for n in range(1, 801)]
    ramp = FakeRamp(bills=rows)
    assert len(ids(list(ramp.source().read("bills", {}, None)))) == 800
    assert len(ramp.script.requests) == 401
    assert ramp.clock.slept == [10.0, 10.0]


# --- secrets, and the vendor's own description ---------------------------------------------------------------------------


def test_forty_canaries_never_show() -> None:
    canaries = {f"CANARY{n:02d}x" for n in range(40)}
    parts = sorted(canaries)
    secrets = {
        "client_id": parts[0],
        "client_secret": parts[1],
        "webhook_secret": parts[2],
        "webhook_secret_previous": parts[3],
    }
    info = {parts[4]: [parts[5]], "vendor_id": [parts[6]]}
    bodies: list[httpx.Response] = [
        refusal(s, c, parts[7 + i], **info)
        for i, (s, c) in enumerate(
            [
                (400, parts[8]),
                (422, "DEVELOPER_7001"),
                (403, "DEVELOPER_7100"),
                (401, "DEVELOPER_7028"),
                (429, parts[9]),
                (500, parts[10]),
            ]
        )
    ]
    bodies += [
        httpx.Response(s, html=f"<p>{parts[20]}</p>", headers={"x-trace-id": f"a b {parts[21]}"})
        for s in (200, 302, 403, 404, 502)
    ]
    bodies += [
        reply(200, {"data": [{"name": parts[22]}], "page": {"next": None}}),
        reply(200, {"data": [], "page": {"next": f"https://{parts[23]}.example/{parts[24]}"}}),
    ]
    bodies += [httpx.Response(200, content=f'{{"{parts[25]}": "{parts[26]}'.encode())]
    for body in bodies:
        ramp = FakeRamp(bills=BILLS)
        ramp.before = lambda _, body=body: body  # type: ignore[misc]  # the default binds this turn's body
        source = ramp.source(secrets)
        with pytest.raises(RunError) as caught:
            list(source.read("bills", {"vendor_id": parts[30]}, None))
        said = everything_said(caught.value) + repr(source) + repr(vars(source)) + repr(binding(secrets))
        assert [c for c in canaries if c in said] == []


def test_every_request_agrees_with_ramps_own_description() -> None:
    api = ramp_2025()
    ramp = FakeRamp(bills=READY, transactions=[transaction(1)], vendors=[], entities=[], users=[], departments=[])
    source = ramp.source(api_profile="2025-08", entity_id=uuid(700))
    list(
        source.read(
            "bills",
            {
                "sync_ready": True,
                "sync_status": "NOT_SYNCED",
                "approval_status": "APPROVED",
                "payment_status": "OPEN",
                "is_archived": False,
                "vendor_id": uuid(500),
                "from_created_at": "2026-11-01T00:00:00Z",
            },
            None,
        )
    )
    list(source.read("bills", {}, None))
    list(
        source.read(
            "transactions",
            {
                "sync_status": "SYNC_READY",
                "state": "CLEARED",
                "merchant_id": uuid(600),
                "user_id": uuid(801),
                "department_id": uuid(850),
            },
            None,
        )
    )
    list(source.read("vendors", {"is_active": True, "from_created_at": "2026-11-01T00:00:00Z"}, None))
    list(source.read("entities", {"is_primary": True, "currency": "USD"}, None))
    list(source.read("users", {"role": "BUSINESS_USER", "department_id": uuid(850), "location_id": uuid(1)}, None))
    list(source.read("departments", {}, None))
    for stream in ("bills", "transactions"):
        source.get(stream, uuid(1))
    assert len(ramp.script.requests) > 10
    for request in ramp.script.requests:
        api.check_request(
            request.method,
            request.url.path,
            request.url.query.decode(),
            request.content,
            request.headers.get("content-type", ""),
        )


NAMES = [
    "data",
    "page",
    "next",
    "id",
    "error",
    "error_v2",
    "error_code",
    "message",
    "additional_info",
    "error_id",
    "sync_status",
    "success",
    "secret",
    "status",
    "synced_at",
    "access_token",
    "expires_in",
    "token_type",
    "scope",
    "sync_id",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from([uuid(1), "DEVELOPER_7028", "DEVELOPER_7100", "?start=1", "invalid_scope", "SYNCED"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 422, 429, 500, 504])


@settings(max_examples=300, deadline=None)
@given(STATUSES, JSON, st.integers(0, 3), st.booleans())
def test_no_answer_raises_anything_undeclared(status: int, body: object, what: int, on_token: bool) -> None:
    ramp = FakeRamp(bills=BILLS)
    count = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        if request.url.path.endswith("/token") == on_token and count < 4:
            return reply(status, body)
        return ramp._answer(request) if request.url.path.endswith("/token") else ramp.dispatch(request)

    ramp.script.answer = answer
    source = ramp.source()
    deeds: list[Callable[[], object]] = [
        lambda: list(source.read("bills", {"sync_ready": True}, None)),
        lambda: source.get("bills", uuid(1)),
        lambda: source.mark(MarkCall("BILL_SYNC", "key", (Marked(uuid(1), "TXN"),))),
        lambda: source.subscribe("https://hooks.example.com"),
    ]
    with contextlib.suppress(RunError):
        deeds[what]()
    assert count > 0


def test_every_filter_is_one_that_ramp_documents() -> None:
    api = ramp_2025()
    for stream in CONNECTOR.spec.streams:
        if stream.name in PATHS:  # vendor credits came in 2026
            continue
        _, operation = api.operation("GET", f"/developer/v1/{stream.name}")
        known = {p["name"] for p in operation["parameters"]} | {"requested_to_sync"}
        assert set(sent(stream.name, {f.name: "" for f in stream.filters})) <= known


def test_check_of_scopes_and_of_credentials_copied_badly() -> None:
    def said(secrets: dict[str, str], **settings: str) -> list[str]:
        return [f"{d.level}[{d.code}] {d.where}: {d.message}" for d in CONNECTOR.check(binding(secrets, **settings))]

    good = {"client_id": "x", "client_secret": "y", "webhook_secret": "z"}
    assert said(good, scopes=" ") == ["error[R002] scopes: names no scope, and such a token can do nothing"]
    assert said(good, scopes="bills:read") == [
        "warning[R003] scopes: accounting:write is not among them, so nothing can be marked"
    ]
    assert said({**good, "client_secret": "canary\u20ac"}) == [
        "error[R002] client_secret: holds characters that no Ramp credential has"
    ]
    assert said(good, base_url="https://api.ramp.com/developer") == [
        "error[R002] base_url: must end after the host; paths are added by the connector"
    ]


def test_a_moment_that_cannot_be_read_drops_nothing() -> None:
    ramp = FakeRamp(bills=[bill(1, created_at="yesterday"), bill(2, created_at="2026-11-01")])
    assert ids(list(ramp.source().read("bills", {"from_created_at": "2026-11-02"}, None))) == [uuid(1)]
