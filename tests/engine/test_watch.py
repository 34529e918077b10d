"""Streams that only compare: what agrees is left alone, what does not is reported, and nothing is ever written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine import keying
from engine.cli.status import _state as kind
from engine.contract import ListObject
from engine.follow import Hand
from engine.operator import worklist
from engine.overview import StateLine, overview
from engine.store import journal, lists
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench

TEXT = """
flow: shop_to_ledger
version: 1
connections:
  shop: {connector: shop}
  ledger: {connector: ledger}
lookups:
  account: {target: ledger.Account, match: [mapped, number, exact_name]}
streams:
  accounts:
    trigger: {every: 6h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name, amount: money(worth)}
    select: "status != 'closed'"
    map:
      account: lookup('account', id, name, code)
      code: code
    check:
      - {expect: "account.number == code", say: the numbers differ}
  posted:
    fetch: {from: shop, stream: vendors}
    key: id
    map: {name: name}
    write: {to: ledger, request: NotePost}
"""
HAND = Hand(COMPANY, AT, "bookkeeper")


def account(source_id: str, name: str, code: str = "6100", status: str = "open") -> dict[str, str]:
    return {"id": source_id, "name": name, "code": code, "status": status, "worth": "5.00"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(TEXT) as made:
        made.shop.listed["vendors"] = [account("a-1", "Rent"), account("a-2", "Travel", "7000")]
        yield made


def moves(bench: Bench, source_id: str) -> list[str]:
    with bench.world.store.read() as tx:
        rows = tx.rows("record_find_any_phase", {
            "company": COMPANY, "flow": kit.FLOW, "stream": "accounts", "source_id": source_id,
        })  # fmt: skip
        return [line["event"] for line in journal.of_record(tx, rows[0]["id"])]


def test_what_agrees_is_skipped_and_what_is_missing_is_listed(bench: Bench) -> None:
    assert bench.run("accounts")["accounts"] == {"read": 2, "skipped": 1, "deferred": 1}
    assert bench.states("accounts") == {"a-1": "skipped", "a-2": "deferred"}
    assert bench.reasons("a-1", "accounts") == [("agrees", "both sides agree")]
    assert bench.record("a-1", "accounts")["phase"] == "watch"
    with bench.world.store.read() as tx:
        (gap,) = worklist.gaps(tx, COMPANY)
    assert (gap.lookup, gap.key, gap.message) == (
        "account",
        "a-2",
        "the account `Travel` is not in the Account list of Ledger",
    )
    assert bench.alerts() == [("deferred", "shop_to_ledger/account/a-2", 1)]


def test_nothing_is_written_held_or_told(bench: Bench) -> None:
    bench.run("accounts")
    with bench.world.store.read() as tx:
        rows = tx.rows("operations_of_record", {"record_id": bench.record("a-1", "accounts")["id"]})
    assert rows == []
    assert kit.count(bench.world.store, "holdings") == 0
    assert bench.shop.calls == []


def test_reading_the_same_again_is_no_news(bench: Bench) -> None:
    bench.run("accounts")
    for _ in range(3):
        bench.run("accounts")
    assert (moves(bench, "a-1"), moves(bench, "a-2")) == (["read"], ["read"])
    assert bench.alerts() == [("deferred", "shop_to_ledger/account/a-2", 1)]


def test_a_change_on_the_other_side_is_seen_at_the_next_read(bench: Bench) -> None:
    bench.run("accounts")
    bench.read_lists(accounts=[ListObject("A-RENT", "Rent", number="6190")])
    bench.run("accounts")
    assert bench.states("accounts")["a-1"] == "failed"
    assert bench.reasons("a-1", "accounts") == [("check", "the numbers differ")]
    assert ("failed", "shop_to_ledger/accounts/a-1", 1) in bench.alerts()
    bench.run("accounts")
    assert moves(bench, "a-1") == ["read", "changed", "failed"]
    bench.read_lists()
    bench.run("accounts")
    assert bench.states("accounts")["a-1"] == "skipped"
    assert [alert[:2] for alert in bench.alerts()] == [("deferred", "shop_to_ledger/account/a-2")]


def test_a_mapping_or_a_list_that_fills_a_gap_wakes_it(bench: Bench) -> None:
    bench.run("accounts")
    with bench.world.store.write() as tx:
        made = lists.Mapping(kit.FLOW, "account", "a-2", "Twin 1", list_id="A-TWIN1")
        assert worklist.save_mapping(tx, HAND, bench.program.flow, made) == 1
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.reasons("a-2", "accounts") == [("check", "the numbers differ")]
    assert bench.alerts() == [("failed", "shop_to_ledger/accounts/a-2", 1)]
    bench.shop.listed["vendors"].append(account("a-3", "Food", "6300"))
    bench.run("accounts")
    bench.read_lists(accounts=[*kit.ACCOUNTS, ListObject("A-FOOD", "Food", number="6300")])
    assert bench.states("accounts")["a-3"] == "pending"
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.states("accounts")["a-3"] == "skipped"


def test_the_agent_does_not_prepare_it(bench: Bench) -> None:
    bench.run("accounts")
    bench.read_lists(accounts=[*kit.ACCOUNTS, ListObject("A-T", "Travel", number="7000")])
    with bench.outbox.transaction() as desk:
        assert desk.operations.refill(COMPANY) == 0
    assert bench.states("accounts")["a-2"] == "pending"


def test_before_the_lists_were_read_nothing_is_said(bench: Bench) -> None:
    with kit.bench(TEXT, lists=False) as other:
        other.shop.listed = bench.shop.listed
        other.run("accounts")
        assert other.states("accounts") == {"a-1": "pending", "a-2": "pending"}
        other.run("accounts")
        other.read_lists()
        other.run("accounts")
        assert other.states("accounts") == {"a-1": "skipped", "a-2": "deferred"}


def test_what_the_source_no_longer_has_or_wants_is_over(bench: Bench) -> None:
    bench.run("accounts")
    bench.shop.listed["vendors"] = [account("a-1", "Rent", status="closed")]
    bench.run("accounts")
    assert bench.states("accounts") == {"a-1": "skipped", "a-2": "skipped"}
    assert bench.reasons("a-1", "accounts") == [("not_selected", "not selected: status != 'closed'")]
    assert bench.alerts() == []


def test_it_is_no_work_that_was_not_done(bench: Bench) -> None:
    bench.run()
    with bench.world.store.read() as tx:
        found = overview(tx, COMPANY, bench.world.clock)
    assert found.count("skipped", "deferred", "failed") == 0
    assert found.money("deferred", "skipped") == {}
    assert [(line.stream, line.state, line.records, line.watched) for line in found.states] == [
        ("accounts", "deferred", 1, True),
        ("accounts", "skipped", 1, True),
        ("posted", "intended", 2, False),
    ]


def test_it_is_not_missing_from_the_books(bench: Bench) -> None:
    bench.run()
    with bench.world.store.read() as tx:
        rows = tx.rows("compared_unposted", {"company": COMPANY, "first_on": "2026-01-01", "last_on": "2026-12-31"})
    assert rows == []  # what is compared has an amount and no date, and would be counted otherwise
    assert kind(StateLine(kit.FLOW, "accounts", "deferred", 1, watched=True)) == "compared, deferred"
    assert kind(StateLine(kit.FLOW, "bills", "deferred", 1)) == "deferred"


def test_a_stream_that_begins_to_write_posts_what_it_compared(bench: Bench) -> None:
    bench.run()
    text = TEXT.replace(
        '      - {expect: "account.number == code", say: the numbers differ}\n',
        '      - {expect: "account.number == code", say: the numbers differ}\n    write: {to: ledger, request: NotePost}\n',
    )
    with kit.bench(text) as other:
        bench.program, other.shop.listed = other.program, bench.shop.listed
        # Another stream posts the same into the same place, so that a person is asked whether they are two.
        with bench.world.store.write(COMPANY) as tx:
            keying.confirm(tx, Hand(COMPANY, bench.world.at(), "user:pat"), other.program.flow, "accounts")
        bench.run("accounts")
    with bench.world.store.read() as tx:
        rows = tx.rows("record_find_any_phase", {
            "company": COMPANY, "flow": kit.FLOW, "stream": "accounts", "source_id": "a-1",
        })  # fmt: skip
    assert [(row["phase"], row["state"]) for row in rows] == [("watch", "skipped"), ("post", "intended")]
