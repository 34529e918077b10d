"""One's own second factor: set up with an authenticator app, and taken away with the password."""

from __future__ import annotations

from engine.access import signin, totp, users
from engine.access.signin import SignInRefused, TooManyTries
from engine.access.users import HOUSE
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store import users as kept

_PATH = "/second-factor"


def _page(ask: Ask) -> Answer:
    return _shown(ask)


def _shown(ask: Ask, error: str = "", status: int = 200) -> Shown:
    with ask.world.store.read(HOUSE) as tx:
        has = kept.require(tx, ask.who.user)["totp_sealed"] is not None
    return Shown("second_factor.html", {"has": has, "error": error, "secret": ""}, status)


def _confirmed(ask: Ask) -> Shown | None:
    """What to show when the password is not right."""
    try:
        signin.confirmed(ask.world, ask.address, ask.who, ask.form.get("password", ""))
    except TooManyTries as error:
        return _shown(ask, str(error), 429)
    except SignInRefused as error:
        return _shown(ask, str(error), 422)
    return None


def _begin(ask: Ask) -> Answer:
    """Make a secret and show it; it counts only once the app has shown a code of it."""
    return _confirmed(ask) or _secret(totp.new_secret(), ask.who.user)


def _secret(secret: bytes, user: str, error: str = "") -> Shown:
    text = totp.secret_text(secret)
    grouped = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    values = {"has": False, "error": error, "secret": text, "grouped": grouped, "uri": totp.uri(secret, user)}
    return Shown("second_factor.html", {**values, "picture": _picture(totp.uri(secret, user))}, 422 if error else 200)


def _picture(uri: str) -> str:
    """The address as a QR code: an SVG in a data URI."""
    import segno

    return segno.make(uri, error="m", micro=False).svg_data_uri(scale=4, border=4, dark="#000", light="#fff")


def _finish(ask: Ask) -> Answer:
    """Take the secret once a code proves that the app has it."""
    world, user = ask.world, ask.who.user
    secret = totp.read_text(ask.form.get("secret", ""))
    if secret is None:
        return Sent(_PATH, bad="Begin again: that was no secret that this page has made.")
    step = totp.used_step(secret, ask.form.get("code", "")[:10], world.clock.now(), 0)
    if step is None:
        error = "This code does not fit. Type the one that the app shows now; is the phone's clock right?"
        return _secret(secret, user, error)
    with world.store.write(HOUSE) as tx:
        users.set_totp(tx, Hand(HOUSE, world.at(), f"panel:{user}"), world.vault, user, secret)
        kept.use_step(tx, user, step)
        opened = signin.open_anew(tx, world, user)
    good = "From now on, signing in takes a code of the app as well. Everywhere else you are signed out."
    return Sent(_PATH, good=good, cookie=opened.cookie)


def _remove(ask: Ask) -> Answer:
    refused = _confirmed(ask)
    if refused is not None:
        return refused
    world, user = ask.world, ask.who.user
    try:
        with world.store.write(HOUSE) as tx:
            users.drop_totp(tx, Hand(HOUSE, world.at(), f"panel:{user}"), user)
            opened = signin.open_anew(tx, world, user)
    except FlowctlError as error:
        return Sent(_PATH, bad=f"{error}.")
    return Sent(_PATH, good="From now on, the password alone is enough.", cookie=opened.cookie)


PAGES = (
    Page(_PATH, _page),
    Page(_PATH, _begin, "POST", hashes=True),
    Page(_PATH + "/code", _finish, "POST"),
    Page(_PATH + "/remove", _remove, "POST", hashes=True),
)
