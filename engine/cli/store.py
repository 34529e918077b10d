"""`flowctl store`: where the store is, and the steps that a database of PostgreSQL needs."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office
from engine.errors import UsageError


@click.group()
def command() -> None:
    """See where the store is, and bring a database of PostgreSQL to the schema of this flowctl.

    The store is the file `flowctl.db` in --home, or the database that FLOWCTL_STORE names.

    Example: FLOWCTL_STORE=postgresql://flowctl@db/flowctl flowctl store migrate
    """


@command.command()
@common.home_option
@common.format_option
def show(home: Path, form: str) -> int:
    """Say where the store is, the version of its schema, and how much is in it.

    Example: flowctl store show
    """
    from engine.store import companies, whereabouts
    from engine.store.base import Versioned

    with office.opened(home) as world:
        have, known = world.store.versions() if isinstance(world.store, Versioned) else (0, 0)
        with world.store.read() as tx:
            found = len(companies.names(tx))
            newest = tx.one("counter_get", {"name": "record"})
    records = int(newest["value"]) if newest is not None else 0
    backend = "sqlite" if whereabouts.address(home) is None else "postgresql"
    if form == "json":
        told = {"backend": backend, "place": whereabouts.named(home), "schema": have, "newest_schema": known}
        common.echo_json({**told, "companies": found, "newest_record": records})
        return 0
    click.echo(f"{backend}: {whereabouts.named(home)}")
    click.echo(f"  schema version {have} of {known}")
    click.echo(f"  {found} {'company' if found == 1 else 'companies'}; the newest record has the number {records}")
    return 0


@command.command()
@common.home_option
def migrate(home: Path) -> int:
    """Bring the schema to the version of this flowctl, or make it in an empty database.

    Each step is one transaction, and several processes may do it at once. End what runs with an older flowctl first: it
    refuses the new schema when it starts, and says so on /readyz while it runs. A store in a file is migrated by opening it.

    Example: flowctl store migrate
    """
    from engine.store import whereabouts

    found = whereabouts.address(home)
    if found is None:
        if not whereabouts.exists(home):
            raise office.PathMissing(home / whereabouts.DATABASE)
        before, after = _opened_version(home / whereabouts.DATABASE), 0
        with office.opened(home, check=False) as world:
            after = getattr(world.store, "versions")()[0]  # noqa: B009 - the store in a file tells it
    else:
        from engine.store import pgschema
        from engine.store.postgres import connected

        with connected(found) as connection:
            before, after = pgschema.migrate(connection)
    if before == after:
        click.echo(f"{whereabouts.named(home)}: schema version {after}, nothing to do")
    else:
        click.echo(f"{whereabouts.named(home)}: schema version {before} -> {after}")
    return 0


@command.command("copy")
@common.home_option
@common.format_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def copy_(home: Path, form: str, yes: bool) -> int:
    """Move the store of a file, --home's flowctl.db, into the empty database that FLOWCTL_STORE names.

    Every row is copied and then compared, the journals are verified, and the file gets another name, so that only the database
    is used from then on. End what runs first. It can be stopped at any time and run again: it goes on where it was.

    Example: FLOWCTL_STORE=postgresql://flowctl@db/flowctl flowctl store copy
    """
    from engine.clock import SystemClock, iso
    from engine.store import whereabouts
    from engine.store.copying import Progress
    from engine.upkeep.moving import KEPT, move

    found = whereabouts.address(home)
    if found is None:
        hint = f"set {whereabouts.VARIABLE} to the address of an empty database of PostgreSQL"
        raise UsageError("no database is named", hint=hint)
    if not yes:
        question = f"Move the store of {home} into {whereabouts.named(home)}? Nothing may run with it meanwhile."
        common.confirm(question)
    last = ""

    def told(what: str, step: Progress) -> None:
        nonlocal last
        if step.rows >= step.of or f"{what}{step.table}" != last:
            last = f"{what}{step.table}"
            office.say(f"{'copied' if what == 'copy' else 'compared'}: {step.table}, {step.rows:,} of {step.of:,}")

    moved = move(home, found, iso(SystemClock().now()), told)
    sums = {currency or "no currency": str(amount) for currency, amount in sorted(moved.sums.items())}
    if form == "json":
        told_all = {"place": moved.place, "rows": dict(moved.rows), "sums": sums, "journals": moved.journals}
        common.echo_json({**told_all, "was_done": moved.was_done})
        return 0
    if moved.was_done:
        click.echo(f"{moved.place}: everything was there already; the database can be used now")
        return 0
    rows, journals = sum(moved.rows.values()), office.counted(moved.journals, "journal")
    click.echo(f"{moved.place}: {rows:,} rows of {len(moved.rows)} tables, each compared; {journals} verified")
    for currency, amount in sums.items():
        click.echo(f"  records in {currency}: {amount}")
    office.say(f"the file is kept as {home / KEPT}, and is not used any more; copy the key to each machine")
    return 0


@command.command()
@common.home_option
@click.argument("at", metavar="TIME")
def recovered(home: Path, at: str) -> int:
    """Say that the store was brought back to an earlier TIME by other means than `flowctl restore`.

    Such as pg_restore, point-in-time recovery, or a snapshot of the whole machine. Do this before anything else starts: nobody
    is at work with the store then, everything is read anew, whoever was signed in signs in again, and the journals say so.
    Nothing is posted twice: each session looks at the books before it writes, and where QuickBooks has the company file open in
    multi-user mode, nothing is written before a second session half an hour later.

    Example: flowctl store recovered 2026-03-01T02:00:00Z
    """
    from engine.clock import from_iso, iso
    from engine.store import occupied, whereabouts
    from engine.upkeep.restoring import recovered as wake

    try:
        made_at = iso(from_iso(at))
    except ValueError as error:
        hint = "it looks like 2026-03-01T02:00:00Z"
        raise UsageError(f"`{common.clean(at)[:60]}` is no time in UTC", hint=hint) from error
    if whereabouts.exists(home) and whereabouts.address(home) is None:
        with occupied.alone(home):
            pass  # nobody else is at work with it
    with office.opened(home) as world:
        rest = wake(world, home, made_at, f"cli:{office.person()}")
    click.echo(
        f"{whereabouts.named(home)}: nobody is at work, everything is due, and the journals say that it was recovered"
    )
    office.say("next: `flowctl doctor` tries each connection; sign in again where it fails")
    if rest:
        office.say(office.RESTS)
    return 0


def _opened_version(path: Path) -> int:
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise office.PlaceUnusable(path.parent, f"the store cannot be opened: {error}") from error
