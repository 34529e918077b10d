"""`flowctl prune`: removes what is old and only evidence."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@common.home_option
@click.option("--company", help="Only this company [default: all].")
@click.option(
    "--older-than", "days", type=int, default=400, show_default=True, metavar="DAYS", help="Remove what is older."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@common.format_option
def command(home: Path, company: str | None, days: int, dry_run: bool, form: str) -> int:
    """Remove texts of settled message sets, runs, closed alerts and reconcile figures that are older.

    Records, what was sent for them, their keys, and the journal stay for ever: they keep a bill from being posted twice.
    What is in doubt stays whole, however old it is. Works while flowctl runs. The file does not shrink; the space is used
    again.

    Example: flowctl prune --older-than 400 --dry-run
    """
    from engine.store import companies
    from engine.upkeep import pruning

    found = {}
    with office.opened(home) as world:
        limit_at = pruning.before(world, days)
        with world.store.read() as tx:
            names = (companies.require(tx, company)["company"],) if company else companies.names(tx)
        for name in names:
            if dry_run:
                with world.store.read(name) as tx:
                    found[name] = pruning.old(tx, name, limit_at)
            else:
                found[name] = pruning.prune(world, name, limit_at, f"cli:{office.person()}")
    if form == "json":
        told = {name: {**one.counts, "bytes": one.set_bytes} for name, one in found.items()}
        common.echo_json({"before": limit_at, "dry_run": dry_run, "companies": told})
        return 0
    for name, one in found.items():
        if not one.any:
            click.echo(f"{name}: nothing is older than {limit_at[:10]}")
            continue
        counts = one.counts
        parts = (
            f"texts of {office.counted(counts['sets'], 'message set')} ({one.set_bytes / 1_000_000:,.1f} MB)",
            office.counted(counts["runs"], "run"),
            office.counted(counts["alerts"], "closed alert"),
            office.counted(counts["figures"], "reconcile figure"),
        )
        click.echo(f"{name}: {'would remove' if dry_run else 'removed'} {', '.join(parts)}")
    return 0
