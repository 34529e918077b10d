"""Handshakes of webhooks: kept when they come, confirmed by the worker, and nothing kept of a forged one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from connectors.freshbooks import CONNECTOR as FRESHBOOKS
from connectors.freshbooks.sandbox import FreshBooksSandbox
from connectors.ramp import CONNECTOR as RAMP
from connectors.ramp.sandbox import RampSandbox
from engine.clock import SystemIds
from engine.connections.connecting import connect
from engine.desk import StoreOutbox
from engine.health import Finding, _handshakes
from engine.server import Server
from engine.service import Service
from engine.store import companies, journal, work
from engine.store.hooks import Endpoint
from engine.vault import Vault
from engine.webhooks import confirming
from engine.webhooks.hookintake import Call, Intake
from engine.world import World
from tests import stores
from tests.connectors.http_kit import ManualClock
from tests.engine import kit

URL = "https://sync.example.com/webhooks/acme/{}"
VERIFY = b"name=callback.verify&object_id=%d&verifier=%s"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@dataclass
class Office:
    """A store with a FreshBooks and a Ramp connection, their simulators, and the server that they call."""

    clock: ManualClock = field(default_factory=ManualClock)
    down: list[str] = field(default_factory=list)
    posted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.freshbooks: FreshBooksSandbox = FRESHBOOKS.sandbox(3, self.clock, {"bills": 1, "options": {}})
        self.freshbooks.simulator.world.options = kit_options(self.freshbooks)
        self.ramp: RampSandbox = RAMP.sandbox(3, self.clock, {"bills": 1})
        self.ramp.simulator.world.subscriptions.clear()
        transports = {
            "freshbooks": self.guarded("freshbooks", self.freshbooks.transport()),
            "ramp": self.guarded("ramp", self.ramp.transport()),
        }
        self.world = World(stores.empty(), Vault(b"k" * 32), self.clock, SystemIds(), transports)
        for name, sandbox in (("freshbooks", self.freshbooks), ("ramp", self.ramp)):
            settings, secrets = sandbox.binding("http://127.0.0.1:1")
            secrets = {key: value for key, value in secrets.items() if not key.startswith("webhook")}
            connect(self.world, "acme", name, name, settings, secrets)
        self.service = Service(self.world, {})
        outbox = StoreOutbox(self.world, {}, self.service.poke)
        self.server = Server(self.world, {}, outbox, self.service.poke)

    def guarded(self, name: str, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        def answer(request: httpx.Request) -> httpx.Response:
            if name in self.down:
                raise httpx.ConnectError("down")
            return inner.handle_request(request)

        return httpx.MockTransport(answer)

    def subscribe(self, name: str, *events: str) -> None:
        """What `flowctl webhook` does."""
        confirming.expect(self.world, "acme", name)
        opened = self.world.open("acme", name)
        opened.subscribe(URL.format(name), events)
        opened.close()

    def take(self, name: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        return self.server.take_event("acme", name, dict(headers or {}), body).status

    def deliver(self, name: str) -> list[int]:
        """The vendor posts what is due; what it was answered."""
        found: list[int] = []
        sandbox: Any = self.freshbooks if name == "freshbooks" else self.ramp

        def take(delivery: Any) -> int:
            found.append(self.take(name, delivery.body, {k.lower(): v for k, v in dict(delivery.headers).items()}))
            return found[-1]

        sandbox.simulator.deliver(take)
        return found

    def verifiers(self) -> list[str]:
        with self.world.store.read() as tx:
            return (companies.secret(tx, self.world.vault, "acme", "freshbooks", "webhook_verifiers") or "").split()

    def alerts(self) -> list[tuple[str, str, str, str]]:
        with self.world.store.read() as tx:
            return [(row["kind"], row["subject"], row["message"], row["hint"]) for row in work.alerts(tx, "acme")]

    def waiting(self, name: str = "freshbooks") -> int:
        with self.world.store.read() as tx:
            return confirming.waiting(tx, "acme", name).count


def kit_options(sandbox: FreshBooksSandbox) -> Any:
    """Every callback has a verifier of its own, as FreshBooks' have."""
    from dataclasses import replace

    return replace(sandbox.simulator.world.options, verifier="")


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    yield made
    made.world.store.close()


def verified(office: Office) -> list[tuple[str, bool]]:
    return [(made.event, made.verified) for made in office.freshbooks.simulator.world.callbacks.values()]


def test_several_callbacks_are_confirmed_and_then_believed(office: Office) -> None:
    office.subscribe("freshbooks", "bill.create", "bill.update", "bill.delete", "expense.create")
    assert office.deliver("freshbooks") == [200, 200]
    assert verified(office) == [("bill", False), ("expense.create", False)]  # nothing is called while FreshBooks waits
    assert office.verifiers() == []
    office.service.tick()
    assert verified(office) == [("bill", True), ("expense.create", True)]
    made = [callback.verifier for callback in office.freshbooks.simulator.world.callbacks.values()]
    assert sorted(office.verifiers()) == sorted(made)
    assert office.waiting() == 0
    with office.freshbooks.simulator.changing() as world:
        world.edit_bill(next(iter(world.bills)), number="B-2")
    assert office.deliver("freshbooks") == [200]
    assert office.alerts() == []


def test_what_is_kept_shows_no_verifier(office: Office) -> None:
    office.subscribe("freshbooks", "bill")
    office.deliver("freshbooks")
    (made,) = office.freshbooks.simulator.world.callbacks.values()
    dump = stores.dump(office.world.store)
    assert made.verifier not in dump
    assert made.verifier.encode().hex() not in dump.lower()
    office.service.tick()
    with office.world.store.read() as tx:
        lines = [(line["event"], line["detail"]) for line in journal.lines(tx, "acme")]
    assert lines[-1] == ("webhook_confirmed", f'{{"connection":"freshbooks","subscription":"{made.id}"}}')


def test_the_same_handshake_twice_is_confirmed_once(office: Office) -> None:
    office.subscribe("freshbooks", "bill")
    (delivery,) = office.freshbooks.simulator.world.deliveries
    assert [office.take("freshbooks", delivery.body) for _ in range(2)] == [200, 200]
    assert office.waiting() == 1
    office.service.tick()
    calls = office.freshbooks.simulator.tally.kinds["PUT events/callbacks/{}"]
    assert office.take("freshbooks", delivery.body) == 200
    office.service.tick()
    assert office.freshbooks.simulator.tally.kinds["PUT events/callbacks/{}"] == calls == 1
    assert len(office.verifiers()) == 1


def test_a_handshake_before_the_command_has_returned(office: Office) -> None:
    confirming.expect(office.world, "acme", "freshbooks")
    opened = office.world.open("acme", "freshbooks")
    original = opened._client.send

    def send(call: Any) -> Any:
        answer = original(call)
        if call.method == "POST" and "callbacks" in call.url:
            office.deliver("freshbooks")
            office.service.tick()
        return answer

    opened._client.send = send
    opened.subscribe(URL.format("freshbooks"), ["bill", "expense"])
    opened.close()
    assert verified(office) == [("bill", True), ("expense", True)]
    assert len(office.verifiers()) == 2


def test_a_forged_verifier_is_not_kept(office: Office) -> None:
    office.subscribe("freshbooks", "bill")
    (made,) = office.freshbooks.simulator.world.callbacks.values()
    assert office.take("freshbooks", VERIFY % (made.id, b"attackers-own")) == 200
    assert office.take("freshbooks", VERIFY % (999_999, b"attackers-own")) == 200
    office.service.tick()
    assert (office.verifiers(), office.waiting(), verified(office)) == ([], 0, [("bill", False)])
    ((kind, subject, message, hint),) = office.alerts()
    assert (kind, subject) == ("webhook", "freshbooks")
    assert "attackers-own" not in message
    assert hint == "run `flowctl webhook freshbooks --company acme --url ADDRESS` to have a genuine one sent again"
    office.deliver("freshbooks")
    office.service.tick()
    assert verified(office) == [("bill", True)]
    assert office.alerts() == []  # the genuine one ends the alert


def test_nobody_asked_for_it(office: Office) -> None:
    assert office.take("freshbooks", VERIFY % (1, b"attackers-own")) == 401
    assert office.waiting() == 0
    confirming.expect(office.world, "acme", "freshbooks")
    office.clock.sleep(confirming.EXPECTED_S + 1)
    assert office.take("freshbooks", VERIFY % (1, b"attackers-own")) == 401
    assert office.waiting() == 0


def test_only_so_many_wait(office: Office) -> None:
    confirming.expect(office.world, "acme", "freshbooks")
    answers = [office.take("freshbooks", VERIFY % (number, b"attackers-own")) for number in range(25)]
    assert answers == [200] * confirming.MOST_WAITING + [503] * 5
    assert office.waiting() == confirming.MOST_WAITING


def test_a_vendor_that_is_down_is_asked_again_for_a_day(office: Office) -> None:
    office.subscribe("freshbooks", "bill")
    office.deliver("freshbooks")
    office.down.append("freshbooks")
    office.service.tick()
    office.service.tick()  # not before it is due
    with office.world.store.read() as tx:
        assert confirming.waiting(tx, "acme", "freshbooks") == confirming.Waiting(1, 1)
    office.down.clear()
    office.clock.sleep(30)
    office.service.tick()
    assert verified(office) == [("bill", True)]


def test_what_a_clock_that_was_ahead_has_put_off_is_confirmed_once_the_clock_is_right(office: Office) -> None:
    office.clock.sleep(7200)
    office.subscribe("freshbooks", "bill")
    office.deliver("freshbooks")
    office.clock.elapsed_s -= 7200
    office.service.tick()
    assert (office.waiting(), verified(office)) == (0, [("bill", True)])


def test_the_doctor_says_that_one_waits(office: Office) -> None:
    office.subscribe("freshbooks", "bill")
    office.deliver("freshbooks")
    hint = "`flowctl serve` confirms them, unless it was started with --no-schedule; its log says what fails"
    assert list(_handshakes(office.world, "acme", "freshbooks")) == [
        Finding("warn", "acme/freshbooks", "1 handshake of a webhook waits to be confirmed, not tried yet", hint)
    ]
    office.service.tick()
    assert list(_handshakes(office.world, "acme", "freshbooks")) == []


def test_who_is_down_for_a_day_is_given_up(office: Office) -> None:
    office.subscribe("freshbooks", "bill")
    office.deliver("freshbooks")
    office.down.append("freshbooks")
    office.clock.sleep(25 * 3600)
    office.service.tick()
    assert office.waiting() == 0
    ((kind, _, message, _),) = office.alerts()
    assert kind == "webhook"
    assert message.startswith("a webhook was not confirmed: acme/freshbooks: ")


# --- Ramp: the challenge does not say which subscription it is of


def test_ramps_challenge_goes_back_to_the_subscription_it_is_of(office: Office) -> None:
    office.subscribe("ramp")
    office.subscribe("ramp")
    assert office.deliver("ramp") == [200, 200]
    states = [made.status for made in office.ramp.simulator.world.subscriptions.values()]
    assert states == ["pending_verification", "pending_verification"]
    office.service.tick()
    states = [made.status for made in office.ramp.simulator.world.subscriptions.values()]
    assert states == ["active", "active"]
    assert (office.waiting("ramp"), office.alerts()) == (0, [])


def test_a_forged_challenge_is_dropped(office: Office) -> None:
    office.subscribe("ramp")
    assert office.take("ramp", b'{"type":"webhooks.verification","challenge":"ramp_challenge_0"}') == 200
    office.service.tick()
    assert office.waiting("ramp") == 0
    assert [made.status for made in office.ramp.simulator.world.subscriptions.values()] == ["pending_verification"]
    assert [alert[:2] for alert in office.alerts()] == [("webhook", "ramp")]


def test_a_challenge_before_ramp_lists_its_subscription_waits(office: Office) -> None:
    confirming.expect(office.world, "acme", "ramp")
    assert office.take("ramp", b'{"type":"webhooks.verification","challenge":"ramp_challenge_0"}') == 200
    office.service.tick()
    assert (office.waiting("ramp"), office.alerts()) == (1, [])


def test_a_flood_of_handshakes_that_nobody_expects_is_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come unsigned: whoever finds the address must not fill the log, nor hold the store against the others."""
    office = Office()
    intake = Intake(office.world, {})
    calls = [Call(Endpoint("acme", "freshbooks"), {}, VERIFY % (n, b"attackers-own")) for n in range(1, 51)]
    monkeypatch.setattr(office.world.store, "write", lambda *_of: pytest.fail("a transaction that writes"))
    assert [answer.status for answer in intake.take(calls)] == [401] * 50
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["company"], line["connection"]) for line in lines] == [
        ("webhook refused", "acme", "freshbooks")
    ]
