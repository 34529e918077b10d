"""Who may use the panel: users, roles, passwords, second factors; each change is one line in the journal of the house."""

from __future__ import annotations

import re
import secrets
from dataclasses import field

from engine.access import totp
from engine.access.passwords import hash_password
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.follow import Hand
from engine.store import journal, keys
from engine.store import users as kept
from engine.store.base import Row, Tx
from engine.store.users import Role
from engine.vault import Vault

# Users belong to no company: their lines stand in a journal of their own.
HOUSE = ""
# What stands for the connection in the seal of a second factor.
_PANEL = "panel"
SHORTEST, LONGEST = 12, 256
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
# No letter that is easily taken for another, for whoever reads it aloud.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class UserNameUnfit(UsageError):
    """A name that nobody could sign in with."""

    def __init__(self, name: str) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in name[:40])
        super().__init__(
            f"`{shown}` cannot be the name of a user",
            hint="use up to 64 of: lower case a-z, 0-9 and `.`, `_`, `@`, `+`, `-`; an address of mail will do",
        )


class PasswordWeak(UsageError):
    """A password that is guessed too easily."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this password {reason}", hint=f"take at least {SHORTEST} characters; several words are good")


class LastAdmin(UsageError):
    """Nobody would be left who may do everything."""

    def __init__(self, user: str) -> None:
        super().__init__(f"`{user}` is the last admin", hint="make somebody else an admin first")


class Oneself(UsageError):
    """Somebody would shut themselves out."""

    hint = "another admin can do it"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A new second factor: the secret as people type it, and the address that authenticator apps read. Shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


def user_name(text: str) -> str:
    """A name that can be signed in with.

    Raises:
        UserNameUnfit: when it cannot.
    """
    if not _NAME.fullmatch(text):
        raise UserNameUnfit(text)
    return text


def one_time_password() -> str:
    """A password to be used once: 20 letters, 100 bits, in groups."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(20))
    return "-".join(letters[at : at + 5] for at in range(0, 20, 5))


def fit_password(user: str, password: str) -> str:
    """A password that a person has chosen.

    Raises:
        PasswordWeak: when it is too short, too long, made of few letters, or holds the user's name.
    """
    if len(password) < SHORTEST:
        raise PasswordWeak(f"has fewer than {SHORTEST} characters")
    if len(password) > LONGEST:
        raise PasswordWeak(f"has more than {LONGEST} characters")
    if len(set(password)) < 5:
        raise PasswordWeak("is made of very few different characters")
    if user.casefold() in password.casefold():
        raise PasswordWeak("holds the name of the user")
    return password


def add(tx: Tx, hand: Hand, user: str, role: Role, password_hash: str) -> None:
    """Add a user; the password is good for choosing another one.

    Raises:
        UserNameUnfit: for a name that nobody could sign in with.
        UserThere: when the name is taken.
    """
    kept.add(tx, user_name(user), role, password_hash, hand.at)
    _note(tx, hand, "user_added", user, role=role)


def spare(tx: Tx, hand: Hand, user: str) -> None:
    """Refuse what would shut out the one who does it, or leave nobody who may do everything.

    Raises:
        UnknownName: when there is no such user.
        Oneself, LastAdmin: when it would.
    """
    role = kept.require(tx, user)["role"]
    if hand.actor == f"panel:{user}":
        raise Oneself("this would take away your own rights")
    if role == "admin" and not kept.has_other_admin(tx, user):
        raise LastAdmin(user)


def sign_out(tx: Tx, hand: Hand, user: str) -> None:
    """End every session of a user.

    Raises:
        UnknownName: when there is no such user.
    """
    kept.require(tx, user)
    kept.end_all(tx, user)
    _note(tx, hand, "user_signed_out", user)


def set_role(tx: Tx, hand: Hand, user: str, role: Role) -> bool:
    """Give another role, and end the user's sessions; False when it was the role before.

    Raises:
        UnknownName: when there is no such user.
    """
    before = kept.require(tx, user)["role"]
    if before == role:
        return False
    kept.put_role(tx, user, role, hand.at)
    _note(tx, hand, "user_role", user, role=role, before=before)
    return True


def set_password(tx: Tx, hand: Hand, user: str, password_hash: str, *, is_once: bool) -> None:
    """Give another password, and end the user's sessions.

    Raises:
        UnknownName: when there is no such user.
    """
    kept.require(tx, user)
    kept.put_password(tx, user, password_hash, hand.at, is_once=is_once)
    _note(tx, hand, "user_password", user, once=is_once)


def remove(tx: Tx, hand: Hand, user: str) -> None:
    """Remove a user.

    Raises:
        UnknownName: when there is no such user.
    """
    kept.require(tx, user)
    kept.remove(tx, user)
    _note(tx, hand, "user_removed", user)


def set_totp(tx: Tx, hand: Hand, vault: Vault, user: str, secret: bytes | None = None) -> SecondFactor:
    """Ask the user for a second factor from now on; one that there was is of no use any more.

    Raises:
        UnknownName: when there is no such user.
    """
    kept.require(tx, user)
    secret = totp.new_secret() if secret is None else secret
    text = totp.secret_text(secret)
    sealed = keys.seal(tx, vault, place_of_totp(user), text, hand.at)
    kept.put_totp(tx, user, sealed.key_id, sealed.data, hand.at)
    _note(tx, hand, "user_totp", user, on=True)
    return SecondFactor(text, totp.uri(secret, user))


def drop_totp(tx: Tx, hand: Hand, user: str) -> bool:
    """Ask the user for the password alone; False when it was so before.

    Raises:
        UnknownName: when there is no such user.
    """
    if kept.require(tx, user)["totp_sealed"] is None:
        return False
    kept.put_totp(tx, user, "", None, hand.at)
    _note(tx, hand, "user_totp", user, on=False)
    return True


def opened_totp(tx: Tx, vault: Vault, row: Row) -> str:
    """The secret of a user's second factor, as `set_totp` sealed it.

    Raises:
        SealBroken: when the vault's key is another one.
    """
    return keys.unseal(
        tx, vault, place_of_totp(row["user_name"]), keys.Sealed(row["totp_key_id"], bytes(row["totp_sealed"]))
    )


def place_of_totp(user: str) -> keys.Place:
    """What the secret of a second factor is bound to; `users_sealed` says the same."""
    return keys.Place(HOUSE, _PANEL, f"totp:{user}")


def hashed(password: str) -> str:
    """The hash to keep; it takes a while, so it is made outside a transaction."""
    return hash_password(password)


def _note(tx: Tx, hand: Hand, event: str, user: str, **detail: object) -> None:
    entry = journal.Entry(event, detail={"user": user, **detail})
    journal.append(tx, HOUSE, hand.at, hand.actor, [entry])
