"""`flowctl retry`: failed or deferred records are tried again; nothing that may be posted ever is."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@click.argument("records", nargs=-1, metavar="[RECORD-ID|SOURCE-ID]...")
@common.home_option
@common.company_option
@click.option("--flow", default="", help="Only this flow.")
@click.option("--state", type=click.Choice(["failed", "deferred"]), help="Records of this state [default: failed].")
@click.option("--reason", default="", help="Why; kept in the journal.")
@common.format_option
def command(
    records: tuple[str, ...], home: Path, company: str, flow: str, state: str | None, reason: str, form: str
) -> int:
    """Make records pending again: those named, or all that failed.

    A record is named by its number, its id in the source, or its reference. One that was sent and may be posted is
    refused, with the reason.

    Example: flowctl retry INV-1042 --reason "vendor renamed"
    """
    from engine import worklist
    from engine.store import companies

    name = office.flow(flow).name if flow else ""
    missing: list[str] = []
    with office.opened(home) as world, world.store.write() as tx:
        companies.require(tx, company)
        if records:
            rows, missing = worklist.chosen(tx, company, records)
            rows = [row for row in rows if (not name or row["flow"] == name) and state in (None, row["state"])]
        else:
            rows = worklist.parked(tx, company, state or "failed", name)
        done = worklist.retry(tx, office.hand(world, company), rows, common.clean(reason))
    if form == "json":
        moved = [
            {"id": r["id"], "flow": r["flow"], "stream": r["stream"], "source_id": r["source_id"]} for r in done.moved
        ]
        refused = [{"id": r["id"], "state": r["state"], "why": why} for r, why in done.refused]
        common.echo_json({"company": company, "retried": moved, "refused": refused, "not_found": missing})
    else:
        for row in done.moved:
            click.echo(f"{row['flow']}/{row['stream']}/{common.clean(row['source_id'])}: pending again")
    for row, why in done.refused:
        place = f"{row['flow']}/{row['stream']}/{row['source_id']}"
        office.say(f"refused: {place} is {row['state']}: {why}")
    for text in missing:
        office.say(f"error: there is no record `{text[:80]}` in {company}")
    left = len(done.refused)
    office.say(f"{office.counted(len(done.moved), 'record')} pending again" + (f", {left} refused" if left else ""))
    if done.moved:
        office.say("`flowctl serve` prepares them by itself; `flowctl run FLOW` does it now")
    return 1 if missing or done.refused else 0
