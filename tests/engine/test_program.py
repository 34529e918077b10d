"""A flow made ready to run: the order of its streams, the lists it needs, the templates it finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.program import compile_flow, in_order, scope_of
from engine.registry import registered
from tests.engine.kit import YAML, LedgerConnector, Shop, ShopConnector, flow


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    """The connectors that the flow names, and not installed ones of the same name."""
    with registered({"shop": ShopConnector(Shop()), "ledger": LedgerConnector()}):
        yield


def ordered(*streams: tuple[str, str]) -> list[str]:
    """The order of streams given as `(name, after)`."""
    text = YAML[: YAML.index("streams:")] + "streams:\n"
    for name, after in streams:
        text += f"""  {name}:
    after: [{after}]
    fetch: {{from: shop, stream: bills}}
    key: id
    map: {{id: id}}
    write: {{to: ledger, request: NotePost}}
"""
    return [stream.name for stream in in_order(flow(text))]


@pytest.mark.parametrize(
    ("streams", "names"),
    [
        ((("a", ""), ("b", ""), ("c", "")), ["a", "b", "c"]),
        ((("c", "b"), ("b", "a"), ("a", "")), ["a", "b", "c"]),
        ((("a", "b"), ("b", ""), ("c", "")), ["b", "a", "c"]),
        ((("d", "a, c"), ("a", ""), ("b", "d"), ("c", "a")), ["a", "c", "d", "b"]),
    ],
)
def test_streams_stand_after_those_they_name(streams: tuple[tuple[str, str], ...], names: list[str]) -> None:
    assert ordered(*streams) == names


def test_a_circle_ends() -> None:
    assert ordered(("a", "b"), ("b", "a"), ("c", "")) == ["c", "a", "b"]


def test_the_lists_that_each_stream_needs() -> None:
    program = compile_flow(flow())
    assert {s.stream.name: s.lists for s in program.streams} == {
        "vendors": ("Vendor",), "bills": ("Vendor", "Account"), "payments": (),
    }  # fmt: skip
    assert program.lists == ("Vendor", "Account")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("status != 'draft'", "find('account', id)"),  # a selection
        ("adopt: find('vendor', id, name)", "adopt: find('account', id, name)"),
    ],
)
def test_lists_that_a_selection_or_an_adoption_asks(old: str, new: str) -> None:
    program = compile_flow(flow(YAML.replace(old, new)))
    assert "Account" in {*program.stream("bills").lists, *program.stream("vendors").lists}


def test_what_a_stream_is_made_of() -> None:
    program = compile_flow(flow())
    vendors, bills, payments = program.streams
    assert program.stream("bills") is bills
    assert bills.select_says == ("the bill is a draft",)
    assert bills.check_says == ("the lines do not add up to the bill",)
    assert (vendors.adopt is None, vendors.provide_key is None, bills.provide_key is None) == (False, False, True)
    assert (payments.when is None, bills.when is None) == (False, True)
    assert [(v.request, v.when is None, v.template is None) for v in payments.variants] == [
        ("CardPost", False, True), ("NotePost", False, True),
    ]  # fmt: skip
    assert [(v.request, v.when is None, v.template is None) for v in bills.variants] == [("BillAdd", True, False)]
    assert program.settings == {"card_payments": False, "with_payments": True}


def test_the_names_that_expressions_may_use() -> None:
    scope = scope_of(flow())
    assert scope.settings == {"card_payments": "boolean", "with_payments": "boolean"}
    assert scope.lookups == {"vendor", "account"}
    assert scope.streams == {"vendors", "bills", "payments"}


def test_a_flow_s_own_template_goes_before_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "bill_add.xml.j2").write_text("<Own/>", encoding="utf-8")
    program = compile_flow(flow(path=str(tmp_path / "flow.yaml")))
    (variant,) = program.stream("bills").variants
    assert variant.template is not None
    assert variant.template.render({}) == "<Own/>"
