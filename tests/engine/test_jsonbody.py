"""Bodies that are JSON: the fields that the request takes, of their types, the same bytes for the same record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RenderError
from engine.jsonbody import body_of
from engine.spec import FieldSpec

FIELDS = (
    FieldSpec("name", "text", "name", required=True),
    FieldSpec("key", "id", "key"),
    FieldSpec("amount", "money", "amount"),
    FieldSpec("rate", "decimal", "rate"),
    FieldSpec("days", "integer", "days"),
    FieldSpec("paid", "boolean", "paid"),
    FieldSpec("day", "date", "day"),
    FieldSpec("at", "datetime", "moment"),
    FieldSpec("kind", "text", "kind", choices=("A", "B")),
    FieldSpec("extra", "any", "anything"),
    FieldSpec("open", "object", "any object"),
    FieldSpec("place", "object", "place", fields=(FieldSpec("city", "text", "city", required=True),)),
    FieldSpec("lines", "list", "lines", fields=(FieldSpec("sum", "money", "sum", required=True),)),
    FieldSpec("tags", "list", "tags"),
)


def body(**given: Any) -> str:
    return body_of("Put", FIELDS, given).decode()


def test_a_whole_body() -> None:
    assert body(
        name="Grün", key="k", amount=Decimal("10.50"), rate="1.25", days=3, paid=False, day="2026-03-02",
        at="2026-03-02T14:00:00Z", kind="A", extra=[1], open={"x": 1}, place={"city": "Ulm", "zip": "1"},
        lines=[{"sum": 7, "memo": "m"}], tags=["a"], other="left out",
    ) == (
        '{"amount":"10.50","at":"2026-03-02T14:00:00Z","day":"2026-03-02","days":3,"extra":[1],"key":"k","kind":"A",'
        '"lines":[{"sum":"7"}],"name":"Grün","open":{"x":1},"paid":false,"place":{"city":"Ulm"},"rate":"1.25","tags":["a"]}'
    )  # fmt: skip


def test_null_is_left_out_and_without_fields_everything_goes() -> None:
    assert body(name="n", key=None, place=None) == '{"name":"n"}'
    assert body_of("Put", (), {"b": None, "a": Decimal("1.0")}) == b'{"a":"1.0","b":null}'


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "`name` is empty, and the request needs it"),
        ({"name": None}, "`name` is empty, and the request needs it"),
        ({"name": ""}, "`name` is empty, and the request needs it"),
        ({"name": 7}, "`name` is not a text"),
        ({"name": "n", "key": {"list_id": "1"}}, "`key` is not a text"),
        ({"name": "n", "amount": 1.5}, "`amount` is not an amount"),
        ({"name": "n", "amount": "ten"}, "`amount` is not an amount"),
        ({"name": "n", "amount": True}, "`amount` is not an amount"),
        ({"name": "n", "rate": "NaN"}, "`rate` is not a decimal number"),
        ({"name": "n", "days": True}, "`days` is not a whole number"),
        ({"name": "n", "days": "3"}, "`days` is not a whole number"),
        ({"name": "n", "paid": "yes"}, "`paid` is not true or false"),
        ({"name": "n", "day": "20260302"}, "`day` is not a date, YYYY-MM-DD"),
        ({"name": "n", "day": "2026-02-30"}, "`day` is not a date, YYYY-MM-DD"),
        ({"name": "n", "day": 7}, "`day` is not a date, YYYY-MM-DD"),
        ({"name": "n", "at": "soon"}, "`at` is not a date and time, ISO 8601"),
        ({"name": "n", "kind": "C"}, "`kind` is none of: A, B"),
        ({"name": "n", "open": []}, "`open` is not an object"),
        ({"name": "n", "place": "Ulm"}, "`place` is not an object"),
        ({"name": "n", "place": {}}, "`place.city` is empty, and the request needs it"),
        ({"name": "n", "lines": {}}, "`lines` is not a list"),
        ({"name": "n", "lines": [{"sum": 1}, {}]}, "`lines[1].sum` is empty, and the request needs it"),
        ({"name": "n", "lines": ["x"]}, "`lines[0]` is not an object"),
        ({"name": "n", "tags": ["a", 1]}, "`tags[1]` is not a text"),
    ],
)
def test_what_is_not_of_its_type_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RenderError) as caught:
        body(**given)
    assert str(caught.value) == f"Put: {says}"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), _JSON))
def test_whatever_a_map_gives_is_a_body_or_is_refused(given: dict[str, Any]) -> None:
    try:
        made = body_of("Put", FIELDS, given)
    except RenderError:
        return
    assert made == body_of("Put", FIELDS, dict(reversed(given.items())))
