"""`flowctl qwc`: the file that sets up the Web Connector for a company, and its password."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engine.cli import common, office


@click.command()
@common.home_option
@common.company_option
@click.option("--connection", help="Which connection, when there are several.")
@click.option("--out", help="File or folder to write to; `-` is stdout [default: a file named after the company].")
@click.option("--new-password", is_flag=True, help="Make a new password and show it once; the old one ends.")
@common.format_option
def command(home: Path, company: str, connection: str | None, out: str | None, new_password: bool, form: str) -> int:
    """Write the .qwc file that a bookkeeper opens in the Web Connector; it holds no password.

    Example: flowctl qwc --out acme.qwc
    """
    from engine.connections import agents
    from engine.follow import Hand

    with office.opened(home) as world:
        agent, binding = agents.agent_of(world, company, connection)
        made = agent.agent_file(binding)
        hand = Hand(company, world.at(), "person")
        password = agents.new_password(world, hand, binding.connection) if new_password else ""
    path = Path(out) if out else Path(made.name)
    if out == "-":
        sys.stdout.buffer.write(made.content)
        sys.stdout.buffer.flush()
        if password:
            office.say(f"password of the Web Connector, shown this once: {password}")
    else:
        path = path / made.name if path.is_dir() else path
        office.write_bytes(path, made.content)
        if form == "json":
            found = {"company": company, "connection": binding.connection, "path": str(path)}
            common.echo_json({**found, "password": password} if password else found)
        else:
            click.echo(f"{path}: written for the user `{common.clean(binding.settings.get('user'))}`")
            if password:
                click.echo(f"password of the Web Connector, shown this once: {password}")
    for number, step in enumerate(made.steps, 1):
        office.say(f"{number}. {step}")
    return 0
