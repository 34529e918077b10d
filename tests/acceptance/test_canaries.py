"""No secret comes out: canaries in every place that takes one, through every error path, and looked for in every output."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.routing import Route

from engine import log, registry
from engine.app import build
from engine.cli import common
from engine.clock import SystemClock
from engine.serving import app_of, running
from engine.simulated import Called, Simulated
from engine.store import sqlite
from engine.telemetry import meter, trace
from engine.telemetry.metering import metering
from engine.telemetry.tracing import OtelTracer
from engine.world import World
from tests import stores
from tests.acceptance.canary_kit import MODES, Canaries, Hostile, forms_of, give
from tests.cli.cli_kit import Cli, within

pytestmark = pytest.mark.acceptance
FLOWS = ("ramp_to_quickbooks", "bill_to_quickbooks", "expensify_to_quickbooks", "freshbooks_to_ramp", "ramp_accounting")
# What spans a run leaves that has called a vendor.
READ = {"run", "fetch", "call ramp"}
Pages = Callable[[Callable[[], None]], Sequence[Route]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """A folder of its own, and no variables or flows of this machine."""
    for name in list(os.environ):
        if name.startswith("FLOWCTL_"):
            monkeypatch.delenv(name)
    with within(tmp_path):
        yield Cli(stores.homed(tmp_path / "home"), {})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a vendor that asks for a pause, the clock moves on instead; nor for the disk."""
    prepare = sqlite._prepare

    def prepared(connection: sqlite3.Connection, *, durable: bool) -> None:
        prepare(connection, durable=durable)
        connection.execute("PRAGMA synchronous = OFF")

    monkeypatch.setattr(sqlite, "_prepare", prepared)
    slept, now, monotonic = [0.0], SystemClock.now, SystemClock.monotonic

    def sleep(_self: SystemClock, seconds: float) -> None:
        slept[0] += seconds

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) + timedelta(seconds=slept[0]))
    monkeypatch.setattr(SystemClock, "monotonic", lambda self: monotonic(self) + slept[0])


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


def secret_fields() -> dict[str, list[str]]:
    """Every secret of every connector."""
    found = {}
    for name in registry.names():
        connector = registry.find(name)
        assert connector is not None
        found[name] = [field.name for field in connector.spec.settings if field.secret]
    return {name: fields for name, fields in found.items() if fields}


def settings_of(name: str, url: str) -> Mapping[str, object]:
    """Settings of a connection to a vendor at an address."""
    connector: object = registry.find(name)
    assert isinstance(connector, Simulated)
    sandbox = connector.sandbox(1, SystemClock(), {})
    secret = set(secret_fields()[name])
    settings = {k: v for k, v in sandbox.binding(url)[0].items() if k not in secret}
    return settings if isinstance(sandbox, Called) else {"app_url": "http://localhost:8765/qbwc"}


def connection_of(name: str) -> str:
    return "books" if name == "qbwc" else name


def connect(cli: Cli, canaries: Canaries, name: str, url: str, round_: str, folder: Path) -> None:
    """Give every secret of a connector: the first one in a file, the others by the environment."""
    first, *others = secret_fields()[name]
    connection = connection_of(name)
    path = folder / f"{name}-{round_}"
    path.write_text(canaries.new(f"{name}.{first} ({round_}, file)") + "\n")
    env = {
        f"FLOWCTL_SECRET_{connection}_{field}".upper(): canaries.new(f"{name}.{field} ({round_}, environment)")
        for field in others
    }
    options = [f"--set={key}={value}" for key, value in settings_of(name, url).items()]
    how = ("--no-browser", "--no-ask") if name == "freshbooks" else ("--no-ask",)
    give(
        cli, canaries, round_, "connect", connection, name, *options, "--secret-file", f"{first}={path}", *how, env=env
    )  # fmt: skip


@contextmanager
def hostile(canaries: Canaries) -> Iterator[tuple[Hostile, str]]:
    vendor = Hostile(canaries)
    with running(app_of(vendor.handle)) as url:
        yield vendor, url


def look_at_everything(cli: Cli, canaries: Canaries, where: str) -> None:
    """Everything that tells a person what happened."""
    for command in (
        ("status",), ("status", "--format", "json"), ("deferred", "--format", "json"), ("connect", "--list"),
        ("connect", "--list", "--format", "json"), ("audit", "export"), ("audit", "verify"), ("key", "status"),
        ("company", "list", "--format", "json"),
    ):  # fmt: skip
        give(cli, canaries, where, *command)
    canaries.files(cli.home)


def test_the_kit_finds_what_comes_out(canaries: Canaries) -> None:
    """Else all below would pass for nothing."""
    secret = canaries.new("a")
    assert canaries.found() == []
    for number, form in enumerate(sorted(forms_of(secret))):
        canaries.saw(f"place {number}", b"..." + form + b"...")
    assert canaries.found() == [f"a in place {number}" for number in range(len(forms_of(secret)))]
    import base64

    for before in ("", "x:", "ab:", "abc:"):
        other = Canaries({"a": secret}, [("header", base64.b64encode(f"{before}{secret}".encode()))])
        assert other.found() == ["a in header"], before


def test_every_secret_field_of_every_connector_through_every_fault(
    cli: Cli,
    canaries: Canaries,
    tmp_path: Path,
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    fields = secret_fields()
    assert {name: len(found) for name, found in fields.items()} == {
        "bill": 4, "expensify": 1, "freshbooks": 3, "qbwc": 1, "ramp": 4,
    }, "another secret field: it is watched by itself; count it here"  # fmt: skip
    with hostile(canaries) as (vendor, url):
        for name in fields:
            connect(cli, canaries, name, url, "first", given)
        kept = sum(len(fields[name]) for name in fields)
        sealed = cli.ok("key", "status", "--format", "json").json()["data_keys"][0]["secrets"]
        assert sealed >= kept - 2, "the canaries are in the store: the password is a hash, the code was used up"
        for mode in MODES:
            vendor.mode, before = mode, vendor.calls
            give(cli, canaries, mode, "doctor", *(("--format", "json") if before % 2 else ()))
            for flow in FLOWS if mode in ("401", "garbage") else ():
                give(cli, canaries, mode, "run", flow)
            for name in ("ramp", "bill", "freshbooks"):
                give(cli, canaries, mode, "webhook", name, "--url", "https://sync.acme.example")
            assert vendor.calls > before, f"nobody was called with {mode}"
        sent = [what for what in canaries.issued if vendor.was_told(what)]
        assert {what.split(" ")[0] for what in sent} >= {
            "ramp.client_secret", "bill.password", "bill.dev_key", "expensify.partner_user_secret", "freshbooks.client_secret",
        }, "what a vendor never saw it could not repeat"  # fmt: skip
        look_at_everything(cli, canaries, "after the faults")
        for name in fields:  # each secret is changed
            connect(cli, canaries, name, url, "second", given)
        give(cli, canaries, "rotation", "key", "rotate")
        give(cli, canaries, "rotation", "key", "set-master")
        vendor.mode = "500"
        give(cli, canaries, "rotation", "doctor")
        look_at_everything(cli, canaries, "after the rotation")
    assert len(canaries.issued) >= 28
    assert canaries.found() == []


def test_secrets_that_are_given_in_the_wrong_place(cli: Cli, canaries: Canaries, tmp_path: Path) -> None:
    new = canaries.new
    base = ("connect", "ramp", "--no-ask")
    cli.ok("company", "add", "main")
    give(cli, canaries, "on the command line", *base, "--set", f"client_secret={new('--set')}")
    give(cli, canaries, "on the command line", *base, "--set", f"{new('--set without a name')}")
    give(
        cli,
        canaries,
        "two lines",
        *base,
        "--secret-file",
        "client_secret=-",
        stdin=f"{new('line 1')}\n{new('line 2')}".encode(),
    )
    give(cli, canaries, "no text", *base, "--secret-file", "client_secret=-", stdin=new("bytes").encode() + b"\xff")
    give(cli, canaries, "unknown field", *base, "--secret-file", "nothing=-", stdin=new("unknown field").encode())
    give(cli, canaries, "no secret", *base, "--secret-file", "base_url=-", stdin=new("no secret").encode())
    odd = {"FLOWCTL_SECRET_RAMP_CLIENT_SECRET": f"\x1b[31m{new('control characters')}"}
    give(cli, canaries, "environment", *base, env=odd)
    key = {"FLOWCTL_KEY": new("FLOWCTL_KEY")}
    for command in (("status",), ("doctor",), ("key", "status"), ("key", "rotate")):
        give(cli, canaries, "malformed key", *command, env=key)
    give(cli, canaries, "malformed key", "key", "set-master", "--from", "-", stdin=new("set-master").encode())
    whole = (cli.home / "key").read_text()
    (cli.home / "key").write_text(new("the key file"))
    for command in (("status",), ("doctor",), ("key", "set-master")):
        give(cli, canaries, "malformed key file", *command)
    (cli.home / "key").write_text(whole)
    look_at_everything(cli, canaries, "after the mistakes")
    assert len(canaries.issued) >= 10
    assert canaries.found() == []


def post(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    request = urllib.request.Request(url, body, dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


def get(url: str, headers: Mapping[str, str]) -> bytes:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


@contextmanager
def observed(world: World, canaries: Canaries) -> Iterator[tuple[Pages, Callable[[], set[str]]]]:
    """Metrics and traces of everything inside come out; the token of the metrics is one more secret.

    Yields the server's pages, and what wakes its worker and waits until it has read from a vendor; it tells what it saw.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWCTL_METRICS_TOKEN", canaries.new("FLOWCTL_METRICS_TOKEN"))
        made = metering(world, 100)
    spans = InMemorySpanExporter()
    tracer = OtelTracer(SimpleSpanProcessor(spans))
    wakes: list[Callable[[], None]] = []
    meter.use(made.sink)
    trace.use(tracer)

    def pages(poke: Callable[[], None]) -> Sequence[Route]:
        wakes.append(poke)
        return made.routes()

    def worked() -> set[str]:
        """Wake the worker, and wait until it has read: the server may be done with all calls before its first look."""
        wakes[0]()
        give_up = time.monotonic() + 30
        while not (names := {span.name for span in spans.get_finished_spans()}) >= READ and time.monotonic() < give_up:
            time.sleep(0.01)
        return names

    try:
        yield pages, worked
    finally:
        meter.use(None)
        trace.use(None)
        tracer.close()
    canaries.saw("traces", "".join(span.to_json() for span in spans.get_finished_spans()))


def soap(method: str, **values: str) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return (
        '<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<{method} xmlns="http://developer.intuit.com/">{inner}</{method}></soap:Body></soap:Envelope>'
    ).encode()


def test_what_strangers_and_vendors_send_to_the_server(cli: Cli, canaries: Canaries, tmp_path: Path) -> None:
    new, given = canaries.new, tmp_path / "given"
    given.mkdir()
    said = io.StringIO()
    with hostile(canaries) as (_, vendor_url):
        for name in secret_fields():
            connect(cli, canaries, name, vendor_url, "served", given)
        with redirect_stderr(said), redirect_stdout(said):
            log.configure(verbosity=2, json=True)
            try:
                with (
                    common.opened(cli.home) as world,
                    observed(world, canaries) as (pages, worked),
                    running(build(world, common.programs(FLOWS), pages=pages)) as url,
                ):
                    for name in ("ramp", "bill", "freshbooks", "books", "nobody"):
                        for body in (
                            json.dumps(
                                {"id": "e-1", "type": new("event type"), "secret": new("webhook body")}
                            ).encode(),
                            b"verifier=" + new("form verifier").encode() + b"&name=callback.verify&object_id=1",
                            b"\xff\x00{" + new("garbage body").encode(),
                        ):
                            signed = {
                                "x-ramp-signature": new("signature"), "x-bill-sha-signature": new("signature"),
                                "x-freshbooks-hmac-sha256": new("signature"), "authorization": f"Bearer {new('bearer')}",
                                "cookie": f"session={new('cookie')}", "content-type": "application/json",
                            }  # fmt: skip
                            address = f"{url}/webhooks/main/{name}?token={new('query')}"
                            canaries.saw("webhook's answer", post(address, signed, body))
                    xml = {"content-type": "text/xml; charset=utf-8"}
                    for made in (
                        soap("authenticate", strUserName="main", strPassword=new("SOAP password")),
                        soap("authenticate", strUserName="nobody", strPassword=new("SOAP password")),
                        soap("sendRequestXML", ticket=new("SOAP ticket"), strHCPResponse="x", strCompanyFileName="x"),
                        soap(
                            "receiveResponseXML",
                            ticket=new("SOAP ticket"),
                            response=new("SOAP answer"),
                            hresult="",
                            message="",
                        ),
                        soap("connectionError", ticket=new("SOAP ticket"), hresult="0x1", message=new("SOAP message")),
                        soap("authenticate", strPassword=new("SOAP password")),
                        b"<!DOCTYPE x>" + new("SOAP garbage").encode(),
                    ):
                        canaries.saw("SOAP answer", post(f"{url}/qbwc", {**xml, "authorization": new("basic")}, made))
                    for path in ("healthz", "readyz", "metrics", "nothing"):
                        canaries.saw(path, post(f"{url}/{path}?key={new('path')}", {}, b""))
                        for token in (new("FLOWCTL_METRICS_TOKEN"), new("wrong token")):
                            for accept in ("application/json", "text/html"):
                                sent = {"authorization": f"Bearer {token}", "accept": accept, "cookie": new("cookie")}
                                canaries.saw(path, get(f"{url}/{path}?key={new('path')}", sent))
                    assert worked() >= {*READ, "soap authenticate"}
            finally:
                structlog.reset_defaults()
    assert '"event"' in said.getvalue(), "the server has logged"
    assert any(b"flowctl_soap_calls_total{" in data for where, data in canaries.outputs if where == "metrics")
    canaries.saw("the server's log", said.getvalue())
    look_at_everything(cli, canaries, "after the strangers")
    assert len(canaries.issued) >= 25
    assert canaries.found() == []
