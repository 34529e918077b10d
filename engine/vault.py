"""Secrets at rest: AES-256-GCM, bound to their company, connection and field, under a key kept outside the store."""

from __future__ import annotations

import base64
import os
from dataclasses import field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens secrets with one 32-byte key, known by a short id derived from it."""

    key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Names the key without telling it."""
        return _key_id(self.key)

    def seal(self, company: str, connection: str, name: str, secret: str) -> bytes:
        """Encrypt; the result opens only for the same company, connection and field."""
        nonce = os.urandom(12)
        return nonce + _cipher(self.key).encrypt(nonce, secret.encode(), self._bound_to(company, connection, name))

    def open(self, company: str, connection: str, name: str, sealed: bytes) -> str:
        """Decrypt.

        Raises:
            SealBroken: for another key, another place, or changed bytes.
        """
        from cryptography.exceptions import InvalidTag

        try:
            opened = _cipher(self.key).decrypt(sealed[:12], sealed[12:], self._bound_to(company, connection, name))
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise SealBroken(company, connection, name) from error
        return opened.decode()

    def _bound_to(self, company: str, connection: str, name: str) -> bytes:
        return f"{company}\0{connection}\0{name}\0{self.key_id}".encode()


@lru_cache(maxsize=4)
def _key_id(key: bytes) -> str:
    return sha256(b"flowctl key id\0" + key).hexdigest()[:12]


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> AESGCM:
    """The cipher with its key schedule, which takes longer than to open a secret with it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def load_key(home: Path, *, create: bool = True) -> Vault:
    """The key from the environment variable FLOWCTL_KEY (base64 of 32 bytes), else from `home/key`, made when it is missing.

    Raises:
        KeyUnusable: when the key is malformed, readable by others, or absent and not to be made.
    """
    given = os.environ.get(KEY_VARIABLE)
    path = home / "key"
    where = KEY_VARIABLE if given is not None else str(path)
    if given is None:
        if not path.exists():
            if not create:
                raise KeyUnusable(
                    f"there is no key at {path}", hint=f"set {KEY_VARIABLE}, or run `flowctl connect` first"
                )
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(os.urandom(32)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        if path.stat().st_mode & 0o077:
            raise KeyUnusable(f"{path} can be read by others", hint=f"chmod 600 {path}")
        given = path.read_bytes().decode("latin-1")
    try:
        key = base64.b64decode(given.strip(), validate=True)
    except ValueError as error:
        raise KeyUnusable(f"{where} is not base64", hint="it is the base64 text of 32 random bytes") from error
    if len(key) != 32:
        raise KeyUnusable(f"{where} does not hold 32 bytes", hint="it is the base64 text of 32 random bytes")
    return Vault(key)
