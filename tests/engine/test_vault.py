"""Secrets open only where they were sealed, and the key is a file nobody else can read."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.vault import KEY_VARIABLE, KeyUnusable, SealBroken, Vault, load_key

KEY = bytes(range(32))
PLACE = ("acme", "shop", "api_key")


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@settings(max_examples=50, deadline=None)
@given(
    secret=st.text(st.characters(exclude_categories=["Cs"])),
    place=st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)),
)
def test_a_secret_opens_where_it_was_sealed(secret: str, place: tuple[str, str, str]) -> None:
    place = tuple(part.encode("utf-8", "replace").decode() for part in place)  # type: ignore[assignment]
    vault = Vault(KEY)
    sealed = vault.seal(*place, secret)
    assert vault.open(*place, sealed) == secret
    assert sealed != vault.seal(*place, secret)


@pytest.mark.parametrize(
    "place",
    [("zeta", "shop", "api_key"), ("acme", "other", "api_key"), ("acme", "shop", "other"), ("acmeshop", "", "api_key")],
)
def test_it_does_not_open_elsewhere(place: tuple[str, str, str]) -> None:
    vault = Vault(KEY)
    with pytest.raises(SealBroken) as caught:
        vault.open(*place, vault.seal(*PLACE, "secret"))
    assert str(caught.value) == f"{place[0]}/{place[1]}: the secret `{place[2]}` does not open with this key"
    assert caught.value.hint == (
        f"use the key it was sealed with, or run `flowctl connect {place[1]} --company {place[0]}` again"
    )


def test_it_does_not_open_with_another_key() -> None:
    with pytest.raises(SealBroken):
        Vault(bytes(32)).open(*PLACE, Vault(KEY).seal(*PLACE, "secret"))


def test_any_changed_byte_breaks_the_seal() -> None:
    vault = Vault(KEY)
    sealed = vault.seal(*PLACE, "s")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            vault.open(*PLACE, bytes(changed))


def test_a_shortened_seal_is_broken() -> None:
    vault = Vault(KEY)
    sealed = vault.seal(*PLACE, "secret")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            vault.open(*PLACE, sealed[:length])


def test_the_key_never_shows() -> None:
    vault = Vault(KEY)
    assert repr(vault) == "Vault()"
    assert vault.key_id == "584ff0324757"
    assert vault.key_id != Vault(bytes(32)).key_id


# --- where the key comes from


def test_a_key_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    made = load_key(home)
    assert len(made.key) == 32
    assert (home / "key").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert load_key(home) == made
    assert load_key(home, create=False) == made
    assert load_key(tmp_path / "c").key != made.key


def test_a_key_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable) as caught:
        load_key(tmp_path, create=False)
    assert str(caught.value) == f"there is no key at {tmp_path}/key"
    assert caught.value.hint == "set FLOWCTL_KEY, or run `flowctl connect` first"
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_key(tmp_path)
    path = tmp_path / "key"
    path.chmod(mode)
    with pytest.raises(KeyUnusable) as caught:
        load_key(tmp_path)
    assert str(caught.value) == f"{path} can be read by others"
    assert caught.value.hint == f"chmod 600 {path}"


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, base64.b64encode(KEY).decode() + "\n")
    assert load_key(tmp_path) == Vault(KEY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ("", "FLOWCTL_KEY does not hold 32 bytes"),
        ("c2hvcnQ=", "FLOWCTL_KEY does not hold 32 bytes"),
        (base64.b64encode(bytes(33)).decode(), "FLOWCTL_KEY does not hold 32 bytes"),
        ("not base64!", "FLOWCTL_KEY is not base64"),
        ("é" * 44, "FLOWCTL_KEY is not base64"),
    ],
)
def test_a_malformed_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_: str, message: str) -> None:
    monkeypatch.setenv(KEY_VARIABLE, given_)
    with pytest.raises(KeyUnusable) as caught:
        load_key(tmp_path)
    assert str(caught.value) == message
    assert caught.value.hint == "it is the base64 text of 32 random bytes"
