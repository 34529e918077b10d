"""`flowctl migrate`: moves a company from another accounting connection at a vendor to ours, step by step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from engine.cli import accounting, common, office
from engine.diagnostics import of_company
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.accounting import AccountingLink, Migration, Outstanding
    from engine.world import World


class Given(TypedDict):
    """What the command line says."""

    connection: str
    home: Path
    company: str
    backup: Path | None
    ready: bool
    yes: bool


class BackupThere(UsageError):
    """The file of the backup exists; it may be the only copy of a chart."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: is there already, and is not written over", hint="give another --backup FILE")


@click.command()
@click.argument("connection")
@common.home_option
@common.company_option
@click.option(
    "--backup", type=click.Path(dir_okay=False, path_type=Path), help="File that the chart of accounts is kept in."
)
@click.option("--ready", is_flag=True, help="The chart is written: compare it, and let the customer switch.")
@click.option("--yes", is_flag=True, help="Go on without asking, also when objects still wait to be synced.")
def command(**given: Unpack[Given]) -> int:
    """Move to our accounting connection: check, back up, make an inactive one, fill it, and mark it as ready.

    Run it again at any time: it looks where the move stands and says what comes next. What only the customer can do in
    the vendor's pages is said at the end.

    Example: flowctl migrate ramp --company acme --backup acme-chart.json --yes
    """
    company, connection = given["company"], given["connection"]
    with office.opened(given["home"]) as world, accounting.linked(world, company, connection) as link:
        where = f"{company}/{connection}"
        seat = link.seat()
        if seat.standing == "ours":
            return _finish(world, given, f"{where}: {accounting.stands(seat)}")
        migration = link.migration()
        seat = migration.check()
        click.echo(f"{where}: {accounting.stands(seat)}")
        if seat.prepared and seat.ready:
            _keep(world, given, seat.prepared)
            click.echo(f"{where}: our connection is filled and ready; the customer can switch")
            _hand_over(migration, given)
            return 0
        if given["ready"] and not seat.prepared:
            raise UsageError(
                f"{where}: nothing is prepared yet", hint=f"run `flowctl migrate {connection}{_for(given)}` first"
            )
        if not _settled(migration.outstanding(), given):
            return 1
        if given["ready"]:
            _keep(world, given, seat.prepared)
            return _make_ready(world, given, migration, seat.prepared)
        return _begin(world, given, link, migration)


def _begin(world: World, given: Given, link: AccountingLink, migration: Migration) -> int:
    """Back up, make the inactive connection, and write from now on to that one."""
    where = f"{given['company']}/{given['connection']}"
    prepared = link.seat().prepared
    if not prepared:
        if not given["yes"] and not (common.interactive() and click.confirm("go on?", err=True)):
            click.echo(f"{where}: nothing was changed; give --yes to go on")
            return 1
        _back_up(world, given, migration)
        prepared = migration.prepare()
        click.echo(f"{where}: made an inactive connection `{common.clean(link.name)}` ({prepared})")
    else:
        click.echo(f"{where}: the inactive connection `{common.clean(link.name)}` is there ({prepared})")
    _keep(world, given, prepared)
    company = of_company(given["company"])
    office.say(
        f"next: write the chart of accounts to it with `flowctl run FLOW{company}` (of the shipped flows, ramp_accounting)"
    )
    office.say(f"then: flowctl migrate {given['connection']}{company} --ready")
    return 0


def _settled(found: Sequence[Outstanding], given: Given) -> bool:
    """Say what waits to be synced; whether to go on."""
    waiting = 0
    for entry in found:
        if entry.number is None:
            reason = entry.reason.removeprefix(f"{given['company']}/{given['connection']}: ")
            click.echo(f"  {entry.kind}: could not be counted: {common.clean(reason)}")
        elif entry.number:
            waiting += entry.number
            click.echo(f"  {entry.kind}: {entry.number} ready to sync")
    if not waiting:
        click.echo("  nothing that could be counted waits to be synced")
        return True
    if given["yes"]:
        click.echo(f"  {office.counted(waiting, 'object')} would not survive the switch; going on (--yes)")
        return True
    click.echo(
        "  do: sync them with the connection that is active, for they do not survive the switch; then run this again"
    )
    return False


def _back_up(world: World, given: Given, migration: Migration) -> None:
    """Write the chart of the active connection to a file that only we can read.

    Raises:
        BackupThere: when there is such a file.
    """
    stamp = world.clock.now().strftime("%Y%m%dT%H%M%SZ")
    path = given["backup"] or Path(f"{given['connection']}-chart-{given['company']}-{stamp}.json")
    if path.exists():
        raise BackupThere(path)
    chart = migration.backup()
    # Escaped, for a name may hold what JSON can write and no file can: half a character.
    text = json.dumps({"taken_at": world.at(), **chart}, indent=1, default=str)
    try:
        # Made with its mode, so that there is no moment in which others could read it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise BackupThere(path) from error
    except OSError as error:
        # Half a backup would pass for a whole one, and be in the way of the next.
        with suppress(OSError):
            path.unlink()
        raise office.FileUnusable(str(path), error.strerror or "cannot be written") from error
    click.echo(f"  backup: {path}: {_sizes(chart)}")


def _sizes(chart: Mapping[str, object]) -> str:
    sizes = []
    for name, held in chart.items():
        if isinstance(held, list):
            sizes.append(f"{len(held)} {name}")
        elif isinstance(held, Mapping):
            sizes.append(f"{sum(len(rows) for rows in held.values())} {name}")
    return ", ".join(sizes)


def _make_ready(world: World, given: Given, migration: Migration, prepared: str) -> int:
    """Compare what we have written with what is there; only when both agree may the customer switch."""
    from engine.preload import written

    where = f"{given['company']}/{given['connection']}"
    there = migration.preloaded(prepared)
    with world.store.read(given["company"]) as tx:
        ours = written(tx, office.flows(), given["company"], given["connection"], there.keys())
    agree = True
    for request, number in there.items():
        sent = ours.there[request]
        agree = agree and sent == number
        click.echo(f"  {request}: {sent} written, {number} there{'' if sent == number else ': they differ'}")
    for stream, number in ours.waiting.items():
        click.echo(f"  {stream}: {office.counted(number, 'record')} not written yet")
    if ours.waiting or not agree or not any(there.values()):
        click.echo(f"{where}: the chart is not complete, so nothing was changed")
        office.say(f"next: flowctl status{_for(given)} says what waits or failed; run the flow, then this again")
        return 1
    migration.make_ready(prepared)
    click.echo(f"{where}: our connection is filled and ready; the customer can switch")
    _hand_over(migration, given)
    return 0


def _hand_over(migration: Migration, given: Given) -> None:
    click.echo("what the customer does now:")
    for number, step in enumerate(migration.handover(), 1):
        click.echo(f"  {number}. {common.clean(step)}")
    office.say(f"then: flowctl migrate {given['connection']}{_for(given)}")


def _finish(world: World, given: Given, found: str) -> int:
    """The customer has switched, or there was nothing to move: from now on the active connection is written to."""
    from engine.accounting import MIGRATION_SETTING

    click.echo(found)
    _, binding = world.bound(given["company"], given["connection"])
    if binding.settings.get(MIGRATION_SETTING):
        _keep(world, given, "")
        click.echo("  the move is done: the chart is written to the active connection from now on")
        office.say(f"next: flowctl connect {given['connection']}{_for(given)} --accounting")
    else:
        click.echo("  there is nothing to move")
    return 0


def _keep(world: World, given: Given, connection_id: str) -> None:
    """Write to this connection from now on; empty for the one that is active."""
    from engine.accounting import MIGRATION_SETTING
    from engine.connections.connecting import connect

    connector, binding = world.bound(given["company"], given["connection"])
    if binding.settings.get(MIGRATION_SETTING, "") != connection_id:
        connect(
            world, given["company"], given["connection"], connector.spec.name, {MIGRATION_SETTING: connection_id}, {}
        )


def _for(given: Given) -> str:
    return of_company(given["company"])
