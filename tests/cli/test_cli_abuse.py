"""Wrong input of every kind: one or two lines say what is wrong and what to do, and there is never a traceback."""

from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.cli_kit import Cli

FLOW = "ramp_to_quickbooks"
HOMELESS = (
    ("company", "list"),
    ("company", "show"),
    ("company", "set", FLOW, "ap_account=X"),
    ("company", "unset", FLOW, "ap_account"),
    ("company", "bind"),
    ("connect", "--list"),
    ("qwc",),
    ("status",),
    ("deferred",),
    ("map", "show", FLOW),
    ("map", "set", FLOW, "vendor", "k", "t"),
    ("map", "unset", FLOW, "vendor", "k"),
    ("map", "export", FLOW),
    ("retry",),
    ("serve",),
    ("run", FLOW),
)


@pytest.mark.parametrize("command", ["status", "doctor", "reconcile", "deferred"])
def test_a_company_that_is_not_named_as_one(cli: Cli, command: str) -> None:
    assert (
        cli(command, "acme")
        .text()
        .endswith("Error: Got unexpected extra argument (acme)\n  hint: a company is named with `--company NAME`\n")
    )


@pytest.mark.only_sqlite("a database is taken to be there")
@pytest.mark.parametrize("command", HOMELESS, ids=" ".join)
def test_without_a_store(cli: Cli, command: tuple[str, ...]) -> None:
    expected = (
        f"[2]\n--\nerror: there is no store at {cli.home}/flowctl.db\n"
        "  hint: give --home, or start with `flowctl company add NAME`\n"
    )
    assert cli(*command).text() == expected
    assert not cli.home.exists()


@pytest.mark.parametrize("command", [c for c in HOMELESS if c not in (("company", "list"), ("serve",))], ids=" ".join)
def test_unknown_company(cli: Cli, command: tuple[str, ...]) -> None:
    cli.ok("company", "add", "acme")
    ran = cli(*command, "--company", "acne")
    assert ran.text() == "[2]\n--\nerror: there is no company `acne`\n  hint: did you mean `acme`? known: acme\n"


BROKEN: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "a folder in place of the store": (
        lambda home: (home / "flowctl.db").mkdir(),
        2,
        (
            "error: {home}: the store cannot be opened: unable to open database file\n"
            "  hint: give another --home, or put its files in order\n"
        ),
    ),
    "text in place of the store": (
        lambda home: (home / "flowctl.db").write_bytes(b"hello " * 500),
        1,
        (
            "error: the store file is damaged: file is not a database\n"
            "  hint: stop flowctl and restore the newest backup\n"
        ),
    ),
    "a short key": (
        lambda home: (home / "key").write_bytes(base64.b64encode(b"x" * 8)),
        2,
        "error: {home}/key does not hold 32 bytes\n  hint: it is the base64 text of 32 random bytes\n",
    ),
    "no base64 in the key": (
        lambda home: (home / "key").write_bytes(b"%%%"),
        2,
        "error: {home}/key is not base64\n  hint: it is the base64 text of 32 random bytes\n",
    ),
    "bytes in the key": (
        lambda home: (home / "key").write_bytes(b"\xff\xfe\x00"),
        2,
        "error: {home}/key is not base64\n  hint: it is the base64 text of 32 random bytes\n",
    ),
    "a key for everyone": (
        lambda home: (home / "key").chmod(0o644),
        2,
        "error: {home}/key can be read by others\n  hint: chmod 600 {home}/key\n",
    ),
}


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=pytest.mark.only_sqlite("its file is broken") if "store" in what else ())
        for what in BROKEN
    ],
)
def test_broken_home(cli: Cli, what: str) -> None:
    damage, status, expected = BROKEN[what]
    cli.ok("company", "add", "main")
    if "store" in what:
        (cli.home / "flowctl.db").unlink()
    else:
        (cli.home / "key").chmod(0o600)
    damage(cli.home)
    for command in (("status",), ("connect", "ramp"), ("company", "add", "x"), ("retry",)):
        ran = cli(*command)
        assert ran.text() == f"[{status}]\n--\n{expected.format(home=cli.home)}"
    doctor = cli("doctor")
    assert doctor.status == 1
    assert "FAIL" in doctor.out


def test_wrong_key(cli: Cli) -> None:
    env = {"FLOWCTL_SECRET_RAMP_CLIENT_ID": "id", "FLOWCTL_SECRET_RAMP_CLIENT_SECRET": "hush"}
    cli.ok("connect", "ramp", env=env)
    other = {"FLOWCTL_KEY": base64.b64encode(b"k" * 32).decode()}
    ran = cli("connect", "ramp", "--check", env=other)
    wrong = re.compile(
        "error: this store is sealed with the master key [0-9a-f]{12}, and the key at hand is [0-9a-f]{12}\n"
    )
    assert (ran.status, ran.out, bool(wrong.match(ran.err))) == (2, "", True)
    doctor = cli("doctor", "--offline", env=other)
    assert doctor.status == 1
    assert "FAIL  store: this store is sealed with the master key " in doctor.out
    assert cli("status", env=other).text() == ran.text()


@pytest.mark.only_sqlite("it gives the file another version")
def test_a_store_of_a_newer_flowctl(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    with closing(sqlite3.connect(cli.home / "flowctl.db")) as connection:
        connection.execute("PRAGMA user_version = 999")
    assert cli("status").text() == (
        "[2]\n--\nerror: this store was made by a newer flowctl\n"
        "  hint: update flowctl, or put back the copy from before the upgrade\n"
    )


@pytest.mark.only_sqlite("a database without anything sealed gets a new key")
def test_lost_key_is_not_replaced(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    (cli.home / "key").unlink()
    for command in (("status",), ("company", "add", "other"), ("connect", "ramp")):
        assert cli(*command).text() == (
            f"[2]\n--\nerror: there is a store at {cli.home} and no key\n"
            "  hint: put the file `key` back, or set FLOWCTL_KEY to the key that it was sealed with\n"
        )
    assert not (cli.home / "key").exists()


def test_home_that_cannot_be(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in (("company", "add", "x"), ("status",), ("doctor",)):
        ran = cli(*command, "--home", str(tmp_path / "file"))
        assert ran.status == 2
        assert "Traceback" not in ran.err
    ran = cli("company", "add", "x", "--home", str(tmp_path / "file" / "below"))
    assert ran.text() == (
        f"[2]\n--\nerror: {tmp_path}/file/below: Not a directory\n"
        "  hint: give another --home, or put its files in order\n"
    )


@pytest.mark.parametrize("name", ["", "A", "../x", "a b", "ä", "-x", "a" * 64, "x\ny", "x\x1b[2J"])
def test_names_that_do_not_fit(cli: Cli, name: str) -> None:
    ran = cli("company", "add", "--", name)
    assert ran.status == 2
    assert "cannot be the name of a company" in ran.err
    assert "\x1b" not in ran.err


WORDS = st.one_of(
    st.sampled_from(
        ["", "-", "--", "=", "a=", "=b", "ramp", "books", FLOW, "vendor", "\x1b]0;x\x07", "\u202e", "9" * 30, "²"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=12),
)
COMMANDS = (
    ("connect",),
    ("company", "add"),
    ("company", "set"),
    ("company", "unset"),
    ("company", "show"),
    ("company", "bind"),
    ("qwc", "--out", "-"),
    ("status",),
    ("deferred",),
    ("map", "show"),
    ("map", "set"),
    ("map", "unset"),
    ("map", "import"),
    ("map", "export"),
    ("retry",),
    ("connectors",),
    ("sandbox", "books", "--every"),
    ("sandbox",),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(COMMANDS), st.lists(WORDS, max_size=5), st.booleans())
def test_any_arguments(cli: Cli, command: tuple[str, ...], words: list[str], with_flow: bool) -> None:
    cli("company", "add", "main")
    arguments = [*command, *([FLOW] if with_flow else []), *(w for w in words if w not in ("--every", "-h"))]
    ran = cli(*arguments)
    assert ran.status in (0, 1, 2)
    assert "Traceback" not in ran.err
    assert "\x1b" not in ran.out
    assert ran.status == 0 or ran.err


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200), st.text(st.sampled_from("key,lookup_full name\"\n\r\t;=+-@'\x00vdr"), max_size=200)
    )
)
def test_any_csv(cli: Cli, content: bytes | str) -> None:
    cli("company", "add", "main")
    data = content if isinstance(content, bytes) else content.encode()
    ran = cli("map", "import", FLOW, "vendor", "-", stdin=data)
    assert ran.status in (0, 1, 2)
    assert "Traceback" not in ran.err
    Path("file.csv").write_bytes(b"key,full_name\n" + data)
    ran = cli("map", "import", FLOW, "vendor", "file.csv")
    assert ran.status in (0, 1, 2)
    assert "Traceback" not in ran.err
