"""A foreign SOAP client over a real socket: both WSDL documents drive a whole session, and a bill is posted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import zeep
import zeep.transports

from connectors.qbwc import CONNECTOR
from connectors.qbwc.simulator import Application, RequestProcessor, WebConnector, handler_post, http_post, seed_company
from connectors.qbwc.simulator.webconnector import _host_company_preferences, _mark_company
from engine.clock import SystemIds
from engine.contract import Handler, HttpCall, Login
from tests.connectors.qbwc.kit import password_hash
from tests.connectors.qbwc.memory_outbox import FakeClock, MemoryOutbox, bill, settings
from tests.reference import reference

APPLICATION = Application()


@pytest.fixture
def outbox() -> MemoryOutbox:
    made = MemoryOutbox(FakeClock())
    values = settings(owner_id=APPLICATION.owner_id, file_id=APPLICATION.file_id)
    made.data.logins["books"] = Login("acme", "books", password_hash(), values)
    made.data.due = ["Account", "Vendor"]
    made.add(bill(1, "12.34"))
    return made


@pytest.fixture
def url(outbox: MemoryOutbox) -> Iterator[str]:
    handler = CONNECTOR.handler(outbox, outbox.clock, SystemIds())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _requests_for(handler))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/qbwc"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _requests_for(handler: Handler) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            reply = handler(HttpCall(self.command, path, query, headers, body, self.client_address[0]))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            return

    return Requests


def _client(wsdl: str, session: requests.Session) -> Any:
    return cast("Any", zeep).Client(wsdl, transport=cast("Any", zeep).transports.Transport(session=session))


def _service(wsdl: str, url: str, session: requests.Session) -> Any:
    client = _client(wsdl, session)
    return client.create_service(next(name for name in client.wsdl.bindings if not name.endswith("12")), url)


def _drive(service: Any, outbox: MemoryOutbox) -> list[int]:
    """What a Web Connector does, spelled out by a client that knows nothing of ours."""
    company = seed_company(1, clock=outbox.clock)
    _mark_company(company, APPLICATION)
    processor = RequestProcessor(company)
    assert str(service.serverVersion()).startswith("flowctl")
    assert not service.clientVersion("2.3.0.215")
    ticket, flag = service.authenticate("books", "pw")
    assert not flag
    hello = _host_company_preferences(processor, APPLICATION)
    percents: list[int] = []
    while not percents or percents[-1] < 100:
        request = service.sendRequestXML(ticket, hello, company.path, "US", 13, 0)
        percents.append(service.receiveResponseXML(ticket, processor.process(request), "", ""))
        hello = ""
    assert service.closeConnection(ticket) == "OK: 1 posted"
    assert [str(txn.amount) for txn in company.txns("Bill")] == ["12.34"]
    return percents


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def test_zeep_with_the_published_wsdl_posts_a_bill(url: str, outbox: MemoryOutbox, session: requests.Session) -> None:
    wsdl: Path = reference("qbd", "wsdl", "QBWebConnectorSvc.wsdl")
    assert _drive(_service(str(wsdl), url, session), outbox) == [33, 66, 66, 100]
    assert outbox.outcome(bill(1).id).outcome == "posted"  # type: ignore[union-attr]  # there is one


def test_zeep_with_our_own_wsdl_posts_a_bill(url: str, outbox: MemoryOutbox, session: requests.Session) -> None:
    service = _service(f"{url}?wsdl", url, session)
    assert _drive(service, outbox) == [33, 66, 66, 100]
    assert service.getServerVersion("x").startswith("flowctl")
    assert (service.interactiveDone("x"), service.interactiveRejected("x", "y")) == ("Done", None)


def test_both_documents_describe_the_same_methods(url: str, session: requests.Session) -> None:
    wsdl = reference("qbd", "wsdl", "QBWebConnectorSvc.wsdl")
    theirs, ours = (_operations(_client(place, session)) for place in (str(wsdl), f"{url}?wsdl"))
    assert theirs == {name: signature for name, signature in ours.items() if name in theirs}
    assert ours.keys() - theirs.keys() == {
        "getServerVersion",
        "getInteractiveURL",
        "interactiveDone",
        "interactiveRejected",
    }


def _operations(client: Any) -> dict[str, tuple[str, str, str]]:
    binding = next(value for name, value in client.wsdl.bindings.items() if not name.endswith("12"))
    return {
        name: (operation.input.signature(), str(operation.output.signature()), operation.soapaction)
        for name, operation in binding._operations.items()
    }


def test_the_raw_bytes_of_a_dotnet_client_are_answered(url: str, outbox: MemoryOutbox) -> None:
    raw = reference("qbd", "samples", "real", "mono_SoapHttpClientProtocol_authenticate_raw.txt").read_bytes()
    head, body = raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    del headers["Host"]
    connection = HTTPConnection(url.split("/")[2], timeout=10)
    try:
        connection.request("POST", "/qbwc", body, {**headers, "Content-Length": str(len(body))})
        reply = connection.getresponse()
        text = reply.read()
    finally:
        connection.close()
    assert (reply.status, reply.getheader("content-type")) == (200, "text/xml; charset=utf-8")
    assert b"<string>nvu</string></authenticateResult>" in text


def test_a_simulated_web_connector_over_the_socket(url: str, outbox: MemoryOutbox) -> None:
    company = seed_company(2, clock=outbox.clock)
    post = http_post(url)
    report = WebConnector(post, "books", "pw", company, application=APPLICATION).update()
    assert (report.outcome, report.percents, report.errors) == ("done", [33, 66, 66, 100], [])
    again = CONNECTOR.handler(outbox, outbox.clock, SystemIds())
    assert (
        WebConnector(handler_post(again), "books", "pw", company, application=APPLICATION).update().outcome == "no_work"
    )
