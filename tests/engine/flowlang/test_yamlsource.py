"""YAML is read as the 1.2 core schema says, strictly, and every node knows its place."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import Location
from engine.flowlang import yamlsource
from engine.flowlang.yamlsource import ListNode, MapNode, Node, ScalarNode, load, place, plain, resolve

ROOT = Path(__file__).resolve().parents[3]
FLOW = (ROOT / "flows" / "ramp_to_quickbooks.yaml").read_text(encoding="utf-8")


def read(text: str) -> object:
    node, problems = load(text, "f.yaml")
    assert problems == []
    assert node is not None
    return plain(node)


def said(text: str) -> list[str]:
    return [str(problem) for problem in load(text, "f.yaml")[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2020-01-41", "2020-01-41"),
        ("2020-01-01", "2020-01-01"),
        ("0123", 123),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("-7", -7),
        ("+7", 7),
        ("1.50", Decimal("1.50")),
        (".5", Decimal(".5")),
        ("1e3", Decimal("1e3")),
        ("1e9999", "1e9999"),
        ("-.inf", Decimal("-Infinity")),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("9" * 41, "9" * 41),
        ("-", "-"),
        (".", "."),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_plain_scalar(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert read("a: '7'\nb: \"true\"\nc: 'null'\n") == {"a": "7", "b": "true", "c": "null"}


def test_document_with_places() -> None:
    node, _ = load("a: 1\nb:\n  - x\n  - {c: 'y'}\n", "f.yaml")
    assert node == MapNode(
        (
            (ScalarNode("a", "a", "", 1, 1), ScalarNode(1, "1", "", 1, 4)),
            (
                ScalarNode("b", "b", "", 2, 1),
                ListNode(
                    (
                        ScalarNode("x", "x", "", 3, 5),
                        MapNode(((ScalarNode("c", "c", "", 4, 6), ScalarNode("y", "y", "'", 4, 10)),), 4, 5),
                    ),
                    3,
                    3,
                ),
            ),
        ),
        1,
        1,
    )


def test_get_and_key() -> None:
    node, _ = load("a: 1\n", "f.yaml")
    assert isinstance(node, MapNode)
    assert node.get("a") == ScalarNode(1, "1", "", 1, 4)
    assert node.key("a") == ScalarNode("a", "a", "", 1, 1)
    assert node.get("b") is None
    assert node.key("b") is None


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: >-\n  one\n  two\n", 2, 3),
        ("a: |\n\n    one\n", 3, 5),
        ('a: "one\n  two"\n', 1, 5),
        ("a: one\n  two\n", 1, 4),
        ("a: |", 1, 1),
    ],
)
def test_content_of_a_long_scalar_starts(text: str, line: int, column: int) -> None:
    node, _ = load(text, "f.yaml")
    assert isinstance(node, MapNode)
    value = node.entries[0][1]
    assert (value.line, value.column) == (line, column)


def scalars(node: Node) -> list[ScalarNode]:
    if isinstance(node, ScalarNode):
        return [node]
    if isinstance(node, ListNode):
        return [found for item in node.items for found in scalars(item)]
    return [found for pair in node.entries for part in pair for found in scalars(part)]


def test_every_character_of_the_shipped_flow_is_found_where_it_was_written() -> None:
    node, problems = load(FLOW, "f.yaml")
    assert problems == []
    assert node is not None
    lines = FLOW.split("\n")
    checked = 0
    for scalar in scalars(node):
        for offset, char in enumerate(scalar.text):
            if not char.isspace():
                at = place(FLOW, Location("f.yaml", scalar.line, scalar.column), offset, scalar.text)
                assert lines[at.line - 1][at.column - 1] == char
                checked += 1
    assert checked > 4000


@pytest.mark.parametrize(
    ("text", "offset", "line", "column"),
    [
        ("a: 'it''s x'", 5, 1, 11),
        ('a: "\\u0041\\tb"', 2, 1, 13),
        ('a: "one \\\n  two"', 4, 2, 3),
        ("a: >-\n  one\n\n  two\n", 4, 4, 3),
        ("a: one two", 3, 1, 7),
        ("a: one", 3, 1, 7),
        ("a: 'one'", 3, 1, 8),
        ('a: "x\\x20y"', 2, 1, 10),
    ],
)
def test_place_inside_a_scalar(text: str, offset: int, line: int, column: int) -> None:
    node, _ = load(text, "f.yaml")
    assert isinstance(node, MapNode)
    value = node.entries[0][1]
    assert isinstance(value, ScalarNode)
    start = Location("f.yaml", value.line, value.column)
    assert place(text, start, offset, value.text) == Location("f.yaml", line, column)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "a: [1, 2",
            "f.yaml:1:9: error[F002]: the list in [ ] is not closed, or a text in it needs quotes; it was opened at 1:4",
        ),
        ("a: {b: c[0]}", "f.yaml:1:9: error[F002]: the mapping in { } is not closed, or a text in it needs quotes"),
        ('a: "x', "f.yaml:1:6: error[F002]: a quote is never closed"),
        ("a:\n\tb: 1", "f.yaml:2:1: error[F002]: a tab cannot indent or begin a value"),
        ("a: @x", "f.yaml:1:4: error[F002]: text cannot start with `@`"),
        ("a: `x`", "f.yaml:1:4: error[F002]: text cannot start with a backtick"),
        ("a: b: c", "f.yaml:1:5: error[F002]: `: ` is not expected here"),
        ("a: 'x' == y", "f.yaml:1:8: error[F002]: this does not belong to the mapping"),
        ("- a\nb: 1", "f.yaml:2:1: error[F002]: a list goes on without `-`"),
        ("a: - b", "f.yaml:1:4: error[F002]: a list item is not expected here"),
        ('a: "\\q"', "f.yaml:1:5: error[F002]: this escape is not known in double quotes"),
        ("{", "f.yaml:1:2: error[F002]: a value is missing"),
        ("a: 1\n...\nb: 2", "f.yaml:3:1: error[F002]: this is not expected after the end of the document"),
        ("? [a]\n: 1", "f.yaml:1:3: error[F002]: a key must be a text"),
        (
            "*",
            "f.yaml:1:2: error[F002]: an alias `*` has no name, and a flow file has none",
        ),
        ("a: \x00", "f.yaml:1:4: error[F002]: a NUL character cannot stand here"),
        ("a: \u2028", "f.yaml:1:4: error[F002]: the character U+2028 cannot stand here"),
        ("a: 1\rb: 2", "f.yaml:1:5: error[F002]: a carriage return alone cannot stand here"),
        ("\ufeffa: 1", "f.yaml:1:1: error[F002]: a byte order mark cannot stand here"),
        ("a: \ud800", "f.yaml:1:4: error[F002]: the character U+D800 cannot stand here"),
        ('a: "\\x00"', "f.yaml:1:5: error[F002]: the text holds the control character U+0000"),
        ("a: 1\na: 2", "f.yaml:2:1: error[F003]: the key `a` is here twice, first at 1:1"),
        ("a: !!str x", "f.yaml:1:4: error[F004]: `!!str` is a tag, and a flow file has none"),
        ("a: &x 1", "f.yaml:1:4: error[F004]: `&x` is an anchor, and a flow file has none"),
        ("%TAG ! tag:x,2000:\n---\na", "f.yaml:1:1: error[F004]: a flow file has no tags"),
        ("a: *x", "f.yaml:1:4: error[F004]: `*x` is an alias, and a flow file has none"),
        ("<<: {a: 1}", "f.yaml:1:1: error[F004]: `<<` is a merge key, and a flow file has none"),
        ("", "f.yaml:1:1: error[F006]: the file is empty"),
        ("a\n---\nb", "f.yaml:2:1: error[F006]: a second document starts here"),
    ],
)
def test_refused(text: str, first: str) -> None:
    assert [problem.partition("\n")[0] for problem in said(text)] == [first]


def test_a_tag_that_no_document_may_hold() -> None:
    assert said("a: !x y") == [
        'f.yaml:1:4: error[F004]: `!x` is a tag, and a flow file has none\n  hint: put the whole value in double quotes: "!x y"'
    ]


def test_all_double_keys_are_found_in_one_pass() -> None:
    assert [line.partition(" ")[0] for line in said("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n")] == [
        "f.yaml:2:1:",
        "f.yaml:3:11:",
        "f.yaml:4:1:",
    ]


def test_file_of_more_than_a_mebibyte() -> None:
    assert said("a" * (1 << 20)) == []
    assert said("a" * (1 << 20) + "a") == [
        "f.yaml: error[F005]: the file is larger than 1 MiB\n  hint: a flow file is a few kilobytes"
    ]
    assert len(said("é" * (1 << 19) + "a")) == 1


def test_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlsource, "MAX_NODES", 3)
    assert said("[a, b]") == []
    assert said("[a, b, c]") == [
        "f.yaml:1:8: error[F005]: the file has more than 3 values\n  hint: a flow has a few hundred"
    ]


def test_depth() -> None:
    assert said("[" * 50 + "]" * 50) == []
    assert said("[" * 51 + "]" * 51) == [
        "f.yaml:1:51: error[F005]: the file is nested more than 50 levels deep\n  hint: a flow needs about eight"
    ]


BOMBS = {
    "brackets": "'[' * 1_000_000",
    "braces": "'{a: ' * 200_000",
    "dashes": "'- ' * 500_000",
    "questions": "'? ' * 500_000",
    "lines": r"'[[\n' * 300_000",
    "keys": "'{\"k\": ' * 150_000",
    "flat": "'[' + 'a,' * 500_000",
    "quotes": "chr(34) + 'a' * 1_000_000",
    "indented": r"'\n'.join(' ' * i + 'a:' for i in range(1400))",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_deep_nesting_is_refused_without_harm(text: str) -> None:
    # In a process of its own: what this guards against is a crash of the C parser, which no `except` sees.
    code = f"from engine.flowlang.yamlsource import load; print(len(load({text}, 'f')[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_python_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = load(FLOW, "f.yaml")
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert load(FLOW, "f.yaml") == fast


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_node_or_problems(text: str) -> None:
    node, problems = load(text, "f.yaml")
    assert node is not None or problems


@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@` \n\t\\0", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_of_yaml_signs_gives_a_node_or_problems(text: str) -> None:
    node, problems = load(text, "f.yaml")
    assert node is not None or problems
    for problem in problems:
        assert problem.location.line >= 1
        assert problem.hint
