"""The head of a request ends, in bytes and in time, on a new connection as on one that is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from engine import httpguard
from engine.contract import HttpCall, HttpReply
from engine.serving import app_of, running

pytestmark = pytest.mark.acceptance
GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


def echo(call: HttpCall) -> HttpReply:
    return HttpReply(200, {"x-path": call.path}, call.body)


@pytest.fixture
def line() -> Iterator[socket.socket]:
    with running(app_of(echo)) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as made:
        yield made


def rest(line: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    found = b""
    try:
        while piece := line.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def test_headers_without_end_are_refused(line: socket.socket) -> None:
    line.sendall(b"GET /x HTTP/1.1\r\n")
    with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
        for number in range(100_000):
            line.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))


def test_trailers_without_end_are_refused(line: socket.socket) -> None:
    """Headers may come after a body as well, and are kept like the others."""
    line.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    with pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
        for number in range(100_000):
            line.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))


def test_a_few_trailers_are_taken(line: socket.socket) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    line.sendall(head + b"%x\r\n" % 200_000 + b"x" * 200_000)
    line.sendall(b"\r\n0\r\nX-Digest: 1\r\n\r\n")
    assert rest(line).partition(b"\r\n\r\n")[2] == b"x" * 200_000


def test_who_sends_too_much_of_a_head_is_told(line: socket.socket) -> None:
    line.sendall(b"GET /" + b"x" * (httpguard.HEAD_LIMIT + 1))
    assert rest(line).startswith(b"HTTP/1.1 431 ")


def test_a_large_head_within_the_limit_is_taken(line: socket.socket) -> None:
    line.sendall(b"GET /x HTTP/1.1\r\nConnection: close\r\nX-Y: " + b"x" * 60_000 + b"\r\n\r\n")
    assert rest(line).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"G", GET[:-2]])
def test_who_sends_no_whole_head_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(httpguard, "HEAD_DEADLINE_S", 0.1)
    with running(app_of(echo)) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as line:
        line.sendall(sent)
        assert rest(line) == b""


def test_the_second_head_of_a_connection_has_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpguard, "HEAD_DEADLINE_S", 0.3)
    with running(app_of(echo)) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as line:
        line.sendall(GET)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        line.sendall(GET[:10])
        assert rest(line) == b""


def test_several_requests_at_once_are_answered_in_turn(line: socket.socket) -> None:
    paths = [b"/a", b"/b", b"/c"]
    last = b"GET /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    line.sendall(b"".join(GET.replace(b"/x", path) for path in paths) + last)
    found = rest(line)
    assert [part[:2] for part in found.split(b"x-path: ")[1:]] == [*paths, b"/d"]


def test_a_body_is_not_part_of_the_head(line: socket.socket) -> None:
    body = b"x" * (4 * httpguard.HEAD_LIMIT)
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    line.sendall(head % len(body) + body)
    assert rest(line).partition(b"\r\n\r\n")[2] == body
