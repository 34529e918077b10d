"""A real `flowctl serve` process for acceptance tests; it ends with the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BOOT = "import sys; from engine.cli.main import main; main()"
# A process that does not answer for so long hangs.
PATIENCE_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    home: Path, port: int, *, before: Sequence[str] = (), boot: str = BOOT, more: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start the process with `more` options, behind the command `before`, which may be a tracer."""
    arguments = ["serve", "ramp_to_quickbooks", "--home", str(home), "--port", str(port), *more]
    with (home / "serve.log").open("ab") as log:
        return subprocess.Popen(
            [*before, sys.executable, "-c", boot, *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, "NO_COLOR": "1"},
        )


def is_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers; False when it has ended by itself."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise AssertionError(f"the server was not ready within {PATIENCE_S:.0f} s")


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, as a power cut for the process."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(20)


@contextmanager
def server(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = start(home, port)
    try:
        assert is_ready(process, port), "the server ended by itself"
        yield process
    finally:
        kill(process)
