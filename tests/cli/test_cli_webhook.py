from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from connectors.freshbooks.simulator import app
from connectors.freshbooks.simulator.records import Callback
from engine.cli import office
from engine.clock import SystemClock
from engine.serving import running
from engine.simulated import Called
from engine.store import companies, journal
from tests.cli.cli_kit import Cli, Ran


def test_a_subscription_is_made_and_its_secret_kept(cli: Cli) -> None:
    from connectors.bill import CONNECTOR

    sandbox = CONNECTOR.sandbox(1, SystemClock(), {"bills": 1})
    assert isinstance(sandbox, Called)
    with running(sandbox.app()) as address:
        settings, secrets = sandbox.binding(address)
        files = []
        for name, secret in secrets.items():
            (cli.home.parent / name).write_text(secret)
            files += ["--secret-file", f"{name}={cli.home.parent / name}"]
        cli.ok("company", "add", "main")
        given = [text for name, value in settings.items() for text in ("--set", f"{name}={value}")]
        cli.ok("connect", "bill", *given, *files)
        made = cli.ok("webhook", "bill", "--url", "https://sync.acme.example")
        shown = made.out + made.err
        assert "main/bill: BILL calls https://sync.acme.example/webhooks/main/bill from now on: " in shown
        assert "(enabled)" in shown
        with office.opened(cli.home) as world:
            _, binding = world.bound("main", "bill")
        assert binding.secrets["webhook_key"]
        assert binding.secrets["webhook_key"] not in shown


def test_what_cannot_be_subscribed_to(cli: Cli) -> None:
    cli.ok("company", "add", "main")
    wrong = cli("webhook", "bill", "--url", "http://sync.acme.example")
    assert wrong.text() == (
        "[2]\n--\nerror: --url: `http://sync.acme.example` is no https address of a server\n"
        "  hint: https://sync.acme.example\n"
    )
    absent = cli("webhook", "bill", "--url", "https://sync.acme.example")
    assert absent.status == 2


def test_callbacks_for_the_events_of_flows_are_verified_by_the_server(cli: Cli) -> None:
    from connectors.freshbooks import CONNECTOR
    from engine.desk import StoreOutbox
    from engine.server import Server
    from engine.service import Service

    sandbox = CONNECTOR.sandbox(1, SystemClock(), {"bills": 1})
    sandbox.simulator.world.options = replace(sandbox.simulator.world.options, verifier="")
    with running(app(sandbox.simulator)) as address:  # it delivers when the test says so
        settings, secrets = sandbox.binding(address)
        env = {
            f"FLOWCTL_SECRET_FRESHBOOKS_{name}".upper(): secret
            for name, secret in secrets.items()
            if name != "webhook_verifiers"
        }
        given = [text for name, value in settings.items() for text in ("--set", f"{name}={value}")]
        cli.ok("connect", "freshbooks", "freshbooks", *given, env=env)
        url = "https://sync.acme.example"
        first = cli.ok("webhook", "freshbooks", "--url", url)
        made = list(sandbox.simulator.world.callbacks.values())
        assert first.text() == "[0]\n--\n" + shown(made, "not verified yet")
        with office.opened(cli.home) as world:
            service = Service(world, {})
            server = Server(world, {}, StoreOutbox(world, {}, service.poke), service.poke)
            sandbox.simulator.deliver(
                lambda one: server.take_event("main", "freshbooks", dict(one.headers), one.body).status
            )
            service.tick()
            _, binding = world.bound("main", "freshbooks")
        assert sorted(binding.secrets["webhook_verifiers"].split()) == sorted(one.verifier for one in made)
        again = cli.ok("webhook", "freshbooks", "--url", url)
        assert again.text() == "[0]\n--\n" + shown(made, "verified")
        assert not any(one.verifier in again.text() + first.text() for one in made)


def shown(made: list[Callback], state: str) -> str:
    address = "https://sync.acme.example/webhooks/main/freshbooks"
    lines = [
        f"main/freshbooks: FreshBooks calls {address} from now on: {one.id} ({one.event}: {state})\n" for one in made
    ]
    lines.append("FreshBooks asks a new address first whether it is ours; `flowctl serve` answers and confirms it\n")
    return "".join(lines)


# --- what came


def posted(cli: Cli, *bodies: Mapping[str, object], secret: str = "hush") -> None:
    """Ramp posts events to the server."""
    from connectors.ramp.webhooks import sign
    from engine.cli.common import programs
    from engine.store.hooks import Endpoint
    from engine.webhooks.hookintake import Call, Intake

    with office.opened(cli.home) as world:
        intake = Intake(world, programs(("ramp_to_quickbooks",)))
        for body in bodies:
            raw = json.dumps(body).encode()
            intake.take([Call(Endpoint("main", "ramp"), {"x-ramp-signature": sign(secret, raw)}, raw)])
        intake.flush()


@pytest.fixture
def ramp(cli: Cli) -> Cli:
    """Ramp is connected, and three events came, one of them twice."""
    env = {"CLIENT_ID": "c", "CLIENT_SECRET": "x", "WEBHOOK_SECRET": "hush"}
    cli.ok("connect", "ramp", env={f"FLOWCTL_SECRET_RAMP_{name}": secret for name, secret in env.items()})
    with office.opened(cli.home) as world, world.store.write() as tx:  # a flow that lacks a connection is not run
        companies.put_connection(tx, "main", "books", "qbwc", {}, world.at())
    cleared = {"id": "e-1", "type": "transactions.cleared", "object": {"id": "t-1"}}
    posted(cli, cleared, cleared, {"id": "e-2", "type": "cards.activated", "object": {"id": "c-1"}})
    posted(cli, {"id": "e-3", "type": "bills.approved"}, secret="forged")
    return cli


def rows(ran: Ran) -> list[tuple[object, ...]]:
    names = ("id", "connection", "type", "event_id", "object_id", "times", "streams")
    return [tuple(row[name] for name in names) for row in ran.json()]


ONE: tuple[object, ...] = (1, "ramp", "transactions.cleared", "e-1", "t-1", 2, ["ramp_to_quickbooks/transactions"])
TWO: tuple[object, ...] = (2, "ramp", "cards.activated", "e-2", "c-1", 1, [])


def test_what_came_is_listed(ramp: Cli) -> None:
    assert rows(ramp.ok("webhook", "list", "--format", "json")) == [TWO, ONE]
    for filters, found in (
        (["ramp"], [TWO, ONE]),
        (["bill"], []),
        (["--again"], [ONE]),
        (["--idle"], [TWO]),
        (["--find", "e-1"], [ONE]),
        (["--find", "c-1"], [TWO]),
        (["--limit", "1"], [TWO]),
    ):
        assert rows(ramp.ok("webhook", "list", *filters, "--format", "json")) == found
    lines = ramp.ok("webhook", "list").out.splitlines()
    assert [re.split(r" {2,}", line.strip())[2:] for line in lines] == [
        ["connection", "event", "object", "times", "brought forward"],
        ["ramp", "cards.activated", "c-1", "1", "nothing"],
        ["ramp", "transactions.cleared", "t-1", "2", "ramp_to_quickbooks/transactions"],
    ]
    assert ramp.ok("webhook", "list", "bill").text() == "[0]\n--\nno webhook is like this\n"


def test_one_is_shown_with_its_body(ramp: Cli) -> None:
    shown = ramp.ok("webhook", "show", "1").out
    assert re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", shown) == (
        "id: 1\nconnection: ramp\ntype: transactions.cleared\nevent_id: e-1\nobject_id: t-1\nreceived_at: TIME\n"
        "times: 2\nlast_at: TIME\nsize: 70\n"
        "brought forward: ramp_to_quickbooks/transactions, not read yet\n"
        'body:\n  {\n    "id": "e-1",\n    "type": "transactions.cleared",\n    "object": {\n      "id": "t-1"\n    }\n  }\n'
    )
    assert ramp.ok("webhook", "show", "2", "--format", "json").json()["became"] == []
    assert ramp("webhook", "show", "9").text() == (
        "[2]\n--\nerror: main: there is no webhook 9\n  hint: `flowctl webhook list` shows them\n"
    )


def test_one_is_taken_again(ramp: Cli) -> None:
    said = "[0]\n--\nramp_to_quickbooks/transactions: read at the server's next look, or with `flowctl run`\n"
    assert ramp("webhook", "replay", "1", "--reason", "we were down").text() == said
    none = ramp("webhook", "replay", "2")
    assert (none.status, none.err.splitlines()[0]) == (
        2, "error: no flow here waits for `cards.activated` of `ramp`",
    )  # fmt: skip
    with office.opened(ramp.home) as world, world.store.read() as tx:
        lines = [json.loads(one["detail"]) for one in journal.lines(tx, "main") if one["event"] == "webhook_replayed"]
    assert lines == [
        {
            "webhook": 1, "connection": "ramp", "event": "e-1", "type": "transactions.cleared",
            "streams": ["ramp_to_quickbooks/transactions"], "why": "we were down",
        }
    ]  # fmt: skip


def test_how_webhooks_stand(ramp: Cli) -> None:
    ramp.ok("connect", "ramp", env={"FLOWCTL_SECRET_RAMP_WEBHOOK_SECRET": "newer"})
    shown = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", ramp.ok("webhook", "health").out)
    assert shown == (
        "ramp (Ramp): https://YOUR-SERVER/webhooks/main/ramp\n"
        "  last: cards.activated at TIME, number 2\n"
        "  webhook_secret_previous is accepted until TIME\n"
        "  in the last 7 days 1 came again, and changed nothing; the last at TIME\n"
        "  in the last 7 days 1 had a wrong signature, or none; the last at TIME\n"
    )
    assert ramp("webhook", "retire", "ramp").text() == "[0]\n--\nmain/ramp: gone: webhook_secret_previous\n"
    assert "webhook_secret_previous" not in ramp.ok("webhook", "health", "ramp").out
    assert ramp("webhook", "retire", "ramp").text() == (
        "[2]\n--\nerror: main/ramp: no webhook secret before the present one is accepted\n  hint: nothing is to be done\n"
    )
    assert ramp("webhook", "health", "bill").status == 2


def test_handshakes_can_be_awaited_without_a_subscription_of_ours(ramp: Cli) -> None:
    said = "[0]\n--\nmain/ramp: handshakes at /webhooks/main/ramp are believed for an hour\n"
    assert ramp("webhook", "expect", "ramp").text() == said
    from engine.desk import StoreOutbox
    from engine.server import Server

    with office.opened(ramp.home) as world:
        server = Server(world, {}, StoreOutbox(world, {}))
        reply = server.take_event(
            "main", "ramp", {}, b'{"type":"webhooks.verification","challenge":"ramp_challenge_0"}'
        )
    assert (reply.status, reply.body) == (200, b'{"challenge": "ramp_challenge_0"}')


@pytest.mark.parametrize("name", ["ramp", "bill", "freshbooks"])
def test_the_vendor_is_asked_how_its_subscriptions_stand(cli: Cli, name: str) -> None:
    from engine.registry import find

    connector: Any = find(name)
    sandbox = connector.sandbox(1, SystemClock(), {"bills": 1})
    with running(sandbox.app()) as address:
        settings, secrets = sandbox.binding(address)
        hidden = {field.name for field in connector.spec.settings if field.secret}
        secrets |= {key: value for key, value in settings.items() if key in hidden}
        env = {f"FLOWCTL_SECRET_{name}_{key}".upper(): secret for key, secret in secrets.items()}
        open_ = {key: value for key, value in settings.items() if key not in hidden}
        cli.ok(
            "connect", name, *(text for key, value in open_.items() for text in ("--set", f"{key}={value}")), env=env
        )
        before = cli("webhook", "health", name, "--ask")
        cli.ok("webhook", name, "--url", "https://sync.acme.example")
        after = cli("webhook", "health", name, "--ask")
    url = f"https://sync.acme.example/webhooks/main/{name}"
    assert before.status == 1
    assert url not in before.out
    assert after.out.splitlines()[0] == f"{name} ({connector.spec.title}): {url}"
    listed = [line for line in after.out.splitlines() if line.startswith("    ") and line.endswith(url)]
    assert listed
    # BILL asks for no handshake; the others wait for theirs, which no server of ours answers here.
    assert after.status == (0 if name == "bill" else 1)
