"""`flowctl skip`: a person leaves records out."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@click.argument("records", nargs=-1, required=True, metavar="[RECORD-ID|SOURCE-ID]...")
@common.home_option
@common.company_option
@click.option("--flow", default="", help="Only this flow.")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@common.format_option
def command(records: tuple[str, ...], home: Path, company: str, flow: str, reason: str, form: str) -> int:
    """Leave records out that wait, or that failed: they are not written, whatever the source says of them later.

    A record is named by its number, its id in the source, or its reference. One that may be in the target is refused, with
    the reason. `flowctl reconcile --post-again` writes one after all.

    Example: flowctl skip INV-1042 --reason "entered by hand"
    """
    from engine.operator import skipping, worklist
    from engine.store import companies

    name = office.flow(flow).name if flow else ""
    with office.opened(home) as world, world.store.write(company) as tx:
        companies.require(tx, company)
        rows, missing = worklist.chosen(tx, company, records)
        rows = [row for row in rows if name in ("", row["flow"])]
        done = skipping.skip(tx, office.hand(world, company), rows, common.clean(reason))
    if form == "json":
        skipped = [{"id": r["id"], "stream": r["stream"], "source_id": r["source_id"]} for r in done.moved]
        refused = [{"id": r["id"], "state": r["state"], "why": why} for r, why in done.refused]
        common.echo_json({"company": company, "skipped": skipped, "refused": refused, "not_found": missing})
    else:
        for row in done.moved:
            click.echo(f"{row['flow']}/{row['stream']}/{common.clean(row['source_id'])}: left out")
    for row, why in done.refused:
        office.say(f"refused: {row['flow']}/{row['stream']}/{row['source_id']} is {row['state']}: {why}")
    for text in missing:
        office.say(f"error: there is no record `{text[:80]}` in {company}")
    return 1 if missing or done.refused else 0
