"""Every problem of an expression is found before a run, at its place, with what to do about it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from engine.diagnostics import Diagnostic, Location
from engine.mapping import (
    CODES,
    FUNCTIONS,
    ResultType,
    Scope,
    analyse,
    analyse_map,
    check_defines,
    check_expression,
    object_type,
    record_type,
    settings_of,
)
from engine.model import Expr
from engine.spec import FieldSpec


def expr(text: str, line: int = 7) -> Expr:
    return Expr(text, Location("flow.yaml", line, 10))


SCOPE = Scope(
    settings={"home_currency": "text", "create": "boolean", "days": "integer"},
    lookups=frozenset({"vendor", "account"}),
    streams=frozenset({"bills"}),
    define={"gl": expr("codes[?type == 'GL'] | [0]", 3)},
    lookup_fields={"vendor": (FieldSpec("list_id", "id", "", required=True), FieldSpec("currency", "text", ""))},
)
LINES = (FieldSpec("amount", "money", "", required=True), FieldSpec("memo", "text", ""))
CODE = (FieldSpec("type", "text", "", required=True), FieldSpec("id", "id", "", required=True))
FIELDS = (
    FieldSpec("id", "id", "", required=True),
    FieldSpec("amount", "money", "", required=True),
    FieldSpec("memo", "text", ""),
    FieldSpec("due_at", "datetime", ""),
    FieldSpec("count", "integer", ""),
    FieldSpec("paid", "boolean", ""),
    FieldSpec("status", "text", "", choices=("OPEN", "PAID"), required=True),
    FieldSpec("vendor", "object", "", required=True, fields=(FieldSpec("id", "id", "", required=True),)),
    FieldSpec("custom", "object", ""),
    FieldSpec("lines", "list", "", required=True, fields=LINES),
    FieldSpec("codes", "list", "", fields=CODE),
    FieldSpec("tags", "list", "", of="text"),
)


def shown(problems: list[Diagnostic]) -> list[str]:
    return [str(p).removeprefix("flow.yaml:") for p in problems]


def known_functions() -> str:
    return ", ".join(sorted((*FUNCTIONS, "gl"))[:30]) + ", ..."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "7:10: error[E101]: the expression is empty\n  hint: write @ for the whole value"),
        ("a ||", "7:14: error[E101]: the expression ends too early\n  hint: a value is missing at the end"),
        ("a = b", "7:12: error[E101]: unexpected `=`\n  hint: write == to compare"),
        ("a['b']", '7:12: error[E101]: unexpected `b`\n  hint: read a field with a dot: a.b, or a."odd name"'),
        (
            "limit(a b)",
            "7:18: error[E101]: unexpected `b`\n  hint: put a comma, a dot or an operator such as == or && before it",
        ),
        ("limit(a, `2`,)", "7:22: error[E101]: unexpected `,`\n  hint: remove it: no value follows"),
        (
            "{a: b c: d}",
            "7:16: error[E101]: unexpected `c`\n  hint: put a comma, a dot or an operator such as == or && before it",
        ),
        ("a || 'b", "7:15: error[E101]: a quote is opened here and never closed\n  hint: add '"),
        ("a[::0]", "7:11: error[E101]: a slice cannot have the step 0\n  hint: remove it, or write another: [::2]"),
        ("a.(b)", "7:12: error[E101]: unexpected `(`\n  hint: a name, [ ] or { } follows a dot"),
        (
            "[0](a)",
            "7:12: error[E101]: only a name can be called\n  hint: put an operator such as && or == before the parenthesis",
        ),
        (
            "a == `word`",
            "7:15: error[E101]: what stands between backticks is not JSON\n  hint: write text in single quotes: 'text'",
        ),
        (
            "a == `NaN`",
            "7:15: error[E101]: what stands between backticks is not JSON\n  hint: write text in single quotes: 'text'",
        ),
        (
            "`1e9999`",
            "7:10: error[E101]: a number may have 40 digits at most\n  hint: an id of digits is a text: write it in single quotes",
        ),
        (
            "'" + "x" * 4100 + "'",
            "7:10: error[E102]: longer than 4096 characters\n  hint: move parts of it to `define`",
        ),
        (
            "a || lenght(b)",
            f"7:15: error[E103]: there is no function `lenght`\n  hint: did you mean `length`? known: {known_functions()}",
        ),
        ("limit(a)", "7:10: error[E104]: `limit` cannot take 1 argument\n  hint: call it as limit(text, n)"),
        ("a || gl(b, c)", "7:15: error[E104]: `gl` takes one argument, not 2\n  hint: call it as gl(@)"),
        (
            "lookup('vendor')",
            "7:10: error[E104]: `lookup` cannot take 1 argument\n  hint: call it as lookup(name, key, label?, number?)",
        ),
        (
            "setting('home_curency')",
            (
                "7:18: error[E105]: there is no setting `home_curency`\n"
                "  hint: did you mean `home_currency`? known: create, days, home_currency"
            ),
        ),
        (
            "find('vendors', id)",
            "7:15: error[E106]: there is no lookup `vendors`\n  hint: did you mean `vendor`? known: account, vendor",
        ),
        (
            "posted('bill', id)",
            "7:17: error[E107]: there is no stream `bill`\n  hint: did you mean `bills`? known: bills",
        ),
        (
            "lookup(vendor, id)",
            "7:17: error[E108]: `lookup` takes the name of a lookup in single quotes first\n  hint: write 'vendor'",
        ),
        (
            "sort_by(a, b)",
            (
                "7:21: error[E112]: `sort_by` takes an `&expression` here\n"
                "  hint: write & before it: the expression is computed for each item"
            ),
        ),
        ("length(&a)", "7:17: error[E112]: `length` takes a value here, not an `&expression`\n  hint: remove the &"),
        ("&a", "7:10: error[E112]: `&expression` can only be an argument of a function\n  hint: remove the &"),
        ("[id, &a]", "7:15: error[E112]: `&expression` can only be an argument of a function\n  hint: remove the &"),
    ],
)
def test_each_problem_is_reported_at_its_place(text: str, problem: str) -> None:
    assert shown(check_expression(expr(text), SCOPE)) == [problem]


def test_all_problems_are_reported_with_the_path_in_the_document() -> None:
    problems = check_expression(expr("nope(setting('x')) || limit()"), SCOPE, "streams.bills.map.memo")
    assert [(p.code, p.where, p.location.column) for p in problems] == [
        ("E103", "streams.bills.map.memo", 10),
        ("E105", "streams.bills.map.memo", 23),
        ("E104", "streams.bills.map.memo", 32),
    ]


def test_a_problem_in_a_text_of_several_lines_is_at_its_start_unless_places_are_given() -> None:
    text = "lines[].{\n  a: nope(b)}"
    assert check_expression(expr(text), SCOPE)[0].location == Location("flow.yaml", 7, 10)
    placed = Scope(place=lambda _expr, offset: Location("flow.yaml", 8, offset))
    assert check_expression(expr(text), placed)[0].location == Location("flow.yaml", 8, 15)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 500 + "a" + ")" * 500, "E102"),
        ("(" * 500, "E102"),
        ("[" * 500, "E102"),
        ("!" * 4000 + "a", "E102"),
        ("a" + ".*" * 2000, "E102"),
        ("a" + "[*]" * 1300, "E102"),
        ("f(" * 1300 + ")" * 1300, "E102"),
        ("a" + "||a" * 1300, "E102"),
        ("[" + ",".join(["a"] * 600) + "]", "E102"),
        (" | ".join(["[@,@]"] * 24), "E115"),
        ("@" + ".[@,@]" * 24, "E115"),
        ("@" + " | [@,@][]" * 16, "E115"),
        ("`" + "[" * 2000 + "`", "E101"),
        ("\\" * 4000, "E101"),
        ("'" * 4001, "E101"),
    ],
)  # fmt: skip
def test_a_hostile_expression_is_refused_at_once(text: str, code: str) -> None:
    started = time.process_time()
    problems = check_expression(expr(text), SCOPE)
    assert [p.code for p in problems] == [code]
    assert time.process_time() - started < 0.1


def test_defines_that_call_themselves_or_grow_without_end_are_refused() -> None:
    loop = Scope(define={"a": expr("b(@)"), "b": expr("a(@)")})
    assert shown(check_defines(loop)) == [
        "7:10: error[E109]: define.a: the define `b` calls itself\n  hint: write out what it is to compute, without itself",
        "7:10: error[E109]: define.b: the define `a` calls itself\n  hint: write out what it is to compute, without itself",
    ]
    tower = {"d0": expr("a || b")} | {f"d{n}": expr(f"d{n - 1}(a) || d{n - 1}(b)") for n in range(1, 30)}
    started = time.process_time()
    assert {p.code for p in check_defines(Scope(define=tower))} == {"E115"}
    assert time.process_time() - started < 1


def test_a_define_may_not_take_the_name_of_a_function() -> None:
    assert shown(check_defines(Scope(define={"limit": expr("@")}))) == [
        "7:10: error[E110]: define.limit: `limit` is the name of a function\n  hint: give it another name: `my_limit`"
    ]


# --- fields and types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "amuont",
            ("7:10: error[E111]: there is no field `amuont` here\n  hint: did you mean `amount`? known: "
             "amount, codes, count, custom, due_at, id, lines, memo, paid, status, tags, vendor"),
        ),
        ("lines[].{x: memmo}", "7:22: error[E111]: there is no field `memmo` here\n  hint: did you mean `memo`? known: amount, memo"),
        ("root().vendor.nam", "7:24: error[E111]: there is no field `nam` here\n  hint: known: id"),
        ("lines[?memos].amount", "7:17: error[E111]: there is no field `memos` here\n  hint: did you mean `memo`? known: amount, memo"),
        ("lines.amount", "7:16: error[E111]: `amount` is read from a list, which has no fields\n  hint: read it from each item: put `[]` before it"),
        ("memo.text", "7:15: error[E111]: `text` is read from a text, which has no fields\n  hint: remove `.text`"),
        ("vendor[].id", "7:10: error[E111]: an object is walked here as if it were a list\n  hint: remove the [ ]; .* walks the values of an object"),
        (
            "lookup('vendor', vendor.id).curency",
            "7:38: error[E111]: there is no field `curency` here\n  hint: did you mean `currency`? known: currency, list_id",
        ),
        ("money(memo)", "7:16: error[E112]: `money` takes an amount, and this is a text\n  hint: give a field that holds money: amount"),
        ("money(vendor)", "7:16: error[E112]: `money` takes an amount, and this is an object\n  hint: read one of its fields: id"),
        ("sum_money(amount)", "7:20: error[E112]: `sum_money` takes a list, and this is an amount\n  hint: put it in [ ] for a list of one"),
        ("limit(vendor, `3`)", "7:16: error[E112]: `limit` takes a text, and this is an object\n  hint: read one of its fields: id"),
        ("limit(money(amount), `3`)", "7:16: error[E112]: `limit` takes a text, and this is an amount\n  hint: make a text of it with to_string(...)"),
        ("date(amount)", "7:15: error[E112]: `date` takes a date, and this is an amount\n  hint: give a field that holds a date: due_at"),
        ("lookup('vendor', vendor)", "7:27: error[E112]: `lookup` takes a text or a whole number, and this is an object\n  hint: read one of its fields: id"),
        ("status == 'PIAD'", "7:20: error[E113]: the value is never `PIAD`\n  hint: did you mean `PAID`? it is one of: OPEN, PAID"),
        ("paid == 'true'", "7:10: error[E113]: true or false is compared with a text, which is never equal\n  hint: compare with `true` or `false` in backticks, or leave the comparison out"),
        ("amount > `0`", "7:10: error[E114]: this amount is still text; a number is never equal to it\n  hint: wrap it in money(...)"),
        ("money(amount) == amount", "7:27: error[E114]: this amount is still text; a number is never equal to it\n  hint: wrap it in money(...)"),
        ("starts_with(memo, 'x')", "7:22: warning[E116]: `starts_with` fails on null, and this may be null\n  hint: add `|| ''` or another default"),
        ("join(' ', [id, memo])", "7:20: warning[E116]: `join` fails on null, and an item may be null\n  hint: add `|| ''` to it, or use join_nonempty(...)"),
        ("map(&memmo, lines)", "7:15: error[E111]: there is no field `memmo` here\n  hint: did you mean `memo`? known: amount, memo"),
        ("group_by(lines, &memo)[].items[].x", "7:43: error[E111]: there is no field `x` here\n  hint: known: amount, memo"),
        ("sort_by(lines, &x)", "7:26: error[E111]: there is no field `x` here\n  hint: known: amount, memo"),
        ("vendor.*.x", "7:19: error[E111]: `x` is read from an id, which has no fields\n  hint: remove `.x`"),
        ("{a: id}.b", "7:18: error[E111]: there is no field `b` here\n  hint: known: a"),
        ("match('vendor', id, memo)", "7:30: error[E112]: `match` takes a list, and this is a text\n  hint: put it in [ ] for a list of one"),
        ("match('vendor', id, candidates('vendor', amount, 'USD', due_at, `3`)).nam", "7:80: error[E111]: there is no field `nam` here\n  hint: known: currency, list_id"),
        ("candidates('vendor', memo, 'USD', due_at, `3`)", "7:31: error[E112]: `candidates` takes an amount, and this is a text\n  hint: give a field that holds money: amount"),
        ("candidates('vendor', amount, 'USD', paid, `3`)", "7:46: error[E112]: `candidates` takes a date, and this is true or false\n  hint: give a field that holds a date: due_at"),
        ("candidates('vendor', amount, 'USD', due_at, `3`)[?nam == 'x']", "7:60: error[E111]: there is no field `nam` here\n  hint: known: currency, list_id"),
        ("similar(memo, vendor)", "7:24: error[E112]: `similar` takes a text, and this is an object\n  hint: read one of its fields: id"),
        ("waited('vendor', due_at, memo)", "7:35: error[E112]: `waited` takes a whole number, and this is a text\n  hint: write a number in backticks: `5`, or make one with to_number(...)"),
        ("wanted('vendor', vendor)", "7:27: error[E112]: `wanted` takes a text or a whole number, and this is an object\n  hint: read one of its fields: id"),
        ("gl(vendor)", "3:10: error[E111]: define.gl: there is no field `codes` here\n  hint: the source record has it: write root().codes, or add it to what is read here"),
    ],
)  # fmt: skip
def test_what_the_declared_fields_rule_out_is_found(text: str, problem: str) -> None:
    assert check_expression(expr(text), SCOPE) == []
    assert shown(analyse(expr(text), FIELDS, SCOPE)[1]) == [problem]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("id", ResultType("id", nullable=False)),
        ("memo", ResultType("text")),
        ("custom.anything.at.all", ResultType("any")),
        ("money(amount)", ResultType("amount", nullable=False)),
        ("money(lines[0].amount || amount)", ResultType("amount", nullable=False)),
        ("date(due_at)", ResultType("date", max_length=10)),
        ("limit(memo || '', `20`)", ResultType("text", nullable=False, max_length=20)),
        ("limit(join(' ', ['ab', memo || '']), `4095`)", ResultType("text", nullable=False, max_length=4095)),
        ("join('-', ['ab', limit(id, `5`)])", ResultType("text", nullable=False, max_length=8)),
        ("last(replace(limit(id, `9`), '-', ''), `11`)", ResultType("text", nullable=False, max_length=9)),
        ("setting('create')", ResultType("boolean", nullable=False)),
        ("setting('days')", ResultType("integer", nullable=False)),
        ("setting('days', memo)", ResultType("integer", nullable=False)),
        ("linked('vendor', memo)", ResultType("boolean", nullable=False)),
        ("lookup('vendor', id).list_id", ResultType("id", nullable=False)),
        ("find('vendor', id).list_id", ResultType("id")),
        ("lookup('account', id).anything", ResultType("any")),
        ("posted('bills', id).TxnID", ResultType("any")),
        ("similar(memo, id)", ResultType("boolean", nullable=False)),
        ("waited('vendor', due_at, `3`) && wanted('vendor', memo)", ResultType("boolean", nullable=False)),
        ("match('vendor', id, candidates('vendor', amount, memo, due_at, `3`)).list_id", ResultType("id")),
        (
            "candidates('vendor', amount, memo, due_at, `3`)[].currency",
            ResultType("list", nullable=False, item=ResultType("text", nullable=False)),
        ),
        ("match('account', id, candidates('account', amount, memo, due_at, `3`)).anything", ResultType("any")),
        ("!memo", ResultType("boolean", nullable=False)),
        ("paid && status == 'OPEN'", ResultType("boolean")),
        ("lines[].memo | [0]", ResultType("text")),
        ("sum_money(lines[].amount)", ResultType("amount", nullable=False)),
        ("gl(@).id", ResultType("id")),
        ("root().vendor.id", ResultType("id", nullable=False)),
        ("memo || `null`", ResultType("text")),
        ("max_by(lines, &memo).memo", ResultType("text")),
        ("not_null(memo, id)", ResultType("text", nullable=False)),
        ("to_number(memo)", ResultType("number")),
    ],
)
def test_the_type_of_a_result_is_known(text: str, result: ResultType) -> None:
    found, problems = analyse(expr(text), FIELDS, SCOPE)
    assert (found, problems) == (result, [])


def test_a_check_is_read_against_the_mapped_record() -> None:
    entries = (("total", expr("money(amount)")), ("lines", expr("lines[].{amount: money(amount), note: memo}")))
    mapped, problems = analyse_map(entries, FIELDS, SCOPE)
    assert problems == []
    assert mapped.names == ("total", "lines")
    good = expr("sum_money(lines[].amount) == total && root().vendor.id")
    assert analyse(good, mapped, SCOPE, root=FIELDS)[1] == []
    wrong = expr("sum_money(lines[].amuont) == amount")
    assert shown(analyse(wrong, mapped, SCOPE, root=FIELDS, where="check")[1]) == [
        "7:28: error[E111]: check: there is no field `amuont` here\n  hint: did you mean `amount`? known: amount, note",
        "7:39: error[E111]: check: there is no field `amount` here\n  hint: the source record has it: write root().amount, or add it to what is read here",
    ]


def test_a_receipt_can_be_read_from_an_object_type() -> None:
    data = object_type([("receipt", record_type((FieldSpec("TxnID", "id", "", required=True),)))])
    assert analyse(expr("receipt.TxnID"), data, SCOPE) == (ResultType("id", nullable=False), [])
    assert [p.code for p in analyse(expr("receipt.TxnId"), data, SCOPE)[1]] == ["E111"]


def test_what_the_checks_report_is_not_reported_twice() -> None:
    assert analyse(expr("nope(amuont)"), FIELDS, SCOPE) == (ResultType("any"), [])


def test_every_code_of_the_table_has_an_example_in_this_file() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert sorted(CODES) == sorted(set(re.findall(r"E1[0-9]{2}", text)))


def test_the_settings_of_an_expression_are_those_of_its_definitions_too() -> None:
    define = {
        "inner": expr("setting('create') && other(@)"),
        "outer": expr("[inner(@), setting('days')]"),
        "other": expr("setting('home_currency', code)"),
        "broken": expr("setting('create'"),
    }
    assert [
        sorted(settings_of(expr(text), define))
        for text in ("outer(lines[0])", "other(@)", "a == 'setting'", "lines[?setting( 'days' ) > n]", "broken(@)", "(")
    ] == [["create", "days", "home_currency"], ["home_currency"], [], ["days"], [], []]


# --- what one flow found out serves the next


def typed(text: str, scope: Scope, data: tuple[FieldSpec, ...] = FIELDS) -> tuple[ResultType, list[str]]:
    result, problems = analyse(expr(text), data, scope)
    return result, shown(problems)


def test_the_same_expression_means_another_thing_where_its_names_do() -> None:
    text = "number_of(@)"
    of = {name: Scope(define={"number_of": expr(body)}) for name, body in (("count", "count"), ("memo", "memo"))}
    assert typed(text, of["count"])[0].kind == "integer"
    assert typed(text, of["memo"])[0].kind == "text"
    assert typed(text, of["count"])[0].kind == "integer"
    for kind, wanted in (("boolean", "boolean"), ("integer", "integer"), ("date", "date"), ("boolean", "boolean")):
        assert typed("setting('of')", Scope(settings={"of": kind}))[0].kind == wanted
    for field in ("number", "text"):
        offered = (FieldSpec("code", "integer" if field == "number" else "text", "", required=True),)
        found = typed("lookup('item', id).code", Scope(lookups=frozenset({"item"}), lookup_fields={"item": offered}))
        assert found[0].kind == ("integer" if field == "number" else "text")
        told = Scope(streams=frozenset({"items"}), receipts={"items": offered})
        assert typed("posted('items', id).code", told)[0].kind == ("integer" if field == "number" else "text")


def test_the_same_expression_is_wrong_where_its_names_are_not_declared_or_its_fields_are_not_there() -> None:
    text = "lookup('vendor', id).list_id"
    assert typed(text, SCOPE)[1] == []
    assert [p.code for p in check_expression(expr(text), Scope())] == ["E106"]
    assert typed(text, SCOPE)[1] == []
    other = tuple(field for field in FIELDS if field.name != "id")
    assert [line[:25] for line in typed(text, SCOPE, other)[1]] == ["7:27: error[E111]: there "]
    assert typed(text, SCOPE)[1] == []


def test_a_define_that_calls_itself_is_reported_each_time() -> None:
    scopes = [Scope(define={"a": expr("b(@)"), "b": expr(body)}) for body in ("a(@)", "id", "a(@)")]
    assert [[p.code for p in check_expression(expr("a(@)"), scope)] for scope in scopes] == [["E109"], [], ["E109"]]


def test_a_thousand_defines_in_a_row_are_reported_not_a_traceback() -> None:
    define = {f"d{n}": expr(f"d{n + 1}(@)") for n in range(3000)}
    scope = Scope(define={**define, "d3000": expr("id")})
    assert [p.code for p in check_expression(expr("d0(@)"), scope)] == ["E102"]
