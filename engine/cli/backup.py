"""`flowctl backup`: a copy of the store that is whole, while others work with it."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli import common, office
from engine.errors import UsageError


@click.command()
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
@common.home_option
@click.option("--keep", type=click.IntRange(1, 10_000), help="Remove all but so many of the newest backups in TO.")
@click.option("--check", is_flag=True, help="Make none: hold each file of the backup TO against its digest.")
@common.format_option
def command(to: Path, home: Path, keep: int | None, check: bool, form: str) -> int:
    """Copy the store and its checkpoints into a new folder below TO, while flowctl may run.

    The master key is not in it: keep that in another place. `flowctl restore` puts a backup back.

    Example: flowctl backup /mnt/elsewhere --keep 30
    """
    from engine.clock import SystemClock, iso
    from engine.upkeep import backup

    if check and keep is not None:
        raise UsageError("--check makes no backup, so there is nothing for --keep", hint="give one of the two")
    gone: list[Path] = []
    try:
        if check:
            made = backup.read(to)
        else:
            made = backup.make(home, to, iso(SystemClock().now()), _version())
            gone = backup.keep_newest(to, keep) if keep is not None else []
    except OSError as error:
        raise office.FileUnusable(str(error.filename or to), error.strerror or "cannot be written") from error
    if form == "json":
        common.echo_json(
            {
                "path": str(made.path),
                "made_at": made.made_at,
                "bytes": made.size,
                "schema": made.schema,
                "companies": made.companies,
                "records": made.records,
                "removed": [str(path) for path in gone],
            }
        )
        return 0
    companies, records = f"{made.companies} {'company' if made.companies == 1 else 'companies'}", made.records
    click.echo(
        f"{made.path}: {'whole, ' if check else ''}{companies}, {office.counted(records, 'record')}, {_size(made.size)}"
    )
    for path in gone:
        click.echo(f"{path}: removed")
    if not check:
        office.say("the master key is not in it: keep it in another place, or nothing that is sealed can be opened")
    return 0


def _version() -> str:
    from importlib.metadata import version

    return version("flowctl")


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"
