"""`flowctl webhook`: asks a vendor to call our server, and keeps the secret that its calls are signed with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.abilities import Subscribed
    from engine.contract import Binding, Connector
    from engine.world import World


@click.command()
@click.argument("connection")
@click.option("--url", required=True, help="https address of this server, as the vendor reaches it, without a path.")
@common.home_option
@common.company_option
def command(connection: str, url: str, home: Path, company: str) -> int:
    """Create a webhook subscription and keep its secret, which the vendor shows only once and nobody needs to see.

    The secret before it is accepted as well from then on, until it is taken out with `flowctl connect`. Where the vendor
    wants its address confirmed, `flowctl serve` must run: the vendor calls it, and it confirms by itself.

    Example: flowctl webhook bill --company acme --url https://sync.acme.example
    """
    from engine import confirming
    from engine.abilities import Subscribing
    from engine.handshakes import ByEvent, Confirms

    if not url.startswith("https://") or url.rstrip("/").count("/") != 2:
        raise UsageError(f"--url: `{url[:80]}` is no https address of a server", hint="https://sync.acme.example")
    address = f"{url.rstrip('/')}/webhooks/{company}/{connection}"
    with office.opened(home) as world:
        connector, binding = world.bound(company, connection)
        opened = world.open(company, connection)
        try:
            if not isinstance(opened, Subscribing):
                raise UsageError(
                    f"{company}/{connection}: {connector.spec.title} takes no subscription from here",
                    hint="the connector's page in the documentation says how its webhooks are set up, if it has any",
                )
            confirms = isinstance(opened, Confirms)
            if confirms:  # its handshake may come before its answer does
                confirming.expect(world, company, connection)
            events = _events(world, company, connection) if isinstance(opened, ByEvent) else ()
            result = opened.subscribe(address, events)
        finally:
            close = getattr(opened, "close", None)
            if callable(close):
                close()
        made = list(result) if isinstance(result, Sequence) else [result]
        _keep(world, connector, binding, made)
    for one in made:
        office.say(
            f"{company}/{connection}: {connector.spec.title} calls {address} from now on: {one.id} ({one.status})"
        )
    if confirms:
        office.say(
            f"{connector.spec.title} asks a new address first whether it is ours; `flowctl serve` answers and confirms it"
        )
    return 0


# What connectors call the secret of their webhooks.
_SECRETS = frozenset({"webhook_secret", "webhook_key"})


def _events(world: World, company: str, connection: str) -> tuple[str, ...]:
    """The events that the company's flows wait for; none when no flow of its connections does."""
    from engine.binding import bound_flow
    from engine.store import companies

    with world.store.read() as tx:
        there = {row["connection"]: row["connector"] for row in companies.connections(tx, company)}
    events = {
        event
        for flow in (bound_flow(one, there) for one in office.flows())
        if all(there.get(wanted.name) == wanted.connector for wanted in flow.connections)
        for stream in flow.streams
        if stream.fetch.connection == connection
        for event in stream.trigger.webhooks
    }
    return tuple(sorted(events))


def _keep(world: World, connector: Connector, binding: Binding, made: Sequence[Subscribed]) -> None:
    """Keep the secret of a subscription; one whose secret comes with the handshake has none yet."""
    from engine.connecting import connect

    name = next((f.name for f in connector.spec.settings if f.secret and f.name in _SECRETS), None)
    given = next((one.secret for one in made if one.secret), "")
    if name is None or not given:
        return
    secrets = {name: given}
    before = binding.secrets.get(name)
    if before and before != given:
        secrets[f"{name}_previous"] = before
    connect(world, binding.company, binding.connection, connector.spec.name, {}, secrets)
