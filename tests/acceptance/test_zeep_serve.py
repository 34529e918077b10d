"""A foreign SOAP client, told nothing but the published WSDL, drives `flowctl serve` and gets Ramp's bills posted."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import zeep
import zeep.transports

from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import RequestProcessor
from connectors.qbwc.simulator.webconnector import _host_company_preferences, _mark_company
from connectors.ramp.sandbox import make as make_ramp
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.serving import running
from engine.vault import load_key
from engine.world import World
from tests import stores
from tests.acceptance.serving import free_port, server
from tests.reference import reference

pytestmark = pytest.mark.acceptance


def _session(service: Any, processor: RequestProcessor, hello: str, path: str, login: tuple[str, str]) -> int:
    """One whole session as the Programmer's Guide has it; returns how many requests travelled."""
    service.serverVersion()
    service.clientVersion("2.3.0.215")
    ticket, flag = service.authenticate(*login)
    if flag == "none":
        service.closeConnection(ticket)
        return 0
    assert not flag, flag
    travelled, percent = 0, 0
    while percent < 100:
        request = service.sendRequestXML(ticket, hello, path, "US", 13, 0)
        assert request, service.getLastError(ticket)
        percent = service.receiveResponseXML(ticket, processor.process(request), "", "")
        assert percent >= 0, service.getLastError(ticket)
        travelled, hello = travelled + 1, ""
    service.closeConnection(ticket)
    return travelled


def test_zeep_drives_the_real_process(tmp_path: Path) -> None:
    wsdl = reference("qbd", "wsdl", "QBWebConnectorSvc.wsdl")
    home, port = tmp_path / "home", free_port()
    books = make_books(3, SystemClock(), {})
    ramp = make_ramp(3, SystemClock(), {"bills": 6, "transactions": 4, "vendors": 4, "chart": books.chart()})
    with running(ramp.app()) as ramp_url, requests.Session() as http:
        http.trust_env = False
        store = stores.opened(home)
        world = World(store, load_key(home))
        connect(world, "main", "ramp", "ramp", *ramp.binding(ramp_url))
        settings, secrets = books.binding(f"http://127.0.0.1:{port}")
        connect(world, "main", "books", "qbwc", settings, secrets)
        store.close()
        _mark_company(books.company, books.application)
        client = cast("Any", zeep).Client(str(wsdl), transport=cast("Any", zeep).transports.Transport(session=http))
        binding = next(name for name in client.wsdl.bindings if not name.endswith("12"))
        service = client.create_service(binding, f"http://127.0.0.1:{port}/qbwc")
        login = (str(settings["user"]), secrets["password"])
        with server(home, port):
            for _ in range(40):
                processor = RequestProcessor(books.company)
                hello = _host_company_preferences(processor, books.application)
                travelled = _session(service, processor, hello, books.company.path, login)
                if travelled == 0 and not any(ramp.simulator.totals().ready.values()):
                    break
                SystemClock().sleep(0.25)
    assert any(books.company.txns("Bill"))
    assert books.total() == ramp.total() > Decimal(0)
