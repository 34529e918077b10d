from __future__ import annotations

import base64
import contextlib
import json
import random
from collections.abc import Callable, Mapping
from uuid import UUID

import httpx
import pytest

from connectors.bill import CONNECTOR
from connectors.bill.spec import EVENTS
from connectors.bill.webhooks import MAX_BODY, sign
from engine.contract import Event, Handshake
from engine.errors import BadAnswer, ForgedWebhook, Rejected, RunError, SettingMissing, Transient
from tests.connectors.bill.bill_kit import FakeBill, Row, binding, error, errors
from tests.connectors.bill.test_simulator_connector import business, connect
from tests.connectors.http_kit import everything_said, reply
from tests.reference import reference

KEY = "key-canary"
METADATA = {
    "eventId": "evt-1",
    "subscriptionId": "sub-1",
    "organizationId": "008",
    "eventType": "bill.updated",
    "version": "1",
}
PAYLOAD = {"metadata": METADATA, "bill": {"id": "00n01", "description": "canary"}}
BODY = json.dumps(PAYLOAD, separators=(",", ":")).encode()
EVENT = Event("evt-1", "bill.updated", "00n01")


def verify(
    headers: Mapping[str, str], body: bytes = BODY, secrets: Mapping[str, str] | None = None
) -> Event | Handshake:
    return CONNECTOR.verify(binding({"webhook_key": KEY} if secrets is None else secrets), headers, body)


def signed(body: bytes, key: str = KEY) -> Event | Handshake:
    return verify({"x-bill-sha-signature": sign(key, body)}, body)


def payload(**changes: object) -> bytes:
    return json.dumps({**PAYLOAD, **changes}).encode()


def test_the_vector_made_from_the_documented_rule() -> None:
    vector = json.loads(reference("bill", "webhook_signature_vector.json").read_text(encoding="utf-8"))
    body = vector["body"].encode()
    assert sign(vector["securityKey"], body) == vector["x-bill-sha-signature"]
    headers = {"x-bill-sha-signature": vector["x-bill-sha-signature"]}
    event = verify(headers, body, {"webhook_key": vector["securityKey"]})
    assert event == Event("7b1e5b1e-0000-4000-8000-000000000001", "bill.updated", "00n01AAAAAAAAAAAAAAA")


def test_a_known_vector() -> None:
    # RFC 4231, test case 2.
    digest = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert sign("Jefe", b"what do ya want for nothing?") == base64.b64encode(digest).decode()


def test_a_payload_as_object_or_as_text_that_holds_it() -> None:
    assert signed(BODY) == EVENT
    escaped = json.dumps(BODY.decode()).encode()
    assert signed(escaped) == EVENT
    # Only over the raw bytes: whoever signs the text inside has not signed what came.
    with pytest.raises(ForgedWebhook):
        verify({"x-bill-sha-signature": sign(KEY, BODY)}, escaped)
    with pytest.raises(ForgedWebhook):
        verify({"x-bill-sha-signature": sign(KEY, escaped)}, BODY)


def test_the_key_before_is_accepted_while_rotating() -> None:
    old = {"x-bill-sha-signature": f" {sign('old', BODY)} "}
    with pytest.raises(ForgedWebhook):
        verify(old)
    assert verify(old, secrets={"webhook_key": KEY, "webhook_key_previous": "old"}) == EVENT
    assert verify(old, secrets={"webhook_key_previous": "old"}) == EVENT


@pytest.mark.parametrize("secrets", [{}, {"webhook_key": ""}])
def test_without_a_key_nothing_is_accepted(secrets: dict[str, str]) -> None:
    for value in ("", sign("", BODY), sign(KEY, BODY)):
        with pytest.raises(SettingMissing) as caught:
            verify({"x-bill-sha-signature": value}, secrets=secrets)
        assert str(caught.value) == "acme/bill: not given: `webhook_key`"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-bill-sha-signature": ""},
        {"x-bill-sha-signature": sign("other", BODY)},
        {"x-bill-sha-signature": sign(KEY, BODY).lower()},
        {"x-bill-sha-signature": sign(KEY, BODY)[:-1]},
        {"x-bill-sha-signature": sign(KEY, BODY + b" ")},
        {"x-bill-sha-signature": "\udcff\u00e9\u0661"},
        {"x-ramp-signature": sign(KEY, BODY)},
    ],
)
def test_forged_webhooks_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedWebhook) as caught:
        verify(headers)
    assert str(caught.value) == "acme/bill: the webhook's signature does not match its body"
    assert "canary" not in everything_said(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b'"\\ud800"',
        b"{",
        b"\xff",
        json.dumps(json.dumps(json.dumps(PAYLOAD))).encode(),
        payload(metadata=None),
        payload(metadata=[]),
        payload(metadata={}),
        payload(metadata={**METADATA, "eventId": 7}),
        payload(metadata={**METADATA, "eventId": ""}),
        payload(metadata={**METADATA, "eventId": "a b"}),
        payload(metadata={**METADATA, "eventId": "x" * 201}),
        payload(metadata={**METADATA, "eventType": None}),
        payload(metadata={**METADATA, "eventType": "bill updated"}),
        b'{"metadata": {}, "metadata": {}}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(ForgedWebhook) as caught:
        signed(body)
    assert str(caught.value) == "acme/bill: a signed body that is no BILL event: no plain `eventId` and `eventType`"
    assert "canary" not in everything_said(caught.value)


def test_a_body_beyond_all_bounds_is_not_read() -> None:
    with pytest.raises(ForgedWebhook) as caught:
        signed(b" " * (MAX_BODY + 1))
    assert str(caught.value) == "acme/bill: a webhook of more than 1,048,576 bytes"


@pytest.mark.parametrize(
    ("changes", "object_id"),
    [
        ({}, "00n01"),
        ({"bill": {}}, None),
        ({"bill": {"id": 7}}, None),
        ({"bill": {"id": "a b"}}, None),
        ({"bill": "00n01"}, None),
        ({"bill": None, "vendor": {"id": "00901"}}, "00901"),
        ({"bill": None, "vendor": {"id": "00901"}, "payment": {"id": "stp01"}}, None),
        ({"vendor": {"id": "00901"}}, "00n01"),
    ],
)
def test_what_changed_is_named_when_the_payload_says_so(changes: Row, object_id: str | None) -> None:
    assert signed(payload(**changes)) == Event("evt-1", "bill.updated", object_id)


def test_events_we_do_not_use_are_read_as_well() -> None:
    other = {"metadata": {**METADATA, "eventType": "bank-account.updated"}, "bankAccount": {"id": "bac01"}}
    assert signed(json.dumps(other).encode()) == Event("evt-1", "bank-account.updated", "bac01")


def test_no_damage_to_a_signed_body_ends_in_a_traceback() -> None:
    chance = random.Random(4)
    for _ in range(400):
        body = bytearray(BODY)
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        with contextlib.suppress(ForgedWebhook):
            assert isinstance(signed(bytes(body)), Event)


def test_streams_name_the_events_that_concern_them() -> None:
    of_streams = {event for stream in CONNECTOR.spec.streams for event in stream.webhooks}
    assert of_streams == set(EVENTS) == set(CONNECTOR.spec.webhooks)


# --- subscriptions ----------------------------------------------------------------------------------------------------

URL = "https://flowctl.acme.example/webhooks/acme/bill"


def test_a_subscription_is_created_and_its_secret_shown_once() -> None:
    fake = FakeBill()
    made = fake.open().subscribe(URL, ["bill.updated", "bill.created", "bill.updated"])
    assert (made.id, made.status, made.secret) == ("sub-1", "enabled", "key-canary")
    assert "canary" not in repr(made)
    listed, created = "GET /connect-events/v3/subscriptions", "POST /connect-events/v3/subscriptions"
    assert fake.calls() == [listed, created, listed]
    request = fake.script.requests[-2]
    assert json.loads(request.content) == {
        "name": "flowctl",
        "status": {"enabled": True},
        "events": [{"type": "bill.created", "version": "1"}, {"type": "bill.updated", "version": "1"}],
        "notificationUrl": URL,
    }
    assert (request.headers["sessionId"], request.headers["devKey"]) == ("session-canary-1", "devkey-canary")


def test_without_events_all_that_are_used_are_asked_for() -> None:
    fake = FakeBill()
    fake.open().subscribe(URL)
    assert [event["type"] for event in fake.subscriptions[0]["events"]] == list(EVENTS)


def test_the_same_wish_has_the_same_key_and_another_wish_another() -> None:
    fake = FakeBill()
    for url, events in ((URL, ["bill.updated"]), (URL, ["bill.updated"]), (URL, []), (URL + "2", ["bill.updated"])):
        fake.open().subscribe(url, events)
    keys = [
        r.headers["x-idempotent-key"] for r in fake.script.requests if r.method == "POST" and "events" in r.url.path
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert all(UUID(key).version == 4 and str(UUID(key)) == key for key in keys)


def test_a_lost_answer_is_asked_for_again() -> None:
    fake = FakeBill()

    def lose(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST":
            raise httpx.ReadTimeout("canary")
        return None

    fake.before = lose
    with pytest.raises(Transient) as caught:
        fake.open().subscribe(URL)
    assert "canary" not in everything_said(caught.value)


def full(count: int, url: str = "https://other.example/") -> list[Row]:
    return [{"id": f"sub-{n}", "notificationUrl": url} for n in range(count)]


def test_an_organization_with_ten_subscriptions_has_no_room() -> None:
    fake = FakeBill()
    fake.subscriptions = full(10)
    with pytest.raises(Rejected) as caught:
        fake.open().subscribe(URL)
    assert (str(caught.value), caught.value.hint) == (
        "acme/bill: the organization has 10 webhook subscriptions, and BILL allows 10",
        "delete one that is not used any more in BILL, then subscribe again",
    )
    assert fake.calls() == ["GET /connect-events/v3/subscriptions"]
    fake.subscriptions = full(9)
    assert fake.open().subscribe(URL).id == "sub-10"


def test_the_tenth_subscription_may_be_ours_whose_answer_was_lost() -> None:
    fake = FakeBill()
    fake.subscriptions = [*full(9), {"id": "sub-ours", "notificationUrl": URL}]
    fake.open().subscribe(URL)
    assert [call for call in fake.calls() if call.startswith("POST")] == ["POST /connect-events/v3/subscriptions"]


@pytest.mark.parametrize(
    "pages",
    [
        [reply(200, full(10))],
        [reply(200, {"results": full(4), "nextPage": "p2"}), reply(200, {"results": full(6)})],
        [reply(200, {"results": full(1), "nextPage": "again"}) for _ in range(20)],
    ],
)
def test_subscriptions_are_counted_over_lists_and_pages(pages: list[httpx.Response]) -> None:
    fake, waiting = FakeBill(), list(pages)
    fake.before = lambda r: waiting.pop(0) if r.method == "GET" else None
    with pytest.raises(Rejected):
        fake.open().subscribe(URL)
    assert "POST /connect-events/v3/subscriptions" not in fake.calls()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            lambda: reply(200, {}),
            BadAnswer,
            "GET /connect-events/v3/subscriptions: 200 (trace trace-1): no list of subscriptions",
        ),
        (
            lambda: errors(403, error("BDC_7")),
            RunError,
            "GET /connect-events/v3/subscriptions: 403 (trace trace-1): not permitted (BDC_7)",
        ),
    ],
)
def test_a_list_that_cannot_be_read_is_said(
    answer: Callable[[], httpx.Response], kind: type[RunError], text: str
) -> None:
    fake = FakeBill()
    fake.before = lambda _: answer()
    with pytest.raises(kind) as caught:
        fake.open().subscribe(URL)
    assert str(caught.value) == f"acme/bill: {text}"


@pytest.mark.parametrize(
    "body", [{}, [], {"id": "s"}, {"id": 7, "securityKey": "canary"}, {"id": "s", "securityKey": ""}]
)
def test_a_subscription_without_its_secret_is_no_answer(body: object) -> None:
    fake = FakeBill()
    fake.before = lambda r: reply(200, body) if r.method == "POST" else None
    with pytest.raises(BadAnswer) as caught:
        fake.open().subscribe(URL)
    where = "acme/bill: POST /connect-events/v3/subscriptions: 200 (trace trace-1)"
    assert str(caught.value) == f"{where}: no subscription with `id` and `securityKey`"
    assert "canary" not in everything_said(caught.value)


def test_a_subscription_that_bill_switched_off_is_said() -> None:
    fake = FakeBill()
    made = {"id": "s", "securityKey": "k", "status": {"enabled": False}}
    fake.subscriptions = [made]
    fake.before = lambda r: reply(200, made) if r.method == "POST" else None
    assert fake.open().subscribe(URL).status == "disabled"


def posted_keys(fake: FakeBill) -> list[str]:
    posts = [request for request in fake.script.requests if request.method == "POST"]
    return [request.headers["x-idempotent-key"] for request in posts if "events" in request.url.path]


def test_a_subscription_that_was_deleted_is_not_given_out_again() -> None:
    """BILL answers one key with one answer for a day, also once what it made is deleted."""
    made = business()
    source = connect(made)
    first = source.subscribe(URL)
    del made.simulator.world.subscriptions[first.id]
    second = source.subscribe(URL)
    assert second.id in made.simulator.world.subscriptions
    assert second.status == "enabled"
    assert source.subscribe(URL) == second  # nothing more is made, and the secret is not lost
    assert list(made.simulator.world.subscriptions) == [second.id]


def test_a_subscription_that_is_never_listed_is_asked_for_twice_and_given_out_as_it_is() -> None:
    fake = FakeBill()
    made = {"id": "s", "securityKey": "k", "status": {"enabled": True}}
    fake.before = lambda r: reply(200, made) if r.method == "POST" else None
    given_out = fake.open().subscribe(URL)
    assert (given_out.status, len(set(posted_keys(fake)))) == ("not listed", 2)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://flowctl.acme.example/",
        "https://",
        "https://user@acme.example/",
        "https://a b/",
        "https://[",
        "https://x/" + "y" * 2000,
        "https://é/",
    ],
)
def test_an_address_bill_would_not_call_is_refused(url: str) -> None:
    fake = FakeBill()
    with pytest.raises(Rejected) as caught:
        fake.open().subscribe(url)
    assert str(caught.value) == "acme/bill: BILL calls only plain https:// addresses"
    assert fake.script.requests == []


def test_an_unknown_event_is_refused() -> None:
    fake = FakeBill()
    with pytest.raises(Rejected) as caught:
        fake.open().subscribe(URL, ["bill.approved"])
    assert str(caught.value) == "acme/bill: there is no event `bill.approved`"
    assert caught.value.hint is not None
    assert fake.script.requests == []
