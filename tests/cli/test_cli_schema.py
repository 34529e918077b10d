"""`flowctl schema`, as a person runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import registry
from engine.flowlang.flowschema import flow_schema_text
from tests.cli.cli_kit import Cli
from tests.reference import ROOT


def test_it_prints_the_schema_that_comes_with_flowctl(cli: Cli) -> None:
    ran = cli.ok("schema")
    assert ran.out == (ROOT / "schemas" / "flow.schema.json").read_text(encoding="utf-8")
    assert ran.err == ""


def test_it_writes_a_file_for_the_roles_of_a_project(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "new" / "flow.schema.json"
    ran = cli.ok("schema", "--output", str(file), "--role", "ledger_of_acme", "--role", "shop")
    assert (ran.out, ran.err) == ("", "")
    assert file.read_text(encoding="utf-8") == flow_schema_text(("shop", "ledger_of_acme"))
    assert file.read_text(encoding="utf-8") != flow_schema_text()


def test_a_role_is_a_name(cli: Cli) -> None:
    ran = cli("schema", "--role", "My Books")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith(
        "Error: Invalid value for '--role': `My Books` cannot be the name of a connection: use lower-case letters, digits "
        "and _, beginning with a letter\n"
    )


def test_a_connector_that_cannot_be_asked_is_left_out_and_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = {**registry._targets(), "broken": "no_such_module_here:CONNECTOR"}
    monkeypatch.setattr(registry, "_targets", lambda: targets)
    ran = cli("schema")
    assert ran.status == 1
    assert ran.out == (ROOT / "schemas" / "flow.schema.json").read_text(encoding="utf-8")
    assert ran.err == (
        "error: the connector `broken` (no_such_module_here:CONNECTOR) cannot be loaded: ModuleNotFoundError: No module "
        "named 'no_such_module_here'\n"
        "  hint: install it again, or remove its package\n"
    )


def test_a_file_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = cli("schema", "--output", str(tmp_path / "file" / "flow.schema.json"))
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (f"error: {tmp_path}/file: File exists\n  hint: is the disk full, or what the output goes to?\n")
