"""A thin, suspicious layer over a synchronous httpx transport: fixed hosts, hard caps, errors sorted by what to do."""

from __future__ import annotations

import gc
import json
import re
import weakref
import zlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import field
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from connectors._limits import Budget, budget
from engine.contract import Binding, Rate, Tools
from engine.dataclass import dataclass
from engine.errors import Ambiguous, AuthExpired, AuthRefused, BadAnswer, RateLimited, Rejected, RunError, Transient
from engine.telemetry import meter, meters, trace

if TYPE_CHECKING:  # httpx takes 0.1 s to import and `validate` must not pay for it
    import httpx

MAX_BODY = 32 * 1024 * 1024
MAX_DEPTH = 64
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PLAIN_URL = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash that URL parsers read differently
_HEADERS = {
    "Connection": "keep-alive", "Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "flowctl",
}  # fmt: skip
_CONNECT_TIMEOUT_S = 10.0
_TRACE = re.compile(r"[\w.:/+=-]{1,80}", re.ASCII)
_INFLATE_STEP = 256 * 1024
# Less is no waiting, but the time that asking takes.
_WAITED_S = 0.02
_CONTAINERS = frozenset({dict, list})
# Above this the strict reader alone works: the fast one holds a second text, and lists of all values of a level.
_FAST_BODY = 4 * 1024 * 1024
_UNSURE = object()


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no success: what a vendor's classifier judges. `where` is safe to print, `body` is not."""

    where: str
    status: int
    body: object = field(repr=False)
    write: bool
    retry_after_s: float | None


Classifier = Callable[[Failure], RunError]


class CutOff(ValueError):
    """JSON that ends too early."""


class TooLarge(BadAnswer):
    """An answer longer than `Api.max_body`; a smaller question may have a smaller one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `write` means that a lost answer leaves the outcome unknown.

    `shown` is what errors name in place of a path that holds a secret.
    """

    method: str
    url: str
    params: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: object = field(default=None, repr=False)
    content: str | bytes | None = field(default=None, repr=False)
    write: bool = False
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; its body never shows in a repr."""

    where: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    write: bool = False

    def json(self) -> Any:
        """The body as JSON with Decimal for numbers that have a point.

        Raises:
            Transient: when it was cut off, and reading it again may help.
            BadAnswer: when it is no JSON we can trust.
            Ambiguous: instead of both after a write, which may have been done.
        """
        try:
            return parse_json(self.body)
        except CutOff:
            raise _lost(self.where, "the answer was cut off", write=self.write) from None
        except ValueError as error:  # its text is ours, see parse_json
            raise _distrust(self.where, _nature(self, str(error)), write=self.write) from None

    def failure(self) -> Failure:
        """The answer as one to be judged, for vendors that report errors with a success status."""
        try:
            body = parse_json(self.body)
        except ValueError:
            body = None
        return Failure(self.where, self.status, body, self.write, retry_after_s(self.headers.get("retry-after")))


@dataclass(frozen=True, slots=True)
class Shared:
    """Limits that all processes keep together, under a name that holds no secret."""

    name: str
    rates: tuple[Rate, ...] = ()
    at_once: int = 0


@dataclass(frozen=True, slots=True)
class Api:
    """How one vendor's API is reached by one connection. `hosts` are the only ones ever called, besides loopback."""

    vendor: str
    base_url: str
    hosts: frozenset[str]
    classify: Classifier
    # Counted in this process, by host; what counts by credential or organisation is shared by all processes.
    limit: Rate | None = None
    shared: Shared | None = None
    trace_header: str = "x-trace-id"
    # Ramp ends a request itself after 60 s; waiting longer than the server lets us learn its 504.
    read_timeout_s: float = 75.0
    # A server that drips bytes must not hold a worker for ever.
    total_timeout_s: float = 300.0
    max_body: int = MAX_BODY


class HttpClient:
    """Sends calls of one connection to one vendor."""

    def __init__(self, binding: Binding, tools: Tools, api: Api) -> None:
        self.api = api
        self._where = f"{binding.company}/{binding.connection}"
        self._clock = tools.clock
        self._transport = tools.transport
        self._limits = tools.limits
        self._open: httpx.BaseTransport | None = None
        problem = url_problem(api.base_url, api.hosts)
        if problem:
            raise Rejected(f"{self._where}: base_url {problem}", hint="correct the connection's `base_url`")
        self._origin = _origin(api.base_url)
        self._budget: Budget | None = budget(self._origin, api.limit, tools.clock) if api.limit else None
        self._headers = {"Host": self._origin.partition("://")[2], **_HEADERS}
        timeouts = dict.fromkeys(("read", "write", "pool"), api.read_timeout_s)
        self._extensions = {"timeout": {"connect": _CONNECT_TIMEOUT_S, **timeouts}}

    def send(self, call: Call, classify: Classifier | None = None) -> Answer:
        """Send once and return a success; anything else raises the error that the vendor's classifier chooses."""
        url = self.absolute(call.url)
        where = f"{self._where}: {call.method} {call.shown or urlsplit(url).path}"
        shared, asked_at = self.api.shared, self._clock.monotonic()
        if self._budget is not None:
            self._budget.take()
        with self._limits.call(shared.name, shared.rates, shared.at_once) if shared else nullcontext():
            answer = self._measured(call, url, where, asked_at)
        if 200 <= answer.status < 300:
            return answer
        if 300 <= answer.status < 400:
            raise BadAnswer(
                f"{answer.where}: a redirect, which is never followed", hint="check the connection's `base_url`"
            )
        raise (classify or self.api.classify)(answer.failure())

    def _measured(self, call: Call, url: str, where: str, asked_at: float) -> Answer:
        """The exchange, counted; `asked_at` is when the call was wanted, before it waited for the vendor's limits."""
        connector, began_at, status = self.api.vendor.lower(), self._clock.monotonic(), "lost"
        if began_at - asked_at > _WAITED_S:
            meter.observe(meters.VENDOR_WAITS, began_at - asked_at, connector)
        try:
            with trace.span(f"call {connector}", {"connector": connector, "method": call.method}):
                answer = self._exchange(call, url, where)
            status = str(answer.status)
            return answer  # noqa: TRY300 - what is counted below is what the caller gets
        except Transient as error:
            status = "no_connection" if "no connection" in str(error) else status
            raise
        finally:
            meter.add(meters.VENDOR_CALLS, connector, status)
            meter.observe(meters.VENDOR_SECONDS, self._clock.monotonic() - began_at, connector)

    def absolute(self, target: str) -> str:
        """The URL of a path on this API, or `target` itself when it is a URL of the same host.

        Raises:
            BadAnswer: when the target leads anywhere else; paging links come from outside.
        """
        url = target
        if target.startswith("/") and not target.startswith("//"):
            url = self._origin + target
        elif "://" not in target:
            url = ""
        if url_problem(url, self.api.hosts) or _origin(url) != self._origin:
            raise BadAnswer(
                f"{self._where}: {self.api.vendor} sent a link that leads away from {self._origin}; not followed"
            )
        return url

    def close(self) -> None:
        """Close the connections that are kept open; the next call opens new ones."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _opened(self) -> httpx.BaseTransport:
        """The transport, and not a client around it: no cookie, redirect, proxy or .netrc is wanted with a token."""
        if self._open is None:
            import httpx

            self._open = self._transport or httpx.HTTPTransport(trust_env=False)
            # Whoever forgets to close leaves no socket behind.
            weakref.finalize(self, self._open.close)
        return self._open

    def _request(self, call: Call, url: str) -> httpx.Request:
        import httpx

        headers, content = {**self._headers, **call.headers}, call.content or b""
        if call.json is not None:
            content = json.dumps(call.json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            headers["Content-Type"] = "application/json"
        body = content.encode() if isinstance(content, str) else content
        if body or call.method == "POST":
            headers["Content-Length"] = str(len(body))
        address = _address(url, tuple((call.params or {}).items()))
        stream = httpx.ByteStream(body)
        return httpx.Request(call.method, address, headers=headers, stream=stream, extensions=self._extensions)

    def _exchange(self, call: Call, url: str, where: str) -> Answer:
        import httpx

        try:
            request = self._request(call, url)
        except UnicodeEncodeError:  # JSON can write it, and nothing that is sent can hold it
            raise Rejected(
                f"{where}: half a character (a lone surrogate) cannot be sent", hint="correct it where it was entered"
            ) from None
        try:
            response = self._opened().handle_request(request)
            try:
                headers = headers_of(response.headers)
                where = f"{where}: {response.status_code}{_trace(headers.get(self.api.trace_header))}"
                body = self._body(response, where, write=call.write)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            # Nothing was sent. The text of an httpx error may quote what the server said, so only its class is kept.
            raise Transient(f"{where}: no connection ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _lost(where, type(error).__name__, write=call.write) from None
        return Answer(where, response.status_code, headers, body, call.write)

    def _body(self, response: httpx.Response, where: str, *, write: bool) -> bytes:
        """The decoded body, read piece by piece so that neither its length nor its compression can exhaust memory."""
        if response.is_stream_consumed:  # a transport in this process handed the whole body over
            return self._capped(response.content, where, write=write)
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip"):
            raise _distrust(where, "an encoding that was not asked for", write=write)
        inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        deadline = self._clock.monotonic() + self.api.total_timeout_s
        body = bytearray()
        try:
            for chunk in response.iter_raw():
                pending = chunk
                while pending and inflate is not None:
                    body += self._capped(
                        inflate.decompress(pending, _INFLATE_STEP), where, write=write, already=len(body)
                    )
                    pending = inflate.unconsumed_tail
                if inflate is None:
                    body += self._capped(chunk, where, write=write, already=len(body))
                if self._clock.monotonic() > deadline:
                    raise _lost(where, "the answer does not end", write=write)
        except zlib.error:
            raise _distrust(where, "damaged compression", write=write) from None
        if inflate is not None and body and (not inflate.eof or inflate.unused_data):
            raise _lost(where, "the answer was cut off", write=write)
        return bytes(body)

    def _capped(self, piece: bytes, where: str, *, write: bool, already: int = 0) -> bytes:
        if already + len(piece) > self.api.max_body:
            error = _distrust(where, f"more than {self.api.max_body:,} bytes", write=write)
            raise error if write else TooLarge(str(error))
        return piece


def headers_of(headers: httpx.Headers) -> dict[str, str]:
    """What `dict(headers.items())` says, names in lower case, in a tenth of its time."""
    found: dict[str, str] = {}
    try:
        for raw, value in headers.raw:
            name, text = raw.decode("ascii").lower(), value.decode("ascii")
            found[name] = f"{found[name]}, {text}" if name in found else text
    except UnicodeDecodeError:
        return dict(headers.items())
    return found


def by_status(failure: Failure, *, expired: str, refused: str) -> RunError:
    """The error that an HTTP status alone stands for; `expired` and `refused` are hints for 401 and 403."""
    status, where = failure.status, failure.where
    error: RunError = Rejected(f"{where}: refused", code=str(status))
    if status == 401:
        error = AuthExpired(f"{where}: the token is not accepted", hint=expired)
    elif status == 403:
        error = AuthRefused(f"{where}: not permitted", hint=refused)
    elif status == 429:
        error = RateLimited(f"{where}: too many requests", retry_after_s=failure.retry_after_s)
    elif status in (408, 425):
        error = Transient(f"{where}: the server asks to try again", retry_after_s=failure.retry_after_s)
    elif status >= 500 and failure.write:
        error = Ambiguous(f"{where}: the server failed and may or may not have done it")
    elif status >= 500:
        error = Transient(f"{where}: the server failed", retry_after_s=failure.retry_after_s)
    return error


def parse_json(body: bytes) -> Any:
    """Read JSON strictly: Decimal for numbers with a point, no NaN, no key twice, no bottomless nesting.

    Raises:
        ValueError: with a text that quotes nothing of the body.
    """
    value = _read_fast(body) if len(body) <= _FAST_BODY else _UNSURE
    return _read_strictly(body) if value is _UNSURE else value


def _read_fast(body: bytes) -> Any:
    """The value of plain JSON, or `_UNSURE` when anything about it needs the strict reader, which then has the word.

    msgspec keeps the last of equal keys without saying so. What it read is therefore written again: where a key
    was lost there are fewer colons, for each key brings one and strings keep theirs, unless one is spelt as an escape.
    """
    import msgspec
    import orjson

    try:
        value = _decoder()(body)
        if not _shallow(value) or (b"\\" in body and b"\\u003" in body):
            return _UNSURE
        again = orjson.dumps(value, default=str)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError, orjson.JSONEncodeError):
        return _UNSURE
    return value if again == body or again.count(b":") == body.count(b":") else _UNSURE


@cache
def _decoder() -> Callable[[bytes], Any]:
    import msgspec  # it takes 0.05 s to import, and `validate` must not pay for it

    return msgspec.json.Decoder(float_hook=Decimal).decode


def _shallow(value: object) -> bool:
    """Whether the value is surely not nested too deeply; C visits what the containers of each level hold."""
    # From Python 3.12 on a Decimal refers to its class too, and that to everything there is.
    level = [each for each in (value,) if type(each) in _CONTAINERS]
    for _ in range(MAX_DEPTH):
        if not level:
            return True
        level = [each for each in gc.get_referents(*level) if type(each) in _CONTAINERS]
    return False


def _read_strictly(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("no UTF-8") from None
    try:
        value = json.loads(text, parse_float=_decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) - 8 or error.msg.startswith("Unterminated string"):
            raise CutOff("it ends too early") from None
        raise ValueError(f"no complete JSON (position {error.pos:,} of {len(text):,})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _deeper_than(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    return value


@lru_cache(maxsize=1024)
def _address(url: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    """The URL as httpx wants it; it takes its time to read one, and the same lists are read again and again."""
    import httpx

    return httpx.URL(url, params=params) if params else httpx.URL(url)


@lru_cache(maxsize=1024)
def url_problem(url: str, hosts: frozenset[str]) -> str | None:
    """Why a URL must not be called, or None. Host names are compared with a list and never resolved."""
    if not _PLAIN_URL.fullmatch(url):
        return "holds characters that a URL cannot have, or nothing"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    problem = None
    if host is None or "@" in parts.netloc or parts.fragment or port == 0:
        problem = "must be a plain https address without user, password or fragment"
    elif host in _LOOPBACK and parts.scheme in ("http", "https"):
        pass
    elif parts.scheme != "https":
        problem = "must start with https:// unless it is a simulator on this machine"
    elif host not in hosts:
        problem = f"must name one of these hosts: {', '.join(sorted(hosts))}, or this machine"
    return problem


def retry_after_s(value: str | None, limit_s: float = 3600.0) -> float | None:
    """Seconds of a Retry-After header, when it is a plain number of seconds."""
    if value is None or not re.fullmatch(r"\d{1,9}(\.\d{1,3})?", value.strip(), re.ASCII):
        return None
    return min(float(value), limit_s)


@lru_cache(maxsize=1024)
def _origin(url: str) -> str:
    """Scheme, host and port of a URL, so that two can be compared."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    usual = (parts.scheme, port) in (("https", 443), ("http", 80))
    return f"{parts.scheme}://{bracketed}" if usual else f"{parts.scheme}://{bracketed}:{port}"


def _trace(value: str | None) -> str:
    return f" (trace {value})" if value and _TRACE.fullmatch(value) else ""


def _nature(answer: Answer, reason: str) -> str:
    """What an unreadable answer is instead of JSON."""
    html = "html" in answer.headers.get("content-type", "").lower() or answer.body.lstrip()[:1] == b"<"
    return "an HTML page instead of JSON" if html else reason


def _lost(where: str, reason: str, *, write: bool) -> RunError:
    if write:
        return Ambiguous(f"{where}: the answer was lost ({reason}); it may or may not have been done")
    return Transient(f"{where}: the answer was lost ({reason})")


def _distrust(where: str, reason: str, *, write: bool) -> RunError:
    if write:
        return Ambiguous(f"{where}: the answer cannot be read ({reason}); it may or may not have been done")
    return BadAnswer(f"{where}: the answer cannot be trusted: {reason}")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal holds
        raise ValueError("a number out of all bounds") from None


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN or Infinity")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that comes twice: readers differ on which one counts."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("the same key twice in one object")
    return result


def _deeper_than(value: object, limit: int) -> bool:
    """Whether containers lie in each other more than `limit` deep; level by level: recursion is the danger."""
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(limit + 1):
        if not level:
            return False
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) in _CONTAINERS
        ]
    return bool(level)
