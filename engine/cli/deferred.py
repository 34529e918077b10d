"""`flowctl deferred`: the worklist, one line for each thing that is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.worklist import Gap


@click.command()
@common.home_option
@common.company_option
@click.option("--flow", default="", help="Only this flow.")
@click.option("--records", "listing", is_flag=True, help="List the records that wait.")
@common.format_option
def command(home: Path, company: str, flow: str, listing: bool, form: str) -> int:
    """Show what is missing, how many records and how much money wait for it, and what to type.

    Example: flowctl deferred --records
    """
    from engine import worklist
    from engine.overview import texts
    from engine.store import companies

    name = office.flow(flow).name if flow else ""
    with office.opened(home) as world, world.store.read() as tx:
        companies.require(tx, company)
        found = worklist.gaps(tx, company, name)
    everything = {record.id: record for gap in found for record in gap.records}
    sums = worklist.sums((record.currency, record.amount) for record in everything.values())
    if form == "json":
        document = {
            "company": company,
            "records": len(everything),
            "money": texts(sums),
            "gaps": [_as_json(gap, listing=listing) for gap in found],
        }
        common.echo_json(document)
        return 0
    for gap in found:
        waits = f"{office.counted(len(gap.records), 'record')}, {office.money(gap.money) or 'no money'}"
        click.echo(f"{gap.flow}: {common.clean(gap.message)}: {waits}")
        click.echo(f"  do: {common.clean(gap.fix)}")
        if listing:
            for r in gap.records:
                amount = office.money({r.currency: r.amount}) if r.amount is not None else ""
                words = (str(r.id), f"{r.stream}/{r.source_id}", r.reference, r.party, r.dated_on, amount)
                click.echo("    " + "  ".join(common.clean(word) for word in words if word))
    total = office.money(sums)
    office.say(f"{office.counted(len(everything), 'record')} deferred" + (f", {total}" if total else ""))
    return 0


def _as_json(gap: Gap, *, listing: bool) -> dict[str, object]:
    from dataclasses import asdict

    from engine.overview import texts

    found: dict[str, object] = {
        "flow": gap.flow,
        "code": gap.code,
        "message": gap.message,
        "lookup": gap.lookup or None,
        "key": gap.key or None,
        "label": gap.label or None,
        "records": len(gap.records),
        "money": texts(gap.money),
        "fix": gap.fix,
    }
    if listing:
        rows = [{**asdict(r), "amount": None if r.amount is None else f"{r.amount:f}"} for r in gap.records]
        found["waiting"] = rows
    return found
