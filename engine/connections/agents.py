"""The agent of a polled connector at the customer's: which connection it serves, its file, its password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine import registry
from engine.connections.connecting import connect_as
from engine.contract import Agent, Binding, Connector
from engine.errors import UnknownName, UsageError
from engine.follow import Hand
from engine.store import companies
from engine.world import World

PASSWORD_LENGTH = 20  # base-62 characters, 119 bits


class NoAgent(UsageError):
    """The company has no connection that an agent serves."""

    def __init__(self, company: str) -> None:
        super().__init__(
            f"{company} has no connection with a Web Connector", hint=f"run `flowctl connect books --company {company}`"
        )


class WhichOne(UsageError):
    """The company has several such connections."""

    def __init__(self, company: str, names: list[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"{company} has several: {', '.join(names)}", hint=f"give --connection {names[0]}")


def agent_of(world: World, company: str, connection: str | None = None) -> tuple[Agent, Binding]:
    """The connector with an agent, and the binding of the connection that it serves.

    Raises:
        NoAgent, WhichOne, UnknownName: when that is not one connection.
    """
    with world.store.read(company) as tx:
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


def new_password(world: World, hand: Hand, connection: str) -> str:
    """Make a new password for the agent; the one before ends. It is not kept in clear, so it can be shown this once only.

    Raises:
        UsageError: what `connect_as` raises.
    """
    with world.store.read(hand.company) as tx:
        row = tx.one("connection_get", {"company": hand.company, "connection": connection})
    assert row is not None
    password = world.ids.base62(PASSWORD_LENGTH)
    connect_as(world, hand, connection, row["connector"], {}, {"password": password})
    forget_other_users(world, hand.company, connection)
    return password


def forget_other_users(world: World, company: str, connection: str) -> None:
    """A company has one Web Connector user: one that was renamed can no longer sign in."""
    with world.store.write(company) as tx:
        row = companies.binding(tx, world.vault, company, connection)
        if row is not None and row[1].settings.get("user"):
            tx.run("logins_forget", {"company": company, "keep": str(row[1].settings["user"])})


@contextmanager
def plain_settings(connector: Connector) -> Iterator[None]:
    """Word a refused user name for people: the store only knows that another company has it."""
    try:
        yield
    except UnknownName as error:
        if "free user name" not in str(error):
            raise
        raise UsageError(
            f"another company's {connector.spec.title} signs in with this user name",
            hint="give another one: --set user=NAME",
        ) from error
