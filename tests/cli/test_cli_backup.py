"""`flowctl backup`, `restore` and `prune` from the outside: what is said, asked and refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.cli_kit import Cli

pytestmark = pytest.mark.only_sqlite("a backup is one of the file")

STAMP = re.compile(r"\d{8}T\d{6}Z")
MOMENT = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z")
SIZE = re.compile(r"\d+\.\d MB")
VERSION = re.compile(r"flowctl \d[\w.]*")


def plain(text: str, home: Path) -> str:
    """Without what differs from run to run."""
    for pattern, word in ((STAMP, "STAMP"), (MOMENT, "MOMENT"), (SIZE, "SIZE"), (VERSION, "flowctl VERSION")):
        text = pattern.sub(word, text)
    return text.replace(str(home), "HOME")


@pytest.fixture
def made(cli: Cli) -> Cli:
    cli.ok("company", "add", "acme")
    return cli


def test_there_and_back(made: Cli) -> None:
    ran = made.ok("backup", "to")
    assert plain(ran.text(), made.home) == (
        "[0]\nto/flowctl-STAMP: 1 company, 0 records, SIZE\n--\n"
        "the master key is not in it: keep it in another place, or nothing that is sealed can be opened\n"
    )
    path = ran.out.partition(":")[0]
    assert plain(made.ok("backup", path, "--check").text(), made.home) == (
        "[0]\nto/flowctl-STAMP: whole, 1 company, 0 records, SIZE\n--\n"
    )
    made.ok("company", "add", "beta")
    assert plain(made("restore", path).text(), made.home) == (
        "[1]\nto/flowctl-STAMP: made MOMENT by flowctl VERSION: 0 records\nnothing was changed; give --yes to go on\n--\n"
    )
    assert plain(made.ok("restore", path, "--yes").text(), made.home) == (
        "[0]\nto/flowctl-STAMP: made MOMENT by flowctl VERSION: 0 records\n"
        "HOME: the store is that of MOMENT\n"
        "  what was there is in HOME/before-restore-STAMP; remove it when all is well\n--\n"
        "next: `flowctl doctor` tries each connection; sign in again where it fails\n"
        "then: start `flowctl serve`, here alone: a second server on the same companies would write as well\n"
    )
    assert made.ok("company", "list", "--format", "json").json()[0]["company"] == "acme"
    assert made("company", "show", "beta").status == 2
    assert made.ok("audit", "verify").out.startswith("ok    acme: ")


def test_as_json_with_the_oldest_removed(made: Cli, tmp_path: Path) -> None:
    path = made.ok("backup", "to").out.partition(":")[0]
    old = tmp_path / "to" / "flowctl-20200101T000000Z"
    (tmp_path / path).rename(old)
    manifest = old / "backup.json"
    manifest.write_text(re.sub(r'"made_at": "[^"]+"', '"made_at": "2020-01-01T00:00:00.000000Z"', manifest.read_text()))
    told = made.ok("backup", "to", "--keep", "1", "--format", "json").json()
    assert sorted(told) == ["bytes", "companies", "made_at", "path", "records", "removed", "schema"]
    assert told["removed"] == ["to/flowctl-20200101T000000Z"]
    assert [item.name for item in (tmp_path / "to").iterdir()] == [Path(told["path"]).name]


def test_what_is_refused(made: Cli, tmp_path: Path) -> None:
    path = made.ok("backup", "to").out.partition(":")[0]
    assert made("backup", "to", "--check", "--keep", "3").text() == (
        "[2]\n--\nerror: --check makes no backup, so there is nothing for --keep\n  hint: give one of the two\n"
    )
    assert made("restore", "to").text() == (
        "[2]\n--\nerror: to: no backup: it has no backup.json\n  hint: give a folder that `flowctl backup` made\n"
    )
    shutil.move(made.home / "key", tmp_path / "elsewhere")
    ran = made("restore", path, "--yes")
    assert (ran.status, plain(ran.err, made.home)) == (
        2,
        "error: there is no key at HOME/key\n  hint: set FLOWCTL_KEY, or run `flowctl connect` first\n",
    )
    (tmp_path / "file").write_text("")
    assert made("backup", "file/below").text() == (
        "[2]\n--\nerror: file/below: Not a directory\n  hint: check the path and its permissions\n"
    )


def test_prune_says_what_goes(made: Cli) -> None:
    ran = made.ok("prune", "--dry-run")
    assert re.sub(r"\d{4}-\d\d-\d\d", "DAY", ran.text()) == "[0]\nacme: nothing is older than DAY\n--\n"
    told = made.ok("prune", "--format", "json").json()
    assert told["companies"] == {"acme": {"sets": 0, "runs": 0, "alerts": 0, "figures": 0, "bytes": 0}}
    assert made("prune", "--older-than", "30").text() == (
        "[2]\n--\nerror: 30 days is too short: what is younger than 90 days stays\n  hint: give 90 or more\n"
    )
    assert made("prune", "--company", "nobody").status == 2


def test_who_comes_back_and_what_is_no_longer_stopped_is_said_before_it_asks(made: Cli) -> None:
    made.ok("user", "add", "ana", "--role", "admin")
    path = made.ok("backup", "to").out.partition(":")[0]
    made.ok("user", "add", "bob", "--role", "admin")
    made.ok("user", "remove", "ana", "--yes")
    head = "to/flowctl-STAMP: made MOMENT by flowctl VERSION: 0 records\n"
    stays = "  who may sign in to the panel, and with what password and role, stays as it is now\n"
    assert plain(made("restore", path).out, made.home) == f"{head}{stays}nothing was changed; give --yes to go on\n"
    store = made.home / "flowctl.db"
    store.write_bytes(store.read_bytes()[:4096] + b"\xff" * 200_000)
    ran = made.ok("restore", path, "--yes")
    assert plain(ran.out, made.home) == (
        f"{head}  these may sign in to the panel again, with the roles and passwords of then: ana (admin)\n"
        "  the store that is there cannot be read: what was paused or held back since is not stopped any more\n"
        "HOME: the store is that of MOMENT\n"
        "  what was there is in HOME/before-restore-STAMP; remove it when all is well\n"
        "  the store before the restore could not be read: its newer tokens are lost\n"
    )
    assert ran.err.splitlines()[0] == (
        "WARNING: the store that was there cannot be read: what was paused or held back since the backup is not known, and "
        "would be sent again; pause the companies with `flowctl pause` before `flowctl serve` is started, and look"
    )


def test_a_removed_user_stays_removed(made: Cli) -> None:
    made.ok("user", "add", "ana", "--role", "admin")
    path = made.ok("backup", "to").out.partition(":")[0]
    made.ok("user", "add", "bob", "--role", "admin")
    made.ok("user", "remove", "ana", "--yes")
    ran = made.ok("restore", path, "--yes")
    assert "  2 users of the panel may do what they might before, and not what the backup says\n" in ran.out
    assert [row["user"] for row in made.ok("user", "list", "--format", "json").json()] == ["bob"]
