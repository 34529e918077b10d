"""The page of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from engine.refdocs.markdown import page, sentence, table, ticked
from engine.telemetry import meters
from engine.telemetry.meter import Metric

_INTRO = (
    "What `/metrics` of `flowctl serve` gives, in the text that Prometheus reads. "
    "[How to monitor](../howto/monitor.md) says who may read it, and how."
)
_COUNTED = (
    "Counted by the process since it was started. A move of a record is counted once its transaction is durable, and never "
    "when it is rolled back."
)
_READ = (
    "Read from the store when they are asked for, at most every ten seconds, and so rarely that reading takes no more than a "
    "fiftieth of the time. Every process on one store gives the same; do not add them up."
)
_LIBRARY = (
    "Beside them stand the `process_…` metrics (CPU, memory, open files, start) and the `python_gc_…` metrics of "
    "prometheus-client."
)


def metrics_page() -> str:
    """Every metric with its type, labels and meaning."""
    parts = ["## Counted", _COUNTED, _table(meters.COUNTED), "## From the store", _READ, _table(meters.READ)]
    return page("Metrics", _INTRO, [*parts, "## From the library", _LIBRARY])


def _table(metrics: Sequence[Metric]) -> str:
    rows = [
        (f"`{each.name}`", each.kind, ticked(each.labels), sentence(each.help), ticked(f"{b:g}" for b in each.bounds))
        for each in metrics
    ]
    return table(("metric", "type", "labels", "meaning", "buckets up to, in seconds"), rows)
