"""The tutorial is typed in order, in a clean folder, by a reader with several terminals; what it shows is what appears."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.serving import bind
from tests.docs import pages
from tests.docs.pages import Typed
from tests.docs.shell import Shell
from tests.reference import ROOT

pytestmark = pytest.mark.acceptance
PAGE = ROOT / "docs" / "tutorial" / "first-flow.md"
# The ports that the page shows; a test takes free ones.
RAMP, SERVER = 9001, 8765
PATIENCE_S = 60.0
# So many looks in a row, half a second apart, that show the same.
_STILL = 4
# What differs from one reader to the next, and nothing else.
DIFFERS = (
    (r"(?<=shown this once: )[0-9A-Za-z]{20}\b", "PASSWORD"),
    (r"\b[0-9]+ (s|min) ago", "AGE"),
)
_SAVE = re.compile(r"Save this as `([\w./]+)`")
_CHANGE = re.compile(r"change ``(.+?)`` to `(.+?)`")


@dataclass
class Reader:
    """Whoever follows the page: a terminal to type in, others in which something serves."""

    shell: Shell
    ports: dict[int, int]
    serving: list[subprocess.Popen[str]] = field(default_factory=list)
    password: str = ""
    saved: Path | None = None

    def here(self, text: str) -> str:
        """The page's addresses and password as they are here."""
        for shown, port in self.ports.items():
            text = text.replace(f":{shown}", f":{port}")
        return text

    def as_shown(self, text: str) -> str:
        """What came out, with the page's addresses."""
        for shown, port in self.ports.items():
            text = text.replace(f":{port}", f":{shown}")
        # On a machine that is busy, a record is looked at twice before what it waits for is there.
        return plain(re.sub(r" \(seen \d+ times\)", "", text))

    def type(self, one: Typed) -> None:
        """Type a command and hold what appears against the page."""
        if one.command.startswith(("flowctl sandbox ramp", "flowctl serve")):
            self._serve(one)
            return
        line = self.here(one.command)
        if line.startswith("flowctl sandbox books"):
            self._rest()
            line += f" --server http://localhost:{self.ports[SERVER]}"
        elif line.startswith("echo ") and self.password:
            line = re.sub(r"[0-9A-Za-z]{20}", self.password, line)
        elif line.startswith(". "):
            return
        wanted = plain("\n".join(one.shown or ()))
        ran = self.shell.type(line)
        until = time.monotonic() + PATIENCE_S
        # A reader looks again when the server is not done yet.
        while line.startswith(("flowctl status", "flowctl deferred")) and time.monotonic() < until:
            if self.as_shown(ran.out).strip() == wanted.strip():
                break
            time.sleep(0.2)
            ran = self.shell.type(line)
        if found := re.search(r"shown this once: ([0-9A-Za-z]{20})", ran.out):
            self.password = found[1]
        assert one.shown is None or self.as_shown(self._both(ran.out, ran.err)).strip() == wanted.strip(), one.place

    @staticmethod
    def _both(out: str, err: str) -> str:
        """Both streams as a terminal shows them: what a command says of its result comes last or alone."""
        return out + err

    def _serve(self, one: Typed) -> None:
        is_ramp = "sandbox" in one.command
        port = self.ports[RAMP if is_ramp else SERVER]
        words = [*one.command.split()[1:], "--port", str(port)]
        started = subprocess.Popen(
            [sys.executable, "-c", "from engine.cli.main import main; main()", *words],
            cwd=self.shell.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "FLOWCTL_HOME": ".flowctl"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.serving.append(started)
        wanted = plain("\n".join(one.shown or ()))
        assert started.stdout is not None
        said = "".join(started.stdout.readline() for _ in (one.shown or ()))
        assert self.as_shown(said).strip() == wanted.strip(), one.place
        _answers(port)

    def _rest(self) -> None:
        """Wait until the server has read, and goes no further by itself: the reader takes a moment to type.

        What is read before the first visit of the Web Connector stays pending: nobody has told the lists yet.
        """
        before, same = "", 0
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and same < _STILL:
            found = self.shell.flowctl(["status", "--format", "json"]).json()
            now = json.dumps(found["states"])
            same = same + 1 if found["states"] and now == before else 0
            before = now
            time.sleep(0.5)

    def stop(self) -> None:
        """Ctrl-C in every other terminal; each ends with status 0."""
        for process in reversed(self.serving):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        assert [process.returncode for process in self.serving] == [0] * len(self.serving)
        self.serving.clear()


def plain(text: str) -> str:
    """A text without what differs from one reader to the next."""
    for pattern, name in DIFFERS:
        text = re.sub(pattern, name, text)
    return text


def _answers(port: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at port {port}")


def _free() -> int:
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    for name in list(os.environ):
        if name.startswith("FLOWCTL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOGNAME", "pat")
    # The command's own default, here too: the page never names a home.
    made = Reader(Shell(tmp_path, {"FLOWCTL_HOME": ".flowctl"}), {RAMP: _free(), SERVER: _free()})
    try:
        yield made
    finally:
        for process in made.serving:
            process.kill()
            process.communicate()


@pytest.mark.only_sqlite("a tutorial begins with a file")
def test_every_command_gives_what_is_shown(reader: Reader) -> None:
    text = pages.read(PAGE)
    lines = text.splitlines()
    done = 0
    for fence in pages.fences(PAGE):
        between = "\n".join(lines[done : fence.line - 1])
        done = fence.line + fence.text.count("\n")
        _edit(reader, between)
        if fence.language == "yaml":
            saved = _SAVE.findall(between)
            assert saved, (
                f"{fence.place}: the page does not say where this is saved: write Save this as `flows/NAME.yaml`"
            )
            reader.saved = reader.shell.folder / saved[-1]
            reader.saved.write_text(fence.text, encoding="utf-8")
        for one in pages.in_fence(fence):
            reader.type(one)
    assert len(reader.serving) == 2
    reader.stop()


def _edit(reader: Reader, between: str) -> None:
    """What the reader is asked to change in the file between two blocks, or to change back."""
    if (asked := _CHANGE.search(between)) is not None:
        assert reader.saved is not None
        before = reader.saved.read_text(encoding="utf-8")
        assert asked[1] in before, asked[0]
        reader.shell.env["_UNDO"] = before
        reader.saved.write_text(before.replace(asked[1], asked[2]), encoding="utf-8")
    elif "Change it back" in between:
        assert reader.saved is not None
        reader.saved.write_text(reader.shell.env.pop("_UNDO"), encoding="utf-8")
