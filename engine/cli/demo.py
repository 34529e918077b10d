"""`flowctl demo`: the shipped flows end to end against simulated vendors."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.cli import common, office
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.demo import DemoOptions, FlowResult
    from engine.program import FlowProgram


@click.command()
@click.argument("flows", nargs=-1, metavar="[FLOW]...")
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
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the store in this folder; of several flows, each in a folder of its own in it.",
)
@click.option(
    "--store",
    "backend",
    type=click.Choice(["sqlite", "postgres"]),
    default="sqlite",
    show_default=True,
    help="Where the store is; `postgres` starts a PostgreSQL of its own for the time of the demo.",
)
@common.format_option
def command(
    flows: tuple[str, ...], seed: int, bills: int, transactions: int, keep: Path | None, backend: str, form: str
) -> int:
    """Run shipped flows end to end: simulated vendors, the real server, SOAP over HTTP, totals on both sides.

    All of them when none is named. Nothing leaves this machine and no credentials are needed.

    Example: flowctl demo ramp_to_quickbooks --bills 100
    """
    from engine import log
    from engine.demo import DemoOptions
    from engine.store import whereabouts

    log.configure(verbosity=-2)
    # What is made up here goes into a store of its own, whatever store this machine works with.
    os.environ.pop(whereabouts.VARIABLE, None)
    if keep is not None and backend != "sqlite":
        raise UsageError("a PostgreSQL of its own is gone after the demo", hint="give --keep without --store")
    options = DemoOptions(seed, bills, transactions)
    programs = [common.program(name) for name in flows or common.flow_names()]
    results: list[FlowResult] = []
    with _databases(backend) as database:
        for program in programs:
            home = keep if keep is None or len(programs) == 1 else keep / program.flow.name
            results.append(_play(program, options, _Place(home, database(program.flow.name)), form))
    if form == "json":
        common.echo_json(results[0].as_json() if len(results) == 1 else [result.as_json() for result in results])
    else:
        _show(results)
    sys.stdout.flush()
    return 0 if all(result.agrees and not result.failed for result in results) else 1


class _Place(NamedTuple):
    """Where a flow's store is kept, if it is, and the address of its database, if it has one."""

    keep: Path | None
    address: str


@contextmanager
def _databases(backend: str) -> Iterator[Callable[[str], str]]:
    """Makes a database for each flow and tells its address; empty where the store is a file."""
    if backend == "sqlite":
        yield lambda _flow: ""
        return
    from engine.store import pgschema, private
    from engine.store.postgres import connected

    with private.running() as server:

        def made(flow: str) -> str:
            address = server.create(f"demo_{flow}")
            with connected(address) as connection:
                pgschema.migrate(connection)
            return address

        yield made


def _play(program: FlowProgram, options: DemoOptions, place: _Place, form: str) -> FlowResult:
    """Run one flow in a store of its own."""
    from engine.clock import HurriedClock
    from engine.demo import COMPANY, run_demo
    from engine.store import whereabouts

    keep = place.keep
    if keep and (keep / whereabouts.DATABASE).exists():
        raise UsageError(f"{keep} holds a store already", hint="give --keep another folder")
    say = (lambda text: click.echo(text, err=True)) if form == "json" else click.echo
    say(f"Flow {program.flow.name}: {program.flow.describe}")
    with tempfile.TemporaryDirectory(prefix="flowctl-demo-") as folder, ExitStack() as stack:
        if place.address:
            (Path(folder) / whereabouts.FILE).write_text(place.address, encoding="utf-8")
            (Path(folder) / whereabouts.FILE).chmod(0o600)
        world = stack.enter_context(office.opened(keep or Path(folder), create=True))
        result = run_demo(replace(world, clock=HurriedClock()), program, options, say)
    say("")
    if keep:
        office.say(f"the store is kept in {keep}; see `flowctl status --home {keep} --company {COMPANY}`")
    return result


def _show(results: Sequence[FlowResult]) -> None:
    counts = ("read", "posted", "deferred", "failed", "skipped", "marked")
    rows = [(result.flow, *(getattr(result, name) for name in counts)) for result in results]
    common.table(rows, ["flow", *counts])
    click.echo("")
    for result in results:
        click.echo(result.flow)
        click.echo(f"  source total   {result.source_total:>14,}")
        click.echo(f"  journal total  {result.journal_total:>14,}")
        click.echo(f"  target total   {result.target_total:>14,}")
        agree = "agree to the cent" if result.agrees else "DO NOT AGREE"
        click.echo(f"  {agree}; the second run posted {result.second_run_posted}")
