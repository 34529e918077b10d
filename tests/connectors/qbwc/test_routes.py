"""The HTTP side of the service, without a socket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree as ET

import pytest

from connectors.qbwc import CONNECTOR
from connectors.qbwc.soap import NAMESPACE, SIZE_LIMIT
from engine.contract import Binding, Connector, Desk, Handler, HttpCall, HttpReply, Served
from engine.errors import Bug, StaleLease, StoreBusy
from engine.polldoor import Greets
from tests.connectors.qbwc.memory_outbox import FakeClock, FakeIds, MemoryOutbox
from tests.reference import ROOT

XML = {"content-type": "text/xml; charset=utf-8", "cache-control": "no-store"}


def envelope(inner: str) -> bytes:
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


VERSION = envelope(f'<serverVersion xmlns="{NAMESPACE}"/>')
CLIENT = envelope(f'<clientVersion xmlns="{NAMESPACE}"><strVersion>2.3</strVersion></clientVersion>')
LAST_ERROR = envelope(f'<getLastError xmlns="{NAMESPACE}"><ticket>x</ticket></getLastError>')


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox(FakeClock())


@pytest.fixture
def handler(outbox: MemoryOutbox) -> Handler:
    return CONNECTOR.handler(outbox, outbox.clock, FakeIds())


def post(handler: Handler, body: bytes, **headers: str) -> HttpReply:
    return handler(
        HttpCall(
            "POST", "/qbwc", "", {name.replace("_", "-"): value for name, value in headers.items()}, body, "127.0.0.1"
        )
    )


def get(handler: Handler, query: str = "", method: str = "GET", **headers: str) -> HttpReply:
    return handler(
        HttpCall(method, "/qbwc", query, {name.replace("_", "-"): value for name, value in headers.items()}, b"")
    )


def fault(reply: HttpReply) -> tuple[int, str | None, str | None]:
    assert reply.headers == XML
    found = ET.fromstring(reply.body)[0][0]
    return reply.status, found.findtext("faultcode"), found.findtext("faultstring")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": "text/xml; charset=utf-8", "soapaction": '"http://developer.intuit.com/serverVersion"'},
        {"content_type": "application/x-www-form-urlencoded", "soapaction": "wrong"},
        {"content_type": "application/soap+xml", "content_encoding": "identity"},
    ],
)
def test_headers_do_not_matter_the_element_decides(handler: Handler, headers: dict[str, str]) -> None:
    reply = post(handler, VERSION, **headers)
    assert (reply.status, reply.headers) == (200, XML)
    assert b"<serverVersionResult>flowctl" in reply.body


def test_a_body_beyond_the_cap_is_refused_before_it_is_read(handler: Handler) -> None:
    assert fault(post(handler, b"x" * (SIZE_LIMIT + 1))) == (413, "soap:Client", "the message is larger than 8 MiB")


def test_compressed_messages_are_refused(handler: Handler) -> None:
    assert fault(post(handler, b"\x1f\x8b", content_encoding="gzip")) == (
        415,
        "soap:Client",
        "compressed messages are not read here",
    )


def test_what_is_wrong_with_a_message_is_said_in_a_fault(handler: Handler) -> None:
    assert fault(post(handler, b"<")) == (
        500,
        "soap:Client",
        "the message is not well-formed XML: unclosed token at line 1",
    )
    code, kind, text = fault(post(handler, envelope(f'<x xmlns="{NAMESPACE}"/>')))
    assert (code, kind) == (500, "soap:Client")
    assert text is not None
    assert text.startswith("there is no such method; call one of: authenticate, clientVersion, ")


class _Broken(MemoryOutbox):
    error: Exception | None = None

    def company_of(self, ticket_hash: str) -> str | None:
        if self.error is not None:
            raise self.error
        return super().company_of(ticket_hash)

    @contextmanager
    def transaction(self, company: str | None = None) -> Iterator[Desk]:
        with super().transaction(company) as desk:
            if self.error is not None:
                raise self.error
            yield desk


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            StoreBusy("/data/flowctl.db is locked"),
            "The service is busy or being moved. Nothing was lost; the next update goes on from here.",
        ),
        (StaleLease(), "The service is busy or being moved. Nothing was lost; the next update goes on from here."),
        (
            Bug("secret inside"),
            "The service met an internal error and did nothing. Its operator finds the cause in its log.",
        ),
    ],
)
def test_a_store_that_fails_is_a_fault_without_its_inside(error: Exception, text: str) -> None:
    broken = _Broken(FakeClock())
    broken.error = error
    assert fault(post(CONNECTOR.handler(broken, broken.clock, FakeIds()), LAST_ERROR)) == (500, "soap:Server", text)


def test_a_get_answers_200_with_a_page_for_people(handler: Handler) -> None:
    for method in ("GET", "HEAD"):
        reply = get(handler, method=method)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"QuickBooks Web Connector service" in reply.body


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({}, "http://localhost/qbwc"),
        ({"host": "books.example.test:8443", "x_forwarded_proto": "https"}, "https://books.example.test:8443/qbwc"),
        ({"host": '"><evil/>'}, "http://localhost/qbwc"),
    ],
)
def test_the_wsdl_names_the_address_that_was_asked(handler: Handler, headers: dict[str, str], address: str) -> None:
    for query in ("wsdl", "WSDL", "wsdl=1"):
        reply = get(handler, query, **headers)
        assert (reply.status, reply.headers) == (200, XML)
        found = ET.fromstring(reply.body).find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address")
        assert found is not None
        assert found.get("location") == address


def test_other_methods_are_not_allowed(handler: Handler) -> None:
    assert handler(HttpCall("PUT", "/qbwc", "", {}, b"")) == HttpReply(
        405, {"allow": "GET, HEAD, POST", "content-type": "text/plain; charset=utf-8"}, b"use POST for SOAP\n"
    )


# --- the connector --------------------------------------------------------------------------------------------------


def test_the_connector_keeps_its_contract() -> None:
    connector: Connector = CONNECTOR
    assert isinstance(CONNECTOR, Served)
    assert (connector.spec.name, connector.spec.delivery) == ("qbwc", "pull")
    assert [entry.name for entry in connector.spec.lists] == [
        "Account",
        "Vendor",
        "Class",
        "Customer",
        "Employee",
        "Terms",
        "SalesTaxItem",
    ]
    assert connector.check(Binding("acme", "books", {"user": "u", "app_url": "https://h.test/"})) == []


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys, connectors.qbwc; "
        "heavy = {'lxml', 'argon2', 'httpx', 'starlette', 'xmlschema', 'jsonschema', 'sqlite_utils', 'cryptography', "
        "'prometheus_client', 'opentelemetry'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


# --- what needs no store ---------------------------------------------------------------------------------------------


def greeted(handler: Handler, body: bytes, action: str, method: str = "POST", **headers: str) -> HttpReply | None:
    assert isinstance(handler, Greets)
    named = {"soapaction": f'"http://developer.intuit.com/{action}"', **headers}
    return handler.greeting(HttpCall(method, "/qbwc", "", named, body, "127.0.0.1"))


@pytest.mark.parametrize(("body", "action"), [(VERSION, "serverVersion"), (CLIENT, "clientVersion")])
def test_what_is_the_same_for_all_is_answered_without_the_store(handler: Handler, body: bytes, action: str) -> None:
    assert greeted(handler, body, action) == post(handler, body)
    assert post(handler, body).status == 200


@pytest.mark.parametrize(
    ("body", "action", "method"),
    [
        (LAST_ERROR, "getLastError", "POST"),
        (LAST_ERROR, "serverVersion", "POST"),  # the element decides
        (b"no XML", "serverVersion", "POST"),
        (VERSION + b" " * 4096, "serverVersion", "POST"),
        (VERSION, "", "POST"),
        (VERSION, "serverVersion", "GET"),
    ],
)
def test_anything_else_is_answered_as_ever(handler: Handler, body: bytes, action: str, method: str) -> None:
    assert greeted(handler, body, action, method) is None


def test_a_greeting_is_refused_for_what_any_call_is_refused_for(handler: Handler) -> None:
    found = greeted(handler, VERSION, "serverVersion", **{"content-encoding": "gzip"})
    assert found is not None
    assert found == post(handler, VERSION, content_encoding="gzip")
    assert found.status == 415
