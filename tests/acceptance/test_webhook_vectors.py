"""Signed calls as foreign vectors have them, through the whole intake: taken, taken once, and refused with any byte changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.clock import iso
from engine.connections.connecting import connect
from engine.store.hooks import Endpoint
from engine.testing import FakeClock, memory_world
from engine.webhooks import hookintake, rotation
from engine.webhooks.hookintake import Call, Intake
from engine.world import World
from tests.engine import kit
from tests.reference import reference

BILL = {"organization_id": "00801AAAAAAAAAAAAAAA", "username": "u", "environment": "sandbox"}


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(hookintake, "BELIEVED_S", -1.0)  # the clock of the test passes a week at once
    made = memory_world()
    yield made
    made.store.close()


def vector(vendor: str) -> dict[str, Any]:
    path = reference(vendor, "webhook_signature_vector.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def status(world: World, name: str, headers: dict[str, str], body: bytes) -> int:
    return Intake(world, {}).take([Call(Endpoint("acme", name), headers, body)])[0].status


def test_bills_vector_while_its_key_is_rotated(world: World) -> None:
    given = vector("bill")
    headers, body = {"x-bill-sha-signature": given["x-bill-sha-signature"]}, given["body"].encode()
    secrets = {"password": "p", "dev_key": "d"}
    connect(world, "acme", "bill", "bill", BILL, secrets)
    assert status(world, "bill", headers, body) == 503  # no key is known: ours to mend
    connect(world, "acme", "bill", "bill", {}, {"webhook_key": given["securityKey"]})
    assert status(world, "bill", headers, body) == 200
    connect(world, "acme", "bill", "bill", {}, {"webhook_key": "another"})
    assert status(world, "bill", headers, body) == 200
    assert isinstance(world.clock, FakeClock)
    with world.store.read() as tx:
        end = iso(world.clock.now() + rotation.ACCEPTED)
        assert rotation.ends(tx, "acme", "bill") == {"webhook_key_previous": end}
    for place in range(0, len(body), 7):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert status(world, "bill", headers, changed) == 401
    world.clock.sleep(rotation.ACCEPTED.total_seconds())
    assert status(world, "bill", headers, body) == 401


def test_freshbooks_vectors(world: World) -> None:
    given = vector("freshbooks")
    settings = {"client_id": "c", "redirect_uri": "https://acme.example/done"}
    connect(world, "acme", "fb", "freshbooks", settings, {"client_secret": "s", "webhook_verifiers": given["verifier"]})
    plain = (given["body"], given["X-FreshBooks-Hmac-SHA256"])
    for text, signature in (plain, (given["non_ascii"]["body"], given["non_ascii"]["sig"])):
        headers, body = {"x-freshbooks-hmac-sha256": signature}, text.encode()
        assert status(world, "fb", headers, body) == 200
        for place in range(0, len(body), 3):
            changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            assert status(world, "fb", headers, changed) in (400, 401), changed


@pytest.mark.parametrize("name", ["ramp", "bill", "fb"])
def test_an_address_without_a_connection_tells_nothing(world: World, name: str) -> None:
    assert status(world, name, {}, b'{"type":"webhooks.verification","challenge":"c-1"}') == 401
