"""Each file under `bad` reports exactly what its `.expected` says; each under `good` reports nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.diagnostics import Diagnostic
from engine.flowlang.codes import codes
from engine.flowlang.flowfile import read_flow
from engine.validate import check_loaded
from tests.validate.corpus import BAD, GOOD, HERE, output, world

# Two files, or no file at all, are needed to see these.
ELSEWHERE = {"F008": "tests/engine/test_validate.py"}


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_good_file_has_no_problem(path: Path) -> None:
    assert output(path) == ""


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_file_reports_exactly(path: Path) -> None:
    assert output(path) == path.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [p for p in BAD if p.stem[0] in "FE"], ids=lambda p: p.stem)
def test_bad_file_reports_the_code_in_its_name(path: Path) -> None:
    code = path.stem.partition("-")[0]
    assert f"[{code}]" in path.with_suffix(".expected").read_text(encoding="utf-8")


def test_no_expectation_without_a_file() -> None:
    assert sorted(p.with_suffix(".yaml") for p in (HERE / "bad").glob("*.expected")) == BAD


@pytest.mark.parametrize("code", [code for code in codes() if code not in ELSEWHERE])
def test_every_code_has_a_failing_file(code: str) -> None:
    assert [p for p in BAD if p.name.startswith(f"{code}-")], f"tests/validate/bad/{code}-*.yaml is missing"


# The mistakes that other programs were measured with: where each is seen, and what its hint begins with.
NINE = {
    "nine-1-misspelt-required-key": ("37:5", "F010", "did you mean `key`?"),
    "nine-2-misspelt-optional-key": ("53:5", "F010", "did you mean `check`?"),
    "nine-3-wrong-type": ("33:12", "F013", "write it like this: after: [vendors]"),
    "nine-4-tab-in-yaml": ("37:1", "F002", "use spaces"),
    "nine-5-expression-syntax": ("41:24", "E101", "write == to compare"),
    "nine-6-unknown-source-field": ("48:21", "E111", "did you mean `amount`?"),
    "nine-7-unknown-component": ("6:21", "F012", "did you mean `ramp`?"),
    "nine-8-duplicate-key": ("46:7", "F003", "remove or rename one of the two `date`"),
    "nine-9-unset-variable": ("42:35", "E105", "did you mean `home_currency`?"),
}


def found_in(path: Path) -> list[Diagnostic]:
    with world():
        return check_loaded(read_flow(path))


@pytest.mark.parametrize("name", NINE)
def test_one_mistake_of_the_comparison_is_one_problem_that_names_the_fix(name: str) -> None:
    (problem,) = found_in(HERE / "bad" / f"{name}.yaml")
    place, code, hint = NINE[name]
    shown = f"{problem.location.line}:{problem.location.column}"
    assert (shown, problem.code, (problem.hint or "")[: len(hint)]) == (place, code, hint)


def test_all_nine_are_there() -> None:
    assert [path.stem for path in BAD if path.stem.startswith("nine-")] == sorted(NINE)


# A hint names the fix when it holds what is to be written: a name or a value in quotes or backticks, a list of what is
# known, a call, a `key: value`, a sign or a number that is to be written.
_NAMES_THE_FIX = re.compile(
    r"""`[^`]+` | '[^']+' | "[^"]+" | (?:known|one\ of):\ \w | \w+\( | [a-z_]+:\ \S | true\ or\ false | UTF-8
    | \b(?:write|add|put|close|begin)\b [^;]* \s (?: [^\w\s] | \d ) | use\ spaces""",
    re.VERBOSE,
)


def test_nine_in_ten_hints_name_the_fix() -> None:
    with world():
        problems = [problem for path in BAD for problem in check_loaded(read_flow(path))]
    vague = sorted({f"{p.code}: {p.hint}" for p in problems if not _NAMES_THE_FIX.search(p.hint or "")})
    silent = [problem for problem in problems if not _NAMES_THE_FIX.search(problem.hint or "")]
    share = 1 - len(silent) / len(problems)
    assert (len(BAD) >= 140, share >= 0.95) == (True, True), f"{share:.1%} of {len(problems)}; vague: {vague}"
