from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Mapping

import httpx
import pytest

from connectors.ramp import CONNECTOR
from connectors.ramp.spec import EVENTS
from connectors.ramp.webhooks import sign
from engine.contract import Event, Handshake
from engine.errors import Ambiguous, BadAnswer, FlowctlError, ForgedWebhook, Rejected, SettingMissing
from tests.connectors.http_kit import everything_said, reply
from tests.connectors.ramp.openapi import ramp_2025
from tests.connectors.ramp.source_kit import FakeRamp, binding, uuid

SECRET = "ramp_sec_canary"
BODY = json.dumps({"id": "evt_1", "type": "bills.ready_to_sync", "object": {"id": uuid(7)}}).encode()


def verify(
    headers: Mapping[str, str], body: bytes = BODY, secrets: Mapping[str, str] | None = None
) -> Event | Handshake:
    return CONNECTOR.verify(binding({"webhook_secret": SECRET} if secrets is None else secrets), headers, body)


def digest(body: bytes = BODY, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


@pytest.mark.parametrize("header", ["x-ramp-signature", "x-ramp-webhook-signature"])
@pytest.mark.parametrize(
    "value",
    [
        digest().hex(),
        f"sha256={digest().hex()}",
        base64.b64encode(digest()).decode(),
        f" {digest().hex()} ",
        sign(SECRET, BODY),
    ],
)
def test_genuine_webhooks_of_every_documented_form(header: str, value: str) -> None:
    assert verify({header: value}) == Event("evt_1", "bills.ready_to_sync", uuid(7))
    assert verify({header: value, "x-ramp-webhook-id": "evt_1"}) == Event("evt_1", "bills.ready_to_sync", uuid(7))


def test_one_of_two_signatures_suffices() -> None:
    both = {"x-ramp-signature": "0" * 64, "x-ramp-webhook-signature": sign(SECRET, BODY)}
    assert verify(both) == Event("evt_1", "bills.ready_to_sync", uuid(7))


def test_a_known_vector() -> None:
    # RFC 4231, test case 2.
    body = b"what do ya want for nothing?"
    assert sign("Jefe", body) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_the_secret_before_is_accepted_while_rotating() -> None:
    old = {"x-ramp-signature": sign("old", BODY)}
    with pytest.raises(ForgedWebhook):
        verify(old)
    assert isinstance(verify(old, secrets={"webhook_secret": SECRET, "webhook_secret_previous": "old"}), Event)
    assert isinstance(verify(old, secrets={"webhook_secret_previous": "old"}), Event)


@pytest.mark.parametrize("secrets", [{}, {"webhook_secret": ""}])
def test_without_a_secret_nothing_is_accepted(secrets: dict[str, str]) -> None:
    for value in ("", sign("", BODY), sign(SECRET, BODY)):
        with pytest.raises(SettingMissing) as caught:
            verify({"x-ramp-signature": value}, secrets=secrets)
        assert str(caught.value) == "acme/ramp: not given: `webhook_secret`"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ramp-signature": ""},
        {"x-ramp-signature": "sha256="},
        {"x-ramp-signature": sign("other", BODY)},
        {"x-ramp-signature": sign(SECRET, BODY).upper()},
        {"x-ramp-signature": sign(SECRET, BODY)[:-1]},
        {"x-ramp-signature": sign(SECRET, BODY) + "0"},
        {"x-ramp-signature": f"sha1={sign(SECRET, BODY)}"},
        {"x-ramp-signature": "\udcff\u00e9\u0661"},
        {"x-hub-signature": sign(SECRET, BODY)},
        {"x-ramp-signature": sign(SECRET, BODY), "x-ramp-webhook-id": "evt_2"},
    ],
)
def test_forged_ones_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedWebhook) as caught:
        verify(headers)
    assert "canary" not in everything_said(caught.value)


def test_every_flipped_bit_is_noticed() -> None:
    genuine = sign(SECRET, BODY)
    for value in (genuine.encode(), base64.b64encode(digest())):
        assert isinstance(verify({"x-ramp-signature": value.decode()}), Event)
        for bit in range(len(value) * 8):
            flipped = bytearray(value)
            flipped[bit // 8] ^= 1 << (bit % 8)
            if bytes(flipped).decode("latin-1").strip() == value.decode():
                continue
            with pytest.raises(ForgedWebhook):
                verify({"x-ramp-signature": bytes(flipped).decode("latin-1")})
    for bit in range(len(BODY) * 8):
        body = bytearray(BODY)
        body[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(ForgedWebhook):
            verify({"x-ramp-signature": genuine}, bytes(body))


def test_a_thousand_random_forgeries() -> None:
    chance = random.Random(20261121)
    names = ["x-ramp-signature", "x-ramp-webhook-signature", "x-ramp-webhook-id", "content-type", "x-forwarded-for"]
    shapes: list[Callable[[], bytes]] = [
        lambda: chance.randbytes(chance.randrange(0, 200)),
        lambda: BODY[: chance.randrange(len(BODY))],
        lambda: json.dumps(
            {"id": chance.random(), "type": chance.choice(EVENTS), "object": chance.choice([None, [], {"id": 7}])}
        ).encode(),
        lambda: json.dumps(
            {
                "type": "webhooks.verification",
                "challenge": chance.choice([None, 7, "", "<script>", "a b", "x" * 300, []]),
            }
        ).encode(),
        lambda: b"[" * chance.randrange(1, 100_000),
        lambda: b'{"id": NaN, "type": 1e999, "id": 2}',
    ]
    values: list[Callable[[], str]] = [
        lambda: chance.randbytes(32).hex(),
        lambda: base64.b64encode(chance.randbytes(32)).decode(),
        lambda: "".join(map(chr, (chance.randrange(1, 0xD800) for _ in range(chance.randrange(80))))),
        lambda: f"sha256={sign('guess', BODY)}",
        lambda: "",
    ]
    for _ in range(1000):
        headers = {name: chance.choice(values)() for name in chance.sample(names, chance.randrange(len(names)))}
        secrets = {"webhook_secret": SECRET} if chance.random() < 0.9 else {}
        with pytest.raises((ForgedWebhook, SettingMissing)):
            verify(headers, chance.choice(shapes)(), secrets)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"id": 1, "type": "x"}',
        b'{"id": "evt_1"}',
        b'{"id": "a b", "type": "x"}',
        b'{"id": "e", "type": "\\u001b[31m"}',
        b"\xff",
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(ForgedWebhook) as caught:
        verify({"x-ramp-signature": sign(SECRET, body)}, body)
    assert str(caught.value) == "acme/ramp: a signed body that is no Ramp event: no plain `id` and `type`"


@pytest.mark.parametrize("about", [None, [], {}, {"id": 7}, {"id": "../x y"}])
def test_an_event_that_names_no_object_is_a_hint_without_one(about: object) -> None:
    body = json.dumps({"id": "evt_1", "type": "bills.paid", "object": about}).encode()
    assert verify({"x-ramp-signature": sign(SECRET, body)}, body) == Event("evt_1", "bills.paid", None)


def test_a_huge_body_is_refused_before_it_is_hashed() -> None:
    body = b" " * (1024 * 1024 + 1)
    with pytest.raises(ForgedWebhook) as caught:
        verify({"x-ramp-signature": sign(SECRET, body)}, body)
    assert str(caught.value) == "acme/ramp: a webhook of more than 1,048,576 bytes"


CHALLENGE = "ramp_challenge_a8f5f167f44f4964e6c998dee827110c"


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "webhooks.verification", "challenge": CHALLENGE},
        {"type": "webhooks.verification", "object": {"challenge": CHALLENGE}},
        {"id": "evt_0", "type": "webhooks.verification", "object": {"id": "w", "challenge": CHALLENGE}},
    ],
)
def test_a_challenge_is_echoed_signed_or_not_and_before_the_secret_is_known(payload: object) -> None:
    body = json.dumps(payload).encode()
    expected = Handshake(CHALLENGE, {"challenge": CHALLENGE}, confirm=True)
    assert verify({}, body) == expected
    assert verify({}, body, {}) == expected
    assert verify({"x-ramp-signature": sign(SECRET, body)}, body) == expected


def test_a_challenge_of_another_type_is_no_handshake() -> None:
    body = json.dumps({"id": "evt_1", "type": "bills.paid", "challenge": CHALLENGE}).encode()
    with pytest.raises(ForgedWebhook):
        verify({}, body)


# --- subscriptions -------------------------------------------------------------------------------------------------------


def created(request: httpx.Request) -> httpx.Response:
    events = json.loads(request.content).get("event_types")
    if request.url.path.endswith("/verify"):
        return reply(200, {"success": json.loads(request.content)["challenge"] == CHALLENGE})
    return reply(201, {"id": uuid(3), "status": "pending_verification", "secret": SECRET, "event_types": events})


def test_a_subscription_is_made_and_verified() -> None:
    ramp = FakeRamp()
    ramp.before = created
    source = ramp.source()
    made = source.subscribe("https://hooks.example.com/ramp")
    assert (made.id, made.status, made.secret) == (uuid(3), "pending_verification", SECRET)
    assert "canary" not in repr(made)
    assert json.loads(ramp.script.requests[1].content) == {
        "endpoint_url": "https://hooks.example.com/ramp",
        "event_types": list(EVENTS),
    }
    source.verify_subscription(made.id, CHALLENGE)
    with pytest.raises(Rejected) as caught:
        source.verify_subscription(made.id, "other")
    assert str(caught.value) == (
        f"acme/ramp: POST /developer/v1/webhooks/{uuid(3)}/verify: 200 (trace trace-1): Ramp does not accept the challenge"
    )


def test_events_of_the_profile_only() -> None:
    ramp = FakeRamp()
    ramp.before = created
    with pytest.raises(Rejected) as caught:
        ramp.source(api_profile="2025-08").subscribe("https://hooks.example.com/ramp", ["bills.ready_to_sync"])
    assert str(caught.value) == "acme/ramp: there is no event `bills.ready_to_sync`"
    made = ramp.source().subscribe("https://hooks.example.com/ramp", ["bills.ready_to_sync"])
    assert made.id == uuid(3)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(reply(201, {"id": uuid(3), "status": "x"}), BadAnswer), (reply(504, {}), Ambiguous), (reply(400, {}), Rejected)],
)
def test_subscriptions_that_fail(answer: httpx.Response, kind: type[FlowctlError]) -> None:
    ramp = FakeRamp()
    ramp.before = lambda _: answer
    with pytest.raises(kind):
        ramp.source().subscribe("https://hooks.example.com/ramp")


def test_subscriptions_agree_with_ramps_own_description() -> None:
    api = ramp_2025()
    ramp = FakeRamp()
    ramp.before = created
    source = ramp.source(api_profile="2025-08")
    source.verify_subscription(source.subscribe("https://hooks.example.com/ramp").id, CHALLENGE)
    assert len(ramp.script.requests) == 3
    for request in ramp.script.requests:
        api.check_request(request.method, request.url.path, "", request.content, request.headers["content-type"])
