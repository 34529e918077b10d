"""`flowctl qwc`: the file that sets up the Web Connector for a company, and its password."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from engine.contract import Agent, Binding
    from engine.world import World


class NoAgent(UsageError):
    """The company has no connection that an agent serves."""

    def __init__(self, company: str) -> None:
        super().__init__(
            f"{company} has no connection with a Web Connector", hint=f"run `flowctl connect books --company {company}`"
        )


class WhichOne(UsageError):
    """The company has several such connections."""

    def __init__(self, company: str, names: list[str]) -> None:
        super().__init__(f"{company} has several: {', '.join(names)}", hint=f"give --connection {names[0]}")


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
    with office.opened(home) as world:
        agent, binding = _agent(world, company, connection)
        made = agent.agent_file(binding)
        password = _new_password(world, company, binding) if new_password else ""
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


def _agent(world: World, company: str, connection: str | None) -> tuple[Agent, Binding]:
    """The connector with an agent and the binding of the connection it serves.

    Raises:
        NoAgent, WhichOne, UnknownName: when that is not one connection.
    """
    from engine import registry
    from engine.contract import Agent
    from engine.store import companies

    with world.store.read() as tx:
        companies.require(tx, company)
        rows = companies.connections(tx, company)
    names = [row["connection"] for row in rows if isinstance(registry.find(row["connector"]), Agent)]
    if not names:
        raise NoAgent(company)
    if connection is not None and connection not in names:
        raise UnknownName("connection with a Web Connector", connection, tuple(names))
    if connection is None and len(names) > 1:
        raise WhichOne(company, names)
    connector, binding = world.bound(company, connection or names[0])
    assert isinstance(connector, Agent)
    return connector, binding


def _new_password(world: World, company: str, binding: Binding) -> str:
    from engine.cli.connect import PASSWORD_LENGTH, forget_other_users
    from engine.connecting import connect

    with world.store.read() as tx:
        row = tx.one("connection_get", {"company": company, "connection": binding.connection})
    assert row is not None
    password = world.ids.base62(PASSWORD_LENGTH)
    connect(world, company, binding.connection, row["connector"], {}, {"password": password})
    forget_other_users(world, company, binding.connection)
    return password
