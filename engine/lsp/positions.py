"""Places in a text as editors count them, in UTF-8, UTF-16 or UTF-32 units, and as we do, in characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit

Encoding = Literal["utf-8", "utf-16", "utf-32"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of a text: lines and columns count characters from 0, and the end is not part of it."""

    line: int
    start: int
    end_line: int
    end: int

    def touches(self, other: Span) -> bool:
        """Whether the two share a place; a span without length touches where it stands."""
        begins_before_end = (self.line, self.start) <= (other.end_line, other.end)
        return begins_before_end and (other.line, other.start) <= (self.end_line, self.end)


def to_units(line: str, column: int, encoding: Encoding) -> int:
    """How many units of an encoding stand before a column of a line."""
    before = line[:column]
    if encoding == "utf-32" or before.isascii():
        return len(before)
    if encoding == "utf-8":
        return len(before.encode("utf-8", "surrogatepass"))
    return sum(2 if ord(char) > 0xFFFF else 1 for char in before)


def from_units(line: str, units: int, encoding: Encoding) -> int:
    """The column of a line that so many units of an encoding stand before; one past the end is the end."""
    if encoding == "utf-32" or line.isascii():
        return min(max(units, 0), len(line))
    used = 0
    for column, char in enumerate(line):
        if used >= units:
            return column
        used += len(char.encode("utf-8", "surrogatepass")) if encoding == "utf-8" else 1 + (ord(char) > 0xFFFF)
    return len(line)


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends."""
    return text.replace("\r\n", "\n").split("\n")


def problem_span(problem: Diagnostic, lines: Sequence[str]) -> Span:
    """The word that a problem is about; the beginning of the file for one of the file as a whole."""
    at = problem.location
    if not at.line:
        return Span(0, 0, 0, 0)
    line = min(at.line, len(lines)) - 1
    length = len(lines[line])
    start = min(at.column - 1, length)
    return Span(line, start, line, max(start, min(problem.end_column(lines) - 1, length)))


def edit_span(edit: Edit, lines: Sequence[str]) -> Span | None:
    """What an edit replaces; None when another text stands there by now, or the edit runs over several lines."""
    line, start = edit.at.line - 1, edit.at.column - 1
    if not 0 <= line < len(lines) or not lines[line].startswith(edit.old, start):
        return None
    return Span(line, start, line, start + len(edit.old))
