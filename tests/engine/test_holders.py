"""Names of holders: whether whoever has a thing in the store can still give it back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from engine.holders import drop_name, ended, take_name
from engine.testing import SeededIds


def test_a_name_lives_until_it_is_dropped() -> None:
    ids = SeededIds(1)
    one, other = take_name(ids), take_name(ids)
    assert one != other
    assert one.startswith(f"{socket.gethostname()}:{os.getpid()}:")
    assert (ended(one), ended(other)) == (False, False)
    drop_name(one)
    drop_name(one)
    assert (ended(one), ended(other)) == (True, False)
    drop_name(other)


def test_a_name_of_this_process_that_nobody_took_has_ended() -> None:
    assert ended(f"{socket.gethostname()}:{os.getpid()}:00000000")


def test_a_process_that_is_gone_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    name = f"{socket.gethostname()}:{child.pid}:abcdefgh"
    assert not ended(name)
    child.kill()
    child.communicate()
    assert ended(name)


@pytest.mark.parametrize(
    "name",
    [
        f"elsewhere:{os.getpid()}:abcdefgh",  # nobody here knows what lives on another machine
        f"{socket.gethostname()}:x:abcdefgh",
        f"{socket.gethostname()}",
        "",
    ],
)
def test_what_cannot_be_known_has_not_ended(name: str) -> None:
    assert not ended(name)


@pytest.mark.parametrize(("error", "gone"), [(ProcessLookupError, True), (PermissionError, False)])
def test_a_process_of_another_user_lives(monkeypatch: pytest.MonkeyPatch, error: type[OSError], gone: bool) -> None:
    def kill(_pid: int, _signal: int) -> None:
        raise error

    monkeypatch.setattr(os, "kill", kill)
    assert ended(f"{socket.gethostname()}:{os.getpid() + 1}:abcdefgh") is gone
