"""SARIF: valid against the parts of the standard that are used, with stable rules, exact regions and fixes."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine import report, sarif
from engine.diagnostics import Diagnostic, Edit, Location
from engine.flowlang.codes import codes
from engine.validate import Report
from tests.cli.cli_kit import within

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
NUMBER = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}


def strict(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def many(item: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least}


# From section 3 of the standard (OASIS SARIF 2.1.0): the objects that we write, and nothing else in them.
REGION = strict(
    ["startLine", "startColumn", "endLine", "endColumn"],
    startLine=NUMBER,
    startColumn=NUMBER,
    endLine=NUMBER,
    endColumn=NUMBER,
)
ARTIFACT = strict(
    ["uri"], uri={"type": "string", "pattern": r"^[A-Za-z0-9._~!$&'()*+,;=:@/%-]+$"}, uriBaseId={"const": "%SRCROOT%"}
)
MESSAGE = {**TEXT, "properties": {**TEXT["properties"], "markdown": {"type": "string"}}, "additionalProperties": False}  # type: ignore[dict-item]
RULE = strict(
    ["id", "shortDescription", "help"],
    id={"type": "string", "pattern": r"^[EF]\d{3}$"},
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=strict(["level"], level=LEVEL),
)
LOCATION = strict(
    ["physicalLocation"],
    physicalLocation=strict(["artifactLocation"], artifactLocation=ARTIFACT, region=REGION),
    logicalLocations=many(strict(["fullyQualifiedName"], fullyQualifiedName={"type": "string"}), 1),
)
REPLACEMENT = strict(["deletedRegion"], deletedRegion=REGION, insertedContent=TEXT)
CHANGE = strict(["artifactLocation", "replacements"], artifactLocation=ARTIFACT, replacements=many(REPLACEMENT, 1))
RESULT = strict(
    ["ruleId", "ruleIndex", "level", "message", "locations"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations=many(LOCATION, 1),
    fixes=many(strict(["artifactChanges"], description=MESSAGE, artifactChanges=many(CHANGE, 1)), 1),
)
DRIVER = strict(["name", "rules"], name={"const": "flowctl"}, semanticVersion={"type": "string"}, rules=many(RULE))
RUN = strict(
    ["tool", "results"],
    tool=strict(["driver"], driver=DRIVER),
    columnKind={"const": "unicodeCodePoints"},
    artifacts=many(strict(["location"], location=ARTIFACT)),
    results=many(RESULT),
)
LOG = strict(["version", "runs"], version={"const": "2.1.0"}, runs=many(RUN, 1), **{"$schema": {"type": "string"}})


def log(*problems: Diagnostic, source: str = "", path: str = "flows/a b.yaml") -> Any:
    written = json.loads(report.sarif(Report((path,), problems, (), {path: source})))
    jsonschema.validate(written, LOG)
    return written["runs"][0]


def test_every_code_is_a_rule_with_help() -> None:
    rules = log()["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(codes())
    assert [rule["id"] for rule in rules if rule["defaultConfiguration"]["level"] == "warning"] == [
        "E116", "F038", "F047", "F050", "F051", "F052", "F053",
    ]  # fmt: skip
    assert next(rule for rule in rules if rule["id"] == "E103")["help"] == {
        "text": (
            "A function that does not exist is called. Write a function that the hint lists.\n\n"
            "Fails at streams.bills.map.amount:\nmoeny(amount)\n\nPasses:\nmoney(amount)"
        ),
        "markdown": (
            "A function that does not exist is called. Write a function that the hint lists.\n\n"
            "Fails at `streams.bills.map.amount`:\n\n```yaml\nmoeny(amount)\n```\n\n"
            "Passes:\n\n```yaml\nmoney(amount)\n```"
        ),
    }


def test_a_result_has_its_region_and_its_fix(tmp_path: Path) -> None:
    at = Location("flows/a b.yaml", 2, 4)
    problem = Diagnostic(at, "E103", "define.x", "no `mony`", "did you mean `money`?", edit=Edit(at, "mony", "money"))
    with within(tmp_path):
        run = log(problem, source="define:\nx: mony(a)\n")
    artifact = {"uri": "flows/a%20b.yaml", "uriBaseId": "%SRCROOT%"}
    region = {"startLine": 2, "startColumn": 4, "endLine": 2, "endColumn": 8}
    change = {
        "artifactLocation": artifact,
        "replacements": [{"deletedRegion": region, "insertedContent": {"text": "money"}}],
    }
    assert run["artifacts"] == [{"location": artifact}]
    assert run["results"] == [
        {
            "ruleId": "E103",
            "ruleIndex": list(codes()).index("E103"),
            "level": "error",
            "message": {"text": "define.x: no `mony`\nhint: did you mean `money`?"},
            "locations": [
                {
                    "physicalLocation": {"artifactLocation": artifact, "region": region},
                    "logicalLocations": [{"fullyQualifiedName": "define.x"}],
                }
            ],
            "fixes": [{"description": {"text": "write money"}, "artifactChanges": [change]}],
        }
    ]


def test_a_file_elsewhere_and_a_problem_of_a_whole_file(tmp_path: Path) -> None:
    path = str(tmp_path / "f.yaml")
    run = log(Diagnostic(Location(path), "F005", "", "too large"), path=path)
    assert run["results"][0]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": f"file://{tmp_path}/f.yaml"}}}
    ]


def test_a_source_tree_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(sarif, "version", missing)
    assert "semanticVersion" not in log()["tool"]["driver"]


@pytest.mark.parametrize(
    ("line", "column", "end"),
    [
        ("key: vendor_name.x", 6, 17),
        ("key: lookup('a b', id)", 13, 18),
        ("key: a", 5, 6),
        ("key: (", 6, 7),
        ("key:", 5, 6),
        ("key: 2026-01-15", 6, 16),
    ],
)
def test_a_region_ends_after_the_word(line: str, column: int, end: int) -> None:
    assert Diagnostic(Location("f.yaml", 1, column), "F010", "", "here").end_column([line]) == end
