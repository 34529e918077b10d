"""Plays cases and holds what came out against their expected files, or rewrites these."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.dataclass import dataclass
from engine.errors import FlowctlError, UsageError
from engine.golden.case import load_case
from engine.golden.outcome import files_of, problems_of, shown
from engine.golden.stage import staged
from engine.program import FlowProgram


class UpdateRefused(UsageError):
    """Expected files are not rewritten where nobody looks at them."""

    def __init__(self) -> None:
        super().__init__(
            "--update is refused because CI is set", hint="run it on your own machine, and read the difference"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one case ended: `problems` are texts for people, among them unified diffs; `updated` names files written."""

    title: str
    problems: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as expected."""
        return not self.problems


def check(folder: Path, program: FlowProgram, *, update: bool = False) -> Verdict:
    """Play the case in `folder`; with `update`, make what came out the expectation.

    Raises:
        UpdateRefused: when `update` is asked for and the environment has CI set.
    """
    if update and os.environ.get("CI"):
        raise UpdateRefused
    title = f"{folder.parent.name}/{folder.name}"
    try:
        with staged(load_case(folder, program.flow), program) as stage:
            stage.play(shown)
            problems, found = problems_of(stage), files_of(stage)
    except FlowctlError as error:
        return Verdict(title, (f"{error}\n  hint: {error.hint}" if error.hint else str(error),))
    expected = read_expected(folder / "expected")
    if update:
        return Verdict(title, tuple(problems), tuple(write_expected(folder / "expected", expected, found)))
    return Verdict(title, (*problems, *differences(f"{title}/expected", expected, found)))


def read_expected(folder: Path) -> dict[str, str]:
    """The expected files by name."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes().decode("utf-8", "replace") for path in sorted(folder.iterdir())}


def write_expected(folder: Path, expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Make the folder hold exactly what was found; returns the names of the files that changed."""
    folder.mkdir(exist_ok=True)
    for name in expected.keys() - found.keys():
        (folder / name).unlink()
    for name, text in found.items():
        if expected.get(name) != text:
            (folder / name).write_bytes(text.encode())
    return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))


def differences(where: str, expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """A unified diff for each file that is not as expected, missing and surplus ones included."""
    texts = []
    for name in sorted({*expected, *found}):
        if expected.get(name) == found.get(name):
            continue
        before, after = expected.get(name, ""), found.get(name, "")
        old = f"{where}/{name}" if name in expected else "no such file is expected"
        new = f"{where}/{name} as it came out" if name in found else "nothing came out"
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="")
        texts.append("\n".join(lines) or f"--- {old}\n+++ {new}\nonly line ends differ")
    return texts


def chooser(expression: str) -> Callable[[str], bool]:
    """A condition on titles from `-k`: parts of names joined by `and`, `or` and `not`; `or` binds last.

    Raises:
        UsageError: when a name is missing between two words.
    """

    def term(words: list[str]) -> Callable[[str], bool]:
        wanted = words[:1] != ["not"]
        rest = words if wanted else words[1:]
        if len(rest) != 1 or rest[0] in {"and", "or", "not"}:
            raise UsageError(f"-k {expression}: not understood", hint="write it like: refund or paid and not partly")
        return lambda title: (rest[0].lower() in title.lower()) is wanted

    ways = [[term(part) for part in _split(way, "and")] for way in _split(expression.split(), "or")]
    return lambda title: any(all(condition(title) for condition in way) for way in ways)


def _split(words: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts
