"""uvicorn's fast HTTP protocol with what it lacks: an end to a request's head, in bytes and in time.

Without it a stranger who sends header after header fills the memory, and one who sends nothing keeps a connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# As much as uvicorn's other protocol allows.
HEAD_LIMIT = 64 * 1024
HEAD_DEADLINE_S = 10.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Guarded(HttpToolsProtocol):
    """One connection. The head of a request is its line and its headers."""

    _is_in_head = False
    # Whether a request is under way, whether its body went on with what came last, and how much came since it did.
    _is_in_request = False
    _has_body = False
    _head_size = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Wait for the first head, not for ever."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that is not whole yet has a size and a time that it may take, and trailers have a size."""
        self._has_body = False
        super().data_received(data)
        if not self._is_in_request or self.transport.is_closing():
            return
        self._head_size = 0 if self._has_body else self._head_size + len(data)
        if self._head_size > HEAD_LIMIT:
            if self._is_in_head:  # else it may have its answer already
                self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._is_in_head and self._late is None:
            self._expect()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head, self._is_in_request, self._head_size = True, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_in_head, self._has_body = False, True
        self._arrived()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The body goes on."""
        self._has_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_in_request = False
        super().on_message_complete()

    def _expect(self) -> None:
        self._late = self.loop.call_later(HEAD_DEADLINE_S, self._give_up)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        transport: Any = self.transport
        if not transport.is_closing():
            transport.close()
