"""`flowctl pause`: nothing new is read, prepared or sent, for a company or one of its flows."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@click.argument("flow", required=False)
@common.home_option
@common.company_option
@click.option("--reason", required=True, help="Why; kept in the journal, and shown wherever the company is.")
@common.format_option
def command(flow: str | None, home: Path, company: str, reason: str, form: str) -> int:
    """Pause a flow of the company, or the whole company: nothing new is read, prepared or sent.

    What was sent before comes to its end: its answer is taken, what became of it is asked for, and the source is told of
    what is posted. Of what did not arrive, nothing is sent again; in QuickBooks nothing of the company's other flows goes
    before it. `flowctl resume` lets it go on.

    Example: flowctl pause ramp_to_quickbooks --reason "the books are being closed"
    """
    from engine.operator import pausing

    name = office.flow(flow).name if flow else ""
    what = f"{company}/{name}" if name else company
    with office.opened(home) as world, world.store.write(company) as tx:
        changed = pausing.pause(tx, office.hand(world, company), name, common.clean(reason))
    if form == "json":
        common.echo_json({"company": company, "flow": name or None, "paused": True, "changed": changed})
    else:
        click.echo(f"{what}: paused" if changed else f"{what}: was paused before, nothing was changed")
    return 0
