"""`flowctl resume`: a company or a flow that is paused goes on."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@click.argument("flow", required=False)
@common.home_option
@common.company_option
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.format_option
def command(flow: str | None, home: Path, company: str, reason: str, yes: bool, form: str) -> int:
    """Let a paused flow of the company, or the whole company, go on: what waits is sent at the next contact.

    A flow that is paused by itself stays so when the company goes on. Records that are held back stay held back.

    Example: flowctl resume ramp_to_quickbooks
    """
    from engine.operator import pausing
    from engine.store import companies, stops

    name = office.flow(flow).name if flow else ""
    what = f"{company}/{name}" if name else company
    with office.opened(home) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
            is_paused = any(row["flow"] == name for row in stops.pauses(tx, company))
            count, money = pausing.waiting(tx, company, name)
        if is_paused and not yes:  # asked outside a transaction: a person takes time
            sums = office.money(money)
            text = f"{office.counted(count, 'request')}{f', {sums}' if sums else ''}"
            common.confirm(f"Let {what} go on, and send {text}?")
        with world.store.write(company) as tx:
            changed = pausing.resume(tx, office.hand(world, company), name, common.clean(reason))
            rest = [row for row in stops.pauses(tx, company) if not name or row["flow"] in ("", name)]
    if form == "json":
        common.echo_json({"company": company, "flow": name or None, "paused": False, "changed": changed})
    else:
        click.echo(f"{what}: goes on" if changed else f"{what}: was not paused, nothing was changed")
    for row in rest:
        office.say(f"{company}{'/' + row['flow'] if row['flow'] else ''} is still paused: {row['why']}")
    return 0
