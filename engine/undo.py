"""Undoing what was posted: whether the source wants it, and what it is prepared from. Reads the store, writes nothing.

What was undone stays posted or closed: the object is in the target, its amounts are zero, and its receipt says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine import pipeline
from engine.contract import Json
from engine.errors import ExpressionError
from engine.lookups import Resolver
from engine.pipeline import Desk, Parked
from engine.program import StreamProgram, UndoProgram
from engine.store import outbox
from engine.store.base import Row, Tx
from engine.store.records import Reason

Settings = Mapping[str, str | int | bool | None]


def due(tx: Tx, desk: Desk, stream: StreamProgram, record: Row, data: Json) -> UndoProgram | Parked | None:
    """How a posted record is undone now that its source says `data`; None when it is not to be undone.

    Parked when it cannot be told.
    """
    for undo in _ways(tx, stream, record):
        try:
            if _holds(desk.resolver, desk.settings, undo, data):
                return undo
        except ExpressionError as error:
            return Parked("failed", (Reason("expression", str(error), error.hint or ""),))
    return None


def possible(tx: Tx, stream: StreamProgram, record: Row) -> bool:
    """Whether the flow says how the record is undone."""
    return any(True for _ in _ways(tx, stream, record))


def is_undo(tx: Tx, change: Row) -> bool:
    """Whether a change record is, as it was prepared last, one that undoes."""
    operation = tx.one("operation_get", {"id": change["operation_id"]}) if change["operation_id"] else None
    return operation is not None and outbox.undoes(operation)


def says_undone(resolver: Resolver, settings: Settings, stream: StreamProgram, data: Json) -> bool:
    """Whether the source says of a record that any way of writing would undo it."""
    try:
        return any(way.undo is not None and _holds(resolver, settings, way.undo, data) for way in stream.variants)
    except ExpressionError:
        return False


def _holds(resolver: Resolver, settings: Settings, undo: UndoProgram, data: Json) -> bool:
    return pipeline.truthy(undo.when(data, pipeline.RecordContext(resolver, settings, data)))


def _ways(tx: Tx, stream: StreamProgram, record: Row) -> Iterator[UndoProgram]:
    """The undoing of the way in which the record was written; of every way where that is not known."""
    undoing = [(variant, variant.undo) for variant in stream.variants if variant.undo is not None]
    request = _written_by(tx, record) if undoing else ""
    yield from (undo for variant, undo in undoing if not request or request in variant.requests)


def _written_by(tx: Tx, record: Row) -> str:
    """The request that wrote the record last, before it was undone; empty when that is not known here."""
    name = record["operation_id"]
    while name:
        operation = tx.one("operation_get", {"id": name})
        if operation is None:
            return ""
        if not outbox.undoes(operation):
            return str(operation["request"])
        name = operation["base_id"]
    return ""
