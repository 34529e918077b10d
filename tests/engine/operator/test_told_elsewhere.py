"""What became of a record is told to the account that it was read from, and to no other, whoever is connected now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.connections import accounts
from engine.connections.connecting import connect
from engine.connections.disconnecting import disconnect
from engine.contract import Binding, MarkCall
from engine.errors import Rejected, Transient
from engine.follow import Hand
from engine.operator import chosen, toldthere
from engine.store import facts, places
from engine.store.places import Led, Place
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench, bill

MESSAGE = (
    "shop_to_ledger: `shop` leads to another account now, which is not told what became of {}: read from the one before"
)
HINT = (
    "connect the one before again, and it is told by itself; or enter it there by hand, "
    "then run `flowctl replay {} --told --company acme`"
)
ALERT = ("mark", "shop_to_ledger/shop/BILL", 1)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with kit.bench() as made:
        # Its region stands for what tells one account of a vendor from another.
        monkeypatch.setattr("tests.engine.kit.ShopConnector.spec", _with_account())
        made.shop.page_size = 9
        lead_to(made, "eu")
        yield made


def _with_account() -> Any:
    from dataclasses import replace

    return replace(kit.SHOP, account=("region",))


def lead_to(bench: Bench, region: str) -> None:
    bench.world.clock.sleep(1)
    connect(bench.world, COMPANY, "shop", "shop", {"region": region}, {"api_key": "k"})
    bench.world.clock.sleep(1)


def posted(bench: Bench, *bills: Any) -> None:
    """These bills are read, and posted; the source is not told yet."""
    bench.shop.listed["bills"] = list(bills)
    bench.run("bills")
    assert bench.post_all() == len(bills)


def tell(bench: Bench) -> tuple[int, list[str]]:
    """Whatever was put off is tried now."""
    bench.world.clock.sleep(3600)
    done, errors = bench.runner.tell(bench.program, COMPANY)
    return done, [str(error) for error in errors]


def told(bench: Bench) -> list[list[str]]:
    return [[mark.id for mark in call.posted] + [mark.id for mark in call.failed] for call in bench.shop.calls]


def words(bench: Bench) -> list[tuple[str, str]]:
    with bench.world.store.read(COMPANY) as tx:
        return [(row["message"], row["hint"]) for row in tx.rows("alerts_open", {"company": COMPANY})]


# --- another account -------------------------------------------------------------------------------------------------


def test_a_mark_is_not_told_to_another_account_and_a_person_hears_of_it_once(bench: Bench) -> None:
    posted(bench, bill("b-1"), bill("b-2"))
    lead_to(bench, "us")
    assert [tell(bench) for _ in range(3)] == [(0, [])] * 3
    assert (told(bench), bench.states()) == ([], {"b-1": "posted", "b-2": "posted"})
    assert bench.alerts() == [ALERT]
    assert words(bench) == [(MESSAGE.format("N-b-1, N-b-2"), HINT.format("b-1"))]


def test_it_is_told_by_itself_once_the_account_is_connected_again(bench: Bench) -> None:
    posted(bench, bill("b-1"))
    lead_to(bench, "us")
    tell(bench)
    lead_to(bench, "eu")
    assert (tell(bench), told(bench)) == ((1, []), [["b-1"]])
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])


def test_a_call_without_an_answer_waits_under_its_key_for_its_account(bench: Bench) -> None:
    posted(bench, bill("b-1"))
    bench.shop.mark_faults = [Transient("503")]
    assert tell(bench) == (0, ["503"])
    lead_to(bench, "us")
    assert tell(bench) == (0, [])
    lead_to(bench, "eu")
    assert (tell(bench), told(bench)) == ((1, []), [["b-1"], ["b-1"]])
    first, second = bench.shop.calls
    assert first.idempotency_key == second.idempotency_key


def test_a_record_that_the_new_account_lists_as_well_is_told_there(bench: Bench) -> None:
    """New credentials of the same books look like another account, until it lists the same records."""
    posted(bench, bill("b-1"), bill("b-2"))
    lead_to(bench, "us")
    tell(bench)
    bench.shop.listed["bills"] = [bill("b-2")]
    bench.run("bills")
    assert (tell(bench), told(bench)) == ((1, []), [["b-2"]])
    assert bench.states() == {"b-1": "posted", "b-2": "closed"}
    assert words(bench) == [(MESSAGE.format("N-b-1"), HINT.format("b-1"))]


def test_what_the_new_account_hears_leaves_the_call_without_an_answer_under_its_key(bench: Bench) -> None:
    posted(bench, bill("b-1"), bill("b-2"))
    bench.shop.mark_faults = [Transient("503")]
    tell(bench)
    lead_to(bench, "us")
    bench.shop.listed["bills"] = [bill("b-2")]
    bench.run("bills")
    assert tell(bench) == (1, [])
    lead_to(bench, "eu")
    assert (tell(bench), told(bench)) == ((1, []), [["b-1", "b-2"], ["b-2"], ["b-1"]])
    heard, other, again = (call.idempotency_key for call in bench.shop.calls)
    assert again == heard != other
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}


def test_what_is_posted_after_the_change_is_told_by_where_it_was_read(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    lead_to(bench, "us")
    assert bench.post_all() == 1
    posted(bench, bill("b-2"))
    assert (tell(bench), told(bench)) == ((1, []), [["b-2"]])
    assert bench.states() == {"b-1": "posted", "b-2": "closed"}
    assert bench.alerts() == [ALERT]


def wrong(source_id: str) -> Any:
    """A bill that the flow's checks refuse."""
    return bill(source_id, amount="1.00", lines=bill()["lines"])


def test_a_failure_is_not_told_to_another_account(bench: Bench) -> None:
    bench.shop.listed["bills"] = [wrong("b-1")]
    bench.shop.mark_faults = [Transient("503")]
    bench.runner.run(bench.program, COMPANY, streams=["bills"])
    assert told(bench) == [["b-1"]]
    lead_to(bench, "us")
    assert (tell(bench), told(bench)) == ((0, []), [["b-1"]])
    assert ALERT in bench.alerts()


def test_the_same_account_that_was_disconnected_for_a_while_is_told(bench: Bench) -> None:
    posted(bench, bill("b-1"))
    with bench.world.store.write(COMPANY) as tx:
        disconnect(tx, Hand(COMPANY, bench.world.at(), "test"), "shop", "moved")
    lead_to(bench, "eu")
    assert (tell(bench), bench.states()) == ((1, []), {"b-1": "closed"})


def test_other_credentials_of_the_same_account_are_told(bench: Bench) -> None:
    posted(bench, bill("b-1"))
    bench.world.clock.sleep(1)
    connect(bench.world, COMPANY, "shop", "shop", {}, {"api_key": "k2"})
    assert (tell(bench), bench.states()) == ((1, []), {"b-1": "closed"})


def test_nothing_is_told_over_a_connection_that_was_pointed_elsewhere_since_it_was_opened(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has the old account open; a person points it elsewhere, and another process reads the bill there."""
    posted(bench, bill("b-1"), bill("b-2"))
    real = kit.Shop.mark

    def mark(self: kit.Shop, call: MarkCall) -> None:
        if not self.calls:
            lead_to(bench, "us")
        real(self, call)

    monkeypatch.setattr(kit.Shop, "mark", mark)
    monkeypatch.setattr("engine.telling.MARKS_A_CALL", 1)
    assert (tell(bench), told(bench)) == ((1, []), [["b-1"]])
    assert (tell(bench), told(bench)) == ((0, []), [["b-1"]])
    assert bench.alerts() == [ALERT]


# --- a person has told it --------------------------------------------------------------------------------------------


def act(bench: Bench, source_id: str, reason: str = "") -> list[str]:
    """Say that the source was told by hand; why not, empty when it counts as told."""
    with bench.world.store.write(COMPANY) as tx:
        done = chosen.act("told")(tx, Hand(COMPANY, bench.world.at(), "person"), [bench.record(source_id)], reason)
    return [why for _, why in done.refused]


def test_what_a_person_told_by_hand_is_closed_and_the_others_wait_on(bench: Bench) -> None:
    posted(bench, bill("b-1"), bill("b-2"))
    assert act(bench, "b-1") == ["the source is told by itself"]
    lead_to(bench, "us")
    tell(bench)
    assert act(bench, "b-1", "entered there") == []
    assert bench.states() == {"b-1": "closed", "b-2": "posted"}
    with bench.world.store.read(COMPANY) as tx:
        line = tx.rows("browse_journal", {"record_id": bench.record("b-1")["id"], "limit": 1})[0]
    assert (line["event"], line["actor"], json.loads(line["detail"])) == (
        "closed",
        "person",
        {"why": "told by hand: entered there"},
    )
    assert words(bench) == [(MESSAGE.format("N-b-2"), HINT.format("b-2"))]
    assert act(bench, "b-1") == ["there is nothing that the source does not know"]
    lead_to(bench, "eu")
    assert (tell(bench), told(bench)) == ((1, []), [["b-2"]])


def test_what_the_source_refused_to_hear_ends_when_a_person_told_it_by_hand(bench: Bench) -> None:
    posted(bench, bill("b-1"))
    bench.shop.mark_faults = [Rejected("unknown id")]
    assert tell(bench) == (0, ["unknown id"])
    assert bench.alerts() == [("mark", "shop_to_ledger/BILL/b-1", 1)]
    assert act(bench, "b-1") == []
    assert (bench.states(), bench.alerts(), tell(bench)) == ({"b-1": "closed"}, [], (0, []))


def test_of_a_record_that_is_not_posted_a_line_says_so(bench: Bench) -> None:
    bench.shop.listed["bills"] = [wrong("b-1")]
    bench.shop.mark_faults = [Transient("503")]
    bench.runner.run(bench.program, COMPANY, streams=["bills"])
    lead_to(bench, "us")
    tell(bench)
    state = bench.record("b-1")["state"]
    assert act(bench, "b-1") == []
    assert (bench.record("b-1")["state"], bench.journal("b-1")[-1]) == (state, "told_there")
    with bench.world.store.read(COMPANY) as tx:
        assert toldthere.open_marks(tx, bench.record("b-1")) == []


# --- what is known of the accounts -----------------------------------------------------------------------------------

NOW = Place("shop", "m2", "", "2026-03-03", is_called=True)
FIRST = Place("shop", "m1", "", "2026-03-01")
SAME = Place("shop", "m2", "", "2026-03-02")


@pytest.mark.parametrize(
    ("led", "at", "is_elsewhere"),
    [
        (Led(NOW), "2026-03-01", False),
        (Led(NOW, (FIRST,)), "2026-03-02", True),
        (Led(NOW, (FIRST,)), "2026-02-01", True),
        (Led(NOW, (FIRST,)), "2026-03-03", False),
        (Led(NOW, (FIRST, SAME)), "2026-03-02", False),
        (Led(NOW, (FIRST, SAME)), "2026-03-01", True),
        (Led(NOW, (Place(*places.UNKNOWN[1:], ""),)), "2026-03-02", True),
    ],
)
def test_the_time_of_a_read_tells_the_account(led: Led, at: str, *, is_elsewhere: bool) -> None:
    assert led.elsewhere(at) is is_elsewhere


def test_what_an_older_flowctl_connected_is_remembered_as_it_was(bench: Bench) -> None:
    hand, spec = Hand(COMPANY, bench.world.at(), "test"), _with_account()
    old = {"connector": "shop", "mark": "m1", "id": "", "name": "", "since": "2026-03-01"}
    with bench.world.store.write(COMPANY) as tx:
        facts.remember(tx, COMPANY, AT, places.account_fact("shop"), old)
        assert places.led(tx, COMPANY, "shop").elsewhere("2026-02-01")
        accounts.connected(tx, hand, spec, Binding(COMPANY, "shop", {"region": "us"}, {}))
        known = facts.recall(tx, COMPANY, places.account_fact("shop"))
        assert known is not None
        assert known["before"] == [["", "?", "", ""], ["2026-03-01", "shop", "m1", ""]]
        facts.forget(tx, COMPANY, places.account_fact("shop"))
        was = Binding(COMPANY, "shop", {"region": "eu"}, {})
        accounts.connected(tx, hand, spec, Binding(COMPANY, "shop", {"region": "us"}, {}), ("shop", was))
        assert places.led(tx, COMPANY, "shop").elsewhere("2026-02-01")
        facts.forget(tx, COMPANY, places.account_fact("shop"))
        accounts.connected(tx, hand, spec, was, ("shop", was))
        assert not places.led(tx, COMPANY, "shop").elsewhere("2026-02-01")
