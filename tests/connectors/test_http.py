from __future__ import annotations

import gc
import gzip
import json
import random
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors._http import (
    Answer,
    Api,
    Call,
    HttpClient,
    _read_strictly,
    by_status,
    parse_json,
    retry_after_s,
    url_problem,
)
from connectors._limits import Budget, budget
from engine.clock import SystemClock
from engine.contract import Binding, Rate
from engine.errors import Ambiguous, AuthExpired, AuthRefused, BadAnswer, RateLimited, Rejected, RunError, Transient
from tests.connectors.http_kit import ManualClock, Script, Stream, everything_said, reply, tools

HOSTS = frozenset({"api.example.com"})
BINDING = Binding("acme", "books", {}, {"client_secret": "canary-secret"})


def judge(failure: object) -> RunError:
    from connectors._http import Failure

    assert isinstance(failure, Failure)
    return by_status(failure, expired="renew", refused="ask")


def client(
    script: Script | None, *, clock: ManualClock | None = None, base: str = "https://api.example.com", **more: object
) -> HttpClient:
    api = Api("Example", base, HOSTS, judge, **more)  # type: ignore[arg-type]  # tests vary one field at a time
    return HttpClient(BINDING, tools(script, clock), api)


def answering(*responses: httpx.Response) -> Script:
    left = list(responses)
    return Script(lambda _: left.pop(0))


GET = Call("GET", "/v1/things/7", params={"token": "canary-query"}, headers={"Authorization": "Bearer canary-token"})
POST = Call(
    "POST", "/v1/things", json={"name": "canary-body"}, headers={"Authorization": "Bearer canary-token"}, write=True
)


def test_a_success_is_returned_with_its_trace_and_without_showing_its_body() -> None:
    answer = client(answering(reply(200, {"id": "canary-body"}))).send(GET)
    assert answer.json() == {"id": "canary-body"}
    assert repr(answer) == "Answer(where='acme/books: GET /v1/things/7: 200 (trace trace-1)', status=200, write=False)"
    assert "canary" not in repr(GET)


STATUSES: list[tuple[int, type[RunError], str, type[RunError], str]] = [
    (301, BadAnswer, "a redirect, which is never followed", BadAnswer, "a redirect, which is never followed"),
    (400, Rejected, "refused", Rejected, "refused"),
    (401, AuthExpired, "the token is not accepted", AuthExpired, "the token is not accepted"),
    (403, AuthRefused, "not permitted", AuthRefused, "not permitted"),
    (408, Transient, "the server asks to try again", Transient, "the server asks to try again"),
    (422, Rejected, "refused", Rejected, "refused"),
    (429, RateLimited, "too many requests", RateLimited, "too many requests"),
    (500, Transient, "the server failed", Ambiguous, "the server failed and may or may not have done it"),
    (502, Transient, "the server failed", Ambiguous, "the server failed and may or may not have done it"),
    (504, Transient, "the server failed", Ambiguous, "the server failed and may or may not have done it"),
]


@pytest.mark.parametrize(("status", "read_error", "read_text", "write_error", "write_text"), STATUSES)
def test_statuses(
    status: int, read_error: type[RunError], read_text: str, write_error: type[RunError], write_text: str
) -> None:
    body = {"message": "canary-body"}
    for call, kind, text in ((GET, read_error, read_text), (POST, write_error, write_text)):
        with pytest.raises(RunError) as caught:
            client(answering(reply(status, body, {"Location": "https://evil.example/canary"}))).send(call)
        assert type(caught.value) is kind
        path = "GET /v1/things/7" if call is GET else "POST /v1/things"
        assert str(caught.value) == f"acme/books: {path}: {status} (trace trace-1): {text}"
        assert "canary" not in everything_said(caught.value)


def test_retry_after_reaches_the_engine() -> None:
    with pytest.raises(RateLimited) as caught:
        client(answering(reply(429, {}, {"Retry-After": "7"}))).send(GET)
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 2.5 ", 2.5),
        ("99999999", 3600.0),
        ("-1", None),
        ("nan", None),
        ("1e9", None),
        ("٣", None),
        ("soon", None),
    ],
)
def test_retry_after_reads_plain_seconds_only(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds


LOSSES: list[tuple[type[httpx.TransportError], type[RunError], type[RunError]]] = [
    (httpx.ConnectError, Transient, Transient),
    (httpx.ConnectTimeout, Transient, Transient),
    (httpx.PoolTimeout, Transient, Transient),
    (httpx.ReadTimeout, Transient, Ambiguous),
    (httpx.ReadError, Transient, Ambiguous),
    (httpx.WriteError, Transient, Ambiguous),
    (httpx.WriteTimeout, Transient, Ambiguous),
    (httpx.RemoteProtocolError, Transient, Ambiguous),
]


@pytest.mark.parametrize(("loss", "read_error", "write_error"), LOSSES)
def test_a_lost_answer_leaves_a_write_in_doubt_and_a_read_to_be_repeated(
    loss: type[httpx.TransportError], read_error: type[RunError], write_error: type[RunError]
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise loss("illegal status line: canary-body", request=request)

    for call, kind in ((GET, read_error), (POST, write_error)):
        with pytest.raises(RunError) as caught:
            client(Script(fail)).send(call)
        assert type(caught.value) is kind
        assert loss.__name__ in str(caught.value)
        assert "canary" not in everything_said(caught.value)


def test_a_body_that_breaks_off_is_lost() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"a": '
        raise httpx.ReadError("canary")

    with pytest.raises(Transient) as caught:
        client(answering(httpx.Response(200, stream=Stream(pieces())))).send(GET)
    assert str(caught.value) == "acme/books: GET /v1/things/7: 200: the answer was lost (ReadError)"


def test_a_server_that_drips_is_left() -> None:
    clock = ManualClock()

    def pieces() -> Iterator[bytes]:
        while True:
            clock.elapsed_s += 60
            yield b" "

    with pytest.raises(Ambiguous) as caught:
        client(answering(httpx.Response(201, stream=Stream(pieces()))), clock=clock).send(POST)
    expected = "POST /v1/things: 201: the answer was lost (the answer does not end); it may or may not have been done"
    assert str(caught.value) == f"acme/books: {expected}"
    assert clock.elapsed_s == 360


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_numbers_with_a_point_are_decimals_and_byte_order_marks_are_skipped() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 90.10, "b": 12, "c": 1e400}') == {
        "a": Decimal("90.10"),
        "b": 12,
        "c": Decimal("1e400"),
    }


BAD_JSON: list[tuple[bytes, str]] = [
    (b'{"a": NaN}', "NaN or Infinity"),
    (b'{"a": [-Infinity]}', "NaN or Infinity"),
    (b'{"a": {"b": 1, "b": 2}}', "the same key twice in one object"),
    (b'{"a": \xff}', "no UTF-8"),
    (b'{"canary": 1}{"canary": 2, "more": "text"}', "no complete JSON (position 13 of 42)"),
    (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    (b"[" * 66 + b"]" * 66, "nested too deeply"),
    (b'{"a": ' * 70 + b"1" + b"}" * 70, "nested too deeply"),
    (b'{"a": 1e99999999999999999999}', "a number out of all bounds"),
]


@pytest.mark.parametrize(("body", "reason"), BAD_JSON, ids=[reason[:20] for _, reason in BAD_JSON])
def test_json_we_cannot_trust_is_a_bad_answer_and_leaves_a_write_in_doubt(body: bytes, reason: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        Answer("acme/books: GET /x: 200", 200, {}, body).json()
    assert str(caught.value) == f"acme/books: GET /x: 200: the answer cannot be trusted: {reason}"
    assert "canary" not in everything_said(caught.value)
    with pytest.raises(Ambiguous):
        Answer("acme/books: POST /x: 200", 200, {}, body, write=True).json()


def test_only_containers_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Decimal of Python 3.12 and later refers to its class, and that to all modules: gigabytes for one answer."""
    asked: list[object] = []

    def referents(*things: object) -> list[object]:
        asked.extend(things)
        return [*real(*things), Decimal]

    real = gc.get_referents
    monkeypatch.setattr(gc, "get_referents", referents)
    assert parse_json(b'{"a": [0.5, {"b": 1.25}], "c": 2.0}') == {
        "a": [Decimal("0.5"), {"b": Decimal("1.25")}],
        "c": Decimal("2.0"),
    }
    assert [type(thing) for thing in asked] == [dict, list, dict]


# A key that is lost hides behind a colon that comes from nowhere: an escape, a string, white space.
SAME_KEY_TWICE = [
    b'{"a":1,"a":1}',
    b'{"a" : 1, "a"\n:1}',
    b'{"a":1,"a":"\\u003a"}',
    b'{"a":1,"a":"\\u003A"}',
    b'{"a":":","a":"b"}',
    b'{"a":{"b":":::","b":"\\\\u003a"}}',
    b'{"a":1,"\\u0061":2}',
    b'{"a:":1,"a\\u003a":2}',
    b'[{"a":0.5,"a":0.50}]',
    b'{"a":1,"b":[2,3],"a":"' + b"x" * 5_000_000 + b'"}',
]


@pytest.mark.parametrize("body", SAME_KEY_TWICE, ids=[str(i) for i in range(len(SAME_KEY_TWICE))])
def test_a_key_that_comes_twice_is_refused_however_it_is_spelt(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the same key twice in one object$"):
        parse_json(body)


def outcome(read: Callable[[bytes], object], body: bytes) -> str:
    """The value with its types, or the error with its text."""
    try:
        return repr(read(body))
    except ValueError as error:
        return f"{type(error).__name__}: {error}"


JSON_TEXT = st.text(st.sampled_from('{}[]:,"\\u003aeE+-.019 tn\n\x01é\ud800'), max_size=24).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a:"\\é😀\x00'), max_size=4) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b:", "é", ""]), inner),
    max_leaves=12,
)


@given(JSON_TEXT)
@example(b"[123456789012345678901234567890, -0, -0.0, 1e400, 1E5, 18446744073709551616]")
@example(b'"\\ud800"')
@example(b"[" + b"9" * 4301 + b"]")
@example(b"[" * 64 + b'{"a":[]}' + b"]" * 64)
@example(b"[" * 300 + b"]" * 300)
@example(b"[" * 100_000 + b"]" * 100_000)
@example(b'{"a":' * 100_000)
def test_any_text_is_read_or_refused_as_the_strict_reader_does(body: bytes) -> None:
    assert outcome(parse_json, body) == outcome(_read_strictly, body)


@given(JSON_VALUE, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]), st.booleans())
def test_any_value_is_read_as_the_strict_reader_does(value: object, style: tuple[str, str], ascii_only: bool) -> None:
    body = json.dumps(value, separators=style, ensure_ascii=ascii_only).encode()
    assert outcome(parse_json, body) == outcome(_read_strictly, body)


def test_a_page_does_not_need_the_strict_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors._http._read_strictly", lambda _: pytest.fail("the strict reader was asked"))
    page = {"data": [{"id": "é\n", "at": "2026-11-01T00:00:00", "amount": 12.5}] * 100, "page": {"next": None}}
    for style in ((",", ":"), (", ", ": ")):
        row = parse_json(json.dumps(page, separators=style).encode())["data"][99]
        assert row == {"id": "é\n", "at": "2026-11-01T00:00:00", "amount": Decimal("12.5")}
        assert type(row["amount"]) is Decimal


def test_a_whole_number_of_five_thousand_digits_is_refused() -> None:
    with pytest.raises(BadAnswer):
        Answer("acme/books: GET /x: 200", 200, {}, b"[" + b"9" * 5000 + b"]").json()


def test_nesting_within_the_cap_is_read() -> None:
    assert parse_json(b"[" * 65 + b"]" * 65) is not None


def test_json_cut_off_anywhere_is_never_taken_for_an_answer() -> None:
    whole = json.dumps(
        {"data": [{"id": "a", "amount": 12.5, "ok": True, "none": None}], "page": {"next": None}}
    ).encode()
    for end in range(len(whole)):
        with pytest.raises((Transient, BadAnswer)):
            Answer("acme/books: GET /x: 200", 200, {}, whole[:end]).json()
    with pytest.raises(Transient) as caught:
        Answer("acme/books: GET /x: 200", 200, {}, whole[: len(whole) // 2]).json()
    assert str(caught.value) == "acme/books: GET /x: 200: the answer was lost (the answer was cut off)"


def test_an_html_page_is_named_as_such() -> None:
    page = httpx.Response(200, html="<h1>canary</h1>")
    with pytest.raises(BadAnswer) as caught:
        client(answering(page)).send(GET).json()
    assert (
        str(caught.value)
        == "acme/books: GET /v1/things/7: 200: the answer cannot be trusted: an HTML page instead of JSON"
    )


# --- size and compression ----------------------------------------------------------------------------------------------


def gzipped(pieces: Iterator[bytes]) -> httpx.Response:
    return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Stream(pieces))


def test_gzip_is_read_in_pieces() -> None:
    packed = gzip.compress(json.dumps({"text": "x" * 1_000_000}).encode())
    pieces = iter([packed[i : i + 100] for i in range(0, len(packed), 100)])
    assert client(answering(gzipped(pieces))).send(GET).json()["text"] == "x" * 1_000_000


def test_a_gzip_bomb_is_refused_in_bounded_memory() -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    mebibyte = b"\0" * (1 << 20)
    bomb = b"".join(squeeze.compress(mebibyte) for _ in range(512)) + squeeze.flush()
    response = gzipped(iter([bomb]))
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer) as caught:
            client(answering(response)).send(GET)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (
        str(caught.value)
        == "acme/books: GET /v1/things/7: 200: the answer cannot be trusted: more than 33,554,432 bytes"
    )
    assert peak < 48 * 1024 * 1024


def test_a_body_without_end_is_refused_in_bounded_memory() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    stream = Stream(endless())
    with pytest.raises(Ambiguous):
        client(answering(httpx.Response(200, stream=stream)), max_body=1 << 20).send(POST)
    assert stream.sent <= (1 << 20) + 65536


def test_a_body_at_the_cap_is_read() -> None:
    assert (
        len(client(answering(httpx.Response(200, stream=Stream(iter([b"x" * 100])))), max_body=100).send(GET).body)
        == 100
    )
    with pytest.raises(BadAnswer):
        client(answering(httpx.Response(200, content=b"x" * 101)), max_body=100).send(GET)


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        (b"not gzip at all", "gzip", BadAnswer),
        (gzip.compress(b'{"a": 1}', mtime=0)[:-4], "gzip", Transient),
        (gzip.compress(b'{"a": 1}', mtime=0) + b"tail", "gzip", Transient),
        (b"x", "br", BadAnswer),
        (b"x", "gzip, gzip", BadAnswer),
    ],
)
def test_damaged_compression(body: bytes, encoding: str, kind: type[RunError]) -> None:
    with pytest.raises(RunError) as caught:
        client(
            answering(httpx.Response(200, headers={"content-encoding": encoding}, stream=Stream(iter([body]))))
        ).send(GET)
    assert type(caught.value) is kind


# --- where it may go ---------------------------------------------------------------------------------------------------

LEAVES = [
    "https://evil.example/v1/things",
    "https://api.example.com.evil.example/v1/things",
    "https://api.example.com@evil.example/v1/things",
    "https://evil.example\\@api.example.com/v1/things",
    "https://user:canary-pass@api.example.com/v1/things",
    "http://api.example.com/v1/things",
    "https://api.example.com:8443/v1/things",
    "https://api.example.com:0/v1/things",
    "https://api.example.com:99999/v1/things",
    "https://API.EXAMPLE.COM./v1/things",
    "https://127.0.0.1/v1/things",
    "http://localhost/v1/things",
    "https://2130706433/v1",
    "https://0x7f.1/v1",
    "https://127.1/v1",
    "https://0/v1",
    "https://[::1]/v1",
    "https://[::ffff:169.254.169.254]/v1",
    "https://169.254.169.254/latest/meta-data",
    "https://\u0430pi.example.com/v1",
    "https://api.example.com/v1\r\nX-Evil: 1",
    "https://api.example.com/v1 things",
    "https://api.example.com/v1#fragment",
    "//evil.example/v1",
    "file:///etc/passwd",
    "gopher://api.example.com/",
    "https://",
    "https://[",
    "v1/things",
    "",
]


@pytest.mark.parametrize("link", LEAVES)
def test_a_link_that_leads_away_is_never_followed(link: str) -> None:
    script = answering()
    with pytest.raises(BadAnswer) as caught:
        client(script).send(Call("GET", link, headers={"Authorization": "Bearer canary-token"}))
    assert (
        str(caught.value)
        == "acme/books: Example sent a link that leads away from https://api.example.com; not followed"
    )
    assert script.requests == []


@pytest.mark.parametrize(
    "link",
    [
        "/v1/things?start=7",
        "https://api.example.com/v1/things?start=7",
        "https://API.example.com:443/v1/things?start=7",
    ],
)
def test_a_link_of_the_same_host_is_followed_as_it_is(link: str) -> None:
    script = answering(reply(200, {}))
    client(script).send(Call("GET", link))
    assert script.requests[0].url == httpx.URL("https://api.example.com/v1/things?start=7")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://api.example.com", None),
        ("http://127.0.0.1:8080", None),
        ("http://localhost:8080", None),
        ("https://[::1]:8080", None),
        ("http://127.0.0.2", "must start with https:// unless it is a simulator on this machine"),
        ("https://10.0.0.1", "must name one of these hosts: api.example.com, or this machine"),
        ("https://api.example.com:x", "is no URL"),
        ("ftp://localhost", "must start with https:// unless it is a simulator on this machine"),
        ("https://a@api.example.com", "must be a plain https address without user, password or fragment"),
        ("", "holds characters that a URL cannot have, or nothing"),
    ],
)
def test_base_urls(url: str, problem: str | None) -> None:
    assert url_problem(url, HOSTS) == problem


def test_a_wrong_base_url_never_becomes_a_client() -> None:
    with pytest.raises(Rejected) as caught:
        client(None, base="https://evil.example")
    assert str(caught.value) == "acme/books: base_url must name one of these hosts: api.example.com, or this machine"


def test_no_proxy_and_no_netrc_of_the_machine_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, socket.create_server(("127.0.0.1", 0)) as server:
        proxy.settimeout(0.2)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        http = client(None, base=f"http://127.0.0.1:{server.getsockname()[1]}")
        assert http.send(Call("GET", "/v1")).json() == {}
        thread.join()
        http.close()
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_a_client_nobody_closed_leaves_no_open_socket() -> None:
    # pytest turns the ResourceWarning of a forgotten socket into a failure.
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                assert connection.recv(10) == b""  # closed by the client

        thread = threading.Thread(target=serve)
        thread.start()
        http = client(None, base=f"http://127.0.0.1:{server.getsockname()[1]}")
        http.send(Call("GET", "/v1"))
        del http
        gc.collect()
        thread.join(timeout=5)
        assert not thread.is_alive()


# --- budget --------------------------------------------------------------------------------------------------------------


def test_never_more_than_the_limit_in_any_window() -> None:
    clock, chance = ManualClock(), random.Random(7)
    limited = Budget(Rate(180, 10.0), clock)
    sent: list[float] = []
    for _ in range(2000):
        clock.elapsed_s += chance.choice([0.0, 0.0, 0.01, 0.2])
        limited.take()
        sent.append(clock.monotonic())
    assert max(sum(1 for other in sent[i:] if other < start + 10.0) for i, start in enumerate(sent)) == 180
    assert clock.slept


def test_a_client_waits_for_its_budget() -> None:
    clock = ManualClock()
    http = client(Script(lambda _: reply(200, {})), clock=clock, limit=Rate(5, 10.0))
    for _ in range(12):
        http.send(GET)
    assert clock.slept == [10.0, 10.0]


def test_the_budget_of_a_host_is_shared_in_production_and_not_in_a_simulation() -> None:
    limit = Rate(3, 1.0)
    assert budget("https://a", limit, SystemClock()) is budget("https://a", limit, SystemClock())
    assert budget("https://a", limit, SystemClock()) is not budget("https://b", limit, SystemClock())
    assert budget("https://a", limit, ManualClock()) is not budget("https://a", limit, ManualClock())
