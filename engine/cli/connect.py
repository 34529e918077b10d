"""`flowctl connect`: settings and credentials of a connection; secrets from a prompt, a file or the environment."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from engine.cli import common, office
from engine.errors import UnknownName, UsageError
from engine.vault import secret_variable

if TYPE_CHECKING:
    from engine.contract import Binding, Connector
    from engine.health import Finding
    from engine.world import World

Value = str | int | bool


class SecretInArguments(UsageError):
    """A secret was given where every user of the machine can read it."""

    def __init__(self, connection: str, name: str) -> None:
        super().__init__(
            f"`{name}` is a secret: what stands on a command line is seen by every user of this machine and kept",
            hint=f"leave it out to be asked, or give --secret-file {name}=PATH, or set {variable(connection, name)}",
        )


class NobodyToAsk(UsageError):
    """Secrets were to be asked for, and there is no terminal to ask at."""

    def __init__(self) -> None:
        super().__init__(
            "--ask needs a terminal, and there is none",
            hint="leave --ask out and give --secret-file NAME=PATH, or set the variables that `flowctl connect` reads",
        )


class NoSecret(UsageError):
    """A setting that is no secret was given as one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` is no secret", hint=f"give it with --set {name}=VALUE")


class RoleUnclear(UsageError):
    """The flows do not say which connector this connection has."""

    def __init__(self, connection: str, known: list[str]) -> None:
        if known:
            message = f"flows give `{connection}` different connectors"
            hint = f"name one of them: flowctl connect {connection} {known[0]}; known: {', '.join(known)}"
        else:
            message = f"no flow has a connection `{connection}`"
            hint = f"name its connector: flowctl connect {connection} CONNECTOR"
        super().__init__(message, hint=hint)


class Given(TypedDict):
    """What the command line says."""

    connection: str | None
    connector: str | None
    named: str | None
    home: Path
    company: str
    settings: tuple[str, ...]
    unset: tuple[str, ...]
    secret_files: tuple[str, ...]
    ask: bool | None
    check: bool
    accounting: bool
    yes: bool
    listing: bool
    browser: bool
    paste: bool
    code_file: str | None
    form: str


@click.command()
@click.argument("connection", required=False)
@click.argument("connector", required=False)
@common.home_option
@common.company_option
@click.option("--connector", "named", metavar="CONNECTOR", help="The same as the argument CONNECTOR.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting that is no secret (repeatable)."
)
@click.option(
    "--unset", multiple=True, metavar="NAME", help="Forget a setting, so that its default counts (repeatable)."
)
@click.option(
    "--secret-file", "secret_files", multiple=True, metavar="NAME=PATH", help="A secret from a file; `-` is stdin."
)
@click.option("--ask/--no-ask", default=None, help="Ask for secrets that are not given [default: on a terminal].")
@click.option("--check", is_flag=True, help="Try the credentials: reach, token, scopes.")
@click.option("--accounting", is_flag=True, help="Open the vendor's accounting connection, or say who holds it.")
@click.option(
    "--yes",
    is_flag=True,
    help="Do not ask whether another account is meant; with --accounting, upgrade a CSV connection.",
)
@click.option("--list", "listing", is_flag=True, help="Show the company's connections, without secrets.")
@click.option(
    "--browser/--no-browser", default=True, help="Open the page on which a person allows the app, or only show it."
)
@click.option(
    "--paste", is_flag=True, help="Ask for the address that the browser ended at, instead of listening for it."
)
@click.option("--code-file", metavar="PATH", help="That address, or the code in it, from a file; `-` is stdin.")
@common.format_option
def command(**given: Unpack[Given]) -> int:
    """Give a connection of a company its settings and credentials; what was given before stays.

    CONNECTOR is the one that the flows give this connection, unless you name one that stands for it. A secret comes from
    a prompt, from --secret-file, or from the variable FLOWCTL_SECRET_<CONNECTION>_<NAME>; never from the command line.

    Where the vendor wants a person to allow it on a page, that page is shown: at first, when nothing is changed, and when
    what was allowed is lost. The answer comes by itself when the redirect address is http on this machine; else you paste it.

    Example: flowctl connect ramp --set environment=sandbox --check
    """
    name = given["connection"]
    if given["named"] is not None:
        if given["connector"] not in (None, given["named"]):
            raise click.UsageError("CONNECTOR and --connector name two connectors")
        given["connector"] = given["named"]
    if given["listing"]:
        others = (
            name,
            given["settings"],
            given["unset"],
            given["secret_files"],
            given["check"],
            given["accounting"],
            given["paste"],
            given["code_file"],
        )
        if any(others) or given["accounting"]:
            raise click.UsageError("--list shows all connections of a company, and takes nothing but --company")
        return _list(given)
    if name is None:
        raise click.UsageError("Missing argument 'CONNECTION'.")
    office.connection_name(name)
    if given["company"] == common.DEFAULT_COMPANY:
        office.company_name(given["company"])
    with office.opened(given["home"], create=True) as world:
        with world.store.read(given["company"]) as tx:
            from engine.store import companies

            if given["company"] != common.DEFAULT_COMPANY:
                companies.require(tx, given["company"])
            known = companies.connectors(tx, given["company"])
        touched = bool(
            given["settings"] or given["unset"] or given["secret_files"] or given["ask"] or given["connector"]
        )
        status = 0
        if (
            not (given["check"] or given["accounting"])
            or touched
            or given["code_file"] is not None
            or name not in known
        ):
            status = _keep(world, name, known.get(name), given)
        elif given["check"]:
            status = _check(world, given["company"], name, given["form"])
        if given["accounting"] and status == 0:
            from engine.cli.accounting import take

            status = take(world, given["company"], name, given["form"], upgrade=given["yes"])
        return status


def variable(connection: str, name: str) -> str:
    """The environment variable that holds a secret."""
    return secret_variable(connection, name)


def connector_of(connection: str, given: str | None, before: str | None) -> Connector:
    """The connector that was named, that is kept, or that the flows give this connection.

    Raises:
        RoleUnclear, UnknownName: when none of these says one that is installed.
    """
    from engine import registry

    name = given or before
    if name is None:
        roles = office.roles()
        named = roles.get(connection, [])
        if not named and roles and _near(connection, roles):
            raise UnknownName("connection", connection, tuple(roles))
        if len(named) != 1:
            raise RoleUnclear(connection, named)
        name = named[0]
    found = registry.find(name)
    if found is None:
        raise UnknownName("connector", name, registry.names())
    return found


def _near(name: str, known: Mapping[str, object]) -> bool:
    import difflib

    return bool(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6))


def _keep(world: World, connection: str, before: str | None, given: Given) -> int:
    """Gather what is given, made up and asked for, and keep it; with --check only when the other side accepts it."""
    from engine.cli.authorize import How, authorize, is_due
    from engine.connections.agents import PASSWORD_LENGTH, forget_other_users, plain_settings
    from engine.connections.authorizing import Authorizes
    from engine.connections.checking import try_out
    from engine.connections.connecting import connect, merged, standing_for
    from engine.contract import Agent, Binding
    from engine.store import companies

    company = given["company"]
    connector = connector_of(connection, given["connector"], before)
    if given["connector"] is not None:
        standing_for(office.flows(), connection, connector)
    how = How(given["browser"], given["paste"], given["code_file"], given["form"], given["yes"])
    how.check(connector)
    settings = _settings(connector, connection, given["settings"], given["unset"])
    fields = {field.name: field for field in connector.spec.settings}
    with world.store.read(company) as tx:
        row = companies.binding(tx, world.vault, company, connection) if before == connector.spec.name else None
        logins = companies.logins(tx, company)
    kept = row[1] if row else Binding(company, connection)
    secrets = _secrets(connector, kept, given["secret_files"], ask=given["ask"])
    bound = Binding(company, connection, merged(fields, kept.settings, settings), {**kept.secrets, **secrets})
    made = ""
    if isinstance(connector, Agent):
        settings = {**settings, **connector.made_up(bound, world.ids)}
        user = str(merged(fields, kept.settings, settings).get("user", ""))
        if "password" not in secrets and user not in logins:
            made = secrets["password"] = world.ids.base62(PASSWORD_LENGTH)
    now = Binding(company, connection, merged(fields, kept.settings, settings), {**kept.secrets, **secrets})
    if not given["yes"] and not _is_meant(world, connector, kept if row else None, now):
        office.say("nothing was changed")
        return 1
    # One that is called by its agent has nobody to ask before it is kept. A code, or a token that is good for one use,
    # would be used up by a trial.
    called = given["check"] and connector.spec.delivery != "pull" and not isinstance(connector, Authorizes)
    if called:
        findings = try_out(world, now, connector)
        if any(f.level == "FAIL" for f in findings):
            show_findings(findings, given["form"])
            office.say("nothing was kept" if row is None else "nothing was kept; what was given before stays")
            return 1
    with plain_settings(connector):
        connect(world, company, connection, connector.spec.name, settings, secrets)
    if isinstance(connector, Agent):
        forget_other_users(world, company, connection)
    _report(company, connection, connector, made, given["form"])
    _warn_of_path(connector, settings)
    if isinstance(connector, Authorizes):
        now = world.bound(company, connection)[1]
        changed = bool(given["connector"] or settings or dict(now.secrets) != dict(kept.secrets))
        if is_due(world, now, connector, how, changed=changed):
            authorize(world, now, connector, how)
    if called:
        show_findings(findings, given["form"])
        return 0
    return _check(world, company, connection, given["form"]) if given["check"] else 0


def _is_meant(world: World, connector: Connector, before: Binding | None, now: Binding) -> bool:
    """Whether the same account is meant as before, or a person at a terminal says that another one is.

    Raises:
        OtherAccount: when it is another one, there are records of the one before, and there is nobody to ask.
    """
    from engine.connections import accounts

    try:
        with world.store.read(now.company) as tx:
            if accounts.is_used(tx, now.company, office.flows(), now.connection):
                accounts.require_same(tx, now.company, connector.spec, before, now)
    except accounts.OtherAccount as error:
        if not common.interactive():
            error.hint = f"{error.hint}; when that is meant, give --yes"
            raise
        office.say(f"{error}: {error.hint}")
        return click.confirm("Is the other account meant?", err=True)
    return True


def _warn_of_path(connector: Connector, settings: Mapping[str, Value | None]) -> None:
    """An agent that calls a path where nobody answers fails without saying why."""
    from urllib.parse import urlsplit

    from engine.contract import Served

    mount = f"/{connector.spec.name}"
    url = str(settings.get("app_url") or "")
    if url and isinstance(connector, Served) and not urlsplit(url).path.rstrip("/").endswith(mount):
        office.say(
            f"warning: app_url does not end in {mount}, which is where `flowctl serve` answers; "
            "leave it so only when a proxy leads there"
        )


def _settings(
    connector: Connector, connection: str, given: tuple[str, ...], unset: tuple[str, ...]
) -> dict[str, Value | None]:
    """What --set says and --unset takes away, which is None then."""
    from engine.connections.connecting import SettingWrong

    fields = {field.name: field for field in connector.spec.settings}
    pairs = office.pairs("--set", given)
    for name in (*pairs, *unset):
        if name not in fields or (fields[name].secret and name in unset):
            raise UnknownName("setting", name, tuple(n for n, f in fields.items() if not f.secret))
        if name in pairs and name in unset:
            raise click.UsageError(f"--set and --unset both speak of {name}")
    found: dict[str, Value | None] = dict.fromkeys(unset)
    for name, text in pairs.items():
        field = fields[name]
        if field.secret:
            raise SecretInArguments(connection, name)
        if field.type == "integer" and not office.is_number(text):
            raise SettingWrong(name, f"`{text[:40]}` is no whole number", field.help)
        found[name] = int(text) if field.type == "integer" else text
    return found


def _secrets(connector: Connector, kept: Binding, files: tuple[str, ...], *, ask: bool | None) -> dict[str, str]:
    """Secrets by file, then environment, then prompt; those that are kept already are asked for with --ask only."""
    from engine.connections.connecting import fit_secret

    fields = {field.name: field for field in connector.spec.settings}
    paths = office.pairs("--secret-file", files, "PATH")
    for name in paths:
        if name not in fields:
            raise UnknownName("secret", name, tuple(n for n, f in fields.items() if f.secret))
        if not fields[name].secret:
            raise NoSecret(name)
    asking = sys.stdin.isatty() and "-" not in paths.values() if ask is None else ask
    found = {}
    for name, field in fields.items():
        if not field.secret:
            continue
        if name in paths:
            found[name] = _from_file(name, paths[name])
        elif variable(kept.connection, name) in os.environ:
            found[name] = fit_secret(name, os.environ[variable(kept.connection, name)])
            if kept.secrets.get(name, found[name]) != found[name]:
                office.say(
                    f"the secret `{name}` is taken from {variable(kept.connection, name)}, and differs from the one before"
                )
        elif asking and (ask or (field.required and name not in kept.secrets)):
            text = _prompt(f"{connector.spec.title}: {field.help}", optional=not field.required or name in kept.secrets)
            if text:
                found[name] = fit_secret(name, text)
    return found


def _prompt(label: str, *, optional: bool) -> str:
    shown = f"{label} (Enter leaves it as it is)" if optional else label
    default = "" if optional else None
    with warnings.catch_warnings():
        # Without a terminal Python would warn, name a file of its own, and show what is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return str(click.prompt(shown, hide_input=True, err=True, default=default, show_default=False))
        except getpass.GetPassWarning:
            raise NobodyToAsk from None


def _from_file(name: str, path: str) -> str:
    from engine.connections.connecting import SecretMalformed, fit_secret

    data = office.read_bytes(path, limit=office.MAX_SECRET)
    try:
        return fit_secret(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SecretMalformed(name, "is no UTF-8 text") from error


def _report(company: str, connection: str, connector: Connector, password: str, form: str) -> None:
    if form == "json":
        found = {"company": company, "connection": connection, "connector": connector.spec.name}
        common.echo_json({**found, "password": password} if password else found)
    else:
        click.echo(f"{company}/{connection}: connected with {connector.spec.title}")
        if password:
            click.echo(f"password of the Web Connector, shown this once: {password}")
    if password:
        office.say(f"next: flowctl qwc --company {company}")


def _check(world: World, company: str, connection: str, form: str) -> int:
    from engine.health import connection_of

    findings = list(connection_of(world, company, connection))
    show_findings(findings, form)
    return 1 if any(f.level == "FAIL" for f in findings) else 0


def show_findings(findings: Iterable[Finding], form: str) -> None:
    """Print findings: level, subject, message, and what to do."""
    from dataclasses import asdict

    for finding in findings:
        if form == "json":
            common.echo_json(asdict(finding))
            continue
        message = finding.message.removeprefix(f"{finding.subject}: ")
        click.echo(f"{finding.level:<4}  {common.clean(finding.subject)}: {common.clean(message)}")
        if finding.hint:
            click.echo(f"      do: {common.clean(finding.hint)}")


def _list(given: Given) -> int:
    import json

    from engine.store import companies

    with office.opened(given["home"]) as world, world.store.read(given["company"]) as tx:
        companies.require(tx, given["company"])
        rows = companies.connections(tx, given["company"])
        sealed: dict[str, list[str]] = {}
        for row in tx.rows("credential_fields", {"company": given["company"]}):
            if row["field"] != companies.TOKEN_FIELD:
                sealed.setdefault(row["connection"], []).append(row["field"])
        users = companies.logins(tx, given["company"])
    found = []
    for row in rows:
        settings: dict[str, Value] = json.loads(row["settings"])
        hidden = [name for name in settings if name in _secret_names(row["connector"])]
        for name in hidden:
            del settings[name]
        secrets = hidden + sealed.get(row["connection"], []) + (["password"] if settings.get("user") in users else [])
        item = {"connection": row["connection"], "connector": row["connector"], "settings": settings}
        found.append({**item, "secrets": secrets, "updated_at": row["updated_at"]})
    if given["form"] == "json":
        common.echo_json({"company": given["company"], "connections": found})
        return 0
    for item in found:
        click.echo(f"{item['connection']}: {item['connector']}, changed {item['updated_at']}")
        shown: Mapping[str, Value] = dict(item["settings"])
        for name, value in shown.items():
            click.echo(f"  {name} = {common.clean(value)}")
        for name in item["secrets"]:
            click.echo(f"  {name} = (sealed)")
    if not found:
        office.say(f"{given['company']} has no connections; run `flowctl connect NAME`")
    return 0


def _secret_names(connector: str) -> set[str]:
    from engine import registry

    found = registry.find(connector)
    return {field.name for field in found.spec.settings if field.secret} if found else set()
