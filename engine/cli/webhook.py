"""`flowctl webhook`: asks a vendor to call our server, and keeps the secret that its calls are signed with."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office
from engine.errors import UsageError


@click.command()
@click.argument("connection")
@click.option("--url", required=True, help="https address of this server, as the vendor reaches it, without a path.")
@common.home_option
@common.company_option
def command(connection: str, url: str, home: Path, company: str) -> int:
    """Create a webhook subscription and keep its secret, which the vendor shows only once and nobody needs to see.

    The secret before it is accepted as well from then on, until it is taken out with `flowctl connect`.

    Example: flowctl webhook bill --company acme --url https://sync.acme.example
    """
    from engine.connecting import connect
    from engine.contract import Subscribing

    if not url.startswith("https://") or url.rstrip("/").count("/") != 2:
        raise UsageError(f"--url: `{url[:80]}` is no https address of a server", hint="https://sync.acme.example")
    address = f"{url.rstrip('/')}/webhooks/{company}/{connection}"
    with office.opened(home) as world:
        connector, binding = world.bound(company, connection)
        name = next((f.name for f in connector.spec.settings if f.secret and f.name in _SECRETS), None)
        opened = world.open(company, connection)
        try:
            if name is None or not isinstance(opened, Subscribing):
                raise UsageError(
                    f"{company}/{connection}: {connector.spec.title} takes no subscription from here",
                    hint="the connector's page in the documentation says how its webhooks are set up, if it has any",
                )
            made = opened.subscribe(address)
        finally:
            close = getattr(opened, "close", None)
            if callable(close):
                close()
        secrets = {name: made.secret}
        before = binding.secrets.get(name)
        if before and before != made.secret:
            secrets[f"{name}_previous"] = before
        connect(world, company, connection, connector.spec.name, {}, secrets)
    office.say(f"{company}/{connection}: {connector.spec.title} calls {address} from now on: {made.id} ({made.status})")
    return 0


# What connectors call the secret of their webhooks.
_SECRETS = frozenset({"webhook_secret", "webhook_key"})
