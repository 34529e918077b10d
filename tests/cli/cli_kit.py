"""Runs the command line in this process as the console script does: arguments, exit status, both streams."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from engine.cli.main import main


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def text(self) -> str:
        """Exit status, stdout and stderr as one text, for whole-text assertions."""
        return f"[{self.status}]\n{self.out}--\n{self.err}"


class _Text(io.TextIOWrapper):
    def __init__(self, data: bytes = b"") -> None:
        self.raw_bytes = io.BytesIO(data)
        super().__init__(self.raw_bytes, encoding="utf-8", newline="", write_through=True)

    def text(self) -> str:
        self.flush()
        return self.raw_bytes.getvalue().decode()


@dataclass(frozen=True)
class Cli:
    """A store's folder and the commands on it."""

    home: Path
    env: Mapping[str, str]

    def __call__(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
        return run(*args, stdin=stdin, env={"FLOWCTL_HOME": str(self.home), **self.env, **(env or {})})

    def ok(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
        ran = self(*args, stdin=stdin, env=env)
        assert ran.status == 0, ran.text()
        return ran


def run(*args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
    """Run one command; anything but a clean exit is the test's failure, a traceback above all."""
    out, err = _Text(), _Text()
    with (
        mock.patch.dict(os.environ, env or {}),
        mock.patch.object(sys, "argv", ["flowctl", *args]),
        mock.patch.object(sys, "stdin", _Text(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        status = _status()
        texts = out.text(), err.text()
    return Ran(status, *texts)


def _status() -> int:
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int), end.value.code
    return end.value.code


@contextmanager
def within(folder: Path) -> Iterator[None]:
    """Work in a folder, so that ./flows and relative paths are its own."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
