"""`flowctl new`: a flow or a connector that works as it is written."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.common import clean

if TYPE_CHECKING:
    from engine.scaffold.flow import Made


@click.group(name="new")
def command() -> None:
    """Write a new flow, or a package for a new connector.

    Nothing is overwritten, and what was written passes its own tests.

    Example: flowctl new flow acme_bills --from bill.bills --to qbwc
    """


@command.command("flow")
@click.argument("name")
@click.option(
    "--from", "source", metavar="CONNECTOR[.STREAM]", default="ramp.bills", show_default=True, help="What is read."
)
@click.option("--to", "target", metavar="CONNECTOR", default="qbwc", show_default=True, help="What is written to.")
@click.option("--request", metavar="NAME", default="", help="What it becomes there; chosen by the stream by default.")
def flow(name: str, source: str, target: str, request: str) -> int:
    """Write flows/NAME.yaml and its first golden case, from what the two connectors say of themselves.

    What had to be guessed is marked by a comment. The file passes `flowctl validate`, and the case `flowctl test`.

    Example: flowctl new flow acme_bills --from bill.bills --to qbwc
    """
    from engine.scaffold.files import write
    from engine.scaffold.flow import Wanted, make_flow
    from engine.scaffold.project import CASES, SCHEMA, flow_files

    connector, stream = connector_and_stream(source)
    made = make_flow(Wanted(name, connector, target, stream, request), schema=Path(SCHEMA).is_file())
    texts = flow_files(made)
    write(Path(), texts)
    click.echo(f"made flows/{name}.yaml{marked(made)}")
    click.echo(f"made {CASES}/{name}/first/: what is given, and all that came out{stopped(made, texts)}")
    warn(texts)
    click.echo("next:")
    click.echo(f"  flowctl validate flows/{name}.yaml")
    click.echo(f"  flowctl test {name}")
    click.echo(f"  flowctl preview {name} --stream {made.stream}")
    return 0


@command.command("connector")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where it is written; flowctl-NAME here by default.",
)
def connector(name: str, folder: Path | None) -> int:
    """Write a Python package with a connector, its simulator, and the conformance suite, which it passes.

    Its README says how to make it that of a real vendor.

    Example: flowctl new connector acme_pay
    """
    from engine.scaffold.connector import connector_files
    from engine.scaffold.files import write

    texts = connector_files(name)
    root = folder or Path(f"flowctl-{name.replace('_', '-')}")
    for path in write(root, texts).made:
        click.echo(f"made {root / path}")
    click.echo("next:")
    click.echo(f"  cd {shlex.quote(str(root))} && pip install -e '.[test]'")
    click.echo("  pytest")
    click.echo(f"  flowctl connectors {name}")
    return 0


def connector_and_stream(text: str) -> tuple[str, str]:
    """The two parts of `CONNECTOR[.STREAM]`; the stream is empty where none is named."""
    name, _, stream = text.partition(".")
    return name, stream


def marked(made: Made) -> str:
    """How many guesses a flow that was written has, as the end of a line."""
    guesses = made.text.count("  # ")
    return f"; {guesses} {'guess' if guesses == 1 else 'guesses'} to look at, marked by a comment" if guesses else ""


def stopped(made: Made, texts: Mapping[str, str]) -> str:
    """Why the record of the first case was not posted, as the end of a line; empty when it was."""
    from engine.scaffold.case import end_in

    end = end_in(made.stream, texts)
    return f"; the record {end}" if end else ""


def warn(texts: Mapping[str, str]) -> None:
    """Say that the first case met trouble: it passes, and shows something that is to be put right."""
    from engine.scaffold.case import trouble_in

    if trouble := trouble_in(texts):
        click.echo(f"warning: the first case met trouble, see its expected/outcome.txt: {clean(trouble)}", err=True)
