"""Plays cases and holds what came out against their expected files, or rewrites these."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

from engine.dataclass import dataclass
from engine.errors import FlowctlError, UsageError
from engine.golden.case import load_case
from engine.golden.outcome import files_of, problems_of, shown
from engine.golden.stage import Stage, staged
from engine.golden.xmldiff import in_words
from engine.program import FlowProgram

# How much of a unified diff is shown: all of it, its beginning, or nothing beside what differs in words.
Detail = Literal["full", "short", "none"]
_SHORT = 40


class UpdateRefused(UsageError):
    """Expected files and cases are not written where nobody looks at them."""

    def __init__(self, option: str = "--update") -> None:
        super().__init__(
            f"{option} is refused because CI is set", hint="run it on your own machine, and read the difference"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one case ended: `problems` are texts for people, among them unified diffs; `updated` names files written.

    With `broken`, the case could not be played to its end, so that nothing was compared.
    """

    title: str
    problems: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    broken: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything is as expected."""
        return not self.problems


def in_ci() -> bool:
    """Whether the environment says that nobody looks on: CI is set to anything but nothing, `0` or `false`."""
    return os.environ.get("CI", "").strip().casefold() not in ("", "0", "false")


def check(
    folder: Path,
    program: FlowProgram,
    *,
    update: bool = False,
    detail: Detail = "short",
    seen: Callable[[Stage], None] = lambda _stage: None,
) -> Verdict:
    """Play the case in `folder`; with `update`, make what came out the expectation.

    `seen` is shown the stage after the last step, or after the one that could not be taken.

    Raises:
        UpdateRefused: when `update` is asked for and the environment has CI set.
    """
    if update and in_ci():
        raise UpdateRefused
    title = f"{folder.parent.name}/{folder.name}"
    try:
        with staged(load_case(folder, program.flow), program) as stage:
            try:
                stage.play(shown)
            finally:
                seen(stage)
            problems, found = problems_of(stage), files_of(stage)
    except FlowctlError as error:
        return Verdict(title, (f"{error}\n  hint: {error.hint}" if error.hint else str(error),), broken=True)
    expected = read_expected(folder / "expected")
    if update:
        return Verdict(title, tuple(problems), tuple(write_expected(folder / "expected", expected, found)))
    return Verdict(title, (*problems, *differences(f"{title}/expected", expected, found, detail)))


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


def differences(
    where: str, expected: Mapping[str, str], found: Mapping[str, str], detail: Detail = "short"
) -> list[str]:
    """For each file that is not as expected, missing and surplus ones included: what differs in words, and a diff."""
    texts = []
    for name in sorted({*expected, *found}):
        if expected.get(name) == found.get(name):
            continue
        words: list[str] = []
        if name in expected and name in found:
            words = in_words(name, expected[name], found[name])
        lines = [f"{where}/{name}:", *(f"  {line}" for line in words)] if words else []
        if not words and detail == "none":
            lines = [_briefly(f"{where}/{name}", expected.get(name), found.get(name))]
        elif not words or detail != "none":
            lines += _diff(f"{where}/{name}", expected.get(name), found.get(name), detail)
        texts.append("\n".join(lines))
    return texts


def _briefly(where: str, before: str | None, after: str | None) -> str:
    """One line on a file of which nothing can be said in words."""
    if before is None:
        return f"{where}: came out, and no such file is expected"
    if after is None:
        return f"{where}: is expected, and nothing came out"
    old, new = before.splitlines(), after.splitlines()
    at = next((n for n, (a, b) in enumerate(zip(old, new, strict=False), 1) if a != b), min(len(old), len(new)) + 1)
    return f"{where}: only line ends differ" if old == new else f"{where}: differs from line {at} on"


def _diff(where: str, before: str | None, after: str | None, detail: Detail) -> list[str]:
    """A unified diff of one file, or as much of it as is to be shown."""
    old = where if before is not None else "no such file is expected"
    new = f"{where} as it came out" if after is not None else "nothing came out"
    lines = difflib.unified_diff((before or "").splitlines(), (after or "").splitlines(), old, new, lineterm="")
    if detail == "full":
        shown, rest = list(lines), 0
    else:
        shown = list(islice(lines, 2 + _SHORT))
        rest = sum(1 for _ in lines)
    if not shown:
        return [f"--- {old}", f"+++ {new}", "only line ends differ"]
    return [*shown, f"... {rest} more lines; --diff full shows them"] if rest else shown


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
