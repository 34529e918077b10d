"""Where, what, and what to do: the frozen data that every check of a flow file returns."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


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


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One problem that a person can fix: `code` is stable, `where` is the path of keys in the document."""

    location: Location
    code: str
    where: str
    message: str
    hint: str | None = None
    level: Level = "error"

    def __str__(self) -> str:
        """Word the problem as one or two lines, the first of them clickable in an editor."""
        prefix = f"{self.location}: {self.level}[{self.code}]: "
        first = f"{prefix}{self.where}: {self.message}" if self.where else prefix + self.message
        return f"{first}\n  hint: {self.hint}" if self.hint else first


def of_company(company: str) -> str:
    """What a command that a person is told to run needs to name a company: nothing for `main`, which is the default."""
    return "" if company == "main" else f" --company {shlex.quote(company)}"


def suggestion(given: str, known: Iterable[str]) -> str:
    """Word a hint for a misspelt name: the nearest known one, then all of them."""
    names = sorted(set(known))
    if not names:
        return "none are known here"
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f"did you mean `{near[0]}`? known: {listed}" if near else f"known: {listed}"
