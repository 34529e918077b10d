"""A person of the source asks for records now: every one of them is answered in time, under the request's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from engine.contract import Event, Json, MarkCall, Page
from engine.errors import Transient
from engine.server import Server
from engine.spec import ConnectorSpec, FieldSpec, MarkSpec
from engine.store import companies
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, SHOP, YAML, Bench, Shop, ShopConnector, bill

BILLS = SHOP.streams[1]
REQUESTED = FieldSpec("requested", "boolean", "only what a person asked for")
FIELDS = (FieldSpec("vendor_id", "id", "whom"), FieldSpec("vendor_name", "text", "whom"))
ASKING = replace(
    SHOP,
    settings=(*SHOP.settings, FieldSpec("support_contact", "text", "whom to ask")),
    streams=(SHOP.streams[0], replace(BILLS, filters=(*BILLS.filters, REQUESTED), requested="requested")),
    marks=(MarkSpec("BILL", "a bill was posted", ("bills",), fields=FIELDS),),
    webhooks=(*SHOP.webhooks, "bill.asked"),
)
TEXT = YAML.replace("webhook: [bill.ready, bill.paid]", "webhook: [bill.ready, bill.asked]")
QUEUED = "Queued for the Web Connector. It posts at its next visit, then Shop shows it as synced."


@dataclass(slots=True)
class AskingShop(Shop):
    """A shop in which a person may have asked for some bills."""

    wanted: list[str] = field(default_factory=list)

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        for page in Shop.read(self, stream, filters, checkpoint):
            chosen = [r for r in page.records if not filters.get("requested") or r["id"] in self.wanted]
            yield Page(chosen, page.checkpoint)


@dataclass(slots=True)
class AskingConnector(ShopConnector):
    spec: ConnectorSpec = ASKING
    answer_s: int = 300

    def verify(self, binding: Any, headers: Mapping[str, str], body: bytes) -> Event:
        return Event(headers["id"], "bill.asked", None, headers["id"], self.answer_s)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(kit, "Shop", AskingShop)
    monkeypatch.setattr(kit, "ShopConnector", AskingConnector)
    with kit.logging(), kit.bench(TEXT) as made:
        yield made


def press(bench: Bench, request: str, *wanted: str) -> None:
    shop = bench.shop
    assert isinstance(shop, AskingShop)
    shop.wanted = list(wanted)
    server = Server(bench.world, {FLOW: bench.program}, bench.outbox)
    assert server.take_event(COMPANY, "shop", {"id": request}, b"{}").status == 200


def told(bench: Bench) -> list[tuple[str, list[str], list[tuple[str, str]]]]:
    """The calls since the last look: the request each answers, what was posted, what was not and why."""
    calls: list[MarkCall] = list(bench.shop.calls)
    bench.shop.calls.clear()
    return [(c.request, [m.id for m in c.posted], [(m.id, m.message) for m in c.failed]) for c in calls]


def tell(bench: Bench) -> None:
    bench.runner.tell(bench.program, COMPANY)


def listing(bench: Bench, *bills: Json) -> None:
    bench.shop.listed["bills"] = list(bills)


def test_what_is_queued_for_an_agent_that_is_away_is_told_at_once(bench: Bench) -> None:
    listing(bench, bill("b-1"), bill("b-2"))
    press(bench, "r-1", "b-1")
    bench.run("bills")
    assert told(bench) == [("r-1", [], [("b-1", QUEUED)])]
    tell(bench)
    assert told(bench) == []


def test_what_is_posted_in_time_answers_the_same_request_again(bench: Bench) -> None:
    listing(bench, bill("b-1"), bill("b-2"))
    press(bench, "r-1", "b-1")
    bench.run("bills")
    told(bench)
    bench.post_all()
    tell(bench)
    assert sorted(told(bench)) == [("", ["b-2"], []), ("r-1", ["b-1"], [])]


def test_what_is_posted_after_the_time_is_told_without_the_request(bench: Bench) -> None:
    listing(bench, bill("b-1"))
    press(bench, "r-1", "b-1")
    bench.run("bills")
    told(bench)
    bench.world.clock.sleep(301)
    bench.post_all()
    tell(bench)
    assert told(bench) == [("", ["b-1"], [])]


def test_a_second_press_is_answered_with_the_same_words(bench: Bench) -> None:
    listing(bench, bill("b-1"))
    for request in ("r-1", "r-2"):
        press(bench, request, "b-1")
        bench.run("bills")
        assert told(bench) == [(request, [], [("b-1", QUEUED)])]
        bench.world.clock.sleep(400)


def test_what_waits_for_a_person_is_told_why_although_it_was_told_before(bench: Bench) -> None:
    listing(bench, bill("b-1", vendor={"id": "v-7", "name": "Nobody"}))
    bench.run("bills")
    why = "The vendor `Nobody` is not in the Vendor list of Ledger. Add it there, or have it mapped in flowctl"
    assert told(bench) == [("", [], [("b-1", why)])]
    press(bench, "r-1", "b-1")
    bench.run("bills")
    assert told(bench) == [("r-1", [], [("b-1", why)])]


def test_a_new_record_that_is_deferred_is_told_under_the_request(bench: Bench) -> None:
    listing(bench, bill("b-1", vendor={"id": "v-7", "name": "Nobody"}))
    press(bench, "r-1", "b-1")
    bench.run("bills")
    assert [(request, [key for key, _ in failed]) for request, _, failed in told(bench)] == [("r-1", ["b-1"])]


def test_with_the_agent_at_work_the_answer_waits_until_a_minute_is_left(bench: Bench) -> None:
    listing(bench, bill("b-1"))
    press(bench, "r-1", "b-1")
    with bench.world.store.write() as tx:
        at = bench.world.at()
        tx.run("session_insert", {"ticket_hash": "t", "company": COMPANY, "state": "{}", "at": at})
    bench.run("bills")
    assert told(bench) == []
    bench.world.clock.sleep(30)
    tell(bench)
    assert told(bench) == []
    bench.world.clock.sleep(211)
    tell(bench)
    assert told(bench) == [("r-1", [], [("b-1", QUEUED)])]


def test_what_was_skipped_is_told_why(bench: Bench) -> None:
    listing(bench, bill("b-1", status="draft"))
    press(bench, "r-1", "b-1")
    bench.run("bills")
    assert told(bench) == [("r-1", [], [("b-1", "The bill is a draft")])]


def test_an_answer_waits_for_a_call_that_tells_the_same_and_was_perhaps_heard(bench: Bench) -> None:
    listing(bench, bill("b-1", vendor={"id": "v-7", "name": "Nobody"}))
    bench.shop.mark_faults = [Transient("down")]
    bench.runner.run(bench.program, COMPANY)
    told(bench)
    bench.world.clock.sleep(4000)
    press(bench, "r-1", "b-1")
    bench.run("bills")
    assert [(request, [key for key, _ in failed]) for request, _, failed in told(bench)] == [("", ["b-1"])]
    tell(bench)
    assert [(request, [key for key, _ in failed]) for request, _, failed in told(bench)] == [("r-1", ["b-1"])]
    tell(bench)
    assert told(bench) == []


def test_one_that_cannot_be_taken_in_keeps_no_other_from_being_read_and_answered(bench: Bench) -> None:
    listing(bench, bill("b-1"), bill("b-2", memo="\ud800"), bill("b-3"))
    press(bench, "r-1", "b-1", "b-2")
    bench.run("bills")
    assert bench.states() == {"b-1": "intended", "b-3": "intended"}
    assert told(bench) == [("r-1", [], [("b-1", QUEUED)])]


def test_a_record_is_known_by_its_id_and_not_by_the_number_of_another(bench: Bench) -> None:
    listing(bench, bill("b-1", number="b-2"), bill("b-2"))
    bench.run("bills")
    first = bench.send(1)
    assert first is not None
    bench.settle(first)
    tell(bench)
    assert bench.states() == {"b-1": "closed", "b-2": "intended"}
    told(bench)
    press(bench, "r-1", "b-2")
    bench.run("bills")
    assert told(bench) == [("r-1", [], [("b-2", QUEUED)])]


def test_a_fault_of_the_flow_names_whom_to_ask(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "shop", "shop", {"support_contact": "help@example.com"}, bench.world.at())
    listing(bench, bill("b-1", amount="a lot"))
    bench.run("bills")
    assert told(bench) == [("", [], [("b-1", "Unexpected sync error. Contact help@example.com, ref b-1.")])]


def test_details_travel_with_the_mark_and_leave_the_key_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "ShopConnector", AskingConnector)
    keys = []
    for extra in ("", ", with: {vendor_id: vendor.list_id, vendor_name: vendor.full_name, nothing: memo}"):
        text = TEXT.replace("reference: receipt.TxnID,", f"reference: \"'T-1'\"{extra},")
        with kit.logging(), kit.bench(text) as bench:
            listing(bench, bill("b-1", memo=None))
            bench.run("bills")
            bench.post_all()
            tell(bench)
            (call,) = bench.shop.calls
            keys.append(call.idempotency_key)
            wanted = (("vendor_id", "V-1"), ("vendor_name", "Grün & Söhne")) if extra else ()
            assert tuple(sorted(call.posted[0].details)) == wanted
    assert keys[0] == keys[1]
