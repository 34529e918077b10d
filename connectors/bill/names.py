"""Puts names beside the ids of a record's coding, so that flows can look accounts and classes up by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.bill.records import Record

# The id of a coding, what the connector adds for it, and the stream that lists it.
_PARTS = (
    ("chartOfAccountId", "chartOfAccount", "chart_of_accounts"),
    ("accountingClassId", "accountingClass", "classes"),
    ("departmentId", "department", "departments"),
    ("locationId", "location", "locations"),
)
_LINES = ("billLineItems", "vendorCreditLineItems")
CODED = frozenset({"bills", "vendor_credits"})


@dataclass(slots=True)
class Names:
    """What the ids of coding lists stand for. A list is read at the first id that is not known, and then never again."""

    read_all: Callable[[str], Iterator[Record]]
    _known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def add_to(self, record: Record) -> None:
        """Fill in the names of every coding of a record."""
        for coding in _codings(record):
            for id_name, name, stream in _PARTS:
                given = coding[id_name]
                coding[name] = self._find(stream, given) if given is not None else None

    def _find(self, stream: str, given: str) -> Mapping[str, Any] | None:
        # BILL's ids begin with what they are of, so that those of two lists are never equal (FACTS.md, Hosts).
        if given not in self._known and stream not in self._read:
            for row in self.read_all(stream):
                self._known[row["id"]] = _short(stream, row)
            self._read.add(stream)
        found = self._known.get(given)
        return dict(found) if found is not None else None


def _short(stream: str, row: Record) -> dict[str, Any]:
    short = {"id": row["id"], "name": row["name"]}
    if stream == "chart_of_accounts":
        short["number"] = row["account"]["number"] if row["account"] is not None else None
    return short


def _codings(record: Record) -> Iterator[Record]:
    for part in (record, *(line for name in _LINES for line in record.get(name, ()))):
        coding = part.get("classifications")
        if coding is not None:
            yield coding
