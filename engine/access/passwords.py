"""Passwords that others sign in to us with: one argon2id setting, for hashing where they are set and where they are checked."""

from __future__ import annotations

from argon2 import PasswordHasher

# OWASP's argon2id setting of 19 MiB: some 15 ms of one core, and a flood of logins does not fill the memory. The same for
# every hash, a stand-in for an unknown user's included: another cost would tell by its time who exists.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """The hash to keep."""
    return HASHER.hash(password)
