"""Reads the body of a request under caps.

A slow line is nobody's fault, and a stranger may pretend to have one. So a body may take long as long as it goes on, faster
than a line that is of any use would; and of those that take longer than most do, there are only so many at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.dataclass import dataclass
from engine.errors import FlowctlError

if TYPE_CHECKING:
    from starlette.requests import Request

# Without a byte for so long, nothing more comes; what is whole before that is no slow body.
BODY_IDLE_S = 10.0
# A line of 256 kbit/s carries four times as much, and 8 MiB within the longest time.
LEAST_A_SECOND = 8 * 1024
BODY_DEADLINE_S = 300.0
# So many bodies of 8 MiB may be in memory for longer than a moment, and so few of 512 connections be taken up by them.
MOST_SLOW = 64


class BodyRefused(FlowctlError):
    """The request's body is too large or came too slowly."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class _Slow:
    """The slow bodies that this process is reading."""

    count: int = 0


_SLOW = _Slow()


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        BodyRefused: 413 above `limit` bytes, by declared length or by what really comes; 408 when it comes too slowly, or
            slowly while too many others do.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyRefused(413, f"the body is larger than {limit} bytes")
    loop, body, is_slow = asyncio.get_running_loop(), bytearray(), False
    began = loop.time()
    try:
        async with asyncio.timeout(BODY_IDLE_S) as until:
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise BodyRefused(413, f"the body is larger than {limit} bytes")
                now = loop.time()
                if not is_slow and now - began > BODY_IDLE_S:
                    if _SLOW.count >= MOST_SLOW:
                        raise BodyRefused(408, f"the body came slowly, as {_SLOW.count} others do; come again later")
                    _SLOW.count += 1
                    is_slow = True
                until.reschedule(min(now + BODY_IDLE_S, began + _allowed(len(body))))
    except TimeoutError as error:
        seconds = loop.time() - began
        raise BodyRefused(408, f"the body came too slowly: {len(body)} bytes in {seconds:.0f} s") from error
    finally:
        _SLOW.count -= is_slow
    return bytes(body)


def _allowed(size: int) -> float:
    """How long a body may have taken of which so much has come."""
    return min(BODY_IDLE_S + size / LEAST_A_SECOND, BODY_DEADLINE_S)
