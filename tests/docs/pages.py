"""Reads the documentation: its fenced blocks, and every command line with the output that is shown below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from tests.reference import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PROMPT = "$ "
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(flowctl [^`]+)`")


@dataclass(frozen=True)
class Fence:
    """A fenced block; `line` is that of its first line."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Typed:
    """A command line; `shown` is the output below it, and None where the page shows none. Inline ones stand in a sentence."""

    page: str
    line: int
    command: str
    shown: tuple[str, ...] | None = None
    inline: bool = False

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def name(page: Path) -> str:
    """A page by its path in the checkout."""
    return str(page.relative_to(ROOT))


@cache
def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fences(page: Path) -> Iterator[Fence]:
    """All fenced blocks of a page."""
    text = read(page)
    for match in _FENCE.finditer(text):
        yield Fence(name(page), text.count("\n", 0, match.start()) + 2, match[1], match[2])


def typed(page: Path) -> list[Typed]:
    """All command lines of a page: those of its blocks in their order, then those in its sentences."""
    found = [one for fence in fences(page) for one in in_fence(fence)]
    text = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), read(page))
    for match in _INLINE.finditer(text):
        command = " ".join(match[1].split())
        found.append(Typed(name(page), text.count("\n", 0, match.start()) + 1, command, inline=True))
    return found


def in_fence(fence: Fence) -> Iterator[Typed]:
    """The commands of a block: each line of a shell block, and what follows a prompt in a text block."""
    lines = fence.text.splitlines()
    if fence.language in ("sh", "bash", "console"):
        yield from _of_shell(fence, lines)
    elif fence.language == "text":
        starts = [i for i, line in enumerate(lines) if line.startswith(PROMPT)]
        for start, end in pairwise([*starts, len(lines)]):
            command = lines[start].removeprefix(PROMPT)
            yield Typed(fence.page, fence.line + start, command, tuple(lines[start + 1 : end]))


def _of_shell(fence: Fence, lines: list[str]) -> Iterator[Typed]:
    whole, first = "", 0
    for i, line in enumerate(lines):
        first = first if whole else i
        whole += line.removeprefix(PROMPT).strip()
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        if whole and not whole.startswith("#"):
            yield Typed(fence.page, fence.line + first, whole)
        whole = ""
