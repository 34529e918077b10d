"""Spans over a record's way: which there are, how they hang together across processes, and what they never say."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from engine.cli import observing
from engine.contract import HttpCall, HttpReply, OperationOutcome
from engine.errors import Transient
from engine.pipeline import guid_of
from engine.serving import app_of, running
from engine.telemetry import trace
from engine.telemetry import tracing as tracing_module
from engine.telemetry.tracing import OtelTracer, ids_of
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill

GUID = guid_of(COMPANY, FLOW, "bills", "b-1", "post")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


@contextmanager
def tracing() -> Iterator[InMemorySpanExporter]:
    """One process that traces, with ids of its own."""
    exporter = InMemorySpanExporter()
    tracer = OtelTracer(SimpleSpanProcessor(exporter))
    trace.use(tracer)
    try:
        yield exporter
    finally:
        trace.use(None)
        tracer.close()


def of_record(spans: Sequence[ReadableSpan], guid: str = GUID) -> list[ReadableSpan]:
    trace_id, _ = ids_of(guid)
    return [span for span in spans if span.context is not None and span.context.trace_id == trace_id]


def told(spans: Sequence[ReadableSpan]) -> list[tuple[str, dict[str, object]]]:
    return [(span.name, dict(span.attributes or {})) for span in spans]


def test_a_record_s_way_is_one_trace_over_three_processes(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    with tracing() as first:
        bench.run("bills")
    with tracing() as second:
        made = bench.send()
        assert made is not None
        bench.settle(made)
    with tracing() as third:
        bench.runner.tell(bench.program, COMPANY)
    about = {"flowctl.company": "acme", "flowctl.flow": "shop_to_ledger", "flowctl.stream": "bills"}
    moved = {**about, "flowctl.record": bench.record("b-1")["id"]}
    spans = [span for process in (first, second, third) for span in of_record(process.get_finished_spans())]
    assert told(spans) == [
        ("map", about),
        ("render", {**about, "flowctl.request": "BillAdd"}),
        ("record", {**moved, "flowctl.state": "intended"}),
        ("read", {**moved, "flowctl.state": "intended"}),
        ("intent", {**moved, "flowctl.state": "intended"}),
        ("send", {**moved, "flowctl.state": "sent"}),
        ("receipt", {**moved, "flowctl.state": "posted"}),
        ("mark-synced", {**moved, "flowctl.state": "closed"}),
    ]
    _, root_id = ids_of(GUID)
    above = {span.name: span.parent.span_id if span.parent is not None else None for span in spans}
    assert above == {**dict.fromkeys(above, root_id), "record": None}
    (root,) = [span for span in spans if span.name == "record"]
    assert root.context is not None
    assert root.context.span_id == root_id


def test_the_trace_s_id_is_worked_out_from_what_the_operation_keeps(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 10)
    assert operation.guid == GUID == "{787E4C06-74AA-5B23-A898-D78B18935D38}"
    assert [f"{number:x}" for number in ids_of(operation.guid)] == [
        "901c24aab3d985feaf3eb3e42e402d48", "6215ff5333b65a6a",
    ]  # fmt: skip


def test_what_a_process_does_at_one_go_is_a_trace_of_its_own_with_links(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    with tracing() as exporter:
        bench.run("bills")
    spans = exporter.get_finished_spans()
    (run,) = [span for span in spans if span.name == "run"]
    assert run.context is not None
    inside = [span for span in spans if span.context is not None and span.context.trace_id == run.context.trace_id]
    assert told(inside) == [
        ("fetch", {"flowctl.connection": "shop", "flowctl.stream": "bills"}),
        ("fetch", {"flowctl.connection": "shop", "flowctl.stream": "bills"}),  # and there was no more
        ("run", {"flowctl.company": "acme", "flowctl.flow": "shop_to_ledger", "flowctl.run": 1}),
    ]
    linked = {span.name: [link.context.span_id for link in span.links] for span in of_record(spans)}
    assert linked == {
        "map": [run.context.span_id], "render": [run.context.span_id], "read": [run.context.span_id],
        "intent": [run.context.span_id], "record": [],
    }  # fmt: skip


def test_what_is_rolled_back_leaves_no_step(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    with tracing() as exporter:
        bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None, streams=["bills"])
    assert {span.name for span in of_record(exporter.get_finished_spans())} == {"map", "render"}


def test_what_the_target_refuses_is_a_receipt_and_what_waits_is_none(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", vendor={"id": "v-7", "name": "Nobody"})]
    with tracing() as exporter:
        bench.run("bills")
        made = bench.send()
        assert made is not None
        bench.settle(made, OperationOutcome(made.operations[0].id, "failed", code="3120", message="no"))
    spans = exporter.get_finished_spans()
    assert [span.name for span in of_record(spans)][-1] == "receipt"
    waits = guid_of(COMPANY, FLOW, "bills", "b-2", "post")
    assert [span.name for span in of_record(spans, waits)] == ["map", "record", "read"]


def test_an_error_leaves_its_kind_and_not_its_text(bench: Bench) -> None:
    class Broken:
        def __call__(self, *_args: object) -> object:
            raise ZeroDivisionError("the amount 17.50 of Acme")

    with tracing() as exporter:
        with pytest.raises(Transient), trace.span("call shop", {"connector": "shop"}):
            raise Transient("token abc refused")
        with pytest.raises(ZeroDivisionError), trace.step("map", GUID, {"stream": "bills"}):
            Broken()()
    spans = exporter.get_finished_spans()
    assert [(s.name, s.status.description, s.events) for s in spans] == [
        ("call shop", "Transient", ()),
        ("map", "ZeroDivisionError", ()),
    ]


def test_no_span_holds_a_payload_an_amount_or_a_secret(bench: Bench) -> None:
    said = bill("b-1", amount="8131.77", memo="canary-memo", vendor={"id": "v-1", "name": "Grün & Söhne"})
    bench.shop.listed["bills"] = [said]
    with tracing() as exporter:
        bench.run("bills")
        bench.post_all()
        bench.runner.tell(bench.program, COMPANY)
    text = json.dumps([json.loads(span.to_json()) for span in exporter.get_finished_spans()])
    assert [word for word in ("8131.77", "canary", "Grün", "Gr\\u00fcn", "hush", "k-1", "b-1") if word in text] == []


@pytest.mark.parametrize("run_id", [1, 2**128 - 1], ids=["run-kept", "run-left-out"])
def test_all_processes_keep_the_same_traces(bench: Bench, monkeypatch: pytest.MonkeyPatch, run_id: int) -> None:
    """Whether the run itself, whose id is drawn, is kept has no part in it."""
    monkeypatch.setattr(RandomIdGenerator, "generate_trace_id", lambda _self: run_id)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(40)]
    guids = [guid_of(COMPANY, FLOW, "bills", f"b-{n}", "post") for n in range(40)]
    with tracing() as first:
        bench.run("bills")
    with tracing() as second:
        bench.post_all()
    kept = [{guid for guid in guids if of_record(process.get_finished_spans(), guid)} for process in (first, second)]
    assert kept[0] == kept[1]
    assert 5 < len(kept[0]) < 35


def test_nobody_listens_nothing_happens() -> None:
    assert not trace.is_on()
    with trace.span("x", {}), trace.step("x", GUID, {}):
        trace.mark("x", GUID, {})


# --- to a collector


def test_traces_are_sent_to_the_collector_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[tuple[str, str, bytes]] = []

    def collect(call: HttpCall) -> HttpReply:
        heard.append((call.path, call.headers["content-type"], call.body))
        return HttpReply(200, {"content-type": "application/x-protobuf"}, b"")

    with running(app_of(collect)) as url, observing.traced(observing.Watched(otlp_endpoint=f"{url}/")):
        assert trace.is_on()
        with trace.span("run", {"company": COMPANY}):
            pass
    assert not trace.is_on()
    ((path, kind, body),) = heard
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    sent = ExportTraceServiceRequest.FromString(body)
    (resource,) = sent.resource_spans
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "flowctl"
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["run"]
    assert capsys.readouterr() == ("", "")


def test_without_a_collector_nothing_is_imported_or_sent() -> None:
    with observing.traced(observing.Watched()):
        assert not trace.is_on()


def test_without_the_packages_a_named_collector_is_an_error_and_an_implied_one_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "engine.telemetry.tracing", None)
    url = "http://127.0.0.1:4318"
    with pytest.raises(observing.NoTracing) as caught, observing.traced(observing.Watched(otlp_endpoint=url)):
        pass
    hint = "`pip install 'flowctl[otel]'`, or give no --otlp-endpoint"
    assert (str(caught.value), caught.value.hint) == ("OpenTelemetry is not installed", hint)
    with observing.traced(observing.Watched(otlp_endpoint=url, is_implied=True)):
        assert not trace.is_on()
    assert capsys.readouterr() == ("", f"no traces are sent: OpenTelemetry is not installed; {hint}\n")


def test_a_collector_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_module, "_CLOSE_S", 0.05, raising=False)
    release, was_released = threading.Event(), threading.Event()

    class Hanging(SimpleSpanProcessor):
        def shutdown(self) -> None:
            release.wait(5)
            was_released.set()

    OtelTracer(Hanging(InMemorySpanExporter())).close()
    assert not was_released.is_set()
    release.set()
    assert was_released.wait(20)
