"""`flowctl user`, `skip` and `company zone`: what they say, what they keep, and that no secret is shown twice."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from engine.access.users import HOUSE
from tests import stores
from tests.cli.cli_kit import Cli


@pytest.fixture
def store(cli: Cli) -> Cli:
    cli.ok("company", "add", "acme")
    return cli


def lines(home: Path) -> list[tuple[str, str, str]]:
    opened = stores.opened(home)
    with opened.read() as tx:
        found = [
            (r["event"], r["actor"], r["detail"])
            for r in tx.rows("journal_from", {"company": HOUSE, "after": 0, "limit": 99})
        ]
    opened.close()
    return found


def masked(text: str) -> str:
    text = re.sub(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", "PASSWORD", text)
    return re.sub(r"[A-Z2-7]{32}", "SECRET", text)


def test_a_users_life(store: Cli) -> None:
    added = store("user", "add", "ana", "--role", "operator")
    assert masked(added.text()) == (
        "[0]\nrole: operator\npassword: PASSWORD\n--\n"
        "this password is shown only now; the user chooses another at the first sign-in\n"
        "the panel is there once `flowctl serve` is started anew\n"
    )
    assert store("user", "add", "ana").text() == (
        "[2]\n--\nerror: there is a user `ana` already\n  hint: `flowctl user password ana` makes a new password\n"
    )
    assert masked(store("user", "add", "bo@x.example").text()) == (
        "[0]\nrole: viewer\npassword: PASSWORD\n--\n"
        "this password is shown only now; the user chooses another at the first sign-in\n"
    )
    assert store("user", "role", "ana", "admin").text() == "[0]\nana: admin\n--\n"
    assert store("user", "role", "ana", "admin").text() == "[0]\nana: admin, as before\n--\n"
    assert masked(store("user", "password", "ana").text()) == (
        "[0]\npassword: PASSWORD\n--\nthis password is shown only now; the user chooses another at the next sign-in\n"
    )
    assert masked(store("user", "totp", "ana").text()) == (
        "[0]\nsecret: SECRET\nuri: otpauth://totp/flowctl:ana?secret=SECRET&issuer=flowctl\n--\n"
        "this secret is shown only now; type it in the authenticator app, or have it read the address\n"
    )
    assert store("user", "list").out == (
        "user          role    second factor  password\n"
        "ana           admin   yes            to be chosen\n"
        "bo@x.example  viewer  no             to be chosen\n"
    )
    assert store("user", "totp", "ana", "--off").text() == "[0]\nana: the password alone\n--\n"
    assert store("user", "totp", "ana", "--off").text() == "[0]\nana: the password alone, as before\n--\n"
    assert store("user", "remove", "ana", "--yes").text() == "[0]\nana: removed\n--\n"
    assert lines(store.home) == [
        ("user_added", "cli:pat", '{"user":"ana","role":"operator"}'),
        ("user_added", "cli:pat", '{"user":"bo@x.example","role":"viewer"}'),
        ("user_role", "cli:pat", '{"user":"ana","role":"admin","before":"operator"}'),
        ("user_password", "cli:pat", '{"user":"ana","once":true}'),
        ("user_totp", "cli:pat", '{"user":"ana","on":true}'),
        ("user_totp", "cli:pat", '{"user":"ana","on":false}'),
        ("user_removed", "cli:pat", '{"user":"ana"}'),
    ]


def test_nothing_of_a_password_is_kept(store: Cli) -> None:
    made = store.ok("user", "add", "ana", "--format", "json").json()
    secret = store.ok("user", "totp", "ana", "--format", "json").json()["secret"]
    with closing(stores.opened(store.home)) as opened:
        kept = stores.dump(opened) + "".join(path.read_bytes().decode("latin-1") for path in store.home.iterdir())
    assert made["user"] == "ana"
    assert made["password"] not in kept
    assert secret not in kept
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in kept


@pytest.mark.parametrize(
    "args", [("role", "eve", "viewer"), ("password", "eve"), ("remove", "eve", "--yes"), ("totp", "eve")]
)
def test_nobody_of_this_name(store: Cli, args: tuple[str, ...]) -> None:
    store.ok("user", "add", "eva")
    assert (
        store("user", *args).text()
        == "[2]\n--\nerror: there is no user `eve`\n  hint: did you mean `eva`? known: eva\n"
    )


@pytest.mark.parametrize("name", ["Ana", "", "a b", "../x", "a" * 65, "ana\x1b[1m"])
def test_names_that_nobody_could_sign_in_with(store: Cli, name: str) -> None:
    shown = "".join(c if c.isprintable() else "?" for c in name[:40])
    assert store("user", "add", name).text() == (
        f"[2]\n--\nerror: `{shown}` cannot be the name of a user\n"
        "  hint: use up to 64 of: lower case a-z, 0-9 and `.`, `_`, `@`, `+`, `-`; an address of mail will do\n"
    )


def test_a_removal_is_asked_first(store: Cli) -> None:
    store.ok("user", "add", "ana")
    assert store("user", "remove", "ana", stdin=b"n\n").status == 1
    assert "ana" in store.ok("user", "list").out


def test_the_zone_of_a_company(store: Cli) -> None:
    assert store("company", "zone", "--company", "acme").text() == "[0]\nacme: UTC\n--\n"
    assert store("company", "zone", "Europe/Berlin", "--company", "acme").text() == "[0]\nacme: Europe/Berlin\n--\n"
    assert store("company", "zone", "--company", "acme").text() == "[0]\nacme: Europe/Berlin\n--\n"
    assert store("company", "zone", "Europe/Berlni", "--company", "acme").text() == (
        "[2]\n--\nerror: there is no time zone `Europe/Berlni`\n  hint: did you mean `Europe/Berlin`?\n"
    )
    assert store("company", "zone", "CET?!", "--company", "acme").text() == (
        "[2]\n--\nerror: there is no time zone `CET?!`\n  hint: give one such as America/New_York, Europe/Berlin or UTC\n"
    )
    assert store("company", "zone", "UTC", "--company", "none").status == 2


def test_skip_of_nothing(store: Cli) -> None:
    assert store("skip", "INV-1", "--reason", "by hand", "--company", "acme").text() == (
        "[1]\n--\nerror: there is no record `INV-1` in acme\n"
    )
    assert store("skip", "INV-1", "--company", "acme").status == 2
