"""`flowctl alert`: channels, rules, muting, one pass without a server; an address is never taken from the command line."""

from __future__ import annotations

import pytest

from tests.cli.cli_kit import Cli
from tests.cli.shelf import shelf
from tests.engine.alerting.kit import MISSING, http_server

CANARY = "c4naryTOKEN"


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("company", "add", "main", "--title", "Acme")
    return cli


def add(cli: Cli, port: int = 1, *more: str) -> None:
    cli.ok(
        "alert", "add", "ops", "--address-file", "-", *more, stdin=f"json://u:{CANARY}@127.0.0.1:{port}/x\n".encode()
    )


def test_a_channel_and_its_test(acme: Cli) -> None:
    with http_server() as taken:
        add(acme, taken.port, "--set", "digest=daily", "--set", "hour=7")
        assert acme("alert", "test", "ops").text() == "[0]\nops: taken\n--\n"
        taken.status = 500
        assert acme("alert", "test", "ops").text() == "[1]\nops: the server answered with status 500\n--\n"
    assert acme("alert", "change", "ops", "quiet=20:00-07:00", "rules=failed").status == 0
    (found,) = acme.ok("alert", "list", "--format", "json").json()
    assert (found["hint"], found["last_error"]) == ("json://127.0.0.1", "the server answered with status 500")
    assert found["settings"] == {
        "rules": ["failed"], "least": "info", "digest": "daily", "hour": 7, "quiet": "20:00-07:00", "zone": "",
        "solved": True,
    }  # fmt: skip
    said = [acme("alert", "list").out, acme("status").out, acme("audit", "export").out]
    assert CANARY not in "".join(said)
    assert "channel ops: messages do not arrive since " in said[1]
    assert acme("alert", "remove", "ops", "--yes").text() == "[0]\nops: removed\n--\n"
    assert acme("alert", "list").out == "channel  to  rules  least  when  state\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("add", "ops"),
            (
                "[2]\n--\nerror: No address was given, and there is no terminal to ask at.\n"
                "  hint: give --address-file PATH, or `-` for standard input, or set FLOWCTL_ALERT_ADDRESS\n"
            ),
        ),
        (
            ("test", "ops"),
            "[2]\n--\nerror: there is no channel `ops` here\n  hint: `flowctl alert add` adds one\n",
        ),
        (
            ("set", "pol", "on=no"),
            (
                "[2]\n--\nerror: there is no rule `pol`\n  hint: did you mean `poll`? known: backlog, changed, channel, "
                "connection, deferred, disk, failed, journal, poll, reconcile, sign_in, stranded, token, trouble, unknown, "
                "vanished, versions\n"
            ),
        ),
        (
            ("set", "poll", "on=maybe"),
            "[2]\n--\nerror: `poll`: `on` takes yes or no\n  hint: `flowctl alert rules` shows what there is\n",
        ),
        (
            ("set", "disk", "on=no"),
            (
                "[2]\n--\nerror: The rule is about what all companies share.\n"
                "  hint: set it for the house: --house, or the page of all companies\n"
            ),
        ),
        (
            ("mute", "7", "--reason", "x"),
            "[2]\n--\nerror: there is no open notice 7\n  hint: it may be over: `flowctl alert open` lists them\n",
        ),
        (
            ("mute", "7", "--for", "ever", "--reason", "x"),
            "[2]\n--\nerror: A span of time is written like 30m, 8h or 2d.\n",
        ),
        (
            ("house", "base_url=ftp://x"),
            "[2]\n--\nerror: The address of the panel is like https://books.example.com, or plain http for this machine alone.\n",
        ),
        (("open", "--company", "none"), "[2]\n--\nerror: there is no company `none`\n  hint: known: main\n"),
    ],
)
def test_what_cannot_be(acme: Cli, args: tuple[str, ...], said: str) -> None:
    assert acme("alert", *args).text() == said


def test_an_address_that_nobody_knows_is_not_repeated(acme: Cli) -> None:
    ran = acme("alert", "add", "ops", env={"FLOWCTL_ALERT_ADDRESS": f"nope://{CANARY}"})
    assert ran.status == 2
    assert CANARY not in ran.out + ran.err


def test_rules(acme: Cli) -> None:
    acme.ok("alert", "set", "poll", "intervals=24", "--house")
    assert acme("alert", "set", "poll", "severity=urgent").text() == (
        "[0]\npoll: on=yes severity=urgent solved=yes remind_hours=24 intervals=24 least_min=30\n--\n"
    )
    shown = acme.ok("alert", "rules").out
    assert "\n  on=yes severity=urgent* solved=yes remind_hours=24 intervals=24 least_min=30\n" in shown
    assert "disk:" not in shown
    assert acme("alert", "set", "poll", "--default").out == (
        "poll: on=yes severity=warning solved=yes remind_hours=24 intervals=24 least_min=30\n"
    )
    assert acme.ok("alert", "rules", "--house", "--format", "json").json()["poll"]["changed"] == ["intervals"]


def test_one_pass_without_a_server(acme: Cli) -> None:
    with shelf(acme) as store:
        for number in range(3):
            store.record(f"b-{number}", "deferred", MISSING)
    with http_server() as taken:
        add(acme, taken.port)
        assert acme("alert", "send").text() == "[0]\n1 message sent\n--\n"
        assert acme("alert", "send").text() == "[0]\n0 messages sent\n--\n"
    ((_, body),) = taken.bodies
    assert body["title"] == "Acme: vendor `Foo` is not mapped (3 records, 300.00 USD)"
    assert acme("alert", "open").out == (
        "number  rule      severity  records  money       muted until  what\n"
        "1       deferred  warning   3        300.00 USD               vendor `Foo` is not mapped\n"
    )
    assert acme("alert", "mute", "1", "--reason", "known").out == "vendor `Foo` is not mapped: muted until it is over\n"
    assert acme.ok("alert", "open", "--format", "json").json()[0]["muted"] == "it is over"
    assert acme("alert", "unmute", "1").out == "vendor `Foo` is not mapped: heard again\n"
    assert acme("alert", "mute", "ops", "--reason", "x").status == 2
    assert acme("alert", "mute", "ops", "--for", "2h", "--reason", "x").out.startswith("ops: muted until 2")
    assert acme("alert", "unmute", "ops").out == "ops: heard again\n"
