"""Compiled expressions agree with jmespath, work on exact numbers, and fail with a text that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import Location
from engine.errors import ExpressionError
from engine.mapping import FUNCTIONS, FunctionSpec, Scope, compile_expression, compile_map
from engine.model import Expr

HERE = Location("flow.yaml", 7, 10)
CHARGE = {"list_id": "t-1", "full_name": "Staples #0042", "amount": "10.50", "currency": "USD", "date": "2026-03-01"}
ACME = {"list_id": "80000001-1", "full_name": "Acme", "currency": "USD"}


@dataclass
class World:
    """Answers lookups from a dict, and remembers what was asked."""

    root: object = None
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def lookup(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, object] | None:
        self.asked.append(("lookup", name, key, label, number))
        return ACME if key == "v-1" else None

    def lookup_if(
        self, name: str, key: str | None, label: str | None, number: str | None
    ) -> Mapping[str, object] | None:
        self.asked.append(("lookup_if", name, key, label, number))
        return ACME if key == "v-1" else None

    def find(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, object] | None:
        self.asked.append(("find", name, key, label, number))
        return ACME if key == "v-1" else None

    def setting(self, name: str, scope: str | None = None) -> str | int | bool | None:
        self.asked.append(("setting", name, scope))
        return "USD" if name == "home_currency" else True

    def linked(self, name: str, list_id: str | None) -> bool:
        self.asked.append(("linked", name, list_id))
        return list_id == ACME["list_id"]

    def posted(self, stream: str, key: str) -> Mapping[str, object] | None:
        return {"TxnID": "1A-1"} if key == "bill-1" else None

    def candidates(self, name: str, amount: Decimal, currency: str, date: str, days: int) -> list[Mapping[str, object]]:
        self.asked.append(("candidates", name, amount, currency, date, days))
        return [CHARGE] if amount == Decimal("10.5") else []

    def match(self, name: str, key: str, found: Sequence[Mapping[str, object]]) -> Mapping[str, object] | None:
        self.asked.append(("match", name, key, tuple(found)))
        return found[0] if found else None

    def waited(self, name: str, date: str, days: int) -> bool:
        self.asked.append(("waited", name, date, days))
        return True

    def wanted(self, name: str, key: str) -> bool:
        self.asked.append(("wanted", name, key))
        return key == "v-1"


def expr(text: str) -> Expr:
    return Expr(text, HERE)


SCOPE = Scope(
    settings={"home_currency": "text", "create": "boolean"},
    lookups=frozenset({"vendor", "card"}),
    streams=frozenset({"bills"}),
    define={
        "gl": expr("(codes[?type == 'GL'] | [0]) || (root().codes[?type == 'GL'] | [0])"),
        "twice": expr("[name(@), name(@)]"),
        "name": expr("name || 'none'"),
    },
)


def value(text: str, data: object = None, world: World | None = None) -> object:
    return compile_expression(expr(text), SCOPE)(data, world or World(data))


# --- agreement with jmespath -----------------------------------------------------------------------------------------

NAMES = ["a", "b", "c"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "xyz"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)
LEAVES = st.sampled_from(
    ["@", "a", "b", "c", "`1`", "`0`", "'a'", "''", "`true`", "`null`", "`[]`", "`{}`", '`["a", 1]`']
)


def _bigger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def two(form: str) -> st.SearchStrategy[str]:
        return st.tuples(inner, inner).map(lambda pair: form.format(*pair))

    one = st.sampled_from([
        "({}).a", "({}).b.c", "({})[0]", "({})[-1]", "({})[1:]", "({})[::-1]", "({})[]", "({})[*].a", "({}).*", "!({})",
        "({})[][].b", "type({})", "to_array({})", "to_string({})", "length({})", "keys({})", "values({})", "reverse({})",
        "sort({})", "max({})", "min({})", "sum({})", "abs({})", "not_null({})", "[{}]", "{{x: {}}}",
    ])  # fmt: skip
    pairs = [
        "({}) | ({})", "({})[?{}]", "({})[?{}].a", "({})[?{}] | [0]", "({}) || ({})", "({}) && ({})", "({}) == ({})",
        "({}) != ({})", "[{}, {}]", "{{x: {}, y: {}}}", "map(&({}), {})", "sort_by({}, &({}))", "max_by({}, &({}))",
        "contains({}, {})", "join({}, {})", "merge({}, {{z: {}}})", "not_null({}, {})", "starts_with({}, {})", "({}).[{}]",
        "({})[*].{{y: {}}}", "({}) < ({})", "({}) >= ({})", "min_by({}, &({}))", "ends_with({}, {})",
    ]  # fmt: skip
    return st.tuples(one, inner).map(lambda pair: pair[0].format(pair[1])) | st.sampled_from(pairs).flatmap(two)


EXPRESSIONS = st.recursive(LEAVES, _bigger, max_leaves=6)


@settings(max_examples=1500, deadline=None)
@given(EXPRESSIONS, JSON)
def test_closures_agree_with_jmespath(text: str, data: Any) -> None:
    try:
        expected = jmespath.search(text, data)
    except (ValueError, TypeError):
        return  # jmespath refuses it; we may refuse it too, or give null
    assert _exactly(value(text, data)) == _exactly(expected)


def _exactly(found: object) -> object:
    """Tell 1 from true."""
    if isinstance(found, dict):
        return {key: _exactly(inner) for key, inner in found.items()}
    return [_exactly(inner) for inner in found] if isinstance(found, list) else (type(found).__name__, found)


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS, JSON)
def test_only_an_expression_error_ever_comes_out(text: str, data: Any) -> None:
    with suppress(ExpressionError):
        assert not isinstance(value(text, data), float)


# --- exact numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("money('10.00') == `10`", True),
        ("money('10.00') == `10.000`", True),
        ("money('10.01') > `10`", True),
        ("`10` <= money('9.99')", False),
        ("money('1') == `true`", False),
        ("`1` == `true`", False),
        ("money('10') == '10'", False),
        ("money('10') < '11'", None),
        ("'2026-01-02' > '2026-01-01'", True),
        ("!money('0')", False),
        ("money('0.00') || 'other'", Decimal("0.00")),
        ("`[0, 1]`[?@] | [0]", 0),
        ("sum(`[0.1, 0.2]`) == `0.3`", True),
        ("sum([money('0.10'), `2`])", Decimal("2.10")),
        ("avg(`[]`)", None),
        ("to_number('1.10')", Decimal("1.10")),
        ("to_number('12')", 12),
        ("to_number('nan')", None),
        ("to_number('1e99999')", None),
        ("to_number(`true`)", None),
        ("type(money('1'))", "number"),
        ("to_string({a: money('1.50')})", '{"a":1.50}'),
        ("sort(`[2, 1.5]`)", [Decimal("1.5"), 2]),
        ("floor(`-1.5`)", -2),
    ],
)
def test_numbers_are_exact(text: str, result: object) -> None:
    found = value(text, {})
    assert found == result
    assert type(found) is type(result)


def test_a_literal_keeps_all_its_digits() -> None:
    assert str(value("`0.1000000000000000055511151231257827`")) == "0.1000000000000000055511151231257827"


# --- every function --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", FUNCTIONS.values(), ids=lambda spec: spec.name)
def test_every_example_gives_what_it_says(spec: FunctionSpec) -> None:
    found = value(spec.example, {}, World({"id": "bill-1"}))
    assert found == spec.gives
    assert type(found) is type(spec.gives)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("date('2026-03-02')", "2026-03-02"),
        ("date('2026-03-02T23:59:59.123Z')", "2026-03-02"),
        ("date('2026-03-02 10:00:00+14:00')", "2026-03-02"),
        ("date(`null`)", None),
        ("add_days('2024-02-28T10:00:00Z', `1`)", "2024-02-29"),
        ("add_days('2026-01-01', `-1`)", "2025-12-31"),
        ("limit('e\u0301te\u0301', `2`)", "\u00e9t"),
        ("limit('abc', `0`)", ""),
        ("last('abc', `0`)", ""),
        ("last('abc', `9`)", "abc"),
        ("name_text('  A:B\tC\u0007\n D  ', `41`)", "A-B C D"),
        ("name_text('Acme Corp', `5`)", "Acme"),
        ("pad('7', `3`, ' ')", "  7"),
        ('sum_money(`["1.10", null, 2]`)', Decimal("3.10")),
        ("sum_money(`[]`)", Decimal(0)),
        ("neg_money('0.00')", Decimal(0)),
        ("minor(`5`, 'JPY')", Decimal(5)),
        ("minor(`1234`, 'KWD')", Decimal("1.234")),
        ('unique(`[1, true, 1, "1", {"a": [1]}, {"a": [1]}]`)', [1, True, "1", {"a": [1]}]),
        ('group_by(`[{"k": null}, {}]`, &k)', [{"key": None, "items": [{"k": None}, {}]}]),
        ("join_nonempty('-', `[null, \"\"]`)", ""),
        ("similar('Acme', `null`)", False),
        ("similar(`null`, `null`)", False),
        ("candidates('card', `null`, 'USD', '2026-03-02', `3`)", []),
        ("candidates('card', '10.50', `null`, '2026-03-02', `3`)", []),
        ("candidates('card', '10.50', 'USD', `null`, `3`)", []),
        ("match('card', 'e-1', `null`)", None),
        ("match('card', `7`, `[]`)", None),
        ("wanted('vendor', `null`)", False),
        ("wanted('vendor', '')", False),
        ("wanted('vendor', `7`)", False),
    ],
)  # fmt: skip
def test_functions_at_their_edges(text: str, result: object) -> None:
    assert _exactly(value(text)) == _exactly(result)


@pytest.mark.parametrize(
    "text",
    [
        "money(x)", "round_money(x)", "abs_money(x)", "neg_money(x)", "amount_is_negative(x)", "sum_money(x)", "minor(x, 'USD')",
        "date(x)", "add_days(x, `1`)", "limit(x, `3`)", "last(x, `3`)", "name_text(x, `3`)", "replace(x, 'a', 'b')", "upper(x)",
        "lower(x)", "trim(x)", "split(x, '/')", "pad(x, `3`)", "join_nonempty(' ', x)", "group_by(x, &a)", "unique(x)",
        "posted('bills', x)", "x.y[0].z[]", "x[?y == 'z'] | [0]",
    ],
)  # fmt: skip
def test_a_missing_value_gives_null_not_an_error(text: str) -> None:
    assert value(text, {}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("money(x)", "`money(x)`: money(): `abc` is not an amount"),
        ("upper(y)", "`upper(y)`: upper(): a text was expected, but this is an object"),
        ("limit(x, y)", "`limit(x, y)`: limit(): a whole number from 0 to 1,000,000 was expected, but this is an object"),
        ("length(z)", "`length(z)`: length(): a text, a list or an object was expected, but this is missing (null)"),
        ("date(x)", "`date(x)`: date(): `abc` is not a date"),
        ("date('20260302')", "`date('20260302')`: date(): `20260302` is not a date"),
        ("date('2026-02-30')", "`date('2026-02-30')`: date(): `2026-02-30` is not a date"),
        ("date('2026-W01-1')", "`date('2026-W01-1')`: date(): `2026-W01-1` is not a date"),
        ("add_days('9999-12-31', `1`)", "`add_days('9999-12-31', `1`)`: add_days(): `9999-12-31` is not a date"),
        ("lookup('vendor', y)", "`lookup('vendor', y)`: lookup(): a text or a whole number was expected, but this is an object"),
        ("posted('bills', y)", "`posted('bills', y)`: posted(): a text or a whole number was expected, but this is an object"),
        ("map(&upper(@), [y])", "`map(&upper(@), [y])`: upper(): a text was expected, but this is an object"),
        ("sort([x, `1`])", "`sort([x, `1`])`: sort(): a text was expected, but this is a number"),
        ("minor('5', 'USD')", "`minor('5', 'USD')`: minor(): a whole number of minor units was expected, but this is a text"),
        ("similar(x, y)", "`similar(x, y)`: similar(): a text was expected, but this is an object"),
        ("candidates('card', x, 'USD', '2026-03-02', `3`)", "`candidates('card', x, 'USD', '2026-03-02', `3`)`: candidates(): `abc` is not an amount"),
        ("candidates('card', '1', y, '2026-03-02', `3`)", "`candidates('card', '1', y, '2026-03-02', `3`)`: candidates(): a text was expected, but this is an object"),
        ("candidates('card', '1', 'USD', x, `3`)", "`candidates('card', '1', 'USD', x, `3`)`: candidates(): `abc` is not a date"),
        ("candidates('card', '1', 'USD', x, `-3`)", "`candidates('card', '1', 'USD', x, `-3`)`: candidates(): `abc` is not a date"),
        ("match('card', z, `[]`)", "`match('card', z, `[]`)`: match(): a key was expected, but this is missing (null)"),
        ("match('card', x, y)", "`match('card', x, y)`: match(): a list was expected, but this is an object"),
        ("match('card', x, [x])", "`match('card', x, [x])`: match(): a list of candidates was expected, but this is a list"),
        ("waited('card', z, `3`)", "`waited('card', z, `3`)`: waited(): a date was expected, but this is missing (null)"),
        ("waited('card', '2026-03-02', x)", "`waited('card', '2026-03-02', x)`: waited(): a whole number from 0 to 1,000,000 was expected, but this is a text"),
        ("wanted('vendor', y)", "`wanted('vendor', y)`: wanted(): a text or a whole number was expected, but this is an object"),
        ("f", "`f`: A float reached an expression; money and numbers are read as text, int or Decimal."),
        ("sum([f])", "`sum([f])`: sum(): a number was expected, but this is a float"),
    ],
)  # fmt: skip
def test_an_error_names_the_expression_the_function_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text, {"x": "abc", "y": {"secret": "4111"}, "f": 1.5})
    assert str(caught.value) == message


def test_a_long_expression_is_shortened_in_an_error() -> None:
    with pytest.raises(ExpressionError) as caught:
        value("money(x)   ||\n " + "a || " * 20 + "b", {"x": []})
    expected = "money(x) || a || a || a || a || a || a || a || a || a || a || a || a || a || ..."
    assert str(caught.value) == f"`{expected}`: money(): an amount was expected, but this is a list"


@pytest.mark.parametrize(
    "text",
    [
        "join('', map(&x, y))", "replace(x, 'a', x)", "pad('', `1000001`)", "[y[], y[], y[]][]", "to_string([x, x])",
        "split(z, ',')", "join_nonempty('', [x, x])",
    ],
)  # fmt: skip
def test_a_result_beyond_any_use_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(text, {"x": "a" * 600_000, "y": [{"x": "b" * 100}] * 40_000, "z": "," * 100_000})


def test_a_record_that_is_too_large_is_refused_as_it_is() -> None:
    with pytest.raises(ExpressionError) as caught:
        value("@", [0] * 100_001)
    assert str(caught.value) == "`@`: the result is larger than 1,000,000 characters or 100,000 items"


# --- the world -------------------------------------------------------------------------------------------------------


def test_lookups_hand_on_what_they_are_given_as_text() -> None:
    world = World()
    assert value("lookup('vendor', id, name, no)", {"id": "v-1", "name": "Acme", "no": 7}, world) == ACME
    assert value("lookup_if('vendor', id)", {}, world) is None
    assert value("find('vendor', `5`, name)", {"name": "X"}, world) is None
    assert world.asked == [
        ("lookup", "vendor", "v-1", "Acme", "7"),
        ("lookup_if", "vendor", None, None, None),
        ("find", "vendor", "5", "X", None),
    ]


def test_settings_and_links_are_asked_for_with_text() -> None:
    world = World()
    data = {"policy": "P1", "no": 7, "list_id": ACME["list_id"]}
    assert value("setting('home_currency')", data, world) == "USD"
    assert value("[setting('create', policy), setting('create', no), setting('create', nothing)]", data, world) == [
        True, True, True,
    ]  # fmt: skip
    assert (
        value("linked('vendor', list_id) && !linked('vendor', nothing) && !linked('vendor', no)", data, world) is True
    )
    assert world.asked == [
        ("setting", "home_currency", None),
        ("setting", "create", "P1"),
        ("setting", "create", "7"),
        ("setting", "create", None),
        ("linked", "vendor", ACME["list_id"]),
        ("linked", "vendor", None),
        ("linked", "vendor", "7"),
    ]


def test_a_scope_that_is_no_text_is_refused() -> None:
    with pytest.raises(ExpressionError) as caught:
        value("setting('create', scope)", {"scope": ["P1"]})
    assert str(caught.value) == (
        "`setting('create', scope)`: setting(): a text or a whole number was expected, but this is a list"
    )


def test_a_setting_for_each_line_is_asked_for_at_each_line() -> None:
    world = World()
    assert value("lines[].{a: setting('create', p), b: setting('create', root().p)}", {"lines": [{"p": "1"}, {"p": "2"}]},
                 World({"p": "0"}, world.asked)) == [{"a": True, "b": True}] * 2  # fmt: skip
    assert {scope for _, _, scope in world.asked} == {"0", "1", "2"}


def test_root_is_the_whole_record_even_in_a_define_that_a_projection_calls() -> None:
    bill = {
        "codes": [{"type": "GL", "id": "whole"}],
        "lines": [{"codes": [{"type": "GL", "id": "own"}]}, {"codes": []}, {"codes": [{"type": "X"}]}],
    }
    assert value("lines[].{gl: gl(@).id, again: gl(@).id}", bill) == [
        {"gl": "own", "again": "own"},
        {"gl": "whole", "again": "whole"},
        {"gl": "whole", "again": "whole"},
    ]


def test_a_define_sees_each_value_it_is_called_with() -> None:
    assert value("[twice(a), twice(b), twice(a)]", {"a": {"name": "x"}, "b": {}}) == [
        ["x", "x"],
        ["none"] * 2,
        ["x", "x"],
    ]


def test_a_program_remembers_nothing_from_one_call_to_the_next() -> None:
    program = compile_expression(expr("gl(@).id"), SCOPE)
    data: dict[str, Any] = {"codes": [{"type": "GL", "id": "1"}]}
    first = program(data, World(data))
    data["codes"][0]["id"] = "2"
    assert (first, program(data, World(data))) == ("1", "2")


def test_a_map_is_one_object_in_the_order_written() -> None:
    program = compile_map([("b", expr("gl(@).id")), ("a", expr("money(amount)"))], SCOPE)
    data = {"codes": [{"type": "GL", "id": "1"}], "amount": "2.50"}
    assert list(program(data, World(data)).items()) == [("b", "1"), ("a", Decimal("2.50"))]


@pytest.mark.parametrize(
    "text", ["nope(@)", "a ||", "setting('nope')", "lookup(x, y)", "limit(@)", "gl()", "name(a, b)"]
)
def test_what_the_checks_report_cannot_be_compiled(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expr(text), SCOPE)
    assert str(caught.value).startswith(f"`{text}`: ")


def test_a_define_that_calls_itself_cannot_be_compiled() -> None:
    scope = Scope(define={"a": expr("b(@)"), "b": expr("a(@)")})
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expr("a(@)"), scope)
    assert str(caught.value) == "`a(@)`: the define `a` calls itself"
