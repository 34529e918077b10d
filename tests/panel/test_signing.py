"""Signing in and out: what is asked for, what is counted, how long a session lasts, what the journal says."""

from __future__ import annotations

import json
import re

import pytest

from engine.access import signin, totp, users
from engine.access.users import HOUSE
from engine.follow import Hand
from engine.store import keys
from engine.store import users as kept
from engine.upkeep.rekeying import rotate
from engine.vault import Vault
from tests import stores
from tests.panel import kit
from tests.panel.kit import PASSWORD, Browser, Office, text_of

NEW = "a quiet lake at dawn"


def journal(office: Office) -> list[tuple[str, str, dict[str, object]]]:
    with office.world.store.read() as tx:
        rows = tx.rows("journal_from", {"company": HOUSE, "after": 0, "limit": 1000})
    return [(row["event"], row["actor"], json.loads(row["detail"])) for row in rows if row["actor"] != "cli:pat"]


def test_sign_in_and_out(office: Office) -> None:
    browser = office.browser()
    asked = browser.get("/c/acme/records?state=failed")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        "/panel/sign-in?next=%2Fc%2Facme%2Frecords%3Fstate%3Dfailed",
    )
    assert text_of(browser.ask("GET", asked.headers["location"])) == (
        "Sign in\nUser\nPassword\nSign in\nNo password yet, or it is lost? Whoever looks after flowctl makes one: "
        "flowctl user add NAME or flowctl user password NAME ."
    )
    fields = {"user": "Viewer", "password": PASSWORD, "next": "/c/acme/records?state=failed"}
    answer = browser.post("/sign-in", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/panel/c/acme/records?state=failed")
    assert re.fullmatch(r"flowctl=[0-9A-Za-z]{43}; Path=/; HttpOnly; SameSite=Lax", answer.headers["set-cookie"]), (
        answer.headers["set-cookie"]
    )
    assert browser.get("/companies").status_code == 200
    before = dict(browser.cookies)
    out = browser.post("/sign-out")
    assert (out.status_code, out.headers["location"], browser.cookies) == (303, "/panel/sign-in", {})
    browser.cookies = before
    assert browser.get("/companies").headers["location"] == "/panel/sign-in?next=%2Fcompanies"
    assert journal(office) == [("signed_in", "panel:viewer", {"user": "viewer", "address": "127.0.0.1"})]


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/x\r\nSet-Cookie: a"]
)
def test_next_leads_nowhere_else(office: Office, to: str) -> None:
    answer = office.browser().post("/sign-in", {"user": "viewer", "password": PASSWORD, "next": to})
    assert answer.headers["location"] == "/panel/companies"


@pytest.mark.parametrize(
    ("user", "password"), [("viewer", "wrong"), ("nobody", PASSWORD), ("", ""), ("viewer", "x" * 300)]
)
def test_a_wrong_password_and_an_unknown_user_look_the_same(office: Office, user: str, password: str) -> None:
    answer = office.browser().sign_in(user, password)
    assert answer.status_code == 422
    assert text_of(answer).splitlines()[:2] == ["Sign in", "The user name or the password is not right."]
    assert "set-cookie" not in answer.headers


def test_an_unknown_user_costs_a_hash(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def fits(stored: str, _password: str) -> bool:
        checked.append(stored)
        return False

    monkeypatch.setattr(signin, "_fits", fits)
    for user in ("nobody", "viewer"):
        office.browser().sign_in(user)
    assert [stored.split("$")[1:4] for stored in checked] == [["argon2id", "v=19", "m=19456,t=2,p=1"]] * 2


def test_https_takes_a_cookie_of_its_own(office: Office) -> None:
    browser = Browser(office.app, scheme="https", host="panel.example")
    here = {"origin": "https://panel.example", "sec-fetch-site": "same-origin"}
    answer = browser.post("/sign-in", {"user": "viewer", "password": PASSWORD}, here)
    assert re.fullmatch(
        r"__Host-flowctl=[0-9A-Za-z]{43}; Path=/; HttpOnly; SameSite=Lax; Secure", answer.headers["set-cookie"]
    )
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert browser.get("/companies").status_code == 200


def test_plain_http_from_elsewhere_is_told_so(office: Office) -> None:
    browser = Browser(office.app, host="panel.example")
    assert text_of(browser.get("/sign-in")).splitlines()[1:3] == [
        "This page came without encryption, so nobody can sign in here.",
        "Open it by https, through the reverse proxy.",
    ]
    answer = browser.post("/sign-in", {"user": "viewer", "password": PASSWORD}, {"origin": "http://panel.example"})
    assert answer.headers["set-cookie"].endswith("; Secure")


# --- one-time passwords


def test_a_made_password_is_good_for_choosing_another(office: Office) -> None:
    kit.add_user(office.world, "new", is_once=True)
    browser = office.browser()
    assert browser.sign_in("new").headers["location"] == "/panel/password"
    assert browser.get("/companies").headers["location"] == "/panel/password"
    assert text_of(browser.get("/password")).splitlines()[0] == "Choose your password"
    for fields, said in (
        ({"now": PASSWORD, "new": "short", "again": "short"}, "this password has fewer than 12 characters"),
        ({"now": PASSWORD, "new": "aaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaa"}, "this password is made of very few different characters"),
        ({"now": PASSWORD, "new": "brand New and long", "again": "brand New and long"}, "this password holds the name of the user"),
        ({"now": PASSWORD, "new": NEW, "again": NEW + "!"}, "the new password was not typed the same way twice"),
        ({"now": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "the new password is the old one"),
        ({"now": "wrong", "new": "something else again", "again": "something else again"}, "the password that you have now is another one"),
    ):  # fmt: skip
        answer = browser.post("/password", fields)
        assert answer.status_code == 422
        assert said in text_of(answer).splitlines()
    old = dict(browser.cookies)
    answer = browser.post(
        "/password", {"now": PASSWORD, "new": "a quiet lake at dawn", "again": "a quiet lake at dawn"}
    )
    assert answer.headers["location"] == "/panel/companies"
    assert text_of(browser.get("/companies")).startswith(
        "Your password is changed; everywhere else you are signed out.\nCompanies\n"
    )
    assert text_of(browser.get("/companies")).startswith("Companies\n")
    assert Browser(office.app, cookies=old).get("/companies").status_code == 303
    assert office.browser().sign_in("new").status_code == 422
    assert office.browser().sign_in("new", "a quiet lake at dawn").headers["location"] == "/panel/companies"


# --- the second factor


def with_totp(office: Office, user: str) -> bytes:
    with office.world.store.write() as tx:
        made = users.set_totp(tx, Hand(HOUSE, office.world.at(), "cli:pat"), office.world.vault, user)
    return totp.from_text(made.secret)


def code_now(office: Office, secret: bytes) -> str:
    return totp.code(secret, totp.step_at(office.clock.now()))


def test_the_second_factor(office: Office) -> None:
    secret = with_totp(office, "viewer")
    browser = office.browser()
    assert browser.sign_in("viewer").headers["location"] == "/panel/sign-in/code"
    half = dict(browser.cookies)
    assert browser.get("/companies").headers["location"] == "/panel/sign-in/code"
    assert browser.get("/password").headers["location"] == "/panel/sign-in/code"
    browser.get("/sign-in/code")
    assert text_of(browser.post("/sign-in/code", {"code": "000000"})).splitlines()[1:3] == [
        "The code is not right, or was used before.",
        "type the six digits that the app shows now; when they never fit, is the phone's clock right?",
    ]
    code = code_now(office, secret)
    assert browser.post("/sign-in/code", {"code": code}).headers["location"] == "/panel/companies"
    assert browser.get("/companies").status_code == 200
    assert browser.get("/sign-in/code").headers["location"] == "/panel/companies"
    assert Browser(office.app, cookies=half).get("/companies").status_code == 303
    other = office.browser()
    other.sign_in("viewer")
    other.get("/sign-in/code")
    assert other.post("/sign-in/code", {"code": code}).status_code == 422
    assert [event for event, _, _ in journal(office)] == ["code_refused", "signed_in", "code_refused"]


def test_codes_are_not_guessed(office: Office) -> None:
    secret = with_totp(office, "viewer")
    browser = office.browser()
    browser.sign_in("viewer")
    browser.get("/sign-in/code")
    assert [browser.post("/sign-in/code", {"code": f"{n:06}"}).status_code for n in range(5)] == [422] * 5
    held = browser.post("/sign-in/code", {"code": code_now(office, secret)})
    assert (held.status_code, held.headers["retry-after"]) == (429, "1")


def test_a_second_factor_moves_to_the_new_key_and_locks_when_its_key_is_lost(office: Office) -> None:
    secret = with_totp(office, "viewer")
    store, vault = office.world.store, office.world.vault
    assert rotate(office.world, "test").broken == ()
    with store.read() as tx:
        row = kept.require(tx, "viewer")
        assert list(keys.in_use(tx)) == [row["totp_key_id"]]
        assert totp.from_text(users.opened_totp(tx, vault, row)) == secret
    stranger = Vault(bytes(32))
    with store.write() as tx:
        keys.forget(tx, stranger)
    browser = office.browser()
    assert browser.sign_in("viewer").status_code == 422


def test_half_a_sign_in_does_not_last(office: Office) -> None:
    with_totp(office, "viewer")
    browser = office.browser()
    browser.sign_in("viewer")
    office.clock.advance("+10m")
    assert browser.get("/sign-in/code").headers["location"] == "/panel/sign-in?next=%2Fsign-in%2Fcode"


# --- how long it lasts


def test_a_session_ends_when_nothing_is_done(office: Office) -> None:
    browser = office.as_("viewer")
    for _ in range(3):
        office.clock.advance("+59m")
        assert browser.get("/companies").status_code == 200
    office.clock.advance("+1h")
    assert browser.get("/companies").status_code == 303


def test_a_session_ends_after_half_a_day(office: Office) -> None:
    browser = office.as_("viewer")
    for _ in range(23):
        office.clock.advance("+30m")
        assert browser.get("/companies").status_code == 200
    office.clock.advance("+30m")
    assert browser.get("/companies").status_code == 303


@pytest.mark.parametrize("what", ["role", "password", "totp", "removed"])
def test_what_ends_every_session(office: Office, what: str) -> None:
    browser = office.as_("operator")
    hand = Hand(HOUSE, office.world.at(), "cli:pat")
    with office.world.store.write() as tx:
        if what == "role":
            assert users.set_role(tx, hand, "operator", "viewer")
        elif what == "password":
            users.set_password(tx, hand, "operator", kit.hashed(), is_once=False)
        elif what == "totp":
            users.set_totp(tx, hand, office.world.vault, "operator")
        else:
            users.remove(tx, hand, "operator")
    assert browser.get("/companies").status_code == 303


def test_nothing_of_a_session_is_kept_in_clear(office: Office) -> None:
    browser = office.as_("viewer")
    (cookie,) = browser.cookies.values()
    with office.world.store.read() as tx:
        assert kept.session(tx, cookie, office.clock.now()) is not None
    dump = stores.dump(office.world.store)
    assert cookie not in dump
    assert PASSWORD not in dump


# --- guesses


def guess(browser: Browser, times: int, user: str = "viewer") -> list[int]:
    return [browser.sign_in(user, f"wrong {n}").status_code for n in range(times)]


def test_guesses_from_one_place_are_slowed_down(office: Office) -> None:
    browser = office.browser("10.0.0.9")
    assert guess(browser, 5) == [422] * 5
    held = browser.sign_in("viewer")
    assert (held.status_code, held.headers["retry-after"]) == (429, "1")
    assert text_of(held).splitlines()[1] == "Too many tries: try again in 1 second."
    office.clock.advance("+2s")
    assert guess(browser, 1) == [422]
    assert browser.sign_in("viewer").headers["retry-after"] == "2"
    # From elsewhere the user is not held up.
    office.browser().signed_in("viewer")
    # What was typed right is forgiven here too.
    office.clock.advance("+3s")
    browser.signed_in("viewer")
    assert guess(browser, 4) == [422] * 4


def test_the_wait_has_an_end(office: Office) -> None:
    browser = office.browser("10.0.0.9")
    guess(browser, 5)
    for _ in range(20):
        office.clock.advance("+16m")
        assert guess(browser, 1) == [422]
    assert browser.sign_in("viewer").headers["retry-after"] == "900"
    office.clock.advance("+15m")
    browser.signed_in("viewer")


def test_guesses_from_many_places_hold_a_user_up_for_a_minute_at_most(office: Office) -> None:
    for n in range(30):
        office.browser(f"10.0.1.{n}").sign_in("viewer", "wrong")
    held = office.browser().sign_in("viewer")
    assert held.status_code == 429
    assert int(held.headers["retry-after"]) <= 60
    office.clock.advance("+1m")
    office.browser().signed_in("viewer")


def test_guesses_at_many_users_hold_up_the_place(office: Office) -> None:
    browser = office.browser("10.0.0.9")
    assert [browser.sign_in(f"user{n}", "wrong").status_code for n in range(30)] == [422] * 30
    assert browser.sign_in("viewer").status_code == 429
    office.browser().signed_in("viewer")


def test_an_unknown_user_is_held_up_as_a_known_one(office: Office) -> None:
    browser = office.browser("10.0.0.9")
    assert guess(browser, 7, "nobody") == [422] * 5 + [429] * 2


def test_what_was_typed_as_a_name_is_not_kept(office: Office) -> None:
    office.browser().sign_in("hunter2 my secret", "x")
    dump = stores.dump(office.world.store)
    assert "hunter2" not in dump
