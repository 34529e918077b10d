"""Webhook subscriptions, the challenge, signatures, retries on the clock, and events that never come."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from typing import Any

import pytest

from connectors.ramp.simulator import Money, RampSimulator
from connectors.ramp.simulator.records import Delivery
from tests.connectors.ramp.simulator_kit import Api, decoded, error, rent, simulator

URL = "https://hooks.example/ramp"
EVENTS = ["bills.created", "bills.approved", "bills.paid", "transactions.ready_to_sync"]


class Inbox:
    """A webhook endpoint that answers with a status, or cannot be reached (None)."""

    def __init__(self, status: int | None = 200) -> None:
        self.status = status
        self.got: list[Delivery] = []

    def __call__(self, delivery: Delivery) -> int:
        self.got.append(delivery)
        if self.status is None:
            raise OSError
        return self.status

    def types(self) -> list[str]:
        return [item.type for item in self.got]


def subscribed(target: RampSimulator, events: list[str] | None = None) -> tuple[Api, dict[str, Any]]:
    """A client and its active subscription."""
    api = Api(target)
    reply = api.call("POST", "/webhooks", {"endpoint_url": URL, "event_types": events or EVENTS})
    assert reply.status == 201, reply.body
    made = decoded(reply)
    inbox = Inbox()
    target.deliver(inbox)
    challenge = json.loads(inbox.got[0].body)["challenge"]
    assert api.call("POST", f"/webhooks/{made['id']}/verify", {"challenge": challenge}).status == 200
    return api, made


def test_subscription_shows_its_secret_once() -> None:
    target = simulator()
    api = Api(target)
    headers = {"X-Tenant": "7"}
    body = {"endpoint_url": URL, "event_types": ["bills.paid"], "additional_headers": headers}
    made = decoded(api.call("POST", "/webhooks", body))
    secret = made.pop("secret")
    assert secret.startswith("ramp_sec_")
    assert made.pop("additional_headers") == headers
    assert made == {
        "business_id": target.world.business_id,
        "created_at": "2026-03-02T09:00:00+00:00",
        "endpoint_url": URL,
        "event_types": ["bills.paid"],
        "id": made["id"],
        "status": "pending_verification",
        "updated_at": "2026-03-02T09:00:00+00:00",
    }
    assert api.get("/webhooks") == [made]
    assert api.get(f"/webhooks/{made['id']}") == made
    assert secret not in repr(target.world.subscriptions)


def test_secret_may_be_known_beforehand() -> None:
    _api, made = subscribed(simulator(webhook_secret="ramp_sec_sandbox"))
    assert made["secret"] == "ramp_sec_sandbox"


def test_challenge_must_come_back() -> None:
    target = simulator()
    api = Api(target)
    made = decoded(api.call("POST", "/webhooks", {"endpoint_url": URL, "event_types": EVENTS}))
    target.add_bill([rent(100)])
    inbox = Inbox()
    target.deliver(inbox)
    assert inbox.types() == ["webhooks.verification"]  # no events until it is active
    payload = json.loads(inbox.got[0].body)
    assert payload["challenge"] == payload["object"]["challenge"]
    assert payload["challenge"].startswith("ramp_challenge_")
    names = dict(inbox.got[0].headers)
    assert "x-ramp-webhook-id" not in names
    assert "x-ramp-webhook-signature" not in names
    path = f"/webhooks/{made['id']}/verify"
    wrong = api.call("POST", path, {"challenge": "ramp_challenge_0"})
    assert error(wrong) == (
        400,
        "DEVELOPER_7098",
        "The challenge does not match.",
        {"challenge": ["Invalid challenge."]},
    )
    assert api.get(f"/webhooks/{made['id']}")["status"] == "pending_verification"
    right = api.call("POST", path, {"challenge": payload["challenge"]})
    assert (right.status, decoded(right)) == (200, {"success": True})
    assert api.get(f"/webhooks/{made['id']}")["status"] == "active"


def test_challenge_may_come_before_the_create_call_returns() -> None:
    target = simulator(challenge_before_create_returns=True, sign_challenge=True)
    api = Api(target)
    inbox = Inbox()
    target.sender = inbox
    assert api.call("POST", "/webhooks", {"endpoint_url": URL, "event_types": EVENTS}).status == 201
    assert inbox.types() == ["webhooks.verification"]
    assert "x-ramp-webhook-signature" in dict(inbox.got[0].headers)


@pytest.mark.parametrize("profile", ["ramp-hex", "webhook-hex", "webhook-base64"])
def test_signature_profiles(profile: str) -> None:
    target = simulator(webhook_signature=profile)
    _api, made = subscribed(target)
    bill = target.add_bill([rent(100)]).id
    inbox = Inbox()
    target.deliver(inbox)
    assert inbox.types() == ["bills.created", "bills.approved"]
    delivery = inbox.got[0]
    headers = dict(delivery.headers)
    payload = json.loads(delivery.body)
    assert headers["x-ramp-webhook-id"] == payload["id"] == delivery.event_id
    assert payload == {
        "id": payload["id"],
        "type": "bills.created",
        "created_at": "2026-03-02T09:00:00+00:00",
        "business_id": target.world.business_id,
        "object": {"id": bill},
    }
    digest = hmac.new(made["secret"].encode(), delivery.body, hashlib.sha256).digest()
    expected = base64.b64encode(digest).decode() if profile == "webhook-base64" else digest.hex()
    name, other = "x-ramp-signature", "x-ramp-webhook-signature"
    if profile != "ramp-hex":
        name, other = other, name
    assert headers[name] == expected
    assert other not in headers


def test_only_wanted_events_come() -> None:
    target = simulator()
    subscribed(target, ["bills.paid"])
    bill = target.add_bill([rent(100)]).id
    target.pay_bill(bill)
    target.add_transaction(Money(100))
    inbox = Inbox()
    target.deliver(inbox)
    assert inbox.types() == ["bills.paid"]
    assert target.deliver(inbox) == []


def test_events_of_bills_and_transactions() -> None:
    target = simulator("2026-08")
    wanted = [
        "bills.created", "bills.approved", "bills.rejected", "bills.updated", "bills.paid", "bills.archived", "bills.ready_to_sync",
        "transactions.authorized", "transactions.cleared", "transactions.ready_to_sync", "transactions.synced", "vendors.activated",
    ]  # fmt: skip
    api, _made = subscribed(target, wanted)
    target.add_vendor("Acme")
    bill = target.add_bill([rent(100)], approval="PENDING").id
    target.edit_bill(bill, memo="later")
    target.edit_bill(bill, approval="APPROVED")
    target.pay_bill(bill)
    target.archive(bill)
    target.add_bill([rent(1)], approval="REJECTED")
    target.add_transaction(Money(1), state="PENDING")
    row = target.add_transaction(Money(1)).id
    api.sync("TRANSACTION_SYNC", (row, "T"))
    inbox = Inbox()
    target.deliver(inbox)
    assert inbox.types() == [
        "vendors.activated", "bills.created", "bills.updated", "bills.approved", "bills.ready_to_sync", "bills.paid", "bills.archived",
        "bills.created", "bills.rejected", "transactions.authorized", "transactions.cleared", "transactions.ready_to_sync",
        "transactions.synced",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [429, 500, 503, None])
def test_passing_faults_are_tried_ten_times(status: int | None) -> None:
    target = simulator()
    subscribed(target, ["bills.created"])
    target.add_bill([rent(100)])
    inbox = Inbox(status)
    started = target.clock.now()
    target.deliver(inbox)
    assert len(inbox.got) == 1
    target.clock.sleep(2)  # the first wait is at most two seconds
    target.deliver(inbox)
    assert len(inbox.got) == 2
    for _ in range(30):
        target.clock.sleep(60)
        target.deliver(inbox)
    assert [item.attempt for item in inbox.got] == list(range(1, 11))
    assert len({(item.event_id, item.body) for item in inbox.got}) == 1
    assert (target.sent[-1].at - started).total_seconds() < 601


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_refused_events_are_never_tried_again(status: int) -> None:
    target = simulator()
    subscribed(target, ["bills.created"])
    target.add_bill([rent(100)])
    inbox = Inbox(status)
    for _ in range(5):
        target.deliver(inbox)
        target.clock.sleep(60)
    assert len(inbox.got) == 1


def test_retry_ends_when_the_endpoint_recovers() -> None:
    target = simulator()
    subscribed(target, ["bills.created"])
    target.add_bill([rent(100)])
    inbox = Inbox(503)
    target.deliver(inbox)
    inbox.status = 204
    target.clock.sleep(2)
    target.deliver(inbox)
    target.clock.sleep(600)
    assert target.deliver(inbox) == []
    assert [item.status for item in target.sent] == [200, 503, 204]  # the challenge first


def test_duplicates_and_disorder() -> None:
    target = simulator(webhook_duplicates=1.0, webhook_shuffle=True)
    subscribed(target, ["bills.created"])
    bills = [target.add_bill([rent(100)]).id for _ in range(10)]
    inbox = Inbox()
    target.deliver(inbox)
    objects = [json.loads(item.body)["object"]["id"] for item in inbox.got]
    assert Counter(objects) == dict.fromkeys(bills, 2)
    assert list(dict.fromkeys(objects)) != bills


def test_outage_loses_events_for_good() -> None:
    target = simulator()
    api, _made = subscribed(target)
    target.world.outage = True
    lost = target.add_bill([rent(100)]).id
    inbox = Inbox()
    target.deliver(inbox)
    target.world.outage = False
    found = target.add_bill([rent(100)]).id
    target.deliver(inbox)
    assert {json.loads(item.body)["object"]["id"] for item in inbox.got} == {found}
    assert api.ids("/bills", sync_ready="true") == [lost, found]  # only polling heals


def test_deleted_subscription_gets_nothing_more() -> None:
    target = simulator()
    api, made = subscribed(target, ["bills.created"])
    target.add_bill([rent(100)])
    inbox = Inbox(503)
    target.deliver(inbox)
    assert api.call("DELETE", f"/webhooks/{made['id']}").status == 204
    assert error(api.call("GET", f"/webhooks/{made['id']}"))[:3] == (
        404,
        "DEVELOPER_7004",
        "Webhook subscription not found",
    )
    target.clock.sleep(600)
    assert target.deliver(inbox) == []
    assert api.get("/webhooks") == []


def test_subscription_deleted_while_a_delivery_is_under_way() -> None:
    target = simulator()
    api, made = subscribed(target, ["bills.created"])
    target.add_bill([rent(100)])

    def endpoint(_delivery: Delivery) -> int:
        api.call("DELETE", f"/webhooks/{made['id']}")
        return 503

    assert [item.status for item in target.deliver(endpoint)] == [503]
    assert target.world.deliveries == []


def test_endpoint_that_calls_back_while_it_answers() -> None:
    target = simulator()
    api = Api(target)
    made = decoded(api.call("POST", "/webhooks", {"endpoint_url": URL, "event_types": EVENTS}))

    def endpoint(delivery: Delivery) -> int:
        challenge = json.loads(delivery.body)["challenge"]
        return api.call("POST", f"/webhooks/{made['id']}/verify", {"challenge": challenge}).status

    assert [item.status for item in target.deliver(endpoint)] == [200]
    assert api.get(f"/webhooks/{made['id']}")["status"] == "active"


def test_mock_event() -> None:
    target = simulator()
    api, _made = subscribed(target, ["tests.test_event"])
    body = {"event_type": "tests.test_event", "object_id": "abc", "object_metadata": {"note": "hello"}}
    reply = api.call("POST", "/webhooks/mock-webhook-event", body)
    inbox = Inbox()
    target.deliver(inbox)
    assert reply.status == 201
    assert decoded(reply)["object"] == {"id": "abc", "note": "hello"}
    assert json.loads(inbox.got[0].body) == decoded(reply)
    path = "/webhooks/mock-webhook-event"
    assert "event_type" in error(api.call("POST", path, {"event_type": "no.such", "object_id": "x"}))[3]
    missing = error(api.call("POST", path, {"event_type": "bills.paid"}))[3]
    assert missing == {"object_id": ["Missing data for required field."]}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"endpoint_url": "http://hooks.example/"}, {"endpoint_url": ["Not a valid https URL."]}),
        ({"endpoint_url": None}, {"endpoint_url": ["Not a valid https URL."]}),
        ({"event_types": []}, {"event_types": ["Missing data for required field."]}),
        ({"additional_headers": []}, {}),
        ({"additional_headers": ["x"]}, {"additional_headers": ["Not a valid mapping."]}),
        ({"additional_headers": {"X-Real-IP": "1"}}, {"additional_headers": ["X-Real-IP is a reserved header."]}),
        (
            {"additional_headers": {str(number): "" for number in range(6)}},
            {"additional_headers": ["Longer than maximum length 5."]},
        ),
        (
            {"additional_headers": {"a": "b" * 1001}},
            {"additional_headers": ["Header names have at most 100 characters, values at most 1000."]},
        ),
    ],
)
def test_subscription_is_checked(changes: dict[str, Any], fields: dict[str, list[str]]) -> None:
    body = {"endpoint_url": "http://127.0.0.1:9/hook", "event_types": ["bills.paid"], **changes}
    reply = Api(simulator()).call("POST", "/webhooks", body)
    if not fields:
        assert reply.status == 201
    else:
        assert error(reply) == (422, "DEVELOPER_7001", "The request could not be validated.", fields)


def test_events_of_2026_are_unknown_before() -> None:
    body = {"endpoint_url": URL, "event_types": ["bills.ready_to_sync"]}
    text = error(Api(simulator()).call("POST", "/webhooks", body))[3]["event_types"][0]
    assert text.endswith("Not: bills.ready_to_sync.")
    assert Api(simulator("2026-08")).call("POST", "/webhooks", body).status == 201


def test_subscription_needs_the_read_scope_of_its_events() -> None:
    api = Api(simulator(), scopes="bills:read")
    body = {"endpoint_url": URL, "event_types": ["bills.paid", "transactions.cleared"]}
    message = "These scopes are not allowed for this token: transactions:read"
    assert error(api.call("POST", "/webhooks", body)) == (403, "DEVELOPER_7100", message, {})
