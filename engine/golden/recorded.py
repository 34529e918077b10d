"""Plays recorded reads of a vendor: a source that lists what was recorded, and takes every mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from engine import registry
from engine.contract import Json, MarkCall, Page
from engine.dataclass import dataclass
from engine.model import Flow


@dataclass(slots=True)
class RecordedSource:
    """One connection as it was recorded; `keys` are the fields with the id of a record, by stream.

    It does not change by what it is told: a record that was marked is listed again, as before.
    """

    name: str
    reads: Sequence[Mapping[str, Any]]
    keys: Mapping[str, str]
    told: list[dict[str, Any]]
    _read: set[int] = field(default_factory=set)

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        """All that was recorded for this stream and these filters, in one page; else nothing."""
        del checkpoint  # it never gives one
        for number, each in enumerate(self.reads):
            if each["stream"] == stream and each["filters"] == dict(filters):
                self._read.add(number)
                yield Page(each["records"])
                return
        yield Page([])

    def get(self, stream: str, record_id: str) -> Json | None:
        """A recorded record by its id."""
        key = self.keys.get(stream, "id")
        records = (record for each in self.reads if each["stream"] == stream for record in each["records"])
        return next((record for record in records if str(record.get(key)) == record_id), None)

    def mark(self, call: MarkCall) -> None:
        """Take every mark, and keep it for the case's `marks.json`."""
        posted = [{"id": each.id, "reference": each.reference, **dict(each.details)} for each in call.posted]
        failed = [{"id": each.id, "message": each.message} for each in call.failed]
        body = {name: value for name, value in (("posted", posted), ("failed", failed)) if value}
        self.told.append({"to": self.name, "call": f"mark {call.kind}", "body": body, "status": "recorded"})

    def contents(self) -> list[str]:
        """How many records of which streams there are."""
        counts: dict[str, int] = {}
        for each in self.reads:
            counts[each["stream"]] = counts.get(each["stream"], 0) + len(each["records"])
        return [f"{stream}: {count} recorded" for stream, count in counts.items()]

    def unread(self) -> list[str]:
        """The recorded streams that nothing has read."""
        return [str(each["stream"]) for number, each in enumerate(self.reads) if number not in self._read]


def recording_of(
    flow: Flow, name: str, reads: Sequence[Mapping[str, Any]], told: list[dict[str, Any]]
) -> RecordedSource:
    """The recorded source of a connection; what it is told is added to `told`."""
    connection = flow.connection(name)
    connector = registry.find(connection.connector) if connection else None
    keys = {stream.name: stream.key for stream in connector.spec.streams} if connector else {}
    return RecordedSource(name, reads, keys, told)
