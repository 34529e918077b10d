"""Streams that only compare: what was read before is held against the target's side again, and moves when that is news."""

from __future__ import annotations

from collections.abc import Sequence

from engine import pipeline
from engine.batch import OPEN, state_of
from engine.contract import Json
from engine.pipeline import Desk, NotReady, Parked, Prepared
from engine.program import StreamProgram
from engine.store import records
from engine.store.base import Row


def is_watched(stream: StreamProgram) -> bool:
    """Whether the stream only compares."""
    return stream.stream.write is None


def news(stream: StreamProgram, desk: Desk, read: Sequence[tuple[Row, Json]]) -> list[tuple[Row, Prepared]]:
    """What comes of records that the source lists as before, where it is not what they are already.

    The rows are those of `records.known`. The target's side may have changed although the source's did not.
    """
    rows = [(row, data) for row, data in read if row["state"] in OPEN]
    prepared = pipeline.prepare_all(stream, desk, [(row["source_id"], data) for row, data in rows])
    return [(row, result) for (row, _), result in zip(rows, prepared, strict=True) if not _is_known(row, result)]


def _is_known(row: Row, result: Prepared) -> bool:
    if isinstance(result, NotReady):
        return True
    if not isinstance(result, Parked):
        return False
    return bool(row["state"] == state_of(result) and row["reasons"] == records.dump_reasons(result.reasons))
