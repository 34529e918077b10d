"""The reference pages are what the code gives now, and name everything there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import refdocs, registry
from engine.cli.main import COMMANDS
from engine.codes import codes
from engine.mapping import FUNCTIONS
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
    assert [s.signature for s in FUNCTIONS.values() if refdocs._code(s.signature) not in functions] == []
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
    found = refdocs._table(("name", "nothing", "text"), [("a", "", "x | y"), ("b", "", "z")])
    assert found == "| name | text |\n| --- | --- |\n| a | x \\| y |\n| b | z |"
    assert refdocs._table(("name",), []) == ""


def test_the_fields_of_a_request_that_is_json_are_listed() -> None:
    parts = list(refdocs._connector(CLOUD))
    table = parts[parts.index("#### cloud: VendorCreate") + 1]
    assert table.splitlines()[2:] == ["| `name` | text | its name | yes |", "| `email` | text | its address |  |"]


def test_the_lists_of_a_called_target_say_how_long_they_are_kept() -> None:
    parts = list(refdocs._connector(LISTED))
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
