"""What a source lists as taken back: a person is told of what is posted, and nothing else of that list is taken in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.contract import Json, Page
from engine.errors import Transient
from engine.follow import Hand
from engine.operator import worklist
from engine.store import work
from engine.store.records import load_reasons
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, YAML, Bench, Shop, bill

TEXT = YAML.replace(
    "    fetch: {from: shop, stream: bills, with: {ready: true}}\n    key: id\n    about: {amount: money(amount), currency",
    "    fetch: {from: shop, stream: bills, with: {ready: true}, withdrawn: {ready: false}}\n"
    "    key: id\n    about: {amount: money(amount), currency",
)
ALERT = ("drifted", f"{FLOW}/bills/b-1", 1)


@dataclass(slots=True)
class TakingBack(Shop):
    """A shop that shows drafts in a list of their own."""

    drafts: list[Json] = field(default_factory=list)

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        if filters.get("ready") is not False:
            yield from Shop.read(self, stream, filters, checkpoint)
            return
        self.reads.append((stream, dict(filters), checkpoint))
        after = [item["id"] for item in self.drafts].index(checkpoint) + 1 if checkpoint else 0
        for each in self.drafts[after:]:
            if self.faults and (fault := self.faults.pop(0)) is not None:
                raise fault
            yield Page([each], each["id"])


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    assert TEXT != YAML
    monkeypatch.setattr(kit, "Shop", TakingBack)
    with kit.logging(), kit.bench(TEXT) as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def take_back(bench: Bench, *source_ids: str, **changes: Any) -> None:
    """These are drafts from now on, and no longer ready."""
    shop = bench.shop
    assert isinstance(shop, TakingBack)
    shop.listed["bills"] = [item for item in shop.listed["bills"] if item["id"] not in source_ids]
    shop.drafts += [bill(source_id, status="draft", **changes) for source_id in source_ids]


def post(bench: Bench) -> None:
    bench.run("bills")
    assert bench.post_all() == 1
    bench.runner.tell(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "closed"


def test_a_person_is_told_once_of_what_is_posted_and_was_taken_back(bench: Bench) -> None:
    post(bench)
    take_back(bench, "b-1")
    bench.run("bills")
    assert bench.record("b-1")["state"] == "closed"
    assert bench.alerts() == [ALERT]
    with bench.world.store.read(COMPANY) as tx:
        (alert,) = work.alerts(tx, COMPANY)
    assert alert["message"].endswith("the bill is a draft, and it is posted already: it stays as it is")
    assert bench.run("bills")["bills"] == {"read": 1}
    assert bench.alerts() == [ALERT]
    assert bench.post_all() == 0


def test_it_is_over_when_the_source_lists_it_as_before(bench: Bench) -> None:
    post(bench)
    take_back(bench, "b-1")
    bench.run("bills")
    shop = bench.shop
    assert isinstance(shop, TakingBack)
    shop.drafts.clear()
    shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert bench.alerts() == []


def test_what_was_never_posted_is_not_taken_in(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(), bill("b-2")]
    bench.run("bills")
    assert bench.states() == {"b-1": "intended", "b-2": "intended"}
    bench.shop.singles["b-2"] = bill("b-2", status="draft")
    take_back(bench, "b-2", "b-3")
    bench.run("bills")
    # One that is open here is read by itself, as one that no list shows.
    assert bench.states() == {"b-1": "intended", "b-2": "skipped"}
    assert bench.shop.gets == ["bills/b-2"]
    assert bench.alerts() == []


def vanish(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, [json.loads(bench.record("b-1")["receipt"])["TxnID"]])
    assert bench.states() == {"b-1": "vanished"}


@pytest.mark.parametrize("is_known", [True, False], ids=["before", "after"])
def test_what_is_gone_and_was_taken_back_is_not_posted_again(bench: Bench, *, is_known: bool) -> None:
    """A person has all posted again that an older company file does not have: not what the source has taken back."""
    post(bench)
    if is_known:
        take_back(bench, "b-1")
        bench.run("bills")
    vanish(bench)
    if not is_known:
        take_back(bench, "b-1")
        bench.run("bills")
    with bench.world.store.write() as tx:
        worklist.post_again(tx, Hand(COMPANY, bench.world.at(), "test"), [bench.record("b-1")], "")
    with bench.outbox.transaction() as desk:
        desk.operations.refill(COMPANY)
    assert bench.post_all() == 0
    (reason,) = load_reasons(bench.record("b-1"))
    assert (bench.states(), reason.message) == ({"b-1": "skipped"}, "the bill is a draft")
    # And it is, once the source wants it again.
    shop = bench.shop
    assert isinstance(shop, TakingBack)
    shop.drafts.clear()
    shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert bench.post_all() == 1


def test_what_waits_to_be_posted_again_is_not_once_the_source_takes_it_back(bench: Bench) -> None:
    post(bench)
    vanish(bench)
    with bench.world.store.write() as tx:
        worklist.post_again(tx, Hand(COMPANY, bench.world.at(), "test"), [bench.record("b-1")], "")
    with bench.outbox.transaction() as desk:
        desk.operations.refill(COMPANY)
    assert bench.states() == {"b-1": "intended"}
    bench.shop.singles["b-1"] = bill(status="draft")
    take_back(bench, "b-1")
    bench.run("bills")
    assert (bench.states(), bench.post_all()) == ({"b-1": "skipped"}, 0)


def test_every_page_of_it_is_looked_at_and_a_fault_goes_on_there(bench: Bench) -> None:
    post(bench)
    take_back(bench, "b-7", "b-8", "b-1")
    bench.shop.reads.clear()
    bench.shop.faults = [None, None, Transient("busy", retry_after_s=1)]
    bench.run("bills")
    assert bench.alerts() == [ALERT]
    assert [(given, after) for _, given, after in bench.shop.reads] == [
        ({"ready": True}, None),
        ({"ready": False}, None),
        ({"ready": False}, "b-7"),
    ]


def test_streams_that_read_the_same_are_read_once_and_their_own_lists_apart(bench: Bench) -> None:
    bench.run()
    asked = [(stream, given) for stream, given, _ in bench.shop.reads]
    assert asked == [("vendors", {}), ("bills", {"ready": True}), ("bills", {"ready": False})]
