"""Passwords: the stand-in for a user who does not exist costs what a user's does, and no password fits it."""

from __future__ import annotations

import pytest
from argon2.exceptions import VerifyMismatchError

from engine.access.passwords import HASHER, hash_password, nobodys


def test_a_stand_in_has_the_form_and_the_cost_of_a_hash_and_is_never_the_same() -> None:
    made, other, real = nobodys(), nobodys(), hash_password("a password")
    assert [len(part) for part in made.split("$")] == [len(part) for part in real.split("$")]
    assert made.split("$")[:4] == real.split("$")[:4]
    assert not HASHER.check_needs_rehash(made)
    assert made != other


def test_no_password_fits_a_stand_in() -> None:
    with pytest.raises(VerifyMismatchError):
        HASHER.verify(nobodys(), "")
