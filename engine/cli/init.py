"""`flowctl init`: a project that validates and passes its test at once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

if TYPE_CHECKING:
    from engine.scaffold.files import Written


class Options(TypedDict):
    """Options of the command."""

    flow: str | None
    source: str
    target: str
    ci: str


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--flow", metavar="NAME", help="Name of the flow; made of source and target by default.")
@click.option(
    "--source",
    metavar="CONNECTOR[.STREAM]",
    default="ramp",
    show_default=True,
    help="What is read, such as bill, expensify.reports or freshbooks.",
)
@click.option(
    "--target", metavar="CONNECTOR", default="qbwc", show_default=True, help="What is written to: qbwc, ledger or ramp."
)
@click.option(
    "--ci", type=click.Choice(["github", "gitlab", "none"]), default="github", show_default=True, help="Which CI file."
)
def command(folder: Path, **given: Unpack[Options]) -> int:
    """Begin a project: one flow with its golden case, editor settings, a CI file.

    Nothing is asked and nothing is overwritten. What was written works at once, against simulated vendors.

    Example: flowctl init acme-books --source bill
    """
    from engine.cli.new import connector_and_stream, marked, stopped, warn
    from engine.scaffold.files import write
    from engine.scaffold.flow import Wanted, make_flow, role_of
    from engine.scaffold.project import project_files

    source, stream = connector_and_stream(given["source"])
    name = given["flow"] or f"{source}_to_{role_of(given['target'])}"
    made = make_flow(Wanted(name, source, given["target"], stream), schema=True)
    title = folder.resolve().name or "flows"
    texts = project_files(made, title, given["ci"])
    notes = {f"flows/{name}.yaml": marked(made), f"tests/flows/{name}/first/": stopped(made, texts)}
    _tell(folder, write(folder, texts), notes)
    warn(texts)
    steps = ["flowctl validate", "flowctl test", f"flowctl preview {made.name} --stream {made.stream}"]
    if folder.resolve() != Path.cwd():
        steps[0] = f"cd {shlex.quote(str(folder))} && {steps[0]}"
    click.echo("next:")
    for step in steps:
        click.echo(f"  {step}")
    return 0


def _tell(folder: Path, written: Written, notes: Mapping[str, str]) -> None:
    """One line a file, with what is to be noted about it; those of a case are one line together."""
    shown: dict[str, int] = {}
    for path in written.made:
        parts = Path(path).parts
        case = "/".join(parts[:4]) + "/" if parts[:2] == ("tests", "flows") else path
        shown[case] = shown.get(case, 0) + 1
    for path, count in shown.items():
        files = f" ({count} files)" if count > 1 else ""
        click.echo(f"made {folder / path}{'/' if path.endswith('/') else ''}{files}{notes.get(path, '')}")
    kept = len(written.kept)
    if kept and not written.made:
        click.echo(f"nothing to write: all {kept} files are there already, with the same content")
    elif kept:
        click.echo(f"left alone {kept} {'file' if kept == 1 else 'files'} that had the same content already")
