"""The simulator behind httpx and behind a real socket on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from connectors.expensify.simulator import Fault, Options, app, transport
from connectors.expensify.simulator.wire import PATH
from engine.serving import running
from tests.connectors.expensify.simulator_kit import Account

PAIR = {"partnerUserID": Options().partner_user_id, "partnerUserSecret": Options().partner_user_secret}
LIST = {
    "requestJobDescription": json.dumps({"type": "get", "credentials": PAIR, "inputSettings": {"type": "policyList"}})
}


@contextmanager
def served(account: Account) -> Iterator[str]:
    with running(app(account.simulator)) as base:
        yield base


def test_transport() -> None:
    account = Account(faults=[Fault("reset_before", at=(0,))])
    with httpx.Client(transport=transport(account.simulator)) as client:
        with pytest.raises(
            httpx.ReadError, match=r"^the simulated connection was closed during a job of the kind get/policyList$"
        ):
            client.post(f"https://integrations.expensify.com{PATH}", data=LIST)
        answer = client.post(f"https://integrations.expensify.com{PATH}", data=LIST)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain")
    assert [policy["name"] for policy in answer.json()["policyList"]] == ["Acme"]


@pytest.mark.acceptance
def test_app_over_loopback() -> None:
    account = Account(faults=[Fault("reset_after", at=(0,))])
    with served(account) as base, httpx.Client(base_url=base) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(PATH, data=LIST)
        assert client.post(PATH, data=LIST).json()["policyList"][0]["name"] == "Acme"
        assert client.get(PATH).status_code == 405
        assert client.post("/elsewhere", data=LIST).status_code == 404
