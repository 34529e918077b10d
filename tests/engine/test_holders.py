"""Names of holders: whether whoever has a thing in the store can still give it back."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import holders
from engine.holders import drop_name, ended, machine, take_name
from engine.testing import SeededIds

HOST = socket.gethostname()


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    yield
    machine.cache_clear()


def name_of(pid: int | str, *, host: str = HOST, where: str = "", life: str = "0011223344556677") -> str:
    return f"{host}:{pid}:{where or machine()}:{life}:abcdefgh"


def ours() -> str:
    """The life that is in the names of this process."""
    name = take_name(SeededIds(1))
    drop_name(name)
    return name.split(":")[3]


def test_a_name_lives_until_it_is_dropped() -> None:
    ids = SeededIds(1)
    one, other = take_name(ids), take_name(ids)
    assert one != other
    assert one.startswith(f"{HOST}:{os.getpid()}:{machine()}:")
    assert (ended(one), ended(other)) == (False, False)
    drop_name(one)
    drop_name(one)
    assert (ended(one), ended(other)) == (True, False)
    drop_name(other)


def test_a_name_of_this_process_that_nobody_took_has_ended() -> None:
    assert ended(name_of(os.getpid(), life=ours()))


def test_a_process_that_had_our_number_before_us_has_ended() -> None:
    assert ended(name_of(os.getpid()))


def test_a_process_that_is_gone_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    name = name_of(child.pid)
    assert not ended(name)
    child.kill()
    child.communicate()
    assert ended(name)


def test_a_live_process_of_another_container_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two containers with one host name are both process 1 there; or the number is nobody's here."""

    def kill(_pid: int, _signal: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", kill)
    boot = machine().rpartition("-")[0]
    for pid in (os.getpid(), os.getpid() + 1):
        assert not ended(name_of(pid, where=f"{boot}-1"))
        assert not ended(name_of(pid, where="another-boot-1"))
        assert ended(name_of(pid))


@pytest.mark.parametrize("pid", [os.getpid(), os.getpid() + 1], ids=["ours", "another"])
def test_of_a_name_of_an_older_version_nothing_is_known(monkeypatch: pytest.MonkeyPatch, pid: int) -> None:
    def kill(_pid: int, _signal: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", kill)
    assert not ended(f"{HOST}:{pid}:of-the-other")


@pytest.mark.parametrize(
    "name",
    [
        name_of(os.getpid(), host="elsewhere"),  # nobody here knows what lives on another machine
        name_of("x"),
        name_of("²"),
        name_of("9" * 40),
        name_of(os.getpid()) + ":more",
        HOST,
        "",
    ],
    ids=["elsewhere", "word", "superscript", "huge", "more", "host alone", "nothing"],
)
def test_what_cannot_be_known_has_not_ended(name: str) -> None:
    assert not ended(name)


@pytest.mark.parametrize(("error", "gone"), [(ProcessLookupError, True), (PermissionError, False)])
def test_a_process_of_another_user_lives(monkeypatch: pytest.MonkeyPatch, error: type[OSError], gone: bool) -> None:
    def kill(_pid: int, _signal: int) -> None:
        raise error

    monkeypatch.setattr(os, "kill", kill)
    assert ended(name_of(os.getpid() + 1)) is gone


@pytest.mark.parametrize("lost", ["_BOOT", "_NAME_SPACE"])
def test_where_no_boot_can_be_told_the_network_card_tells_machines_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lost: str
) -> None:
    monkeypatch.setattr(holders, lost, tmp_path / "none")
    machine.cache_clear()
    assert re.fullmatch("[0-9a-f]{12}", machine())
    assert ended(name_of(os.getpid()))
