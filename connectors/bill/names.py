"""Puts beside the ids of a record what they stand for: full names of what lines are coded to, the currency of a vendor.

A list is read whole at the first id that is not known. What it lacks is asked for alone, once a connection: it was made
after the list was read, or BILL leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from connectors.bill.records import Record
from engine.dataclass import dataclass

# The id of a coding, what the connector adds for it, and the stream that lists it.
_PARTS = (
    ("chartOfAccountId", "chartOfAccount", "chart_of_accounts"),
    ("accountingClassId", "accountingClass", "classes"),
    ("departmentId", "department", "departments"),
    ("locationId", "location", "locations"),
)
_LINES = ("billLineItems", "vendorCreditLineItems")
_CODED = frozenset({"bills", "vendor_credits"})
# Streams whose records belong to a vendor: BILL says its currency only of the vendor (FACTS.md, Objects).
_OF_VENDOR = frozenset({"bills", "vendor_credits", "payments"})
_LISTS = frozenset(stream for _, _, stream in _PARTS)
_BETWEEN = ":"


@dataclass(slots=True)
class Names:
    """What ids stand for. `read_all` lists a stream; `read_one` gives a record by its id, None when there is none."""

    read_all: Callable[[str], Iterator[Record]]
    read_one: Callable[[str, str], Record | None]
    _known: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def add_to(self, stream: str, record: Record) -> None:
        """Fill in what the connector adds to a record of a stream, apart from what a payment's bills tell."""
        if stream in _LISTS:
            record["fullName"] = self._path(stream, record)
        if stream in _OF_VENDOR:
            vendor = self._find("vendors", record["vendorId"])
            record["currency"] = vendor["billCurrency"] if vendor is not None else None
        if stream in _CODED:
            for coding in _codings(record):
                for id_name, name, listed in _PARTS:
                    coding[name] = self._short(listed, coding[id_name])

    def _short(self, stream: str, given: str | None) -> dict[str, Any] | None:
        row = self._find(stream, given)
        if row is None:
            return None
        short = {"id": row["id"], "name": self._path(stream, row), "shortName": row["name"]}
        if stream == "chart_of_accounts":
            short["number"] = row["account"]["number"] if row["account"] is not None else None
        return short

    def _path(self, stream: str, row: Mapping[str, Any]) -> str | None:
        """The names from the topmost down; None when one above is missing, or when they go round in a circle."""
        path, above, seen = row["name"], row["parentId"], {row["id"]}
        while path and above:
            parent = self._find(stream, above) if above not in seen else None
            if parent is None or not parent["name"]:
                return None
            # Whoever copies names from QuickBooks may have written the path into the name already.
            path = path if path.startswith(f"{parent['name']}{_BETWEEN}") else f"{parent['name']}{_BETWEEN}{path}"
            seen.add(above)
            above = parent["parentId"]
        return path or None

    def _find(self, stream: str, given: str | None) -> Mapping[str, Any] | None:
        # BILL's ids begin with what they are of, so that those of two lists are never equal (FACTS.md, Hosts).
        if not given:
            return None
        if given not in self._known and stream not in self._read:
            for row in self.read_all(stream):
                self._known[row["id"]] = _kept(stream, row)
            self._read.add(stream)
        if given not in self._known:
            found = self.read_one(stream, given)
            self._known[given] = _kept(stream, found) if found is not None else None
        return self._known[given]


def _kept(stream: str, row: Record) -> Mapping[str, Any]:
    """What is needed of a row: a list of vendors may be long, and holds much about people."""
    if stream == "vendors":
        return {"billCurrency": row["billCurrency"]}
    return {name: row[name] for name in ("id", "name", "parentId", "account") if name in row}


def _codings(record: Record) -> Iterator[Record]:
    for part in (record, *(line for name in _LINES for line in record.get(name, ()))):
        coding = part.get("classifications")
        if coding is not None:
            yield coding
