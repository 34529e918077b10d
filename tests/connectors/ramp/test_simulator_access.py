"""Tokens, scopes, the rate limit, injected faults, and the request log."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors._simulated import ConnectionReset
from connectors.ramp.simulator import Fault
from connectors.ramp.simulator.core import Logged
from engine.contract import HttpCall
from tests.connectors.ramp.simulator_kit import BASIC, Api, StillClock, decoded, error, rent, simulator, token

GRANT = {"grant_type": "client_credentials", "scope": "bills:read vendors:read"}
EXPIRED: tuple[object, ...] = (401, "DEVELOPER_7028", "The access token has expired.", {})


def test_token_answer() -> None:
    reply = token(simulator(), GRANT)
    body = decoded(reply)
    secret = body.pop("access_token")
    assert secret.startswith("ramp_business_tok_")
    assert len(secret) == 58
    assert (reply.status, body) == (
        200,
        {"expires_in": 864000, "scope": "bills:read vendors:read", "token_type": "Bearer"},
    )


@pytest.mark.parametrize(
    ("form", "auth", "kind", "expected"),
    [
        (GRANT, "Basic bm9ib2R5OndvbmRlcg==", None, (401, "invalid_client")),
        (GRANT, "Basic not-base64!", None, (401, "invalid_client")),
        (GRANT, "Bearer x", None, (401, "invalid_client")),
        (GRANT, None, "application/json", (400, "invalid_request")),
        ({"scope": "bills:read"}, None, None, (400, "invalid_request")),
        ({"grant_type": "refresh_token"}, None, None, (400, "unauthorized_client")),
    ],
)
def test_token_is_refused(form: dict[str, str], auth: str | None, kind: str | None, expected: tuple[int, str]) -> None:
    reply = token(simulator(), form, auth or BASIC, kind or "application/x-www-form-urlencoded")
    assert (reply.status, decoded(reply)) == (expected[0], {"error": expected[1]})


def test_unknown_scope_is_dropped_without_a_word() -> None:
    reply = token(simulator(), {**GRANT, "scope": "bills:read cards:write"})
    assert decoded(reply)["scope"] == "bills:read"


def test_unknown_scope_is_refused_when_switched() -> None:
    reply = token(simulator(refuse_unknown_scope=True), {**GRANT, "scope": "bills:read cards:write"})
    assert (reply.status, decoded(reply)) == (400, {"error": "invalid_scope"})


def test_token_without_scope_can_do_nothing() -> None:
    reply = Api(simulator(), scopes="").call("GET", "/bills")
    message = "These scopes are not allowed for this token: bills:read"
    assert error(reply) == (403, "DEVELOPER_7100", message, {})


def test_missing_write_scope() -> None:
    reply = Api(simulator(), scopes="bills:read accounting:read").sync("BILL_SYNC", ("x", "y"))
    assert error(reply)[:3] == (403, "DEVELOPER_7100", "These scopes are not allowed for this token: accounting:write")


def test_token_expires_on_the_clock() -> None:
    target = simulator()
    api = Api(target)
    target.clock.sleep(863_999)
    assert api.call("GET", "/bills").status == 200
    target.clock.sleep(1)
    assert error(api.call("GET", "/bills")) == EXPIRED


def test_unknown_and_revoked_tokens() -> None:
    target = simulator()
    api = Api(target)
    refused: tuple[object, ...] = (401, "DEVELOPER_7002", "The request does not have a valid access token.", {})
    good, api.token = api.token, "ramp_business_tok_madeup"
    assert error(api.call("GET", "/bills")) == refused
    api.token = good
    assert api.call("GET", "/bills").status == 200
    headers = {"authorization": BASIC, "content-type": "application/x-www-form-urlencoded"}
    gone = target.handle(HttpCall("POST", "/developer/v1/token/revoke", "", headers, f"token={good}".encode()))
    assert gone.status == 200
    assert error(api.call("GET", "/bills")) == refused
    headers["authorization"] = "Basic bm9ib2R5OndvbmRlcg=="
    other = target.handle(HttpCall("POST", "/developer/v1/token/revoke", "", headers, b"token=x"))
    assert (other.status, decoded(other)) == (401, {"error": "invalid_client"})


def test_expiry_fault_on_a_call_without_token() -> None:
    target = simulator(faults=[Fault("token_expired", at=(0,))])
    assert error(target.handle(HttpCall("GET", "/developer/v1/bills", "", {}, b""))) == EXPIRED


def test_unknown_route_is_a_404() -> None:
    api = Api(simulator())
    expected: tuple[object, ...] = (404, "DEVELOPER_7003", "The requested URL was not found on the server.", {})
    assert error(api.call("GET", "/nothing")) == expected
    assert error(api.call("PUT", "/bills")) == expected


def test_error_body_has_both_forms_and_every_answer_a_trace_id() -> None:
    reply = Api(simulator()).call("GET", "/bills", page_size=1)
    body = decoded(reply)
    fields = {"page_size": ["Value must be between 2 and 100"]}
    assert reply.status == 422
    assert body["error"] == fields
    assert body["error_v2"].pop("error_id")
    assert body["error_v2"] == {
        "error_code": "DEVELOPER_7001",
        "message": "The request could not be validated.",
        "additional_info": fields,
        "notes": None,
    }
    assert len(reply.headers["x-trace-id"]) == 36


def test_rate_limit_rolls() -> None:
    target = simulator()
    api = Api(target)
    target.clock.sleep(1)
    assert {api.call("GET", "/business").status for _ in range(199)} == {200}
    limited = api.call("GET", "/business")
    assert error(limited) == (429, "DEVELOPER_7029", "Too many requests.", {})
    assert "retry-after" not in {name.lower() for name in limited.headers}
    target.clock.sleep(9)  # the token call is ten seconds old now and leaves the window
    assert [api.call("GET", "/business").status for _ in range(2)] == [200, 429]


def test_rate_limit_counts_each_client_alone() -> None:
    target = simulator(requests_per_window=3)
    api = Api(target)
    assert [api.call("GET", "/business").status for _ in range(3)] == [200, 200, 429]
    headers = {"authorization": f"Bearer {api.token}"}
    other = HttpCall("GET", "/developer/v1/business", "", headers, b"", "10.0.0.2")
    assert target.handle(other).status == 200


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("token_expired", 401, "DEVELOPER_7028"),
        ("rate_limited", 429, "DEVELOPER_7029"),
        ("server_error", 500, "DEVELOPER_7000"),
        ("timeout_before", 504, "DEVELOPER_7504"),
        ("timeout_after", 504, "DEVELOPER_7504"),
    ],
)
def test_fault_by_request_number(name: str, status: int, code: str) -> None:
    target = simulator(faults=[Fault(name, at=(1,), path="/business")])  # type: ignore[arg-type]  # parametrised
    api = Api(target)
    assert api.call("GET", "/business").status == 200
    assert error(api.call("GET", "/business"))[:2] == (status, code)
    assert api.call("GET", "/business").status == (401 if name == "token_expired" else 200)
    assert dict(target.faults.counts) == {name: 1}


def test_timeout_before_and_after_commit() -> None:
    target = simulator()
    bills = [target.add_bill([rent(100)]).id for _ in range(2)]
    target.faults.add(Fault("timeout_before", at=(0,), path="/accounting/syncs"))
    target.faults.add(Fault("timeout_after", at=(1,), path="/accounting/syncs"))
    api = Api(target)
    assert api.sync("BILL_SYNC", (bills[0], "T1"), key="a").status == 504
    assert target.world.marks == []
    assert api.sync("BILL_SYNC", (bills[1], "T2"), key="b").status == 504
    assert [(mark.object_id, mark.reference) for mark in target.world.marks] == [(bills[1], "T2")]
    again = api.sync("BILL_SYNC", (bills[1], "T2"), key="b")
    assert (again.status, decoded(again)) == (201, {"sync_id": target.world.marks[0].sync_id})
    assert len(target.world.marks) == 1


def test_reset_before_and_after_commit() -> None:
    target = simulator()
    bill = target.add_bill([rent(100)]).id
    target.faults.add(Fault("reset_before", at=(0,), method="POST", path="/syncs"))
    target.faults.add(Fault("reset_after", at=(1,), method="POST", path="/syncs"))
    api = Api(target)
    text = "the simulated connection was closed during POST /developer/v1/accounting/syncs"
    with pytest.raises(ConnectionReset, match=f"^{text}$"):
        api.sync("BILL_SYNC", (bill, "T1"))
    assert target.world.marks == []
    with pytest.raises(ConnectionReset, match=f"^{text}$"):
        api.sync("BILL_SYNC", (bill, "T1"))
    assert [mark.reference for mark in target.world.marks] == ["T1"]
    assert [line.status for line in target.log[-2:]] == [0, 0]


def test_html_truncated_and_slow() -> None:
    target = simulator(
        faults=[Fault("html_error", at=(0,)), Fault("truncated", at=(2,)), Fault("slow", at=(3,), seconds=70)]
    )
    first = token(target, GRANT)
    assert (first.status, first.headers["content-type"], first.body[:15]) == (502, "text/html", b"<!doctype html>")
    api = Api(target)
    with pytest.raises(json.JSONDecodeError):
        decoded(api.call("GET", "/business"))
    before = target.clock.now()
    assert api.call("GET", "/business").status == 200
    assert (target.clock.now() - before).total_seconds() == 70


def test_faults_by_chance_repeat_with_the_seed() -> None:
    def statuses() -> list[int]:
        target = simulator(faults=[Fault("server_error", probability=0.3, path="/business")])
        api = Api(target)
        return [api.call("GET", "/business").status for _ in range(50)]

    first = statuses()
    assert first == statuses()
    assert 5 < first.count(500) < 25


def test_log_has_no_secrets() -> None:
    target = simulator(faults=[Fault("server_error", at=(0,), path="/bills")])
    api = Api(target)
    api.call("GET", "/bills", remote_id="very-private")
    api.call("GET", "/business")
    assert target.log == [
        Logged("POST", "/developer/v1/token", 200),
        Logged("GET", "/developer/v1/bills", 500, "server_error"),
        Logged("GET", "/developer/v1/business", 200),
    ]
    assert "sandbox-secret" not in repr(target.world.options)


def test_the_clock_is_the_only_time() -> None:
    target = simulator()
    assert isinstance(target.clock, StillClock)
    assert target.add_bill([rent(100)]).created_at == target.clock.now()


def test_calls_from_many_threads_mark_once() -> None:
    target = simulator(requests_per_window=10_000)
    bills = [target.add_bill([rent(100)]).id for _ in range(20)]
    api = Api(target)
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(api.sync, "BILL_SYNC", (bill, "T"), key=f"{bill}{turn}") for bill in bills for turn in range(5)
        ]
        statuses = Counter(call.result().status for call in calls)
    assert statuses == {201: 20, 400: 80}
    assert sorted(mark.object_id for mark in target.world.marks) == sorted(bills)
    assert len(target.log) == 101
