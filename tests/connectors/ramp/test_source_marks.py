from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from engine.contract import MarkCall, Marked, MarkedFailed
from engine.errors import AuthRefused, NotShown, RateLimited, Rejected, RunError, Transient
from tests.connectors.http_kit import Script, everything_said, reply
from tests.connectors.ramp.openapi import ramp_2025
from tests.connectors.ramp.source_kit import FakeRamp, bill, refusal, transaction, uuid

KEY = "flow:BILL_SYNC:abc"


def posted(*numbers: int) -> tuple[Marked, ...]:
    return tuple(Marked(uuid(n), f"TXN-{n}") for n in numbers)


def failed(*numbers: int, message: str = "no account") -> tuple[MarkedFailed, ...]:
    return tuple(MarkedFailed(uuid(n), message) for n in numbers)


def bill_call(*numbers: int) -> MarkCall:
    return MarkCall("BILL_SYNC", KEY, posted(*numbers))


class Syncing(FakeRamp):
    """A Ramp that changes the status when it takes a sync; `lose` answers after it did."""

    def __init__(
        self, lists: dict[str, list[dict[str, Any]]], lose: Callable[[], httpx.Response] | None = None
    ) -> None:
        super().__init__()
        self.lists = lists
        self.lose = lose

    def dispatch(self, request: httpx.Request) -> httpx.Response:
        answer = super().dispatch(request)
        if request.method != "POST":
            return answer
        sync = self.synced[-1]
        reached = {
            "BILL_SYNC": "BILL_SYNCED",
            "BILL_PAYMENT_SYNC": "BILL_AND_PAYMENT_SYNCED",
            "TRANSACTION_SYNC": "SYNCED",
        }
        for item in sync.get("successful_syncs", []):
            for rows in self.lists.values():
                for row in rows:
                    if row["id"] == item["id"]:
                        row["sync_status"] = reached[sync["sync_type"]]
        return self.lose() if self.lose is not None else answer


def lost() -> httpx.Response:
    raise httpx.ReadTimeout("canary")


def test_a_mark_is_sent_and_read_back() -> None:
    ramp = Syncing({"bills": [bill(1), bill(2)]})
    ramp.source().mark(bill_call(1, 2))
    assert ramp.synced == [
        {
            "idempotency_key": KEY,
            "sync_type": "BILL_SYNC",
            "successful_syncs": [
                {"id": uuid(1), "reference_id": "TXN-1"},
                {"id": uuid(2), "reference_id": "TXN-2"},
            ],
        }
    ]
    assert ramp.calls() == [
        "POST /developer/v1/accounting/syncs",
        f"GET /developer/v1/bills/{uuid(1)}",
        f"GET /developer/v1/bills/{uuid(2)}",
    ]


def test_reading_back_can_be_switched_off() -> None:
    ramp = FakeRamp(bills=[bill(1)])
    ramp.source(confirm_marks=False).mark(bill_call(1))
    assert ramp.calls() == ["POST /developer/v1/accounting/syncs"]


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("BILL_PAYMENT_SYNC", bill(1, status="PAID", sync_status="BILL_SYNCED")),
        ("TRANSACTION_SYNC", transaction(1)),
    ],
)
def test_payments_and_transactions(kind: str, row: dict[str, Any]) -> None:
    ramp = Syncing({"transactions" if kind == "TRANSACTION_SYNC" else "bills": [row]})
    ramp.source().mark(MarkCall(kind, KEY, posted(1)))
    assert [sync["sync_type"] for sync in ramp.synced] == [kind]


def test_an_old_transaction_shows_only_when_it_was_synced() -> None:
    ramp = FakeRamp(transactions=[transaction(1, sync_status=None, synced_at="2026-11-20T00:00:00Z")])
    ramp.source().mark(MarkCall("TRANSACTION_SYNC", KEY, posted(1)))


def test_accepted_but_not_shown_names_all_that_does_not_show() -> None:
    ramp = FakeRamp(bills=[bill(n) for n in range(1, 8)])
    with pytest.raises(NotShown) as caught:
        ramp.source().mark(bill_call(*range(1, 8)))
    shown = ", ".join(uuid(n) for n in range(1, 6))
    assert str(caught.value) == f"acme/ramp: BILL_SYNC was taken but does not show yet: {shown} and 2 more"
    assert caught.value.retry_after_s == 5.0
    assert caught.value.ids == {uuid(n) for n in range(1, 8)}


def test_a_lost_answer_says_of_none_that_it_was_taken() -> None:
    ramp = FakeRamp(bills=[bill(1), bill(2, sync_status="BILL_SYNCED")])
    ramp.before = lambda r: reply(504, {}) if r.method == "POST" else None
    with pytest.raises(Transient) as caught:
        ramp.source().mark(bill_call(1, 2))
    assert type(caught.value) is Transient


def test_a_call_in_pieces_keeps_its_keys_as_long_as_one_piece_may_still_be_taken() -> None:
    """One piece is taken and does not show; the other is refused, or nobody knows."""

    def outcome(answer: Callable[[], httpx.Response]) -> RunError:
        ramp = FakeRamp(bills=[bill(1), bill(2), bill(3, sync_status="BILL_SYNCED")])
        answers = [answer(), reply(201, {"sync_id": uuid(9)})]
        ramp.before = lambda r: answers.pop() if r.method == "POST" else None
        with pytest.raises(RunError) as caught:
            ramp.source().mark(MarkCall("BILL_SYNC", KEY, posted(1, 3), failed(2)))
        return caught.value

    refused = outcome(lambda: refusal(400, "DEVELOPER_7098"))
    assert isinstance(refused, NotShown)
    assert refused.ids == {uuid(1), uuid(2)}
    assert type(outcome(lambda: reply(504, {}))) is Transient


def test_a_bill_that_is_synced_is_not_yet_a_payment_that_is() -> None:
    ramp = FakeRamp(bills=[bill(1, sync_status="BILL_SYNCED")])
    ramp.source().mark(bill_call(1))
    with pytest.raises(Transient):
        ramp.source().mark(MarkCall("BILL_PAYMENT_SYNC", KEY, posted(1)))


LOST: list[Callable[[], httpx.Response]] = [
    lost,
    lambda: reply(504, {}),
    lambda: reply(500, {}),
    lambda: httpx.Response(502, html="<h1>"),
]


@pytest.mark.parametrize("lose", LOST)
def test_a_lost_answer_is_settled_by_reading_back(lose: Callable[[], httpx.Response]) -> None:
    Syncing({"bills": [bill(1)]}, lose).source().mark(bill_call(1))
    ramp = FakeRamp(bills=[bill(1)])
    ramp.before = lambda r: lose() if r.method == "POST" else None
    with pytest.raises(Transient) as caught:
        ramp.source().mark(bill_call(1))
    assert str(caught.value).endswith(f"it may or may not have been done; not shown as synced yet: {uuid(1)}") or str(
        caught.value
    ).endswith(f"may or may not have done it; not shown as synced yet: {uuid(1)}")
    assert "canary" not in everything_said(caught.value)


def test_reading_back_also_after_a_lost_answer_when_it_is_switched_off() -> None:
    ramp = Syncing({"bills": [bill(1)]}, lost)
    ramp.source(confirm_marks=False).mark(bill_call(1))
    assert ramp.calls()[-1] == f"GET /developer/v1/bills/{uuid(1)}"


def test_already_synced_by_hand_counts_as_told() -> None:
    ramp = FakeRamp(bills=[bill(1, sync_status="BILL_SYNCED")])
    ramp.before = lambda r: refusal(400, "DEVELOPER_7098") if r.method == "POST" else None
    ramp.source().mark(bill_call(1))


def test_a_refused_mark_says_which_and_what_to_do() -> None:
    ramp = FakeRamp(bills=[bill(1), bill(2, sync_status="BILL_SYNCED")])
    ramp.before = lambda r: refusal(400, "DEVELOPER_7098") if r.method == "POST" else None
    with pytest.raises(Rejected) as caught:
        ramp.source().mark(bill_call(1, 2))
    assert str(caught.value) == (
        "acme/ramp: POST /developer/v1/accounting/syncs: 400 (trace trace-1): it would break a rule of Ramp's "
        f"(DEVELOPER_7098; error id err-1): BILL_SYNC of {uuid(1)}"
    )
    assert caught.value.code == "DEVELOPER_7098"
    assert caught.value.hint == (
        "look at the record in Ramp: it must be approved, ready to sync and not archived, a payment follows its bill, "
        "and a transaction may need an accounting vendor; "
        "a direct accounting connection takes no marks from others"
    )
    assert "canary" not in everything_said(caught.value)


def test_a_record_that_is_gone_needs_no_mark_when_the_call_was_taken() -> None:
    FakeRamp(bills=[]).source().mark(bill_call(1))
    ramp = FakeRamp(bills=[])
    ramp.before = lambda r: refusal(400, "DEVELOPER_7098") if r.method == "POST" else None
    with pytest.raises(Rejected):
        ramp.source().mark(bill_call(1))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        # A person left its bill out, so Ramp will never know that as synced, and shows no payment of it as synced either.
        ("BILL_PAYMENT_SYNC", {"status": "PAID", "sync_status": "NOT_SYNCED"}),
        ("BILL_SYNC", {"archived_at": "2026-03-01T10:00:00+00:00"}),
    ],
)
def test_what_ramp_takes_and_can_never_show_is_refused_and_keeps_no_other(kind: str, more: dict[str, Any]) -> None:
    ramp = FakeRamp(bills=[bill(1, **more), bill(2, status="PAID", sync_status="BILL_AND_PAYMENT_SYNCED")])
    ramp.before = lambda r: reply(201, {"sync_id": uuid(9)}) if r.method == "POST" else None
    with pytest.raises(NotShown) as beside:
        ramp.source().mark(MarkCall(kind, KEY, posted(1, 2)))
    assert beside.value.ids == {uuid(1)}
    with pytest.raises(Rejected) as caught:
        ramp.source().mark(MarkCall(kind, KEY, posted(1)))
    said = f"acme/ramp: {kind} was taken and cannot show, archived or before its bill's: {uuid(1)}"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: reply(429, {}), RateLimited),
        (lambda: refusal(403, "DEVELOPER_7100", "accounting:write"), AuthRefused),
    ],
)
def test_faults_that_did_nothing_are_passed_on(answer: Callable[[], httpx.Response], kind: type[RunError]) -> None:
    ramp = FakeRamp(bills=[bill(1)])
    ramp.before = lambda r: answer() if r.method == "POST" else None
    with pytest.raises(RunError) as caught:
        ramp.source().mark(bill_call(1))
    assert type(caught.value) is kind
    assert not caught.value.unsent
    assert ramp.calls() == ["POST /developer/v1/accounting/syncs"]


def test_without_a_token_nothing_is_sent_and_the_error_says_so() -> None:
    ramp = FakeRamp(bills=[bill(1)])
    ramp.script = Script(lambda _: refusal(503, "DEVELOPER_7000"))
    with pytest.raises(Transient) as caught:
        ramp.source().mark(bill_call(1))
    assert caught.value.unsent
    assert (ramp.calls(), ramp.synced) == ([], [])


def test_marking_needs_its_scope() -> None:
    ramp = FakeRamp(scopes="bills:read", bills=[bill(1)])
    with pytest.raises(AuthRefused) as caught:
        ramp.source().mark(bill_call(1))
    assert str(caught.value) == "acme/ramp: scopes that were not granted: accounting:write"
    assert ramp.calls() == []


def test_a_token_that_expired_before_a_mark_is_renewed_and_the_mark_sent_once_more() -> None:
    ramp = Syncing({"bills": [bill(1)]})
    expired = [refusal(401, "DEVELOPER_7028")]
    ramp.before = lambda _: expired.pop() if expired else None
    ramp.source().mark(bill_call(1))
    assert len(ramp.synced) == 1
    assert ramp.minted == 2


def test_failures_are_reported_in_one_short_line() -> None:
    ramp = FakeRamp(bills=[bill(1), bill(2), bill(3)])
    messages = ("no account\nfor \x1b[31mOffice\x00", "x" * 501, " \n")
    call = MarkCall("BILL_SYNC", KEY, failed=tuple(MarkedFailed(uuid(n), m) for n, m in enumerate(messages, 1)))
    ramp.source().mark(call)
    assert [item["error"]["message"] for item in ramp.synced[0]["failed_syncs"]] == [
        "no account for [31mOffice",
        "x" * 497 + "...",
        "The record could not be posted.",
    ]
    assert "successful_syncs" not in ramp.synced[0]
    assert ramp.calls() == ["POST /developer/v1/accounting/syncs"]


def test_a_failure_nobody_waits_for_any_more_needs_no_report() -> None:
    ramp = FakeRamp(bills=[bill(1, sync_status="BILL_SYNCED"), bill(2)])
    ramp.before = lambda r: refusal(400, "DEVELOPER_7098") if r.method == "POST" else None
    ramp.source().mark(MarkCall("BILL_SYNC", KEY, failed=failed(1)))
    with pytest.raises(Rejected):
        ramp.source().mark(MarkCall("BILL_SYNC", KEY, failed=failed(2)))


def test_long_lists_travel_in_pieces_with_keys_that_never_change() -> None:
    def run() -> list[tuple[str, int, int]]:
        ramp = FakeRamp(bills=[])
        numbers = range(1, 1201)
        ramp.source(confirm_marks=False).mark(MarkCall("BILL_SYNC", KEY, posted(*numbers), failed(1, 2)))
        return [
            (s["idempotency_key"], len(s.get("successful_syncs", [])), len(s.get("failed_syncs", [])))
            for s in ramp.synced
        ]

    assert run() == run() == [(f"{KEY}-0", 500, 0), (f"{KEY}-1", 500, 0), (f"{KEY}-2", 200, 0), (f"{KEY}-3", 0, 2)]


def test_one_refused_piece_does_not_keep_the_others_back() -> None:
    ramp = FakeRamp(bills=[bill(1), bill(2)])
    first = [refusal(400, "DEVELOPER_7098")]
    ramp.before = lambda r: first.pop() if r.method == "POST" and first else None
    with pytest.raises(Rejected):
        ramp.source().mark(MarkCall("BILL_SYNC", KEY, posted(1), failed(2)))
    assert [list(sync) for sync in ramp.synced] == [["idempotency_key", "sync_type", "failed_syncs"]]


def test_an_empty_call_sends_nothing_and_an_unknown_kind_is_refused() -> None:
    ramp = FakeRamp(bills=[])
    ramp.source().mark(MarkCall("BILL_SYNC", KEY))
    assert ramp.script.requests == []
    with pytest.raises(Rejected) as caught:
        ramp.source().mark(MarkCall("CASHBACK_SYNC", KEY, posted(1)))
    assert str(caught.value) == "acme/ramp: there is no mark `CASHBACK_SYNC`"
    known = "BILL_PAYMENT_SYNC, BILL_SYNC, REIMBURSEMENT_SYNC, STATEMENT_CREDIT_SYNC, TRANSACTION_SYNC, TRANSFER_SYNC"
    assert caught.value.hint == f"known: {known}"


def test_every_mark_agrees_with_ramps_own_description() -> None:
    api = ramp_2025()
    ramp = Syncing({"bills": [bill(1), bill(2)], "transactions": [transaction(3)]})
    source = ramp.source()
    source.mark(MarkCall("BILL_SYNC", KEY, posted(1), failed(2)))
    source.mark(MarkCall("TRANSACTION_SYNC", KEY, posted(3)))
    posts = [r for r in ramp.script.requests if r.url.path.endswith("/syncs")]
    assert len(posts) == 3
    for request in ramp.script.requests:
        api.check_request(
            request.method,
            request.url.path,
            request.url.query.decode(),
            request.content,
            request.headers.get("content-type", ""),
        )
