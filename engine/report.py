"""Prints the outcome of a check: for people, for programs, for GitHub's annotations, and for what reads SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from engine.diagnostics import Diagnostic, Edit
from engine.validate import Report

_WIDTH = 120
_BEFORE = 70


def text(report: Report) -> str:
    """Each problem with its hint, and the line it was found on."""
    lines = _lines(report)
    return "".join(f"{problem}\n{_excerpt(problem, lines)}" for problem in report.problems)


def as_json(report: Report) -> str:
    """One JSON object: `ok`, `files`, and `problems` with one object each."""
    lines = _lines(report)
    document = {
        "ok": report.ok,
        "files": list(report.files),
        "problems": [_as_object(problem, lines) for problem in report.problems],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def github(report: Report) -> str:
    """Workflow commands, one line a problem, that GitHub shows beside the changed lines."""
    lines = _lines(report)
    return "".join(_command(problem, lines) for problem in report.problems)


def sarif(report: Report) -> str:
    """A SARIF log."""
    from engine.sarif import as_sarif  # it describes every code, which the others do without

    return as_sarif(report)


REPORTERS: Mapping[str, Callable[[Report], str]] = {"text": text, "json": as_json, "github": github, "sarif": sarif}


def _lines(report: Report) -> dict[str, list[str]]:
    return {path: source.split("\n") for path, source in report.sources.items()}


def _as_object(problem: Diagnostic, lines: Mapping[str, list[str]]) -> dict[str, object]:
    at = problem.location
    return {
        "path": problem.location.path,
        "line": problem.location.line,
        "column": problem.location.column,
        "end_column": problem.end_column(lines.get(at.path, [])) if at.line else 0,
        "level": problem.level,
        "code": problem.code,
        "where": problem.where,
        "message": problem.message,
        "hint": problem.hint,
        "fix": _fix(problem.edit),
    }


def _fix(edit: Edit | None) -> dict[str, object] | None:
    if edit is None:
        return None
    return {"line": edit.at.line, "column": edit.at.column, "old": edit.old, "new": edit.new}


def _command(problem: Diagnostic, lines: Mapping[str, list[str]]) -> str:
    at = problem.location
    end = problem.end_column(lines.get(at.path, []))
    # GitHub counts the last column in.
    place = f",line={at.line},endLine={at.line},col={at.column},endColumn={end - 1}" if at.line else ""
    said = f"{problem.where}: {problem.message}" if problem.where else problem.message
    if problem.hint:
        said += f"\nhint: {problem.hint}"
    return f"::{problem.level} file={_property(at.path)}{place},title={_property(problem.code)}::{_data(said)}\n"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _excerpt(problem: Diagnostic, lines: Mapping[str, list[str]]) -> str:
    """The line with a caret below the column; a long line is cut around it."""
    at = problem.location
    source = lines.get(at.path, [])
    if not 0 < at.line <= len(source):
        return ""
    line = source[at.line - 1]
    start = max(0, at.column - 1 - _BEFORE) if len(line) > _WIDTH else 0
    shown = line[start : start + _WIDTH].replace("\t", " ")
    column = min(at.column - 1, len(line)) - start
    number = str(at.line)
    margin = " " * len(number)
    return f"  {number} | {shown.rstrip()}\n  {margin} | {' ' * column}^\n"
