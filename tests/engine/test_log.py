"""What a log line may hold: known fields, no secret, no character that could forge a line."""

from __future__ import annotations

import json
import random
import string
import sys
import time
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from engine.log import adopted, configure, logger, redact
from tests.engine import kit

_LETTERS = string.ascii_letters + string.digits
_CHANCE = random.Random(7)


def _canary() -> str:
    return "canary" + "".join(_CHANCE.choices(_LETTERS, k=20))


# How secrets came into messages of HTTP clients, vendors and ourselves.
SHAPES = (
    "ramp_tok_{}", "ramp_business_tok_{}", "ramp_user_tok_{}", "ramp_jwt_{}", "ramp_sec_{}", "RAMP_BUSINESS_SEC_{}",
    "Authorization: Bearer {}", "authorization: bearer {}", "Authorization: Basic {}", "Bearer  {}", "'Bearer {}'",
    "client_secret={}", "client_secret: {}", "client_secret={}&grant_type=x", '"client_secret": "{}"', "'secret': '{}'",
    "secret = {}", "SECRET={}", "webhook_secret={};", "password={}", "password: {}", 'password="{}"', "password='{}'",
    '{{"password":"{}"}}', "Password={}", "<strPassword>{}</strPassword>", "db_password: {}, user: x", "token={}", "token: {}",
    "access_token={}", "refresh_token={}", '"access_token":"{}"', '"refresh_token" : "{}"', "id_token={}&state=1",
    "?token={}&x=1", "https://host/?access_token={}", "ticket={}", "<ticket>{}</ticket>", "'ticket': '{}'", "api_key={}",
)  # fmt: skip
assert len(SHAPES) == 40


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_is_cut_out(shape: str) -> None:
    secret = _canary()
    assert secret not in redact(f"before {shape.format(secret)} after")
    assert redact(f"before {shape.format(secret)} after").startswith("before ")


def test_what_is_no_secret_stays() -> None:
    text = "acme/shop: the bill N-17 of 1050.00 EUR is not there; ask for a new token, then try again"
    assert redact(text) == text


@given(text=st.text())
def test_no_control_character_gets_through(text: str) -> None:
    cleaned = redact(text)
    assert not any((ord(c) < 0x20 and c != "\t") or 0x7F <= ord(c) <= 0x9F for c in cleaned)


def test_a_line_cannot_be_forged() -> None:
    assert redact("a\nb\r\x1b[31m\x00\x9b") == "a\\nb??[31m??"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_forty_secrets_do_not_reach_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    secrets = [_canary() for _ in SHAPES]
    for shape, secret in zip(SHAPES, secrets, strict=True):
        text = shape.format(secret)
        logger().error(text, error=text, hint=text, payload=text, body=text, secret=secret, token={"t": secret})
        logger().bind(path=text, authorization=text).info("bound", company=text)
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 80
    assert [secret for secret in secrets if secret in captured.err] == []


def test_only_known_fields_pass(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    logger().info("run", company="acme", read=3, payload="x", amount="1050.00", vendor="Acme", error=None)
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {"event": "run", "level": "info", "company": "acme", "read": 3, "error": None}


@pytest.mark.parametrize(
    ("verbosity", "seen"), [(0, ["info", "warning"]), (1, ["debug", "info", "warning"]), (-1, ["warning"])]
)
def test_verbosity(capsys: pytest.CaptureFixture[str], verbosity: int, seen: list[str]) -> None:
    configure(verbosity=verbosity, json=True)
    logger().debug("a")
    logger().info("b")
    logger().warning("c")
    assert [line["level"] for line in lines(capsys)] == seen


def test_readable_lines_on_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    for stream, begin in ((Terminal(), "20"), (StringIO(), "{")):
        monkeypatch.setattr(sys, "stderr", stream)
        configure()
        logger().info("run", company="acme", secret="x")
        text = stream.getvalue()
        assert text.startswith(begin)
        assert "acme" in text
        assert "\x1b" not in text
        assert "secret" not in text


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    configure(json=True)
    monkeypatch.setattr(sys, "stderr", Full())
    logger().info("run", company="acme")


def test_what_a_library_says_again_and_again_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger who sends what is no HTTP has uvicorn say so each time, and must not fill the disk with it."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    configure(json=True)
    with kit.unsilenced("uvicorn.error") as library, adopted():
        for _ in range(50):
            library.warning("Invalid HTTP request received.")
            library.warning("%d is another", 7)
        now[0] += 11
        library.warning("Invalid HTTP request received.")
    lines = [json.loads(line)["error"] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["Invalid HTTP request received.", "7 is another", "Invalid HTTP request received."]
