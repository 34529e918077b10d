"""One-time codes: the vectors of RFC 4226 and RFC 6238, the window, and that a code works once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.access import totp

SECRET = b"12345678901234567890"
NOW = datetime(2026, 3, 2, 14, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "code"),
    list(
        enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])
    ),
)
def test_the_vectors_of_rfc_4226(count: int, code: str) -> None:
    assert totp.code(SECRET, count) == code


@pytest.mark.parametrize(
    ("seconds", "sha1", "sha256", "sha512"),
    [
        (59, "94287082", "46119246", "90693936"),
        (1111111109, "07081804", "68084774", "25091201"),
        (1111111111, "14050471", "67062674", "99943326"),
        (1234567890, "89005924", "91819424", "93441116"),
        (2000000000, "69279037", "90698825", "38618901"),
        (20000000000, "65353130", "77737706", "47863826"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, sha1: str, sha256: str, sha512: str) -> None:
    step = totp.step_at(datetime.fromtimestamp(seconds, UTC))
    # The vectors of the longer digests have keys as long as the digest (errata 2866).
    keys = {"sha1": SECRET, "sha256": (SECRET * 2)[:32], "sha512": (SECRET * 4)[:64]}
    found = {name: totp.code(key, step, digits=8, digest=name) for name, key in keys.items()}
    assert found == {"sha1": sha1, "sha256": sha256, "sha512": sha512}


@pytest.mark.parametrize(("seconds", "fits"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_a_step_off(seconds: int, fits: bool) -> None:
    step = totp.step_at(NOW + timedelta(seconds=seconds))
    assert totp.used_step(SECRET, totp.code(SECRET, step), NOW, 0) == (step if fits else None)


def test_a_code_is_good_once() -> None:
    step = totp.step_at(NOW)
    code = totp.code(SECRET, step)
    assert totp.used_step(SECRET, f" {code[:3]} {code[3:]} ", NOW, step - 1) == step
    assert totp.used_step(SECRET, code, NOW, step) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\N{FULLWIDTH DIGIT ONE}23456", "12345\n"])
def test_what_is_no_code(code: str) -> None:
    assert totp.used_step(SECRET, code, NOW, 0) is None


def test_the_secret_as_text() -> None:
    secret = totp.new_secret()
    assert len(secret) == 20
    assert totp.from_text(totp.secret_text(secret)) == secret
    assert totp.uri(SECRET, "ana@x") == (
        "otpauth://totp/flowctl:ana%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=flowctl"
    )
