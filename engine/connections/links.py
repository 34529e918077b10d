"""How each connection of a company stands: to what it leads, since when, what it last did, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine import flowswitch, registry
from engine.clock import iso
from engine.connections import accounts, checking
from engine.connections.authorizing import Authorizes
from engine.connections.binding import stands_in
from engine.connections.checking import Checked
from engine.connections.disconnecting import binding_of
from engine.contract import Agent, Connector, Webhooks
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.model import Flow
from engine.overview import SessionLine, session_of
from engine.store import alerts, companies, work
from engine.store.base import Row, Tx
from engine.world import World

# How many alerts that are over are looked through for the last one of a connection.
_LOOKED_BACK = 200


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong last, in words; `is_open` while it goes on."""

    message: str
    hint: str
    at: str
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A role that flows have, and what a company has connected to it.

    `connector` is empty where nothing is; `wanted` are the connectors that the flows name. Times are UTC text, empty where
    there is none. `ends_at` is when the access token ends; `token` says what that means. `secrets` are the names of those
    that are kept. One that `is_polled` works when its agent calls us: `called_at` is its last call.
    """

    name: str
    flows: tuple[str, ...]
    wanted: tuple[str, ...]
    connector: str = ""
    title: str = ""
    account: str = ""
    since: str = ""
    changed_at: str = ""
    token: str = ""
    ends_at: str = ""
    needs_person: bool = False
    good_at: str = ""
    trouble: Trouble | None = None
    checked: Checked | None = None
    secrets: tuple[str, ...] = ()
    is_authorized: bool = False
    is_agent: bool = False
    has_webhooks: bool = False
    is_polled: bool = False
    called_at: str = ""

    @property
    def stands(self) -> str:
        """In one word or two."""
        if not self.connector:
            return "not connected"
        if self.needs_person:
            return "waits to be allowed"
        if self.trouble is not None and self.trouble.is_open:
            return "in trouble"
        if self.good_at or self.called_at:
            return "connected"
        return "has not called yet" if self.is_polled else "not tried yet"


def links(world: World, company: str, flows: Sequence[Flow]) -> list[Link]:
    """Those that are connected first, and then the roles of flows that are on and nothing is connected to."""
    with world.store.read(company) as tx:
        rows = {row["connection"]: row for row in companies.connections(tx, company)}
        running = [flow for flow in flows if flowswitch.is_on(tx, company, flow)]
        names = [*rows, *dict.fromkeys(c.name for flow in running for c in flow.connections if c.name not in rows)]
        return [_link(tx, world, company, (name, rows.get(name)), flows) for name in names]


def link(world: World, company: str, connection: str, flows: Sequence[Flow]) -> Link | None:
    """One of them; None when no flow has such a role and nothing is connected under the name."""
    with world.store.read(company) as tx:
        row = tx.one("connection_get", {"company": company, "connection": connection})
        if row is None and not any(c.name == connection for flow in flows for c in flow.connections):
            return None
        return _link(tx, world, company, (connection, row), flows)


def choices(wanted: Iterable[str]) -> list[Connector]:
    """The connectors that can have a role: those that the flows name, and those that stand for them."""
    names = dict.fromkeys(wanted)
    others = [name for name in registry.names() if any(stands_in(own, name) for own in names)]
    found = (registry.find(name) for name in dict.fromkeys([*names, *others]))
    return [connector for connector in found if connector is not None]


def _link(tx: Tx, world: World, company: str, place: tuple[str, Row | None], flows: Sequence[Flow]) -> Link:
    name, row = place
    used = [flow for flow in flows if any(c.name == name for c in flow.connections)]
    wanted = tuple(dict.fromkeys(c.connector for flow in used for c in flow.connections if c.name == name))
    on = tuple(flow.name for flow in used if flowswitch.is_on(tx, company, flow))
    if row is None:
        return Link(name, on, wanted)
    connector = registry.find(row["connector"])
    known = accounts.known(tx, company, name)
    kept = tx.rows("credentials_of", {"company": company, "connection": name})
    fields = tuple(item["field"] for item in kept if item["field"] != companies.TOKEN_FIELD)
    checked = checking.newest(tx, company, name)
    token = _token(tx, world, row, connector)
    good_at = _good_at(tx, row, connector, used, checked)
    is_polled = connector is not None and connector.spec.delivery == "pull"
    visit = session_of(tx, company) if is_polled else None
    return Link(
        name,
        on,
        wanted,
        row["connector"],
        connector.spec.title if connector is not None else row["connector"],
        _account(tx, row, connector, known),
        known.since if known is not None else "",
        row["updated_at"],
        token.words,
        token.ends_at,
        token.needs_person,
        good_at,
        token.trouble or _met(tx, company, visit) or _trouble(tx, company, name, checked, good_at),
        checked,
        fields,
        isinstance(connector, Authorizes),
        isinstance(connector, Agent),
        isinstance(connector, Webhooks),
        is_polled,
        visit.seen_at if visit is not None else "",
    )


@dataclass(frozen=True, slots=True)
class _Token:
    words: str = ""
    ends_at: str = ""
    needs_person: bool = False
    trouble: Trouble | None = None


def _token(tx: Tx, world: World, row: Row, connector: object) -> _Token:
    """What a person's permission is worth; nothing where none is needed."""
    if not isinstance(connector, Authorizes):
        return _Token()
    company, name = row["company"], row["connection"]
    try:
        bound = companies.binding(tx, world.vault, company, name)
        token = companies.token(tx, world.vault, company, name)
        found = connector.permission(bound[1], token) if bound is not None else None
    except FlowctlError as error:
        return _Token(trouble=Trouble(str(error), error.hint or "", ""))
    if found is None:
        return _Token("nobody has allowed it yet", needs_person=True)
    if found.ends_at is None:
        return _Token("a code is kept, and is exchanged at the first read")
    words = "is renewed by itself"
    return _Token(f"{words}; {found.doubt}" if found.doubt else words, iso(found.ends_at))


def _account(tx: Tx, row: Row, connector: Connector | None, known: accounts.Account | None) -> str:
    if connector is None:
        return ""
    if connector.spec.delivery == "pull":
        bound: Mapping[str, object] = companies.identity(tx, row["company"]) or {}
        return str(bound.get("company_name") or bound.get("path") or "")
    if known is not None and known.id:
        return f"{known.name} ({known.id})" if known.name else known.id
    return accounts.shown(connector.spec, binding_of(row))


def _good_at(tx: Tx, row: Row, connector: Connector | None, flows: Sequence[Flow], checked: Checked | None) -> str:
    """When it was last seen to work: a visit of the agent, a run that read from it, or a try."""
    found = [checked.good_at] if checked is not None else []
    if connector is not None and connector.spec.delivery == "pull":
        session = session_of(tx, row["company"])
        found += [session.seen_at] if session is not None and not session.error else []
        return max(found, default="")
    read = {flow.name for flow in flows for stream in flow.streams if stream.fetch.connection == row["connection"]}
    runs = tx.rows("runs_newest", {"company": row["company"]})
    good = [str(run["ended_at"]) for run in runs if run["flow"] in read and run["outcome"] == "done"]
    return max([*found, *(at for at in good if at >= row["updated_at"])], default="")


def _met(tx: Tx, company: str, visit: SessionLine | None) -> Trouble | None:
    """What the last visit of the agent met; what it met before the company file was confirmed says nothing any more."""
    if visit is None or not visit.error or visit.seen_at < companies.bound_at(tx, company):
        return None
    return Trouble(visit.error, "", visit.seen_at)


def _trouble(tx: Tx, company: str, name: str, checked: Checked | None, good_at: str) -> Trouble | None:
    """What is wrong now, the newest first, or else what was wrong last."""
    mine = [row for row in work.alerts(tx, company) if _is_about(row, name)]
    found = [Trouble(_said(row), row["hint"] or "", row["last_at"]) for row in mine]
    if checked is not None and not checked.is_good and checked.at >= good_at:
        first = next(finding for finding in checked.findings if finding.level == "FAIL")
        found.append(Trouble(first.message, first.hint, checked.at))
    if not found:
        over = [
            row for row in alerts.page(tx, company, alerts.BEYOND, _LOOKED_BACK, is_over=True) if _is_about(row, name)
        ]
        found = [Trouble(_said(row), "", row["last_at"], is_open=False) for row in over]
    return max(found, key=lambda trouble: trouble.at, default=None)


def _said(row: Row) -> str:
    """What an alert says, without the flow and the connection: they stand beside it."""
    return str(row["message"]).removeprefix("/".join(row["subject"].split("/")[:2]) + ": ")


def _is_about(row: Row, connection: str) -> bool:
    return bool(row["kind"] == "connection" and row["subject"].split("/")[1:2] == [connection])
