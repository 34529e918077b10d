"""Binds a connection of a company: settings checked against the connector's spec, secrets sealed, logins hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine import astray, follow, registry
from engine.connections import accounts
from engine.connections.authorizing import Authorizes
from engine.connections.binding import lacking
from engine.contract import Binding, Connector, Login
from engine.diagnostics import Diagnostic, of_company, suggestion
from engine.errors import UnknownName, UsageError
from engine.follow import Hand
from engine.listsource import CalledList
from engine.model import Flow
from engine.spec import FieldSpec
from engine.store import companies, journal, lists
from engine.store.base import Tx
from engine.vault import secret_variable
from engine.world import World

Value = str | int | bool
_TRUE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class SettingWrong(UsageError):
    """A setting's value does not fit."""

    def __init__(self, name: str, reason: str, hint: str) -> None:
        super().__init__(f"setting `{name}`: {reason}", hint=hint)


class DoesNotStandFor(UsageError):
    """A connector that no flow can use in this role."""

    def __init__(self, connection: str, connector: str, missing: Mapping[str, Sequence[str]]) -> None:
        told = [f"`{flow}` wants {', '.join(names)}" for flow, names in missing.items()]
        super().__init__(
            f"`{connector}` cannot be `{connection}`: " + "; ".join(told),
            hint="`flowctl connectors` lists the connectors, and each one's help says what it stands for",
        )


class SecretMalformed(UsageError):
    """A secret that no vendor gives out."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the secret `{name}` {reason}", hint="copy it again, as one line of text")


class StillOpen(UsageError):
    """Documents of a connection are under way, and another connector would not know them."""

    def __init__(self, company: str, connection: str, connector: str, number: int) -> None:
        noun = "document is" if number == 1 else "documents are"
        super().__init__(
            f"{number} {noun} under way over `{connection}`, which is {connector}: what became of them must be known first",
            hint=f"`flowctl status{of_company(company)}` shows them; let {connector} answer, or decide with `flowctl retry`",
        )


class ListsClash(UsageError):
    """Two connections of one company offer lists of the same name."""

    def __init__(self, connection: str, connector: str, names: Sequence[str]) -> None:
        super().__init__(
            f"`{connection}` is {connector} here, and has lists of the same names: {', '.join(names)}",
            hint="one company has one set of books: connect another --company",
        )


class SettingsRefused(UsageError):
    """The connector finds fault with the settings."""

    def __init__(self, connection: str, problems: list[Diagnostic], secrets: frozenset[str]) -> None:
        lines = []
        for p in problems:
            # To run `flowctl connect` is what the person has just done.
            again = p.hint is None or p.hint.startswith("run `flowctl connect ")
            lines.append(f"{p.where}: {p.message}" + ("" if again else f" ({p.hint})"))
        sealed = next((p.where for p in problems if p.where in secrets), None)
        hints = []
        if sealed is not None:
            hints.append(
                "give secrets with --ask, to be asked for them, with --secret-file NAME=PATH, or in variables such as "
                f"{secret_variable(connection, sealed)}"
            )
        if any(p.where not in secrets for p in problems):
            hints.append("give settings again with --set NAME=VALUE")
        self.problems = tuple(problems)
        super().__init__("the settings do not fit:\n  " + "\n  ".join(lines), hint="; ".join(hints))


def connect(
    world: World,
    company: str,
    connection: str,
    connector_name: str,
    settings: Mapping[str, Value | None],
    secrets: Mapping[str, str],
) -> Connector:
    """Keep a connection, as a person at this machine does.

    Raises:
        UsageError: what `connect_as` raises.
    """
    return connect_as(world, Hand(company, world.at(), "person"), connection, connector_name, settings, secrets)


def connect_as(
    world: World,
    hand: Hand,
    connection: str,
    connector_name: str,
    settings: Mapping[str, Value | None],
    secrets: Mapping[str, str],
) -> Connector:
    """Keep a connection; what was given before and is not given now stays, and a setting that is None goes.

    Raises:
        UnknownName: for a connector or setting that does not exist.
        SettingWrong: for a value that does not fit its type, or a second company file.
        SettingsRefused: with everything that the connector itself finds wrong.
        StillOpen: when documents are under way over another connector that has this role now.
        ListsClash: when another connection has lists of the same names.
    """
    company, at = hand.company, hand.at
    connector = _known(connector_name)
    fields = {field.name: field for field in connector.spec.settings}
    for name in (*settings, *secrets):
        if name not in fields:
            raise UnknownName("setting", name, tuple(fields))
    with world.store.read(company) as tx:
        before = companies.binding(tx, world.vault, company, connection)
    kept = before[1] if before and before[0] == connector_name else Binding(company, connection)
    values = merged(fields, kept.settings, settings)
    secrets = {**_previous(fields, kept.secrets, secrets), **secrets}
    sealed = {**kept.secrets, **secrets}
    if connector.spec.delivery == "pull":
        _one_file(world, company, connection, values)
    _one_set_of_books(world, company, connection, connector)
    problems = [p for p in connector.check(Binding(company, connection, values, sealed)) if p.level == "error"]
    if problems:
        raise SettingsRefused(connection, problems, frozenset(f.name for f in fields.values() if f.secret))
    login = _login(company, values, sealed) if "user" in fields and "password" in secrets else None
    # A user name is taken or free in the whole house.
    with world.store.write(*(() if login is not None else (company,))) as tx:
        companies.add(tx, company, company, at)
        if before is not None and before[0] != connector_name:
            _leave(tx, hand, connection, before[0])
        companies.put_connection(tx, company, connection, connector_name, values, at)
        for name, secret in secrets.items():
            if login is None or name != "password":
                companies.put_secret(tx, world.vault, company, connection, name, secret, at)
        # A token of the credentials before these must not outlive them. One that a person's permission gave is not lost so
        # lightly: its connector knows whose it is, and takes no other.
        if before is None or before[0] != connector_name or not isinstance(connector, Authorizes):
            companies.drop_secret(tx, company, connection, companies.TOKEN_FIELD)
        tx.run("push_resume", {"company": company, "connection": connection})
        # Another account may be behind it from now on: its lists are read before anything is prepared with them.
        for entry in connector.spec.lists if connector.spec.delivery == "push" else ():
            lists.expire(tx, company, CalledList(connection, entry).kept)
        if login is not None:
            companies.put_login(tx, login, at)
        accounts.connected(tx, hand, connector.spec, Binding(company, connection, values, sealed), before)
        # What was prepared for another account is prepared anew for this one.
        astray.take_back_all(tx, hand, connection)
        detail = {
            "connection": connection,
            "connector": connector_name,
            "settings": sorted(values),
            "secrets": sorted(secrets),
        }
        journal.append(tx, company, at, hand.actor, [journal.Entry("connected", detail=detail)])
    return connector


def _known(name: str) -> Connector:
    found = registry.find(name)
    if found is None:
        raise UnknownName("connector", name, tuple(registry.names()))
    return found


def merged(
    fields: Mapping[str, FieldSpec], kept: Mapping[str, Value], given: Mapping[str, Value | None]
) -> dict[str, Value]:
    """The settings that are kept from now on, each in its type.

    Raises:
        SettingWrong: for a value that does not fit.
    """
    made = {name: typed(fields[name], value) for name, value in given.items() if value is not None}
    return {**{name: value for name, value in kept.items() if given.get(name, value) is not None}, **made}


def _previous(fields: Mapping[str, FieldSpec], kept: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The secrets that stay valid beside new ones, so that a webhook signed with the one before is not lost."""
    return {
        f"{name}_previous": kept[name]
        for name, secret in given.items()
        if f"{name}_previous" in fields and kept.get(name, secret) != secret
    }


def _one_file(world: World, company: str, connection: str, values: Mapping[str, Value]) -> None:
    """One company is one company file: two agents would each take what is meant for the other's file."""
    with world.store.read(company) as tx:
        others = [row for row in companies.connections(tx, company) if row["connection"] != connection]
    for row in others:
        other = registry.find(row["connector"])
        user = json.loads(row["settings"]).get("user")
        if other is not None and other.spec.delivery == "pull" and user != values.get("user"):
            raise SettingWrong(
                "user",
                f"`{user}` signs in for the connection `{row['connection']}` of this company already",
                "one company is one company file: give the same user, or connect another --company",
            )


def _one_set_of_books(world: World, company: str, connection: str, connector: Connector) -> None:
    """Lists are kept by company and name: what stands for a target may not be beside it."""
    with world.store.read(company) as tx:
        others = companies.connectors(tx, company)
    others.pop(connection, None)
    for name, other in others.items():
        found = registry.find(other)
        if found is None or not (connector.spec.stands_for or found.spec.stands_for):
            continue
        shared = [entry.name for entry in connector.spec.lists if found.spec.list(entry.name) is not None]
        if shared:
            raise ListsClash(name, other, shared)


def free(tx: Tx, hand: Hand, connection: str, connector: str, why: str) -> int:
    """Take back what waits to be sent over a connection; returns how many.

    Raises:
        StillOpen: when documents are under way over it.
    """
    rows = tx.rows("operations_open_at", {"company": hand.company, "connection": connection})
    under_way = [row for row in rows if row["state"] != "waiting"]
    if under_way:
        raise StillOpen(hand.company, connection, connector, len(under_way))
    for row in rows:
        follow.begin_anew(tx, hand, row, why)
    return len(rows)


def _leave(tx: Tx, hand: Hand, connection: str, connector: str) -> None:
    """Another connector takes the role: what waits is prepared anew for it, and lists are read from it."""
    free(tx, hand, connection, connector, f"{connection} is no longer {connector}")
    found = registry.find(connector)
    for entry in found.spec.lists if found is not None else ():
        lists.expire(tx, hand.company, entry.name)


def standing_for(flows: Sequence[Flow], connection: str, connector: Connector) -> None:
    """Whether a connector can have this role in one of the flows at least, where any has such a role.

    Raises:
        DoesNotStandFor: naming what each of these flows would miss.
    """
    missing: dict[str, Sequence[str]] = {}
    for flow in flows:
        own = next((c.connector for c in flow.connections if c.name == connection), None)
        if own is None:
            continue
        lacks = lacking(flow, connection, connector.spec)
        is_meant = own == connector.spec.name or own in connector.spec.stands_for
        if is_meant and not lacks:
            return
        missing[flow.name] = (*(() if is_meant else (f"the connector {own}",)), *lacks)
    if missing:
        raise DoesNotStandFor(connection, connector.spec.name, missing)


def typed(field: FieldSpec, value: Value) -> Value:
    """A setting's value in its type.

    Raises:
        SettingWrong: when it does not fit.
    """
    if field.type == "boolean" and not isinstance(value, bool):
        if str(value).lower() not in _TRUE:
            raise SettingWrong(field.name, f"`{value}` is neither true nor false", "give true or false")
        return _TRUE[str(value).lower()]
    if field.type == "integer" and not isinstance(value, int):
        try:
            return int(str(value), 10)
        except ValueError as error:
            raise SettingWrong(field.name, f"`{value}` is no whole number", field.help) from error
    if field.choices and value not in field.choices:
        raise SettingWrong(field.name, f"`{value}` is none of its values", suggestion(str(value), field.choices))
    return value


def fit_secret(name: str, text: str) -> str:
    """A secret without the line break that editors put at the end of a file.

    Raises:
        SecretMalformed: for one that no vendor gives out.
    """
    secret = text.rstrip("\r\n")
    if not secret.strip():
        raise SecretMalformed(name, "is empty")
    if any(character < " " or character == "\x7f" for character in secret):
        raise SecretMalformed(name, "holds line breaks or control characters")
    if not secret.isprintable() or "\udc80" <= max(secret) <= "\udfff":
        raise SecretMalformed(name, "is no plain text")
    return secret


def _login(company: str, values: Mapping[str, Value], secrets: Mapping[str, str]) -> Login:
    """The password that a polled connector's agent signs in with is only ever kept as a hash."""
    from engine.access.passwords import hash_password

    return Login(company, str(values.get("user", "")), hash_password(secrets["password"]))
