"""Every problem of an expression says what to write instead."""

from __future__ import annotations

import pytest

from engine.diagnostics import Location
from engine.mapping import Scope, check_expression
from engine.mapping.types import ANY, BOOLEAN, ResultType, object_type, record_type
from engine.mapping.wording import field_hint, kind_hint
from engine.model import Expr
from engine.spec import FieldSpec

ANYTHING = "texts stand in single quotes, numbers in backticks: status == 'OPEN' && money(amount) > `5`"
BETWEEN = "put a comma, a dot or an operator such as == or && before it"


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("a and b", 3, "write && for `and`"),
        ("a OR b", 3, "write || for `OR`"),
        ("not a", 5, "write ! for `not`: !(a == b)"),
        ("a || or b", 9, "write || for `or`"),
        ("a > 5", 5, "write numbers in backticks: `5`"),
        ("a == -1.5", 6, "write numbers in backticks: `-1.5`"),
        ("a = b", 3, "write == to compare"),
        ("a ? b", 3, "write `condition && this || that` without a question mark"),
        ("$.a", 1, "a field is named without $; the whole record is root()"),
        ("a;", 2, "write one expression, without ;"),
        ("a # b", 3, "quote the whole expression: in YAML a # begins a comment"),
        ("a <> b", 4, ANYTHING),
        ("a + b", 3, "there is no arithmetic: add with sum_money([a, b]), subtract with neg_money(b) in it"),
        ("a['b']", 3, 'read a field with a dot: a.b, or a."odd name"'),
        ("a)", 2, "remove it: nothing is open that ) could close"),
        ("f(a]", 4, "close ( first, with )"),
        ("f(a ||)", 7, "a value is missing before it"),
        ("f(, a)", 3, "a value is missing"),
        ("f(a,)", 4, "remove it: no value follows"),
        ("a.(b)", 3, "a name, [ ] or { } follows a dot"),
        ("a 'b'", 3, BETWEEN),
        ("f(a) b", 6, BETWEEN),
        ("f(a", 4, "add ) at the end"),
        ("f([{a: b", 9, "add }]) at the end"),
        ("f(a ||", 7, "a value is missing at the end, and ) after it"),
        ("a &&", 5, "a value is missing at the end"),
        ("f('(', a", 9, "add ) at the end"),
        ("a || 'b", 6, "add '"),
        ("", 1, "write @ for the whole value"),
    ],
)
def test_syntax(text: str, column: int, hint: str) -> None:
    (problem,) = check_expression(Expr(text, Location("f", 1, 1)), Scope())
    assert (problem.code, problem.location.column, problem.hint) == ("E101", column, hint)


RECORD = record_type(
    (
        FieldSpec("total", "money", ""),
        FieldSpec("due", "date", ""),
        FieldSpec("vendor", "object", "", fields=(FieldSpec("name", "text", ""),)),
    )
)
TEXT, LIST = ResultType("text"), ResultType("list", item=ANY)


@pytest.mark.parametrize(
    ("wanted", "found", "hint"),
    [
        ("amount", TEXT, "give a field that holds money: total"),
        ("date", BOOLEAN, "give a field that holds a date: due"),
        ("amount", LIST, "add up its items: sum_money(list[].amount)"),
        ("number", LIST, "count it with length(...), or take one item: list[0]"),
        ("text", LIST, "take one item of it, such as list[0]"),
        ("text", RECORD, "read one of its fields: total, due, vendor"),
        ("text", ResultType("object"), "read one of its fields"),
        ("list", RECORD, "put it in [ ] for a list of one"),
        ("texts", TEXT, "put it in [ ] for a list of one"),
        ("object", TEXT, "give an object: {a: b}"),
        ("key", BOOLEAN, "make a text of it with to_string(...)"),
        ("integer", TEXT, "write a number in backticks: `5`, or make one with to_number(...)"),
    ],
)
def test_kinds(wanted: str, found: ResultType, hint: str) -> None:
    assert kind_hint(wanted, found, RECORD) == hint


def test_dates_and_amounts_of_a_record_that_has_none() -> None:
    assert kind_hint("amount", TEXT, object_type(())) == "give a field that holds money"
    assert kind_hint("date", TEXT, object_type(())) == "give a field that holds a date"


@pytest.mark.parametrize(
    ("name", "quoted", "hint"),
    [
        ("nmae", False, "did you mean `name`? known: name"),
        ("total", False, "the source record has it: write root().total, or add it to what is read here"),
        ("OPEN", True, "double quotes name a field; write a text in single quotes: 'OPEN'"),
        ("other", False, "known: name"),
    ],
)
def test_fields(name: str, quoted: bool, hint: str) -> None:
    vendor = RECORD.field("vendor")
    assert vendor is not None
    assert field_hint(name, vendor, RECORD, quoted=quoted) == hint


def test_a_field_of_an_object_in_the_record() -> None:
    assert field_hint("name", RECORD, RECORD, quoted=False) == "it is in `vendor`: write vendor.name"
