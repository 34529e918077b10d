"""Traces over OpenTelemetry, for who has installed `flowctl[otel]` and named a collector.

A record's trace id is derived from its marker, so that every process and every hour adds to the same trace, and nothing has to be
handed over or kept for it. The one span above all others of a record is made when it is read for the first time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, StatusCode, TraceFlags

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from engine.telemetry.trace import Attributes

# An exporter that nobody hears must not hold up the end of the process: neither one try, nor all that are left.
_EXPORT_S = 5
_CLOSE_S = 5.0


class _Ids(RandomIdGenerator):
    """Random ids, but for the span that is above all others of a record."""

    def __init__(self) -> None:
        self.given = threading.local()

    def generate_trace_id(self) -> int:
        """The id of a new trace."""
        ids: tuple[int, int] | None = getattr(self.given, "ids", None)
        return ids[0] if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """The id of a new span."""
        ids: tuple[int, int] | None = getattr(self.given, "ids", None)
        return ids[1] if ids else super().generate_span_id()


class OtelTracer:
    """Makes the spans. An error leaves its kind in its span, and never its text."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._ids = _Ids()
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "flowctl"}
        self._provider = TracerProvider(resource=Resource.create(named), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("flowctl")

    @contextmanager
    def span(self, name: str, about: Attributes) -> Iterator[None]:
        """Something that this process does."""
        with (
            self._tracer.start_as_current_span(
                name, attributes=_named(about), record_exception=False, set_status_on_exception=False
            ) as span,
            _told(span),
        ):
            yield

    @contextmanager
    def step(self, name: str, guid: str, about: Attributes) -> Iterator[None]:
        """A step of a record."""
        span = self._step(name, guid, about)
        try:
            with _told(span):
                yield
        finally:
            span.end()

    def mark(self, name: str, guid: str, about: Attributes) -> None:
        """A step of a record that takes no time of its own."""
        if name == "read":
            self._root(guid, about)
        self._step(name, guid, about).end()

    def close(self) -> None:
        """Send what is left, for some seconds; the thread that is given up ends with the process."""
        ending = threading.Thread(target=self._end, name="flowctl-traces", daemon=True)
        ending.start()
        ending.join(_CLOSE_S)

    def _end(self) -> None:
        with suppress(Exception):
            self._provider.shutdown()

    def _step(self, name: str, guid: str, about: Attributes) -> otel.Span:
        trace_id, root_id = ids_of(guid)
        above = SpanContext(trace_id, root_id, is_remote=True, trace_flags=self._flags(trace_id))
        here = otel.get_current_span().get_span_context()
        links = [Link(here)] if here.is_valid and here.trace_id != trace_id else []
        context = otel.set_span_in_context(NonRecordingSpan(above), Context())
        return self._tracer.start_span(name, context=context, attributes=_named(about), links=links)

    def _root(self, guid: str, about: Attributes) -> None:
        self._ids.given.ids = ids_of(guid)
        try:
            self._tracer.start_span("record", context=Context(), attributes=_named(about)).end()
        finally:
            self._ids.given.ids = None

    def _flags(self, trace_id: int) -> TraceFlags:
        """Whether the trace is kept: each process comes to the same word, by the trace's id.

        In a context of its own: else the word would be that of the run or call which is under way here.
        """
        decision = self._provider.sampler.should_sample(Context(), trace_id, "record").decision
        return TraceFlags(TraceFlags.SAMPLED if decision == Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)


@contextmanager
def _told(span: otel.Span) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        span.set_status(StatusCode.ERROR, type(error).__name__)
        raise


def _named(about: Attributes) -> dict[str, str | int]:
    return {f"flowctl.{name}": value for name, value in about.items()}


def ids_of(guid: str) -> tuple[int, int]:
    """The trace id of the record with this marker, and the id of its uppermost span.

    Not the marker itself: some of its bits are the same in all, and a sampler that looks at them would take all or none.
    """
    digest = sha256(f"trace {guid}".encode()).hexdigest()
    return int(digest[:32], 16) or 1, int(digest[32:48], 16) or 1


def exporting(endpoint: str) -> OtelTracer:
    """A tracer that sends to a collector over OTLP and HTTP; `endpoint` is its base address, as `http://127.0.0.1:4318`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_S)
    return OtelTracer(BatchSpanProcessor(exporter))
