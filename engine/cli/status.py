"""`flowctl status`: how a company stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.overview import Overview, StateLine


@click.command()
@common.home_option
@common.company_option
@click.option("--flow", default="", help="Only this flow.")
@common.format_option
@click.option(
    "--watch",
    type=click.FloatRange(0.2, 3600),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Show all companies, or the one that is named, again and again, with what has changed; 2 s without a number.",
)
@click.pass_context
def command(ctx: click.Context, home: Path, company: str, flow: str, form: str, watch: float | None) -> int:
    """Show records and money by state, the last run and Web Connector session, lists, and open alerts.

    With --watch, a line for each company: its health, what waits for a person, what waits to be sent. Stop with Ctrl-C.

    Example: flowctl status --flow ramp_to_quickbooks
    """
    from engine.overview import as_json, overview

    if watch is not None:
        if flow:
            raise click.UsageError("--watch and --flow exclude each other")
        from engine.cli.watching import watch as watching

        is_named = ctx.get_parameter_source("company") is not click.core.ParameterSource.DEFAULT
        with office.opened(home) as world:
            return watching(world, company if is_named else "", watch, form)
    with office.opened(home) as world, world.store.read(company) as tx:
        found = overview(tx, company, world.clock, flow)
    if flow and not found.states and not found.runs:
        office.flow(flow)  # a misspelt name is said to be one
    if form == "json":
        common.echo_json(as_json(found, world.clock))
    else:
        _print(found, world.clock)
    return 0


def _print(found: Overview, clock: Clock) -> None:
    from engine.overview import age, times

    _head(found)
    if found.states:
        click.echo("")
        rows = [(s.flow, s.stream, _state(s), s.records, office.money(s.money)) for s in found.states]
        common.table(rows, ["flow", "stream", "state", "records", "money"])
    if found.unsent:
        # Their state is `unknown`, which otherwise says that something was sent.
        click.echo(
            f"unknown, held: {office.counted(found.unsent, 'record')}, QuickBooks may hold it already; nothing was sent"
        )
    if found.voided:
        click.echo(
            f"posted and closed, voided: {office.counted(found.voided, 'record')}, as the source says; they hold no money"
        )
    click.echo("")
    for run in found.runs:
        ended = f"{run.outcome} {age(clock, run.ended_at)} ago" if run.ended_at else "is running, or was cut off"
        read = sum(counts.get("read", 0) for counts in run.counts.values())
        click.echo(f"last run: {run.flow} {ended}, {read} read")
    if not found.runs:
        click.echo("last run: never")
    _agent(found, clock)
    for name, count in found.resting.items():
        click.echo(f"off: {name}, {office.counted(count, 'record')} at rest")
    if found.held_back:
        click.echo(f"held back: {office.counted(found.held_back, 'record')}, not sent until released")
    click.echo(f"backlog: {found.backlog} to send, {found.untold} to tell the source")
    click.echo(f"waiting in all: {found.pulse.waiting}, failures told: {found.pulse.failures:.1f} a minute")
    if found.doubt is not None:
        word = "in doubt" if found.doubt["state"] == "in_doubt" else "under way"
        ago = age(clock, found.doubt["sent_at"])
        tries = found.doubt["attempts"]
        sent = f"sent {ago} ago" if tries == 1 else f"sent {times(tries)}, last {ago} ago"
        click.echo(f"message set {found.doubt['id']}: {word}, {sent}")
    for item in found.lists:
        read_at = f"read {age(clock, item.loaded_at)} ago" if item.loaded_at else "never read"
        click.echo(f"list {item.name}: {item.objects} objects, {read_at}{', due' if item.due else ''}")
    for row in found.dead:
        since = row["failing_since"][:16].replace("T", " ")
        said = common.clean(row["last_error"])
        click.echo(f"channel {row['name']}: messages do not arrive since {since}: {said}")
    click.echo(f"alerts: {len(found.alerts)}")
    for alert in found.alerts:
        # Sightings, not records: the same record counts again each time it is tried.
        seen = f" (seen {times(alert['times'])})" if alert["times"] > 1 else ""
        click.echo(f"  {alert['kind']}: {common.clean(alert['message'])}{seen}")
        if alert["hint"]:
            click.echo(f"    do: {common.clean(alert['hint'])}")


def _head(found: Overview) -> None:
    """Whose it is, and what has been stopped."""
    name = common.clean(found.title)
    click.echo(found.company if name == found.company else f"{found.company}: {name}")
    if found.halted:
        click.echo(f"POSTING IS HALTED: {common.clean(found.halted)}")
    for pause in found.pauses:
        what = f"THE FLOW {pause['flow']}" if pause["flow"] else "THIS COMPANY"
        click.echo(f"{what} IS PAUSED by {common.clean(pause['actor'])}: {common.clean(pause['why'])}")


def _state(line: StateLine) -> str:
    """The state of a stream's records; those that are only compared are no work that was left."""
    return f"compared, {line.state}" if line.watched else line.state


def _agent(found: Overview, clock: Clock) -> None:
    """When the Web Connector called, and who was refused."""
    from engine.overview import age, refused

    session = found.session
    if session is not None:
        counts = ", ".join(f"{number} {word}" for word, number in sorted(session.counts.items()))
        ago = f"last called {age(clock, session.seen_at)} ago"
        left = f"{ago}, and did not end its session" if session.is_open else ago
        state = "is here now" if session.is_here(clock) else left
        said = f"; {common.clean(session.error)}" if session.error else ""
        click.echo(f"Web Connector: {state}{f', {counts}' if counts else ''}{said}")
    elif found.refused is None and found.is_visited:
        click.echo("Web Connector: never called")
    if found.refused is not None:
        click.echo(f"Web Connector: {common.clean(refused(clock, found.refused))}")
    if found.strangers is not None:
        click.echo(f"Web Connector: {common.clean(refused(clock, found.strangers))}, a user name that nobody has")
