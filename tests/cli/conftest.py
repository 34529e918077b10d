"""Each test has a folder of its own, and no variables or flows of the machine it runs on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stores
from tests.cli.cli_kit import Cli, within


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    for name in list(os.environ):
        if name.startswith("FLOWCTL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOGNAME", "pat")
    with within(tmp_path):
        yield Cli(stores.homed(tmp_path / "home"), {})
