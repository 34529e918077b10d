"""Where, what, and what to do: the frozen data that every check of a flow file returns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Literal

from engine.dataclass import dataclass

Level = Literal["error", "warning"]
# A name, a duration, a date; or a text in quotes, inside an expression.
_WORD = r"'[^']*'|[\w-]+"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; line and column count from 1, and 0 means the file as a whole."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    def shifted(self, columns: int) -> Location:
        """The place `columns` characters further right on the same line."""
        return Location(self.path, self.line, self.column + columns)


@dataclass(frozen=True, slots=True)
class Edit:
    """A text to write instead of the one that stands at a place; it means nothing where another text stands there."""

    at: Location
    old: str
    new: str


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One problem that a person can fix: `code` is stable, `where` is the path of keys in the document.

    `edit` mends it, where there is only one way to.
    """

    location: Location
    code: str
    where: str
    message: str
    hint: str | None = None
    level: Level = "error"
    edit: Edit | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Word the problem as one or two lines, the first of them clickable in an editor."""
        prefix = f"{self.location}: {self.level}[{self.code}]: "
        first = f"{prefix}{self.where}: {self.message}" if self.where else prefix + self.message
        return f"{first}\n  hint: {self.hint}" if self.hint else first

    def end_column(self, lines: Sequence[str]) -> int:
        """The column after the word that is to blame, in the lines of the file; at least one character is."""
        at = self.location
        if self.edit is not None and self.edit.at == at:
            return at.column + len(self.edit.old)
        line = lines[at.line - 1] if 0 < at.line <= len(lines) else ""
        found = re.match(_WORD, line[at.column - 1 :])
        return at.column + max(found.end() if found else 0, 1)


def of_company(company: str) -> str:
    """What a command that a person is told to run needs to name a company: nothing for `main`, which is the default."""
    if company == "main":
        return ""
    from shlex import quote

    return f" --company {quote(company)}"


def in_quotes(word: str) -> str:
    """A word of a command that a person is told to run, in quotes also where a shell needs none."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


def suggestion(given: str, known: Iterable[str], meant: str = "") -> str:
    """Word a hint for a misspelt name: the one that is `meant` or the nearest known one, then all of them."""
    names = sorted(set(known))
    if not names:
        return "none are known here"
    meant = meant or clearly_meant(given, names)
    near = [meant] if meant else nearest(given, names)
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f"did you mean `{near[0]}`? known: {listed}" if near else f"known: {listed}"


def nearest(given: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """The known name most like the given one; empty when none is much like it."""
    from difflib import get_close_matches  # a flow without mistakes does not pay for it

    return get_close_matches(given, list(known), n=1, cutoff=cutoff)


def clearly_meant(given: str, known: Iterable[str]) -> str:
    """The one known name that a misspelt one can only mean; empty when there is none, or another is as near.

    A name is near when one slip makes it of the other, two in a long name: a character too many, too few, another, or
    two that changed places. Upper and lower case are alike. Digits are never a slip: `line1` is not `line2`.
    """
    most = 0 if len(given) < _SHORT else 1 if len(given) < _LONG else 2
    found = sorted((_slips(given.casefold(), name.casefold()), name) for name in set(known) - {given})
    near = [(slips, name) for slips, name in found if slips <= most and _digits(name) == _digits(given)]
    if not near or (len(found) > 1 and found[0][0] == found[1][0]) or near[0] != found[0]:
        return ""
    return near[0][1]


_SHORT, _LONG = 3, 8


def _digits(name: str) -> str:
    return re.sub(r"[^0-9]", "", name)


def _slips(given: str, name: str) -> int:
    """How many slips make one text of another (the distance of Damerau and Levenshtein, without overlaps)."""
    if abs(len(given) - len(name)) > 2:  # too far to be of use
        return 3
    before: list[int] = []
    row = list(range(len(name) + 1))
    for i, left in enumerate(given, 1):
        last, row, older = row, [i], before
        for j, right in enumerate(name, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (left != right))
            if older and j > 1 and left == name[j - 2] and given[i - 2] == right:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1]
