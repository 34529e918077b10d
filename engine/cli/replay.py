"""`flowctl replay`: the same intent of a record goes on."""

from __future__ import annotations

from typing import Unpack

import click

from engine.cli import acting


@click.command()
@acting.options
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option(
    "--told", is_flag=True, help="You have told the source by hand what became of them: it is not told any more."
)
def command(*, told: bool, **given: Unpack[acting.Given]) -> int:
    """Replay records: the request that was prepared for each goes on, byte for byte. Nothing is posted a second time.

    What was refused is sent once more as it was; `flowctl retry` would prepare it anew. What was sent before is looked for
    first, and written only when it is not there. A record that may be there, or is posted, is refused, with the reason.

    Of a posted record the source is told again, when it had refused to hear of it. With --told it counts as told; also of a
    record that was read from another account than the one that is connected now.

    Example: flowctl replay INV-1042 --reason "QuickBooks was locked"
    """
    if told:
        return acting.run(given, "told", "told by hand", asks=False)
    return acting.run(given, "replay", "replayed", asks=True)
