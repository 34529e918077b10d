"""A refresh that takes its time, or stands still, beside another process: the new pair is the only good one, and is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.freshbooks import CONNECTOR
from engine.clock import Clock, SystemIds, iso
from engine.contract import Rate, Tools
from engine.errors import AuthRefused, FlowctlError, StoreBusy
from engine.limits import PATIENCE_S, PLACE_S
from engine.store import companies
from engine.testing import memory_world
from engine.world import TOKEN_LEASE_S, StoreTokens
from tests.connectors.freshbooks.freshbooks_kit import Place
from tests.connectors.http_kit import NotedLimits

AT = "2026-11-21T09:00:00.000000Z"
HALF_DAY_S = 43_200


class Full(NotedLimits):
    """Limits whose first call waits for its place."""

    def __init__(self, clock: Clock, wait_s: float) -> None:
        super().__init__()
        self.clock, self.wait_s = clock, wait_s

    @contextmanager
    def call(self, name: str, rates: Sequence[Rate], at_once: int = 0) -> Iterator[None]:
        if self.wait_s:
            self.clock.sleep(self.wait_s)
            self.wait_s = 0.0
        with super().call(name, rates, at_once):
            yield


class Two:
    """Two processes on one store: while one waits for the answer to a refresh, it is the other one's turn."""

    def __init__(self) -> None:
        self.place = Place()
        self.clock = self.place.clock
        self.world = replace(memory_world(), clock=self.clock)
        with self.world.store.write() as tx:
            companies.add(tx, "acme", "Acme", AT)
            companies.put_connection(tx, "acme", "freshbooks", "freshbooks", {}, AT)
        self.inner = self.place.sandbox.transport()
        self.exchanges = 0
        self.given: dict[str, Any] = {}
        self.read()

    def read(
        self, meanwhile: Callable[[], None] = lambda: None, limits: NotedLimits | None = None, *, heard: bool = True
    ) -> Any:
        """What a process reads with a connection of its own, or the error that it meets.

        `heard` says that FreshBooks has exchanged the token before it is the other one's turn.
        """

        def answer(request: httpx.Request) -> httpx.Response:
            is_exchange = request.url.path.endswith("/token")
            self.exchanges += is_exchange
            if is_exchange and not heard:
                meanwhile()
            found = self.inner.handle_request(request)
            if is_exchange and found.status_code == 200:
                self.given = json.loads(found.read())
            if is_exchange and heard:
                meanwhile()
            return found

        tokens = StoreTokens(self.world, "acme", "freshbooks")
        tools = Tools(self.clock, SystemIds(), tokens, limits or NotedLimits(), httpx.MockTransport(answer))
        opened = CONNECTOR.open(self.place.binding(account_id=self.place.world.account_id), tools)
        try:
            return [page.records for page in opened.read("bills", {}, None)]
        except FlowctlError as error:
            return error


def test_the_lease_outlasts_the_longest_exchange() -> None:
    # A code that came too late, then the refresh token: each waits for its place, and then for its answer.
    assert TOKEN_LEASE_S > 2 * (PATIENCE_S + PLACE_S)


@pytest.mark.parametrize(
    ("left_s", "heard", "kind"),
    [
        (400, False, list),  # what there is is good for the rest of its time
        (0, False, StoreBusy),
        (400, True, StoreBusy),  # FreshBooks ends the old one with the exchange
    ],
)
def test_a_slow_refresh_is_not_taken_over(left_s: int, heard: bool, kind: type) -> None:
    """A wait for the place of the call, and an answer that comes late, are more than two minutes together."""
    two = Two()
    two.clock.sleep(HALF_DAY_S - left_s)
    other: list[Any] = []

    def meanwhile() -> None:
        two.clock.sleep(66)
        other.append(two.read())

    assert isinstance(two.read(meanwhile, Full(two.clock, 55.0), heard=heard), list)
    assert [type(each) for each in other] == [kind]
    assert two.exchanges == 2
    two.clock.sleep(600)
    assert isinstance(two.read(), list)


def test_what_was_given_is_kept_although_another_process_was_about_to_ask() -> None:
    """The machine stood still for longer than any lease: the other process has spent the old token in vain."""
    two = Two()
    two.clock.sleep(HALF_DAY_S)
    heard: list[Any] = []

    def meanwhile() -> None:
        two.clock.sleep(TOKEN_LEASE_S + 1)
        heard.append(two.read())

    first = two.read(meanwhile)
    assert isinstance(first, list)
    assert [type(each) for each in heard] == [AuthRefused]
    assert isinstance(two.read(), list)


def test_who_is_refused_takes_what_another_process_has_saved_meanwhile() -> None:
    """The one that stood still goes on while the other one's exchange, with the token that is spent, is under way."""
    two = Two()
    two.clock.sleep(HALF_DAY_S)
    other: list[Any] = []

    def goes_on() -> None:
        tokens = StoreTokens(two.world, "acme", "freshbooks")
        times = {"issued_at": iso(two.clock.now()), "expires_at": iso(two.clock.now() + timedelta(hours=6))}
        given = {name: two.given[name] for name in ("access_token", "refresh_token")}
        tokens.save({**(tokens.load() or {}), **given, **times, "asked_at": None})

    def stood_still() -> None:
        two.clock.sleep(TOKEN_LEASE_S + 1)
        other.append(two.read(goes_on))

    two.read(stood_still)
    assert [type(each) for each in other] == [list]
