"""Whose account answers over a connection: noted once, kept while the same one is connected, and asked for by a connector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.connections import accounts
from engine.errors import BeingRead
from engine.follow import Hand
from engine.otheraccount import require_same
from engine.store import facts, places
from engine.world import StoreOwner
from tests.engine import kit
from tests.engine.kit import COMPANY, Bench, bill


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


def forget(bench: Bench) -> None:
    """As an older flowctl has left it, which noted nothing."""
    with bench.world.store.write(COMPANY) as tx:
        facts.forget(tx, COMPANY, places.account_fact("shop"))


def led(bench: Bench) -> places.Led:
    with bench.world.store.read(COMPANY) as tx:
        return places.led(tx, COMPANY, "shop")


@pytest.mark.parametrize("is_old", [True, False])
def test_the_account_that_answers_first_is_noted_and_no_other(bench: Bench, *, is_old: bool) -> None:
    if is_old:
        forget(bench)
    owner = StoreOwner(bench.world, COMPANY, "shop")
    assert owner.known() == ""
    assert (owner.note("a-1"), owner.note("b-2"), owner.known()) == ("a-1", "a-1", "a-1")
    assert led(bench).before == ()


def test_what_was_read_before_the_account_was_noted_is_its_own(bench: Bench) -> None:
    forget(bench)
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    read_at = bench.world.at()
    StoreOwner(bench.world, COMPANY, "shop").note("a-1")
    assert not led(bench).elsewhere(read_at)
    bench.world.clock.sleep(1)
    with bench.world.store.write(COMPANY) as tx:
        accounts.told(tx, Hand(COMPANY, bench.world.at(), "person"), "shop", "b-2", "")
    assert led(bench).elsewhere(read_at)


def test_a_read_goes_on_when_its_account_is_noted_and_ends_when_another_is(bench: Bench) -> None:
    opened = led(bench).now
    owner = StoreOwner(bench.world, COMPANY, "shop")
    owner.note("a-1")
    with bench.world.store.read(COMPANY) as tx:
        require_same(tx, COMPANY, "shop", opened)
        with pytest.raises(BeingRead):
            require_same(tx, COMPANY, "shop", replace(opened, inside="b-2"))


def test_an_opened_connection_is_told_whose_account_it_is_but_for_a_new_permission(bench: Bench) -> None:
    tools = bench.world.open(COMPANY, "shop").tools
    assert tools.owner.note("a-1") == "a-1"
    assert bench.world.open(COMPANY, "shop", tokens=tools.tokens).tools.owner is None
