"""Webhooks: whose they are, the handshake of a callback, and how callbacks are registered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl

import httpx
import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.sandbox import VERIFIER
from connectors.freshbooks.simulator.records import Delivery
from connectors.freshbooks.spec import PARENTS
from connectors.freshbooks.webhooks import Verification, sign, verification
from engine.contract import Binding, Event, Handshake
from engine.errors import Ambiguous, BadAnswer, ForgedWebhook, Rejected, SettingMissing
from tests.connectors.freshbooks.freshbooks_kit import Place, opened, reply
from tests.reference import reference

BODY = b"name=bill.update&object_id=77&account_id=abc&business_id=1&identity_id=2&user_id=3"
URL = "https://sync.example.com/webhooks/acme/freshbooks"


def taker(posted: list[Delivery]) -> Callable[[Delivery], int]:
    """An endpoint that keeps what it is sent."""

    def take(delivery: Delivery) -> int:
        posted.append(delivery)
        return 200

    return take


def bound(verifiers: str = "old-verifier new-verifier") -> Binding:
    return Binding("acme", "freshbooks", {}, {"webhook_verifiers": verifiers} if verifiers else {})


def heard(body: bytes = BODY, signature: str | None = None, verifiers: str = "old-verifier new-verifier") -> object:
    headers = {"x-freshbooks-hmac-sha256": sign("new-verifier", body) if signature is None else signature}
    return CONNECTOR.verify(bound(verifiers), headers, body)


def test_the_vector() -> None:
    vector = json.loads(reference("freshbooks", "webhook_signature_vector.json").read_text())
    for body, signature in (
        (vector["body"], vector["X-FreshBooks-Hmac-SHA256"]),
        (vector["non_ascii"]["body"], vector["non_ascii"]["sig"]),
    ):
        assert sign(vector["verifier"], body.encode()) == signature
        found = heard(body.encode(), signature, vector["verifier"])
        assert isinstance(found, Event)
        assert (found.type, found.object_id) == ("bill.create", "1234567")


def test_any_flipped_bit_is_refused_unless_the_form_says_the_same() -> None:
    body = BODY + b"&note=caf%C3%A9+%22q%22"
    signature = sign("new-verifier", body)
    same = 0
    for at in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[at // 8] ^= 1 << at % 8
        try:
            heard(bytes(flipped), signature)
        except ForgedWebhook:
            continue
        # `%C3` and `%c3` are one character: what was signed is the form's content.
        assert parse_qsl(bytes(flipped).decode(), keep_blank_values=True) == parse_qsl(
            body.decode(), keep_blank_values=True
        )
        same += 1
    assert same == 2


def test_ids_are_all_that_is_read_and_no_delivery_is_taken_for_a_repetition() -> None:
    one, two = heard(), heard()
    assert isinstance(one, Event)
    assert isinstance(two, Event)
    assert (one.type, one.object_id) == (two.type, two.object_id) == ("bill.update", "77")
    assert one.id != two.id


def test_without_a_verifier_every_event_is_refused() -> None:
    with pytest.raises(SettingMissing):
        heard(verifiers="")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"x" * 70_000, "a webhook of more than 65,536 bytes"),
        (b"name=nothing&object_id=1", "a signed body that is no FreshBooks event: no plain `name`"),
        (b"", "a signed body that is no FreshBooks event: no plain `name`"),
        (b"\xff\xfe", "a signed body that is no FreshBooks event: no plain `name`"),
    ],
)
def test_bodies_that_are_no_event(body: bytes, said: str) -> None:
    with pytest.raises(ForgedWebhook) as caught:
        CONNECTOR.verify(bound(), {"x-freshbooks-hmac-sha256": sign("new-verifier", body)}, body)
    assert str(caught.value) == f"acme/freshbooks: {said}"


def test_noise_is_never_accepted() -> None:
    chance = random.Random(5)
    for _ in range(3000):
        body = chance.randbytes(chance.randrange(60)) if chance.random() < 0.5 else BODY[: chance.randrange(len(BODY))]
        given = chance.choice(("", "é", sign("new-verifie", body), sign("", body), chance.randbytes(20).hex()))
        with pytest.raises(ForgedWebhook):
            heard(body, given)


def test_an_object_that_cannot_be_an_id_is_left_out() -> None:
    found = heard(b"name=bill.update&object_id=../1")
    assert isinstance(found, Event)
    assert found.object_id is None


@pytest.mark.parametrize("verifiers", ["", "another-one"])
def test_a_verification_is_answered_before_anybody_knows_the_verifier(verifiers: str) -> None:
    body = b"name=callback.verify&object_id=2001&verifier=scADVVi5QuKuj5"
    assert heard(body, "", verifiers) == Handshake("scADVVi5QuKuj5", {"status": "received"}, "2001", confirm=True)
    assert verification(body) == Verification("2001", "scADVVi5QuKuj5")
    assert "scADV" not in repr(verification(body))


@pytest.mark.parametrize("body", [b"verifier=short&object_id=1", b"verifier=scADVVi5QuKuj5", BODY, b"\xff"])
def test_what_is_no_verification(body: bytes) -> None:
    assert verification(body) is None


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_the_whole_handshake() -> None:
    place = Place()
    posted: list[Delivery] = []
    with opened(place) as connection:
        made = connection.subscribe(URL)
        assert [callback.event for callback in made] == list(PARENTS)
        assert [callback.verified for callback in made] == [False] * 4
        place.simulator.deliver(taker(posted))
        found = [verification(delivery.body) for delivery in posted]
        confirmed = [connection.confirm(one.callback_id, one.verifier) for one in found if one]
        assert [callback.verified for callback in confirmed] == [True] * 4
        verifiers = " ".join(one.verifier for one in found if one)
        bill = place.bill()
        posted.clear()
        place.simulator.deliver(taker(posted))
        events = [CONNECTOR.verify(bound(verifiers), dict(one.headers), one.body) for one in posted]
        assert [(e.type, e.object_id) for e in events if isinstance(e, Event)][-1] == ("bill.create", bill)
        assert connection.subscribe(URL) == tuple(replace(callback, verified=True) for callback in made)


def test_a_verifier_of_somebody_else_is_refused() -> None:
    place = Place()
    with opened(place) as connection:
        (made,) = connection.subscribe(URL, ["bill"])
        with pytest.raises(Rejected, match="refused"):
            connection.confirm(made.id, "somebody-elses")
        place.before = lambda r: (
            reply(200, {"response": {"result": {"callback": {"callbackid": 1}}}}) if r.method == "PUT" else None
        )
        with pytest.raises(Rejected, match="FreshBooks does not know the verifier of callback 1"):
            connection.confirm(made.id, "somebody-elses")


def test_the_verifier_is_sent_again() -> None:
    place = Place(verifier=VERIFIER)
    with opened(place) as connection:
        (made,) = connection.subscribe(URL, ["bill.create"])
        assert connection.resend(made.id) == made
    posted: list[Delivery] = []
    place.simulator.deliver(taker(posted))
    assert [verification(delivery.body) for delivery in posted] == [Verification(made.id, VERIFIER)] * 2


@pytest.mark.parametrize(
    ("url", "events", "said"),
    [
        (URL, ["bill.paid"], "there is no event `bill.paid`"),
        ("http://sync.example.com/x", [], "FreshBooks calls only plain https:// addresses"),
        ("https://[", [], "FreshBooks calls only plain https:// addresses"),
    ],
)
def test_callbacks_that_are_not_asked_for(url: str, events: list[str], said: str) -> None:
    place = Place()
    with opened(place) as connection, pytest.raises(Rejected) as caught:
        connection.subscribe(url, events)
    assert str(caught.value) == f"acme/freshbooks: {said}"
    assert place.requests == []


def test_a_lost_answer_leads_to_no_second_callback() -> None:
    place = Place()

    def lose(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and "callbacks" in request.url.path:
            place.before = lambda _: None
            place.account("GET", "bills/bills")
            body = json.loads(request.content)
            place.call("POST", request.url.path, body)
            raise httpx.ReadError("gone")
        return None

    place.before = lose
    with opened(place) as connection:
        with pytest.raises(Ambiguous):
            connection.subscribe(URL, ["bill"])
        connection.subscribe(URL, ["bill"])
    assert len(place.world.callbacks) == 1


def test_a_callback_without_an_id() -> None:
    place = Place()
    place.before = lambda r: reply(200, {"response": {"result": {"callback": {}}}}) if r.method == "PUT" else None
    with opened(place) as connection, pytest.raises(BadAnswer, match="a callback without a `callbackid`"):
        connection.resend("1")
