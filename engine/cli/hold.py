"""`flowctl hold`: a person holds records back."""

from __future__ import annotations

from typing import Unpack

import click

from engine.cli import acting


@click.command()
@acting.options
@click.option("--reason", required=True, help="Why; kept in the journal, and shown with the record.")
def command(**given: Unpack[acting.Given]) -> int:
    """Hold records back: whatever becomes of them, they are not sent until they are released.

    A record is named by its number, its id in the source, or its reference; or all are meant that the options let pass.
    One that is under way, or posted, is refused, with the reason.

    Example: flowctl hold INV-1042 --reason "the vendor sends a corrected one"
    """
    return acting.run(given, "hold", "held back", asks=False)
