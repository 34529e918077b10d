"""What every simulated vendor needs: ways to reach it, planned faults, names from a seed, and exact numbers in JSON."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from engine.clock import drawn
from engine.contract import Handler, HttpCall

if TYPE_CHECKING:  # both are slow to import; see `engine.contract`
    import httpx
    from starlette.applications import Starlette

PUMP_INTERVAL_S = 0.5
_MARKED = re.compile(r'"\\u0000([^"\\]*)\\u0000"')


class ConnectionReset(ConnectionResetError):
    """The simulated server closed the connection without an answer."""


# --- the ways in ------------------------------------------------------------------------------------------------------


def transport(handle: Handler, client: str = "127.0.0.1") -> httpx.MockTransport:
    """A transport for `httpx.Client`: no socket is opened; a reset shows as `httpx.ReadError`."""
    import httpx

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("x-forwarded-proto", request.url.scheme)
        query = request.url.query.decode("ascii")
        call = HttpCall(request.method, request.url.path, query, headers, request.read(), client)
        try:
            reply = handle(call)
        except ConnectionReset as error:
            raise httpx.ReadError(str(error), request=request) from error
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body, request=request)

    return httpx.MockTransport(answer)


def app(handle: Handler, pump: Callable[[], object] | None = None) -> Starlette:
    """An ASGI app of the whole API. A task of the app calls `pump` twice a second, to send the webhooks that are due."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    async def endpoint(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.setdefault("x-forwarded-proto", request.url.scheme)
        client = request.client.host if request.client else ""
        call = HttpCall(request.method, request.url.path, request.url.query, headers, await request.body(), client)
        try:
            reply = await run_in_threadpool(handle, call)
        except ConnectionReset:
            # Fewer bytes than announced: the server closes the connection and the client sees a broken answer.
            return StreamingResponse(iter(()), headers={"content-length": "1", "content-type": "application/json"})
        return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))

    async def pumping(once: Callable[[], object]) -> None:
        while True:
            await run_in_threadpool(once)
            await asyncio.sleep(PUMP_INTERVAL_S)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(pumping(pump)) if pump is not None else None
        yield
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)], lifespan=lifespan)


def post(url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
    """Send a webhook over HTTP and return the status; redirects are not followed.

    Raises:
        OSError: when no answer came in time.
    """
    import httpx

    try:
        answer = httpx.post(url, content=body, headers=dict(headers), timeout=timeout_s)
    except httpx.TransportError as error:
        raise OSError(f"webhook endpoint unreachable: {type(error).__name__}") from error
    return answer.status_code


# --- faults -----------------------------------------------------------------------------------------------------------


class Planned(Protocol):
    """One thing that goes wrong.

    `at` counts the requests that match `method` and `path` from 0; `probability` is thrown for each of them. `path` is
    any part of the path.
    """

    @property
    def name(self) -> str:
        """Which fault it is."""
        ...

    @property
    def at(self) -> tuple[int, ...]:
        """The matching requests that meet it."""
        ...

    @property
    def probability(self) -> float:
        """The chance of every other matching request to meet it."""
        ...

    @property
    def method(self) -> str:
        """The method, or any when empty."""
        ...

    @property
    def path(self) -> str:
        """A part of the path."""
        ...


FaultT = TypeVar("FaultT", bound=Planned)


class Plan(Generic[FaultT]):
    """Decides for each request which fault it meets, at most one, and counts them by name."""

    def __init__(self, seed: int, faults: Sequence[FaultT] = ()) -> None:
        self.faults = list(faults)
        self.counts: Counter[str] = Counter()
        self._random = random.Random(f"{seed}:faults")  # noqa: S311 - a simulation must repeat
        self._seen: Counter[int] = Counter()

    def add(self, fault: FaultT) -> None:
        """Plan one more fault; its count begins now."""
        self.faults.append(fault)

    def strike(self, call: HttpCall) -> FaultT | None:
        """The fault that this request meets. Each matching fault counts it, also when an earlier one strikes."""
        hit: FaultT | None = None
        for index, fault in enumerate(self.faults):
            if (fault.method and fault.method != call.method) or fault.path not in call.path:
                continue
            number = self._seen[index]
            self._seen[index] += 1
            due = number in fault.at or (fault.probability > 0 and self._random.random() < fault.probability)
            if due and hit is None:
                hit = fault
        if hit is not None:
            self.counts[hit.name] += 1
        return hit


# --- names ------------------------------------------------------------------------------------------------------------


class Names:
    """Ids and tokens from the seed: the n-th of a kind is always the same."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._fixed: dict[tuple[str, str], str] = {}

    def fixed(self, kind: str, key: str) -> str:
        """The uuid that belongs to a key, for ever."""
        made = self._fixed.get((kind, key))
        if made is None:
            made = self._fixed[kind, key] = self._uuid(kind, key)
        return made

    def fixed_text(self, kind: str, key: str, length: int) -> str:
        """The base-62 text that belongs to a key, for ever."""
        return drawn(random.Random(f"{self.seed}:{kind}={key}"), length)  # noqa: S311 - a simulation must repeat

    def uuid(self, kind: str) -> str:
        """The next uuid of a kind."""
        self._counts[kind] += 1
        return self._uuid(kind, f"#{self._counts[kind]}")

    def text(self, kind: str, length: int) -> str:
        """The next base-62 text of a kind."""
        self._counts[kind] += 1
        stream = random.Random(f"{self.seed}:{kind}:{self._counts[kind]}")  # noqa: S311 - a simulation must repeat
        return drawn(stream, length)

    def _uuid(self, kind: str, key: str) -> str:
        # As `uuid.UUID(bytes=digest[:16], version=4)` is written, in a quarter of the time.
        digits = hashlib.sha256(f"{self.seed}\x00{kind}\x00{key}".encode()).hexdigest()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


# --- JSON -------------------------------------------------------------------------------------------------------------


def encoder(number: Callable[[Decimal], str]) -> Callable[[object], str]:
    """A writer of minified JSON in which each Decimal is a plain number, written as `number` says."""

    def marked(value: object) -> str:
        # A text that nothing else can hold, since the encoder has no way to write a number as it is.
        if isinstance(value, Decimal):
            return f"\0{number(value)}\0"
        raise TypeError(f"{type(value).__name__} has no JSON form")

    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=marked).encode

    def dumps(value: object) -> str:
        text = encode(value)
        return _MARKED.sub(r"\1", text) if "\\u0000" in text else text

    return dumps
