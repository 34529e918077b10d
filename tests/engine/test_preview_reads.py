"""Which source fields an expression reads, as far as its text tells."""

from __future__ import annotations

import pytest

from engine.diagnostics import Location
from engine.model import Expr
from engine.previewing.reads import fields_read

AT = Location("f.yaml", 1, 1)
DEFINE = {
    name: Expr(text, AT)
    for name, text in {
        "gl": "(codes[?kind == 'GL'] | [0]) || (root().codes[?kind == 'GL'] | [0])",
        "again": "again(@)",
        "outer": "gl(@).name",
    }.items()
}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("amount", ["amount"]),
        ("vendor.id", ["vendor.id"]),
        ('"odd name"."id"', ['"odd name".id']),
        ("money(amount)", ["amount"]),
        ("'text'", []),
        ("@", []),
        ("a || b", ["a", "b"]),
        ("a && b.c", ["a", "b.c"]),
        ("!a", ["a"]),
        ("a == b", ["a", "b"]),
        ("lines[].amount", ["lines[].amount"]),
        ("lines[*].amount", ["lines[].amount"]),
        ("lines[0].amount", ["lines[0].amount"]),
        ("lines[1:3].amount", ["lines[].amount"]),
        ("lines[?kind == 'x'].amount | [0]", ["lines[].kind", "lines[].amount"]),
        ("lines[].tags[].name", ["lines[].tags[].name"]),
        ("by_day.*.amount", ["by_day[].amount"]),
        ("lines[].{a: money(amount), b: root().memo}", ["lines[].amount", "memo"]),
        ("[a, b.c]", ["a", "b.c"]),
        ("map(&money(amount), lines)", ["lines[].amount"]),
        ("sort_by(lines, &date)[].amount", ["lines[].date", "lines[].amount"]),
        ("group_by(lines, &tag)[].{tag: key, sum: sum_money(items[].amount)}", ["lines[].tag", "lines[].amount"]),
        ("group_by(lines, &tag)", ["lines[].tag", "lines[]"]),
        ("not_null(a, b).c", ["a.c", "b.c"]),
        ("unique(lines[].tag)", ["lines[].tag"]),
        ("setting('a')", []),
        ("setting('a', policy.id)", ["policy.id"]),
        ("lookup('vendor', id, name).list_id", ["id", "name"]),
        ("lines[].gl(@).name", ["lines[].codes[].kind", "codes[].kind", "lines[].codes[].name", "codes[].name"]),
        ("outer(@)", ["codes[].kind", "codes[].name"]),
        ("again(a)", []),
        ("a a", []),
        ("to_string(a.b)", ["a.b"]),
    ],
)
def test_what_is_read(text: str, paths: list[str]) -> None:
    assert list(fields_read(Expr(text, AT), DEFINE)) == paths


def test_the_source_record_apart() -> None:
    expr = Expr("amount <= root().bill.amount && credits(root())", AT)
    define = {"credits": Expr("credits[].amount", AT)}
    assert fields_read(expr, define, apart=True) == ("amount", "root().bill.amount", "root().credits[].amount")
