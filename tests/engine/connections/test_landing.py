"""The listener for the answer of an authorisation page: whatever comes, the terminal stays quiet."""

from __future__ import annotations

import socket
import struct

import pytest

from engine.connections.landing import landing


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sent(port: int, target: bytes) -> bytes:
    """The status line of the answer."""
    with socket.create_connection(("127.0.0.1", port), 5) as visitor:
        visitor.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return visitor.recv(65536).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://[", 404),
        (b"*", 404),
        (b"\xff\xfe", 404),
        (b"/elsewhere?code=1", 404),
        (b"/answer?other=1", 404),
        (b"/answer?" + b"a=1&" * 20_000, 414),
    ],
)
def test_what_is_no_answer_is_not_found(target: bytes, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with landing(f"http://127.0.0.1:{port}/answer", port) as landed:
        assert sent(port, target).split(b" ")[1] == str(status).encode()
        assert sent(port, b"/answer?code=c&state=s").split(b" ")[1] == b"200"
        assert landed.wait(1) == "/answer?code=c&state=s"
    assert capfd.readouterr() == ("", "")


def test_a_visitor_that_breaks_off_is_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with landing(f"http://127.0.0.1:{port}/answer", port) as landed:
        for _ in range(20):
            visitor = socket.create_connection(("127.0.0.1", port), 5)
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            visitor.sendall(b"GET /answer HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            visitor.close()  # with a reset, as a browser that is closed does
        assert landed.wait(0.5) is None
    assert capfd.readouterr() == ("", "")
