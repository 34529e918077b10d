"""Colours for YAML: each line as parts that have a kind. It only reads; what it takes for something else is merely plain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

Part = tuple[str, str]
_PART = re.compile(
    r"""(?P<comment>(?:^|(?<=\s))\#.*)
      | (?P<text>(?<!\w)"(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^']|'')*')
      | (?P<key>(?:^|(?<=[\s{,]))[A-Za-z_][\w.-]*(?=\s*:(?:\s|$)))
      | (?P<value>(?<![\w.'"-])(?:true|false|null|-?\d+(?:\.\d+)?[smhd]?)(?![\w.'"-]))""",
    re.VERBOSE,
)
# A key, or a place in a list, whose text stands on the lines below it and further in.
_BLOCK = re.compile(r"^(\s*)(?:- )?.*?[:-]\s+[|>][+-]?\s*(?:#.*)?$")


@lru_cache(maxsize=32)
def lines(source: str) -> tuple[tuple[Part, ...], ...]:
    """The lines of a file; each part is its kind (`comment`, `text`, `key`, `value`, or empty) and its characters."""
    found: list[tuple[Part, ...]] = []
    block: int | None = None
    for line in source.splitlines():
        inside = len(line) - len(line.lstrip())
        if block is not None and line.strip() and inside <= block:
            block = None
        found.append((("text", line),) if block is not None else tuple(_parts(line)))
        if block is None and (match := _BLOCK.match(line)):
            block = len(match[1])
    return tuple(found)


def _parts(line: str) -> Iterator[Part]:
    at = 0
    for match in _PART.finditer(line):
        if match.start() > at:
            yield "", line[at : match.start()]
        yield str(match.lastgroup), match[0]
        at = match.end()
    if at < len(line):
        yield "", line[at:]
