"""A person allows flowctl on a page of the vendor: the way there, and what the browser brings back."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

from engine.connections import permitting
from engine.connections.accounts import OtherAccount
from engine.connections.authorizing import Authorizes, NoCode, Request, WrongState, code_of
from engine.connections.authorizing import NotAllowed as Refused
from engine.contract import Binding, Connector
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.panel import forms, settingsform
from engine.panel.pages.connections import (
    CALLBACK,
    binding_of,
    callback_address,
    flows_of,
    here,
    link_of,
    public_origin,
)
from engine.panel.web import ROOT, Answer, Ask, Page, Sent, Shown

_STATE = re.compile(r"[0-9A-Za-z]{43}\.([a-z0-9][a-z0-9_-]{0,62})\.([a-z][a-z0-9_]{0,62})", re.ASCII)
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection that a person can allow."""

    connector: Connector
    page: Authorizes
    binding: Binding


def _opened(ask: Ask) -> _Open | None:
    """None when the connection is none that a person allows, or is not complete.

    Raises:
        FlowctlError: when its settings do not open.
    """
    if not link_of(ask).is_authorized or binding_of(ask) is None:
        return None
    connector, binding = ask.world.bound(str(ask.where["company"]), ask.path["connection"])
    return _Open(connector, connector, binding) if isinstance(connector, Authorizes) else None


_NOT_HERE = "Nobody has to allow this connection on a page of its vendor."


def _page(ask: Ask) -> Answer:
    try:
        found = _opened(ask)
    except FlowctlError as error:
        return Sent(here(ask), bad=str(error))
    if found is None:
        return Sent(here(ask), bad=_NOT_HERE)
    return Shown("allow.html", _values(ask, found))


def _values(ask: Ask, found: _Open, url: str = "") -> dict[str, object]:
    redirect, origin = found.page.redirect_uri(found.binding), public_origin(ask)
    callback = f"{origin}{ROOT}{CALLBACK}" if origin else ""
    return {
        "it": link_of(ask),
        "url": url,
        "comes_back": redirect == callback_address(ask),
        "redirect": redirect,
        "callback": callback if callback.startswith("https:") or redirect == callback else "",
    }


def _start(ask: Ask) -> Answer:
    """Remember the request, and show the way to the vendor's page.

    It is a link to click: browsers follow no form to another site, as the policy of our pages asks them not to.
    """
    try:
        found = _opened(ask)
        if found is None:
            return Sent(here(ask), bad=_NOT_HERE)
        state = f"{ask.world.ids.base62(43)}.{found.binding.company}.{found.binding.connection}"
        url = found.page.authorization_url(found.binding, state)
        permitting.remember(ask.world, found.binding, state, ask.who.id_hash, is_other=ask.form.get("other") == "yes")
        return Shown("allow.html", _values(ask, found, url))
    except FlowctlError as error:
        return Sent(here(ask), bad=_said(error))


def _pasted(ask: Ask) -> Answer:
    """The address that the browser ended at, where it could not come back by itself."""
    try:
        found = _opened(ask)
    except FlowctlError as error:
        return Sent(here(ask), bad=_said(error))
    if found is None:
        return Sent(here(ask), bad=_NOT_HERE)
    return _taken(ask, found, ask.form.get("answer", "")[:_LONGEST], is_pasted=True)


def _callback(ask: Ask) -> Answer:
    """The vendor's page has sent the browser back.

    Whoever is not signed in is not asked to come back here: the address holds a code, and is to stand nowhere.
    """
    if ask.session is None or ask.session.stage != "in":
        return Sent("/sign-in")
    if not ask.session.may("admin"):
        return Sent("/companies", bad="It takes the role admin to connect an account.")
    named = _STATE.fullmatch(ask.query.get("state", ""))
    if named is None:
        return Sent("/companies", bad=_STRANGE)
    with ask.world.store.read(named[1]) as tx:
        row = tx.one("company_get", {"company": named[1]})
        is_there = tx.one("connection_get", {"company": named[1], "connection": named[2]}) is not None
    if row is None or not is_there:
        return Sent("/companies", bad=_STRANGE)
    ask = replace(ask, company=row, path={"company": named[1], "connection": named[2]})
    try:
        found = _opened(ask)
    except FlowctlError as error:
        return Sent(here(ask), bad=_said(error))
    if found is None:
        return Sent(here(ask), bad=_NOT_HERE)
    return _taken(ask, found, urlencode(ask.query))


_STRANGE = "This answer belongs to no request that was made here. Open the connection, and press Allow."


def _taken(ask: Ask, found: _Open, given: str, *, is_pasted: bool = False) -> Answer:
    """Exchange what was brought, if it answers the request of this browser."""
    binding, title = found.binding, found.connector.spec.title
    asked = permitting.take(ask.world, binding.company, binding.connection, ask.who.id_hash)
    try:
        code = code_of(Request(title, asked.state, ""), given, bare=is_pasted and bool(asked.state))
        flows = None if asked.is_other else flows_of(ask)
        allowed = permitting.exchange_same(ask.world, ask.hand, binding, code, flows)
    except WrongState:
        return Sent(here(ask), bad=_WRONG)
    except Refused as error:
        return Sent(here(ask), bad=f"{error}. Press Allow to try again, signed in there as somebody who may.")
    except NoCode:
        return Sent(here(ask), bad=f"What {title} sent holds no code. Press Allow to try again.")
    except OtherAccount as error:
        return Sent(here(ask), bad=f"{error}. Nothing was changed. {_OTHER}")
    except FlowctlError as error:
        return Sent(here(ask), bad=f"{_said(error)} Press Allow to try again.")
    ask.poke()
    named = f"{allowed.name} ({allowed.account})" if allowed.name else allowed.account
    return Sent(here(ask), good=f"{title} allows it: account {forms.clean(named)}.")


_WRONG = (
    "This answer belongs to another request, or came too late: a request is good once, for ten minutes, and in the browser "
    "that made it. Press Allow to try again."
)
_OTHER = (
    "There are records of the account before: what is in the other one would be taken for new. "
    "Press Allow once more, and choose the right account there, or say here that another one is meant."
)


def _said(error: FlowctlError) -> str:
    hint = settingsform.plain_hint(error.hint or "")
    return f"{error}. {hint[:1].upper()}{hint[1:]}." if hint else f"{error}."


_ONE = "/c/{company}/connections/{connection}/allow"
PAGES = (
    Page(_ONE, _page, role="admin"),
    Page(_ONE, _start, "POST", role="admin"),
    Page(_ONE + "/answer", _pasted, "POST", role="admin"),
    Page(CALLBACK, _callback, is_open=True),
)
