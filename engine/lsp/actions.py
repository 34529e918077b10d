"""What an editor can mend: the edit of each problem, the name that its hint asks about, and all that is certain at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit
from engine.flowlang.mend import mend_one
from engine.lsp.positions import Span, edit_span, lines_of, problem_span
from engine.lsp.project import parsed

_MEANT = re.compile(r"did you mean `([^`]+)`\?")


@dataclass(frozen=True, slots=True)
class Replacement:
    """A text to write instead of a part of the file."""

    span: Span
    new: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something an editor offers to do about a problem; `certain` when it is the only way to mend it."""

    title: str
    problem: Diagnostic
    replacement: Replacement
    certain: bool


def actions(text: str, problems: Sequence[Diagnostic], within: Span) -> Iterator[Action]:
    """What can be done about the problems that touch a part of a text."""
    lines = lines_of(text)
    for problem in problems:
        if not problem_span(problem, lines).touches(within):
            continue
        if problem.edit is not None:
            span = edit_span(problem.edit, lines)
            if span is not None and problem.edit.old != problem.edit.new:
                title = f"Write `{problem.edit.new}`"
                yield Action(title, problem, Replacement(span, problem.edit.new), problem.level == "error")
        elif (edit := _meant(problem, lines)) is not None:
            span = problem_span(problem, lines)
            title = "Did you mean `{}`?".format(edit.new.strip("'"))
            yield Action(title, problem, Replacement(span, edit.new), certain=False)


def _meant(problem: Diagnostic, lines: Sequence[str]) -> Edit | None:
    """The edit that a hint asks about: the one name that is near, though another might be meant."""
    found = _MEANT.match(problem.hint or "")
    span = problem_span(problem, lines)
    old = lines[span.line][span.start : span.end]
    # The problem names what stands there: a part of an expression might be anything.
    bare = old.strip("'")
    if found is None or not bare or f"`{bare}`" not in problem.message:
        return None
    return Edit(problem.location, old, f"'{found[1]}'" if old != bare else found[1])


def mend_all(text: str, path: str) -> Replacement | None:
    """What `flowctl validate --fix` would write, as one replacement of the lines that change; None when nothing would."""
    mended = mend_one(parsed(text, path))
    if not mended.count:
        return None
    before, after = text.split("\n"), mended.after.split("\n")
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    last = len(before) - tail - 1
    changed = "\n".join(after[head : len(after) - tail])
    return Replacement(Span(head, 0, last, len(before[last])), changed)
