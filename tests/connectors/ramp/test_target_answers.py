"""Answers that Ramp should never give: each ends in an error of ours that quotes no secret, or changes nothing."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest

from connectors.ramp.billing import AmountsDiffer
from connectors.ramp.simulator import Money
from connectors.ramp.simulator.records import Profile
from connectors.ramp.spec import SPEC
from engine.contract import Handshake, MarkCall, Marked, MarkedFailed, Operation, Receipt
from engine.errors import FlowctlError, Rejected
from tests.connectors.ramp.target_kit import CODING, PREFIX, PROFILES, Bench, operation

each = pytest.mark.parametrize("profile", PROFILES)
_BAD: list[Any] = [
    None, True, 0, -1, 10**30, 1.5, "", "x" * 5000, "\ud800", "NaN", "../..", [], [None], [[]], {}, {"a": 1},
    {"amount": 10**40, "currency_code": "USD"}, "0001-01-01", "9999-99-99",
]  # fmt: skip
_BODIES: list[Any] = [*_BAD[:8], [], {}, {"error_v2": 5}, {"error_v2": {"error_code": [], "additional_info": [1]}}]
_STATUSES = (200, 204, 302, 400, 403, 404, 409, 422, 429, 500, 502)


def answering(bench: Bench, method: str, path: str, made: Callable[[Any], Any]) -> None:
    """Change what Ramp answers to one call."""

    def change(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if (request.method, request.url.path) != (method, f"{PREFIX}{path}"):
            return answer
        return httpx.Response(answer.status_code, content=json.dumps(made(answer.json())).encode())

    bench.change = change


def code(transaction_id: str) -> Operation:
    return operation("TransactionCode", {"transaction_id": transaction_id, "coding": CODING})


@pytest.mark.parametrize("listed", [5, True, "none", {"a": 1}, [5], None])
def test_connections_that_are_no_list_leave_the_vendor_rule_unknown(listed: Any) -> None:
    bench = Bench("2026-08")
    one = bench.simulator.add_transaction(Money(5000)).id
    answering(bench, "GET", "/accounting/all-connections", lambda _: {"connections": listed})
    bench.ramp.mark(MarkCall("TRANSACTION_SYNC", "k", (Marked(one, "ref", (("vendor_id", "V-1"),)),), ()))
    assert bench.world.transactions[one].sync_status == "SYNCED"


@each
def test_an_account_without_an_id_of_the_books_is_passed_over(profile: Profile) -> None:
    bench = Bench(profile)
    one = bench.simulator.add_transaction(Money(5000)).id
    stray = {"ramp_id": "11111111-1111-4111-8111-111111111111", "name": "Made in Ramp", "is_active": True}
    answering(bench, "GET", "/accounting/accounts", lambda body: {**body, "data": [stray, *body["data"]]})
    assert bench.push(code(one)) == Receipt({"id": one})


@each
@pytest.mark.parametrize("day", ["0001-01-05", "9999-12-20"])
def test_a_day_at_the_edge_of_the_calendar_is_looked_for(profile: Profile, day: str) -> None:
    bench = Bench(profile)
    made = operation("BillCreate", bench.bill(issued_at=day, due_at=day))
    receipt = bench.push(made)
    assert bench.open().find(made) == receipt


@each
def test_a_coding_of_a_field_without_a_name_is_not_ours(profile: Profile) -> None:
    bench = Bench(profile)
    receipt = bench.push(operation("BillCreate", bench.bill()))

    def unnamed(body: dict[str, Any]) -> dict[str, Any]:
        for line in body["line_items"]:
            for item in line["accounting_field_selections"]:
                item["category_info"]["external_id"] = {"a": 1}
        return body

    answering(bench, "GET", f"/bills/{receipt.ids['id']}", unnamed)
    assert bench.ramp.find(operation("BillUpdate", bench.bill(), receipt.ids["id"])) is None


def test_an_amount_that_brings_its_own_rate_is_the_same_amount() -> None:
    bench = Bench("2026-08")

    def rated(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "amount": {"amount": 100_000, "currency_code": "JPY", "minor_unit_conversion_rate": 100}}

    answering(bench, "POST", "/bills", rated)
    made = operation("BillCreate", bench.bill(invoice_currency="JPY", line_items=[{"amount": "1000"}]))
    assert list(bench.push(made).ids) == ["id"]
    answering(bench, "POST", "/bills", lambda body: {**body, "amount": {"amount": 100_000, "currency_code": "JPY"}})
    fields = {"invoice_currency": "JPY", "line_items": [{"amount": "1000"}], "invoice_number": "8", "remote_id": "r8"}
    with pytest.raises(AmountsDiffer, match="Ramp shows 100000 JPY for the bill"):
        bench.push(operation("BillCreate", bench.bill(**fields)))


@each
def test_an_upload_whose_answer_holds_no_list_is_read_again(profile: Profile) -> None:
    bench = Bench(profile)
    answering(bench, "POST", "/accounting/accounts", lambda _: {"gl_accounts": 5})
    body = {"id": "7000", "name": "Fees", "classification": "EXPENSE"}
    (receipt,) = bench.ramp.write_all([operation("AccountUpload", body)])
    assert receipt.ids["external_id"] == "7000"


@each
def test_half_a_character_cannot_be_sent_back(profile: Profile) -> None:
    bench = Bench(profile)
    one = bench.simulator.add_transaction(Money(5000)).id

    def halved(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "data": [{**row, "ramp_id": "\ud800"} for row in body["data"]]}

    answering(bench, "GET", "/accounting/accounts", halved)
    with pytest.raises(Rejected) as caught:
        bench.push(code(one))
    assert (str(caught.value), caught.value.hint) == (
        "acme/ramp: POST /developer/v1/accounting/codings: half a character (a lone surrogate) cannot be sent",
        "correct it where it was entered",
    )


# --- whatever it is


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], (*at, name))
    elif isinstance(value, list):
        for number, item in enumerate(value[:2]):
            yield from _places(item, (*at, number))


def _spoilt(body: Any, chance: random.Random) -> Any:
    """The body with one value exchanged or left out."""
    body, bad = copy.deepcopy(body), chance.choice(_BAD)
    at = chance.choice(list(_places(body)))
    if not at:
        return bad
    inner = body
    for name in at[:-1]:
        inner = inner[name]
    if chance.random() < 0.25 and isinstance(inner, dict):
        del inner[at[-1]]
    else:
        inner[at[-1]] = bad
    return body


def _spoiling(chance: random.Random) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    rate = chance.choice([0.1, 0.3, 1.0])

    def change(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("/token") or chance.random() > rate or not answer.content:
            return answer
        kind = chance.random()
        if kind < 0.05:
            return httpx.Response(answer.status_code, text="<html>oops</html>")
        if kind < 0.1:
            content = json.dumps(chance.choice(_BODIES)).encode()
            return httpx.Response(chance.choice(_STATUSES), content=content)
        return httpx.Response(answer.status_code, content=json.dumps(_spoilt(answer.json(), chance)).encode())

    return change


def _everything(bench: Bench) -> list[Callable[[], object]]:
    """All that the connector can be asked for, each once."""
    ramp, vendor = bench.ramp, bench.vendor
    one = bench.simulator.add_transaction(Money(5000)).id
    bill = bench.push(operation("BillCreate", bench.bill(remote_id="r9", invoice_number="N9"))).ids["id"]
    pushed = [
        operation("BillCreate", bench.bill()),
        operation("BillCreate", bench.bill(draft=True, remote_id="r3", invoice_number="D1")),
        operation("BillUpdate", bench.bill(memo="changed", invoice_number="N9"), bill),
        operation("BillArchive", {}, bill),
        operation("VendorCreate", {"name": "New Co", "country": "CA", "email": "a@b.example"}),
        operation("VendorUpdate", {"country": "CA"}, vendor),
        operation("VendorLink", {"vendor_id": vendor, "accounting_vendor_remote_id": "9"}, vendor),
        code(one),
    ]
    uploads = {
        "AccountUpload": {"id": "6010", "name": "renamed", "classification": "EXPENSE"},
        "OptionUpload": {"field_id": "class", "field_name": "Class", "id": "1", "value": "n"},
        "TaxRateUpload": {"id": "1", "name": "n", "rate": "0.05", "account_id": "6010"},
        "TaxOptionUpload": {"id": "1", "name": "n", "tax_rate_ids": ["1"]},
        "AccountingVendorUpload": {"id": "1", "name": "n", "code": "q"},
    }
    marks = [
        MarkCall("TRANSACTION_SYNC", "k1", (Marked(one, "ref", (("vendor_id", "V-1"),)),), ()),
        MarkCall("BILL_SYNC", "k2", (Marked(bill, "ref"),), (MarkedFailed(one, "no"),)),
    ]

    def moved() -> None:
        migration = ramp.accounting().migration()
        migration.outstanding()
        migration.backup()
        migration.prepare()

    def seat() -> None:
        link = ramp.accounting()
        link.advice(link.seat())
        link.set_flags(link.open(upgrade=True)[0], {"vendor_credits_enabled": True})

    def drain(pages: Iterable[object]) -> None:
        for _ in pages:
            pass

    return [
        *(lambda made=made: bench.push(made) for made in pushed),
        *(lambda n=n, b=b: ramp.write_all([operation(n, b)]) for n, b in uploads.items()),
        *(lambda call=call: ramp.mark(call) for call in marks),
        moved,
        seat,
        ramp.granted,
        lambda: ramp.subscribe("https://sync.acme.example/webhooks/acme/ramp"),
        lambda: ramp.confirm_webhook(Handshake("ramp_challenge_1", {}, confirm=True)),
        *(lambda name=entry.name: drain(ramp.list_objects(name)) for entry in SPEC.lists),
        *(lambda name=entry.name: drain(ramp.read(name, {}, None)) for entry in SPEC.streams),
    ]


@each
@pytest.mark.parametrize("seed", range(30))
def test_no_answer_ends_in_anything_but_an_error_of_ours(profile: Profile, seed: int) -> None:
    chance = random.Random(seed)
    bench = Bench(profile, settings={"provider_name": "flowctl"})
    asked = _everything(bench)
    bench.change = _spoiling(chance)
    for ask in chance.sample(asked, len(asked)):
        try:
            ask()
        except FlowctlError as error:
            said = f"{error}{error.hint}{error!r}"
            assert "sandbox-secret" not in said
            assert len(said) < 3000
