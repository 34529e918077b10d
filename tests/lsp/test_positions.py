"""Columns in the units of an editor and in characters, and the part of a text that a problem is about."""

from __future__ import annotations

import pytest

from engine.diagnostics import Diagnostic, Edit, Location
from engine.lsp.positions import Encoding, Span, edit_span, from_units, lines_of, problem_span, to_units

# One, two, three and four bytes in UTF-8; the last is two units in UTF-16.
LINE = "aé€😀b"


@pytest.mark.parametrize(
    ("encoding", "units"),
    [("utf-8", [0, 1, 3, 6, 10, 11]), ("utf-16", [0, 1, 2, 3, 5, 6]), ("utf-32", [0, 1, 2, 3, 4, 5])],
)
def test_there_and_back(encoding: Encoding, units: list[int]) -> None:
    assert [to_units(LINE, column, encoding) for column in range(6)] == units
    assert [from_units(LINE, unit, encoding) for unit in units] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_past_the_end_is_the_end(encoding: Encoding) -> None:
    assert (from_units(LINE, 99, encoding), from_units("ab", 99, encoding)) == (5, 2)
    assert (to_units(LINE, 99, encoding), from_units("ab", -1, encoding)) == (to_units(LINE, 5, encoding), 0)


def test_inside_of_a_character_is_after_it() -> None:
    assert from_units("😀b", 1, "utf-16") == 1


def test_lines_of_windows() -> None:
    assert lines_of("a\r\nb\n") == ["a", "b", ""]


def _problem(line: int, column: int, edit: Edit | None = None) -> Diagnostic:
    return Diagnostic(Location("f", line, column), "F010", "", "x", edit=edit)


def test_a_problem_is_about_a_word() -> None:
    assert problem_span(_problem(2, 3), ["", "a key: 1"]) == Span(1, 2, 1, 5)


def test_a_problem_of_the_file_is_at_its_beginning() -> None:
    assert problem_span(_problem(0, 0), ["abc"]) == Span(0, 0, 0, 0)


def test_a_problem_past_the_end_is_at_the_end() -> None:
    assert problem_span(_problem(9, 9), ["abc"]) == Span(0, 3, 0, 3)


def test_an_edit_that_another_text_stands_at_is_none() -> None:
    edit = Edit(Location("f", 1, 3), "key", "kay")
    assert edit_span(edit, ["a key"]) == Span(0, 2, 0, 5)
    assert edit_span(edit, ["a kay"]) is None
    assert edit_span(edit, []) is None


def test_spans_touch_at_their_ends() -> None:
    one = Span(1, 2, 1, 5)
    assert [one.touches(Span(1, at, 1, at)) for at in (1, 2, 5, 6)] == [False, True, True, False]
    assert one.touches(Span(0, 0, 9, 0))
