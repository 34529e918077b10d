"""`flowctl store`, and the other commands on a store in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.main import COMMANDS
from engine.store import keys, occupied, pgschema
from engine.store.private import PrivatePostgres
from engine.vault import load_key
from tests import postgres_kit
from tests.cli.cli_kit import Cli, Ran
from tests.engine.store.rows import AT

pytestmark = pytest.mark.only_sqlite("it chooses its backends itself")

NEWEST = pgschema.newest()
PATH_HINT = "  hint: give the path of a readable file\n"
HINT = "  hint: it looks like postgresql://USER:PASSWORD@HOST/DATABASE\n"


@pytest.fixture
def place(postgres: PrivatePostgres) -> Iterator[str]:
    """The address of a database with nothing in it."""
    with postgres_kit.another(postgres, is_migrated=False) as url:
        yield url.replace("flowctl@", "flowctl:hunter2@")


@pytest.fixture
def pg(cli: Cli, place: str) -> Cli:
    return replace(cli, env={"FLOWCTL_STORE": place})


def named(pg: Cli) -> str:
    database, _, folder = pg.env["FLOWCTL_STORE"].partition("@/")[2].partition("?host=")
    return f"{database} at {folder}"


def test_a_store_in_a_file(cli: Cli) -> None:
    path = cli.home / "flowctl.db"
    assert cli("store", "show").status == 2
    assert cli("store", "migrate").status == 2
    cli.ok("company", "add", "acme")
    assert cli.ok("store", "show").out == (
        f"sqlite: {path}\n  schema version {NEWEST} of {NEWEST}\n  1 company; the newest record has the number 0\n"
    )
    assert cli.ok("store", "show", "--format", "json").json() == {
        "backend": "sqlite", "place": str(path), "schema": NEWEST, "newest_schema": NEWEST, "companies": 1,
        "newest_record": 0,
    }  # fmt: skip
    assert cli.ok("store", "migrate").out == f"{path}: schema version {NEWEST}, nothing to do\n"


def test_a_file_that_was_brought_back_is_told(cli: Cli) -> None:
    assert cli("store", "recovered", "2026-03-01T02:00:00Z").status == 2
    cli.ok("company", "add", "acme")
    with occupied.shared(cli.home):
        assert cli("store", "recovered", "2026-03-01T02:00:00Z").text() == (
            f"[2]\n--\nerror: {cli.home}: another flowctl works with this store\n"
            "  hint: stop `flowctl serve` and what else runs with it, then do this again\n"
        )
    assert cli.ok("store", "recovered", "2026-03-01T02:00:00Z").out == (
        f"{cli.home}/flowctl.db: nobody is at work, everything is due, and the journals say that it was recovered\n"
    )
    assert "restored" in cli.ok("audit", "export", "--company", "acme").out


def test_a_database_is_migrated_by_hand_and_then_works(pg: Cli, tmp_path: Path) -> None:
    first = pg("company", "add", "acme")
    assert first.text() == (
        "[2]\n--\n"
        f"error: the schema of this store does not exist yet; this flowctl needs version {NEWEST}\n"
        "  hint: run `flowctl store migrate`\n"
    )
    assert pg.ok("store", "migrate").out == f"{named(pg)}: schema version 0 -> {NEWEST}\n"
    assert pg.ok("store", "migrate").out == f"{named(pg)}: schema version {NEWEST}, nothing to do\n"
    pg.ok("company", "add", "acme")
    assert pg.ok("store", "show").out == (
        f"postgresql: {named(pg)}\n  schema version {NEWEST} of {NEWEST}\n"
        "  1 company; the newest record has the number 0\n"
    )
    assert not (pg.home / "flowctl.db").exists()
    # The same by a file in the home folder, which nobody else may read.
    there = replace(pg, env={})
    (pg.home / "store").write_text(pg.env["FLOWCTL_STORE"] + "\n")
    (pg.home / "store").chmod(0o644)
    assert there("company", "list").text() == (
        "[2]\n--\n"
        f"error: {pg.home / 'store'}: others can read it, and it may hold a password\n"
        f"  hint: run `chmod 600 {pg.home / 'store'}`\n"
    )
    (pg.home / "store").chmod(0o600)
    assert there.ok("company", "list").out == pg.ok("company", "list").out
    assert replace(pg, env={"FLOWCTL_STORE": f"file:{pg.home / 'store'}"}).ok("company", "list").status == 0


def found(ran: Ran, *subjects: str) -> list[str]:
    """Lines of the doctor about these, without the spaces between columns."""
    lines = (" ".join(line.split()) for line in ran.out.splitlines())
    return [line for line in lines if line.partition(" ")[2].startswith(subjects)]


def test_doctor_looks_at_the_database(pg: Cli) -> None:
    pg.ok("store", "migrate")
    pg.ok("company", "add", "acme")
    subjects = ("store", "durability", "schema", "row-level")
    assert found(pg("doctor", "--offline"), *subjects) == [
        f"ok store: {named(pg)}",
        "FAIL durability: fsync and full_page_writes is off",
        f"ok schema: version {NEWEST} of {NEWEST}",
        "ok row-level security: holds for every table with companies",
    ]
    admin = replace(pg, env={"FLOWCTL_STORE": pg.env["FLOWCTL_STORE"].replace("flowctl:hunter2@", "postgres@")})
    assert found(admin("doctor", "--offline"), "row-level") == [
        "FAIL row-level security: the role is a superuser, for which it does not hold"
    ]


def test_what_is_done_with_files_says_that_there_is_none(pg: Cli, tmp_path: Path) -> None:
    pg.ok("store", "migrate")
    pg.ok("company", "add", "acme")
    ran = pg("backup", str(tmp_path / "copies"))
    assert ran.text() == (
        "[2]\n--\n"
        f"error: the store is on PostgreSQL ({named(pg)}): flowctl does not copy it\n"
        f"  hint: use pg_dump, or point-in-time recovery, and keep the files of {pg.home}; docs/howto/postgresql.md says how\n"
    )
    assert not (tmp_path / "copies").exists()


def test_a_machine_without_the_key_is_not_given_a_new_one(pg: Cli, tmp_path: Path) -> None:
    pg.ok("store", "migrate")
    pg.ok("company", "add", "acme")
    pg.ok("user", "add", "ana", "--role", "admin")
    with postgres_kit.opened(pg.env["FLOWCTL_STORE"]) as store, store.write() as tx:
        keys.seal(tx, load_key(pg.home), keys.Place("acme", "cards", "token"), "canary", AT)
    other = replace(pg, home=tmp_path / "other")
    assert other("company", "list").text() == (
        "[2]\n--\n"
        f"error: the store {named(pg)} is sealed, and there is no key at {other.home}\n"
        "  hint: copy the file `key` from where the store was made, or set FLOWCTL_KEY to it\n"
    )
    assert not (other.home / "key").exists()
    (other.home / "key").write_bytes((pg.home / "key").read_bytes())
    (other.home / "key").chmod(0o600)
    assert other.ok("company", "list").out == pg.ok("company", "list").out


def test_a_database_that_was_brought_back_is_told(pg: Cli) -> None:
    pg.ok("store", "migrate")
    pg.ok("company", "add", "acme")
    assert pg("store", "recovered", "yesterday").text() == (
        "[2]\n--\nerror: `yesterday` is no time in UTC\n  hint: it looks like 2026-03-01T02:00:00Z\n"
    )
    assert pg.ok("store", "recovered", "2026-03-01T02:00:00Z").out == (
        f"{named(pg)}: nobody is at work, everything is due, and the journals say that it was recovered\n"
    )
    ran = pg("audit", "verify")
    assert ran.status == 0, ran.text()
    assert "the store was recovered to 2026-03-01T02:00:00.000000Z" in ran.out


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mysql://root:hunter2@db/x", "error: FLOWCTL_STORE: is no address of a PostgreSQL database\n" + HINT),
        ("file:/nowhere/store", "error: /nowhere/store: cannot be read: No such file or directory\n" + PATH_HINT),
    ],
)
def test_what_names_no_store(cli: Cli, value: str, words: str) -> None:
    for command in (("company", "list"), ("store", "show"), ("store", "migrate"), ("backup", "copies")):
        ran = cli(*command, env={"FLOWCTL_STORE": value})
        assert ran.text() == f"[2]\n--\n{words}"


def test_no_command_shows_the_password(pg: Cli) -> None:
    for command in (
        ("store", "migrate"),
        ("store", "show"),
        ("doctor", "--offline"),
        ("company", "add", "a"),
        ("status",),
    ):
        assert "hunter2" not in pg("-vv", *command).text()
    wrong = {"FLOWCTL_STORE": "postgresql://flowctl:hunter2@127.0.0.1:1/none"}
    for name in ("store", "doctor", "status"):
        assert name in COMMANDS
        assert "hunter2" not in pg(name, *(["show"] if name == "store" else []), env=wrong).text()


def test_a_store_is_moved_and_used_there(cli: Cli, pg: Cli) -> None:
    assert cli("store", "copy").err == (
        "error: no database is named\n  hint: set FLOWCTL_STORE to the address of an empty database of PostgreSQL\n"
    )
    cli.ok("company", "add", "acme")
    moved = pg.ok("store", "copy", "--yes")
    rows = moved.out.partition(": ")[2].partition(" rows")[0]
    tables = moved.out.partition(" of ")[2].partition(" tables")[0]
    assert moved.out == f"{named(pg)}: {rows} rows of {tables} tables, each compared; 1 journal verified\n"
    assert moved.err.splitlines()[-1] == (
        f"the file is kept as {cli.home / 'flowctl.db.moved'}, and is not used any more; copy the key to each machine"
    )
    assert "hunter2" not in moved.text() + moved.err
    assert [row["company"] for row in pg.ok("company", "list", "--format", "json").json()] == ["acme"]
    refused = cli("company", "list")
    assert (refused.status, refused.err.splitlines()[0].partition(" at 20")[0]) == (
        2,
        f"error: {cli.home}: its store was moved to PostgreSQL ({named(pg)})",
    )
    assert pg("store", "copy", "--yes").status == 2
