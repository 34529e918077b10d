"""`flowctl disconnect`: forget a connection, with its settings, secrets and tokens."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


@click.command(short_help="Forget a connection of a company, with its secrets.")
@click.argument("connection")
@common.home_option
@common.company_option
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(connection: str, home: Path, company: str, reason: str, yes: bool) -> int:
    """Forget a connection: its settings, secrets and tokens. What was posted over it stays posted.

    It is refused while it is not known what became of a document that was sent.

    Example: flowctl disconnect freshbooks --company acme
    """
    from engine.connections import disconnecting
    from engine.errors import NotConnected
    from engine.store import companies

    with office.opened(home) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
            if tx.one("connection_get", {"company": company, "connection": connection}) is None:
                raise NotConnected(company, connection)
        if not yes:
            common.confirm(f"Disconnect {company}/{connection}, and forget its secrets?")
        with world.store.write(company) as tx:
            left = disconnecting.disconnect(tx, office.hand(world, company), connection, reason)
    click.echo(f"{company}/{connection}: disconnected from {left.connector}")
    if left.waiting:
        office.say(f"{office.counted(left.waiting, 'document')} that waited to be sent will be prepared anew")
    return 0
