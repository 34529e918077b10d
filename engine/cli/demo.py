"""`flowctl demo`: the shipped flows end to end against simulated vendors."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@click.argument("flow", default="ramp_to_quickbooks")
@click.option(
    "--seed", default=2026, show_default=True, help="Makes the simulated business; the same seed, the same demo."
)
@click.option(
    "--bills", default=24, show_default=True, type=click.IntRange(min=0), help="Bills in the simulated source."
)
@click.option(
    "--transactions",
    default=40,
    show_default=True,
    type=click.IntRange(min=0),
    help="Card transactions in the simulated source.",
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the store in this folder.")
@common.format_option
def command(flow: str, seed: int, bills: int, transactions: int, keep: Path | None, form: str) -> int:
    """Run a shipped flow end to end: simulated vendors, the real server, SOAP over HTTP, totals on both sides.

    Nothing leaves this machine and no credentials are needed.

    Example: flowctl demo ramp_to_quickbooks --bills 100
    """
    from engine import log
    from engine.demo import COMPANY, DemoOptions, run_demo

    log.configure(verbosity=-2)
    say = (lambda text: click.echo(text, err=True)) if form == "json" else click.echo
    program = common.program(flow)
    with tempfile.TemporaryDirectory(prefix="flowctl-demo-") as folder:
        home = keep or Path(folder)
        if keep and (home / "flowctl.db").exists():
            from engine.errors import UsageError

            raise UsageError(f"{home} holds a store already", hint="give --keep another folder")
        with office.opened(home, create=True) as world:
            result = run_demo(world, program, DemoOptions(seed, bills, transactions), say)
    if form == "json":
        common.echo_json(result.as_json())
    else:
        click.echo("")
        rows = [
            (result.flow, result.read, result.posted, result.deferred, result.failed, result.skipped, result.marked),
        ]
        common.table(rows, ["flow", "read", "posted", "deferred", "failed", "skipped", "marked"])
        click.echo("")
        click.echo(f"source total   {result.source_total:>14,}")
        click.echo(f"journal total  {result.journal_total:>14,}")
        click.echo(f"target total   {result.target_total:>14,}")
        agree = "agree to the cent" if result.agrees else "DO NOT AGREE"
        click.echo(f"{agree}; the second run posted {result.second_run_posted}")
    if keep:
        office.say(f"the store is kept in {keep}; see `flowctl status --home {keep} --company {COMPANY}`")
    sys.stdout.flush()
    return 0 if result.agrees and not result.failed else 1
