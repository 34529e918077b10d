"""`flowctl qwc`, `doctor`, `connectors` and `sandbox`: setting up, and seeing that it is set up."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from connectors.qbwc.conduct import DONE_TEXT
from connectors.qbwc.sandbox import _with_reason
from connectors.qbwc.simulator import SessionReport
from engine.clock import iso
from engine.store import journal, work
from tests import stores
from tests.cli.cli_kit import Cli, run
from tests.cli.shelf import AT, FLOW, shelf
from tests.cli.test_cli_story import simulated_ramp

BOOKS = ("connect", "books", "--set", "app_url=https://sync.example.com/qbwc")
PASSWORD = r"password of the Web Connector, shown this once: ([0-9A-Za-z]{20})\n"


# --- qwc -------------------------------------------------------------------------------------------------------------


def test_qwc_file_and_steps(cli: Cli, tmp_path: Path) -> None:
    cli.ok(*BOOKS)
    ran = cli.ok("qwc")
    assert ran.out == "main-books.qwc: written for the user `main`\n"
    assert re.findall(r"^(\d)\. ", ran.err, re.MULTILINE) == list("12345")
    root = etree.fromstring((tmp_path / "main-books.qwc").read_bytes())
    found = {name: root.findtext(name) for name in ("AppURL", "UserName", "QBType")}
    assert found == {"AppURL": "https://sync.example.com/qbwc", "UserName": "main", "QBType": "QBFS"}
    assert cli.ok("qwc", "--out", "-").out.encode() == (tmp_path / "main-books.qwc").read_bytes()
    (tmp_path / "folder").mkdir()
    assert cli.ok("qwc", "--out", "folder", "--format", "json").json() == {
        "company": "main",
        "connection": "books",
        "path": "folder/main-books.qwc",
    }


def test_qwc_new_password(cli: Cli) -> None:
    first = re.search(PASSWORD, cli.ok(*BOOKS).out)
    second = re.search(PASSWORD, cli.ok("qwc", "--new-password").out)
    assert first is not None
    assert second is not None
    assert first[1] != second[1]


def test_qwc_without_a_web_connector(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert cli("qwc").text() == (
        "[2]\n--\nerror: main has no connection with a Web Connector\n"
        "  hint: run `flowctl connect books --company main`\n"
    )


def test_qwc_with_two(cli: Cli) -> None:
    cli.ok(*BOOKS)
    cli.ok("connect", "other", "qbwc", "--set", "app_url=https://sync.example.com/qbwc", "--set", "user=main")
    assert cli("qwc").text() == "[2]\n--\nerror: main has several: books, other\n  hint: give --connection books\n"
    assert cli("qwc", "--connection", "boks").status == 2
    assert cli.ok("qwc", "--connection", "other").out == "main-other.qwc: written for the user `main`\n"


def test_qwc_to_a_place_that_is_not_there(cli: Cli) -> None:
    cli.ok(*BOOKS)
    assert cli("qwc", "--out", "no/where.qwc").text() == (
        "[2]\n--\nerror: no/where.qwc: No such file or directory\n  hint: check the path and its permissions\n"
    )


# --- doctor ----------------------------------------------------------------------------------------------------------


def findings(cli: Cli, *args: str) -> dict[str, list[tuple[str, str]]]:
    ran = cli("doctor", "--format", "json", *args)
    found: dict[str, list[tuple[str, str]]] = {}
    for line in ran.out.splitlines():
        item = json.loads(line)
        assert item["hint"] or item["level"] == "ok"
        found.setdefault(item["subject"], []).append((item["level"], item["message"]))
    assert ran.status == int(any(level == "FAIL" for items in found.values() for level, _ in items))
    return found


@pytest.mark.only_sqlite("a database is taken to be there")
def test_doctor_before_anything_is_there(cli: Cli) -> None:
    found = findings(cli)
    assert found["store"] == [("warn", f"none at {cli.home}")]
    assert found["key"] == [("ok", "none yet; `flowctl company add NAME` makes one")]
    assert found["flow ramp_to_quickbooks"][0][0] == "ok"
    assert not cli.home.exists()


def test_doctor_of_a_company_in_the_making(cli: Cli) -> None:
    cli.ok(*BOOKS)
    found = findings(cli, "--offline")
    assert found["main/books"] == [
        ("ok", "the user `main` may sign in"),
        ("warn", "no company file is bound yet"),
        ("warn", "the Web Connector never called"),
    ]
    assert found["main/ramp_to_quickbooks"] == [("warn", "not connected: ramp")]
    assert found["journal main"] == [("ok", "1 lines, the chain is whole")]


def test_doctor_says_who_was_refused_and_what_to_type(cli: Cli) -> None:
    cli.ok(*BOOKS)
    with shelf(cli) as desk:
        for seconds in (7265, 7264):
            work.refuse_sign_in(desk.tx, "main", "main", desk.world.clock.now() - timedelta(seconds=seconds))
        work.refuse_sign_in(desk.tx, "", "mian", desk.world.clock.now() - timedelta(seconds=3700))
    found = findings(cli, "--offline")
    assert found["main/books"] == [
        ("ok", "the user `main` may sign in"),
        ("warn", "no company file is bound yet"),
        ("warn", "the Web Connector was refused 2 times, last as `main` 2 h ago"),
    ]
    assert found["Web Connector"] == [("warn", "refused once, as `mian` 1 h ago, a user name that nobody has")]
    assert "`flowctl qwc --new-password` makes another" in cli("doctor", "--offline").out


def test_doctor_reports_a_failed_run_and_what_cannot_be_reached(cli: Cli) -> None:
    with shelf(cli) as desk:
        at = iso(desk.world.clock.now() - timedelta(seconds=7265))
        for outcome in ("done", "failed"):
            number = work.begin_run(desk.tx, "main", FLOW, at)
            work.finish_run(desk.tx, number, outcome, {}, at)
        for _ in range(2):
            work.raise_alert(desk.tx, "main", work.Alert("connection", f"{FLOW}/bills/ramp", "ramp is down", ""), at)
    assert findings(cli, "--offline")[f"main/{FLOW}"] == [
        ("warn", "the last run failed 2 h ago"),
        ("warn", "ramp is down (seen 2 times, last 2 h ago)"),
    ]
    with shelf(cli) as desk:
        number = work.begin_run(desk.tx, "main", FLOW, at)
        work.finish_run(desk.tx, number, "done", {}, at)
        work.resolve_alert(desk.tx, "main", "connection", f"{FLOW}/bills/ramp", at)
    assert f"main/{FLOW}" not in findings(cli, "--offline")


def test_doctor_fails_when_a_vendor_is_down_although_a_token_is_kept(cli: Cli) -> None:
    with simulated_ramp() as (url, secrets):
        env = {f"FLOWCTL_SECRET_RAMP_{name.upper()}": value for name, value in secrets.items()}
        cli.ok("connect", "ramp", "--set", f"base_url={url}", "--set", "api_profile=2025-08", "--check", env=env)
        assert findings(cli)["main/ramp"] == [("ok", "Ramp accepts the credentials; 15 scopes granted")]
    ((level, message),) = findings(cli)["main/ramp"]
    assert level == "FAIL"
    assert message.startswith("main/ramp: GET /developer/v1/vendors: ")


def test_doctor_sees_a_journal_that_was_changed(cli: Cli) -> None:
    with shelf(cli) as desk:
        journal.append(
            desk.tx, "main", AT, "test", [journal.Entry("one"), journal.Entry("two"), journal.Entry("three")]
        )
    with closing(stores.opened(cli.home)) as store:
        stores.forge(store, "UPDATE journal SET actor = 'nobody' WHERE seq = 2")
    assert findings(cli)["journal main"] == [("FAIL", "line 2: the line was changed")]


@pytest.mark.only_sqlite("a database without anything sealed gets a new key")
def test_doctor_sees_a_lost_key(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    (cli.home / "key").unlink()
    found = findings(cli)
    assert found["key"] == [("FAIL", f"there is a store at {cli.home} and no key")]
    assert not (cli.home / "key").exists()


def test_doctor_sees_a_broken_flow(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "mine.yaml").write_text("flow: mine\n")
    ((level, message),) = findings(cli)["flow mine"]
    assert level == "FAIL"
    assert "errors, the first: flows/mine.yaml:1:1: error[" in message


def test_doctor_of_an_unknown_company(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    assert findings(cli, "--company", "mian")["store"][-1] == ("FAIL", "there is no company `mian`")


# --- connectors ------------------------------------------------------------------------------------------------------


def test_connectors() -> None:
    assert run("connectors", "rmap").text() == (
        "[2]\n--\nerror: there is no connector `rmap`\n  hint: did you mean `ramp`? known: bill, expensify, freshbooks, ledger, qbwc, ramp\n"
    )
    listed = {item["name"]: item for item in run("connectors", "--format", "json").json()}
    assert set(listed) >= {"qbwc", "ramp"}
    one = run("connectors", "ramp", "--format", "json").json()
    assert one == listed["ramp"]
    assert {stream["name"] for stream in one["streams"]} >= {"bills", "transactions", "vendors"}
    text = run("connectors", "ramp").out
    assert "  client_secret (text; required; secret): Client secret of the Ramp developer app\n" in text
    assert "\nstream bills (key id; a read lists all): " in text
    assert "  BILL_SYNC (bills): The bill is in the books\n" in text
    assert "\nrequests:\n  VendorAdd (qbxml): add a vendor\n" in run("connectors", "qbwc").out


# --- sandbox ---------------------------------------------------------------------------------------------------------

VISIT = ("sandbox", "books", "--user", "x", "--server", "http://localhost:9")
HUSH = {"FLOWCTL_SECRET_BOOKS_PASSWORD": "hush"}


def test_sandbox_names(cli: Cli) -> None:
    assert cli("sandbox", "boks").text() == (
        "[2]\n--\nerror: there is no sandbox `boks`\n  hint: did you mean `books`? known: bill, books, expensify, freshbooks, qbwc, ramp\n"
    )
    shown = cli.ok("sandbox", "--help").out
    assert "  ramp        Serve a simulated Ramp.\n" in shown


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--server", "localhost"), "--server: `localhost` is no address\n  hint: write it as http://localhost:8765\n"),
        (("--every", "soon"), "--every: `soon` is no duration\n  hint: write it as 5s or 2m\n"),
        (
            ("--company-file", "broken.json"),
            (
                "broken.json: this is no saved company file: JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"
                "  hint: give another --company-file, or remove this one\n"
            ),
        ),
        (
            ("--company-file", "other.json"),
            (
                "other.json: this is no saved company file: ValueError: the company file has format 99; this version reads "
                "format 1\n  hint: give another --company-file, or remove this one\n"
            ),
        ),
        (
            ("--company-file", "no/where.json"),
            "no/where.json: there is no folder no\n  hint: check the path and its permissions\n",
        ),
        (("--qwc", "broken.json"), "broken.json: this is no agent file\n  hint: write one with `flowctl qwc`\n"),
        (("--password-file", "none"), "none: No such file or directory\n  hint: check the path and its permissions\n"),
    ],
)
def test_sandbox_books_with_wrong_words(cli: Cli, tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    (tmp_path / "broken.json").write_text("not json")
    (tmp_path / "other.json").write_text('{"format": 99}')
    assert cli(*VISIT, *more, env=HUSH).text() == f"[2]\n--\nerror: {message}"


def test_sandbox_books_without_a_password(cli: Cli) -> None:
    assert cli(*VISIT).text() == (
        "[2]\n--\nerror: no password was given\n"
        "  hint: give --password-file PATH, or set FLOWCTL_SECRET_BOOKS_PASSWORD\n"
    )


def test_sandbox_books_when_nobody_answers(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*VISIT, "--company-file", "books.json", env=HUSH)
    assert (ran.status, ran.out) == (1, "error: 0 requests\n")
    where = "  QBWC1036: Error in clientVersion: the web service at http://localhost:9/books did not answer: "
    assert ran.err.startswith(where.replace("/books", "/qbwc"))
    before = (tmp_path / "books.json").read_bytes()
    cli(*VISIT, "--company-file", "books.json", env=HUSH)
    assert len((tmp_path / "books.json").read_bytes()) == len(before)


def test_sandbox_books_calls_the_address_in_the_qwc_file(cli: Cli, tmp_path: Path) -> None:
    file = "<QBWCXML><AppName>a</AppName><AppURL>{}</AppURL></QBWCXML>"
    (tmp_path / "acme.qwc").write_text(file.format("http://localhost:7/there/qbwc"))
    visit = ("sandbox", "books", "--user", "x", "--qwc", "acme.qwc")
    said = "  QBWC1036: Error in clientVersion: the web service at http://localhost:{} did not answer: "
    assert cli(*visit, env=HUSH).err.startswith(said.format("7/there/qbwc"))
    assert cli(*visit, "--server", "http://localhost:9", env=HUSH).err.startswith(said.format("9/qbwc"))
    (tmp_path / "acme.qwc").write_text(file.format("localhost"))
    assert cli(*visit, env=HUSH).text() == (
        "[2]\n--\nerror: acme.qwc: `localhost` is no address\n"
        "  hint: write the file anew with `flowctl qwc`, or give --server\n"
    )


@pytest.mark.parametrize(
    ("report", "ends"),
    [
        (SessionReport(last_error="Another file is bound."), ("refused", ["Another file is bound."])),
        (SessionReport(last_error=DONE_TEXT), ("done", [])),
        (SessionReport(), ("done", [])),
        (SessionReport(requests=["<QBXML/>"], last_error="Halted."), ("done", [])),
        (SessionReport("stopped", requests=["<QBXML/>"], last_error="Wrong file."), ("stopped", ["Wrong file."])),
    ],
)
def test_a_refused_company_file_is_told(report: SessionReport, ends: tuple[str, list[str]]) -> None:
    found = _with_reason(report)
    assert (found.outcome, found.errors) == ends


@pytest.mark.acceptance
def test_sandbox_ramp_says_how_to_connect_and_ends_on_a_signal(cli: Cli, tmp_path: Path) -> None:
    script = "from engine.cli.main import main; main()"
    command = [sys.executable, "-c", script, "sandbox", "ramp", "--port", "0", "--bills", "2", "--format", "json"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        env = {f"FLOWCTL_SECRET_RAMP_{name.upper()}": value for name, value in said["secrets"].items()}
        settings = [f"--set={name}={value}" for name, value in said["settings"].items()]
        ran = cli("connect", "ramp", *settings, "--check", env=env)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert ran.out.endswith("ok    main/ramp: Ramp accepts the credentials; 15 scopes granted\n")
    assert set(said["settings"]) == {"base_url", "api_profile", "provider_name"}
