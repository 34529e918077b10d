"""Subscriptions and signed webhooks of the BILL simulator."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.bill.simulator import build
from connectors.bill.simulator.records import Delivery
from connectors.bill.simulator.webhooks import CATALOG, signature
from tests.connectors.bill.simulator_kit import Api, api, bill, clock_of, error, fits
from tests.reference import reference

URL = "https://localhost/webhooks/one/bill"
BODY: dict[str, Any] = {
    "name": "flowctl",
    "status": {"enabled": True},
    "events": [{"type": "bill.created", "version": "1"}, {"type": "payment.failed", "version": "1"}],
    "notificationUrl": URL,
}


def key(number: int) -> str:
    return f"7b1e5b1e-0000-4000-8000-{number:012d}"


class Receiver:
    """Takes webhooks, and answers each with the next status; None cannot be reached."""

    def __init__(self, *answers: int | None) -> None:
        self.got: list[Delivery] = []
        self.answers = list(answers)

    def __call__(self, delivery: Delivery) -> int:
        self.got.append(delivery)
        answer = self.answers.pop(0) if self.answers else 200
        if answer is None:
            raise OSError("no answer")
        return answer


def subscribed(*kinds: str, **options: Any) -> tuple[Api, str]:
    client = api(**options)
    made = client.ok("POST", "/subscriptions", {**BODY, "events": [{"type": kind, "version": "1"} for kind in kinds]})
    client.simulator.world.events.clear()
    return client, made["securityKey"]


def test_the_catalog() -> None:
    assert [row["type"] for row in api().get("/events/catalog")] == list(CATALOG)


def test_a_subscription_shows_its_key_once() -> None:
    client = api()
    made = client.ok("POST", "/subscriptions", BODY)
    shown = {name: value for name, value in made.items() if name != "securityKey"}
    assert len(made["securityKey"]) == 44
    assert client.get(f"/subscriptions/{made['id']}") == shown
    assert client.get("/subscriptions") == {"results": [shown]}
    assert shown["status"] == {"enabled": True}


def test_a_repeated_key_gives_the_first_answer_for_a_day() -> None:
    client = api()
    first = client.call("POST", "/subscriptions", BODY, key=key(1)).body
    assert client.call("POST", "/subscriptions", {**BODY, "name": "other"}, key=key(1)).body == first
    assert len(client.simulator.world.subscriptions) == 1
    clock_of(client.simulator).advance("+24h")
    client = Api(client.simulator)
    assert client.call("POST", "/subscriptions", BODY, key=key(1)).body != first
    assert len(client.simulator.world.subscriptions) == 2


@pytest.mark.parametrize("given", ["", "1", "7b1e5b1e-0000-1000-8000-000000000001"])
def test_the_key_must_be_a_uuid4(given: str) -> None:
    reply = api().call("POST", "/subscriptions", BODY, key=given)
    assert error(reply) == (400, None, "X-Idempotent-Key: must be a UUID of version 4")


def test_ten_at_most() -> None:
    client = api()
    for number in range(10):
        client.ok("POST", "/subscriptions", BODY, key=key(number))
    refused = client.call("POST", "/subscriptions", BODY, key=key(10))
    assert error(refused) == (400, None, "subscriptions: an organization has at most 10")
    one = client.get("/subscriptions")["results"][0]["id"]
    client.ok("DELETE", f"/subscriptions/{one}")
    assert client.call("POST", "/subscriptions", BODY, key=key(10)).status == 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": None}, "name: must not be null"),
        ({"notificationUrl": "http://example.com/x"}, "notificationUrl: must begin with https://"),
        ({"events": []}, "events: must not be empty"),
        ({"events": [{"type": "bill.eaten", "version": "1"}]}, "events: must be of the catalog"),
        ({"events": [{"type": "bill.created", "version": "9"}]}, "events: must be of the catalog"),
    ],
)
def test_subscriptions_that_are_refused(changes: dict[str, Any], problem: str) -> None:
    assert error(api().call("POST", "/subscriptions", {**BODY, **changes})) == (400, None, problem)


@pytest.mark.parametrize("path", ["security-key", "security_key"])
def test_the_key_is_rotated(path: str) -> None:
    client, before = subscribed("bill.created")
    one = next(iter(client.simulator.world.subscriptions))
    after = client.ok("POST", f"/subscriptions/{one}/{path}")["securityKey"]
    assert after != before
    bill(client.simulator)
    receiver = Receiver()
    client.simulator.deliver(receiver)
    assert dict(receiver.got[0].headers)["x-bill-sha-signature"] == signature(after, receiver.got[0].body)


def test_no_subscription() -> None:
    client = api()
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/security-key")):
        assert error(client.call(method, f"/subscriptions/x{path}", {})) == (404, "BDC_1205", "Object not found.")


# --- deliveries -------------------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_reference() -> None:
    vector = json.loads(reference("bill", "webhook_signature_vector.json").read_text(encoding="utf-8"))
    assert signature(vector["securityKey"], vector["body"].encode()) == vector["x-bill-sha-signature"]


def test_a_webhook_is_minified_signed_and_a_part_of_the_object() -> None:
    client, secret = subscribed("bill.created")
    one = bill(client.simulator, "228.99", description="Strings")
    receiver = Receiver()
    assert [item.status for item in client.simulator.deliver(receiver)] == [200]
    [got] = receiver.got
    payload = json.loads(got.body)
    fits("webhook", payload)
    assert got.body == json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    assert got.headers == (("content-type", "application/json"), ("x-bill-sha-signature", signature(secret, got.body)))
    assert (got.url, payload["metadata"]["eventType"], payload["metadata"]["eventId"]) == (
        URL,
        "bill.created",
        got.event_id,
    )
    assert (payload["bill"]["id"], payload["bill"]["amount"]) == (one, 228.99)
    assert payload["bill"]["invoice"]["invoiceDate"].endswith("T00:00:00.000Z")
    assert client.simulator.deliver(receiver) == []


@pytest.mark.parametrize("signs", ["raw", "inner"])
def test_a_payload_as_text(signs: str) -> None:
    client, secret = subscribed("vendor.created", webhook_escaped=True, webhook_signs=signs)
    build.add_vendor(client.simulator.world, "Zoë")
    receiver = Receiver()
    client.simulator.deliver(receiver)
    [got] = receiver.got
    inner = json.loads(got.body)
    fits("webhook", json.loads(inner))
    wanted = got.body if signs == "raw" else inner.encode()
    assert dict(got.headers)["x-bill-sha-signature"] == signature(secret, wanted)


def test_only_what_was_asked_for_is_sent() -> None:
    client, _ = subscribed("payment.failed")
    world = client.simulator.world
    made = build.pay(world, {bill(client.simulator): Decimal(1)})
    build.set_payment(world, made.id, "PAID", "DISBURSEMENT_FAILED_ACTION_NEEDED")
    receiver = Receiver()
    client.simulator.deliver(receiver)
    assert [(item.type, json.loads(item.body)["payment"]["id"]) for item in receiver.got] == [
        ("payment.failed", made.id)
    ]


@pytest.mark.parametrize("answer", [None, 204, 302, 400, 500])
def test_anything_but_200_is_sent_again_with_growing_waits(answer: int | None) -> None:
    client, _ = subscribed("bill.created", webhook_backoff_s=60.0)
    bill(client.simulator)
    receiver = Receiver(*[answer] * 5)
    waits = ["+0s", "+60s", "+120s", "+240s", "+480s", "+960s"]
    for wait in waits:
        assert client.simulator.deliver(receiver) == [] or wait == "+0s"
        clock_of(client.simulator).advance(wait)
        if wait != "+0s":
            assert len(client.simulator.deliver(receiver)) == 1
    assert [item.attempt for item in receiver.got] == [0, 1, 2, 3, 4, 5]
    assert len({item.event_id for item in receiver.got}) == 1
    assert all(item.enabled for item in client.simulator.world.subscriptions.values())


def test_a_subscription_is_switched_off_when_nothing_helps() -> None:
    client, _ = subscribed("bill.created", webhook_resends=1)
    one = next(iter(client.simulator.world.subscriptions))
    bill(client.simulator)
    receiver = Receiver(500, 500)
    client.simulator.deliver(receiver)
    clock_of(client.simulator).advance("+60s")
    client.simulator.deliver(receiver)
    assert client.get(f"/subscriptions/{one}")["status"] == {"enabled": False}
    bill(client.simulator)
    assert client.simulator.deliver(receiver) == []
    assert client.ok("PATCH", f"/subscriptions/{one}", {"status": {"enabled": True}})["status"] == {"enabled": True}
    bill(client.simulator)
    assert len(client.simulator.deliver(receiver)) == 1


def test_duplicates_and_order() -> None:
    client, _ = subscribed("bill.created", webhook_duplicates=1.0, webhook_shuffle=True)
    made = [bill(client.simulator) for _ in range(6)]
    receiver = Receiver()
    client.simulator.deliver(receiver)
    order = [json.loads(item.body)["bill"]["id"] for item in receiver.got]
    assert sorted(order) == sorted(made * 2)
    assert order != [one for one in made for _ in range(2)]
    assert len({item.event_id for item in receiver.got}) == 6


def test_an_outage_loses_events_for_good() -> None:
    client, _ = subscribed("bill.created")
    client.simulator.world.outage = True
    bill(client.simulator)
    receiver = Receiver()
    assert client.simulator.deliver(receiver) == []
    client.simulator.world.outage = False
    assert client.simulator.deliver(receiver) == []


def test_a_receiver_may_call_back() -> None:
    client, _ = subscribed("bill.created")
    one = bill(client.simulator)
    seen: list[str] = []

    def reads(_delivery: Delivery) -> int:
        seen.extend(client.ids("/bills"))
        return 200

    client.simulator.deliver(reads)
    assert seen == [one]
