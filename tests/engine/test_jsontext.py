"""The same JSON text for the same value, and no value that cannot be stored."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jsontext import canonical, own, plain

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: object) -> object:
    """The same value with every object's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=40, deadline=None)
@given(value=_JSON)
def test_json_comes_back_whatever_it_holds(value: object) -> None:
    assert json.loads(plain(value)) == value
    assert json.loads(canonical(value)) == value


@settings(max_examples=40, deadline=None)
@given(value=_JSON)
def test_equal_values_have_equal_text(value: object) -> None:
    assert canonical(value) == canonical(shuffled(value)) == canonical(json.loads(canonical(value)))


@settings(max_examples=40, deadline=None)
@given(value=_JSON, other=_JSON)
def test_other_values_have_other_text(value: object, other: object) -> None:
    if canonical(value) == canonical(other):
        assert value == other


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "é€"]}, '{"a":[true,null,"é€"],"b":1}'),
        ({"b": Decimal("10.50"), "a": date(2026, 3, 2)}, '{"a":"2026-03-02","b":"10.50"}'),
        ({"b": 2**70, "a": Decimal("1.0")}, '{"a":"1.0","b":1180591620717411303424}'),
        ({"b": "\ud800", "a": date(2026, 3, 2)}, '{"a":"2026-03-02","b":"\\ud800"}'),
        ("", '""'),
    ],
)
def test_texts(value: object, text: str) -> None:
    assert canonical(value) == text


def test_plain_keeps_the_order_it_was_given() -> None:
    assert plain({"b": 1, "a": 2**64}) == '{"b":1,"a":18446744073709551616}'
    assert plain({"b": 1, "a": Decimal(1)}) == '{"b":1,"a":"1"}'


_OURS = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(value=_OURS)
def test_what_we_wrote_ourselves_is_read_as_it_was(value: object) -> None:
    assert own(plain(value)) == json.loads(plain(value)) == value


def test_a_lone_surrogate_comes_back_and_what_is_no_json_is_refused() -> None:
    assert own(plain({"name": "\ud800"})) == {"name": "\ud800"}
    with pytest.raises(ValueError, match="Expecting"):
        own("{")
