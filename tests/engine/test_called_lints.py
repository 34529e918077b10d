"""What `validate` says of changes and undoings of a target that is called, which take JSON and no template."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.registry import registered
from engine.validate import validate
from tests.engine import kit
from tests.engine.chart_kit import FLOW, Chart, ChartConnector

# `status` and `country` are not among the fields that the shop declares.
TEXT = FLOW.replace("status == 'closed'", "name == 'closed'").replace("status == 'void'", "id == 'void'")
TEXT = TEXT.replace("map: {id: id, name: name, group: country}", "map: {id: id, name: name, group: name}")
BILLS = """
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number, date: date}
    select:
      - {only: "status != 'draft'", say: the bill is a draft}
    map: {number: number, vendor: vendor.id, amount: money(amount), memo: memo}
"""
TEXT = TEXT.replace(BILLS, "\n    map: {number: id, vendor: id, amount: \"money('1.00')\", memo: id}\n")


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "shop_to_chart.yaml"
    path.write_text(text)
    chart = Chart(None)  # type: ignore[arg-type]
    with registered({"shop": kit.ShopConnector(kit.Shop()), "chart": ChartConnector(chart)}):
        return [f"{p.code} {p.where}: {p.message} | {p.hint}" for p in validate([path]).problems]


def test_a_flow_that_changes_and_undoes_is_sound(tmp_path: Path) -> None:
    assert problems(tmp_path, TEXT) == []


WRITE = "streams.bills.write"
NO_TEMPLATE = "remove it: the map itself is sent"


@pytest.mark.parametrize(
    ("old", "new", "where", "message", "hint"),
    [
        (
            "{request: BillUpdate}", "{request: AccountUpdate}", f"F039 {WRITE}.change.request",
            "`AccountUpdate` does not change what `BillCreate` has made", "write `BillUpdate`",
        ),
        (
            "{request: BillUpdate}", "{request: BillUpdate, template: bill_mod.xml.j2}", f"F032 {WRITE}.change.template",
            "the request `BillUpdate` takes no template", NO_TEMPLATE,
        ),
        (
            "request: BillArchive}", "request: AccountHide}", f"F045 {WRITE}.undo.request",
            "`AccountHide` does not undo what `BillCreate` has made", "write `BillArchive`",
        ),
        (
            "request: BillArchive}", "request: BillArchive, template: txn_void.xml.j2}", f"F032 {WRITE}.undo.template",
            "the request `BillArchive` takes no template", NO_TEMPLATE,
        ),
        (
            "gone: true", "gone: yes", f"F013 {WRITE}.undo.gone",
            "true or false is expected, and this is the text `yes`", "write it like this: gone: true",
        ),
        (
            "request: BillUpdate}", "request: BillUpdate, cannot: {memmo: no}}", f"F043 {WRITE}.change.cannot.memmo",
            "`map` gives no `memmo`", "did you mean `memo`? known: amount, memo, number, vendor",
        ),
        (
            "number: id, ", "", f"F043 {WRITE}.change.request",
            "`BillUpdate` needs `number`, and `map` does not give it", "known: amount, memo, vendor",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, where: str, message: str, hint: str) -> None:
    assert old in TEXT
    assert f"{where}: {message} | {hint}" in problems(tmp_path, TEXT.replace(old, new))
