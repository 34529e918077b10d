"""What a source lists as taken back: of that, what was posted from here is looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.batch import Batch
from engine.contract import Json
from engine.pipeline import key_of
from engine.program import StreamProgram
from engine.store import records
from engine.store.records import Place


def listed(stream: StreamProgram) -> StreamProgram | None:
    """The stream, fetching what was taken back; None where its flow does not ask for that."""
    fetch = stream.stream.fetch
    if not fetch.withdrawn:
        return None
    return replace(stream, stream=replace(stream.stream, fetch=replace(fetch, filters=fetch.withdrawn)))


def posted(batch: Batch, stream: StreamProgram, page: Sequence[Json]) -> list[Json]:
    """Those of a page that are posted, or were until the target lost them, and were read otherwise since.

    What never was posted is not wanted any more, and what is still open here is read by itself.
    """
    place = Place(batch.hand.company, batch.desk.program.flow.name, stream.stream.name, stream.stream.phase)
    by_key = [(key, data) for data in page if (key := key_of(stream, batch.desk, data)) is not None]
    known = records.known(batch.tx, place, [key for key, _ in by_key])
    return [data for key, data in by_key if key in known and known[key]["state"] in ("posted", "closed", "vanished")]
