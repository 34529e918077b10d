"""`flowctl connect`: secrets never travel on the command line and never come back out."""

from __future__ import annotations

import getpass
import json
import re
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.ramp import CONNECTOR as RAMP
from engine.cli.connect import command as connect
from engine.store import companies
from tests.cli.cli_kit import Cli
from tests.cli.shelf import shelf
from tests.cli.test_cli_story import simulated_ramp

IDS = {"FLOWCTL_SECRET_RAMP_CLIENT_ID": "id-1", "FLOWCTL_SECRET_RAMP_CLIENT_SECRET": "hush-1"}
BOOKS = ("connect", "books", "--set", "app_url=https://sync.example.com/qbwc")
NONE = "  hint: there is none yet; `flowctl company add main` adds it\n"
PASSWORD = "password of the Web Connector, shown this once: ([0-9A-Za-z]{20})\n"


def secrets_of(cli: Cli, connection: str = "ramp") -> dict[str, str]:
    with shelf(cli) as desk:
        found = companies.binding(desk.tx, desk.world.vault, "main", connection)
    assert found is not None
    return dict(found[1].secrets)


def settings_of(cli: Cli) -> dict[str, object]:
    with shelf(cli) as desk:
        found = companies.binding(desk.tx, desk.world.vault, "main", "ramp")
    assert found is not None
    return dict(found[1].settings)


def test_secret_in_arguments_is_refused_and_not_repeated(cli: Cli) -> None:
    ran = cli("connect", "ramp", "--set", "client_secret=hush-1")
    assert ran.text() == (
        "[2]\n--\nerror: `client_secret` is a secret: what stands on a command line is seen by every user of this "
        "machine and kept\n  hint: leave it out to be asked, or give --secret-file client_secret=PATH, or set "
        "FLOWCTL_SECRET_RAMP_CLIENT_SECRET\n"
    )


def test_pair_without_equals_is_not_repeated(cli: Cli) -> None:
    ran = cli("connect", "ramp", "--set", "hush-1")
    assert ran.text() == "[2]\n--\nerror: --set takes NAME=VALUE, and a name stands before the first `=`\n"


def test_files_go_before_variables(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\xef\xbb\xbffrom-file\r\n")
    cli.ok("connect", "ramp", "--secret-file", "client_secret=one", env=IDS)
    assert secrets_of(cli) == {"client_id": "id-1", "client_secret": "from-file"}
    cli.ok("connect", "ramp", "--secret-file", "client_secret=-", stdin=b"from-stdin\n")
    assert secrets_of(cli) == {"client_id": "id-1", "client_secret": "from-stdin"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\n", "is empty"),
        (b"two\nlines", "holds line breaks or control characters"),
        (b"a\x1bb", "holds line breaks or control characters"),
        (b"\xff", "is no UTF-8 text"),
    ],
)
def test_secrets_that_no_vendor_gives_out(cli: Cli, content: bytes, reason: str) -> None:
    ran = cli("connect", "ramp", "--secret-file", "client_id=-", stdin=content)
    expected = f"[2]\n--\nerror: the secret `client_id` {reason}\n  hint: copy it again, as one line of text\n"
    assert ran.text() == expected


def test_prompt_is_hidden_and_keeps_what_was_given(cli: Cli) -> None:
    cli.ok("connect", "ramp", env=IDS)
    given = ["ramp", "--ask", "--home", str(cli.home)]
    ran = CliRunner().invoke(connect, given, input="\nhush-2\n\n\n", standalone_mode=False)
    assert ran.exception is None
    assert "hush" not in ran.output
    assert secrets_of(cli) == {"client_id": "id-1", "client_secret": "hush-2"}


def test_asking_without_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(prompt: str = "", stream: object = None) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return "typed"

    monkeypatch.setattr(getpass, "getpass", no_terminal)
    assert cli("connect", "ramp", "--ask").text() == (
        "[2]\n--\nerror: --ask needs a terminal, and there is none\n"
        "  hint: leave --ask out and give --secret-file NAME=PATH, or set the variables that `flowctl connect` reads\n"
    )


def test_nobody_to_ask(cli: Cli) -> None:
    ran = cli("connect", "ramp")
    assert ran.text() == (
        "[2]\n--\nerror: the settings do not fit:\n"
        "  client_id: is not given\n"
        "  client_secret: is not given\n"
        "  hint: give secrets with --ask, to be asked for them, with --secret-file NAME=PATH, or in variables such as "
        "FLOWCTL_SECRET_RAMP_CLIENT_ID\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("rampp",),
            "error: there is no connection `rampp`\n  hint: did you mean `ramp`? known: bill, books, expensify, freshbooks, ramp\n",
        ),
        (
            ("mailbox",),
            (
                "error: no flow has a connection `mailbox`\n"
                "  hint: name its connector: flowctl connect mailbox CONNECTOR\n"
            ),
        ),
        (
            ("ramp", "rmap"),
            "error: there is no connector `rmap`\n  hint: did you mean `ramp`? known: bill, expensify, freshbooks, ledger, qbwc, ramp\n",
        ),
        (("Ramp",), "error: `Ramp` cannot be the name of a connection\n  hint: use lower case a-z, 0-9, `_`\n"),
        (
            ("ramp", "--set", "page_size=many"),
            "error: setting `page_size`: `many` is no whole number\n  hint: Records a page, 2 to 100\n",
        ),
        (
            ("ramp", "--set", "confirm_marks=perhaps"),
            "error: setting `confirm_marks`: `perhaps` is neither true nor false\n  hint: give true or false\n",
        ),
        (
            ("ramp", "--set", "enviroment=x"),
            (
                "error: there is no setting `enviroment`\n  hint: did you mean `environment`? known: "
                f"{', '.join(sorted(field.name for field in RAMP.spec.settings if not field.secret))}\n"
            ),
        ),
        (
            ("ramp", "--secret-file", "page_size=x"),
            "error: `page_size` is no secret\n  hint: give it with --set page_size=VALUE\n",
        ),
        (
            ("ramp", "--secret-file", "client_id=nowhere"),
            "error: nowhere: No such file or directory\n  hint: check the path and its permissions\n",
        ),
        (
            ("ramp", "--company", "acme"),
            "error: there is no company `acme`\n  hint: there is none yet; `flowctl company add acme` adds it\n",
        ),
    ],
)
def test_wrong_words(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    assert cli("connect", *arguments).text() == f"[2]\n--\n{message}"


def test_a_setting_is_forgotten(cli: Cli) -> None:
    cli.ok("connect", "ramp", "--set", "page_size=50", "--set", "entity_id=e-1", env=IDS)
    assert "page_size" in json.dumps(settings_of(cli))
    cli.ok("connect", "ramp", "--unset", "page_size", "--set", "entity_id=e-2")
    assert settings_of(cli) == {"entity_id": "e-2"}
    for given, message in (
        (("--unset", "page_sice"), "error: there is no setting `page_sice`\n"),
        (("--unset", "client_secret"), "error: there is no setting `client_secret`\n"),
        (("--unset", "page_size", "--set", "page_size=9"), "--set and --unset both speak of page_size\n"),
        (("--list", "--unset", "page_size"), "--list shows all connections"),
    ):
        ran = cli("connect", "ramp", *given)
        assert (ran.status, message in ran.err) == (2, True), ran.err
    assert settings_of(cli) == {"entity_id": "e-2"}


def test_password_is_made_once(cli: Cli) -> None:
    first = cli.ok(*BOOKS)
    assert re.fullmatch(f"main/books: connected with QuickBooks Desktop \\(Web Connector\\)\n{PASSWORD}", first.out)
    with shelf(cli) as desk:
        before = companies.binding(desk.tx, desk.world.vault, "main", "books")
    assert before is not None
    assert before[1].settings["user"] == "main"
    assert re.fullmatch(r"\{[0-9A-F-]{36}\}", str(before[1].settings["file_id"]))
    again = cli.ok("connect", "books", "--set", "run_every_min=10")
    assert again.out == "main/books: connected with QuickBooks Desktop (Web Connector)\n"
    with shelf(cli) as desk:
        after = companies.binding(desk.tx, desk.world.vault, "main", "books")
    assert after is not None
    assert after[1].settings == {**before[1].settings, "run_every_min": 10}


def test_renamed_user_gets_a_password_and_the_old_one_ends(cli: Cli) -> None:
    cli.ok(*BOOKS)
    renamed = cli.ok("connect", "books", "--set", "user=acme")
    assert re.search(PASSWORD, renamed.out)
    with shelf(cli) as desk:
        assert companies.logins(desk.tx, "main") == ("acme",)


def test_user_of_another_company_is_refused(cli: Cli) -> None:
    cli.ok(*BOOKS)
    cli.ok("company", "add", "acme")
    ran = cli(*BOOKS, "--set", "user=main", "--company", "acme")
    assert ran.text() == (
        "[2]\n--\nerror: another company's QuickBooks Desktop (Web Connector) signs in with this user name\n"
        "  hint: give another one: --set user=NAME\n"
    )


def test_given_password_is_not_shown(cli: Cli) -> None:
    ran = cli.ok(*BOOKS, "--format", "json", env={"FLOWCTL_SECRET_BOOKS_PASSWORD": "hush-3"})
    assert ran.out == '{"company": "main", "connection": "books", "connector": "qbwc"}\n'
    assert "hush" not in ran.text()


def test_list_shows_no_secret(cli: Cli) -> None:
    cli.ok("connect", "ramp", "--set", "page_size=50", env=IDS)
    cli.ok(*BOOKS)
    ran = cli.ok("connect", "--list", "--format", "json").json()
    assert [(c["connection"], c["settings"], c["secrets"]) for c in ran["connections"]][1:] == [
        ("ramp", {"page_size": 50}, ["client_id", "client_secret"])
    ]
    assert ran["connections"][0]["secrets"] == ["password"]
    assert "  client_secret = (sealed)\n" in cli.ok("connect", "--list").out


def test_check_says_how_it_ended(cli: Cli) -> None:
    with simulated_ramp() as (url, secrets):
        place = ("--set", f"base_url={url}", "--set", "api_profile=2025-08")
        wrong = cli("connect", "ramp", *place, "--check", env={**IDS, "FLOWCTL_SECRET_RAMP_WEBHOOK_SECRET": "hook"})
        assert wrong.status == 1
        assert wrong.out.startswith("FAIL  main/ramp: POST /developer/v1/token: 401 ")
        assert wrong.err == "nothing was kept\n"
        assert cli("connect", "--list").err == "error: there is no company `main`\n" + NONE
        assert "the client id or secret is refused (invalid_client)" in wrong.out
        assert "      do: check client id, secret and environment" in wrong.out
        right = {f"FLOWCTL_SECRET_RAMP_{name.upper()}": value for name, value in secrets.items()}
        cli.ok("connect", "ramp", *place, env=right)
        only = cli.ok("connect", "ramp", "--check")
        assert only.out == "ok    main/ramp: Ramp accepts the credentials; 15 scopes granted\n"
        more = cli("connect", "ramp", "--check", "--set", "scopes=bills:read treasury:read")
        assert more.text() == (
            "[1]\n"
            "warn  main/ramp: scopes: accounting:write is not among them, so nothing can be marked\n"
            "      do: add accounting:write, or use no `mark_synced` with this connection\n"
            "ok    main/ramp: Ramp accepts the credentials; 1 scope granted\n"
            "FAIL  main/ramp: scopes that were not granted: treasury:read\n"
            "      do: grant them to the app there, or ask for fewer with `--set scopes=...`\n--\n"
            "nothing was kept; what was given before stays\n"
        )
        assert cli.ok("connect", "ramp", "--check").out == only.out
    gone = cli("connect", "ramp", "--check", "--set", "base_url=http://127.0.0.1:9")
    assert gone.status == 1
    assert "FAIL  main/ramp: " in gone.out
    assert "connected" not in gone.out
    assert f"  base_url = {url}\n" in cli.ok("connect", "--list").out


def test_list_takes_no_connection(cli: Cli) -> None:
    ran = cli("connect", "--list", "extra")
    assert (ran.status, ran.err.splitlines()[-1]) == (
        2,
        "Error: --list shows all connections of a company, and takes nothing but --company",
    )


def test_an_address_where_nobody_answers_is_warned_of(cli: Cli) -> None:
    ran = cli.ok("connect", "books", "--set", "app_url=http://localhost:8766/wrong")
    assert ran.err == (
        "next: flowctl qwc --company main\n"
        "warning: app_url does not end in /qbwc, which is where `flowctl serve` answers; "
        "leave it so only when a proxy leads there\n"
    )
    assert "warning" not in cli.ok(*BOOKS).err


# --- another account -------------------------------------------------------------------------------------------------

OTHER = {**IDS, "FLOWCTL_SECRET_RAMP_CLIENT_ID": "id-2"}
TAKEN = "the secret `client_id` is taken from FLOWCTL_SECRET_RAMP_CLIENT_ID, and differs from the one before\n"
QUESTION = (
    "`ramp` would lead to another account: there are records of the one before: what is in the other account would be taken "
    "for new, and be posted\n"
)


@pytest.fixture
def used(cli: Cli) -> Cli:
    """Ramp is connected, and there is a record of it."""
    cli.ok("connect", "ramp", env=IDS)
    with shelf(cli) as desk:
        desk.record("b-1", "posted")
    return cli


def test_another_account_is_not_connected_unasked(used: Cli) -> None:
    assert used("connect", "ramp", env=OTHER).text() == (
        f"[2]\n--\n{TAKEN}error: `ramp` would lead to another account\n  hint: there are records of the one before: what is in the "
        "other account would be taken for new, and be posted; when that is meant, give --yes\n"
    )
    assert secrets_of(used)["client_id"] == "id-1"
    used.ok("connect", "ramp", "--yes", env=OTHER)
    assert secrets_of(used)["client_id"] == "id-2"


@pytest.mark.parametrize(
    ("answer", "status", "kept"),
    [(b"n\n", 1, "id-1"), (b"y\n", 0, "id-2"), (b"", 1, "id-1")],
    ids=["no", "yes", "none"],
)
def test_a_person_is_asked_whether_another_account_is_meant(
    used: Cli, monkeypatch: pytest.MonkeyPatch, answer: bytes, status: int, kept: str
) -> None:
    monkeypatch.setattr("engine.cli.common.interactive", lambda: True)
    ran = used("connect", "ramp", stdin=answer, env=OTHER)
    assert ran.status == status
    assert ran.err.startswith(f"{TAKEN}{QUESTION}Is the other account meant? [y/N]: ")
    assert ran.err.endswith("nothing was changed\n") is (answer == b"n\n")
    assert secrets_of(used)["client_id"] == kept


def test_the_same_account_and_one_without_records_are_not_asked_about(cli: Cli) -> None:
    cli.ok("connect", "ramp", env=IDS)
    cli.ok("connect", "ramp", env=OTHER)
    with shelf(cli) as desk:
        desk.record("b-1", "posted")
    cli.ok("connect", "ramp", env={**OTHER, "FLOWCTL_SECRET_RAMP_CLIENT_SECRET": "hush-2"})
    assert secrets_of(cli)["client_secret"] == "hush-2"
