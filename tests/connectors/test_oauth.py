from __future__ import annotations

import base64
import threading
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from connectors._http import Api, HttpClient, by_status
from connectors._oauth import ClientCredentials, TokenKeeper
from engine.contract import Binding
from engine.errors import AuthRefused, BadAnswer, RateLimited, RunError, StoreBusy, Transient
from tests.connectors.http_kit import ManualClock, MemoryTokens, Script, everything_said, reply, tools

BASE = "https://api.example.com"
CREDENTIALS = ClientCredentials("canary-id", "canary-secret", "/token", ("bills:read", "vendors:read"), "ask the owner")


class Issuer:
    """Gives out numbered tokens."""

    def __init__(self, **payload: object) -> None:
        self.payload = payload
        self.count = 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.count += 1
        answer: dict[str, Any] = {
            "access_token": f"canary-tok-{self.count}",
            "expires_in": 864000,
            "token_type": "bearer",
        }
        answer["scope"] = "bills:read vendors:read"
        return reply(200, {k: v for k, v in {**answer, **self.payload}.items() if v is not None})


def keeper(
    script: Script,
    clock: ManualClock,
    tokens: MemoryTokens,
    credentials: ClientCredentials = CREDENTIALS,
    base: str = BASE,
) -> TokenKeeper:
    def judge(failure: Any) -> RunError:
        return by_status(failure, expired="", refused="")

    hosts = frozenset({"api.example.com", "sandbox.example.com"})
    handed = tools(script, clock, tokens)
    http = HttpClient(Binding("acme", "books"), handed, Api("Example", base, hosts, judge))
    return TokenKeeper(http, handed, credentials, "acme/books")


def bearer(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer canary-tok-{number}"}


def test_the_request_is_a_form_with_basic_credentials() -> None:
    script = Script(Issuer())
    assert keeper(script, ManualClock(), MemoryTokens()).authorization(("bills:read",)) == bearer(1)
    request = script.requests[0]
    assert (request.method, str(request.url)) == ("POST", f"{BASE}/token")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"canary-id:canary-secret"
    assert parse_qs(request.content.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["bills:read vendors:read"],
    }


def test_one_token_serves_until_shortly_before_it_expires_and_survives_a_restart() -> None:
    clock, tokens, script = ManualClock(), MemoryTokens(), Script(Issuer())
    one = keeper(script, clock, tokens)
    assert one.authorization() == one.authorization() == bearer(1)
    assert keeper(script, clock, tokens).authorization() == bearer(1)
    clock.elapsed_s = 864000 - 301
    assert one.authorization() == bearer(1)
    clock.elapsed_s = 864000 - 300
    assert one.authorization() == bearer(2)
    assert len(script.requests) == 2
    assert tokens.saved[-1] == {
        "access_token": "canary-tok-2",
        "issued_at": "2026-12-01T08:55:00.000000Z",
        "expires_at": "2026-12-11T08:55:00.000000Z",
        "scope": "bills:read vendors:read",
        "issued_for": CREDENTIALS.fingerprint(BASE),
    }


@pytest.mark.parametrize(
    ("expires_in", "lives_s"),
    [
        (3600, 3300),
        ("3600", 3300),
        (100, 90),
        (None, 540),
        (0, 540),
        (-5, 540),
        (True, 540),
        ("soon", 540),
        (10**12, 30 * 86400 - 300),
    ],
)
def test_lifetimes(expires_in: object, lives_s: int) -> None:
    clock, script = ManualClock(), Script(Issuer(expires_in=expires_in))
    tokens = keeper(script, clock, MemoryTokens())
    tokens.authorization()
    clock.elapsed_s = lives_s - 1
    assert tokens.authorization() == bearer(1)
    clock.elapsed_s = lives_s
    assert tokens.authorization() == bearer(2)


def test_a_token_is_durable_before_it_is_used() -> None:
    class Full(MemoryTokens):
        def save(self, token: Any) -> None:
            raise StoreBusy

    script = Script(Issuer())
    refused = keeper(script, ManualClock(), Full())
    for _ in range(2):
        with pytest.raises(StoreBusy):
            refused.authorization()
    assert len(script.requests) == 2  # the first one was never handed out


def test_a_token_of_another_app_host_or_scope_is_not_used() -> None:
    clock, tokens, script = ManualClock(), MemoryTokens(), Script(Issuer())
    keeper(script, clock, tokens).authorization()
    other = ClientCredentials("other-id", "canary-secret", "/token", CREDENTIALS.scopes, "")
    wider = ClientCredentials("canary-id", "canary-secret", "/token", (*CREDENTIALS.scopes, "users:read"), "")
    assert keeper(script, clock, tokens, other).authorization() == bearer(2)
    assert keeper(script, clock, tokens, wider).authorization() == bearer(3)
    assert keeper(script, clock, tokens, wider, "https://sandbox.example.com").authorization() == bearer(4)


@pytest.mark.parametrize(
    "saved", [{}, {"access_token": "x", "expires_at": "never", "issued_at": 7, "scope": ""}, {"access_token": 1}]
)
def test_a_damaged_saved_token_is_replaced(saved: dict[str, Any]) -> None:
    tokens, script = MemoryTokens(), Script(Issuer())
    tokens.saved.append({**saved, "issued_for": CREDENTIALS.fingerprint(BASE)})
    assert keeper(script, ManualClock(), tokens).authorization() == bearer(1)


def test_scopes_that_the_server_left_out_are_named_and_asked_for_again_later() -> None:
    issuer = Issuer(scope="vendors:read")
    clock, script = ManualClock(), Script(issuer)
    tokens = keeper(script, clock, MemoryTokens())
    for _ in range(3):
        with pytest.raises(AuthRefused) as caught:
            tokens.authorization(("bills:read", "users:read"))
        assert str(caught.value) == "acme/books: scopes that were not granted: bills:read, users:read"
        assert caught.value.hint == "ask the owner"
    assert len(script.requests) == 1
    assert tokens.granted() == {"vendors:read"}
    issuer.payload = {"scope": "bills:read users:read"}
    clock.elapsed_s = 61
    assert tokens.authorization(("bills:read", "users:read")) == bearer(2)


def test_an_answer_without_scope_grants_what_was_asked_for() -> None:
    tokens = keeper(Script(Issuer(scope=None)), ManualClock(), MemoryTokens())
    assert tokens.granted() == {"bills:read", "vendors:read"}


def test_a_refused_token_is_replaced_once_by_whoever_comes_first() -> None:
    clock, tokens, script = ManualClock(), MemoryTokens(), Script(Issuer())
    one, two = keeper(script, clock, tokens), keeper(script, clock, tokens)
    refused = one.authorization()
    assert two.authorization() == refused
    assert one.renew(refused) == bearer(2)
    assert two.renew(refused) == bearer(2)
    assert len(script.requests) == 2


def test_fifty_parallel_refusals_ask_for_one_token() -> None:
    clock, tokens, script = ManualClock(), MemoryTokens(), Script(Issuer())
    keepers = [keeper(script, clock, tokens) for _ in range(50)]
    refused = keepers[0].authorization()
    barrier = threading.Barrier(50)
    renewed: list[dict[str, str]] = []

    def renew(one: TokenKeeper) -> None:
        barrier.wait()
        renewed.append(one.renew(refused))

    threads = [threading.Thread(target=renew, args=(one,)) for one in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert renewed == [bearer(2)] * 50
    assert len(script.requests) == 2


REFUSALS: list[tuple[int, object, type[RunError], str]] = [
    (401, {"error": "invalid_client"}, AuthRefused, "the client id or secret is refused (invalid_client)"),
    (400, {"error": "unauthorized_client"}, AuthRefused, "the client id or secret is refused (unauthorized_client)"),
    (
        400,
        {"error": "invalid_scope", "error_description": "canary"},
        AuthRefused,
        "the app may not have some of these scopes: bills:read, vendors:read",
    ),
    (400, {"error_v2": {"message": "canary"}}, AuthRefused, "no token is given"),
    (403, None, AuthRefused, "no token is given"),
    (429, {}, RateLimited, "too many requests"),
    (503, {}, Transient, "the server failed"),
    (200, {"access_token": ""}, BadAnswer, "no usable `access_token` in the answer"),
    (200, {"access_token": "canary\r\nX-Evil: 1"}, BadAnswer, "no usable `access_token` in the answer"),
    (200, ["canary"], BadAnswer, "no usable `access_token` in the answer"),
    (200, {"access_token": "canary", "token_type": "mac"}, BadAnswer, "a token of another type than Bearer"),
]


@pytest.mark.parametrize(("status", "body", "kind", "text"), REFUSALS)
def test_refusals_say_what_to_do_and_show_no_secret(status: int, body: object, kind: type[RunError], text: str) -> None:
    tokens = MemoryTokens()
    with pytest.raises(RunError) as caught:
        keeper(Script(lambda _: reply(status, body)), ManualClock(), tokens).authorization()
    assert type(caught.value) is kind
    assert str(caught.value) == f"acme/books: POST /token: {status} (trace trace-1): {text}"
    assert "canary" not in everything_said(caught.value)
    assert tokens.saved == []


def test_nothing_shows_a_token_or_a_secret() -> None:
    one = keeper(Script(Issuer()), ManualClock(), MemoryTokens())
    one.authorization()
    held = one._held
    assert "canary" not in f"{one!r} {held!r} {CREDENTIALS!r}"
