from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import httpx
import pytest

from connectors.bill.errors import until_full_hour_s
from engine.abilities import Tried
from engine.contract import Rate
from engine.errors import (
    Ambiguous,
    AuthRefused,
    BadAnswer,
    RateLimited,
    Rejected,
    RunError,
    StoreBusy,
    Transient,
)
from tests.connectors.bill.bill_kit import ORG, SECRETS, FakeBill, bill, binding, error, errors, ids, named, operation
from tests.connectors.http_kit import everything_said, reply

BILLS = [bill(n) for n in range(1, 8)]
ALL = [row["id"] for row in BILLS]
EXPIRED = error("BDC_1109", "Session is invalid.  Please log in.", category="DOWNSTREAM")
CANARIES = ("canary", *SECRETS.values(), ORG)


def html(status: int) -> httpx.Response:
    return httpx.Response(status, html="<h1>canary-body</h1>")


def said(caught: pytest.ExceptionInfo[RunError]) -> str:
    text = everything_said(caught.value)
    assert not [canary for canary in CANARIES if canary in text]
    return str(caught.value)


def at_call(number: int, answer: Callable[[], httpx.Response]) -> Callable[[httpx.Request], httpx.Response | None]:
    count = 0

    def strike(_: httpx.Request) -> httpx.Response | None:
        nonlocal count
        count += 1
        return answer() if count == number else None

    return strike


def test_it_signs_in_once_and_sends_session_and_key() -> None:
    fake = FakeBill(bills=BILLS)
    assert ids(list(fake.open().read("bills", {}, None))) == ALL
    assert fake.logins == [
        {
            "username": "user-canary@acme.example",
            "password": "pass-canary",
            "organizationId": ORG,
            "devKey": "devkey-canary",
        }
    ]
    first, second, *_ = fake.script.requests
    assert (first.method, str(first.url)) == ("POST", "https://gateway.prod.bill.com/connect/v3/login")
    assert "sessionId" not in first.headers
    assert (second.headers["sessionId"], second.headers["devKey"]) == ("session-canary-1", "devkey-canary")


def test_limits_are_asked_for_by_organization_and_logins_by_key() -> None:
    fake = FakeBill(bills=BILLS)
    list(fake.open().read("bills", {}, None))
    calls = f"bill:{hashlib.sha256(ORG.encode()).hexdigest()[:16]}"
    logins = f"bill-login:{hashlib.sha256(b'devkey-canary').hexdigest()[:16]}"
    assert fake.limits.asked == [
        (logins, (Rate(180, 3600.0),), 0),
        *[(calls, (Rate(18_000, 3600.0),), 3)] * 5,
    ]
    assert fake.limits.most_under_way == 2  # the login counts as a call too


def test_a_second_process_uses_the_saved_session() -> None:
    fake = FakeBill(bills=BILLS)
    list(fake.open().read("bills", {}, None))
    assert ids(list(fake.open().read("bills", {}, None))) == ALL
    assert len(fake.logins) == 1
    assert fake.tokens.saved == [
        {
            "session_id": "session-canary-1",
            "used_at": "2026-11-21T09:00:00.000000Z",
            "issued_for": fake.tokens.saved[0]["issued_for"],
        }
    ]


@pytest.mark.parametrize(
    "other", [{"environment": "sandbox"}, {"username": "other@acme.example"}, {"organization_id": "00801OTHER"}]
)
def test_a_session_of_others_is_never_used(other: dict[str, str]) -> None:
    fake = FakeBill(bills=BILLS)
    list(fake.open().read("bills", {}, None))
    fake.at_login = lambda _: reply(200, {"sessionId": "session-canary-9"})
    assert ids(list(fake.open(**other).read("bills", {}, None))) == ALL
    assert len(fake.logins) == 2


def test_the_lock_is_held_while_signing_in() -> None:
    fake = FakeBill(bills=BILLS)
    held: list[bool] = []

    def look(_: httpx.Request) -> None:
        held.append(fake.tokens._lock.locked())

    fake.at_login = look
    list(fake.open().read("bills", {}, None))
    assert held == [True]


def test_another_process_that_signed_in_meanwhile_saves_us_a_login() -> None:
    fake = FakeBill(bills=BILLS)
    ours = fake.open()
    list(ours.read("bills", {}, None))
    theirs = fake.open()
    fake.before = lambda r: errors(401, EXPIRED) if r.headers["sessionId"] == "session-canary-1" else None
    assert ids(list(theirs.read("bills", {}, None))) == ALL
    assert ids(list(ours.read("bills", {}, None))) == ALL
    assert len(fake.logins) == 2


def test_a_session_is_kept_alive_by_use_and_given_up_when_idle() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    for _ in range(8):
        assert ids(list(source.read("bills", {}, None))) == ALL
        fake.clock.elapsed_s += 20 * 60
    assert len(fake.logins) == 1
    # Every other process knows that it was in use.
    assert ids(list(fake.open().read("bills", {}, None))) == ALL
    assert len(fake.logins) == 1
    fake.clock.elapsed_s += 35 * 60
    assert ids(list(source.read("bills", {}, None))) == ALL
    assert len(fake.logins) == 2
    assert len(fake.calls()) == 10 * 4  # no call was wasted on the session that had ended


def test_the_use_of_a_session_is_saved_at_most_every_five_minutes() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    for _ in range(10):
        list(source.read("bills", {}, None))
        fake.clock.elapsed_s += 60
    assert [saved["used_at"][11:16] for saved in fake.tokens.saved] == ["09:00", "09:05"]


def test_the_session_of_another_process_is_not_overwritten_with_ours() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    list(source.read("bills", {}, None))
    theirs = {**fake.tokens.saved[0], "session_id": "session-canary-2"}
    with fake.tokens.lock():
        fake.tokens.save(theirs)
    fake.clock.elapsed_s += 600
    list(source.read("bills", {}, None))
    assert fake.tokens.load() == theirs


def test_a_call_that_went_well_is_not_lost_when_the_others_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    list(source.read("bills", {}, None))
    fake.clock.elapsed_s += 600

    def busy(_tokens: object) -> None:
        raise StoreBusy("another process is asking for a token")

    monkeypatch.setattr(type(fake.tokens), "lock", busy)
    assert len([row for page in source.read("bills", {}, None) for row in page.records]) == len(BILLS)


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"session_id": "session-canary-7"},
        {"session_id": "session-canary-7", "used_at": "yesterday"},
        {"session_id": "session-canary-7", "used_at": 7},
    ],
)
def test_what_another_version_saved_is_not_used(saved: dict[str, object]) -> None:
    fake = FakeBill(bills=BILLS)
    list(fake.open().read("bills", {}, None))
    owner = fake.tokens.saved[0]["issued_for"]
    with fake.tokens.lock():
        fake.tokens.save({**saved, "issued_for": owner})
    list(fake.open().read("bills", {}, None))
    assert len(fake.logins) == 2


def test_a_session_from_the_future_is_not_used() -> None:
    fake = FakeBill(bills=BILLS)
    fake.clock.elapsed_s += 86_400
    list(fake.open().read("bills", {}, None))
    fake.clock.elapsed_s -= 86_400
    list(fake.open().read("bills", {}, None))
    assert len(fake.logins) == 2


ENDED: list[Callable[[], httpx.Response]] = [
    lambda: errors(401, EXPIRED),
    lambda: errors(403, EXPIRED),
    lambda: errors(400, EXPIRED),
    lambda: errors(500, EXPIRED),
    lambda: errors(200, EXPIRED),
    lambda: errors(403, error("BDC_1361", "Session has ended")),
    lambda: reply(401, {"message": "Unauthorized"}),
    lambda: reply(401, []),
    lambda: reply(401, None),
    lambda: errors(401, error("BDC_9999")),
    lambda: html(401),
    lambda: httpx.Response(401),
]


@pytest.mark.parametrize("ended", ENDED)
@pytest.mark.parametrize("number", range(1, 6))
def test_a_session_that_ends_at_any_call_costs_one_login_and_no_record(
    ended: Callable[[], httpx.Response], number: int
) -> None:
    fake = FakeBill(bills=BILLS)
    fake.before = at_call(number, ended)
    assert ids(list(fake.open().read("bills", {}, None))) == ALL
    ends = number <= 4
    assert (len(fake.logins), len(fake.calls())) == ((2, 5) if ends else (1, 4))


@pytest.mark.parametrize("ended", ENDED)
def test_a_new_session_that_is_refused_too_is_no_reason_to_sign_in_again_and_again(
    ended: Callable[[], httpx.Response],
) -> None:
    fake = FakeBill(bills=BILLS)
    fake.before = lambda _: ended()
    with pytest.raises(AuthRefused) as caught:
        list(fake.open().read("bills", {}, None))
    assert said(caught).startswith("acme/bill: GET /connect/v3/bills: ")
    assert ": the session is not accepted" in str(caught.value)
    assert str(caught.value).endswith(", and it is new")
    assert (len(fake.logins), len(fake.calls())) == (2, 2)


CODES = [
    ("BDC_1101", "the user name or the password is wrong"),
    ("BDC_1102", "the developer key is wrong, or belongs to the other environment"),
    ("BDC_1105", "the organization has no access to the API"),
    ("BDC_1121", "the organization's plan does not include the API"),
    ("BDC_1356", "the code of the second sign-in step has expired"),
    ("BDC_1109", "the login is refused"),
    ("BDC_1205", "the login is refused"),
    ("BDC_4711", "the login is refused"),
]


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(("code", "text"), CODES)
def test_a_refused_login_is_said_in_words_and_tried_once(code: str, text: str, status: int) -> None:
    fake = FakeBill(bills=BILLS)
    fake.at_login = lambda _: errors(status, error(code, "canary user-canary@acme.example"))
    with pytest.raises(AuthRefused) as caught:
        list(fake.open().read("bills", {}, None))
    expected = f"acme/bill: POST /connect/v3/login: {status} (trace trace-1): {text}"
    assert said(caught) == f"{expected} ({code})"
    assert caught.value.hint
    assert (len(fake.logins), [set(token) for token in fake.tokens.saved]) == (1, [REFUSED])
    kept = json.dumps(fake.tokens.saved)
    assert "canary" not in kept


REFUSED = {"refused", "refused_at", "times", "says", "hint"}


def refused_at(fake: FakeBill, minutes: Sequence[int], secrets: Mapping[str, str] = SECRETS) -> list[str]:
    """What is said at these minutes, each after the one before; every time by another process."""
    told = []
    for pause in minutes:
        fake.clock.sleep(60.0 * pause)
        with pytest.raises(AuthRefused) as caught:
            list(fake.open(secrets).read("bills", {}, None))
        told.append(said(caught))
    return told


def test_refused_credentials_are_not_sent_again_before_a_pause_that_grows() -> None:
    fake = FakeBill(bills=BILLS)
    fake.at_login = lambda _: errors(401, error("BDC_1101", "canary"))
    text = "acme/bill: POST /connect/v3/login: 401 (trace trace-1): the user name or the password is wrong (BDC_1101)"
    wait = "; the same credentials are not sent again before 2026-11-21 "
    assert refused_at(fake, [0, 0, 4]) == [text, f"{text}{wait}09:05 UTC", f"{text}{wait}09:05 UTC"]
    assert len(fake.logins) == 1
    assert refused_at(fake, [1, 9]) == [text, f"{text}{wait}09:15 UTC"]
    assert refused_at(fake, [1, 19, 1, 39, 1, 59, 1, 59]) == [
        text, f"{text}{wait}09:35 UTC", text, f"{text}{wait}10:15 UTC", text, f"{text}{wait}11:15 UTC",
        text, f"{text}{wait}12:15 UTC",
    ]  # fmt: skip
    assert len(fake.logins) == 6


def test_other_credentials_are_sent_at_once_and_a_login_that_goes_well_ends_the_pause() -> None:
    fake = FakeBill(bills=BILLS)
    fake.at_login = lambda _: errors(401, error("BDC_1101", "canary"))
    refused_at(fake, [0])
    fake.at_login = lambda _: None
    assert ids(list(fake.open({**SECRETS, "password": "other-canary"}).read("bills", {}, None))) == ALL
    assert len(fake.logins) == 2
    assert set(fake.tokens.saved[-1]) == {"session_id", "used_at", "issued_for"}


def test_a_refusal_from_a_clock_that_was_ahead_or_of_another_version_counts_for_nothing() -> None:
    fake = FakeBill(bills=BILLS)
    fake.at_login = lambda _: errors(401, error("BDC_1101", "canary"))
    refused_at(fake, [0])
    (kept,) = fake.tokens.saved
    for odd in ({"refused_at": "2026-11-21T10:00:00.000000Z"}, {"refused_at": 7}, {"times": "x"}, {"times": None}):
        fake.tokens.saved.append({**kept, **odd})
        refused_at(fake, [0])
    assert len(fake.logins) == 5


LOGIN_ANSWERS: list[tuple[Callable[[], httpx.Response], type[RunError], str]] = [
    (lambda: reply(401, {"message": "canary"}), AuthRefused, "401 (trace trace-1): the login is refused"),
    (
        lambda: errors(400, {"message": "canary", "severity": "ERROR"}),
        AuthRefused,
        "400 (trace trace-1): the login is refused",
    ),
    (lambda: html(401), AuthRefused, "401: the login is refused"),
    (lambda: html(403), BadAnswer, "403: refused with a page that is no answer of BILL's API"),
    (lambda: html(502), Transient, "502: the server failed"),
    (lambda: html(200), BadAnswer, "200: the answer cannot be trusted: an HTML page instead of JSON"),
    (lambda: reply(200, []), BadAnswer, "200 (trace trace-1): no usable `sessionId` in the answer"),
    (lambda: reply(200, {}), BadAnswer, "200 (trace trace-1): no usable `sessionId` in the answer"),
    (lambda: reply(200, {"sessionId": 7}), BadAnswer, "200 (trace trace-1): no usable `sessionId` in the answer"),
    (
        lambda: reply(200, {"sessionId": "canary\r\nX: 1"}),
        BadAnswer,
        "200 (trace trace-1): no usable `sessionId` in the answer",
    ),
    (
        lambda: reply(200, {"sessionId": "canary", "organizationId": "00801CANARYOTHER"}),
        BadAnswer,
        "200 (trace trace-1): the session is of another organization than was asked for",
    ),
    (
        lambda: errors(400, error("BDC_1144", "Max number of allowed requests per hour reached: 200.")),
        RateLimited,
        "400 (trace trace-1): as many calls as BILL allows in an hour were made (BDC_1144)",
    ),
]


@pytest.mark.parametrize(("answer", "kind", "text"), LOGIN_ANSWERS)
def test_other_answers_to_a_login(answer: Callable[[], httpx.Response], kind: type[RunError], text: str) -> None:
    fake = FakeBill(bills=BILLS)
    fake.at_login = lambda _: answer()
    with pytest.raises(RunError) as caught:
        list(fake.open().read("bills", {}, None))
    assert type(caught.value) is kind
    assert said(caught) == f"acme/bill: POST /connect/v3/login: {text}"
    assert [set(token) for token in fake.tokens.saved] == ([REFUSED] if kind is AuthRefused else [])


def test_a_lost_answer_to_a_login_is_no_doubt_about_a_write() -> None:
    fake = FakeBill()

    def lose(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("canary")

    fake.at_login = lose
    with pytest.raises(Transient) as caught:
        fake.open().write(operation())
    assert said(caught) == "acme/bill: POST /connect/v3/login: the answer was lost (ReadTimeout)"


STATUSES = [200, 400, 401, 403, 404, 409, 422, 429, 500, 503]


@pytest.mark.parametrize("status", STATUSES)
def test_the_hourly_limit_is_known_by_its_code_at_any_status(status: int) -> None:
    fake = FakeBill(bills=BILLS)
    fake.clock.elapsed_s = 17 * 60 + 30
    fake.before = lambda _: errors(status, error("BDC_1144", "Max number of allowed requests per hour reached: 20000."))
    with pytest.raises(RateLimited) as caught:
        list(fake.open().read("bills", {}, None))
    where = f"acme/bill: GET /connect/v3/bills: {status} (trace trace-1)"
    assert said(caught) == f"{where}: as many calls as BILL allows in an hour were made (BDC_1144)"
    assert caught.value.retry_after_s == 42 * 60 + 30 + 5
    assert len(fake.logins) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_the_limit_of_calls_at_once_is_known_by_its_code_at_any_status(status: int) -> None:
    fake = FakeBill()
    fake.before = lambda _: errors(
        status, error("BDC_1322", "Max number of concurrent requests per organization reached.")
    )
    waits = []
    for _ in range(8):
        with pytest.raises(RateLimited) as caught:
            fake.open().write(operation())
        waits.append(caught.value.retry_after_s or 0.0)
        where = f"acme/bill: POST /connect/v3/vendors: {status} (trace trace-1)"
        assert said(caught) == f"{where}: BILL answers no more calls of the organization at once (BDC_1322)"
    assert all(2.0 <= wait < 4.0 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize(
    ("now", "wait_s"),
    [("09:00:00", 3605.0), ("09:00:01", 3604.0), ("09:59:59", 6.0), ("23:30:00", 1805.0)],
)
def test_the_wait_until_bill_counts_anew(now: str, wait_s: float) -> None:
    hour, minute, second = (int(part) for part in now.split(":"))
    assert until_full_hour_s(datetime(2026, 11, 21, hour, minute, second, tzinfo=UTC)) == wait_s


UNTRUSTED = error("BDC_1361", "Untrusted session")
BODIES: list[tuple[Callable[[], httpx.Response], type[RunError], str]] = [
    (
        lambda: errors(403, UNTRUSTED),
        AuthRefused,
        "403 (trace trace-1): only a session with a second sign-in step may do this (BDC_1361)",
    ),
    (lambda: errors(403, error("BDC_5555")), AuthRefused, "403 (trace trace-1): not permitted (BDC_5555)"),
    (lambda: reply(403, {"message": "canary"}), AuthRefused, "403 (trace trace-1): not permitted"),
    (
        lambda: errors(400, {"message": "canary: must not be null", "severity": "ERROR"}),
        Rejected,
        "400 (trace trace-1): refused",
    ),
    (
        lambda: errors(
            400,
            error("BDC_2000", params=[{"name": "max", "value": "canary"}, {"name": "canary body!", "value": 1}, 7]),
            error("BDC_2001", params=[{"name": "invoice.invoiceDate"}]),
            error("", params="canary"),
        ),
        Rejected,
        "400 (trace trace-1): refused (BDC_2000; fields max, invoice.invoiceDate)",
    ),
    (
        lambda: reply(400, {"message": "canary", "code": "BDC_2002"}),
        Rejected,
        "400 (trace trace-1): refused (BDC_2002)",
    ),
    (lambda: reply(400, {"code": "canary"}), Rejected, "400 (trace trace-1): refused"),
    (lambda: reply(400, ["canary", 7]), Rejected, "400 (trace trace-1): refused"),
    (lambda: reply(400, "canary"), Rejected, "400 (trace trace-1): refused"),
    (
        lambda: errors(400, error("BDC_1109", severity="WARNING"), error("BDC_2003")),
        Rejected,
        "400 (trace trace-1): refused (BDC_2003)",
    ),
    (
        lambda: errors(422, error("BDC_1102")),
        AuthRefused,
        "422 (trace trace-1): the developer key is wrong, or belongs to the other environment (BDC_1102)",
    ),
    (lambda: errors(404, error("BDC_1205")), Rejected, "404 (trace trace-1): there is no such object (BDC_1205)"),
    (lambda: reply(404, {"message": "canary"}), Rejected, "404 (trace trace-1): refused"),
    (lambda: errors(200, error("BDC_2004")), Rejected, "200 (trace trace-1): refused (BDC_2004)"),
    (lambda: errors(200, error("")), Rejected, "200 (trace trace-1): refused"),
    (lambda: html(400), BadAnswer, "400: refused with a page that is no answer of BILL's API"),
    (lambda: html(403), BadAnswer, "403: refused with a page that is no answer of BILL's API"),
    (lambda: html(404), BadAnswer, "404: refused with a page that is no answer of BILL's API"),
    (lambda: reply(408, []), Transient, "408 (trace trace-1): the server asks to try again"),
    (lambda: html(429), RateLimited, "429: too many requests"),
    (lambda: errors(500, error("BDC_2005")), Transient, "500 (trace trace-1): the server failed"),
    (lambda: html(503), Transient, "503: the server failed"),
    (
        lambda: reply(302, None, {"Location": "https://evil.example/"}),
        BadAnswer,
        "302 (trace trace-1): a redirect, which is never followed",
    ),
]


@pytest.mark.parametrize(("body", "kind", "text"), BODIES)
@pytest.mark.parametrize("number", [1, 3])
def test_errors_of_every_shape_are_sorted_by_what_to_do(
    body: Callable[[], httpx.Response], kind: type[RunError], text: str, number: int
) -> None:
    fake = FakeBill(bills=BILLS)
    fake.before = at_call(number, body)
    with pytest.raises(RunError) as caught:
        list(fake.open().read("bills", {}, None))
    assert issubclass(caught.type, Rejected) if kind is Rejected else caught.type is kind
    assert said(caught) == f"acme/bill: GET /connect/v3/bills: {text}"
    assert len(fake.logins) == 1


def test_a_write_that_fails_on_the_server_is_in_doubt() -> None:
    for answer, kind, text in (
        (
            errors(500, error("BDC_2005")),
            Ambiguous,
            "500 (trace trace-1): the server failed and may or may not have done it",
        ),
        (
            errors(200, error("")),
            Ambiguous,
            "200 (trace trace-1): an error that came with a success; it may or may not have been done",
        ),
        (errors(200, error("BDC_2006")), Rejected, "200 (trace trace-1): refused (BDC_2006)"),
        (errors(400, error("", "no")), Rejected, "400 (trace trace-1): refused: no"),
    ):
        fake = FakeBill()
        fake.before = lambda _, answer=answer: answer  # type: ignore[misc]
        with pytest.raises(RunError) as caught:
            fake.open().write(operation())
        assert caught.type is kind
        assert said(caught) == f"acme/bill: POST /connect/v3/vendors: {text}"


def test_nothing_secret_shows_in_what_is_open() -> None:
    fake = FakeBill(bills=BILLS)
    source = fake.open()
    list(source.read("bills", {}, None))
    keeper = source._client._sessions
    shown = [repr(part) for part in (source, source._client, keeper, keeper._held, source._settings, binding())]
    assert "session-canary" not in "".join(shown)
    assert not [text for text in shown for secret in SECRETS.values() if secret in text]


def test_to_try_the_credentials_is_to_sign_in_anew_and_read_one_vendor() -> None:
    fake = FakeBill(1, vendors=[named(f"009{n:017d}", "Acme") for n in range(2)])
    list(fake.open().read("vendors", {}, None))
    fake.script.requests.clear()
    source = fake.open()
    assert isinstance(source, Tried)
    assert source.tried() == f"organization {ORG} can be read"
    login, page = fake.script.requests
    assert (login.url.path, page.url.path) == ("/connect/v3/login", "/connect/v3/vendors")
    assert (dict(page.url.params), page.headers["sessionId"]) == ({"max": "1"}, "session-canary-2")
    list(fake.open().read("vendors", {}, None))
    assert len(fake.logins) == 2


def test_a_wrong_password_shows_when_it_is_tried_whatever_session_is_saved() -> None:
    fake = FakeBill(bills=BILLS)
    list(fake.open().read("bills", {}, None))
    fake.at_login = lambda _: errors(401, error("BDC_1101"))
    with pytest.raises(AuthRefused) as caught:
        fake.open().tried()
    assert said(caught) == (
        "acme/bill: POST /connect/v3/login: 401 (trace trace-1): the user name or the password is wrong (BDC_1101)"
    )
    assert caught.value.hint == (
        "check user name, password, organization, developer key and environment with `flowctl connect`"
    )
    assert ids(list(fake.open().read("bills", {}, None))) == ALL  # the session that was saved is still used


def test_a_dead_host_shows_when_it_is_tried() -> None:
    def dead(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("canary")

    fake = FakeBill()
    fake.at_login = dead
    with pytest.raises(Transient) as caught:
        fake.open().tried()
    assert said(caught) == "acme/bill: POST /connect/v3/login: no connection (ConnectError)"


def test_a_user_who_may_not_read_vendors_shows_when_it_is_tried() -> None:
    fake = FakeBill()
    fake.before = lambda _: errors(403, error(""))
    with pytest.raises(AuthRefused) as caught:
        fake.open().tried()
    assert said(caught) == "acme/bill: GET /connect/v3/vendors: 403 (trace trace-1): not permitted"
