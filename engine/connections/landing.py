"""Takes one answer of an authorisation page on this machine: only on 127.0.0.1, only one, and not for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from engine.dataclass import dataclass
from engine.serving import bind

WAIT_S = 300.0
_HOST = "127.0.0.1"
_NAMES = frozenset({_HOST, "localhost"})
# A browser opens connections ahead and sends nothing on them.
_SILENT_S = 10.0
_PAGE = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>flowctl</title></head><body>'
    b"<p>flowctl has the answer. Close this window and look at the terminal.</p></body></html>\n"
)
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


def port_of(redirect_uri: str) -> int | None:
    """The port to listen on for a redirect address; None when it does not lead to plain http on this machine."""
    try:
        parts = urlsplit(redirect_uri)
        port = 80 if parts.port is None else parts.port
    except ValueError:
        return None
    return port if parts.scheme == "http" and parts.hostname in _NAMES else None


@dataclass(slots=True)
class Landing:
    """What came so far."""

    path: str
    _came: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answer: str = field(default="", repr=False)

    def take(self, target: str) -> bool:
        """Take the target of a request; True for the answer, which counts once."""
        try:
            parts = urlsplit(target)
        except ValueError:  # whatever that is, no page sent the browser there
            return False
        if parts.path != self.path or not parse_qs(parts.query).keys() & {"code", "error", "state"}:
            return False
        with self._lock:
            if self._came.is_set():
                return False
            self._answer = target
            self._came.set()
            return True

    def wait(self, seconds: float = WAIT_S) -> str | None:
        """The path and query of the answer; None when none came."""
        left = seconds
        while left > 0 and not self._came.wait(min(0.5, left)):  # in pieces, so that Ctrl-C is heard everywhere
            left -= 0.5
        return self._answer if self._came.is_set() else None


@contextmanager
def landing(redirect_uri: str, port: int) -> Iterator[Landing]:
    """Listen for the answer of a redirect address while the block runs.

    Raises:
        PortTaken: when the system refuses.
    """
    made = Landing(urlsplit(redirect_uri).path or "/")
    listener = bind(_HOST, port)
    server = _Server((_HOST, 0), _handler(made), bind_and_activate=False)
    server.socket.close()
    server.socket, server.daemon_threads, server.block_on_close = listener, True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="flowctl-landing", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    """Takes a visitor that leaves early, or sends what is no request, for what it is: none of the terminal's business."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the base class prints a traceback."""


def _handler(made: Landing) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENT_S
        server_version, sys_version = "flowctl", ""

        def do_GET(self) -> None:
            """Answer with a plain page; anything but the answer is not found."""
            asked = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host") or ""
            if asked not in _NAMES or not made.take(self.path):
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in {**_HEADERS, "Content-Length": str(len(_PAGE)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(_PAGE)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
            """Say nothing: the path holds the code."""

    return Handler
