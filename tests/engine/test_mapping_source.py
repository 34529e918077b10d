"""Generated code means the same however it is split up, and holds nothing of a flow but names and literals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import Location
from engine.errors import ExpressionError
from engine.mapping import EvalContext, Scope, calls, compile_conditions, compile_expression, compile_map, source
from engine.model import Expr
from tests.engine.test_mapping import EXPRESSIONS, JSON, World, expr

LONG = "[" + ", ".join(f"a.b{n}" for n in range(40)) + "] | [?@] | [0]"


@dataclass
class Split:
    """Limits at which code is split up: the real ones, and such that nearly every part becomes a function of its own."""

    indent: int
    loops: int
    inline: int


@pytest.fixture(params=[Split(6, 0, 0), Split(7, 1, 3), Split(5, 6, 60)], ids=str)
def _split(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: Split = request.param
    monkeypatch.setattr(source, "MAX_INDENT", limits.indent)
    monkeypatch.setattr(source, "MAX_LOOPS", limits.loops)
    monkeypatch.setattr(calls, "MAX_INLINE", limits.inline)


def run(text: str, data: object, **define: str) -> object:
    scope = Scope(define={name: expr(body) for name, body in define.items()})
    return compile_expression(expr(text), scope)(data, World(data))


def exactly(found: object) -> object:
    """Tell 1 from true."""
    if isinstance(found, dict):
        return {key: exactly(inner) for key, inner in found.items()}
    return [exactly(inner) for inner in found] if isinstance(found, list) else (type(found).__name__, found)


def outcome(text: str, data: object, **define: str) -> object:
    try:
        return exactly(run(text, data, **define))
    except ExpressionError as error:
        return type(error).__name__


@pytest.mark.usefixtures("_split")
@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, JSON)
def test_split_code_agrees_with_jmespath(text: str, data: Any) -> None:
    try:
        expected = jmespath.search(text, data)
    except (ValueError, TypeError):
        return
    assert exactly(run(text, data)) == exactly(expected)


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS, JSON)
def test_a_define_means_what_its_text_means(body: str, around: str, data: Any) -> None:
    calling = f"[d(@), ({around}) | d(@), d(@)]"
    written_out = f"[{body}, ({around}) | ({body}), {body}]"
    assert outcome(calling, data, d=body) == outcome(written_out, data)


@pytest.mark.usefixtures("_split")
@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, JSON)
def test_a_define_within_loops_means_what_its_text_means(body: str, data: Any) -> None:
    calling, written_out = "a[].[d(@), [@][].[d(@)]]", f"a[].[{body}, [@][].[{body}]]"
    assert outcome(calling, data, d=body) == outcome(written_out, data)


def nested(depth: int) -> tuple[str, object]:
    data: object = 1
    for _ in range(depth):
        data = {"a": [data]}
    return "a[]." + "[a[]." * (depth - 1) + "[@]" + "]" * (depth - 1), data


@pytest.mark.parametrize("depth", [2, 5, 12, 18])
def test_loops_within_loops(depth: int) -> None:
    text, data = nested(depth)
    assert run(text, data) == jmespath.search(text, data)


def test_alternatives_within_alternatives() -> None:
    text = "a || (" * 38 + "b" + ")" * 38
    assert run(text, {"b": "x"}) == "x"
    assert run(f"{'x(a) || ' * 30}b", {"b": "y"}, x=text) == "y"


def test_a_long_define_is_written_once_and_remembers_its_last_value() -> None:
    data = {"a": {"b39": "x"}, "l": [{"a": {"b0": 1}}, {"a": None}]}
    assert run("[d(@), l[].d(@), d(@), d(l[0])]", data, d=LONG) == ["x", [1], "x", 1]


def test_the_whole_record_is_read_from_within_sorts_and_long_defines() -> None:
    data = {"first": "b", "l": [{"n": "b"}, {"n": "a"}]}
    assert run("sort_by(l, &(root().first == 'b' && n))[].n", data) == ["a", "b"]
    assert run("l[].d(@)", data, d=f"({LONG}) || root().first") == ["b", "b"]
    assert run("map(&d(@), l)", data, d="(root().l[?n == 'a'] | [0]).n || n") == ["a", "a"]


NAMES = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=8) | st.sampled_from(
    ["'", '"', "\\", "'''", "{v}", "%s", "\n", "#", "None", "v", "\u2028", "\ud800"]
)


@settings(max_examples=300, deadline=None)
@given(NAMES, NAMES)
def test_names_and_texts_are_only_that(name: str, text: str) -> None:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    try:
        jmespath.compile(quoted)
    except ValueError:
        return  # not every character can stand in a name
    literal = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    data = {name: text}
    try:
        expected = jmespath.search(f"{quoted} == {literal}", data)
    except ValueError:
        return
    assert run(f"{quoted} == {literal}", data) is expected
    assert run(f"{{{quoted}: {quoted}}}", data) == {name: text}


# --- conditions ------------------------------------------------------------------------------------------------------

CONDITIONS = [
    ("`0`", True), ("money('0')", True), ("''", False), ("`[]`", False), ("`{}`", False), ("`null`", False), ("`false`", False),
    ("x", True), ("none", False), ("x == 'a'", True), ("x > `1`", False), ("!x", False), ("l[]", True), ("none[]", False),
    ("limit(x, `0`)", False), ("money(none)", False), ("{a: x}", True), ("[none]", True), ("n >= `1`", True), ("n == `1`", True),
    ("`true` == money('1')", False), ("money('1') == yes", False), ("money('1') != yes", True), ("n != `true`", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "holds"), CONDITIONS)
def test_a_condition_holds_when_jmespath_takes_it_for_true(text: str, holds: bool) -> None:
    data = {"x": "a", "l": [1], "n": Decimal(1), "yes": True}
    assert compile_conditions([expr(text)], Scope())(data, World(data)) == (-1 if holds else 0)


def test_the_first_condition_that_fails_is_told_and_none_after_it_is_computed() -> None:
    program = compile_conditions([expr("x"), expr("y"), expr("money(z)")], Scope())
    assert program({"x": 1, "y": 1, "z": "1"}, World()) == -1
    assert program({"x": 1, "z": "bad"}, World()) == 1
    with pytest.raises(ExpressionError) as caught:
        program({"x": 1, "y": 1, "z": "bad"}, World())
    assert str(caught.value) == "`money(z)`: money(): `bad` is not an amount"
    assert compile_conditions([], Scope())({}, World()) == -1


def test_conditions_that_the_checks_refuse_cannot_be_compiled() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_conditions([expr("x"), expr("nope(x)")], Scope())
    assert str(caught.value) == "`nope(x)`: there is no function `nope`"


# --- maps ------------------------------------------------------------------------------------------------------------


class Counting(World):
    """Counts how often the whole record is asked for."""

    asked_root = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "root":
            type(self).asked_root += 1
        return super().__getattribute__(name)


def test_what_depends_on_the_whole_record_alone_is_computed_once_for_each_record() -> None:
    scope = Scope(define={"d": Expr("own || (root().codes[?t == 'x'] | [0]).v", Location("f", 1, 1))})
    data = {"codes": [{"t": "x", "v": "7"}], "l": [{"own": "1"}, {}, {}, {}]}
    program = compile_expression(expr("l[].{a: d(@), b: d(@)}"), scope)
    Counting.asked_root = 0
    context: EvalContext = Counting(data)
    assert program(data, context) == [{"a": "1", "b": "1"}] + [{"a": "7", "b": "7"}] * 3
    assert Counting.asked_root == 1


def entries() -> Iterator[tuple[str, Expr]]:
    yield "a", expr("x.y")
    yield "b", expr("x.y || x.z")
    yield "a'\"\\", expr("money(m)")


def test_each_entry_of_a_map_is_named_in_its_own_errors() -> None:
    program = compile_map(list(entries()), Scope())
    assert program({"x": {"z": 2}, "m": "1"}, World()) == {"a": None, "b": 2, "a'\"\\": Decimal(1)}
    for data, message in (
        ({"x": {"y": 1.5}}, "`x.y`: A float reached an expression; money and numbers are read as text, int or Decimal."),
        ({"x": {"z": 1.5}}, "`x.y || x.z`: A float reached an expression; money and numbers are read as text, int or Decimal."),
        ({"x": {"y": "a" * 1_000_001}}, "`x.y`: the result is larger than 1,000,000 characters or 100,000 items"),
        ({"m": []}, "`money(m)`: money(): an amount was expected, but this is a list"),
    ):  # fmt: skip
        with pytest.raises(ExpressionError) as caught:
            program(data, World())
        assert str(caught.value) == message


# --- what nobody validated -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("nope(@)", "`nope` cannot be called so"),
        ("limit(@)", "`limit` cannot be called so"),
        ("e(a, b)", "`e` takes one argument"),
        ("setting(x)", "setting() takes the name of a setting as its first argument"),
        ("setting('s', x, y)", "`setting` cannot be called so"),
        ("linked('nope', x)", "linked() takes the name of a lookup as its first argument"),
        ("linked('vendor')", "`linked` cannot be called so"),
        ("lookup('nope', x)", "lookup() takes the name of a lookup as its first argument"),
        ("lookup('vendor')", "`lookup` cannot be called so"),
        ("posted('bills')", "`posted` cannot be called so"),
        ("a ||", "the expression ends too early"),
    ],
)
def test_a_define_that_was_never_checked_is_refused(body: str, message: str) -> None:
    scope = Scope({"s": "text"}, frozenset({"vendor"}), frozenset({"bills"}), {"d": expr(body), "e": expr("x")})
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expr("d(@)"), scope)
    assert str(caught.value) == f"`d(@)`: {message}"


@pytest.mark.parametrize("length", [25, 60])
def test_defines_that_nest_too_deeply_are_refused(length: int) -> None:
    chain = {"d0": expr("!a")} | {f"d{n}": expr("!" * 30 + f"d{n - 1}(@)") for n in range(1, length)}
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expr(f"d{length - 1}(@)"), Scope(define=chain))
    assert str(caught.value) == f"`d{length - 1}(@)`: with its defines written out it is nested too deeply"


class Text(str):
    """A text that is no plain str."""

    __slots__ = ()


def test_data_of_other_types_is_read_as_what_it_is() -> None:
    data = MappingProxyType({"a": MappingProxyType({"x": 1, "y": 2}), "s": Text("v-1")})
    assert run("{x: a.x, y: a.y, n: s.x, both: a.[x, y], none: s.[x, y]}", data) == {
        "x": 1, "y": 2, "n": None, "both": [1, 2], "none": [None, None],
    }  # fmt: skip
    scope = Scope(lookups=frozenset({"vendor"}))
    world = World()
    compile_expression(expr("find('vendor', s)"), scope)(data, world)
    assert [(name, type(name)) for name in world.asked[0]][2] == ("v-1", str)


def test_lists_that_flatten_to_too_much_are_refused() -> None:
    with pytest.raises(ExpressionError) as caught:
        run("length(a[])", {"a": [["x"] * 60_000, "y", ["x"] * 60_000]})
    assert str(caught.value) == "`length(a[])`: the result is larger than 1,000,000 characters or 100,000 items"
    assert run("a[]", {"a": ["y", ["x"], 1]}) == ["y", "x", 1]


def test_a_value_that_python_cannot_work_with_is_an_error_of_the_expression() -> None:
    data = MappingProxyType({"x": Decimal("sNaN"), "y": Decimal(1)})
    assert run("@", data) is data
    with pytest.raises(ExpressionError) as caught:
        run("x < y", data)
    assert str(caught.value) == "`x < y`: a value of the wrong kind (InvalidOperation)"
