"""`flowctl restore`: puts a backup back, all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from engine.upkeep.before import Outlook

_UNREAD = (
    "the store that was there cannot be read: what was paused or held back since the backup is not known, and would be sent "
    "again; pause the companies with `flowctl pause` before `flowctl serve` is started, and look"
)


@click.command()
@click.argument("backup", type=click.Path(file_okay=False, path_type=Path))
@common.home_option
@click.option("--yes", is_flag=True, help="Go on without asking.")
@click.option(
    "--checkpoint-copy",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FLOWCTL_CHECKPOINT_COPY",
    show_envvar=True,
    help="Folder with the copy of the checkpoints, for a home that has none.",
)
def command(backup: Path, home: Path, yes: bool, checkpoint_copy: Path | None) -> int:
    """Put a backup in the place of the store; what is there now is set aside in a folder, and not removed.

    Stop flowctl first. Before anything is written to QuickBooks, the next session looks for what was posted after the
    backup was made, so nothing is posted twice; where the company file is open in multi-user mode, nothing is written
    before a second session half an hour later.

    Example: flowctl restore /mnt/elsewhere/flowctl-20260301T020000Z
    """
    from engine.audit.notary import FILE
    from engine.clock import SystemClock, iso
    from engine.upkeep import backup as backups
    from engine.upkeep.before import outlook
    from engine.upkeep.restoring import restore

    found = backups.read(backup)
    records = office.counted(found.records, "record")
    click.echo(f"{backup}: made {found.made_at} by flowctl {found.version}: {records}")
    foretold = outlook(home / backups.STORE, backup / backups.STORE)
    _foretell(foretold)
    if not yes and not (common.interactive() and click.confirm(f"put it into {home}?", err=True)):
        click.echo("nothing was changed; give --yes to go on")
        return 1
    copy = checkpoint_copy / FILE if checkpoint_copy is not None else None
    try:
        done = restore(home, found, iso(SystemClock().now()), f"cli:{office.person()}", copy)
    except OSError as error:
        raise office.FileUnusable(str(error.filename or home), error.strerror or "cannot be written") from error
    click.echo(f"{home}: the store is that of {found.made_at}")
    if done.aside is not None:
        click.echo(f"  what was there is in {done.aside}; remove it when all is well")
    if done.note:
        click.echo(f"  {done.note}: its newer tokens are lost")
    if done.users:
        click.echo(
            f"  {office.counted(done.users, 'user')} of the panel may do what they might before, and not what the backup says"
        )
    if done.users is None and foretold.stays:
        office.say(
            "WARNING: users of the panel are those of the backup: see `flowctl user list`, and remove who was removed"
        )
    if done.stopped is None:
        office.say(f"WARNING: {_UNREAD}")
    elif done.stopped:
        stays = "one pause or hold" if done.stopped == 1 else f"{done.stopped} pauses and holds"
        click.echo(f"  {stays} of the store before stays; `flowctl resume` and `flowctl release` end them")
    for one in done.connections:
        is_kept = "its newest token was taken over" if one.is_newest else "its token is as old as the backup"
        click.echo(f"  {one.company}/{one.connection}: {is_kept}")
    office.say("next: `flowctl doctor` tries each connection; sign in again where it fails")
    office.say("then: start `flowctl serve`, here alone: a second server on the same companies would write as well")
    if done.rest:
        office.say(office.RESTS)
    return 0


def _foretell(foretold: Outlook) -> None:
    """Say before anything is done what the backup would bring back that nobody may want."""
    if foretold.stays:
        click.echo("  who may sign in to the panel, and with what password and role, stays as it is now")
    if foretold.returning:
        names = ", ".join(f"{common.clean(name)} ({role})" for name, role in foretold.returning)
        click.echo(f"  these may sign in to the panel again, with the roles and passwords of then: {names}")
    if foretold.is_unread:
        click.echo(
            "  the store that is there cannot be read: what was paused or held back since is not stopped any more"
        )
