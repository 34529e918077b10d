"""Prints the outcome of a check as SARIF 2.1.0, which code hosts and editors show beside the lines."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine.diagnostics import Diagnostic, Edit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.flowlang.codes import Code
    from engine.validate import Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """One SARIF log: every code as a rule with its help, every problem as a result with its region and its fix."""
    from engine.flowlang.codes import codes

    known = codes()
    index = {code: position for position, code in enumerate(known)}
    lines = {path: source.split("\n") for path, source in report.sources.items()}
    run = {
        "tool": {
            "driver": {
                "name": "flowctl",
                **_version(),
                "rules": [_rule(code) for code in known.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": _artifact(path)} for path in report.files],
        "results": [_result(problem, index[problem.code], lines) for problem in report.problems],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _version() -> dict[str, str]:
    try:
        return {"semanticVersion": version("flowctl")}
    except PackageNotFoundError:  # run from a source tree
        return {}


def _rule(code: Code) -> dict[str, Any]:
    place = f" at {code.at}" if code.at else ""
    bad, good = code.file(code.bad).rstrip("\n"), code.file(code.good).rstrip("\n")
    at = f" at `{code.at}`" if code.at else ""
    return {
        "id": code.code,
        "shortDescription": {"text": f"{code.title[0].upper()}{code.title[1:]}"},
        "fullDescription": {"text": code.meaning},
        "help": {
            "text": f"{code.meaning} {code.todo}\n\nFails{place}:\n{bad}\n\nPasses:\n{good}",
            "markdown": f"{code.meaning} {code.todo}\n\nFails{at}:\n\n```yaml\n{bad}\n```\n\n"
            f"Passes:\n\n```yaml\n{good}\n```",
        },
        "defaultConfiguration": {"level": code.level},
    }


def _result(problem: Diagnostic, index: int, lines: Mapping[str, list[str]]) -> dict[str, Any]:
    at = problem.location
    physical: dict[str, Any] = {"artifactLocation": _artifact(at.path)}
    if at.line:
        end = problem.end_column(lines.get(at.path, []))
        physical["region"] = _region(at.line, at.column, end)
    location: dict[str, Any] = {"physicalLocation": physical}
    if problem.where:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.where}]
    said = f"{problem.where}: {problem.message}" if problem.where else problem.message
    result = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.level,
        "message": {"text": f"{said}\nhint: {problem.hint}" if problem.hint else said},
        "locations": [location],
    }
    if problem.edit is not None:
        result["fixes"] = [_fix(problem.edit)]
    return result


def _fix(edit: Edit) -> dict[str, Any]:
    at = edit.at
    replacement = {
        "deletedRegion": _region(at.line, at.column, at.column + len(edit.old)),
        "insertedContent": {"text": edit.new},
    }
    return {
        "description": {"text": f"write {edit.new}"},
        "artifactChanges": [{"artifactLocation": _artifact(at.path), "replacements": [replacement]}],
    }


def _region(line: int, start: int, end: int) -> dict[str, int]:
    return {"startLine": line, "startColumn": start, "endLine": line, "endColumn": end}


def _artifact(path: str) -> dict[str, str]:
    """A file below the working folder by its path in it, any other by its whole path."""
    full = Path(path).resolve()
    here = Path.cwd()
    if full.is_relative_to(here):
        return {"uri": quote(full.relative_to(here).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": full.as_uri()}
