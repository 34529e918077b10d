"""Open connections: what must be given first, and an access token that one process at a time asks for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.clock import SystemClock, SystemIds
from engine.contract import Tools
from engine.errors import Bug, NotConnected, Rejected, SettingMissing, StoreBusy, UnknownName
from engine.holders import drop_name, machine, take_name
from engine.listsource import ListSource
from engine.store import companies, work
from engine.world import CompanyDocuments, StoreTokens, World
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(lists=False) as made:
        yield made


def holder_of(world: World) -> str | None:
    with world.store.read() as tx:
        return work.lease_holder(tx, "token:acme/shop")


def hold(world: World, holder: str, seconds: float = 60.0) -> None:
    with world.store.write() as tx:
        assert work.take_lease(tx, "token:acme/shop", holder, world.clock.now(), seconds) is not None


# --- connections


def test_a_connection_is_opened_with_its_settings_secrets_and_tools(bench: Bench) -> None:
    connector, binding = bench.world.bound(COMPANY, "shop")
    assert connector is bench.connector
    assert (binding.settings, binding.secrets) == ({"region": "eu"}, {"api_key": "k-1", "hook_secret": "hush"})
    assert "k-1" not in repr(binding)
    assert bench.world.source(COMPANY, "shop") is bench.shop
    tools = bench.shop.tools
    assert isinstance(tools, Tools)
    assert (tools.clock, tools.ids, tools.transport) == (bench.world.clock, bench.world.ids, None)


def test_a_transport_of_a_test_replaces_the_network(bench: Bench) -> None:
    import httpx

    transport = httpx.MockTransport(lambda _request: httpx.Response(200))
    replace(bench.world, transports={"shop": transport}).open(COMPANY, "shop")
    assert bench.shop.tools is not None
    assert bench.shop.tools.transport is transport


def test_what_was_never_connected(bench: Bench) -> None:
    with pytest.raises(NotConnected) as caught:
        bench.world.bound(COMPANY, "other")
    assert str(caught.value) == "acme/other: is not connected"
    assert caught.value.hint == "run `flowctl connect other --company acme`"


def test_a_connector_that_is_not_installed(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "shop", "shopp", {}, AT)
    with pytest.raises(UnknownName) as caught:
        bench.world.bound(COMPANY, "shop")
    assert str(caught.value) == "there is no connector `shopp`"
    assert (caught.value.hint or "").startswith("did you mean `shop`? known: ")


def test_a_required_setting_that_was_not_given(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.drop_secret(tx, COMPANY, "shop", "api_key")
    with pytest.raises(SettingMissing) as caught:
        bench.world.open(COMPANY, "shop")
    assert str(caught.value) == "acme/shop: not given: `api_key`"


def test_what_only_answers_cannot_be_read_from_or_written_to(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(bench.connector), "open", lambda *_: None)
    with pytest.raises(Bug) as caught:
        bench.world.source(COMPANY, "shop")
    assert str(caught.value) == "acme/shop: this connector cannot be read from"
    with pytest.raises(Bug) as caught:
        bench.world.target(COMPANY, "shop")
    assert str(caught.value) == "acme/shop: this connector cannot be written to"


def test_the_lists_of_a_polled_target_are_read_without_opening_it(bench: Bench) -> None:
    assert bench.world.open(COMPANY, "ledger") is None
    assert isinstance(bench.world.source(COMPANY, "ledger"), ListSource)


# --- tokens


def test_a_token_is_shared_through_the_store(bench: Bench) -> None:
    one, two = StoreTokens(bench.world, COMPANY, "shop"), StoreTokens(bench.world, COMPANY, "shop")
    assert one.load() is None
    one.save({"access": "t-1"})
    assert two.load() == {"access": "t-1"}
    assert StoreTokens(bench.world, COMPANY, "ledger").load() is None


def test_the_lock_is_given_back(bench: Bench) -> None:
    tokens = StoreTokens(bench.world, COMPANY, "shop")
    for _ in range(2):
        with tokens.lock():
            assert (holder_of(bench.world) or "").startswith(f"{socket.gethostname()}:{os.getpid()}:")
    with pytest.raises(ZeroDivisionError), tokens.lock():
        raise ZeroDivisionError
    with tokens.lock():
        pass
    assert bench.world.clock.monotonic() == 0


def test_a_lock_that_another_machine_holds_is_waited_for(bench: Bench) -> None:
    hold(bench.world, "elsewhere:77:x", 5)
    with StoreTokens(bench.world, COMPANY, "shop").lock():
        assert 5 <= bench.world.clock.monotonic() < 6


def test_a_lock_that_is_prolonged_for_ever_is_given_up(bench: Bench) -> None:
    hold(bench.world, "elsewhere:77:x", 500)
    with pytest.raises(StoreBusy) as caught, StoreTokens(bench.world, COMPANY, "shop").lock():
        pytest.fail("the lock was taken twice")
    assert str(caught.value) == "acme/shop: another process is asking for a token"
    assert 120 <= bench.world.clock.monotonic() < 121
    assert holder_of(bench.world) == "elsewhere:77:x"


def test_a_lock_whose_process_was_killed_is_broken_at_once(bench: Bench) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(20)
    hold(bench.world, f"{socket.gethostname()}:{ended.pid}:{machine()}:another:x", 500)
    with StoreTokens(bench.world, COMPANY, "shop").lock():
        assert bench.world.clock.monotonic() == 0


@pytest.mark.parametrize("answer", [None, PermissionError])
def test_a_lock_whose_process_lives_is_not_broken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: type[OSError] | None
) -> None:
    asked: list[int] = []

    def kill(pid: int, signal: int) -> None:
        assert signal == 0
        asked.append(pid)
        if answer is not None:
            raise answer

    monkeypatch.setattr(os, "kill", kill)
    hold(bench.world, f"{socket.gethostname()}:4242:{machine()}:another:x", 5)
    with StoreTokens(bench.world, COMPANY, "shop").lock():
        assert bench.world.clock.monotonic() >= 5
    assert set(asked) == {4242}


def test_a_lock_that_another_thread_holds_is_waited_for(bench: Bench) -> None:
    holder = take_name(bench.world.ids)
    hold(bench.world, holder, 5)
    with StoreTokens(bench.world, COMPANY, "shop").lock():
        assert bench.world.clock.monotonic() >= 5
    drop_name(holder)


def test_a_lock_that_could_not_be_given_back_is_broken_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreBusy("full")

    with monkeypatch.context() as patch, pytest.raises(StoreBusy), StoreTokens(bench.world, COMPANY, "shop").lock():
        patch.setattr(work, "release_lease", full)
    assert holder_of(bench.world) is not None
    with StoreTokens(bench.world, COMPANY, "shop").lock():
        assert bench.world.clock.monotonic() == 0


@pytest.mark.parametrize("holder", [f"{socket.gethostname()}:?:{machine()}:another:x", "odd"])
def test_a_lock_of_an_odd_name_is_waited_for(bench: Bench, holder: str) -> None:
    hold(bench.world, holder, 5)
    with StoreTokens(bench.world, COMPANY, "shop").lock():
        assert bench.world.clock.monotonic() >= 5


def test_of_many_threads_one_at_a_time_asks(bench: Bench) -> None:
    world = replace(bench.world, clock=SystemClock(), ids=SystemIds())
    shared = StoreTokens(world, COMPANY, "shop")
    inside, most, asked = 0, 0, 0
    guard = threading.Lock()

    def ask(tokens: StoreTokens) -> None:
        nonlocal inside, most, asked
        with tokens.lock():
            with guard:
                inside += 1
                most = max(most, inside)
            if tokens.load() is None:
                asked += 1
                tokens.save({"access": "new"})
            with guard:
                inside -= 1

    each = [shared, shared, StoreTokens(world, COMPANY, "shop"), StoreTokens(world, COMPANY, "shop")]
    threads = [threading.Thread(target=ask, args=(tokens,)) for tokens in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (most, asked, shared.load()) == (1, 1, {"access": "new"})


def test_a_connection_fetches_documents_of_its_own_company_only() -> None:
    with kit.bench() as bench:
        bench.world.open(COMPANY, "shop")
        assert bench.shop.tools is not None
        assert bench.shop.tools.documents == CompanyDocuments(bench.world, COMPANY)
        with pytest.raises(Rejected) as caught:
            bench.shop.tools.documents.fetch("shop", "bills", "b-1")
        assert str(caught.value) == f"{COMPANY}/shop: this connector hands out no documents"


def test_what_is_only_noted_of_a_token_makes_no_newer_one(bench: Bench) -> None:
    one, two = StoreTokens(bench.world, COMPANY, "shop"), StoreTokens(bench.world, COMPANY, "shop")
    one.save({"refresh": "r-1"})
    with one.lock():
        one.save({"refresh": "r-1", "asked_at": AT})
        two.save({"refresh": "r-1", "asked_at": "later"})  # another process was about to ask as well
        one.save({"refresh": "r-2", "asked_at": None})
        two.save({"refresh": "r-3"})
        with pytest.raises(StoreBusy, match="another process has saved a newer token"):
            one.save({"refresh": "r-4"})
    assert one.load() == {"refresh": "r-3"}
