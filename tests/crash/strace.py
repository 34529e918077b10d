"""strace, started around a process or attached to one of its threads, with one fault to inject."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What makes a change of a file durable, or fails to; `?` lets a machine be without a call. The log is written by `write`.
CALLS = (
    *("pwrite64", "pwritev", "pwritev2", "write", "fdatasync", "fsync", "sync_file_range", "ftruncate", "truncate"),
    *("fallocate", "unlink", "unlinkat", "rename", "renameat", "renameat2"),
)
_TRACE = "trace=" + ",".join(f"?{name}" for name in CALLS)
_ATTACH_S = 10.0


@cache
def why_not() -> str:
    """Why strace cannot be used here; empty when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-f", "-o", os.devnull, "-e", "trace=write", sys.executable, "-c", "print('traced')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode or "traced" not in done.stdout:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[0]
        return f"strace may not trace processes here: {said}"
    return ""


def around(log: Path, inject: str = "") -> list[str]:
    """The command that starts a program under strace."""
    # With --seccomp-bpf strace 6.1 injects no signal into the first thread.
    return [*_command(log, inject), "-f"]


def _command(log: Path, inject: str) -> list[str]:
    injected = ["-e", f"inject={inject}"] if inject else []
    return ["strace", "-y", "-s", "0", "-o", str(log), "-e", _TRACE, *injected]


def threads(pid: int) -> list[int]:
    """The threads of a process, oldest first."""
    return sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())


def child(pid: int) -> int:
    """The process that a strace has started."""
    deadline = time.monotonic() + _ATTACH_S
    while time.monotonic() < deadline:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.005)
    raise AssertionError("strace has started nothing")


def kill_child(pid: int) -> None:
    """SIGKILL to the process that a strace has started: strace itself lets no other signal through to it."""
    try:
        os.kill(child(pid), signal.SIGKILL)
    except (AssertionError, FileNotFoundError, ProcessLookupError):
        return


@dataclass(slots=True)
class Attached:
    """A strace that is attached to a running process."""

    process: subprocess.Popen[bytes]

    def detach(self) -> None:
        """Take it away; the process lives on without faults."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


def attach(pid: int, log: Path, inject: Sequence[str] = (), *, thread: int = 0) -> Attached:
    """Attach to one thread, or to the whole process and every thread to come; returns once it is in effect.

    strace counts the calls of each thread on their own, from the moment it is attached.
    """
    target = ["-p", str(thread)] if thread else ["-f", "-p", str(pid)]
    command = _command(log, "")
    for fault in inject:
        command += ["-e", f"inject={fault}"]
    process = subprocess.Popen([*command, *target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = {thread} if thread else set(threads(pid))
    deadline = time.monotonic() + _ATTACH_S
    while time.monotonic() < deadline and process.poll() is None:
        wanted = {tid for tid in wanted if not _is_traced(pid, tid)}
        if not wanted:
            return Attached(process)
        time.sleep(0.002)
    process.kill()
    process.wait(20)
    raise AssertionError("strace could not be attached")


def _is_traced(pid: int, tid: int) -> bool:
    """Whether a thread is traced by now, or gone."""
    try:
        status = Path(f"/proc/{pid}/task/{tid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return "TracerPid:\t0\n" not in status


@dataclass(frozen=True, slots=True)
class Struck:
    """What a strace log says of the injected fault: the call, and the end of the file's name that it was for."""

    happened: bool
    call: str = ""
    file: str = ""


def counted(log: Path) -> Counter[tuple[int, str]]:
    """How often each thread made each call, from a log of `-f`."""
    found: Counter[tuple[int, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        tid, _, rest = line.partition(" ")
        call, opened, _ = rest.lstrip().partition("(")
        if opened and call in CALLS:
            found[int(tid), call] += 1
    return found


def struck(log: Path, *, killed: bool) -> Struck:
    """Find the fault in a log; a killed process made its last call in it."""
    last = ""
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        if "(INJECTED)" in line:
            return Struck(True, *_call_and_file(line))
        if "(" in line and "<" in line:
            last = line
        if "+++ killed by SIGKILL +++" in line and killed:
            return Struck(True, *_call_and_file(last))
    return Struck(False)


def _call_and_file(line: str) -> tuple[str, str]:
    """From `123 pwrite64(5</a/flowctl.db-journal>, ""..., 512, 0) = ...`, the name of the call and of its file."""
    call, _, rest = line.rpartition(" ") if "(" not in line else line.partition("(")
    name = call.split()[-1] if call.split() else ""
    file = rest.partition("<")[2].partition(">")[0]
    return name, Path(file).name
