"""Logins, sessions, limits and errors of the BILL simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors._simulated import ConnectionReset
from connectors.bill.simulator import BillSimulator, Fault, Options
from connectors.bill.simulator.world import PREFIX
from engine.contract import HttpCall
from engine.testing import FakeClock
from tests.connectors.bill.simulator_kit import Api, api, bill, clock_of, decoded, error, login, simulator
from tests.reference import reference

SESSION_INVALID = "Session is invalid.  Please log in."


def test_login_answers_with_the_documented_fields() -> None:
    target = simulator()
    assert decoded(login(target)) == {
        "organizationId": target.world.organization_id,
        "sessionId": target.world.names.__class__(7).text("session", 40),
        "trusted": False,
        "userId": target.world.user_id,
    }


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({"password": "no"}, {}, (401, "BDC_1101", "Invalid user name or password.")),
        ({"username": "no"}, {}, (401, "BDC_1101", "Invalid user name or password.")),
        ({"devKey": "no"}, {}, (401, "BDC_1102", "Invalid developer key.")),
        ({"organizationId": "no"}, {}, (401, "BDC_1105", "This organization is not available to the user.")),
        (
            {"organizationId": "no"},
            {"stranger_code": "BDC_1101"},
            (401, "BDC_1101", "This organization is not available to the user."),
        ),
        ({}, {"api_access": "not_enabled"}, (401, "BDC_1105", "The API is not enabled for this organization.")),
        ({}, {"api_access": "not_supported"}, (401, "BDC_1121", "The API is not supported for this organization.")),
        ({"password": "no"}, {"login_status": 400}, (400, "BDC_1101", "Invalid user name or password.")),
        ({"password": None}, {}, (400, None, "password: must not be null")),
    ],
)
def test_refused_logins(changes: dict[str, Any], options: dict[str, Any], expected: tuple[int, str, str]) -> None:
    assert error(login(simulator(**options), **changes)) == expected


def test_login_that_is_no_json() -> None:
    reply = simulator().handle(HttpCall("POST", f"{PREFIX}/login", "", {}, b"{"))
    assert error(reply) == (400, None, "The request body could not be read.")


def test_login_cap_counts_in_hours_of_the_clock() -> None:
    target = simulator(logins_an_hour=2, limit_status=422)
    clock_of(target).advance("+30m")
    assert [login(target).status for _ in range(3)] == [200, 200, 422]
    assert error(login(target)) == (422, "BDC_1144", "Max number of allowed requests per hour reached: 2.")
    clock_of(target).advance("+29m")
    assert login(target).status == 422
    clock_of(target).advance("+1m")
    assert login(target).status == 200


def test_the_cap_is_200_unless_told_otherwise() -> None:
    target = simulator()
    assert [login(target, password="no").status for _ in range(200)] == [401] * 200
    assert error(login(target))[1] == "BDC_1144"


def test_session_slides() -> None:
    client = api()
    for _ in range(3):
        clock_of(client.simulator).advance("+34m59s")
        assert client.call("GET", "/login/session").status == 200
    clock_of(client.simulator).advance("+35m")
    assert error(client.call("GET", "/login/session")) == (401, "BDC_1109", SESSION_INVALID)
    # An expired session does not come back to life.
    assert client.call("GET", "/login/session").status == 401


def test_session_tells_who_it_is() -> None:
    client = api()
    world = client.simulator.world
    assert client.get("/login/session") == {
        "organizationId": world.organization_id,
        "userId": world.user_id,
        "mfaStatus": "DISABLED",
        "mfaBypass": False,
    }


def test_logout_ends_the_session() -> None:
    client = api()
    assert client.ok("POST", "/logout") == {}
    assert error(client.call("GET", "/bills")) == (401, "BDC_1109", SESSION_INVALID)


def test_a_wrong_key_with_a_good_session() -> None:
    client = api()
    headers = {"sessionid": client.session, "devkey": "another"}
    reply = client.simulator.handle(HttpCall("GET", f"{PREFIX}/bills", "", headers, b""))
    assert error(reply) == (401, "BDC_1102", "Invalid developer key.")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("1109", (401, "BDC_1109", SESSION_INVALID)),
        ("1361", (403, "BDC_1361", SESSION_INVALID)),
        ("gateway", (401, None, "Unauthorized")),
        ("no_code", (401, None, SESSION_INVALID)),
    ],
)
def test_ways_to_say_that_a_session_expired(kind: str, expected: tuple[int, str, str]) -> None:
    client = api(expired_as=kind)
    client.simulator.expire_sessions()
    reply = client.call("GET", "/bills")
    assert error(reply) == expected
    assert isinstance(decoded(reply), dict) is (kind == "gateway")


@pytest.mark.parametrize(("one_session", "status"), [(False, 200), (True, 401)])
def test_a_second_login_and_the_first_session(one_session: bool, status: int) -> None:
    client = api(one_session=one_session)
    Api(client.simulator)
    assert client.call("GET", "/bills").status == status


def test_error_bodies_have_the_shape_of_the_reference() -> None:
    samples = json.loads(reference("bill", "errors.json").read_text(encoding="utf-8"))
    client = api()
    client.simulator.expire_sessions()
    ours = decoded(client.call("GET", "/bills"))
    theirs = samples["session_invalid"]["body"]
    assert {name: value for name, value in ours[0].items() if name != "timestamp"} == {
        name: value for name, value in theirs[0].items() if name != "timestamp"
    }
    client = api(calls_an_hour=20_000)
    client.simulator.faults.add(Fault("hourly_limit", at=(0,)))
    limit = decoded(client.call("GET", "/bills"))
    client.simulator.faults.add(Fault("concurrency_limit", at=(0,)))
    at_once = decoded(client.call("GET", "/bills"))
    assert (limit[0]["code"], limit[0]["message"]) == (
        samples["hourly_limit"]["body"][0]["code"],
        samples["hourly_limit"]["body"][0]["message"],
    )
    assert (at_once[0]["code"], at_once[0]["message"]) == (
        samples["concurrency"]["body"][0]["code"],
        samples["concurrency"]["body"][0]["message"],
    )


# --- limits -----------------------------------------------------------------------------------------------------------


class NestingClock(FakeClock):
    """While one call waits, the next one is made: calls at once without a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.then: list[Any] = []

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.then:
            self.then.pop()()


def test_three_at_once() -> None:
    clock = NestingClock()
    target = BillSimulator(7, clock, options=Options(limit_status=400))
    client = Api(target)
    target.world.options = Options(limit_status=400, latency_s=1.0)
    replies: list[tuple[int, str | None]] = []

    def again() -> None:
        reply = client.call("GET", "/bills")
        replies.append((reply.status, decoded(reply)[0]["code"] if reply.status != 200 else None))

    clock.then = [again, again, again]
    again()
    assert replies == [(400, "BDC_1322"), (200, None), (200, None), (200, None)]
    assert target.tally.most_at_once == 4
    assert target.tally.under_way == 0


def test_hourly_budget_resets_at_the_full_hour() -> None:
    client = api(calls_an_hour=3)
    assert [client.call("GET", "/bills").status for _ in range(3)] == [200, 200, 422]
    clock_of(client.simulator).advance("+1h")
    client = Api(client.simulator)
    assert client.call("GET", "/bills").status == 200


@pytest.mark.parametrize("status", [400, 403, 422, 429, 503])
def test_limits_come_with_any_status(status: int) -> None:
    client = api(limit_status=status, calls_an_hour=1)
    message = "Max number of allowed requests per hour reached: 1."
    assert error(client.call("GET", "/bills")) == (status, "BDC_1144", message)


def test_tally_counts_by_kind() -> None:
    client = api()
    one = bill(client.simulator)
    client.get("/bills")
    client.get(f"/bills/{one}")
    client.get(f"/bills/{one}")
    client.call("GET", "/nothing")
    tally = client.simulator.tally
    assert dict(tally.kinds) == {"POST /login": 1, "GET /bills": 1, "GET /bills/{}": 2, "GET ?": 1}
    assert (tally.total, tally.most_at_once) == (5, 1)


# --- trust ------------------------------------------------------------------------------------------------------------


def payment_body(client: Api, bill_id: str) -> dict[str, Any]:
    vendor_id = client.simulator.world.bills[bill_id].vendor_id
    return {"vendorId": vendor_id, "billId": bill_id, "amount": 10, "processDate": "2026-03-02"}


def test_a_payment_needs_trust() -> None:
    client = api()
    one = bill(client.simulator)
    body = payment_body(client, one)
    assert error(client.call("POST", "/payments", body)) == (403, "BDC_1361", "Untrusted session")
    refused = client.call("POST", "/mfa/step-up", {"rememberMeId": "no", "device": "here"})
    assert error(refused) == (400, "BDC_1356", "The MFA code has expired.")
    good = {"rememberMeId": "sandbox-remembered-device", "device": "here"}
    assert client.ok("POST", "/mfa/step-up", good) == {"trusted": True}
    made = client.ok("POST", "/payments", {**body, "description": "by hand"})
    assert (made["status"], made["amount"], made["description"]) == ("SCHEDULED", 10, "by hand")


def test_a_login_with_a_known_device_is_trusted() -> None:
    client = Api(simulator(), rememberMeId="sandbox-remembered-device", device="here")
    one = bill(client.simulator)
    assert client.call("POST", "/payments", payment_body(client, one)).status == 201


# --- faults -----------------------------------------------------------------------------------------------------------


def faulty(name: Any, **where: Any) -> Api:
    client = api()
    bill(client.simulator)
    client.simulator.faults.add(Fault(name, at=(1,), **where))
    assert client.call("GET", "/bills").status == 200
    return client


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("session_expired", (401, "BDC_1109", SESSION_INVALID)),
        ("hourly_limit", (422, "BDC_1144", "Max number of allowed requests per hour reached: 20000.")),
        ("concurrency_limit", (422, "BDC_1322", "Max number of concurrent requests per organization reached.")),
        ("throttled", (429, None, "Too Many Requests")),
        ("server_error", (500, "BDC_1001", "An internal error has occurred.")),
        ("gateway_error", (503, None, "Service Unavailable")),
        ("timeout_before", (504, None, "Endpoint request timed out")),
        ("timeout_after", (504, None, "Endpoint request timed out")),
    ],
)
def test_faults_that_answer(name: str, expected: tuple[int, str, str]) -> None:
    client = faulty(name)
    assert error(client.call("GET", "/bills")) == expected
    assert client.simulator.faults.counts == {name: 1}
    if name != "session_expired":
        assert client.call("GET", "/bills").status == 200


def raw(client: Api, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    headers = {"sessionid": client.session, "devkey": client.simulator.world.options.dev_key}
    data = b"" if body is None else json.dumps(body).encode()
    reply = client.simulator.handle(HttpCall(method, f"{PREFIX}{path}", "", headers, data))
    return reply.status, reply.body


def test_answers_that_cannot_be_read() -> None:
    whole = raw(faulty("slow", path="/nothing"), "GET", "/bills")[1]
    assert raw(faulty("truncated"), "GET", "/bills") == (200, whole[: len(whole) // 2])
    assert raw(faulty("bad_json"), "GET", "/bills") == (200, whole.replace(b":", b"=", 1))
    status, html = raw(faulty("html_error"), "GET", "/bills")
    assert (status, html[:9]) == (502, b"<!doctype")


def test_a_slow_answer_takes_its_time() -> None:
    client = faulty("slow", seconds=12.0)
    before = client.simulator.clock.monotonic()
    assert client.call("GET", "/bills").status == 200
    assert client.simulator.clock.monotonic() - before == 12.0


@pytest.mark.parametrize(
    ("name", "done"),
    [("timeout_before", 0), ("reset_before", 0), ("timeout_after", 1), ("reset_after", 1), ("truncated", 1)],
)
def test_what_became_of_a_write_whose_answer_is_lost(name: Any, done: int) -> None:
    client = api(faults=[Fault(name, at=(0,), path="/vendors")])
    body = {"name": "Acme", "address": {"line1": "1 Main St"}}
    if name.startswith("reset"):
        text = r"^the simulated connection was closed during POST /connect/v3/vendors$"
        with pytest.raises(ConnectionReset, match=text):
            raw(client, "POST", "/vendors", body)
    else:
        raw(client, "POST", "/vendors", body)
    assert len(client.simulator.world.vendors) == done
    assert client.simulator.log[-1].fault == name


def test_a_session_that_was_never_used_does_not_expire_at_once() -> None:
    client = api(faults=[Fault("session_expired", probability=1.0, path="/bills")])
    assert client.call("GET", "/bills").status == 200
    assert client.call("GET", "/bills").status == 401


def test_same_seed_same_faults() -> None:
    def statuses() -> list[int]:
        client = api(faults=[Fault("server_error", probability=0.3, path="/vendors")])
        return [client.call("GET", "/vendors").status for _ in range(20)]

    first = statuses()
    assert statuses() == first
    assert {200, 500} == set(first)


def test_an_unknown_path() -> None:
    assert error(api().call("GET", "/nothing")) == (404, None, "Not Found")
