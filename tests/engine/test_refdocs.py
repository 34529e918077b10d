"""The reference pages are what the code gives now, and name everything there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from engine import errors, refdocs, registry, runwords, vault
from engine.cli.main import COMMANDS
from engine.flowlang.codes import codes
from engine.flowlang.diagram import diagram
from engine.flowlang.flowfile import load_flow
from engine.mapping import FUNCTIONS
from engine.refdocs import connectors, markdown, outcomes
from engine.store.records import MOVES
from tests.engine.list_kit import LISTED
from tests.engine.push_kit import CLOUD
from tests.reference import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES = refdocs.pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_is_fresh(name: str) -> None:
    stale = f"docs/reference/{name} is stale: run `python -m engine.refdocs`"
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name], stale


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*PAGES, *refdocs.PUBLISHED}


def test_every_command_has_a_page_part_and_help() -> None:
    lines = PAGES["commands.md"].splitlines()
    for name, (_, text) in COMMANDS.items():
        start = lines.index(f"## flowctl {name}")
        assert lines[start + 2], name
        assert f"| [`{name}`](#flowctl-{name}) | {text} |" in lines


def test_every_code_function_and_connector_is_described() -> None:
    assert [code for code in codes() if f"### {code}\n" not in PAGES["errors.md"]] == []
    functions = PAGES["functions.md"]
    assert [s.signature for s in FUNCTIONS.values() if markdown.code_of(s.signature) not in functions] == []
    for name in registry.names():
        connector = registry.find(name)
        assert connector is not None
        assert f"## {name}: {connector.spec.title}\n" in PAGES["connectors.md"]
        for stream in connector.spec.streams:
            assert f"#### {name}: {stream.name}\n" in PAGES["connectors.md"]


def test_every_template_is_shown_whole() -> None:
    for path in sorted((ROOT / "qbxml_templates").glob("*.xml.j2")):
        text = path.read_text(encoding="utf-8").strip()
        assert f"## {path.name}\n" in PAGES["templates.md"]
        assert f"```jinja\n{text}\n```" in PAGES["templates.md"]


def test_writing_removes_what_nothing_writes(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("old", encoding="utf-8")
    assert refdocs.main(tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)


def test_a_table_escapes_bars_and_drops_empty_columns() -> None:
    found = markdown.table(("name", "nothing", "text"), [("a", "", "x | y"), ("b", "", "z")])
    assert found == "| name | text |\n| --- | --- |\n| a | x \\| y |\n| b | z |"
    assert markdown.table(("name",), []) == ""


def test_the_fields_of_a_request_that_is_json_are_listed() -> None:
    parts = list(connectors.described(CLOUD))
    table = parts[parts.index("#### cloud: VendorCreate") + 1]
    assert table.splitlines()[2:] == ["| `name` | text | its name | yes |", "| `email` | text | its address |  |"]


def test_the_lists_of_a_called_target_say_how_long_they_are_kept() -> None:
    parts = list(connectors.described(LISTED))
    start = parts.index("### Lists of cloud")
    assert parts[start + 1] == (
        "Each is kept for lookups, and is asked for anew before a run once it is older than said here."
    )
    assert parts[start + 2].splitlines() == [
        "| list | meaning | fields | kept for |",
        "| --- | --- | --- | --- |",
        "| `vendors` | vendors | `email` | 60 min |",
        "| `accounts` | accounts |  | 60 min |",
    ]


def _calls(name: str) -> set[str]:
    """The first arguments of all calls of `name` in the engine that are plain texts."""
    found = set()
    for path in (ROOT / "engine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Name | ast.Attribute) or not isinstance(node, ast.Call) or not node.args:
                continue
            word, first = (called.id if isinstance(called, ast.Name) else called.attr), node.args[0]
            if word == name and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_every_reason_and_alert_is_described() -> None:
    assert set(runwords.REASONS) == _calls("Reason")
    # A parked record's alert has the name of its state.
    assert set(runwords.ALERTS) == _calls("Alert") | {"deferred", "failed", "unknown"}
    states = {state for said, _, _ in runwords.REASONS.values() for state in said.split(", ")}
    assert states <= set(MOVES)


def test_every_kind_of_error_says_what_to_do() -> None:
    def below(kind: type[errors.FlowctlError]) -> set[str]:
        return {kind.__name__}.union(*(below(k) for k in kind.__subclasses__() if k.__module__ == errors.__name__))

    assert set(outcomes.TODO) == below(errors.FlowctlError) - {"FlowctlError"}


def test_every_variable_is_described() -> None:
    page = PAGES["environment.md"]
    read = set()
    for folder in ("engine", "connectors"):
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            read |= set(re.findall(r'"([A-Z][A-Z_]+)" (?:not )?in os\.environ', source))
            read |= set(re.findall(r'os\.environ(?:\.get\(|\[)"([A-Z][A-Z_]+)"', source))
            read |= set(re.findall(r'envvar="([A-Z_]+)"', source))
    assert read > {"FLOWCTL_HOME", "CI", "TERM"}
    assert [name for name in sorted(read) if f"| `{name}` |" not in page] == []
    assert f"| `{vault.KEY_VARIABLE}` |" in page


def test_every_webhook_request_and_list_field_is_described() -> None:
    page = PAGES["connectors.md"]
    for name in registry.names():
        connector = registry.find(name)
        assert connector is not None
        _, _, rest = page.partition(f"\n## {name}: ")
        part = rest.partition("\n## ")[0]
        wanted = [*connector.spec.webhooks, *(r.name for r in connector.spec.requests)]
        wanted += [f.name for entry in connector.spec.lists for f in entry.fields]
        wanted += [f.name for mark in connector.spec.marks for f in mark.fields]
        assert [each for each in wanted if f"`{each}`" not in part] == [], name


def test_every_shipped_flow_has_its_diagram_settings_and_lookups() -> None:
    for path in sorted((ROOT / "flows").glob("*.yaml")):
        flow, _ = load_flow(path)
        assert flow is not None
        _, _, rest = PAGES["flows.md"].partition(f"\n## {flow.name}\n")
        part = rest.partition("\n## ")[0]
        assert f"```mermaid\n{diagram(flow)}```" in part
        named = (
            [each.name for each in flow.settings]
            + [each.name for each in flow.lookups]
            + [s.name for s in flow.streams]
        )
        assert [name for name in named if f"| `{name}` |" not in part] == []
