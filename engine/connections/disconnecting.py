"""Takes a connection away: its settings, secrets and tokens, once nothing is under way over it."""

from __future__ import annotations

import json

from engine import registry
from engine.connections import accounts, connecting
from engine.contract import Binding
from engine.dataclass import dataclass
from engine.errors import NotConnected, UnknownName
from engine.follow import Hand
from engine.listsource import CalledList
from engine.operator.companyfile import SetInDoubt
from engine.store import companies, journal, lists, work
from engine.store.base import Row, Tx


@dataclass(frozen=True, slots=True)
class Left:
    """What was taken away: the connector, and how many documents are prepared anew for the next one."""

    connector: str
    waiting: int


def disconnect(tx: Tx, hand: Hand, connection: str, reason: str = "") -> Left:
    """Forget a connection. What was posted over it stays posted; what waits to be sent waits for the next connection.

    Raises:
        NotConnected: when there is none.
        StillOpen, SetInDoubt: while it is not known what became of a document that was sent.
    """
    company = hand.company
    row = tx.one("connection_get", {"company": company, "connection": connection})
    if row is None:
        raise NotConnected(company, connection)
    connector = registry.find(row["connector"])
    is_pull = connector is not None and connector.spec.delivery == "pull"
    unsettled = tx.one("set_unsettled", {"company": company}) if is_pull else None
    if unsettled is not None:
        raise SetInDoubt(unsettled["id"])
    waiting = connecting.free(tx, hand, connection, row["connector"], f"{connection} was disconnected")
    if is_pull:
        # Nobody's name and password open the door to a connection that is not there.
        tx.run("logins_forget", {"company": company, "keep": _other_user(tx, company, connection)})
        tx.run("sessions_close_of", {"company": company})
    for entry in connector.spec.lists if connector is not None else ():
        lists.expire(tx, company, entry.name if is_pull else CalledList(connection, entry).kept)
    tx.run("connection_secrets_forget", {"company": company, "connection": connection})
    tx.run("connection_delete", {"company": company, "connection": connection})
    tx.run("checkpoints_forget", {"company": company, "connection": connection})
    tx.run("push_resume", {"company": company, "connection": connection})
    _over(tx, hand, connection)
    accounts.left(tx, hand, connection)
    detail = {"connection": connection, "connector": row["connector"], **({"why": reason} if reason else {})}
    journal.append(tx, company, hand.at, hand.actor, [journal.Entry("disconnected", detail=detail)])
    return Left(row["connector"], waiting)


def end_previous(tx: Tx, hand: Hand, connection: str, name: str) -> None:
    """Let the secret before end, which was still taken beside a new one.

    Raises:
        UnknownName: when there is no such secret.
    """
    kept = tx.rows("credentials_of", {"company": hand.company, "connection": connection})
    found = tuple(row["field"] for row in kept if row["field"].endswith("_previous"))
    if name not in found:
        raise UnknownName("secret that is still taken", name, found)
    companies.drop_secret(tx, hand.company, connection, name)
    entry = journal.Entry("secret_ended", detail={"connection": connection, "secret": name})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])


def binding_of(row: Row) -> Binding:
    """The settings of a connection's row, without its secrets."""
    return Binding(row["company"], row["connection"], json.loads(row["settings"]))


def _other_user(tx: Tx, company: str, connection: str) -> str:
    """The user of another connection of the company with the same agent; empty when there is none."""
    others = [row for row in companies.connections(tx, company) if row["connection"] != connection]
    users = (str(json.loads(row["settings"]).get("user") or "") for row in others)
    return next((user for user in users if user), "")


def _over(tx: Tx, hand: Hand, connection: str) -> None:
    """What alerts say of the connection no longer matters."""
    for row in work.alerts(tx, hand.company):
        if row["kind"] == "connection" and row["subject"].split("/")[1:2] == [connection]:
            work.resolve_alert(tx, hand.company, row["kind"], row["subject"], hand.at)
