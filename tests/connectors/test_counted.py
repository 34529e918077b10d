"""What connectors count: calls of vendors and waiting for their limits, and the Web Connector's calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from connectors._http import Call
from connectors.qbwc import CONNECTOR
from connectors.qbwc.soap import NAMESPACE
from engine.contract import HttpCall, Rate
from engine.errors import RunError, StoreBusy
from engine.telemetry.metering import PrometheusSink
from tests.connectors.http_kit import ManualClock, Script, reply
from tests.connectors.qbwc.kit import Kit
from tests.connectors.test_http import client
from tests.engine.metering_kit import listening, samples

GET = Call("GET", "/v1/things")


@pytest.fixture
def sink() -> Iterator[PrometheusSink]:
    with listening() as heard:
        yield heard


def test_calls_of_a_vendor_by_what_came_back(sink: PrometheusSink) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("canary")

    def lose(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("canary")

    answers = [lambda _r: reply(200, {}), lambda _r: reply(200, {}), lambda _r: reply(429), refuse, lose]

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.pop(0)(request)

    http = client(Script(answer))
    while answers:
        with suppress(RunError):
            http.send(GET)
    assert samples(sink) == {
        'flowctl_vendor_calls_total{connector="example",status="200"}': 2,
        'flowctl_vendor_calls_total{connector="example",status="429"}': 1,
        'flowctl_vendor_calls_total{connector="example",status="no_connection"}': 1,
        'flowctl_vendor_calls_total{connector="example",status="lost"}': 1,
        'flowctl_vendor_call_seconds_count{connector="example"}': 5,
    }


def test_only_calls_that_waited_are_counted_as_waits(sink: PrometheusSink) -> None:
    clock = ManualClock()
    http = client(Script(lambda _: reply(200, {})), clock=clock, limit=Rate(2, 60.0))
    for _ in range(3):
        http.send(GET)
    assert clock.slept == [60.0]
    assert samples(sink) == {
        'flowctl_vendor_calls_total{connector="example",status="200"}': 3,
        'flowctl_vendor_call_seconds_count{connector="example"}': 3,
        'flowctl_vendor_wait_seconds_count{connector="example"}': 1,
    }
    sums = {
        sample.name: sample.value
        for metric in sink.registry.collect()
        for sample in metric.samples
        if sample.name.startswith("flowctl_vendor_wait") and sample.name.endswith("_sum")
    }
    assert sums == {"flowctl_vendor_wait_seconds_sum": 60.0}


def soap(method: str, **values: str) -> HttpCall:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<{method} xmlns="{NAMESPACE}">{inner}</{method}></s:Body></s:Envelope>'
    )
    return HttpCall("POST", "/qbwc", "", {"content-type": "text/xml"}, body.encode(), "127.0.0.1")


def test_the_web_connector_s_calls_by_what_came_of_them(sink: PrometheusSink, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = Kit()
    handle = CONNECTOR.handler(kit.outbox, kit.clock, kit.ids)
    handle(soap("serverVersion"))
    handle(soap("authenticate", strUserName="books", strPassword="pw"))
    handle(soap("authenticate", strUserName="books", strPassword="wrong"))
    handle(soap("sendRequestXML", ticket="none"))
    handle(soap("receiveResponseXML", ticket="none"))
    handle(soap("evil"))
    handle(HttpCall("POST", "/qbwc", "", {}, b"no xml", ""))
    handle(HttpCall("GET", "/qbwc", "wsdl", {}, b"", ""))

    def busy(*_of: object) -> object:
        raise StoreBusy("locked")

    for name in ("transaction", "login", "company_of"):
        monkeypatch.setattr(kit.outbox, name, busy)
    handle(soap("authenticate", strUserName="books", strPassword="pw"))
    handle(soap("getLastError", ticket="x"))
    assert samples(sink) == {
        'flowctl_soap_calls_total{method="serverVersion",outcome="ok"}': 1,
        'flowctl_soap_calls_total{method="authenticate",outcome="ok"}': 1,
        'flowctl_soap_calls_total{method="authenticate",outcome="refused"}': 1,
        'flowctl_soap_calls_total{method="authenticate",outcome="busy"}': 1,
        'flowctl_soap_calls_total{method="sendRequestXML",outcome="nothing"}': 1,
        'flowctl_soap_calls_total{method="receiveResponseXML",outcome="refused"}': 1,
        'flowctl_soap_calls_total{method="getLastError",outcome="fault"}': 1,
        'flowctl_soap_calls_total{method="unknown",outcome="fault"}': 2,
        'flowctl_soap_call_seconds_count{method="serverVersion"}': 1,
        'flowctl_soap_call_seconds_count{method="authenticate"}': 3,
        'flowctl_soap_call_seconds_count{method="sendRequestXML"}': 1,
        'flowctl_soap_call_seconds_count{method="receiveResponseXML"}': 1,
        'flowctl_soap_call_seconds_count{method="getLastError"}': 1,
        'flowctl_soap_call_seconds_count{method="unknown"}': 2,
    }
