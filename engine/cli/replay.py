"""`flowctl replay`: the same intent of a record goes on."""

from __future__ import annotations

from typing import Unpack

import click

from engine.cli import acting


@click.command()
@acting.options
@click.option("--reason", default="", help="Why; kept in the journal.")
def command(**given: Unpack[acting.Given]) -> int:
    """Replay records: the request that was prepared for each goes on, byte for byte. Nothing is posted a second time.

    What was refused is sent once more as it was; `flowctl retry` would prepare it anew. What was sent before is looked for
    first, and written only when it is not there. A record that may be there, or is posted, is refused, with the reason.

    Example: flowctl replay INV-1042 --reason "QuickBooks was locked"
    """
    return acting.run(given, "replay", "replayed", asks=True)
