"""Secrets at rest: AES-256-GCM, bound to their company, connection and field, under a key kept outside the store.

The key at hand is the master key. It wraps the data keys that the store keeps (`engine.store.keys`), and those seal the
secrets; what an older flowctl has sealed with the master key itself still opens with it.
"""

from __future__ import annotations

import base64
import importlib
import os
from dataclasses import field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.dataclass import dataclass
from engine.errors import FlowctlError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_VARIABLE = "FLOWCTL_KEY"


def secret_variable(connection: str, name: str) -> str:
    """The environment variable that a secret of a connection may come from."""
    return f"FLOWCTL_SECRET_{connection}_{name}".upper()


class SealBroken(FlowctlError):
    """A sealed secret does not open."""

    def __init__(self, company: str, connection: str, name: str) -> None:
        super().__init__(
            f"{company}/{connection}: the secret `{name}` does not open with this key",
            hint=f"use the key it was sealed with, or run `flowctl connect {connection} --company {company}` again",
        )


class KeyUnusable(UsageError):
    """The encryption key is missing or malformed."""


class KeyWrong(UsageError):
    """The master key at hand is not the one that this store's data keys are wrapped with."""

    def __init__(self, wanted: str, given: str) -> None:
        super().__init__(
            f"this store is sealed with the master key {wanted}, and the key at hand is {given}",
            hint=f"put the key {wanted} back where it was: the file `key`, the keyring, or {KEY_VARIABLE}; "
            "after a change of the master key, restart what still runs with the old one; "
            "when it is lost for good, run `flowctl key forget`",
        )


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens secrets with one 32-byte key, known by a short id derived from it.

    One that was loaded knows its `home`: when the master key was changed while a process runs, it is read there again.
    """

    key: bytes = field(repr=False)
    home: Path | None = field(default=None, repr=False, compare=False)

    @property
    def key_id(self) -> str:
        """Names the key without telling it."""
        return _key_id(self.key)

    def seal(self, company: str, connection: str, name: str, secret: str) -> bytes:
        """Encrypt; the result opens only for the same company, connection and field."""
        return self._encrypt(secret.encode(), self._bound_to(company, connection, name))

    def open(self, company: str, connection: str, name: str, sealed: bytes) -> str:
        """Decrypt.

        Raises:
            SealBroken: for another key, another place, or changed bytes.
        """
        opened = self._decrypt(sealed, self._bound_to(company, connection, name))
        if opened is None:
            raise SealBroken(company, connection, name)
        return opened.decode()

    def wrap(self, data: Vault) -> bytes:
        """Encrypt a data key under this master key; bound to the ids of both."""
        return self._encrypt(data.key, self._wraps(data.key_id))

    def unwrap(self, key_id: str, wrapped: bytes) -> Vault | None:
        """The data key of this id; None when it was wrapped by another master key, or changed."""
        return _unwrapped(self, key_id, wrapped)

    def known_as(self, key_id: str) -> Vault | None:
        """The master key of this id: this one, or the one that has taken its place since it was loaded."""
        if self.key_id == key_id:
            return self
        found = (other for other in _at(self.home) if other.key_id == key_id) if self.home is not None else iter(())
        return next(found, None)

    def decrypted(self, wrapped: bytes, key_id: str) -> bytes | None:
        """The bytes of a data key."""
        return self._decrypt(wrapped, self._wraps(key_id))

    def _encrypt(self, plain: bytes, bound_to: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + _cipher(self.key).encrypt(nonce, plain, bound_to)

    def _decrypt(self, sealed: bytes, bound_to: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            return _cipher(self.key).decrypt(sealed[:12], sealed[12:], bound_to)
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            return None

    def _bound_to(self, company: str, connection: str, name: str) -> bytes:
        return f"{company}\0{connection}\0{name}\0{self.key_id}".encode()

    def _wraps(self, key_id: str) -> bytes:
        return f"flowctl data key\0{key_id}\0{self.key_id}".encode()


@lru_cache(maxsize=32)
def _key_id(key: bytes) -> str:
    return sha256(b"flowctl key id\0" + key).hexdigest()[:12]


@lru_cache(maxsize=32)
def _cipher(key: bytes) -> AESGCM:
    """The cipher with its key schedule, which takes longer than to open a secret with it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


@lru_cache(maxsize=32)
def _unwrapped(master: Vault, key_id: str, wrapped: bytes) -> Vault | None:
    opened = master.decrypted(wrapped, key_id)
    if opened is None or len(opened) != 32 or _key_id(opened) != key_id:
        return None
    return Vault(opened)


# --- where the master key comes from

_FILE, _KEYRING = "file:", "keyring:"
_SERVICE = "flowctl"
_FORM = "it is the base64 text of 32 random bytes"


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the master key is: a file, or else the environment variable itself."""

    path: Path | None

    @property
    def words(self) -> str:
        """The place in messages."""
        return KEY_VARIABLE if self.path is None else str(self.path)

    @property
    def draft(self) -> Path:
        """The file that holds the next key until the store is wrapped with it."""
        assert self.path is not None
        return self.path.with_name(self.path.name + ".new")


def place_of(home: Path) -> KeyPlace:
    """Where the master key of a home folder is: what FLOWCTL_KEY says, else `home/key`."""
    given = os.environ.get(KEY_VARIABLE)
    if given is None:
        return KeyPlace(home / "key")
    return KeyPlace(Path(given.strip().removeprefix(_FILE)) if given.startswith(_FILE) else None)


def new_key() -> Vault:
    """A new random key."""
    return Vault(os.urandom(32))


def load_key(home: Path, *, create: bool = True) -> Vault:
    """The master key: from FLOWCTL_KEY, else from `home/key`, which is made when it is missing.

    FLOWCTL_KEY holds the base64 text of 32 bytes, or `file:PATH`, or `keyring:ENTRY`. A file holds the base64 text, or
    `keyring:ENTRY`.

    Raises:
        KeyUnusable: when the key is malformed, readable by others, or absent and not to be made.
    """
    place = place_of(home)
    if place.path is None:
        return Vault(_key_of(os.environ[KEY_VARIABLE], KEY_VARIABLE), home)
    if not place.path.exists():
        if KEY_VARIABLE in os.environ:
            raise KeyUnusable(f"there is no key at {place.path}", hint=f"{KEY_VARIABLE} names this file: put it there")
        if not create:
            raise KeyUnusable(
                f"there is no key at {place.path}", hint=f"set {KEY_VARIABLE}, or run `flowctl connect` first"
            )
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(place.path)
    return Vault(_key_in(place.path), home)


def _make(path: Path) -> None:
    """A new key file, whole or not at all; that of another process which was faster stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write_key(draft, text_of(new_key()))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def text_of(vault: Vault) -> str:
    """The key as a file or a variable holds it."""
    return base64.b64encode(vault.key).decode("ascii")


def write_key(path: Path, text: str) -> None:
    """Write a key file that only its owner can read; durable when it returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _at(home: Path) -> list[Vault]:
    """The keys that are where the key was, the next one included; none when it cannot be read."""
    place = place_of(home)
    found = []
    for path in (place.path, place.draft) if place.path is not None else ():
        try:
            found.append(Vault(_key_in(path), home))
        except (KeyUnusable, OSError):
            continue
    return found


def draft_of(place: KeyPlace) -> Vault | None:
    """The next key that a killed change of the master key left, or None."""
    if place.path is None or not place.draft.exists():
        return None
    try:
        return Vault(_key_in(place.draft))
    except KeyUnusable:
        return None


def _key_in(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise KeyUnusable(f"{path} can be read by others", hint=f"chmod 600 {path}")
    return _key_of(path.read_bytes().decode("latin-1"), str(path))


def parse_key(text: str, where: str) -> Vault:
    """A key that a person gives.

    Raises:
        KeyUnusable: when it is malformed.
    """
    return Vault(_key_of(text, where))


def _key_of(text: str, where: str) -> bytes:
    text = text.strip()
    if text.startswith(_KEYRING):
        entry = text.removeprefix(_KEYRING)
        text, where = _from_keyring(entry, where), f"the keyring's entry `{entry}`"
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError as error:
        raise KeyUnusable(f"{where} is not base64", hint=_FORM) from error
    if len(key) != 32:
        raise KeyUnusable(f"{where} does not hold 32 bytes", hint=_FORM)
    return key


def in_keyring(vault: Vault) -> str:
    """Put a key into the keyring of the operating system; what a key file says instead of the key itself.

    Raises:
        KeyUnusable: when there is no keyring, or it refuses.
    """
    ring, failed = _keyring("--to keyring")
    try:
        ring.set_password(_SERVICE, vault.key_id, text_of(vault))
    except failed as error:
        raise KeyUnusable(f"the keyring does not take the key: {type(error).__name__}", hint=_UNLOCK) from error
    return f"{_KEYRING}{vault.key_id}"


_UNLOCK = "unlock the keyring of the user that flowctl runs as, or keep the key in a file"


def _from_keyring(entry: str, where: str) -> str:
    ring, failed = _keyring(where)
    try:
        found: str | None = ring.get_password(_SERVICE, entry)
    except failed as error:
        raise KeyUnusable(f"the keyring does not open: {type(error).__name__}", hint=_UNLOCK) from error
    if found is None:
        raise KeyUnusable(
            f"the keyring has no entry `{entry}` of the service `{_SERVICE}`, which {where} names",
            hint="run flowctl as the user whose keyring holds it, or put the entry back",
        )
    return found


def _keyring(where: str) -> tuple[Any, type[Exception]]:
    """The optional package `keyring` and what it raises."""
    try:
        return importlib.import_module("keyring"), importlib.import_module("keyring.errors").KeyringError
    except ImportError as error:
        raise KeyUnusable(
            f"{where} wants the keyring of the operating system, and the package `keyring` is not installed",
            hint="install it: pip install 'flowctl[keyring]'; or keep the key in a file",
        ) from error
