"""`flowctl restore`: puts a backup back, all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office


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
    backup was made, so nothing is posted twice.

    Example: flowctl restore /mnt/elsewhere/flowctl-20260301T020000Z
    """
    from engine.audit.notary import FILE
    from engine.clock import SystemClock, iso
    from engine.upkeep import backup as backups
    from engine.upkeep.restoring import restore

    found = backups.read(backup)
    records = office.counted(found.records, "record")
    click.echo(f"{backup}: made {found.made_at} by flowctl {found.version}: {records}")
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
    if done.stopped:
        stays = "one pause or hold" if done.stopped == 1 else f"{done.stopped} pauses and holds"
        click.echo(f"  {stays} of the store before stays; `flowctl resume` and `flowctl release` end them")
    for one in done.connections:
        is_kept = "its newest token was taken over" if one.is_newest else "its token is as old as the backup"
        click.echo(f"  {one.company}/{one.connection}: {is_kept}")
    office.say("next: `flowctl doctor` tries each connection; sign in again where it fails")
    office.say("then: start `flowctl serve`, here alone: a second server on the same companies would write as well")
    return 0
