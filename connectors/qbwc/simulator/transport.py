"""How a Web Connector reaches the service: over HTTP, or straight into a handler of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from engine.contract import Handler, HttpCall

# Status and body, and the content type where the transport knows it; without one, text/xml is taken for granted.
Answer = tuple[int, bytes] | tuple[int, bytes, str]
Post = Callable[[bytes, Mapping[str, str]], Answer]


def http_post(url: str, *, timeout_s: float = 100.0) -> Post:
    """POST to a URL over one kept connection; .NET gives up after 100 seconds by default."""
    import http.client

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=timeout_s)

    def post(body: bytes, headers: Mapping[str, str]) -> Answer:
        for last in (connection.sock is None, True):
            try:
                connection.request("POST", parts.path or "/", body, dict(headers))
                reply = connection.getresponse()
                return reply.status, reply.read(), reply.getheader("Content-Type", "")
            except http.client.RemoteDisconnected:
                # The server may have closed the kept connection while it was idle: .NET then tries a new one, once.
                connection.close()
                if last:
                    raise
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise ConnectionError(f"the web service did not answer: {error}") from error
        raise ConnectionError("the web service did not answer")

    return post


def handler_post(handler: Handler, path: str = "/qbwc") -> Post:
    """Call a handler of this process as the server would."""

    def post(body: bytes, headers: Mapping[str, str]) -> Answer:
        lower = {name.lower(): value for name, value in headers.items()}
        reply = handler(HttpCall("POST", path, "", lower, body, "127.0.0.1"))
        kinds = {name.lower(): value for name, value in reply.headers.items()}
        return reply.status, reply.body, kinds.get("content-type", "")

    return post
