"""`flowctl sandbox`: a simulated vendor on a port, or a simulated company file whose Web Connector visits a server."""

from __future__ import annotations

import inspect
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from engine.cli import common, office
from engine.errors import Bug, UsageError

if TYPE_CHECKING:
    from engine.contract import Json
    from engine.simulated import Sandbox, Simulated, Visitor

MAX_FILE = 1 << 30
_SERVER = "http://localhost:8765"
# Something that books do not have, so that the worklist has a line to show.
_GAP = {"external_id": "ramp-only-1", "name": "Client Gifts"}
# What reading a saved company file can come to when it is not one.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


class NotSimulated(UsageError):
    """Nothing simulated has this name."""

    def __init__(self, name: str, known: Mapping[str, str]) -> None:
        from engine.diagnostics import suggestion

        super().__init__(f"there is no sandbox `{common.clean(name)}`", hint=suggestion(name, known))


class NotSaved(UsageError):
    """A file that is no saved company file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: this is no saved company file: {reason}", hint="give another --company-file, or remove this one"
        )


class ServerUnclear(UsageError):
    """An address that cannot be called."""

    def __init__(self, server: str) -> None:
        super().__init__(f"--server: `{common.clean(server)}` is no address", hint="write it as http://localhost:8765")


class PasswordMissing(UsageError):
    """No password was given, and there is nobody to ask."""

    def __init__(self, variable: str) -> None:
        super().__init__("no password was given", hint=f"give --password-file PATH, or set {variable}")


class WaitMalformed(UsageError):
    """A duration that cannot be read."""

    def __init__(self, text: str) -> None:
        super().__init__(f"--every: `{common.clean(text[:40])}` is no duration", hint="write it as 5s or 2m")


class Sandboxes(click.Group):
    """A command for each connector that brings a simulator, by its own name and by those that flows give it."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names."""
        return sorted(simulated())

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of one name: it serves when the vendor is called, and visits when the vendor calls us."""
        from engine import registry

        known = simulated()
        if cmd_name not in known:
            return None
        connector = registry.find(known[cmd_name])
        assert connector is not None
        title = connector.spec.title
        if connector.spec.delivery == "pull":
            return _command(cmd_name, known[cmd_name], visit, f"Be a simulated {title}: visit a flowctl server.")
        return _command(cmd_name, known[cmd_name], serve, f"Serve a simulated {title}.")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which names there are when one is misspelt."""
        if args and not args[0].startswith("-") and args[0] not in simulated():
            raise NotSimulated(args[0], simulated())
        return super().resolve_command(ctx, args)


@click.group(cls=Sandboxes)
def command() -> None:
    """Run a simulated vendor, for trying flows without credentials.

    Example: flowctl sandbox ramp --port 9001
    """


def simulated() -> dict[str, str]:
    """Names of sandboxes and the connectors behind them; a connector that stands for another one is nobody to call."""
    from engine import registry
    from engine.simulated import Simulated

    made = {name: connector for name in registry.names() if (connector := registry.find(name)) is not None}
    called = [name for name, connector in made.items() if not connector.spec.stands_for]
    found = {name: name for name in called if isinstance(registry.find(name), Simulated)}
    for role, connectors in office.roles().items():
        if role not in found and len(connectors) == 1 and connectors[0] in found:
            found[role] = connectors[0]
    return found


def _command(name: str, connector: str, like: click.Command, help_: str) -> click.Command:
    """A copy of `serve` or `visit` for one connector."""

    def call(**given: object) -> int:
        assert like.callback is not None
        return int(like.callback(name, connector, **given))

    text = f"{help_}\n\n{inspect.cleandoc(like.help or '').replace('NAME', name)}"
    return click.Command(name, callback=call, params=like.params, help=text, short_help=help_)


class ServeOptions(TypedDict):
    """Options of a vendor that is called."""

    host: str
    port: int
    seed: int
    bills: int
    transactions: int
    vendors: int
    gap: bool
    company_file: Path | None
    form: str


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address.")
@click.option(
    "--port", default=9001, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--seed", default=2026, show_default=True, help="The same seed makes the same business.")
@click.option(
    "--bills", default=20, show_default=True, type=click.IntRange(0, 100_000), help="Bills; of Expensify, reports."
)
@click.option(
    "--transactions",
    default=30,
    show_default=True,
    type=click.IntRange(0, 100_000),
    help="Card transactions, where there are any.",
)
@click.option(
    "--vendors", default=8, show_default=True, type=click.IntRange(1, 10_000), help="Vendors; of Expensify, people."
)
@click.option("--gap/--no-gap", default=True, show_default=True, help="Code some lines to what the books do not have.")
@click.option(
    "--company-file", type=click.Path(dir_okay=False, path_type=Path), help="Code to this saved company file."
)
@common.format_option
def serve(name: str, connector: str, **given: Unpack[ServeOptions]) -> int:
    """It holds a made-up business, coded to the lists of the simulated company file of the same seed.

    Example: flowctl sandbox NAME --port 9001
    """
    import uvicorn

    from engine.clock import SystemClock
    from engine.serving import bind
    from engine.simulated import Called

    clock = SystemClock()
    options: Json = {
        "bills": given["bills"],
        "transactions": given["transactions"],
        "vendors": given["vendors"],
        "chart": _chart(given["seed"], given["company_file"]),
        "gaps": [_GAP] if given["gap"] else [],
    }
    sandbox = _find(connector).sandbox(given["seed"], clock, options)
    if not isinstance(sandbox, Called):
        raise Bug(f"the sandbox of `{connector}` cannot be called")
    listener = bind(given["host"], given["port"])
    host = "localhost" if given["host"] in ("0.0.0.0", "::") else given["host"]  # noqa: S104 - compared, not bound
    shown = f"[{host}]" if ":" in host else host
    _invite(name, connector, f"http://{shown}:{listener.getsockname()[1]}", sandbox, given["form"])
    config = uvicorn.Config(sandbox.app(), log_config=None, access_log=False, timeout_graceful_shutdown=3)
    with suppress(KeyboardInterrupt):  # uvicorn passes Ctrl-C on after it has stopped
        uvicorn.Server(config).run(sockets=[listener])
    return 0


class VisitOptions(TypedDict):
    """Options of a vendor's agent that calls us."""

    server: str | None
    user: str
    password_file: str | None
    sessions: int | None
    every: str | None
    seed: int
    company_file: Path | None
    agent_file: str | None
    form: str


@click.command()
@click.option("--server", help="Address of `flowctl serve` [default: the one in --qwc, else http://localhost:8765].")
@click.option("--user", required=True, help="User that the agent signs in with; `flowctl connect` set it.")
@click.option("--password-file", help="File with its password; `-` is stdin.")
@click.option(
    "--sessions", type=click.IntRange(1), help="Visit so many times [default: 1, or without end with --every]."
)
@click.option("--every", help="Wait so long between two visits: 5s, 2m.")
@click.option("--seed", default=2026, show_default=True, help="The same seed makes the same company file.")
@click.option(
    "--company-file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the company file here between visits."
)
@click.option("--qwc", "agent_file", help="The file that `flowctl qwc` wrote, to be installed in the agent.")
@common.format_option
def visit(name: str, connector: str, **given: Unpack[VisitOptions]) -> int:
    """Its password comes from --password-file, from FLOWCTL_SECRET_<NAME>_PASSWORD, or from a prompt.

    Example: flowctl sandbox NAME --user acme --qwc acme-books.qwc --company-file acme.json --sessions 2
    """
    from engine.simulated import Visitor

    wait_s = _seconds(given["every"])
    url = _address(given["server"] or _SERVER, connector)
    password = _password(name, given["password_file"])
    if given["company_file"] is not None:
        _can_save(given["company_file"])
    sandbox = _company_file(connector, given["seed"], given["company_file"], given["agent_file"])
    if not isinstance(sandbox, Visitor):
        raise Bug(f"the sandbox of `{connector}` does not call")
    if given["server"] is None and given["agent_file"] is not None:
        url = _installed(sandbox, given["agent_file"]) or url
    limit = given["sessions"] or (None if wait_s is not None else 1)
    troubled = done = 0
    try:
        while limit is None or done < limit:
            if done and wait_s:
                time.sleep(wait_s)
            done += 1
            troubled += _one(sandbox, url, given["user"], password, given["form"])
            if given["company_file"] is not None:
                _save(sandbox, given["company_file"])
    except KeyboardInterrupt:
        office.say("stopped")
    return 1 if troubled else 0


def _installed(sandbox: object, agent_file: str) -> str:
    """The address that the agent's file names, as it stands there; empty when it names none.

    Raises:
        FileUnusable: when that is no address.
    """
    from engine.simulated import Installed

    url = sandbox.called() if isinstance(sandbox, Installed) else ""
    if url and not _is_address(url):
        reason = f"`{common.clean(url)[:200]}` is no address"
        raise office.FileUnusable(agent_file, reason, "write the file anew with `flowctl qwc`, or give --server")
    return url


def _one(sandbox: Visitor, url: str, user: str, password: str, form: str) -> int:
    """One session; returns 1 when it ended in trouble."""
    report = sandbox.visit(url, user, password)
    requests, errors = len(report["requests"]), [common.clean(error) for error in report["errors"]]
    if form == "json":
        common.echo_json({"outcome": report["outcome"], "requests": requests, "errors": errors})
    else:
        click.echo(f"{report['outcome']}: {office.counted(requests, 'request')}")
        for error in errors:
            office.say(f"  {error}")
    sys.stdout.flush()
    return 1 if errors or report["outcome"] not in ("done", "no_work") else 0


def _find(connector: str) -> Simulated:
    from engine import registry
    from engine.simulated import Simulated

    found: object = registry.find(connector)
    if not isinstance(found, Simulated):
        raise Bug(f"the connector `{connector}` brings no simulator")
    return found


def _chart(seed: int, company_file: Path | None) -> Json:
    """The lists of the simulated company file that the vendor's business is coded to."""
    from engine import registry
    from engine.simulated import Visitor

    for name in sorted(set(simulated().values())):
        connector = registry.find(name)
        if connector is not None and connector.spec.delivery == "pull":
            sandbox = _company_file(name, seed, company_file, None)
            return sandbox.chart() if isinstance(sandbox, Visitor) else {}
    return {}


def _company_file(connector: str, seed: int, path: Path | None, agent_file: str | None) -> Sandbox:
    """The saved company file, or a new one; with the agent's file installed, if there is one.

    Raises:
        NotSaved: when the file holds something else.
    """
    from engine.clock import SystemClock

    options: dict[str, object] = {}
    if path is not None and path.exists():
        try:
            options["saved"] = office.read_bytes(str(path), limit=MAX_FILE).decode()
        except UnicodeDecodeError as error:
            raise NotSaved(path, "it is no text") from error
    make = _find(connector).sandbox
    try:
        sandbox = make(seed, SystemClock(), options)
    except _UNREADABLE as error:
        raise NotSaved(path or Path("-"), f"{type(error).__name__}: {common.clean(error)[:200]}") from error
    if agent_file is None:
        return sandbox
    options["agent_file"] = office.read_bytes(agent_file, limit=1 << 20)
    try:
        return make(seed, SystemClock(), options)
    except (*_UNREADABLE, SyntaxError) as error:  # lxml's syntax errors are Python's
        raise office.FileUnusable(agent_file, "this is no agent file", "write one with `flowctl qwc`") from error


def _can_save(path: Path) -> None:
    """See that the file can be written before a visit changes what it is to hold.

    Raises:
        FileUnusable: when it cannot.
    """
    if not path.parent.is_dir():
        raise office.FileUnusable(str(path), f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise office.FileUnusable(str(path), f"the folder {path.parent} cannot be written to")


def _save(sandbox: Sandbox | Visitor, path: Path) -> None:
    from engine.simulated import Sandbox

    if isinstance(sandbox, Sandbox):
        office.write_bytes(path, sandbox.save().encode())


def _password(name: str, path: str | None) -> str:
    from engine.cli.connect import variable

    if path is not None:
        data = office.read_bytes(path, limit=office.MAX_SECRET)
        try:
            return data.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise office.FileUnusable(path, "this is no text", "give the file with the password") from error
    given = os.environ.get(variable(name, "password"))
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise PasswordMissing(variable(name, "password"))
    return str(click.prompt("Password of the Web Connector", hide_input=True, err=True))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6})(s|m|h)", text.strip(), re.ASCII)
    if not found:
        raise WaitMalformed(text)
    return float(int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])


def _address(server: str, connector: str) -> str:
    if not _is_address(server):
        raise ServerUnclear(server)
    base = server.rstrip("/")
    return base if base.endswith(f"/{connector}") else f"{base}/{connector}"


def _is_address(text: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and re.fullmatch(r"[!-~]+", text) is not None


def _invite(name: str, connector: str, url: str, sandbox: object, form: str) -> None:
    """How to connect to it: the secrets are those of a made-up business."""
    import shlex

    from engine import registry
    from engine.cli.connect import variable
    from engine.simulated import Sandbox

    found = registry.find(connector)
    if not isinstance(sandbox, Sandbox) or found is None:
        raise Bug(f"the sandbox of `{connector}` cannot say how to connect to it")
    settings, secrets = sandbox.binding(url)
    hidden = {field.name for field in found.spec.settings if field.secret}
    sealed = {**{k: str(v) for k, v in settings.items() if k in hidden}, **secrets}
    plain = {k: v for k, v in settings.items() if k not in hidden}
    if form == "json":
        common.echo_json({"url": url, "settings": plain, "secrets": sealed})
    else:
        click.echo(f"{found.spec.title}, simulated, at {url}; stop it with Ctrl-C. Connect to it with:")
        click.echo("")
        for key, value in sealed.items():
            click.echo(f"export {variable(name, key)}={shlex.quote(value)}")
        words = ["flowctl", "connect", name]
        for key, plain_value in plain.items():
            words += ["--set", f"{key}={plain_value}"]
        click.echo(f"{shlex.join(words)} --check")
    sys.stdout.flush()
