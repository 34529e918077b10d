"""One's own password."""

from __future__ import annotations

from engine.access import signin, users
from engine.access.signin import SignInRefused, TooManyTries
from engine.access.users import HOUSE, PasswordWeak
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.panel.web import Answer, Ask, Page, Sent, Shown

_STAGES = frozenset({"choose", "in"})


def _page(_ask: Ask) -> Answer:
    return Shown("password.html", {"error": "", "hint": ""})


def _change(ask: Ask) -> Answer:
    new, world, user = ask.form.get("new", ""), ask.world, ask.who.user
    try:
        if new != ask.form.get("again", ""):
            return _refused("the new password was not typed the same way twice", "type it again, both times")
        users.fit_password(user, new)
        if new == ask.form.get("now", ""):
            return _refused("the new password is the old one", "take another one")
        signin.confirmed(world, ask.address, ask.who, ask.form.get("now", ""))
    except TooManyTries as error:
        return Shown("password.html", {"error": str(error), "hint": ""}, 429, {"retry-after": str(error.wait_s)})
    except (PasswordWeak, SignInRefused) as error:
        return _failed(error)
    hashed = users.hashed(new)
    with world.store.write(HOUSE) as tx:
        users.set_password(tx, Hand(HOUSE, world.at(), f"panel:{user}"), user, hashed, is_once=False)
        opened = signin.open_anew(tx, world, user)
    return Sent(
        "/companies", good="Your password is changed; everywhere else you are signed out.", cookie=opened.cookie
    )


def _failed(error: FlowctlError) -> Shown:
    return _refused(str(error), error.hint or "")


def _refused(error: str, hint: str) -> Shown:
    return Shown("password.html", {"error": error, "hint": hint}, 422)


PAGES = (
    Page("/password", _page, stages=_STAGES),
    Page("/password", _change, "POST", stages=_STAGES, hashes=True),
)
