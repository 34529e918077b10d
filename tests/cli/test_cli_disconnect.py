"""`flowctl disconnect`, `company bind --refuse` and `user sign-out`: what they say, and what they keep."""

from __future__ import annotations

import json

import pytest

from engine.cli import office
from engine.desk import StoreOutbox
from engine.store import companies
from tests.cli.cli_kit import Cli

SECRETS = {"FLOWCTL_SECRET_RAMP_CLIENT_ID": "id-1", "FLOWCTL_SECRET_RAMP_CLIENT_SECRET": "secret-1"}


@pytest.fixture
def made(cli: Cli) -> Cli:
    cli.ok("company", "add", "acme")
    cli.ok("connect", "ramp", "ramp", "--company", "acme", env=SECRETS)
    return cli


def test_a_connection_is_forgotten(made: Cli) -> None:
    assert made("disconnect", "ramp", "--company", "acme", "--yes", "--reason", "sold").text() == (
        "[0]\nacme/ramp: disconnected from ramp\n--\n"
    )
    with office.opened(made.home) as world, world.store.read() as tx:
        assert companies.connections(tx, "acme") == []
        assert tx.rows("credential_fields", {"company": "acme"}) == []
        line = tx.one("journal_newest", {"company": "acme", "event": "disconnected"})
    assert line is not None
    assert json.loads(line["detail"]) == {"connection": "ramp", "connector": "ramp", "why": "sold"}


def test_it_is_asked_first(made: Cli) -> None:
    ran = made("disconnect", "ramp", "--company", "acme", stdin=b"n\n")
    assert (ran.status, ran.out, "Disconnect acme/ramp, and forget its secrets?" in ran.err) == (1, "", True)
    assert made.ok("connect", "--list", "--company", "acme").out.startswith("ramp: ramp")


@pytest.mark.parametrize(
    ("args", "err"),
    [
        (("none", "--company", "acme"), "error: acme/none: is not connected\n  hint: run `flowctl connect none --company acme`\n"),
        (("ramp", "--company", "other"), "error: there is no company `other`\n  hint: known: acme\n"),
    ],
)  # fmt: skip
def test_what_is_not_there(made: Cli, args: tuple[str, ...], err: str) -> None:
    ran = made("disconnect", *args, "--yes")
    assert (ran.status, ran.out, ran.err) == (2, "", err)


def test_a_company_file_is_refused(made: Cli) -> None:
    nothing = made("company", "bind", "--refuse", "--company", "acme")
    assert nothing.status == 1
    with office.opened(made.home) as world, StoreOutbox(world, {}).transaction() as desk:
        desk.sessions.note("acme", "company_unconfirmed", "new", {"company_name": "Wrong Inc."}, alert=True)
    assert made("company", "bind", "--refuse", "--company", "acme", "--reason", "a copy").text() == (
        "[0]\nacme: turned away: Wrong Inc. \nacme: no company file is bound; the first contact binds it\n--\n"
        "refused; it is turned away until another one is bound, or --ask-again\n"
    )
    with office.opened(made.home) as world, world.store.read() as tx:
        line = tx.one("journal_newest", {"company": "acme", "event": "file_refused"})
    assert line is not None
    assert json.loads(line["detail"]) == {"company_name": "Wrong Inc.", "why": "a copy"}
    again = made("company", "bind", "--ask-again", "--company", "acme")
    assert again.text() == (
        "[0]\nacme: no company file is bound; the first contact binds it\n--\n"
        "the next company file that comes is taken as if it were new\n"
    )
    assert made("company", "bind", "--ask-again", "--company", "acme").status == 1
    both = made("company", "bind", "--refuse", "--confirm", "--company", "acme")
    assert both.err.splitlines()[-1] == "Error: --confirm, --refuse, --release and --ask-again exclude each other"


def test_a_user_is_signed_out(made: Cli) -> None:
    made.ok("user", "add", "ana")
    assert made("user", "sign-out", "ana").text() == "[0]\nana: signed out everywhere\n--\n"
    assert made("user", "sign-out", "bo").status == 2
