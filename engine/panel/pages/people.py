"""Who may use the panel: add somebody, give another role or password, sign out, remove."""

from __future__ import annotations

from typing import get_args

from engine.access import users
from engine.access.users import HOUSE
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.panel import forms
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store import users as kept
from engine.store.users import Role

_ONE = "/users/{user}"
MAY = {
    "viewer": "sees everything, and changes nothing",
    "operator": "also maps, tries again, leaves out, resolves",
    "admin": "also connects, and says who may do what",
}


def _hand(ask: Ask) -> Hand:
    return Hand(HOUSE, ask.world.at(), f"panel:{ask.who.user}")


def _all(ask: Ask) -> Answer:
    with ask.world.store.read(HOUSE) as tx:
        values = {"rows": kept.every(tx), "here": kept.here(tx, ask.world.clock.now())}
    return Shown("users.html", {**values, "may": MAY, "name": "", "role": "viewer", "error": "", "hint": ""})


def _add(ask: Ask) -> Answer:
    """Add somebody, and show the password for the first sign-in, here and only here."""
    name, role = forms.clean(ask.form.get("user", "")).lower(), ask.form.get("role", "")
    try:
        users.user_name(name)
        password = users.one_time_password()
        hashed = users.hashed(password)
        with ask.world.store.write(HOUSE) as tx:
            users.add(tx, _hand(ask), name, _role(role), hashed)
    except FlowctlError as error:
        with ask.world.store.read(HOUSE) as tx:
            values = {"rows": kept.every(tx), "here": kept.here(tx, ask.world.clock.now())}
        problem = {"error": str(error), "hint": "" if "flowctl" in (error.hint or "") else error.hint or ""}
        return Shown("users.html", {**values, "may": MAY, "name": name[:64], "role": role, **problem}, 422)
    return Shown("user_password.html", {"user": name, "password": password, "is_new": True})


def _role(text: str) -> Role:
    """A role that a form names; the least of them for what is none."""
    found: Role = next((role for role in get_args(Role) if role == text), "viewer")
    return found


def _one(ask: Ask) -> Answer:
    user = ask.path["user"]
    with ask.world.store.read(HOUSE) as tx:
        kept.require(tx, user)
        row = next(row for row in kept.every(tx) if row["user_name"] == user)
        values = {"row": row, "here": kept.here(tx, ask.world.clock.now()).get(user, 0)}
    return Shown("user.html", {**values, "may": MAY, "is_oneself": user == ask.who.user})


def _set_role(ask: Ask) -> Answer:
    user, role = ask.path["user"], _role(ask.form.get("role", ""))
    try:
        with ask.world.store.write(HOUSE) as tx:
            if kept.require(tx, user)["role"] != role:
                users.spare(tx, _hand(ask), user)
            changed = users.set_role(tx, _hand(ask), user, role)
    except FlowctlError as error:
        return _refused(ask, error)
    return Sent(f"/users/{user}", good=f"{user} is {role} now." if changed else f"{user} was {role} before.")


def _reset(ask: Ask) -> Answer:
    """Make a new password for the next sign-in, and show it, here and only here. A form sent once more makes none."""
    user = ask.path["user"]
    if user == ask.who.user:
        return Sent("/password")
    with ask.world.store.read(HOUSE) as tx:
        row = kept.require(tx, user)
    if ask.form.get("changed_at", "") != row["updated_at"]:
        return Sent(
            f"/users/{user}", bad="Something was changed meanwhile. Look again, and press the button once more."
        )
    password = users.one_time_password()
    hashed = users.hashed(password)
    with ask.world.store.write(HOUSE) as tx:
        users.set_password(tx, _hand(ask), user, hashed, is_once=True)
    return Shown("user_password.html", {"user": user, "password": password, "is_new": False})


def _sign_out(ask: Ask) -> Answer:
    user = ask.path["user"]
    with ask.world.store.write(HOUSE) as tx:
        users.sign_out(tx, _hand(ask), user)
    return Sent(f"/users/{user}" if user != ask.who.user else "/sign-in", good=f"{user} is signed out everywhere.")


def _drop_totp(ask: Ask) -> Answer:
    user = ask.path["user"]
    if user == ask.who.user:
        return Sent("/second-factor")
    with ask.world.store.write(HOUSE) as tx:
        changed = users.drop_totp(tx, _hand(ask), user)
    return Sent(f"/users/{user}", good=f"{user} signs in with the password alone{'' if changed else ', as before'}.")


def _ask_first(ask: Ask) -> Answer:
    user = ask.path["user"]
    try:
        with ask.world.store.read(HOUSE) as tx:
            users.spare(tx, _hand(ask), user)
    except (users.LastAdmin, users.Oneself) as error:
        return _refused(ask, error)
    return Shown("user_remove.html", {"user": user})


def _remove(ask: Ask) -> Answer:
    user = ask.path["user"]
    try:
        with ask.world.store.write(HOUSE) as tx:
            users.spare(tx, _hand(ask), user)
            users.remove(tx, _hand(ask), user)
    except (users.LastAdmin, users.Oneself) as error:
        return _refused(ask, error)
    return Sent("/users", good=f"{user} is removed.")


def _refused(ask: Ask, error: FlowctlError) -> Sent:
    return Sent(f"/users/{ask.path['user']}", bad=f"Nothing was changed: {error}. {(error.hint or '').capitalize()}.")


PAGES = (
    Page("/users", _all, role="admin", menu="Users"),
    Page("/users", _add, "POST", role="admin", hashes=True),
    Page(_ONE, _one, role="admin"),
    Page(_ONE + "/role", _set_role, "POST", role="admin"),
    Page(_ONE + "/password", _reset, "POST", role="admin", hashes=True),
    Page(_ONE + "/sign-out", _sign_out, "POST", role="admin"),
    Page(_ONE + "/second-factor", _drop_totp, "POST", role="admin"),
    Page(_ONE + "/remove", _ask_first, role="admin"),
    Page(_ONE + "/remove", _remove, "POST", role="admin"),
)
