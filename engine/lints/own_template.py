"""Where a template of the user's own has what is wrong: its path, and the line and column in it."""

from __future__ import annotations

import re
from pathlib import Path

from engine.lints.env import Env

_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_UNCLOSED = re.compile(r"Opening and ending tag mismatch: ([\w.-]+) line [0-9]+ and ([\w.-]+)")


def own_path(template: str, env: Env) -> str:
    """The path of a template beside the flow; empty for a shipped one."""
    path = Path(env.flow.path).parent / "templates" / template
    return path.as_posix() if path.is_file() else ""


def place_of_name(source: str, name: str) -> str:
    """`line:column` of the first use of a value in a template, each from 1; empty when it is not found."""
    for code in _CODE.finditer(source):
        plain = _TEXT.sub(lambda found: " " * len(found[0]), code[0])
        if found := re.search(rf"(?<![\w.]){re.escape(name)}\b", plain):
            return _shown(source, code.start() + found.start())
    return ""


def unclosed(message: str, source: str) -> tuple[str, str, str] | None:
    """For an element that is not closed: its `line:column` in the template, what is wrong, and what to do."""
    said = _UNCLOSED.search(message)
    if said is None:
        return None
    opened: list[int] = []
    for tag in re.finditer(rf"<(/?){re.escape(said[1])}(?=[\s>])", source):
        if not tag[1]:
            opened.append(tag.start())
        elif opened:
            opened.pop()
    if not opened:
        return None
    wrong = f"`<{said[1]}>` is not closed before `</{said[2]}>`"
    return _shown(source, opened[-1]), wrong, f"add `</{said[1]}>` after what it holds"


def _shown(source: str, at: int) -> str:
    return f"{source.count(chr(10), 0, at) + 1}:{at - source.rfind(chr(10), 0, at)}"
