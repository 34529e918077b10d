"""Passwords that others sign in to us with: one argon2id setting, for hashing where they are set and where they are checked."""

from __future__ import annotations

import secrets
from base64 import b64encode

from argon2 import PasswordHasher

# OWASP's argon2id setting of 19 MiB: some 15 ms of one core, and a flood of logins does not fill the memory. The same for
# every hash, a stand-in for an unknown user's included: another cost would tell by its time who exists.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """The hash to keep."""
    return HASHER.hash(password)


def nobodys() -> str:
    """A hash that no password fits, so that an unknown user costs what a known one does.

    It is made up: to compute one takes as long as to check one, and each process would begin with it.
    """
    made_up = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (HASHER.salt_len, HASHER.hash_len))
    settings = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    return "$".join(("", "argon2id", "v=19", settings, *made_up))
