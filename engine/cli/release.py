"""`flowctl release`: records that are held back may go."""

from __future__ import annotations

from typing import Unpack

import click

from engine.cli import acting


@click.command()
@acting.options
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option(
    "--same",
    is_flag=True,
    help="You looked: what another account lists under the id of these is the same record, and is taken in.",
)
def command(*, same: bool, **given: Unpack[acting.Given]) -> int:
    """Release records that are held back: what is prepared for them is sent at the next contact.

    With --same, records that stay as they are since another account was connected are read from that one.

    A record is named by its number, its id in the source, or its reference; or all are meant that the options let pass.

    Example: flowctl release INV-1042
    """
    if same:
        return acting.run(given, "same", "read from the account that is connected now", asks=True)
    return acting.run(given, "release", "released", asks=True)
