"""`flowctl validate`: every problem of every file at once, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from engine.errors import UsageError


class NothingToMend(UsageError):
    """Only the user's own files are mended, never those that came with the program."""

    def __init__(self) -> None:
        super().__init__("the shipped flows are not mended", hint="give the paths of the files to mend")


@click.command()
@click.argument("paths", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option("--fix", "fixing", is_flag=True, help="Mend what can only be meant one way, and show the change.")
@click.option("--diff", "only_diff", is_flag=True, help="With --fix: show the change, write nothing.")
def command(paths: tuple[str, ...], form: str, fixing: bool, only_diff: bool) -> int:
    """Check flow files, or all flow files of a folder (./flows, or the shipped ones, by default).

    Each problem has file, line and column, a stable code, and what to do; `flowctl explain CODE` says more.

    Example: flowctl validate flows/
    """
    from engine.cli.common import default_paths, flow_path
    from engine.report import REPORTERS
    from engine.validate import validate

    if only_diff and not fixing:
        raise click.UsageError("--diff shows what --fix would do: give both")
    targets = [Path(p) if Path(p).exists() or "/" in p else flow_path(p) for p in paths]
    targets = targets or default_paths()
    if fixing:
        _mend(targets, write=not only_diff, to_stderr=form != "text")
    report = validate(targets)
    click.echo(REPORTERS[form](report), nl=False)
    errors, warnings = report.count("error"), report.count("warning")
    counted = ((len(report.files), "flow file"), (errors, "error"), (warnings, "warning"))
    files, *found = [_counted(count, word) for count, word in counted]
    click.echo(f"{files}: {', '.join(found)}", err=True)
    return 0 if report.ok else 1


def _mend(targets: Sequence[Path], *, write: bool, to_stderr: bool) -> None:
    from engine.flowlang.mend import mend

    mended = mend(targets)
    shipped = Path(__file__).resolve().parents[2] / "flows"
    if write and any(Path(one.path).is_absolute() and Path(one.path).is_relative_to(shipped) for one in mended):
        raise NothingToMend
    for one in mended:
        if write:
            one.save()
        click.echo(one.diff(), nl=False, err=to_stderr)
    count = sum(one.count for one in mended)
    said = "mended" if write else "can be mended"
    click.echo(f"{_counted(count, 'problem')} {said} in {_counted(len(mended), 'file')}", err=True)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
