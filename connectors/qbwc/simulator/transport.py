"""How a Web Connector reaches the service: over HTTP, or straight into a handler of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.contract import Handler, HttpCall

if TYPE_CHECKING:
    from http.client import HTTPConnection

# Status and body, and the content type where the transport knows it; without one, text/xml is taken for granted.
Answer = tuple[int, bytes] | tuple[int, bytes, str]
Post = Callable[[bytes, Mapping[str, str]], Answer]


class HttpPost:
    """POST to one URL over one kept connection, as .NET does; a `Post`."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, parts = url, urlsplit(url)
        self._secure = parts.scheme == "https"
        self._address = (parts.hostname or "localhost", parts.port)
        self._path = parts.path or "/"
        self._timeout_s = timeout_s
        self._connection: HTTPConnection | None = None

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request.

        Raises:
            ConnectionError: no answer came.
        """
        from http.client import HTTPException, RemoteDisconnected

        fresh = self._connection is None
        try:
            return self._send(body, headers)
        except RemoteDisconnected as error:
            # The server may have closed the kept connection while it was idle: .NET then tries a new one, once.
            self.close()
            if not fresh:
                return self(body, headers)
            raise ConnectionError(f"the web service at {self._url} did not answer: it closed the connection") from error
        except (OSError, HTTPException) as error:
            self.close()
            raise ConnectionError(f"the web service at {self._url} did not answer: {error}") from error

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        from http.client import HTTPConnection, HTTPSConnection

        if self._connection is None:
            kind = HTTPSConnection if self._secure else HTTPConnection
            self._connection = kind(*self._address, timeout=self._timeout_s)
        self._connection.request("POST", self._path, body, dict(headers))
        reply = self._connection.getresponse()
        return reply.status, reply.read(), reply.getheader("Content-Type") or ""


def http_post(url: str, *, timeout_s: float = 100.0) -> HttpPost:
    """POST to a URL; .NET gives up after 100 seconds by default."""
    return HttpPost(url, timeout_s)


def handler_post(handler: Handler, path: str = "/qbwc") -> Post:
    """Call a handler of this process as the server would."""

    def post(body: bytes, headers: Mapping[str, str]) -> Answer:
        lower = {name.lower(): value for name, value in headers.items()}
        reply = handler(HttpCall("POST", path, "", lower, body, "127.0.0.1"))
        kinds = {name.lower(): value for name, value in reply.headers.items()}
        return reply.status, reply.body, kinds.get("content-type", "")

    return post
