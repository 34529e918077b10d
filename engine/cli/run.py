"""`flowctl run`: one pass over a flow, or pass after pass with --watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.program import FlowProgram
    from engine.runner import RunReport
    from engine.store.base import Tx
    from engine.world import World


@click.command()
@click.argument("flow")
@common.home_option
@common.company_option
@click.option("--stream", "streams", multiple=True, help="Only this stream (repeatable).")
@click.option("--dry-run", is_flag=True, help="Show what would be written; keep and send nothing.")
@click.option("--watch", is_flag=True, help="Go on, reading each stream when its trigger says so.")
@common.format_option
def command(
    flow: str, home: Path, company: str, streams: tuple[str, ...], dry_run: bool, watch: bool, form: str
) -> int:
    """Run a flow once: read the source, make records durable, prepare them, tell the source what was posted.

    Writes to QuickBooks wait in the outbox for the Web Connector, which `flowctl serve` answers.

    Example: flowctl run ramp_to_quickbooks --dry-run
    """
    program = common.program(flow)
    for name in streams:
        if program.flow.stream(name) is None:
            from engine.errors import UnknownName

            raise UnknownName("stream", name, tuple(s.name for s in program.flow.streams))
    with office.opened(home) as world:
        if watch:
            return _watch(world, program)
        if dry_run:
            return _dry(world, program, company, streams or None, form)
        report = _run(world, program, company, streams or None)
        _print(world, report, form)
        return 1 if report.errors or report.count("failed") else 0


def _run(world: World, program: FlowProgram, company: str, streams: tuple[str, ...] | None) -> RunReport:
    from engine.runner import Runner

    runner = Runner(world)
    if not common.interactive():
        return runner.run(program, company, streams=streams)
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed} read"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {s.stream.name: bar.add_task(s.stream.name, total=None) for s in program.streams}
        return runner.run(
            program, company, streams=streams, progress=lambda name, read: bar.update(tasks[name], completed=read)
        )


def _watch(world: World, program: FlowProgram) -> int:
    """Passes by schedule until interrupted."""
    from engine import log
    from engine.service import TICK_S, Service

    log.configure()
    service = Service(world, {program.flow.name: program})
    try:
        while True:
            service.tick()
            world.clock.sleep(TICK_S)
    except KeyboardInterrupt:
        return 0


def _dry(world: World, program: FlowProgram, company: str, streams: tuple[str, ...] | None, form: str) -> int:
    from engine.runner import Runner

    documents: list[dict[str, object]] = []

    def look(tx: Tx, _report: RunReport) -> None:
        rows = tx.rows("operations_next", {"company": company, "at": world.at(), "connection": "", "limit": 10_000})
        for row in rows:
            record = tx.one("record_get", {"id": row["record_id"]})
            assert record is not None
            documents.append(
                {
                    "stream": record["stream"],
                    "source_id": record["source_id"],
                    "request": row["request"],
                    "amount": record["amount"],
                    "party": record["party"],
                    "body": bytes(row["body"]).decode(),
                }
            )

    report = Runner(world).dry_run(program, company, look, streams=streams)
    if form == "json":
        common.echo_json({**_as_json(report), "would_write": documents})
    else:
        for item in documents:
            click.echo(f"# {item['stream']}/{common.clean(item['source_id'])}: {item['request']}")
            click.echo(common.clean(item["body"]))
        click.echo(f"{_summary(report)}; dry run: nothing was kept or sent", err=True)
    return 1 if report.errors else 0


def _print(world: World, report: RunReport, form: str) -> None:
    if form == "json":
        common.echo_json(_as_json(report))
        return
    click.echo(_summary(report))
    for error in {str(error): error for error in report.errors}.values():
        click.echo(f"error: {report.company}/{report.flow}: {common.clean(error)}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
    with world.store.read() as tx:
        from engine.store import outbox, work

        waiting = outbox.backlog(tx, report.company, world.at())
        for alert in work.alerts(tx, report.company):
            click.echo(f"alert: {common.clean(alert['message'])}", err=True)
            if alert["hint"]:
                click.echo(f"  hint: {common.clean(alert['hint'])}", err=True)
    if waiting:
        click.echo(f"{waiting} wait for the Web Connector; `flowctl serve` answers it", err=True)


def _summary(report: RunReport) -> str:
    names = {"read": "read", "intended": "prepared", "deferred": "deferred", "failed": "failed", "skipped": "skipped"}
    counts = [f"{report.count(key)} {word}" for key, word in names.items()]
    if report.count("pending"):
        counts.append(f"{report.count('pending')} wait for the first look at the target's lists")
    return f"{report.flow}: {', '.join(counts)}, {report.marked} marked synced"


def _as_json(report: RunReport) -> dict[str, object]:
    return {
        "flow": report.flow,
        "company": report.company,
        "streams": {s.stream: dict(s.counts) for s in report.streams},
        "marked": report.marked,
        "errors": [str(error) for error in report.errors],
    }
