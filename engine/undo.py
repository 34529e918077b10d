"""Undoing what was posted: whether the source wants it, and what it is prepared from. Reads the store, writes nothing.

What was undone stays posted or closed: the object is in the target, its amounts are zero, and its receipt says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product

from engine import pipeline
from engine.contract import Json
from engine.errors import ExpressionError
from engine.lookups import Resolver
from engine.mapping.support import truthy
from engine.pipeline import Desk, Parked
from engine.program import StreamProgram, UndoProgram
from engine.store import companies, outbox
from engine.store.base import Row, Tx
from engine.store.records import Reason

Settings = Mapping[str, str | int | bool | None]


def due(tx: Tx, desk: Desk, stream: StreamProgram, record: Row, data: Json) -> UndoProgram | Parked | None:
    """How a posted record is undone now that its source says `data`; None when it is not to be undone.

    Parked when it cannot be told.
    """
    for undo in _ways(tx, stream, record):
        means = _means(desk.resolver, desk.settings, undo, data)
        if means is not False:
            return undo if means is True else means
    return None


def still(tx: Tx, desk: Desk, stream: StreamProgram, record: Row, data: Json) -> bool | Parked:
    """Whether the source of a voided record still says, with `data`, that it is void; parked when that cannot be told.

    What it said when it was voided meant so as the settings were then, which is not kept. Where they are others now, the
    two are held together as the settings may have been. What never meant it, as far as is known, has not changed.
    """
    said = json.loads(record["payload"])
    # One that was undone since the source no longer had it is there again.
    now: bool | Parked = not json.loads(record["receipt"] or "{}").get("gone")
    for undo in _ways(tx, stream, record):
        if _means(desk.resolver, desk.settings, undo, data) is True:
            return True
        for settings in (desk.settings, *_as_they_may_have_been(desk.settings, undo)):
            if _means(desk.resolver, settings, undo, said) is not True:
                continue
            means = _means(desk.resolver, settings, undo, data)
            if means is True:
                return True
            now = now if isinstance(now, Parked) else means
            if settings is desk.settings:
                break
    return now


def due_gone(tx: Tx, stream: StreamProgram, record: Row) -> UndoProgram | None:
    """How a posted record is undone now that its source no longer has it; None when it is not to be undone."""
    return next((undo for undo in _ways(tx, stream, record) if undo.gone), None)


def asks_for_gone(stream: StreamProgram) -> bool:
    """Whether it matters to the stream that its source no longer has a posted record."""
    return any(variant.undo is not None and variant.undo.gone for variant in stream.variants)


def possible(tx: Tx, stream: StreamProgram, record: Row) -> bool:
    """Whether the flow says how the record is undone."""
    return any(True for _ in _ways(tx, stream, record))


def is_undo(tx: Tx, change: Row) -> bool:
    """Whether a change record is, as it was prepared last, one that undoes."""
    operation = tx.one("operation_get", {"id": change["operation_id"]}) if change["operation_id"] else None
    return operation is not None and outbox.undoes(operation)


def is_of_gone(tx: Tx, change: Row) -> bool:
    """Whether a change record is, as it was prepared last, one that undoes what the source no longer has."""
    operation = tx.one("operation_get", {"id": change["operation_id"]}) if change["operation_id"] else None
    return operation is not None and outbox.undoes_gone(operation)


def says_undone(resolver: Resolver, settings: Settings, stream: StreamProgram, data: Json) -> bool:
    """Whether the source says of a record that any way of writing would undo it."""
    try:
        return any(way.undo is not None and _holds(resolver, settings, way.undo, data) for way in stream.variants)
    except ExpressionError:
        return False


def _as_they_may_have_been(settings: Settings, undo: UndoProgram) -> Iterator[Settings]:
    """The settings with every value that those which the condition asks for may have had."""
    others = {key: value for key, value in settings.items() if companies.setting_of(key)[0] not in undo.asks}
    for values in product(*undo.asks.values()) if undo.asks else ():
        yield {**others, **dict(zip(undo.asks, values, strict=True))}


def _means(resolver: Resolver, settings: Settings, undo: UndoProgram, data: Json) -> bool | Parked:
    """Whether the source would have it undone; parked when it cannot be told."""
    try:
        return _holds(resolver, settings, undo, data)
    except ExpressionError as error:
        return Parked("failed", (Reason("expression", str(error), error.hint or ""),))


def _holds(resolver: Resolver, settings: Settings, undo: UndoProgram, data: Json) -> bool:
    return truthy(undo.when(data, pipeline.RecordContext(resolver, settings, data)))


def _ways(tx: Tx, stream: StreamProgram, record: Row) -> Iterator[UndoProgram]:
    """The undoing of the way in which the record was written; of every way where that is not known."""
    undoing = [(variant, variant.undo) for variant in stream.variants if variant.undo is not None]
    request = _written_by(tx, record) if undoing else ""
    yield from (undo for variant, undo in undoing if not request or request in variant.requests)


def _written_by(tx: Tx, record: Row) -> str:
    """The request that wrote the record last, before it was undone; empty when that is not known here."""
    operation = writer(tx, record)
    return "" if operation is None else str(operation["request"])


def writer(tx: Tx, record: Row) -> Row | None:
    """The operation that wrote the record last, before it was undone; None when that is not known here."""
    name = record["operation_id"]
    while name:
        operation = tx.one("operation_get", {"id": name})
        if operation is None or not outbox.undoes(operation):
            return operation
        name = operation["base_id"]
    return None
