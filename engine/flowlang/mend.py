"""Mends flow files: writes what each problem can only mean instead of what stands there, and touches nothing else."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit
from engine.flowlang.flowfile import Loaded, parse_flow, place_order, read_flow
from engine.flowlang.yamlsource import DUPLICATE, SYNTAX, index_of
from engine.validate import check_loaded, flow_files

_BOM = b"\xef\xbb\xbf"
# A mended name may show more to mend: a misspelt key hides what is below it. No flow is as deep as that.
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Mended:
    """A file before and after; `count` problems were mended."""

    path: str
    before: str
    after: str
    count: int

    def diff(self) -> str:
        """The change as a unified diff; empty when there is none."""
        old, new = (text.splitlines(keepends=True) for text in (self.before, self.after))
        lines = difflib.unified_diff(old, new, self.path, self.path)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def save(self) -> None:
        """Write the file, whole or not at all; a byte order mark and the ends of its lines stay what they were.

        Raises:
            OSError: when the system does not let us.
        """
        path = Path(self.path).resolve()
        mark = _BOM if path.read_bytes().startswith(_BOM) else b""
        beside = path.with_name(f".{path.name}.mended")
        try:
            beside.write_bytes(mark + self.after.encode("utf-8"))
            shutil.copymode(path, beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def mend(paths: Sequence[Path]) -> list[Mended]:
    """What mending files, and all flow files below folders, would make of them; only those that change.

    Raises:
        FlowFileUnreadable: for a path that does not exist or cannot be read, or a folder without flow files.
    """
    mended = (mend_one(read_flow(path)) for path in dict.fromkeys(flow_files(paths)))
    return [one for one in mended if one.count]


def mend_one(loaded: Loaded) -> Mended:
    """Mend one file until nothing more can be mended."""
    text, count = loaded.source, 0
    problems = check_loaded(loaded)
    for _ in range(_ROUNDS):
        edits = list(_apart(text, problems))
        candidate = _written(text, edits)
        if not edits:
            break
        found = check_loaded(parse_flow(candidate.encode("utf-8"), loaded.path))
        # What could be read before must stay readable, each key once.
        if _unreadable(found) > _unreadable(problems):
            break
        text, problems, count = candidate, found, count + len(edits)
    return Mended(loaded.path, loaded.source, text, count)


def _unreadable(problems: Sequence[Diagnostic]) -> int:
    return sum(problem.code in (SYNTAX, DUPLICATE) for problem in problems)


def _apart(text: str, problems: Sequence[Diagnostic]) -> Iterator[tuple[int, Edit]]:
    """The edits that still mean something, each with its index in the text, none over another."""
    end = 0
    for problem in sorted(problems, key=place_order):
        edit = problem.edit
        if problem.level != "error" or edit is None or edit.old == edit.new:
            continue
        index = index_of(text, edit.at.line, edit.at.column)
        if index >= end and text.startswith(edit.old, index):
            end = index + len(edit.old)
            yield index, edit


def _written(text: str, edits: Sequence[tuple[int, Edit]]) -> str:
    for index, edit in reversed(edits):
        text = f"{text[:index]}{edit.new}{text[index + len(edit.old) :]}"
    return text
