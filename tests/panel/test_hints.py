"""Hints name the panel's own pages first; commands are for a terminal."""

from __future__ import annotations

import pytest

from engine.panel.hints import Advice, advised
from engine.store import work
from tests.engine.kit import bill
from tests.panel.kit import Office, text_of

BASE = "/panel/c/acme"


@pytest.mark.parametrize(
    ("hint", "links", "said", "commands"),
    [
        ("wait until it is there", [], ["wait until it is there"], []),
        ("", [], [""], []),
        # A hint that is a command and nothing else, or says nothing but it.
        (
            "flowctl map set f account k-1 'NAME THERE'",
            [("/to-map", "To map")], [""], ["flowctl map set f account k-1 'NAME THERE'"],
        ),
        ("run `flowctl connect shop`", [("/connections/shop", "Connections")], [""], ["flowctl connect shop"]),
        # What else it says stays.
        (
            "when both are the same, run `flowctl map set f vendor 7 Acme`; else add it there",
            [("/to-map", "To map")], ["when both are the same, use To map; else add it there"],
            ["flowctl map set f vendor 7 Acme"],
        ),
        (
            "map it in the panel, or `flowctl map set f account 1 'NAME THERE' --company acme`",
            [("/to-map", "To map")], ["map it in the panel"],
            ["flowctl map set f account 1 'NAME THERE' --company acme"],
        ),
        ("`flowctl status` shows what stands still", [("", "Overview")], ["Overview shows what stands still"], ["flowctl status"]),
        (
            "run `flowctl company flow old off --company acme` to go on",
            [("/flows/old", "the flow old")], ["use the flow old to go on"], ["flowctl company flow old off --company acme"],
        ),
        ("run `flowctl company set f a=b`", [("/flows/f#settings", "the flow's settings")], [""], ["flowctl company set f a=b"]),
        ("run `flowctl company bind --confirm`", [("/connections/web-connector", "Web Connector")], [""], ["flowctl company bind --confirm"]),
        ("run `flowctl retry 17 --company acme`", [("/records/17", "the record")], [""], ["flowctl retry 17 --company acme"]),
        ("run `flowctl retry b-1`", [("/records?text=b-1", "Records")], [""], ["flowctl retry b-1"]),
        ("correct it, then `flowctl retry`", [("/records", "Records")], ["correct it, then Records"], ["flowctl retry"]),
        ("decide with `flowctl reconcile`", [("/reconcile", "Reconcile")], ["decide on the page Reconcile"], ["flowctl reconcile"]),
        (
            "post them again with `flowctl reconcile --post-again all --company acme`",
            [("/reconcile", "Reconcile")],
            ["post them again on the page Reconcile"],
            ["flowctl reconcile --post-again all --company acme"],
        ),
        # Two ways that lead to one page are told apart by its buttons.
        (
            "when it is, run `flowctl retry b-1 --there ID --company acme`, else `flowctl retry b-1 --not-there --company acme`",
            [("/records?text=b-1", "Records")],
            ["when it is, use “It is there” on the page of the record, else “It is not there” on the page of the record"],
            ["flowctl retry b-1 --there ID --company acme", "flowctl retry b-1 --not-there --company acme"],
        ),
        # What no page does stays a command of the sentence.
        ("run `flowctl doctor` there", [], ["run ", "flowctl doctor", " there"], []),
        ("split it, or give it to `flowctl map import`", [], ["split it, or give it to ", "flowctl map import", ""], []),
        ("run `flowctl`", [], ["run `flowctl`"], []),
        # What is an option at a terminal is words here.
        (
            "connect QuickBooks with `flowctl connect`, or give another --company", [("/connections", "Connections")],
            ["connect QuickBooks on the page Connections, or go to another company"], ["flowctl connect"],
        ),
        ("one company is one set of books: connect another --company", [],
         ["one company is one set of books: connect another company"], []),
        ("run `flowctl retry 'x`", [("/records?text=%27x", "Records")], [""], ["flowctl retry 'x"]),
    ],
)  # fmt: skip
def test_a_hint(hint: str, links: list[tuple[str, str]], said: list[str], commands: list[str]) -> None:
    found = advised(hint, BASE)
    assert found == Advice(tuple((BASE + address, name) for address, name in links), tuple(said), tuple(commands))


def test_on_the_records_own_page_the_buttons_are_meant() -> None:
    hint = "run `flowctl reconcile --post-again b-1` to post it again, or `flowctl reconcile --leave-out b-1` to leave it out"
    assert advised(hint, BASE, own=True) == Advice(
        (),
        ("use “Post after all” above to post it again, or the buttons above to leave it out",),
        ("flowctl reconcile --post-again b-1", "flowctl reconcile --leave-out b-1"),
    )


def test_without_a_company_only_pages_of_the_house_are_named() -> None:
    assert advised("run `flowctl retry 1`", "") == Advice((), ("run ", "flowctl retry 1", ""), ())
    assert advised("run `flowctl user add ana`", "").links == (("/panel/users", "Users"),)


def test_pages_show_the_way_first(office: Office) -> None:
    lines = [{"account": "Nowhere", "code": "1", "amount": "100.00", "memo": "m"}]
    office.bench.shop.listed["bills"] = [bill("b-1", lines=lines)]
    office.bench.run("bills")
    with office.world.store.write() as tx:
        alert = work.Alert("connection", "shop_to_ledger/shop", "the shop is shut", "run `flowctl connect shop`")
        work.raise_alert(tx, "acme", alert, office.world.at())
    viewer = office.as_("viewer")
    for path in ("/c/acme", "/c/acme/alerts"):
        page = viewer.get(path)
        assert '<a class="to" href="/panel/c/acme/connections/shop">Open Connections</a>' in page.text, path
        shown = text_of(page).splitlines()
        place = next(number for number, line in enumerate(shown) if "Open Connections" in line)
        assert shown[place + 1 : place + 3] == ["In a terminal", "flowctl connect shop"], path
    record = viewer.get(f"/c/acme/records/{office.bench.record('b-1')['id']}")
    assert '<details class="terminal"><summary>In a terminal</summary><code>flowctl map set' in record.text
