"""Signing in, in one or two steps, and out."""

from __future__ import annotations

from collections.abc import Mapping

from engine.access import signin
from engine.access.signin import CodeRefused, SignInRefused, TooManyTries
from engine.panel import forms
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store import users
from engine.store.base import HOUSE

_ANY = frozenset({"code", "choose", "in"})


def _page(ask: Ask) -> Answer:
    if ask.session is not None and ask.session.stage == "in":
        return Sent(_next(ask.query))
    return _form(ask, user="", next_page=ask.query.get("next", ""))


def _sign_in(ask: Ask) -> Answer:
    user = forms.clean(ask.form.get("user", ""))[:256].lower()
    next_page = ask.form.get("next", "")
    try:
        opened = signin.sign_in(ask.world, ask.address, user, ask.form.get("password", ""))
    except SignInRefused as error:
        return _form(ask, user=user, next_page=next_page, error=str(error), status=422)
    except TooManyTries as error:
        return _form(ask, user=user, next_page=next_page, error=str(error), status=429, wait_s=error.wait_s)
    if ask.session is not None:
        with ask.world.store.write(HOUSE) as tx:
            users.end(tx, ask.session)
    to = {"code": "/sign-in/code", "choose": "/password"}.get(opened.stage, _next(ask.form))
    return Sent(to, cookie=opened.cookie)


def _form(ask: Ask, *, user: str, next_page: str, error: str = "", status: int = 200, wait_s: int = 0) -> Shown:
    # Over plain http from elsewhere the browser would throw the cookie away, and the person would not learn why.
    values = {"user": user, "next": next_page, "error": error, "needs_https": ask.is_secure and not ask.is_https}
    headers = {"retry-after": str(wait_s)} if wait_s else {}
    return Shown("sign_in.html", values, status, headers)


def _code_page(_ask: Ask) -> Answer:
    return Shown("code.html", {"error": "", "hint": ""})


def _give_code(ask: Ask) -> Answer:
    try:
        opened = signin.give_code(ask.world, ask.address, ask.who, ask.form.get("code", ""))
    except CodeRefused as error:
        return Shown("code.html", {"error": str(error), "hint": error.hint or ""}, 422)
    except TooManyTries as error:
        return Shown("code.html", {"error": str(error), "hint": ""}, 429, {"retry-after": str(error.wait_s)})
    return Sent("/password" if opened.stage == "choose" else "/companies", cookie=opened.cookie)


def _sign_out(ask: Ask) -> Answer:
    with ask.world.store.write(HOUSE) as tx:
        users.end(tx, ask.who)
    return Sent("/sign-in", cookie="")


def _next(fields: Mapping[str, str]) -> str:
    """The page that was asked for before the sign-in: one of ours, or the first one."""
    given = fields.get("next", "")
    is_ours = given.startswith("/") and not given.startswith("//") and "\\" not in given and forms.clean(given) == given
    return given if is_ours else "/companies"


PAGES = (
    Page("/sign-in", _page, is_open=True),
    Page("/sign-in", _sign_in, "POST", is_open=True, hashes=True),
    Page("/sign-in/code", _code_page, stages=frozenset({"code"})),
    Page("/sign-in/code", _give_code, "POST", stages=frozenset({"code"})),
    Page("/sign-out", _sign_out, "POST", stages=_ANY),
)
