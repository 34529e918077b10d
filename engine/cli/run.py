"""`flowctl run`: one pass over a flow, or pass after pass with --watch."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, observing, office

if TYPE_CHECKING:
    from engine.errors import FlowctlError
    from engine.program import FlowProgram
    from engine.runreport import RunReport
    from engine.store.base import Row, Tx
    from engine.world import World

# Some faults name the class of the exception behind them: "no connection (ConnectError)".
_CLASS = re.compile(r" \(\w*(?:Error|Timeout|Exception|Protocol)\)")


@click.command()
@click.argument("flow")
@common.home_option
@common.company_option
@click.option("--stream", "streams", multiple=True, help="Only this stream (repeatable).")
@click.option("--dry-run", is_flag=True, help="Show what would be written; keep and send nothing.")
@click.option("--watch", is_flag=True, help="Go on, reading each stream when its trigger says so.")
@common.format_option
@observing.otlp_option
@click.pass_context
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    ctx: click.Context,
    flow: str,
    home: Path,
    company: str,
    streams: tuple[str, ...],
    dry_run: bool,
    watch: bool,
    form: str,
    otlp_endpoint: str | None,
) -> int:
    """Run a flow once: read the source, make records durable, prepare them, tell the source what was posted.

    Writes to QuickBooks wait in the outbox for the Web Connector, which `flowctl serve` answers; other targets are
    written to at once.

    Example: flowctl run ramp_to_quickbooks --dry-run
    """
    if watch and dry_run:
        raise click.UsageError("--watch and --dry-run exclude each other")
    program = common.program(flow)
    for name in streams:
        if program.flow.stream(name) is None:
            from engine.errors import UnknownName

            raise UnknownName("stream", name, tuple(s.name for s in program.flow.streams))
    with office.opened(home) as world, observing.traced(observing.watched(ctx, otlp_endpoint)):
        if watch:
            return _watch(world, program, form)
        program = office.bound(world, program, company)
        if dry_run:
            return _dry(world, program, company, streams or None, form)
        report = _run(world, program, company, streams or None)
        _print(world, report, form)
        return 1 if report.errors or report.count("failed") or report.refused or report.unknown else 0


def _run(world: World, program: FlowProgram, company: str, streams: tuple[str, ...] | None) -> RunReport:
    from engine.runner import Runner

    if not common.interactive():
        return Runner(world, notice=_retrying).run(program, company, streams=streams)
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
        # While the bar is drawn, what is written to stderr goes through it.
        return Runner(world, notice=_retrying).run(
            program, company, streams=streams, progress=lambda name, read: bar.update(tasks[name], completed=read)
        )


def _retrying(connection: str, error: FlowctlError, wait_s: float) -> None:
    """Say that a fault is waited out, so that nobody takes the silence for a hang."""
    office.say(f"{connection}: {_worded(error)}; trying again in {max(1, round(wait_s))} s")


def _worded(error: FlowctlError) -> str:
    """An error for people: no names of Python's classes, no connection in front."""
    return _CLASS.sub("", re.sub(r"^[a-z0-9_-]+/[a-z0-9_]+: ", "", str(error)))


def _watch(world: World, program: FlowProgram, form: str) -> int:
    """Passes by schedule until interrupted; a line for each."""
    from engine import log
    from engine.service import TICK_S, Service

    # What a run came to is said below; the log is left with what keeps runs from starting at all.
    log.configure(verbosity=-2)
    service = Service(world, {program.flow.name: program})
    try:
        office.say(f"watching {program.flow.name}; stop with Ctrl-C")
        while True:
            for report in service.tick():
                if form == "json":
                    common.echo_json(_as_json(report))
                else:
                    office.say(f"{report.company}: {_summary(report)}")
                _complain(report)
            world.clock.sleep(TICK_S)
    except KeyboardInterrupt:
        office.say("stopped")
        return 0


def _dry(world: World, program: FlowProgram, company: str, streams: tuple[str, ...] | None, form: str) -> int:
    from engine.runner import Runner

    documents: list[dict[str, object]] = []
    left: Counter[str] = Counter()

    def look(tx: Tx, report: RunReport) -> None:
        wanted = {stream.stream for stream in report.streams}
        for row in _waiting(tx, world, company):
            record = tx.one("record_get", {"id": row["record_id"]})
            assert record is not None
            if record["flow"] == report.flow and record["stream"] in wanted:
                documents.append(_document(row, record, earlier=row["id"] in before))
        for count in tx.rows("record_counts", {"company": company, "flow": report.flow}):
            if count["stream"] in wanted:
                left[count["state"]] += count["count"]

    with world.store.read(company) as tx:
        before = {row["id"] for row in _waiting(tx, world, company)}
    report = Runner(world, notice=_retrying).dry_run(program, company, look, streams=streams)
    states = {state: left[state] for state in ("pending", "deferred", "failed", "skipped")}
    if form == "json":
        common.echo_json({**_as_json(report), "would_leave": states, "would_write": documents})
        return 1 if report.errors else 0
    for item in documents:
        click.echo(_heading(item))
        click.echo(common.clean(_indented(str(item["body"]))))
    earlier = sum(1 for item in documents if item["earlier"])
    words = [f"{report.count('read')} read", f"would write {office.counted(len(documents), 'document')}"]
    words[-1] += f" ({earlier} of them prepared earlier)"
    words.append("would leave " + ", ".join(f"{states[name]} {name}" for name in ("deferred", "failed", "skipped")))
    if states["pending"]:
        words[-1] += f", {states['pending']} waiting for the first look at the target's lists"
    office.say(f"{report.flow}: {'; '.join(words)}; dry run: nothing was kept or sent")
    _complain(report)
    return 1 if report.errors else 0


def _waiting(tx: Tx, world: World, company: str) -> list[Row]:
    scope = {"company": company, "at": world.at(), "connection": "", "limit": 1_000_000}
    return tx.rows("operations_next", {**scope, "without": "[]", "later": "[]"})


def _document(row: Row, record: Row, *, earlier: bool) -> dict[str, object]:
    """What a waiting operation would write, for programs."""
    names = ("stream", "source_id", "reference", "party", "amount", "currency")
    about: dict[str, object] = {name: record[name] for name in names}
    return {**about, "request": row["request"], "earlier": earlier, "body": bytes(row["body"]).decode()}


def _heading(item: dict[str, object]) -> str:
    """`# bills INV-7, Acme Supply, 120.50 USD: BillAdd`."""
    money = " ".join(str(item[name]) for name in ("amount", "currency") if item["amount"] and item[name])
    about = [str(item["reference"] or item["source_id"]), str(item["party"] or ""), money]
    shown = ", ".join(part for part in about if part).replace("\n", " ")
    more = " (prepared earlier)" if item["earlier"] else ""
    return common.clean(f"# {item['stream']} {shown}: {item['request']}{more}")


def _indented(body: str) -> str:
    """The document as people read it; what is sent has no white space of this kind."""
    if not body.startswith("<"):
        return body
    from lxml import etree

    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    etree.indent(root)
    return str(etree.tostring(root, encoding="unicode"))


def _print(world: World, report: RunReport, form: str) -> None:
    if form == "json":
        common.echo_json(_as_json(report))
        return
    click.echo(_summary(report))
    _complain(report)
    told = [str(error) for error in report.errors]
    with world.store.read(report.company) as tx:
        from engine import registry
        from engine.store import companies, outbox, work

        made = [
            (row["connection"], registry.find(row["connector"])) for row in companies.connections(tx, report.company)
        ]
        polled = [name for name, found in made if found is not None and found.spec.delivery == "pull"]
        waiting = sum(outbox.backlog(tx, report.company, world.at(), name) for name in polled)
        for alert in work.alerts(tx, report.company):
            if alert["subject"].partition("/")[0] not in (report.flow, alert["subject"]):
                continue  # of another flow; `flowctl status` shows them all
            if any(alert["message"].endswith(text) for text in told):
                continue
            click.echo(f"alert: {common.clean(alert['message'])}", err=True)
            if alert["hint"]:
                click.echo(f"  hint: {common.clean(alert['hint'])}", err=True)
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        click.echo(f"{waiting} {verb} for the Web Connector; `flowctl serve` answers it", err=True)


def _complain(report: RunReport) -> None:
    """Each error once, even when several streams met it; and when it may go on, where the other side has said so."""
    from engine.errors import Transient

    for text, error in {str(error): error for error in report.errors}.items():
        place = re.match(r"[a-z0-9_-]+/[a-z0-9_]+: ", text)
        prefix = place[0] if place else f"{report.company}/{report.flow}: "
        click.echo(f"error: {common.clean(prefix + _worded(error))}", err=True)
        if error.hint:
            click.echo(f"  hint: {common.clean(error.hint)}", err=True)
        if isinstance(error, Transient) and error.retry_after_s:
            minutes = math.ceil(error.retry_after_s / 60)
            click.echo(f"  it may go on in {office.counted(minutes, 'minute')}", err=True)


def _summary(report: RunReport) -> str:
    names = {"read": "read", "intended": "prepared", "deferred": "deferred", "failed": "failed", "skipped": "skipped"}
    counts = [f"{report.count(key)} {word}" for key, word in names.items()]
    if report.count("pending"):
        counts.append(f"{report.count('pending')} wait for the first look at the target's lists")
    if report.pushed or report.refused or report.unknown:
        counts += [f"{report.pushed} written", f"{report.refused} refused", f"{report.unknown} unknown"]
    return f"{report.flow}: {', '.join(counts)}, {report.marked} marked synced"


def _as_json(report: RunReport) -> dict[str, object]:
    return {
        "flow": report.flow,
        "company": report.company,
        "streams": {s.stream: dict(s.counts) for s in report.streams},
        "marked": report.marked,
        "written": report.pushed,
        "refused": report.refused,
        "unknown": report.unknown,
        "errors": [str(error) for error in report.errors],
    }
