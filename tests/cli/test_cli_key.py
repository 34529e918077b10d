"""`flowctl key`: what is said, what is kept, and what a wrong or missing key looks like from any command."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from engine.store import whereabouts
from engine.vault import load_key, new_key, text_of
from tests import stores
from tests.cli.cli_kit import Cli

LOST = (
    "[2]\n--\nerror: there is a store at {home} and no key\n"
    "  hint: put the file `key` back, or set FLOWCTL_KEY to the key that it was sealed with\n"
)
NO_KEY = (
    "[2]\n--\nerror: the store {place} is sealed, and there is no key at {home}\n"
    "  hint: copy the file `key` from where the store was made, or set FLOWCTL_KEY to it\n"
)
RAMP = ("connect", "ramp", "--secret-file", "client_id=-", "--no-ask")


@pytest.fixture
def made(cli: Cli, tmp_path: Path) -> Cli:
    """A company with one connection and two secrets."""
    (tmp_path / "id").write_text("canary-id")
    (tmp_path / "secret").write_text("canary-secret")
    cli.ok("connect", "ramp", "--secret-file", "client_id=id", "--secret-file", "client_secret=secret")
    return cli


def test_a_rotation_from_the_outside(made: Cli) -> None:
    before = made.ok("key", "status", "--format", "json").json()
    (old,) = before["data_keys"]
    assert before == {
        "master_key": load_key(made.home).key_id,
        "place": str(made.home / "key"),
        "data_keys": [{"key_id": old["key_id"], "state": "active", "made_at": old["made_at"], "secrets": 2}],
        "sealed_with_master": 0,
        "lost": {},
    }
    done = made.ok("key", "rotate", "--format", "json").json()
    assert done == {"key": done["key"], "secrets": 2, "retired": [old["key_id"]], "broken": []}
    status = made.ok("key", "status")
    assert status.out.startswith(
        f"master key {before['master_key']}, from {made.home}/key\ndata key {done['key']}, active, made "
    )
    assert status.out.endswith(": 2 secrets\n")
    again = made.ok("key", "rotate")
    assert again.out.endswith(f" seals 2 secrets; gone: {done['key']}\n")
    assert "canary" not in status.text() + again.text()


def test_a_new_master_key(made: Cli) -> None:
    old = (made.home / "key").read_text()
    done = made.ok("key", "set-master")
    assert done.text() == f"[0]\nmaster key {load_key(made.home).key_id}, from {made.home}/key\n--\n"
    assert (made.home / "key").read_text() != old
    made.ok("key", "status")
    new = load_key(made.home).key_id
    (made.home / "key").write_text(old)
    hint = (
        f"  hint: put the key {new} back where it was: the file `key`, the keyring, or FLOWCTL_KEY; after a change of the "
        "master key, restart what still runs with the old one; when it is lost for good, run `flowctl key forget`\n"
    )
    wrong = (
        f"error: this store is sealed with the master key {new}, and the key at hand is {load_key(made.home).key_id}\n"
    )
    for command in (
        ("key", "status"),
        ("key", "rotate"),
        ("status",),
        ("connect", "--list"),
        ("audit", "verify"),
        ("run", "ramp_to_quickbooks"),
    ):
        assert made(*command).text() == f"[2]\n--\n{wrong}{hint}", command
    assert f"FAIL  store: {wrong.removeprefix('error: ')}" in made("doctor", "--offline").out


def test_a_key_that_is_lost_for_good(made: Cli) -> None:
    made.ok("audit", "checkpoint")
    assert made.ok("key", "forget", "--yes").out == "nothing to give up: the key at hand opens every data key\n"
    (key,) = made.ok("key", "status", "--format", "json").json()["data_keys"]
    (made.home / "key").unlink()
    done = made.ok("key", "forget", "--yes")
    assert done.out == f"given up: {key['key_id']}\n"
    status = made("key", "status", "--format", "json").json()
    assert (status["data_keys"], status["lost"]) == ([], {})
    give = ("--secret-file", "client_id=id", "--secret-file", "client_secret=secret")
    made.ok("connect", "ramp", *give)
    assert made("audit", "checkpoint").status == 1
    made.ok("audit", "checkpoint", "--accept", "the key was lost")
    made.ok("audit", "verify")


def test_a_missing_key(made: Cli) -> None:
    (made.home / "key").unlink()
    said = NO_KEY if stores.ON_POSTGRES else LOST
    for command in (("key", "status"), ("key", "rotate"), ("key", "set-master"), ("status",), ("audit", "checkpoint")):
        assert made(*command).text() == said.format(home=made.home, place=whereabouts.named(made.home)), command
    assert not (made.home / "key").exists()


def test_a_key_that_is_given(made: Cli) -> None:
    master = new_key()
    given = made.ok("key", "set-master", "--from", "-", "--format", "json", stdin=text_of(master).encode() + b"\n")
    assert given.json() == {"key": master.key_id, "path": str(made.home / "key"), "broken": []}
    assert load_key(made.home) == master
    same = made("key", "set-master", "--from", "-", stdin=text_of(master).encode())
    assert same.text() == (
        "[2]\n--\nerror: The master key given is the one in use.\n  hint: leave it out to have a new one made\n"
    )
    short = made("key", "set-master", "--from", "-", stdin=base64.b64encode(b"short"))
    assert short.text() == (
        "[2]\n--\nerror: the new key does not hold 32 bytes\n  hint: it is the base64 text of 32 random bytes\n"
    )


def test_a_key_in_the_environment(made: Cli) -> None:
    env = {"FLOWCTL_KEY": text_of(load_key(made.home))}
    (made.home / "key").unlink()
    assert made("key", "set-master", env=env).text() == (
        "[2]\n--\nerror: the master key is in FLOWCTL_KEY, which only you can change\n"
        "  hint: give the new key with --from PATH and then change the variable, or move it with --to file\n"
    )
    master = new_key()
    done = made.ok("key", "set-master", "--from", "-", env=env, stdin=text_of(master).encode())
    assert done.text() == (
        f"[0]\nmaster key {master.key_id}\n--\nset FLOWCTL_KEY to the new key, and start `flowctl serve` again\n"
    )
    assert made("status", env=env).status == 2
    env = {"FLOWCTL_KEY": text_of(master)}
    moved = made.ok("key", "set-master", "--to", "file", env=env)
    assert moved.err == "take FLOWCTL_KEY out of the environment, and start `flowctl serve` again\n"
    made.ok("key", "status")


def test_what_does_not_open_is_named(made: Cli) -> None:
    from engine.cli import common

    with common.opened(made.home) as world, world.store.write() as tx:
        tx.run(
            "credential_put",
            {
                "company": "main",
                "connection": "ramp",
                "field": "client_id",
                "key_id": "feedfeedfeed",
                "sealed": b"x",
                "at": "",
            },
        )
    status = made("key", "status")
    assert (status.status, status.out.splitlines()[-1], status.err) == (
        1,
        "sealed with the key feedfeedfeed, which is not here: 1 secret",
        "put that key back, or connect again with `flowctl connect`\n",
    )
    rotated = made("key", "rotate")
    assert (rotated.status, rotated.err) == (
        1,
        (
            "main/ramp: the secret `client_id` does not open; it stays as it is\n"
            "put the key back that they were sealed with, or connect again with `flowctl connect`\n"
        ),
    )
