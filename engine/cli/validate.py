"""`flowctl validate`: every problem of every file at once, before anything runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Output format.",
)
def command(paths: tuple[str, ...], form: str) -> int:
    """Check flow files, or all flow files of a folder (./flows, or the shipped ones, by default).

    Each problem has file, line and column, a stable code, and what to do.

    Example: flowctl validate flows/
    """
    from engine.cli.common import flow_names, flow_path
    from engine.report import REPORTERS
    from engine.validate import validate

    targets = [Path(p) if Path(p).exists() or "/" in p else flow_path(p) for p in paths]
    report = validate(targets or [flow_path(name) for name in flow_names()])
    click.echo(REPORTERS[form](report), nl=False)
    errors, warnings = report.count("error"), report.count("warning")
    counted = ((len(report.files), "flow file"), (errors, "error"), (warnings, "warning"))
    files, *found = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted]
    click.echo(f"{files}: {', '.join(found)}", err=True)
    return 0 if report.ok else 1
