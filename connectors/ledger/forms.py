"""How entries stand in a file: a line of JSON each, or CSV with a row for each line of an entry.

Both say of their last bytes whether they are a whole entry: a line of JSON ends with its line break, and a CSV entry with
as many rows as its first one announces. What comes after the last whole entry is what a crash left of one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any, BinaryIO, Protocol, cast

import orjson

from engine.dataclass import dataclass

# What makes a spreadsheet compute a cell; the wide forms are taken for the plain ones by some of them.
_ACTIVE = "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
_ENTRY = (
    "entry_id", "of", "reverses", "company", "request", "kind", "posted_at", "date", "reference", "party", "total",
    "currency", "entry_memo", "operation", "guid", "sha256", "fields",
)  # fmt: skip
_LINE = ("account", "amount", "memo", "class", "customer", "refers_to")
COLUMNS = ("entry_id", "line", "lines", *_LINE, *_ENTRY[1:])
# These hold numbers alone, and a number may be negative.
_NUMBERS = frozenset({"line", "lines", "reverses", "amount", "total"})

Entry = Mapping[str, Any]

# Python's reader refuses a cell of more than 128 KiB, for the whole process; `fields` of a bill with many lines is larger.
csv.field_size_limit(1 << 30)


class Torn(ValueError):
    """Whole bytes that are no entry: the file is not what was written to it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An entry, and where it begins and ends in the file."""

    entry: Entry
    begins: int
    ends: int


class Form(Protocol):
    """A way to write entries."""

    def encode(self, entry: Entry, *, first: bool) -> bytes:
        """The bytes of an entry; the first one of a file may have a header before it."""
        ...

    def read(self, file: io.FileIO, offset: int) -> Iterator[Whole]:
        """All whole entries from an offset on, which is 0 or the end of an entry.

        Raises:
            Torn: at whole lines that are no entry.
        """
        ...

    def completion(self, tail: bytes) -> bytes | None:
        """What is missing after the last bytes of a file to make them a whole entry, when that is certain."""
        ...

    def is_torn(self, tail: bytes, *, first: bool) -> bool:
        """Whether the last bytes of a file may be the beginning of an entry, of its first one or a later one."""
        ...


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A line of JSON for each entry."""

    def encode(self, entry: Entry, *, first: bool) -> bytes:  # noqa: ARG002 - there is no header
        """One line."""
        return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def read(self, file: io.FileIO, offset: int) -> Iterator[Whole]:
        """Line by line."""
        with _buffered(file, offset) as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                begins, offset = offset, offset + len(line)
                yield Whole(_object(line), begins, offset)

    def completion(self, tail: bytes) -> bytes | None:
        """The line break, where the object is whole."""
        try:
            _object(tail)
        except Torn:
            return None
        return b"\n"

    def is_torn(self, tail: bytes, *, first: bool) -> bool:  # noqa: ARG002 - all begin in the same way
        """An entry begins with its id; a disk that lost its power may show zeros in its place."""
        return _begins(tail, b'{"entry_id":"')


@dataclass(frozen=True, slots=True)
class Csv:
    """A row for each line of an entry, and one for an entry without lines; `fields` stands in the first alone."""

    def encode(self, entry: Entry, *, first: bool) -> bytes:
        """All rows of the entry, after the header where there is none yet."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\r\n")
        if first:
            writer.writerow(COLUMNS)
        whole = {**entry, "entry_memo": entry["memo"], "fields": json.dumps(entry["fields"], ensure_ascii=False)}
        lines: Sequence[Mapping[str, Any]] = entry["lines"]
        for number, line in enumerate(lines or ({},), 1):
            told = {
                **{name: whole[name] for name in _ENTRY if name != "fields" or number == 1},
                **{name: line.get(name, "") for name in _LINE},
                "line": number if lines else 0,
                "lines": len(lines),
            }
            writer.writerow([_cell(name, told.get(name)) for name in COLUMNS])
        return out.getvalue().encode()

    def read(self, file: io.FileIO, offset: int) -> Iterator[Whole]:
        """Row by row, an entry once its last row was read."""
        made = _Rows(offset)
        with _buffered(file, offset) as lines:
            for cells, ends in _rows(lines, offset):
                if cells == list(COLUMNS) and made.begins == 0 and not made.rows:
                    # Alone it is no entry yet, and the next one is read together with it.
                    continue
                found = made.add(cells)
                if found is not None:
                    yield Whole(found, made.begins, ends)
                    made = _Rows(ends)

    def completion(self, tail: bytes) -> bytes | None:  # noqa: ARG002 - nothing is certain
        """Nothing: a cell that is cut off looks like a shorter one."""
        return None

    def is_torn(self, tail: bytes, *, first: bool) -> bool:
        """The first entry comes after the header; a later one is known by the entry before it."""
        return not first or _begins(tail, ",".join(COLUMNS).encode() + b"\r\n")


@dataclass(slots=True)
class _Rows:
    """The rows of one entry, as far as they were read."""

    begins: int
    rows: list[dict[str, str]] = field(default_factory=list)

    def add(self, cells: Sequence[str]) -> Entry | None:
        """One more row; the entry once it is whole."""
        if len(cells) != len(COLUMNS):
            raise Torn(f"a row has {len(cells)} cells instead of {len(COLUMNS)}")
        row = {name: _plain(name, cell) for name, cell in zip(COLUMNS, cells, strict=True)}
        first = self.rows[0] if self.rows else row
        if (row["entry_id"], row["lines"]) != (first["entry_id"], first["lines"]):
            raise Torn("a row is of another entry than the one before it")
        self.rows.append(row)
        try:
            line, lines = int(row["line"]), int(row["lines"])
            if line != (len(self.rows) if lines else 0):
                raise Torn("the rows of an entry are out of order")
            return _entry(self.rows) if line == lines else None
        except (ValueError, orjson.JSONDecodeError) as error:
            raise Torn("a row is not one of a ledger") from error


def _entry(rows: Sequence[Mapping[str, str]]) -> Entry:
    """The entry as it was before it was written as rows."""
    first = rows[0]
    lines = [{name: row[name] for name in _LINE} for row in rows] if first["lines"] != "0" else []
    return {
        **{name: first[name] for name in _ENTRY if name != "entry_memo"},
        "reverses": int(first["reverses"]),
        "total": first["total"] or None,
        "currency": first["currency"] or None,
        "memo": first["entry_memo"],
        "lines": lines,
        "fields": orjson.loads(first["fields"]),
    }


@contextmanager
def _buffered(file: io.FileIO, offset: int) -> Iterator[BinaryIO]:
    """Fresh from the file: a buffer that is kept would show what was cut off since."""
    file.seek(offset)
    reader = io.BufferedReader(file, 1 << 16)
    try:
        yield cast("BinaryIO", reader)
    finally:
        # The file stays open.
        reader.detach()


def _begins(tail: bytes, beginning: bytes) -> bool:
    return tail[: len(beginning)] == beginning[: len(tail)] or not tail.strip(b"\0")


def _rows(lines: BinaryIO, offset: int) -> Iterator[tuple[list[str], int]]:
    """Cells of each whole row, and where it ends; a quoted cell may hold line breaks."""
    held = b""
    for line in lines:
        held += line
        if held.count(b'"') % 2:
            continue
        if not held.endswith(b"\n"):
            return
        offset += len(held)
        try:
            (cells,) = csv.reader(io.StringIO(held.decode(), newline=""), strict=True)
        except (ValueError, csv.Error) as error:
            raise Torn("a row is no CSV") from error
        yield cells, offset
        held = b""


def _object(line: bytes) -> Entry:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Torn("a line is no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("entry_id"), str):
        raise Torn("a line is no entry")
    return found


def _cell(name: str, value: object) -> str:
    """A cell that no spreadsheet computes: an apostrophe stands before what would start a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text and name not in _NUMBERS and text[0] in _ACTIVE else text


def _plain(name: str, cell: str) -> str:
    """The value as it was before `_cell`."""
    return cell[1:] if name not in _NUMBERS and cell[:1] == "'" and cell[1:2] and cell[1] in _ACTIVE else cell


FORMS: Mapping[str, Form] = {"jsonl": JsonLines(), "csv": Csv()}
