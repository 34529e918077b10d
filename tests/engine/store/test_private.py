"""The private PostgreSQL ends with the process that started it, and leaves nothing, however that process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.store import private
from tests.reference import ROOT

_STARTED = """
import signal, sys
from engine.store import private
# Whoever starts the tests in the background has this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with private.running() as server:
    print(server.url().partition("host=")[2], flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(private.programs() is None, reason="PostgreSQL is not installed")


def is_there(pid: int) -> bool:
    """Whether a process runs; one that only waits to be taken note of does not."""
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return False


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "end_it",
    [
        lambda process: process.stdin.close(),
        lambda process: os.kill(process.pid, signal.SIGKILL),
        lambda process: os.killpg(process.pid, signal.SIGKILL),
        lambda process: os.killpg(process.pid, signal.SIGINT),
    ],
    ids=["its time is over", "killed alone", "all of it killed", "interrupted"],
)
def test_it_ends_with_the_process_that_started_it(end_it: Callable[[subprocess.Popen[str]], None]) -> None:
    with subprocess.Popen(  # a process group of its own, as a terminal interrupts it
        [sys.executable, "-c", _STARTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, cwd=ROOT, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        server = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        assert is_there(server)
        end_it(process)
        process.wait(20)
    end = time.monotonic() + 20
    while is_there(server) or folder.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
