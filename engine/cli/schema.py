"""`flowctl schema`: the JSON Schema of flow files for an editor, with what the connectors installed here offer."""

from __future__ import annotations

import re
from pathlib import Path

import click

from engine.cli import office


def _names(_ctx: click.Context, _param: click.Parameter, roles: tuple[str, ...]) -> tuple[str, ...]:
    from engine.flowlang.language import NAME

    for role in roles:
        if not re.fullmatch(NAME.pattern, role):
            raise click.BadParameter(f"`{role}` cannot be the name of a connection: {NAME.form}")
    return roles


@click.command()
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write; without it, to stdout."
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    callback=_names,
    metavar="NAME",
    help="A name that your flows give to a connection: so the editor knows the connector behind it. Can be repeated.",
)
def command(output: Path | None, roles: tuple[str, ...]) -> int:
    """Write the JSON Schema of flow files, by which an editor completes, explains and checks them.

    It knows the connectors that are installed here. Write it again after an update. A flow file names it in its first
    line: # yaml-language-server: $schema=../schemas/flow.schema.json

    Example: flowctl schema --output schemas/flow.schema.json
    """
    from engine.flowlang.flowschema import flow_schema_text, installed

    text = flow_schema_text(roles)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    broken = installed()[1]
    for error in broken:
        office.complain(error)
    return 1 if broken else 0
