"""Prints the outcome of a check: for people, for programs, and for GitHub's annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from engine.diagnostics import Diagnostic
from engine.validate import Report

_WIDTH = 120
_BEFORE = 70


def text(report: Report) -> str:
    """Each problem with its hint, and the line it was found on."""
    lines = {path: source.split("\n") for path, source in report.sources.items()}
    return "".join(f"{problem}\n{_excerpt(problem, lines)}" for problem in report.problems)


def as_json(report: Report) -> str:
    """One JSON object: `ok`, `files`, and `problems` with one object each."""
    document = {
        "ok": report.ok,
        "files": list(report.files),
        "problems": [_as_object(problem) for problem in report.problems],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def github(report: Report) -> str:
    """Workflow commands, one line a problem, that GitHub shows beside the changed lines."""
    return "".join(_command(problem) for problem in report.problems)


REPORTERS: Mapping[str, Callable[[Report], str]] = {"text": text, "json": as_json, "github": github}


def _as_object(problem: Diagnostic) -> dict[str, str | int | None]:
    return {
        "path": problem.location.path,
        "line": problem.location.line,
        "column": problem.location.column,
        "level": problem.level,
        "code": problem.code,
        "where": problem.where,
        "message": problem.message,
        "hint": problem.hint,
    }


def _command(problem: Diagnostic) -> str:
    at = problem.location
    place = f",line={at.line},col={at.column}" if at.line else ""
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
    shown = source[at.line - 1].replace("\t", " ")
    start = max(0, at.column - 1 - _BEFORE) if len(shown) > _WIDTH else 0
    column = min(at.column - 1, len(shown)) - start
    number = str(at.line)
    margin = " " * len(number)
    return f"  {number} | {shown[start : start + _WIDTH].rstrip()}\n  {margin} | {' ' * column}^\n"
