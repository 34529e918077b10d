"""The official client of FreshBooks, as published, against our simulator over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.freshbooks.simulator import FreshBooksSimulator, app
from engine.serving import running
from tests.connectors.freshbooks.freshbooks_kit import Place

freshbooks: Any = pytest.importorskip("freshbooks", reason="the official freshbooks-sdk is not installed")


@contextmanager
def served(target: FreshBooksSimulator) -> Iterator[str]:
    with running(app(target)) as base:
        yield base


@contextmanager
def client_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    options = place.world.options
    with served(place.simulator) as base:
        monkeypatch.setenv("FRESHBOOKS_API_URL", base)
        client = freshbooks.Client(
            options.client_id, client_secret=options.client_secret, redirect_uri=options.redirect_uri, auto_retry=False
        )
        client.get_access_token(place.simulator.grants.code())
        yield client


@pytest.mark.acceptance
def test_tokens_lists_and_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    account = place.world.account_id
    bills = [place.bill() for _ in range(3)]
    place.expense(vendor="Café")
    with client_of(place, monkeypatch) as client:
        assert client.current_user().data["business_memberships"][0]["business"]["account_id"] == account
        spent = client.refresh_token
        client.refresh_access_token()
        with pytest.raises(freshbooks.FreshBooksError):
            client.refresh_access_token(spent)
        page = client.bills.list(account, [freshbooks.PaginateBuilder(2, 2)])
        assert [str(bill.id) for bill in page] == bills[:1]
        assert tuple(page.pages) == (2, 2, 2, 3)
        assert client.bills.get(account, int(bills[0])).created_at.isoformat() == "2026-11-21T09:00:00+00:00"
        expenses = client.expenses.list(account, [freshbooks.FilterBuilder().equals("vendor", "Café")])
        assert expenses[0].updated.isoformat() == "2026-11-21T09:00:00+00:00"
        assert len(client.expenses.list(account, [freshbooks.FilterBuilder().equals("no_such_key", "x")])) == 1
        client.bills.delete(account, int(bills[0]))
        assert place.world.bills[int(bills[0])].vis_state == 1
        with pytest.raises(freshbooks.FreshBooksError) as caught:
            client.bills.get(account, 1)
        assert (caught.value.status_code, caught.value.error_code) == (404, 1012)
        place.throw(has_bills=False)
        assert len(client.bills.list(account)) == 0


@pytest.mark.acceptance
def test_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(verifier="sandbox-verifier")
    account = place.world.account_id
    with client_of(place, monkeypatch) as client:
        made = client.callbacks.create(account, {"event": "bill", "uri": "https://sync.example.com/x"})
        assert made.verified is False
        assert client.callbacks.verify(account, made.callbackid, "sandbox-verifier").verified is True
        client.callbacks.delete(account, made.callbackid)
        assert len(client.callbacks.list(account)) == 0
