"""The seeded business: the same bytes for the same seed, and the oddities that were asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from connectors.ramp.simulator import Account, Mix, RampSimulator, Tags, seed_business
from tests.connectors.ramp.simulator_kit import Api, StillClock, decoded, simulator

CHART = (Account("80000001-1", "Rent", "6010"), Account("80000002-1", "Travel", "6020"))
RICH = Mix(
    scheduled=0.1,
    uncoded=0.2,
    foreign_card=0.2,
    currencies=("JPY", "EUR"),
    long_bill_lines=200,
    unapproved=0.1,
    declined=0.1,
)


def rows(api: Api, path: str, **query: object) -> list[dict[str, Any]]:
    page = api.get(path, page_size=100, **query)
    found: list[dict[str, Any]] = page["data"]
    while page["page"]["next"]:
        page = decoded(api.call("GET", page["page"]["next"]))
        found += page["data"]
    return found


def tour(target: RampSimulator) -> list[bytes]:
    api = Api(target)
    paths = ("/bills", "/vendors", "/transactions", "/entities", "/users", "/accounting/all-connections")
    return [api.call("GET", path).body for path in paths]


def test_same_seed_same_bytes() -> None:
    def built(seed: int) -> list[bytes]:
        target = RampSimulator(seed, StillClock())
        seed_business(target, mix=RICH)
        return tour(target)

    assert built(1) == built(1)
    assert not set(built(1)) & set(built(2))


def test_default_business_adds_up() -> None:
    target = simulator()
    seed_business(target)
    api = Api(target)
    bills, cards = rows(api, "/bills"), rows(api, "/transactions", state="ALL")
    assert (len(bills), len(cards), len(rows(api, "/vendors"))) == (20, 30, 8)
    for bill in bills:
        assert bill["amount"]["amount"] == sum(line["amount"]["amount"] for line in bill["line_items"])
        assert all(line["accounting_field_selections"] for line in bill["line_items"])
    for card in cards:
        assert round(card["amount"] * 100) == sum(line["converted_amount"]["amount"] for line in card["line_items"])
        assert card["accounting_field_selections"] == []
    assert {bill["status"] for bill in bills} == {"OPEN", "PAID"}
    assert any(card["amount"] < 0 for card in cards)
    assert target.world.events == []


def test_oddities_on_demand() -> None:
    target = simulator()
    classes, customers = (Account("C-1", "West"),), (Account("J-1", "Acme:Kitchen"),)
    tags = Tags(
        classes,
        customers,
        (Account("V-1", "Granite"),),
        (("CARD_LIABILITY_ACCOUNT", Account("A-9", "Ramp Card", "2100")),),
    )
    seed_business(target, bills=120, transactions=200, vendors=20, chart=CHART, tags=tags, mix=RICH)
    api = Api(target)
    bills, cards = rows(api, "/bills"), rows(api, "/transactions", state="ALL")
    assert len(bills[0]["line_items"]) == 200
    assert {bill["amount"]["currency_code"] for bill in bills} == {"USD", "EUR", "JPY"}
    assert any(bill["payment"] and bill["payment"]["amount"]["amount"] < bill["amount"]["amount"] for bill in bills)
    assert any(bill["payment"] and bill["status"] == "OPEN" for bill in bills)
    assert {bill["approval_status"] for bill in bills} == {"APPROVED", "PENDING"}
    kinds = Counter(
        item["category_info"]["type"]
        for bill in bills
        for line in bill["line_items"]
        for item in line["accounting_field_selections"]
    )
    assert set(kinds) == {"GL_ACCOUNT", "COST_CENTER", "CUSTOMERS_JOBS"}
    used = {
        item["external_id"]
        for bill in bills
        for line in bill["line_items"]
        for item in line["accounting_field_selections"]
    }
    assert used == {"80000001-1", "80000002-1", "C-1", "J-1"}
    assert {card["state"] for card in cards} == {"CLEARED", "PENDING", "DECLINED"}
    assert any(len(card["line_items"]) > 1 for card in cards)
    assert any(not line["accounting_field_selections"] for card in cards for line in card["line_items"])
    assert any(card["original_transaction_amount"]["currency_code"] == "EUR" for card in cards)
    vendors = rows(api, "/vendors")
    assert len({vendor["name"] for vendor in vendors}) == 20
    assert vendors[0]["accounting_vendor_remote_id"] == "V-1"
    assert any(not vendor["name"].isascii() for vendor in vendors)
    account = api.get("/entities")["data"][0]["accounts"][0]
    assert (account["external_id"], account["classification"], account["usage_type"]) == (
        "A-9",
        "CREDCARD",
        "CARD_LIABILITY_ACCOUNT",
    )


def test_empty_business() -> None:
    target = simulator()
    seed_business(target, bills=0, transactions=0, vendors=0)
    assert rows(Api(target), "/vendors") == []
