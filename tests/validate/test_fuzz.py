"""Whatever is done to a flow file: `validate` answers with problems or with nothing, and never with a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.diagnostics import Diagnostic
from engine.flowlang.flowfile import parse_flow
from engine.report import REPORTERS
from engine.validate import Report, check_loaded
from tests.reference import ROOT
from tests.validate.corpus import GOOD

FLOWS = sorted((ROOT / "flows").glob("*.yaml"))
ROUNDS = 10
Change = Callable[[random.Random, str], str]


def checked(text: str | bytes) -> list[Diagnostic]:
    """Everything that is found, each with a place inside the file and printed in every format."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    loaded = parse_flow(data, "fuzzed.yaml")
    problems = check_loaded(loaded)
    lines = loaded.source.split("\n")
    for problem in problems:
        at = problem.location
        # A file that is no text has no lines to show.
        if loaded.source and at.line:
            assert (1 <= at.line <= len(lines), 1 <= at.column <= len(lines[at.line - 1]) + 2) == (True, True), problem
        assert (problem.message != "", problem.hint != "") == (True, True), problem
    report = Report(("fuzzed.yaml",), tuple(problems), (), {"fuzzed.yaml": loaded.source})
    for form in ("text", "json", "github"):
        REPORTERS[form](report)
    return problems


def _line(rng: random.Random, text: str) -> tuple[list[str], int]:
    lines = text.split("\n")
    return lines, rng.randrange(len(lines))


def delete_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    return "\n".join(lines[:at] + lines[at + 1 :])


def double_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    return "\n".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])


def swap_lines(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    other = rng.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def cut_off(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text))]


def indent(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    lines[at] = rng.choice([" ", "  ", "\t", "\u00a0", ""]) + lines[at].lstrip(rng.choice([" ", ""]))
    return "\n".join(lines)


def swap_characters(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]


def put_in(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    piece: str = rng.choice(PIECES)
    return text[:at] + piece + text[at + rng.randrange(2) :]


def other_value(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    key, colon, _ = lines[at].partition(": ")
    lines[at] = f"{key}: {rng.choice(VALUES)}" if colon else lines[at]
    return "\n".join(lines)


PIECES: tuple[str, ...] = (
    *"{}[](),:#&*!|>'\"%@`?\\~=<.-$\t\r\n\x00\x07\ufeff\u2028\ud800", "\u00e9", "\U0001f600", "\u2019", "\u00a0", "<<: *a", "&a ", "!!python/object:os.system ",
    "`1e999999999`", "`NaN`", "[?", "&&", "||", "'", "root()", "lookup('", "{{ x }}", "${X}",
)  # fmt: skip
VALUES = (
    "null", "~", "yes", "1", "-1", "1.5", ".nan", "-.inf", "9" * 50, "0x1F", "0o17", "1e400", "2026-03-01", "12:30", "[]", "{}", "[[]]", "{a: {b: [1]}}",
    "''", '""', '"\\0"', "!!binary aGk=", "&a 1", "*a", "? x", "- 1", "|", ">-", "x" * 5000, '"\\ud800"', "'\U0001f600'", "{1: 2}", "{null: 1}", "{[a]: 1}",
    '"[@, @] | [@, @]"', '"' + "a." * 300 + 'a"', '"' + "!" * 100 + 'a"', '"' + "(" * 60 + 'a"',
)  # fmt: skip
CHANGES: tuple[Change, ...] = (
    delete_line, double_line, swap_lines, cut_off, indent, swap_characters, put_in, other_value,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_flow_is_answered(change: Change) -> None:
    rng = random.Random(f"flowctl:{change.__name__}")
    sources = [path.read_text(encoding="utf-8") for path in (*FLOWS, *GOOD)]
    for _ in range(ROUNDS):
        text = change(rng, rng.choice(sources))
        for _ in range(rng.choice([0, 0, 0, 1, 5])):
            text = rng.choice(CHANGES)(rng, text or " ")
        checked(text)


def _bomb() -> str:
    levels = "\n".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(9))
    return f"a: &a [x, x, x]\n{levels}\n"


ODD: dict[str, str | bytes] = {
    "bytes": random.Random(7).randbytes(4096),
    "utf-16": "flow: x\n".encode("utf-16"),
    "nothing but brackets": "[" * 20_000,
    "braces": "{a: " * 20_000,
    "bomb of aliases": _bomb(),
    "merge key": "a: &a {b: 1}\nc:\n  <<: *a\n",
    "text of a megabyte": f"flow: {'x' * 1_000_000}\n",
    "expression of a megabyte": f'define: {{a: "{"a || " * 200_000}a"}}\n',
    "number of a million digits": f"version: {'9' * 900_000}\n",
    "larger than any flow": "#" * 1_100_000,
    "keys that are no text": "1: a\n2.5: b\nnull: c\ntrue: d\n? [x]\n: e\n",
    "dates": "flow: 2026-03-01\nversion: 2026-03-01T12:00:00Z\n",
    "infinite": "version: .inf\nsettings: {a: {type: integer, default: .nan, min: -.inf, help: x}}\n",
    "documents": "---\n" * 5000,
    "long line of keys": "{" + ", ".join(f"k{n}: 1" for n in range(20_000)) + "}",
    "a million values": "- [" + "1," * 300_000 + "]",
    "lines": "\n" * 900_000,
    "carriage returns": "flow: x\r\nversion: 1\r\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_refused(name: str) -> None:
    assert any(problem.level == "error" for problem in checked(ODD[name]))
