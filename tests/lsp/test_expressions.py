"""What a cursor inside an expression stands in, and what the name there is read from."""

from __future__ import annotations

import pytest

from engine.diagnostics import Location
from engine.lsp.expressions import Spot, argument_of, compared_with, read_from, spot
from engine.mapping.scope import Scope
from engine.mapping.types import ANY, record_type
from engine.model import Expr
from tests.engine.flow_fakes import BILL

DATA = record_type(BILL)
SCOPE = Scope(
    settings={"home": "text"},
    lookups=frozenset({"vendor"}),
    define={"payee": Expr("vendor.name", Location("f")), "broken": Expr("a[", Location("f"))},
)
LINE = ("amount", "memo")

SPOTS = [
    ("", Spot("name")),
    ("vend", Spot("name", "", "vend")),
    ("vendor.na", Spot("name", "vendor.", "na")),
    ("lookup(", Spot("name", "lookup(", "", ")", ("lookup", 0))),
    ("lookup('", Spot("text", "lookup(", "", ")", ("lookup", 0))),
    ("lookup('ven", Spot("text", "lookup(", "ven", ")", ("lookup", 0))),
    ("lookup('vendor', vendor.id, 'a", Spot("text", "lookup('vendor', vendor.id, ", "a", ")", ("lookup", 2))),
    ("[?status == 'OP", Spot("text", "[?status == ", "OP", "]")),
    ("x[].{a: money(", Spot("name", "x[].{a: money(", "", ")}", ("money", 0))),
    ("x[].{a: b, c", Spot("nothing")),
    ("x[].{", Spot("nothing")),
    ("length(`[1", Spot("nothing")),
    ('"odd na', Spot("nothing")),
    ("'it\\'s' == st", Spot("name", "'it\\'s' == ", "st")),
    ("a) || b", Spot("name", "a) || ", "b")),
]


@pytest.mark.parametrize(("before", "expected"), SPOTS, ids=[before for before, _ in SPOTS])
def test_spots(before: str, expected: Spot) -> None:
    assert spot(before) == expected


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        ("", DATA.names),
        ("vendor.", ("id", "name")),
        ("vendor.id || vendor.", ("id", "name")),
        ("line_items[].", LINE),
        ("line_items[?", LINE),
        ("line_items[?money(amount) > `0`] | [0].", LINE),
        ("line_items[].{a: ", LINE),
        ("line_items[].{a: amount, b: root().", DATA.names),
        ("sort_by(line_items, &", LINE),
        ("limit(", DATA.names),
        ("nothing_of_this_name(", DATA.names),
        ("lookup('nobody', vendor.", ("id", "name")),
        ("group_by(line_items, &memo)[].items[].", LINE),
        # of what nothing is known, or what is no expression
        ("amount.", ()),
        ("a b c.", ()),
        ("broken(@).", ()),
    ],
)
def test_fields(before: str, fields: tuple[str, ...]) -> None:
    assert read_from(spot(before), DATA, SCOPE).names == fields


@pytest.mark.parametrize(
    ("before", "choices"),
    [
        ("status == '", ("OPEN", "PAID")),
        ("'x' != status || '' == status && status == '", ("OPEN", "PAID")),
        ("amount == '", ()),
    ],
)
def test_compared(before: str, choices: tuple[str, ...]) -> None:
    assert compared_with(spot(before), DATA, SCOPE) == choices


def test_what_a_define_is_called_with() -> None:
    assert argument_of("payee", "payee(@) || line_items[].payee(@)", DATA, SCOPE).names == (*DATA.names, "memo")
    assert argument_of("payee", "id", DATA, SCOPE) == ANY


def test_defines_that_grow_without_end_are_given_up() -> None:
    define = {f"d{i}": Expr(f"[d{i + 1}(@), d{i + 1}(@)]", Location("f")) for i in range(30)}
    assert read_from(spot("d0(@)[0]."), DATA, Scope(define=define)).names == ()
