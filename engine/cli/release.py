"""`flowctl release`: records that are held back may go."""

from __future__ import annotations

from typing import Unpack

import click

from engine.cli import acting


@click.command()
@acting.options
@click.option("--reason", default="", help="Why; kept in the journal.")
def command(**given: Unpack[acting.Given]) -> int:
    """Release records that are held back: what is prepared for them is sent at the next contact.

    A record is named by its number, its id in the source, or its reference; or all are meant that the options let pass.

    Example: flowctl release INV-1042
    """
    return acting.run(given, "release", "released", asks=True)
