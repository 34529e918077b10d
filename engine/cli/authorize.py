"""The part of `flowctl connect` for vendors whose page a person must allow the app on: shows it, takes the answer, proves it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.connections.authorizing import (
    Allowed,
    Authorizes,
    NoCode,
    Request,
    code_of,
)
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import Bug, FlowctlError, Transient, UsageError

if TYPE_CHECKING:
    from engine.contract import Binding, Connector
    from engine.world import World


class NotAuthorized(UsageError):
    """An option for vendors with an authorisation page was given for another."""

    def __init__(self, title: str, option: str) -> None:
        super().__init__(f"{option}: {title} has no page on which a person allows the app", hint="leave it out")


class NobodyAnswered(FlowctlError):
    """The page was not answered in time."""

    def __init__(self, title: str, again: str) -> None:
        super().__init__(
            f"{title}: no answer of its page came to this machine within 5 minutes",
            hint=f"run `{again}` again; where the browser runs on another machine, add --paste",
        )


@dataclass(frozen=True, slots=True)
class How:
    """What the command line says: open a browser, ask for the answer instead of listening, or read it from a file.

    `any_account` says that another account than before may be meant.
    """

    browser: bool = True
    paste: bool = False
    code_file: str | None = None
    form: str = "text"
    any_account: bool = False

    def check(self, connector: Connector) -> None:
        """Refuse what does not fit the connector.

        Raises:
            NotAuthorized: for an option that means nothing to it.
        """
        given = {"--no-browser": not self.browser, "--paste": self.paste, "--code-file": self.code_file is not None}
        wrong = next((name for name, is_given in given.items() if is_given), None)
        if wrong is not None and not isinstance(connector, Authorizes):
            raise NotAuthorized(connector.spec.title, wrong)


def is_due(world: World, binding: Binding, connector: Authorizes, how: How, *, changed: bool) -> bool:
    """Whether a person is to be asked now: nothing was changed, an answer is given, or there is no permission."""
    from engine.store import companies

    if how.code_file is not None or not changed:
        return True
    with world.store.read(binding.company) as tx:
        token = companies.token(tx, world.vault, binding.company, binding.connection)
    return connector.permission(binding, token) is None


def authorize(world: World, binding: Binding, connector: Connector, how: How) -> int:
    """Have a person allow the app, exchange the code, and say what that gives."""
    from engine.connections import permitting

    if not isinstance(connector, Authorizes):
        raise Bug(f"{binding.company}/{binding.connection}: there is no page to allow it on")
    title, again = connector.spec.title, f"flowctl connect {binding.connection}{of_company(binding.company)}"
    request = Request(title, "", again)
    given, bare = _given(world, binding, connector, how, request)
    if given is None:
        return 0
    asked = permitting.take(world, binding.company, binding.connection)
    code = code_of(replace(request, state=asked.state), given, bare=bare)
    _tell(binding, title, _exchange(world, binding, code, again, how), how.form)
    return 0


def _given(
    world: World, binding: Binding, connector: Authorizes, how: How, request: Request
) -> tuple[str | None, bool]:
    """The answer, and whether a person gave it by hand; None when it is to come with another command."""
    if how.code_file is not None:
        return _from_file(how.code_file, request.title), True
    return _ask(world, binding, connector, how, request)


def _ask(world: World, binding: Binding, connector: Authorizes, how: How, request: Request) -> tuple[str | None, bool]:
    """The answer, and whether a person typed it; None when it is to come with another command."""
    from engine.connections import permitting
    from engine.connections.landing import landing, port_of
    from engine.serving import PortTaken

    redirect = connector.redirect_uri(binding)
    port = None if how.paste else port_of(redirect)
    state = world.ids.base62(43)
    url = connector.authorization_url(binding, state)
    if port is not None:
        try:
            with landing(redirect, port) as landed:
                permitting.remember(world, binding, state)
                _show(binding, url, how)
                office.say("waiting for the answer, at most 5 minutes; Ctrl-C ends it")
                answer = landed.wait()
        except PortTaken as error:
            error.hint = f"end the process that has the port, or add --paste to `{request.again}`"
            raise
        if answer is None:
            raise NobodyAnswered(request.title, request.again)
        return answer, False
    permitting.remember(world, binding, state)
    if sys.stdin.isatty():
        _show(binding, url, how)
        label = "The address that the browser ends at, whole; it is not shown"
        return str(click.prompt(label, hide_input=True, err=True)), True
    _show(binding, url, replace(how, browser=False))
    office.say(f"open it, allow flowctl, then give the address that the browser ends at: {request.again} --code-file -")
    return None, True


def _show(binding: Binding, url: str, how: How) -> None:
    if how.form == "json":
        common.echo_json({"company": binding.company, "connection": binding.connection, "authorize": url})
    else:
        click.echo(f"allow it here: {common.clean(url)}")
    sys.stdout.flush()
    # A browser without a window would take over the terminal.
    windows = sys.platform in ("win32", "darwin") or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))
    if how.browser and windows:
        import webbrowser

        with suppress(webbrowser.Error, OSError):
            webbrowser.open(url)


def _exchange(world: World, binding: Binding, code: str, again: str, how: How) -> Allowed:
    """Exchange the code, and read the account with what it gave; nothing is kept of another one than there are records of."""
    from engine.connections import accounts, permitting

    hand = office.hand(world, binding.company)
    with world.store.read(hand.company) as tx:
        was = accounts.known(tx, binding.company, binding.connection)
        flows = office.flows()
        is_used = accounts.is_used(tx, hand.company, flows, binding.connection)
    try:
        if was is None or not was.id:
            return permitting.exchange(world, hand, binding, code, again)
        must_be_same = is_used and not how.any_account
        return permitting.exchange_same(world, hand, binding, code, flows if must_be_same else None)
    except accounts.OtherAccount as error:
        error.hint = (
            f"{error.hint}; when that is meant, run `{again} --yes` and allow it once more: a code is good once"
        )
        raise
    except Transient as error:
        error.hint = error.hint or f"check the network, then run `{again}` again: a code is good once"
        raise
    except permitting.Unread:
        office.say(f"{binding.company}/{binding.connection}: it is allowed, and the tokens are kept")
        raise


def _tell(binding: Binding, title: str, allowed: Allowed, form: str) -> None:
    if form == "json":
        shown = {"account": allowed.account, "name": allowed.name, "scopes": list(allowed.scopes)}
        common.echo_json({"company": binding.company, "connection": binding.connection, **shown})
        return
    name = f" ({common.clean(allowed.name)})" if allowed.name else ""
    click.echo(f"{binding.company}/{binding.connection}: {title} allows it: account {allowed.account}{name}")
    click.echo(f"  scopes: {' '.join(allowed.scopes) or 'as the app has them'}")


def _from_file(path: str, title: str) -> str:
    data = office.read_bytes(path, limit=office.MAX_SECRET)
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise NoCode(title) from error
