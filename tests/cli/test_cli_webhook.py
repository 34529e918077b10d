from __future__ import annotations

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
