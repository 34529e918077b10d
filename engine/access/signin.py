"""Signing in to the panel: password, second factor, sessions; guesses are slowed down by user, address and both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from argon2.exceptions import InvalidHashError, VerificationError

from engine.access import totp
from engine.access.passwords import HASHER, nobodys
from engine.access.users import HOUSE, LONGEST, opened_totp
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.store import journal, users
from engine.store.base import Row, Tx
from engine.store.users import Limit, Session, Stage
from engine.world import World

# 43 base-62 characters are 256 bits.
_COOKIE_LENGTH = 43
# A stranger who guesses from many addresses holds up the user by a minute at most; who guesses from the user's own
# address, or guesses many users from one, is held up for longer.
_USER = Limit(20, 60.0)
_ADDRESS = Limit(30, 900.0)
_BOTH = Limit(5, 900.0)


class SignInRefused(FlowctlError):
    """The user name or the password is not right."""


class CodeRefused(FlowctlError):
    """The code is not right, or was used before."""

    hint = "type the six digits that the app shows now; when they never fit, is the phone's clock right?"


class TooManyTries(FlowctlError):
    """Too many tries: what comes now is not looked at."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        unit, number = ("second", self.wait_s) if self.wait_s < 120 else ("minute", -(-self.wait_s // 60))
        super().__init__(f"Too many tries: try again in {number} {unit}{'' if number == 1 else 's'}.")


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was just opened, and the cookie that carries it."""

    cookie: str = field(repr=False)
    stage: Stage = "in"


def sign_in(world: World, address: str, user: str, password: str) -> Opened:
    """Check a password, and open a session that may still ask for a code or for a password of one's own.

    The hash is computed outside a transaction; whoever calls this bounds how many do at once.

    Raises:
        TooManyTries: while the user, the address or both are held up.
        SignInRefused: for an unknown user as for a wrong password, after the same work.
    """
    names = _names(user, address)
    with world.store.read(HOUSE) as tx:
        _listened_to(tx, names, world)
        row = tx.one("user_get", {"user_name": user}) if user else None
    is_right = len(password) <= LONGEST and _fits(row["password_hash"] if row else nobodys(), password)
    opened = None
    with world.store.write(HOUSE) as tx:
        if row is not None and is_right:
            opened = _open(tx, world, row)
            if opened.stage != "code":
                _welcome(tx, world, user, address)
        else:
            users.refused(tx, names, world.clock.now())
            if row is not None:
                _note(tx, world, user, "sign_in_refused", address)
    if opened is None:
        raise SignInRefused
    return opened


def give_code(world: World, address: str, session: Session, code: str) -> Opened:
    """Check the second factor of somebody whose password was right.

    Raises:
        TooManyTries: while the user, the address or both are held up.
        CodeRefused: for a wrong code, and for one that was used before.
        SealBroken: when the vault's key is not the one that the secret was sealed with.
    """
    names = _names(session.user, address)
    with world.store.write(HOUSE) as tx:
        _listened_to(tx, names, world)
        row = users.require(tx, session.user)
        opened = None
        if _code_fits(tx, world, row, code):
            users.end(tx, session)
            opened = _open(tx, world, row, has_code=True)
            _welcome(tx, world, session.user, address)
        else:
            users.refused(tx, names, world.clock.now())
            _note(tx, world, session.user, "code_refused", address)
    if opened is None:
        raise CodeRefused
    return opened


def confirmed(world: World, address: str, session: Session, password: str) -> None:
    """Check the password of somebody who is signed in, before it is changed.

    Raises:
        TooManyTries: while the user, the address or both are held up.
        SignInRefused: when it is wrong.
    """
    names = _names(session.user, address)
    with world.store.read(HOUSE) as tx:
        _listened_to(tx, names, world)
        row = users.require(tx, session.user)
    if len(password) > LONGEST or not _fits(row["password_hash"], password):
        with world.store.write(HOUSE) as tx:
            users.refused(tx, names, world.clock.now())
        raise SignInRefused("the password that you have now is another one")


def open_anew(tx: Tx, world: World, user: str) -> Opened:
    """A session in place of those that a new password has ended."""
    return _open(tx, world, users.require(tx, user), has_code=True)


def _open(tx: Tx, world: World, row: Row, *, has_code: bool = False) -> Opened:
    """A session under a new cookie: one from before the sign-in, or from one stage of it, is never carried on."""
    cookie = world.ids.base62(_COOKIE_LENGTH)
    stage: Stage = "in"
    if row["totp_sealed"] is not None and not has_code:
        stage = "code"
    elif row["is_once"]:
        stage = "choose"
    users.begin(tx, cookie, world.ids.base62(_COOKIE_LENGTH), row["user_name"], stage, world.at())
    return Opened(cookie, stage)


def _names(user: str, address: str) -> Mapping[str, Limit]:
    return {f"user:{user}": _USER, f"address:{address}": _ADDRESS, f"both:{address} {user}": _BOTH}


def _listened_to(tx: Tx, names: Mapping[str, Limit], world: World) -> None:
    wait = users.wait_s(tx, names, world.clock.now())
    if wait > 0:
        raise TooManyTries(wait)


def _welcome(tx: Tx, world: World, user: str, address: str) -> None:
    # What was mistyped, or guessed by others, holds up nobody who knows better; the address stays counted.
    users.forgive(tx, f"both:{address} {user}")
    users.forgive(tx, f"user:{user}")
    users.signed_in(tx, user, world.at())
    _note(tx, world, user, "signed_in", address)


def _fits(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _code_fits(tx: Tx, world: World, row: Row, code: str) -> bool:
    if row["totp_sealed"] is None:
        return False
    user = row["user_name"]
    secret = totp.from_text(opened_totp(tx, world.vault, row))
    step = totp.used_step(secret, code, world.clock.now(), row["totp_step"])
    return step is not None and users.use_step(tx, user, step)


def _note(tx: Tx, world: World, user: str, event: str, address: str) -> None:
    entry = journal.Entry(event, detail={"user": user, "address": address})
    journal.append(tx, HOUSE, world.at(), f"panel:{user}", [entry])
