"""Mapping tables as CSV: safe in a spreadsheet, read back unchanged, checked line by line before anything is kept."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location, suggestion
from engine.errors import UsageError
from engine.follow import Hand
from engine.listsource import is_called
from engine.model import Flow
from engine.operator import targets, worklist
from engine.store import lists
from engine.store.base import Row, Tx

COLUMNS = ("lookup", "key", "label", "full_name", "list_id")
MAX_BYTES = 32 * 1024 * 1024
# What makes a spreadsheet compute a cell; the wide forms are taken for the plain ones by some of them.
_ACTIVE = "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
# What Excel writes as the first line to say what stands between the cells.
_SEPARATOR = re.compile(r"sep=([,;:|\t])\r?\n", re.IGNORECASE)
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# So many wrong lines are told what was perhaps meant: in a long list that takes its time.
_HINTED = 10
Action = Literal["new", "changed", "same", "empty", "gone"]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file."""

    number: int
    lookup: str
    key: str
    label: str
    full_name: str
    list_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """What importing a line would do; `before` is what the key means now, and `before_id` its id there.

    What is `gone` stands on no line of the file: its number is 0.
    """

    line: Line
    action: Action
    row: lists.Mapping | None
    before: str = ""
    verified: bool = True
    before_id: str = ""


def guarded(cell: str) -> str:
    """A cell that no spreadsheet computes: an apostrophe stands before what would start a formula."""
    return f"'{cell}" if cell[:1] and cell[0] in _ACTIVE else cell


def plain(cell: str) -> str:
    """The cell as it was before `guarded`."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in _ACTIVE else cell


def write(rows: Iterable[Mapping[str, str]]) -> str:
    """The table as CSV with a header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([guarded(row.get(name) or "") for name in COLUMNS])
    return out.getvalue()


def read(data: bytes, path: str, lookup: str) -> tuple[list[Line], list[Diagnostic]]:
    """The lines of a file, and everything that is wrong with its form; `lookup` serves lines that name none.

    Raises:
        UsageError: when it is no CSV text at all.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: larger than {MAX_BYTES >> 20} MiB", hint="split the file")
    text, _ = decoded(data, path)
    told = _SEPARATOR.match(text)
    first = text.split("\n", 2)[1 if told else 0]
    separator = told[1] if told else max(",;\t", key=first.count)
    if told:
        # The line stays as an empty one, so that lines keep their numbers.
        text = text[told.end() - 1 :]
    try:
        rows = list(_numbered(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)))
    except csv.Error as error:
        raise UsageError(f"{path}: this is no CSV: {error}", hint="save it as `CSV UTF-8`") from error
    if not rows:
        raise UsageError(f"{path}: the file is empty", hint=f"its first line names the columns: {','.join(COLUMNS)}")
    return _lines(rows, path, lookup)


def decoded(data: bytes, path: str) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8, UTF-16 with a mark, or what Excel on Windows writes otherwise.

    Raises:
        UsageError: when it is no text.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    for tried in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            text = data.decode(tried)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text, tried
    raise UsageError(f"{path}: this is no text", hint="save it as `CSV UTF-8`")


def is_guessed(data: bytes) -> bool:
    """Whether nothing in the file says its encoding, and it is not UTF-8: letters outside ASCII may be wrong.

    Raises:
        UsageError: when it is no text.
    """
    return decoded(data, "the file")[1] == "cp1252"


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line; a cell may hold line breaks."""
    start = 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield start, row
        start = reader.line_num + 1  # type: ignore[attr-defined]  # csv.reader has it; its type is not public


def _lines(rows: Sequence[tuple[int, list[str]]], path: str, lookup: str) -> tuple[list[Line], list[Diagnostic]]:
    names = [cell.strip().lower() for cell in rows[0][1]]
    wrong = _header(names, lookup)
    if wrong:
        return [], [Diagnostic(Location(path, rows[0][0], 1), "M001", "", wrong, f"columns: {','.join(COLUMNS)}")]
    lines, problems, seen = [], [], dict[tuple[str, str], int]()
    for number, row in rows[1:]:
        at = Location(path, number, 1)
        if len(row) > len(names):
            problems.append(_problem(at, "M002", f"has {len(row)} cells under {len(names)} columns", "quote commas"))
            continue
        cells = {name: plain(cell) for name, cell in zip(names, row, strict=False)}
        line = Line(
            number,
            cells.get("lookup") or lookup,
            cells.get("key", ""),
            cells.get("label", ""),
            cells.get("full_name", "").strip(),
            cells.get("list_id", "").strip(),
        )
        if not line.key:
            problems.append(_problem(at, "M003", "names no key", "fill in the column `key`"))
        elif (line.lookup, line.key) in seen:
            where = f"`{line.lookup}` `{line.key}` is on line {seen[line.lookup, line.key]} already"
            problems.append(_problem(at, "M004", where, "keep one of the two lines"))
        else:
            seen[line.lookup, line.key] = number
            lines.append(line)
    return lines, problems


def _header(names: Sequence[str], lookup: str) -> str:
    if len(set(names)) != len(names):
        return "a column is named twice"
    if "key" not in names:
        return "no column is called `key`"
    if "full_name" not in names and "list_id" not in names:
        return "no column says what a key means"
    return "" if lookup or "lookup" in names else "no column is called `lookup`, and none was given"


def plan(
    tx: Tx, company: str, flow: Flow, lines: Sequence[Line], path: str, whole: frozenset[str] = frozenset()
) -> tuple[list[Change], list[Diagnostic]]:
    """What importing would do, and every line that cannot be imported. Nothing is changed.

    Of the lookups in `whole`, rows that people made and no line names are gone afterwards; what a run has learned stays.
    """
    known = {(row["lookup"], row["source_key"]): row for row in lists.mappings(tx, company, flow.name)}
    changes, problems = [], []
    for line in lines:
        at = Location(path, line.number, 1)
        lookup = flow.lookup(line.lookup)
        if lookup is None:
            hint = suggestion(line.lookup, [entry.name for entry in flow.lookups])
            problems.append(_problem(at, "M005", f"the flow has no lookup `{line.lookup}`", hint))
            continue
        before = known.get((line.lookup, line.key))
        was, was_id = (before["full_name"], before["list_id"]) if before is not None else ("", "")
        if not (line.full_name or line.list_id):
            changes.append(Change(line, "empty", None, was, before_id=was_id))
            continue
        if before is not None and (line.full_name, line.list_id) == (was, was_id):
            # What stands there already is not judged again: its object may have left the list since.
            changes.append(Change(line, "same", None, was, before_id=was_id))
            continue
        try:
            name = line.list_id or line.full_name
            target = targets.find_target(tx, company, flow, lookup, name, hints=len(problems) < _HINTED)
        except UsageError as error:
            problems.append(_problem(at, "M006", str(error), error.hint or ""))
            continue
        if line.list_id and line.full_name and target.verified and not _same(line.full_name, target.full_name):
            id_ = "id" if is_called(flow, lookup.connection) else "ListID"
            text = f"the {id_} `{line.list_id}` belongs to `{target.full_name}`, not to `{line.full_name}`"
            problems.append(_problem(at, "M007", text, "leave one of the two empty"))
            continue
        full_name = target.full_name if target.verified else line.full_name or line.list_id
        list_id = target.list_id if target.verified else line.list_id or target.list_id
        label = line.label or worklist.label_of(tx, company, flow.name, line.lookup, line.key)
        row = lists.Mapping(flow.name, line.lookup, line.key, full_name, list_id, label)
        same = before is not None and (was, was_id) in ((full_name, list_id), (full_name, ""))
        action: Action = "new" if before is None else "same" if same else "changed"
        changes.append(Change(line, action, row, was, target.verified, was_id))
    return [*changes, *_gone(known, lines, whole)], problems


def _gone(known: Mapping[tuple[str, str], Row], lines: Sequence[Line], whole: frozenset[str]) -> Iterator[Change]:
    """Rows that people made and the file does not have."""
    named = {(line.lookup, line.key) for line in lines}
    for place, row in known.items():
        if row["lookup"] in whole and row["origin"] == "person" and place not in named:
            line = Line(0, row["lookup"], row["source_key"], row["label"], "", "")
            yield Change(line, "gone", None, row["full_name"], before_id=row["list_id"])


def digest(changes: Sequence[Change]) -> str:
    """The same text for the same changes alone: what somebody agrees to is what was shown."""
    told = [
        (
            c.action,
            c.line.lookup,
            c.line.key,
            c.before,
            c.before_id,
            c.row and (c.row.full_name, c.row.list_id, c.row.label),
        )
        for c in changes
    ]
    return sha256(json.dumps(told).encode()).hexdigest()


def apply(tx: Tx, hand: Hand, flow: Flow, changes: Sequence[Change]) -> int:
    """Keep what is new or changed, remove what is gone, in the caller's transaction; returns how many records woke."""
    for change in changes:
        if change.action == "gone":
            worklist.drop_mapping(tx, hand, flow, change.line.lookup, change.line.key)
    rows = [change.row for change in changes if change.action in ("new", "changed") and change.row is not None]
    return sum(worklist.save_mapping(tx, hand, flow, row) for row in rows)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _problem(at: Location, code: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(at, code, "", message, hint or None)
