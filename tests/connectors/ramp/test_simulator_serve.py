"""The simulator behind httpx and behind a real socket on loopback."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from connectors.ramp.simulator import Fault, Options, RampSimulator, app, transport
from connectors.ramp.simulator.records import Delivery
from connectors.ramp.simulator.serve import http_sender
from engine.clock import SystemClock
from engine.serving import running
from tests.connectors.ramp.simulator_kit import START, rent, simulator

BASE = "https://demo-api.ramp.com/developer/v1"


@contextmanager
def signed_in(base: str, target: RampSimulator | None = None) -> Iterator[httpx.Client]:
    """A client with a token: over the transport when a simulator is given, else over a socket."""
    form = {"grant_type": "client_credentials", "scope": " ".join(Options().scopes)}
    with httpx.Client(transport=transport(target) if target else None) as client:
        answer = client.post(f"{base}/token", auth=("ramp_id_sandbox", "sandbox-secret"), data=form)
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@contextmanager
def served(target: RampSimulator, *, deliver_webhooks: bool = False) -> Iterator[str]:
    """The base URL of a server that stops with the block."""
    with running(app(target, deliver_webhooks=deliver_webhooks)) as base:
        yield f"{base}/developer/v1"


def test_transport_follows_pages() -> None:
    target = simulator()
    bills = [target.add_bill([rent(100)]).id for _ in range(3)]
    with signed_in(BASE, target) as client:
        first = client.get(f"{BASE}/bills", params={"page_size": 2})
        assert first.headers["x-trace-id"]
        assert first.headers["content-type"] == "application/json"
        second = client.get(first.json()["page"]["next"])
    assert [row["id"] for row in (*first.json()["data"], *second.json()["data"])] == bills


def test_transport_turns_a_reset_into_a_read_error() -> None:
    target = simulator(faults=[Fault("reset_before", at=(0,), path="/bills")])
    text = "the simulated connection was closed during GET /developer/v1/bills"
    with signed_in(BASE, target) as client:
        with pytest.raises(httpx.ReadError, match=f"^{text}$"):
            client.get(f"{BASE}/bills")
        assert client.get(f"{BASE}/bills").status_code == 200


@pytest.mark.acceptance
def test_app_over_loopback() -> None:
    target = simulator(faults=[Fault("reset_after", at=(0,), path="/business")])
    target.add_bill([rent(100)])
    with served(target) as base, signed_in(base) as client:
        page = client.get(f"{base}/bills", params={"page_size": 2, "sync_ready": "true"})
        assert (page.status_code, len(page.json()["data"])) == (200, 1)
        for _ in range(2):
            target.add_bill([rent(100)])
        following = client.get(f"{base}/bills", params={"page_size": 2}).json()["page"]["next"]
        assert following.startswith(f"{base}/bills?page_size=2&start=")
        assert len(client.get(following).json()["data"]) == 1
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{base}/business")
        assert client.get(f"{base}/business").status_code == 200


class _Hook(BaseHTTPRequestHandler):
    got: list[bytes]
    arrived: threading.Event

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()
        self.arrived.set()

    def log_message(self, *_args: object) -> None:
        return


@contextmanager
def hook() -> Iterator[tuple[str, type[_Hook]]]:
    """A webhook endpoint on loopback that stops with the block."""
    handler = type("Handler", (_Hook,), {"got": [], "arrived": threading.Event()})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.acceptance
def test_app_delivers_webhooks() -> None:
    target = RampSimulator(7, SystemClock())
    with hook() as (url, handler), served(target, deliver_webhooks=True) as base, signed_in(base) as client:
        made = client.post(f"{base}/webhooks", json={"endpoint_url": url, "event_types": ["bills.paid"]})
        assert made.status_code == 201
        assert handler.arrived.wait(10)
    assert b'"type":"webhooks.verification"' in handler.got[0]


@pytest.mark.acceptance
def test_sender_reports_an_unreachable_endpoint() -> None:
    with hook() as (url, _handler):
        pass
    delivery = Delivery("s", "e", "bills.paid", url, (), b"{}", START)
    with pytest.raises(OSError, match=r"^webhook endpoint unreachable: ConnectError$"):
        http_sender(delivery)


def test_import_is_cheap() -> None:
    code = (
        "import sys, connectors.ramp.simulator; print(sorted({'httpx', 'starlette', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
