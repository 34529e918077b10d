"""Counts and durations of what the process does: a seam that costs a comparison until somebody listens.

The engine and the connectors say what happened under one of the names in `engine.telemetry.meters`. Only `flowctl serve` listens,
with the sink of `engine.telemetry.metering`; everywhere else nothing is kept and no library is imported.
"""

from __future__ import annotations

from typing import Literal, Protocol

from engine.dataclass import dataclass

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` is as Prometheus shows it; a histogram has the upper `bounds` of its buckets, in its unit."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


class Sink(Protocol):
    """Whoever listens. Labels are values in the order of the metric's label names."""

    def add(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Count."""
        ...

    def put(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        ...

    def observe(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Take one value into a histogram."""
        ...


@dataclass(slots=True)
class _Listening:
    sink: Sink | None = None


_listening = _Listening()


def use(sink: Sink | None) -> None:
    """Tell this sink from now on; None for nobody."""
    _listening.sink = sink


def is_on() -> bool:
    """Whether anybody listens."""
    return _listening.sink is not None


def add(metric: Metric, *labels: str, amount: float = 1.0) -> None:
    """Count once, or `amount`."""
    if _listening.sink is not None:
        _listening.sink.add(metric, labels, amount)


def put(metric: Metric, value: float, *labels: str) -> None:
    """Set a gauge."""
    if _listening.sink is not None:
        _listening.sink.put(metric, labels, value)


def observe(metric: Metric, value: float, *labels: str) -> None:
    """Take one value into a histogram."""
    if _listening.sink is not None:
        _listening.sink.observe(metric, labels, value)
