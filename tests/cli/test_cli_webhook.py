from __future__ import annotations

from dataclasses import replace

from connectors.freshbooks.simulator import app
from connectors.freshbooks.simulator.records import Callback
from engine.cli import office
from engine.clock import SystemClock
from engine.serving import running
from engine.simulated import Called
from tests.cli.cli_kit import Cli


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
