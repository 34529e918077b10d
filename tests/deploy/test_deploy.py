"""The files for a server: systemd takes its units, what they run exists, and the pages show the files as they are."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from engine.cli.main import cli
from tests.reference import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def parsed(command: list[str]) -> click.Context:
    """A command of flowctl as its own parser takes it; a wrong option is an error."""
    group = click.Context(cli, info_name="flowctl")
    name, found, rest = cli.resolve_command(group, list(command))
    assert found is not None
    return found.make_context(name, rest, parent=group)


def unit(path: Path) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
    read.read_string(path.read_text(encoding="utf-8"))
    return read


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_the_units() -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, UNITS)], capture_output=True, text=True, timeout=60, check=False
    )
    # The program is not installed where the tests run; nothing else may be said.
    said = [line for line in done.stderr.splitlines() if " is not executable: " not in line and line.strip()]
    assert said == []


@pytest.mark.parametrize("path", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.stem)
def test_what_a_unit_runs_is_a_command(path: Path) -> None:
    service = unit(path)["Service"]
    program, *words = service["ExecStart"].split()
    assert program == "/opt/flowctl/.venv/bin/flowctl"
    parsed(words)
    assert service["Environment"] == "FLOWCTL_HOME=/var/lib/flowctl"


def test_the_timer_starts_a_service_that_is_there() -> None:
    timer = DEPLOY / "systemd" / "flowctl-backup.timer"
    assert unit(timer)["Timer"]["OnCalendar"] == "*-*-* 02:15:00"
    assert timer.with_suffix(".service").exists()


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_the_page_shows_the_proxy_as_it_is(name: str) -> None:
    page = (ROOT / "docs/howto/run-in-production.md").read_text(encoding="utf-8")
    assert f"\n{(DEPLOY / 'proxy' / name).read_text(encoding='utf-8')}```" in page


def test_the_image_runs_a_command_without_rights() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", text).splitlines()
    said = {line.split()[0]: line.partition(" ")[2] for line in lines if line and not line.startswith("#")}
    assert said["USER"] == "flowctl"
    assert said["ENTRYPOINT"] == '["flowctl"]'
    parsed(yaml.safe_load(said["CMD"]))
    copied = [line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text(encoding="utf-8"))
    parsed(compose["services"]["flowctl"]["command"])
    assert "ports" not in compose["services"]["flowctl"]


def test_the_image_leaves_out_what_it_does_not_need() -> None:
    """Docker and podman read one file each."""
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert not {"engine", "connectors", "flows", "schemas", "qbxml_templates", "requirements", "LICENSE"} & set(
        left_out
    )
