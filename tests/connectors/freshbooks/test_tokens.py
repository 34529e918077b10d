"""Tokens: a refresh token is good once, so it is saved before anything else, and whoever loses it is told what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.simulator import Fault
from engine.contract import Json
from engine.errors import AuthRefused, BadAnswer, Transient
from tests.connectors.freshbooks.freshbooks_kit import Place, opened, reply
from tests.connectors.http_kit import MemoryTokens, everything_said

AGAIN = (
    "run `flowctl connect freshbooks --company acme` and allow it on FreshBooks' page once more; nothing is lost, reading "
    "goes on where it stopped"
)
HALF_DAY_S = 43_200
TOKEN = "acme/freshbooks: POST /auth/oauth/token: 401"


class Killed(BaseException):
    """The process ends here."""


def read(place: Place, **settings: Any) -> None:
    with opened(place, **settings) as connection:
        list(connection.read("bills", {}, None))


def test_the_code_is_exchanged_once_and_what_it_gave_is_kept() -> None:
    place = Place()
    read(place)
    read(place)
    assert place.simulator.tally.kinds["POST token"] == 1
    saved = place.tokens.load()
    assert saved is not None
    assert sorted(saved) == [
        "access_token",
        "asked_at",
        "codes",
        "expires_at",
        "issued_at",
        "issued_for",
        "refresh_token",
        "scope",
    ]
    form = parse_qs(place.requests[0].content.decode())
    assert {key: len(value) for key, value in form.items()} == dict.fromkeys(
        ("client_id", "client_secret", "code", "grant_type", "redirect_uri"), 1
    )


def test_a_token_is_renewed_before_it_expires_and_with_the_redirect_address() -> None:
    place = Place()
    read(place)
    place.clock.sleep(HALF_DAY_S - 5 * 60)
    read(place)
    assert place.simulator.tally.kinds["POST token"] == 2
    assert 401 not in [line.status for line in place.simulator.log]
    form = parse_qs([r for r in place.requests if r.url.path == "/auth/oauth/token"][1].content.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["redirect_uri"] == ["https://localhost/freshbooks"]


def test_a_refused_token_is_renewed_once() -> None:
    place = Place()
    read(place)
    place.simulator.grants.expire()
    read(place)
    assert place.simulator.tally.kinds["POST token"] == 2


def test_a_new_token_that_is_refused_needs_a_person() -> None:
    place = Place()
    place.before = lambda r: reply(401, {"error": "unauthenticated"}) if "/accounting/" in r.url.path else None
    with pytest.raises(AuthRefused) as caught:
        read(place, account_id="abc")
    assert str(caught.value) == (
        "acme/freshbooks: GET /accounting/account/abc/bills/bills: 401: the access token is not accepted, and it is new"
    )
    assert caught.value.hint == AGAIN
    assert place.simulator.grants.exchanges == 2


def test_a_new_token_is_saved_before_it_is_used() -> None:
    place = Place()
    at_use: list[str] = []

    def look(request: httpx.Request) -> None:
        if request.url.path != "/auth/oauth/token":
            saved = place.tokens.load()
            assert saved is not None
            assert request.headers["authorization"] == f"Bearer {saved['access_token']}"
            at_use.append(request.url.path)

    place.before = look
    read(place)
    place.simulator.grants.expire()
    read(place)
    assert len(at_use) == 7


class KilledAtSave(MemoryTokens):
    """The process ends as it is about to save the answer of an exchange."""

    armed = False

    def save(self, token: Json) -> None:
        before = self.load()
        if self.armed and before is not None and before["refresh_token"] != token["refresh_token"]:
            raise Killed
        super().save(token)


def test_killed_between_refresh_and_store() -> None:
    place = Place()
    tokens = place.tokens = KilledAtSave()
    read(place)
    place.clock.sleep(HALF_DAY_S)
    tokens.armed = True
    with pytest.raises(Killed):
        read(place)
    tokens.armed = False
    place.clock.sleep(60)
    with pytest.raises(AuthRefused) as caught:
        read(place)
    assert str(caught.value) == (
        f"{TOKEN}: the refresh token is refused: it was sent at 2026-11-21T21:00:00Z, and the answer with the new one never "
        "came to be saved"
    )
    assert caught.value.hint == AGAIN
    # A person allows the app again: the next run goes on.
    code = place.simulator.grants.code()
    connection = place.open({"authorization_code": code})
    assert next(iter(connection.read("bills", {}, None))).records == []
    assert place.simulator.grants.exchanges == 3


def test_killed_before_the_refresh_was_sent_loses_nothing() -> None:
    place = Place()
    read(place)
    place.clock.sleep(HALF_DAY_S)

    def die(request: httpx.Request) -> httpx.Response | None:
        if request.url.path == "/auth/oauth/token":
            raise Killed
        return None

    place.before = die
    with pytest.raises(Killed):
        read(place)
    place.before = lambda _: None
    read(place)
    assert place.simulator.grants.exchanges == 2


@pytest.mark.parametrize("fault", ["reset_after", "truncated", "timeout_after"])
def test_a_lost_answer_of_a_refresh_is_told_as_such(fault: Any) -> None:
    place = Place()
    read(place)
    place.clock.sleep(HALF_DAY_S)
    place.simulator.faults.add(Fault(fault, at=(0,), path="/oauth/token"))
    with pytest.raises(Transient):
        read(place)
    with pytest.raises(AuthRefused, match="it was sent at 2026-11-21T21:00:00Z, and the answer"):
        read(place)


def test_a_failed_renewal_ahead_of_time_does_no_harm() -> None:
    place = Place()
    read(place)
    place.clock.sleep(HALF_DAY_S - 60)
    place.simulator.faults.add(Fault("server_error", at=(0, 1, 2, 3), path="/oauth/token"))
    read(place)
    assert place.simulator.faults.counts["server_error"] > 0
    place.clock.sleep(61)
    place.simulator.faults.faults.clear()
    read(place)
    assert place.simulator.grants.exchanges == 2


def test_a_withdrawn_permission_is_told_as_such() -> None:
    place = Place()
    read(place)
    place.simulator.grants.revoke()
    with pytest.raises(AuthRefused) as caught:
        read(place)
    assert str(caught.value) == f"{TOKEN}: the refresh token is refused: it was withdrawn, or another program used it"
    said = everything_said(caught.value)
    saved = place.tokens.saved[0]
    assert not [secret for secret in (saved["access_token"], saved["refresh_token"]) if secret in said]


def test_nobody_has_allowed_it_yet() -> None:
    place = Place()
    with pytest.raises(AuthRefused) as caught:
        list(place.open({"authorization_code": ""}).read("bills", {}, None))
    assert str(caught.value) == (
        "acme/freshbooks: nobody has allowed flowctl to read this account yet, or what FreshBooks gave is lost"
    )
    assert caught.value.hint == AGAIN


def test_a_code_that_is_too_old() -> None:
    place = Place()
    code = place.simulator.grants.code()
    place.clock.sleep(301)
    with pytest.raises(AuthRefused) as caught:
        place.open({"authorization_code": ""}).authorize(code)
    assert str(caught.value) == f"{TOKEN}: the authorization code is refused; it is good once, and for five minutes"
    assert place.tokens.saved == []


def test_a_late_code_does_not_spoil_a_token_that_is_good() -> None:
    place = Place()
    read(place)
    place.clock.sleep(HALF_DAY_S)
    connection = place.open({"authorization_code": "another-one"})
    assert len(list(connection.read("bills", {}, None))) == 2


def test_authorize_replaces_an_older_permission_and_the_old_code_is_never_sent_again() -> None:
    place = Place()
    place.open().authorize(place.simulator.grants.code())
    place.clock.sleep(HALF_DAY_S)
    read(place)
    assert [line.status for line in place.simulator.log] == [200] * 5
    assert place.simulator.grants.exchanges == 2


def test_wrong_secret() -> None:
    place = Place()
    with pytest.raises(AuthRefused) as caught:
        list(place.open({"client_secret": "wrong-canary"}).read("bills", {}, None))
    assert str(caught.value) == f"{TOKEN}: the client id or the client secret is refused"
    assert "canary" not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"access_token": "a"}, "no usable `refresh_token` in the answer"),
        ({"access_token": "a b", "refresh_token": "r"}, "no usable `access_token` in the answer"),
        ({"access_token": "a", "refresh_token": "r", "token_type": "mac"}, "a token of another type than Bearer"),
    ],
)
def test_an_answer_without_good_tokens_is_not_saved(body: dict[str, str], said: str) -> None:
    place = Place()
    place.before = lambda _: reply(200, body)
    with pytest.raises(BadAnswer, match=said):
        read(place)
    assert place.tokens.saved == []


def test_tokens_of_another_app_are_not_used() -> None:
    place = Place()
    read(place)
    with pytest.raises(AuthRefused, match="the client id or the client secret is refused"):
        read(place, client_id="another-app")


class Meeting(MemoryTokens):
    """Both processes have seen that the token is about to end before either of them asks for another one."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier: threading.Barrier | None = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        if self.barrier is not None:
            self.barrier.wait(10)
        with super().lock():
            yield


def test_two_processes_refresh_at_once() -> None:
    place = Place()
    tokens = place.tokens = Meeting()
    read(place)
    place.clock.sleep(HALF_DAY_S)
    tokens.barrier = threading.Barrier(2)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            read(place, account_id=place.world.account_id)
        except BaseException as error:  # noqa: BLE001 - whatever a thread dies of is shown below
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert place.simulator.grants.exchanges == 2
    assert 401 not in [line.status for line in place.simulator.log]


def test_the_page_on_which_a_person_allows_it() -> None:
    place = Place()
    url = CONNECTOR.authorization_url(place.binding(auth_url="https://auth.freshbooks.com"), "state-1", ("a", "b"))
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://auth.freshbooks.com/oauth/authorize"
    assert parse_qs(parts.query) == {
        "response_type": ["code"],
        "client_id": ["sandbox-client-id"],
        "redirect_uri": ["https://localhost/freshbooks"],
        "scope": ["a b"],
        "state": ["state-1"],
    }
    assert "scope" not in CONNECTOR.authorization_url(place.binding(), "state-1")
