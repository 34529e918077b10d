"""Headers as a dict are what httpx says they are."""

from __future__ import annotations

import httpx
import pytest

from connectors._http import headers_of


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], {}),
        ([(b"Content-Type", b"application/json"), (b"X-Id", b"7")], {"content-type": "application/json", "x-id": "7"}),
        ([(b"Via", b"a"), (b"VIA", b"b"), (b"x", b""), (b"via", b"c")], {"via": "a, b, c", "x": ""}),
        ([(b"x-name", "Zoë".encode())], {"x-name": "Zoë"}),
        ([(b"x-name", b"\xff"), (b"x-id", b"7")], {"x-name": "ÿ", "x-id": "7"}),
    ],
)
def test_every_header_is_there_once(headers: list[tuple[bytes, bytes]], expected: dict[str, str]) -> None:
    """In lower case, equal names joined, whatever the encoding of a value."""
    assert headers_of(httpx.Headers(headers)) == dict(httpx.Headers(headers).items()) == expected
