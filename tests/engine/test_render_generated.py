"""The code made of templates prints the same text wherever a value stands, and stays within the same bounds."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionError, RenderError
from engine.money import format_money
from engine.render import MAX_OUTPUT, Templates

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=300)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000)
    | st.sampled_from([Decimal("-0.00"), Decimal("1E+3"), Decimal("1.5"), Decimal("0E-2"), Decimal("NaN"), Decimal("0.001"), 1.5])
    | st.dictionaries(st.sampled_from(["list_id", "full_name", "x"]), st.text(max_size=80) | st.integers() | st.none())
    | st.lists(st.text(max_size=3), max_size=2)
)  # fmt: skip


@pytest.fixture
def forms(tmp_path: Path) -> Templates:
    texts = {
        "direct": "{{ element('A', v) }}{{ ref('B', w) }}<C>{{ x }}</C>{{ o.list_id | optional }}",
        "macro": (
            "{% macro m(v, w, x, o) %}{{ element('A', v) }}{{ ref('B', w) }}<C>{{ x }}</C>{{ o.list_id | optional }}{% endmacro %}"
            "{{ m(v, w, x, o) }}"
        ),
        "loop": "{% for i in (1,) %}{{ element('A', v) }}{{ ref('B', w) }}<C>{{ x }}</C>{{ o.list_id | optional }}{% endfor %}",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / f"{name}.xml.j2").write_text(text, encoding="utf-8")
    return Templates([tmp_path])


def outcome(templates: Templates, name: str, values: dict[str, object]) -> str:
    try:
        return templates.get(f"{name}.xml.j2").render(values)
    except RenderError as error:
        return str(error).split(":", 2)[-1]


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, VALUES, VALUES, VALUES)
def test_a_value_prints_the_same_in_a_macro_a_loop_and_by_itself(
    forms: Templates, v: object, w: object, x: object, o: object
) -> None:
    values = {"v": v, "w": w, "x": x, "o": o}
    direct = outcome(forms, "direct", values)
    assert outcome(forms, "macro", values) == direct
    assert outcome(forms, "loop", values) == direct


@given(
    st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(places=2, allow_nan=False, allow_infinity=False)
)
def test_an_amount_prints_as_money_does(amount: Decimal) -> None:
    line = {"account": {"list_id": "1"}, "amount": amount, "memo": None, "customer": None, "class": None}
    values: dict[str, object] = dict.fromkeys(["vendor", "ap_account", "due", "reference", "memo"])
    values |= {"date": "d", "guid": "g", "request_id": "r", "lines": [line]}
    template = Templates().get("bill_add.xml.j2")
    try:
        expected = format_money(amount)
    except ExpressionError as error:
        message = str(error)
        with pytest.raises(RenderError) as caught:
            template.render(values)
        assert str(caught.value).endswith(message)
    else:
        assert f"<Amount>{expected}</Amount>" in template.render(values)


def test_many_small_values_in_one_piece_are_counted(tmp_path: Path) -> None:
    (tmp_path / "case.xml.j2").write_text("{% for i in l %}" + "{{ v }}" * 1000 + "{% endfor %}", encoding="utf-8")
    template = Templates([tmp_path]).get("case.xml.j2")
    with pytest.raises(RenderError) as caught:
        template.render({"v": "x" * 200, "l": [0] * (MAX_OUTPUT // 200_000 + 1)})
    assert str(caught.value) == "case.xml.j2: the document is larger than 4,000,000 characters"


@pytest.mark.parametrize(
    "name", ["join", "printed", "reference", "wrapped", "values", "environment", "missing", "context", "resolve"]
)
def test_no_name_of_the_code_can_be_reached(tmp_path: Path, name: str) -> None:
    (tmp_path / "case.xml.j2").write_text(f"{{{{ {name} }}}}", encoding="utf-8")
    template = Templates([tmp_path]).get("case.xml.j2")
    with pytest.raises(RenderError) as caught:
        template.render({})
    assert str(caught.value) == f"case.xml.j2:1: `{name}` is not among the values of this template"
    assert template.render({name: "own"}) == "own"


def test_an_error_in_a_long_piece_names_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "case.xml.j2").write_text(
        "<A>\n{{ a }}\n{{ a }}\n{{ element('B', a) }}\n{{ ref('C', b) }}\n{{ a }}\n</A>", encoding="utf-8"
    )
    with pytest.raises(RenderError) as caught:
        Templates([tmp_path]).get("case.xml.j2").render({"a": "x", "b": "x"})
    assert str(caught.value).startswith("case.xml.j2:5: `ref` takes an object")
