"""Reads the body of a request under caps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.errors import FlowctlError

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_DEADLINE_S = 10.0


class BodyRefused(FlowctlError):
    """The request's body is too large or came too slowly."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        BodyRefused: above `limit` bytes, by declared length or by what really comes, or after ten seconds.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyRefused(413, f"the body is larger than {limit} bytes")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise BodyRefused(413, f"the body is larger than {limit} bytes")
                chunks.append(chunk)
    except TimeoutError as error:
        raise BodyRefused(408, f"the body did not arrive within {BODY_DEADLINE_S:.0f} s") from error
    return b"".join(chunks)
