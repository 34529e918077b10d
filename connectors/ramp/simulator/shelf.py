"""What a connection's chart of accounts holds: entries by Ramp's id and by the id that the accounting system gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A GL account, field, option, accounting vendor, tax rate or tax code. `id` is Ramp's, `external_id` ours."""

    id: str
    external_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    code: str = ""
    is_active: bool = True
    visibility: str = "VISIBLE"
    by_api: bool = False
    # What only this kind has: classification, input_type, rate and others.
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Shelf:
    """Entries of one kind, connection and field, in the order in which they were made."""

    rows: list[Entry] = field(default_factory=list)
    # Where each of Ramp's ids stands in `rows`; fifty thousand of them are paged through.
    places: dict[str, int] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def put(self, entry: Entry) -> Entry:
        """Add an entry, or exchange it for one with the same id."""
        place = self.places.get(entry.id)
        if place is None:
            self.places[entry.id] = len(self.rows)
            self.ids[entry.external_id] = entry.id
            self.rows.append(entry)
        else:
            self.rows[place] = entry
        return entry

    def get(self, ramp_id: str) -> Entry | None:
        """An entry by Ramp's id."""
        place = self.places.get(ramp_id)
        return None if place is None else self.rows[place]

    def by_external(self, external_id: str) -> Entry | None:
        """An entry by the accounting system's id."""
        return self.get(self.ids.get(external_id, ""))


@dataclass(slots=True)
class Shelves:
    """All entries of a business: of each connection, kind, and, for options, of each field."""

    all: dict[tuple[str, str, str], Shelf] = field(default_factory=dict)

    def of(self, connection_id: str, kind: str, field_id: str = "") -> Shelf:
        """One shelf; an empty one is made when it is asked for first."""
        return self.all.setdefault((connection_id, kind, field_id), Shelf())

    def holding(self, kind: str, ramp_id: str) -> tuple[str, Shelf] | None:
        """The connection and shelf on which an entry stands."""
        for (connection_id, name, _), shelf in self.all.items():
            if name == kind and ramp_id in shelf.places:
                return connection_id, shelf
        return None

    def names(self, connection_id: str, kind: str) -> Sequence[Entry]:
        """All entries of a kind that a connection has, whatever their field."""
        return [
            row
            for (one, name, _), shelf in self.all.items()
            if (one, name) == (connection_id, kind)
            for row in shelf.rows
        ]
